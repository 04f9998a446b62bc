"""Reshape to the same shape, Pad by nothing, Clip without limits -> nothing"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ...ir import Graph, Node, Pad, Slice, Transpose
from ..change import Change, rewrite
from ..patterns import can_skip, constant, not_negative, number, of_op, same_shape, same_type


@rewrite("drop-noop", "safe")
def drop_noop(graph: Graph) -> Iterator[Change]:
    """Operators that give what they get are taken out: Reshape, Expand and Slice to the same shape, Transpose to the
    same order, Pad by nothing, Cast to the same type, Clip and Relu of what is within their limits, Resize by 1, sums
    with 0 and products with 1, windows of one pixel, Concat of one map."""
    for node in of_op(graph, *_NOTHING):
        if can_skip(graph, node) and same_type(graph, node) and _NOTHING[node.op](graph, node):
            text = f"{node.op} that changes nothing is taken out"
            yield Change(node.name, text, (node.name,), redirect={node.outputs[0]: node.inputs[0]})


def _transpose(graph: Graph, node: Node) -> bool:
    if node.attributes.get("perm") is None and graph.tensor(node.inputs[0]).shape is None:
        return False
    permutation = Transpose(graph, node).permutation
    return permutation == tuple(range(len(permutation)))


def _slice(graph: Graph, node: Node) -> bool:
    bounds = Slice(graph, node).bounds
    return same_shape(graph, node) and bounds is not None and all(step > 0 for _, _, step in bounds)


def _pad(graph: Graph, node: Node) -> bool:
    amounts = Pad(graph, node).amounts
    if amounts is not None:
        return not any(n for pair in amounts for n in pair)
    pads = node.attributes.get("pads") or (graph.integers(node.inputs[1]) if len(node.inputs) > 1 else None)
    return pads is not None and not any(pads)


def _cast(graph: Graph, node: Node) -> bool:
    return graph.tensor(node.inputs[0]).dtype != "unknown"  # that the type is the same was asked already


def _clip(graph: Graph, node: Node) -> bool:
    low, high = node.attributes.get("min"), node.attributes.get("max")
    if len(node.inputs) > 1:
        names = (*node.inputs[1:], "")[:2]
        low, high = (number(graph, name) for name in names)
        if any(name and value is None for name, value in zip(names, (low, high), strict=True)):
            return False
    unlimited = high is None or high >= 3.4e38
    if low is None or low <= -3.4e38:
        return unlimited
    return unlimited and low <= 0 and not_negative(graph, node.inputs[0])


def _relu(graph: Graph, node: Node) -> bool:
    return not_negative(graph, node.inputs[0])


def _resize(graph: Graph, node: Node) -> bool:
    mode = str(node.attributes.get("coordinate_transformation_mode", "half_pixel"))
    if mode == "tf_crop_and_resize" or not same_shape(graph, node):
        return False
    k = 1 if node.op == "Upsample" else 2
    scales = constant(graph, node.inputs[k]) if len(node.inputs) > k and node.inputs[k] else None
    by_sizes = len(node.inputs) > 3 and bool(node.inputs[3])
    return by_sizes or (scales is not None and bool((scales == 1).all()))


def _neutral(value: float) -> Callable[[Graph, Node], bool]:
    """The second operand is this number everywhere."""

    def nothing(graph: Graph, node: Node) -> bool:
        operand = constant(graph, node.inputs[1]) if len(node.inputs) == 2 else None
        return operand is not None and bool((operand == value).all()) and same_shape(graph, node)

    return nothing


def _one_input(graph: Graph, node: Node) -> bool:
    return len(node.inputs) == 1


def _one_pixel(graph: Graph, node: Node) -> bool:
    kernel, strides = node.attributes.get("kernel_shape") or (0,), node.attributes.get("strides") or (1,)
    pads = node.attributes.get("pads") or (0,)
    return {*kernel} == {1} and {*strides} == {1} and not any(pads) and len(node.outputs) == 1


_NOTHING: dict[str, Callable[[Graph, Node], bool]] = {
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Tile"), same_shape),
    **dict.fromkeys(("Concat", "Sum", "Max", "Min", "Mean"), _one_input),
    **dict.fromkeys(("MaxPool", "AveragePool"), _one_pixel),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool"), same_shape),
    **dict.fromkeys(("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd"), same_shape),
    **dict.fromkeys(("Resize", "Upsample"), _resize),
    "Add": _neutral(0),
    "Cast": _cast,
    "Clip": _clip,
    "Div": _neutral(1),
    "Mul": _neutral(1),
    "Pad": _pad,
    "Pow": _neutral(1),
    "Relu": _relu,
    "Slice": _slice,
    "Sub": _neutral(0),
    "Transpose": _transpose,
}
