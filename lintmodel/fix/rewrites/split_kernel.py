"""Conv k -> Conv 3x3 + Conv 3x3 + ..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...ir import Conv, Graph
from ..change import Change, rewrite
from ..making import Making, floats, least, standard

LARGEST = 3
"""Side of a kernel where no finding says another number."""
MOST = 9
"""Parts at most."""


@rewrite("split-kernel", "safe", detailed=True)
def split_kernel(graph: Graph, details: Sequence[Mapping[str, Any]] = ()) -> Iterator[Change]:
    """A convolution with a large kernel becomes the sum of convolutions with its parts, each on the map as far moved as
    its part lies off the middle."""
    import numpy as np

    limit = max(1, least(details, "limit", LARGEST))
    for node in standard(graph, "Conv"):
        conv = Conv(graph, node)
        weight = floats(graph, node.inputs[1])
        if weight is None or not conv.fixed or weight.ndim != 4 or max(conv.kernel) <= limit:
            continue
        height, width = (-(-side // limit) * limit for side in conv.kernel)
        if height * width > MOST * limit * limit:
            continue
        whole = np.zeros((*weight.shape[:2], height, width), weight.dtype)
        whole[:, :, : weight.shape[2], : weight.shape[3]] = weight
        make, parts = Making(graph, node), []
        for row in range(0, height, limit):
            for column in range(0, width, limit):
                part = np.ascontiguousarray(whole[:, :, row : row + limit, column : column + limit])
                parts.append(_part(make, conv, part, (row, column)))
        total = parts[0]
        for k, name in enumerate(parts[1:], 2):
            total = make.op("Add", total, name, out=node.outputs[0] if k == len(parts) else "")
        kernel = f"{conv.kernel[0]}x{conv.kernel[1]}"
        yield make.change(f"{kernel} convolution becomes the sum of {len(parts)} with {limit}x{limit}")


def _part(make: Making, conv: Conv, weight: Any, at: tuple[int, int]) -> str:
    """The convolution with one part, whose first row and column stand there in the whole kernel."""
    x, cut, pads = conv.node.inputs[0], {}, [0, 0, 0, 0]
    for axis, size in enumerate((conv.height, conv.width)):
        dilation = conv.dilation[axis]
        before = conv.pads[axis] - at[axis] * dilation
        behind = conv.pads[axis + 2] - (conv.kernel[axis] - at[axis] - weight.shape[axis + 2]) * dilation
        pads[axis], pads[axis + 2] = max(0, before), max(0, behind)
        if min(before, behind) < 0:
            cut[axis + 2] = (max(0, -before), size + min(0, behind))
    if cut:
        x = make.crop(x, cut)
    given = [make.constant(weight, "weight")]
    given += conv.node.inputs[2:3] if at == (0, 0) else []
    attributes = {"kernel_shape": weight.shape[2:], "strides": conv.stride, "dilations": conv.dilation}
    return make.op("Conv", x, *given, heir=at == (0, 0), pads=tuple(pads), group=conv.groups, **attributes)
