"""Conv 1x3, 2x2 -> Conv 3x3 with zeros"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Conv, Graph
from ..change import Change, rewrite
from ..making import Making, floats, standard


@rewrite("square-kernel", "safe")
def square_kernel(graph: Graph) -> Iterator[Change]:
    """A kernel that is not square, or of even size, gets rows and columns of zeros up to the next odd square, on the
    side where the padding becomes even."""
    import numpy as np

    for node in standard(graph, "Conv"):
        conv = Conv(graph, node)
        weight = floats(graph, node.inputs[1])
        if weight is None or not conv.fixed or weight.ndim != 4:
            continue
        side = max(conv.kernel) | 1
        if conv.kernel == (side, side):
            continue
        pads, places = list(conv.pads), []
        for axis in (0, 1):
            extra, dilation = side - conv.kernel[axis], conv.dilation[axis]
            low, high = conv.pads[axis], conv.pads[axis + 2]
            before = min(range(extra + 1), key=lambda n: abs(low + n * dilation - high - (extra - n) * dilation))
            pads[axis], pads[axis + 2] = low + before * dilation, high + (extra - before) * dilation
            places.append(slice(before, before + conv.kernel[axis]))
        larger = np.zeros((*weight.shape[:2], side, side), weight.dtype)
        larger[:, :, places[0], places[1]] = weight
        make = Making(graph, node)
        attributes = {name: value for name, value in node.attributes.items() if name != "auto_pad"}
        attributes |= {"kernel_shape": (side, side), "pads": tuple(pads)}
        make.op(
            "Conv", node.inputs[0], make.constant(larger, "weight"), *node.inputs[2:], out=node.outputs[0], **attributes
        )
        yield make.change(f"{conv.kernel[0]}x{conv.kernel[1]} kernel becomes {side}x{side} with zeros")
