"""What TensorFlow Lite Micro makes of a network: every operator on the CPU, in order, and the arena they need.

The plan is that of the interpreter with the portable reference kernels. A TFLite file is planned as it stands; an ONNX
file as a converter would write it: activations and normalisations behind a layer are folded into it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from lintmodel.ir import Graph, Node
from lintmodel.ir.dtypes import bits
from lintmodel.planning import NotChecked, Placement, Plan, Pool, Refusal, liveness
from lintmodel.target import Target

from .arena import Arena, arena
from .kernels import kernel_refusals

FUSING = frozenset({"Conv", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div"})
"""ONNX operators whose counterparts in TFLite take an activation with them."""
WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm"})
"""ONNX operators into which a normalisation behind them is folded."""
CLIPS = ((0.0, 6.0), (-1.0, 1.0))
"""Limits for which TFLite has an activation: RELU6 and RELU_N1_TO_1."""
LEAST = "arena, of which this is the least"
NOTHING = frozenset({"Identity", "Dropout", "Constant"})


def plan(graph: Graph, target: Target) -> Plan:
    """Raises nothing for a network the interpreter refuses."""
    aliases = _aliases(graph) if graph.format != "tflite" else {}
    running = tuple(node for node in _in_order(graph) if not _free(graph, node, aliases))
    refusals = (*_not_registered(graph, running, target), *kernel_refusals(graph))
    refused = {refusal.node for refusal in refusals}
    runs = {node.name for node in running}
    placements = {
        node.name: Placement.UNSUPPORTED
        if node.name in refused
        else Placement.FALLBACK
        if node.name in runs
        else Placement.FREE
        for node in graph.nodes
    }
    found = Plan(placements=placements, refusals=refusals, verdict="rejected" if refusals else "accepted")
    open_nodes = _open(graph, running)
    if open_nodes:
        why = "their shapes are not fixed"
        not_checked = (NotChecked("arena", why, open_nodes),)
        return replace(found, verdict="rejected" if refusals else "unknown", runtime="unknown", not_checked=not_checked)
    dtype = "int8" if target.options.get("dtype") == "int8" else ""
    pool = target.pools["arena"]
    return _laid(found, graph, arena(graph, running, aliases, dtype, pool.align), _capacity(target), dtype)


def _laid(plan: Plan, graph: Graph, laid: Arena, capacity: int | None, dtype: str) -> Plan:
    plan = replace(plan, steps=tuple(laid.steps), buffers=laid.buffers)
    live = liveness(plan).get("arena")
    peak = laid.steps[live.at].nodes[0] if live else None
    memory = {"arena": Pool(laid.head, capacity, peak), "weights": Pool(_weight_bytes(graph, dtype))}
    if laid.variables:
        memory["variables"] = Pool(laid.variables)
    too_small = capacity is not None and laid.head > capacity
    return replace(
        plan,
        memory=memory,
        runtime="fails" if too_small else plan.runtime if not plan.refusals else "unknown",
        # The tail of the arena depends on the build, so only what is too small for sure is known.
        fits="no" if too_small else "unknown",
        not_checked=tuple(_not_checked(graph, laid)),
    )


def _weight_bytes(graph: Graph, dtype: str) -> int:
    """Bytes of all constants as they lie in the file, which the firmware keeps in flash."""
    found = 0
    for body in (graph, *graph.subgraphs):
        for name in {name for node in body.nodes for name in node.inputs if body.is_constant(name)}:
            tensor = body.tensor(name)
            if tensor.known and tensor.dtype != "string":
                stored = dtype if dtype and tensor.dtype.startswith("float") else tensor.dtype
                found += -(-tensor.elements * bits(stored) // 8)
    return found


def _not_checked(graph: Graph, laid: Arena) -> Iterator[NotChecked]:
    bodies = tuple(node.name for node in graph.nodes if node.subgraphs)
    if bodies:
        yield NotChecked(LEAST, "what their branches need is not planned for ONNX files", bodies)
    if laid.unknown:
        why = "how much working memory they ask for stands in options that are not read"
        yield NotChecked(LEAST, why, tuple(laid.unknown))
    yield NotChecked("tail of the arena", "the size of the interpreter's own structures depends on the build")


def _capacity(target: Target) -> int | None:
    """Bytes of the arena: the option, else what a sheet of the user's own says."""
    return int(target.options.get("arena") or 0) or target.pools["arena"].bytes


def _in_order(graph: Graph) -> tuple[Node, ...]:
    """The interpreter runs operators as they stand in the file."""
    if graph.format != "tflite":
        return graph.nodes
    return tuple(sorted(graph.nodes, key=lambda node: node.source.index or 0))


def _not_registered(graph: Graph, running: tuple[Node, ...], target: Target) -> Iterator[Refusal]:
    inner = [node for body in graph.subgraphs for node in body.nodes]
    for node in (*running, *inner):
        if graph.format != "tflite":
            known = not node.domain and node.op in target.operators["onnx"]
            message = None
        elif node.domain:
            known = node.native_op in target.operators["tflite_custom"]
            message = "Failed to get registration from op code CUSTOM"
        else:
            known = node.native_op in target.operators["tflite"]
            message = f"Didn't find op for builtin opcode '{node.native_op}'"
        if not known:
            yield Refusal("operator-not-registered", node.name, message, {"op": node.native_op})


def _open(graph: Graph, running: tuple[Node, ...]) -> tuple[str, ...]:
    """Nodes with a tensor in the arena whose size is not known, or of a type that has none."""

    def is_open(graph: Graph, name: str) -> bool:
        tensor = graph.tensor(name)
        if not name or tensor.constant is not None or tensor.dtype == "resource":
            return False
        return not tensor.known or tensor.dtype in ("string", "unknown")

    def names(graph: Graph, nodes: tuple[Node, ...]) -> Iterator[str]:
        for node in nodes:
            if any(is_open(graph, name) for name in (*node.inputs, *node.outputs)):
                yield node.name

    inner = (name for body in graph.subgraphs for name in names(body, body.nodes))
    return (*names(graph, running), *inner)


# ---- what a converter leaves out of an ONNX graph


def _free(graph: Graph, node: Node, aliases: Mapping[str, str]) -> bool:
    if graph.format == "tflite":
        return False
    written = [name for name in node.outputs if name]
    return bool(written) and (
        written[0] in aliases or all(name in graph.values or graph.is_constant(name) for name in written)
    )


def _aliases(graph: Graph) -> dict[str, str]:
    """Tensors that are not made on their own: from the output of a node folded away to what it reads."""
    aliases: dict[str, str] = {}
    for node in graph.nodes:
        source, written = next(iter(node.inputs), ""), next(iter(node.outputs), "")
        maker = graph.producer(_root(aliases, source))
        alone = len(graph.consumers(source)) == 1 and source not in graph.outputs and source not in graph.captured
        if not source or not written or graph.is_constant(source):
            continue
        if node.op in NOTHING or (maker is not None and alone and _folds(graph, node, maker)):
            aliases[written] = source
    return aliases


def _root(aliases: Mapping[str, str], name: str) -> str:
    while name in aliases:
        name = aliases[name]
    return name


def _folds(graph: Graph, node: Node, maker: Node) -> bool:
    if node.op == "BatchNormalization":
        return maker.op in WEIGHTED and all(map(graph.is_constant, node.inputs[1:]))
    if node.op == "Clip":
        return maker.op in FUSING and _limits(graph, node) in CLIPS
    return node.op == "Relu" and maker.op in FUSING


def _limits(graph: Graph, node: Node) -> tuple[float, float] | None:
    if "min" in node.attributes or "max" in node.attributes:
        return node.attributes.get("min", float("-inf")), node.attributes.get("max", float("inf"))
    values = [graph.value(name) if name else None for name in (*node.inputs[1:], "", "")[:2]]
    low, high = (None if value is None else float(value.reshape(-1)[0]) for value in values)
    return None if low is None or high is None else (low, high)
