"""x + Conv(x), Conv(x) + Conv(x) -> Conv"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...ir import Conv, Graph
from ..change import Change, rewrite
from ..making import Making, floats, standard
from ..patterns import read_by

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@rewrite("fold-residual", "safe")
def fold_residual(graph: Graph) -> Iterator[Change]:
    """The sum of a convolution and its own input, or of two convolutions of one input, becomes one convolution."""
    for node in standard(graph, "Add"):
        if len(node.inputs) != 2 or node.inputs[0] == node.inputs[1]:
            continue
        convs = [_conv(graph, name) for name in node.inputs]
        found = _both(graph, convs[0], convs[1]) or _skip(graph, node.inputs, convs)
        if found is None:
            continue
        conv, weight, bias = found
        make = Making(graph, node)
        given = [make.constant(weight, "weight"), *([make.constant(bias, "bias")] if bias is not None else [])]
        attributes = {**conv.node.attributes, "kernel_shape": weight.shape[2:]}
        make.op("Conv", conv.node.inputs[0], *given, out=node.outputs[0], **attributes)
        gone = [each.node.name for each, name in zip(convs, node.inputs, strict=True) if each and read_by(graph, name)]
        yield make.change("sum becomes part of the convolution's weights", node.name, *gone)


Found = tuple[Conv, "Array", "Array | None"]


def _both(graph: Graph, one: Conv | None, other: Conv | None) -> Found | None:
    """The window of the smaller one lies within that of the larger one, at the same place of the map."""
    import numpy as np

    if one is None or other is None or one.node.inputs[0] != other.node.inputs[0]:
        return None
    large, small = (one, other) if max(one.kernel) >= max(other.kernel) else (other, one)
    if (large.stride, large.groups, large.y.shape) != (small.stride, small.groups, small.y.shape):
        return None
    if {large.dilation, small.dilation} != {(1, 1)}:
        return None
    top, left = large.pads[0] - small.pads[0], large.pads[1] - small.pads[1]
    (height, width), (rows, columns) = large.kernel, small.kernel
    weight, part = floats(graph, large.node.inputs[1]), floats(graph, small.node.inputs[1])
    if weight is None or part is None or min(top, left) < 0 or top + rows > height or left + columns > width:
        return None
    if weight.shape[:2] != part.shape[:2]:
        return None
    total = weight.copy()
    total[:, :, top : top + rows, left : left + columns] += part
    biases = [_bias(graph, conv) for conv in (large, small)]
    given = [bias for bias in biases if bias is not None]
    return large, total, np.sum(given, axis=0).astype(weight.dtype) if given else None


def _skip(graph: Graph, inputs: tuple[str, ...], convs: list[Conv | None]) -> Found | None:
    """The map itself is a convolution with a one in the middle of its own channel."""
    for conv, other in zip(convs, reversed(inputs), strict=True):
        if conv is None or conv.node.inputs[0] != other or conv.x.shape != conv.y.shape or conv.stride != (1, 1):
            continue
        weight = floats(graph, conv.node.inputs[1])
        if weight is None or conv.dilation != (1, 1):
            continue
        total, per_group = weight.copy(), weight.shape[1]
        for channel in range(len(weight)):
            total[channel, channel % per_group, conv.pads[0], conv.pads[1]] += 1
        return conv, total, _bias(graph, conv)
    return None


def _conv(graph: Graph, name: str) -> Conv | None:
    """The convolution that makes this and whose weights are known."""
    node = graph.producer(name)
    if node is None or node.op != "Conv" or node.domain:
        return None
    conv = Conv(graph, node)
    weight = floats(graph, node.inputs[1])
    given = len(node.inputs) < 3 or not node.inputs[2] or floats(graph, node.inputs[2]) is not None
    square = weight is not None and weight.ndim == 4 and conv.fixed
    inside = square and conv.pads[0] < conv.kernel[0] and conv.pads[1] < conv.kernel[1]
    return conv if given and inside and str(node.attributes.get("auto_pad", "NOTSET")) == "NOTSET" else None


def _bias(graph: Graph, conv: Conv) -> Array | None:
    return floats(graph, conv.node.inputs[2]) if len(conv.node.inputs) > 2 else None
