"""What is merely unusual, wasteful, or limits what can be checked."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
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

    What to do instead: if the result is wanted, make it an output of the model. If not, remove the nodes (onnxsim or
    onnx-graphsurgeon's Graph.cleanup do).

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
            yield Found(
                f"no output of the model needs the result of this {graph.node(name).native_op}{more}", node=name
            )


dead_node.bad(lambda g: g.conv(8, 16).relu().at("conv_0_out").sigmoid())
dead_node.good(lambda g: g.conv(8, 16).relu().output().at("conv_0_out").sigmoid())


@rule("GRF902", "duplicate-node", Level.NOTE, on=Model, confidence="documented")
def duplicate_node(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The same is computed twice.

    What it does: finds nodes with the same operator, inputs and attributes. Values known when the model is compiled,
    random operators and Q/DQ pairs are left out.

    Why it matters: compilers without common subexpression elimination run both and keep both results in memory.

    What to do instead: keep the result in a variable in the model's source; or simplify the exported file (onnxsim,
    onnxruntime's basic optimisations).

    Source: ONNX operator specification: operators are pure functions of inputs and attributes.
    """
    graph = model.graph
    first: dict[object, Node] = {}
    for node in graph.nodes:
        key = _identity(graph, node)
        other = first.setdefault(key, node) if key is not None else node
        if other is not node:
            yield Found(f"computes the same as '{other.name}': {node.native_op} of the same inputs", node=node.name)


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

    What to do instead: export with keep_initializers_as_inputs=False, or run onnxruntime's
    remove_initializer_from_input.

    Source: ONNX IR specification, graphs (initializer).
    """
    yield from told(model, "initializer-is-input")


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


RULES: list[Rule] = [dead_node, duplicate_node, unused_input, initializer_is_input, missing_weights]
