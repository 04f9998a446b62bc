"""Ways to write something that RKNN-Toolkit makes more of than it needs to: Focus, pyramids of pools, joined scores."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.ir import Graph, Node

_SAME_VALUES = frozenset({"Reshape", "Transpose", "Split", "Slice", "Squeeze", "Unsqueeze", "Flatten", "Identity"})
"""Operators that only move what they read."""
_SCALED = frozenset({"Mul", "Add", "Sub", "Pow", "Div", "Exp"})


def focuses(graph: Graph) -> Iterator[tuple[Node, ...]]:
    """The strided slices, and the concatenation, of every Focus: four quarters of one map, joined as channels."""
    for node in graph.nodes:
        if node.op != "Concat" or len(node.inputs) != 4:
            continue
        chains = [_strided(graph, name) for name in node.inputs]
        roots = {root for root, slices in chains if slices}
        if len(roots) == 1 and all(slices for _, slices in chains):
            yield (*(each for _, slices in chains for each in slices), node)


def _strided(graph: Graph, name: str) -> tuple[str, list[Node]]:
    """The tensor that a chain of slices with steps above 1 reads, and the slices."""
    slices: list[Node] = []
    while (node := graph.producer(name)) is not None and node.op == "Slice":
        steps = graph.integers(node.inputs[4]) if len(node.inputs) > 4 and node.inputs[4] else None
        if not steps or max(steps) < 2:
            break
        slices.append(node)
        name = node.inputs[0]
    return name, slices


def pyramids(graph: Graph) -> Iterator[tuple[Node, ...]]:
    """Maximum pools of one map with stride 1 and growing windows, as in SPP; windows that a chain of the smallest
    gives exactly."""
    for name in dict.fromkeys(node.inputs[0] for node in graph.nodes if node.op == "MaxPool"):
        pools = [node for node in graph.consumers(name) if node.op == "MaxPool" and _window(node) is not None]
        pools.sort(key=lambda node: _window(node) or 0)
        windows = [_window(node) or 0 for node in pools]
        if len(set(windows)) < 2 or windows[0] < 3:
            continue
        step = windows[0] - 1
        if all((window - 1) % step == 0 for window in windows):
            yield tuple(pools)


def _window(node: Node) -> int | None:
    """Side of a square window that keeps the map's size; None for other pools."""
    kernel = tuple(node.attributes.get("kernel_shape", ()))
    strides = tuple(node.attributes.get("strides", (1, 1)))
    pads = tuple(node.attributes.get("pads", ()))
    if len(kernel) != 2 or kernel[0] != kernel[1] or set(strides) != {1} or pads != (kernel[0] // 2,) * 4:
        return None
    return int(kernel[0])


def joined_scores(graph: Graph) -> Iterator[Node]:
    """Concatenations that put scores, which a Sigmoid made, beside coordinates into one output."""
    for output in graph.outputs:
        for node in _joins(graph, output, 6):
            kinds = {_kind(graph, name) for name in node.inputs}
            if {"score", "coordinate"} <= kinds:
                yield node
                break


def _joins(graph: Graph, name: str, depth: int) -> Iterator[Node]:
    """Concatenations whose values reach a tensor unchanged, the last first."""
    node = graph.producer(name)
    if node is None or depth == 0:
        return
    if node.op == "Concat":
        yield node
    if node.op == "Concat" or node.op in _SAME_VALUES:
        for before in node.inputs if node.op == "Concat" else node.inputs[:1]:
            yield from _joins(graph, before, depth - 1)


def _kind(graph: Graph, name: str) -> str:
    """Where values come from: a Sigmoid, or arithmetic on what went before."""
    node = graph.producer(name)
    while node is not None and node.op in _SAME_VALUES and node.inputs:
        node = graph.producer(node.inputs[0])
    if node is None:
        return ""
    return "score" if node.op == "Sigmoid" else "coordinate" if node.op in _SCALED else ""


def bounded_by_constant(graph: Graph) -> Iterator[tuple[Node, bool]]:
    """Min and Max of two values, and whether one of them is a single constant."""
    for node in graph.nodes:
        if node.op not in ("Min", "Max") or len(node.inputs) != 2:
            continue
        tensors = [graph.tensor(name) for name in node.inputs if graph.is_constant(name)]
        yield node, any(tensor.known and tensor.elements == 1 for tensor in tensors)


def unaligned_members(graph: Graph, block: int) -> Iterator[tuple[Node, list[int]]]:
    """Concatenations over channels of maps, with the channels of members that do not fill whole blocks."""
    for node in graph.nodes:
        axis = node.attributes.get("axis")
        shapes = [graph.tensor(name).shape for name in node.inputs]
        if node.op != "Concat" or axis not in (1, -3) or not all(shape and len(shape) == 4 for shape in shapes):
            continue
        channels = [shape[1] for shape in shapes if shape]
        odd = [each for each in channels if isinstance(each, int) and each % block]
        if odd:
            yield node, odd
