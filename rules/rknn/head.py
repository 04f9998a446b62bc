"""Where the decoding of a detection network begins, and the network without it."""

from __future__ import annotations

from lintmodel.ir import Graph, Node

_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})


def head(graph: Graph) -> tuple[str, ...]:
    """Outputs of the convolutions behind which nothing is learnt and maps are unrolled to rows of boxes, in the order
    of the graph. Empty unless there are at least two, of several scales, and something is computed behind them."""
    learnt_behind = _learnt_behind(graph)
    ends = [
        node
        for node in graph.nodes
        if _learnt(graph, node) and _map(graph, node) and not learnt_behind & set(node.outputs)
    ]
    found = [node.outputs[0] for node in ends if _unrolled(graph, node.outputs[0])]
    scales = {graph.tensor(name).shape[2:] for name in found}  # type: ignore[index]
    return tuple(found) if len(scales) > 1 else ()


def cut_at(graph: Graph, cut: tuple[str, ...]) -> list[str]:
    """Outputs of the network that ends at these tensors: they, and the outputs it had that are not computed from
    them (masks beside boxes). Empty where nothing is cut."""
    behind = set(cut)
    for node in graph.nodes:
        if behind.intersection(node.inputs):
            behind.update(node.outputs)
    return [*cut, *(name for name in graph.outputs if name not in behind)] if cut else []


def without_head(graph: Graph, cut: tuple[str, ...]) -> Graph:
    """The graph with these tensors as outputs, and nothing behind them."""
    needed, kept = set(cut), []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            kept.append(node)
            needed.update(node.inputs)
    kept.reverse()
    names = {node.name for node in kept}
    composites = tuple(each for each in graph.composites if names.issuperset(each.members))
    inputs = tuple(name for name in graph.inputs if name in needed)
    return graph.with_(nodes=tuple(kept), outputs=cut, composites=composites, inputs=inputs)


def _learnt(graph: Graph, node: Node) -> bool:
    """Has weights of its own. The convolution that turns a distribution into a distance has 16 of them, all fixed."""
    if node.op not in _WEIGHTED or len(node.inputs) < 2 or not graph.is_constant(node.inputs[1]):
        return False
    shape = graph.tensor(node.inputs[1]).shape
    return shape is not None and len(shape) > 1 and shape[0] != 1


def _map(graph: Graph, node: Node) -> bool:
    shape = graph.tensor(node.outputs[0]).shape
    return shape is not None and len(shape) == 4


def _learnt_behind(graph: Graph) -> set[str]:
    """Tensors from which some learnt layer is computed."""
    found: set[str] = set()
    for node in reversed(graph.nodes):
        if _learnt(graph, node) or found.intersection(node.outputs):
            found.update(node.inputs)
    return found


def _unrolled(graph: Graph, tensor: str) -> bool:
    """Something reshapes the map, or swaps its axes, before an output is reached."""
    waiting, seen = [tensor], set()
    while waiting:
        name = waiting.pop()
        for reader in graph.consumers(name):
            if reader.op in ("Reshape", "Transpose", "Flatten"):
                return True
            if reader.name not in seen:
                seen.add(reader.name)
                waiting += [output for output in reader.outputs if output]
    return False
