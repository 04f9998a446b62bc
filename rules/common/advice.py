"""What is merely unusual, wasteful, or limits what can be checked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Constant, Graph, Node
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .problems import told
from .words import counted, listed


@rule("GRF901", "dead-node", Level.NOTE, on=Model, confidence="documented")
def dead_node(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Nothing that is computed here reaches an output.

    What it does: walks back from the outputs and reports the nodes that are not met, each dead end once.

    Why it matters: most compilers drop such nodes; those that do not spend time and memory on them. Often an output
    was forgotten in the export.

    What to do instead: if the result is wanted, make it an output of the model. If not, remove the nodes (lintmodel
    fix or onnxsim do).

    Fix safety: safe; no output changes.

    Source: ONNX IR specification, graphs.
    """
    graph = model.graph
    needed = set(graph.outputs)
    dead: list[Node] = []
    for node in reversed(graph.nodes):
        if not node.outputs or needed.intersection(node.outputs):  # without outputs it is there for what it does
            needed.update(node.inputs, *(body.free for body in node.subgraphs.values()))
        else:
            dead.append(node)
    ends: dict[str, str] = {}
    feeding: dict[str, int] = {}
    for node in dead:
        readers = [reader.name for name in node.outputs for reader in graph.consumers(name)]
        end = ends[node.name] = next((ends[name] for name in readers if name in ends), node.name)
        feeding[end] = feeding.get(end, -1) + 1
    for name in reversed(feeding):
        if graph.node(name).op != "Constant":
            more = f", nor of {counted(feeding[name], 'node')} before it" if feeding[name] else ""
            text = f"no output of the model needs the result of this {graph.node(name).native_op}{more}"
            yield Found(text, node=name, fix=_in_onnx(graph, Fix("drop-dead-nodes", "safe", "take it out")))


dead_node.bad(lambda g: g.conv(8, 16).relu().at("conv_0_out").sigmoid())
dead_node.good(lambda g: g.conv(8, 16).relu().output().at("conv_0_out").sigmoid())


@rule("GRF902", "duplicate-node", Level.NOTE, on=Model, confidence="documented")
def duplicate_node(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The same is computed twice.

    What it does: finds nodes with the same operator, inputs and attributes. Values known when the model is compiled,
    random operators and Q/DQ pairs are left out.

    Why it matters: compilers without common subexpression elimination run both and keep both results in memory.

    What to do instead: keep the result in a variable in the model's source; or simplify the exported file (lintmodel
    fix, onnxsim, onnxruntime's basic optimisations).

    Fix safety: safe; all readers read the result of the first.

    Source: ONNX operator specification: operators are pure functions of inputs and attributes.
    """
    graph = model.graph
    first: dict[object, Node] = {}
    for node in graph.nodes:
        key = _identity(graph, node)
        other = first.setdefault(key, node) if key is not None else node
        if other is not node:
            text = f"computes the same as '{other.name}': {node.native_op} of the same inputs"
            yield Found(
                text,
                node=node.name,
                fix=_in_onnx(graph, Fix("merge-duplicates", "safe", "read the result of the first")),
            )


def _in_onnx(graph: Graph, fix: Fix) -> Fix | None:
    """Of the format whose graph can be rewritten."""
    return fix if graph.format == "onnx" else None


_IMPURE = frozenset({"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial"})
_NOT_COMPARED = _IMPURE | {"Bernoulli", "Dropout", "Identity", "QuantizeLinear", "DequantizeLinear"}


def _identity(graph: Graph, node: Node) -> object:
    """What two nodes share that compute the same; None for nodes that are not compared."""
    if node.domain or node.op in _NOT_COMPARED or node.subgraphs or not any(node.inputs):
        return None
    if any(name in graph.values for name in node.outputs) or all(graph.is_constant(n) for n in node.inputs if n):
        return None
    attributes = tuple(sorted(node.attributes.items()))
    if any(isinstance(value, Constant) for _, value in attributes):
        return None
    key = node.op, node.native_op, node.inputs, len(node.outputs), attributes
    try:
        hash(key)
    except TypeError:
        return None
    return key


duplicate_node.bad(lambda g: g.conv(8, 16).branch(lambda b: b.relu(), lambda b: b.relu()))
duplicate_node.good(lambda g: g.conv(8, 16).branch(lambda b: b.relu(), lambda b: b.sigmoid()))
duplicate_node.good(lambda g: g.conv(8, 16).branch(lambda b: b.conv(16, 16), lambda b: b.conv(16, 16)))


@rule("GRF903", "unused-input", Level.NOTE, on=Model, confidence="documented")
def unused_input(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """An input of the model is read by no operator.

    What it does: finds graph inputs without a reader.

    Why it matters: the program on the board still has to hand it over, and some compilers fail on an input that
    leads nowhere. It is often what is left of a branch the exporter found constant.

    What to do instead: leave the argument out of the exported module's forward.

    Source: ONNX IR specification, graphs.
    """
    graph = model.graph
    unused = [
        name
        for name in graph.inputs
        if not graph.consumers(name) and name not in graph.outputs and name not in graph.captured
    ]
    if unused and graph.nodes:
        many = "inputs" if len(unused) > 1 else "input"
        yield Found(f"no operator reads the {many} {listed(unused)}", details={"inputs": unused})


unused_input.bad(lambda g: g.input(1, 8).input(1, 8, name="mask").at("x").relu())
unused_input.good(lambda g: g.input(1, 8).input(1, 8, name="mask").op("Add", "x"))


@rule("GRF904", "initializer-is-input", Level.NOTE, on=Model, confidence="documented")
def initializer_is_input(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Weights are listed among the model's inputs.

    What it does: finds initialisers that are graph inputs too.

    Why it matters: in IR version 4 and newer this makes them values that a caller may replace, so a compiler must
    not fold them; some list them as inputs of the compiled model. IR version 3 demanded it of every initialiser.

    What to do instead: export with keep_initializers_as_inputs=False, or run lintmodel fix.

    Fix safety: safe in IR version 4 and newer, for callers that leave these inputs out.

    Source: ONNX IR specification, graphs (initializer).
    """
    new = int(model.graph.metadata.get("ir_version") or 0) >= 4
    fix = Fix("drop-initializer-inputs", "safe", "initialisers alone") if new else None
    yield from (replace(found, fix=fix) for found in told(model, "initializer-is-input"))


initializer_is_input.bad(
    lambda g: g.conv(8, 16).problem("initializer-is-input", "2 initialisers are also graph inputs ('w', 'b')")
)
initializer_is_input.good(lambda g: g.conv(8, 16))


@rule("GRF905", "missing-weights", Level.NOTE, on=Model, confidence="documented")
def missing_weights(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The values of weights are not in the file or beside it.

    What it does: looks for external data in the model's own folder. Data outside of it are never read.

    Why it matters: verdicts that depend on shapes are complete all the same; checks that look at values are not made.

    What to do instead: put the data file back beside the model. A path that leads out of the folder has to be
    changed: save again with onnx.save_model(..., save_as_external_data=True).

    Source: ONNX external data documentation.
    """
    yield from told(model, "missing-weights")


missing_weights.bad(
    lambda g: g.conv(8, 16).problem("missing-weights", "the values of 1 of 2 initialisers are not there (0.1 MB)")
)
missing_weights.good(lambda g: g.conv(8, 16))


@rule("GRF906", "no-effect", Level.NOTE, on=Model, confidence="documented")
def no_effect(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Operators that give what they get.

    What it does: finds Identity and Dropout, and operators that happen to do nothing: a Reshape to the same shape, a
    Pad by nothing, a Cast to the same type, a Clip of what is within its limits, a product with 1. All of them are one
    finding.

    Why it matters: compilers drop the plain ones. Those they do not see through copy the whole map, and stand between
    operators that would have been fused.

    What to do instead: export in evaluation mode; simplify the file with lintmodel fix or onnxsim.

    Fix safety: safe; their readers read what went into them.

    Source: ONNX operator specification.
    """
    from lintmodel.fix.rewrites.drop_identity import drop_identity
    from lintmodel.fix.rewrites.drop_noop import drop_noop

    graph = model.graph
    fixes = (
        (drop_identity, Fix("drop-identity", "safe", "take them out")),
        (drop_noop, Fix("drop-noop", "safe", "take them out")),
    )
    for rewrite, fix in fixes if graph.format == "onnx" else ():
        names = [change.node for change in rewrite.places(graph)]
        if names:
            does = "operator does" if len(names) == 1 else "operators do"
            ops = ", ".join(dict.fromkeys(graph.node(name).native_op for name in names))
            text = f"{len(names)} {does} nothing: {ops} ({listed(names)})"
            yield Found(text, fix=fix, details={"nodes": names})


no_effect.bad(lambda g: g.conv(8, 16).op("Identity").relu())
no_effect.bad(lambda g: g.conv(8, 16).op("Reshape", g.constant([1, 16, 32, 32])).relu())
no_effect.bad(lambda g: g.conv(8, 16).relu().clip(0.0, float("inf")).conv(16, 16))
no_effect.good(lambda g: g.conv(8, 16).relu().clip(0.0, 6.0))


@rule("GRF907", "moves-in-a-row", Level.NOTE, on=Model, confidence="documented")
def moves_in_a_row(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Reshapes, or Transposes, behind each other.

    What it does: finds a Reshape (Flatten, Squeeze, Unsqueeze) whose only reader is another one, and a Transpose whose
    only reader is another. All of a kind are one finding.

    Why it matters: a toolchain that keeps both moves the map twice, or moves it and back again. Converters between
    layouts leave such pairs behind.

    What to do instead: write one, or none where the second takes the first back.

    Fix safety: safe; the elements come to stand where they did.

    Source: ONNX operator specification.
    """
    from lintmodel.fix.rewrites.merge_reshapes import merge_reshapes, merge_transposes

    graph = model.graph
    fixes = (
        (merge_reshapes, Fix("merge-reshapes", "safe", "one in the place of two")),
        (merge_transposes, Fix("merge-transposes", "safe", "one, or none, in the place of two")),
    )
    for rewrite, fix in fixes if graph.format == "onnx" else ():
        pairs = [change.remove for change in rewrite.places(graph)]
        if pairs:
            first, second = (graph.node(name).native_op for name in pairs[0])
            more = f" and {len(pairs) - 1} more" if len(pairs) > 1 else ""
            text = f"{first} and {second} stand behind each other ({listed(pairs[0])}){more}"
            yield Found(text, fix=fix, details={"nodes": [name for pair in pairs for name in pair]})


moves_in_a_row.bad(
    lambda g: (
        g.conv(8, 16)
        .op("Transpose", shape=(1, 32, 32, 16), perm=(0, 2, 3, 1))
        .op("Transpose", shape=(1, 16, 32, 32), perm=(0, 3, 1, 2))
    )
)
moves_in_a_row.bad(
    lambda g: (
        g.input(1, 8, 4, 4)
        .op("Reshape", g.constant([1, 128]), shape=(1, 128))
        .op("Reshape", g.constant([1, 2, 64]), shape=(1, 2, 64))
    )
)
moves_in_a_row.good(lambda g: g.conv(8, 16).op("Transpose", shape=(1, 32, 32, 16), perm=(0, 2, 3, 1)).relu())


RULES: list[Rule] = [
    dead_node,
    duplicate_node,
    unused_input,
    initializer_is_input,
    missing_weights,
    no_effect,
    moves_in_a_row,
]
