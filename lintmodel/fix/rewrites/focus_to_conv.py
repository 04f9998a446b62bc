"""Concat of x[::2, ::2], x[1::2, ::2], ... -> Conv"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...ir import Graph, Node, Slice
from ..change import Change, rewrite
from ..making import Making, sizes, standard

if TYPE_CHECKING:
    import numpy as np

Offset = tuple[int, int]
"""Row and column."""


@rewrite("focus-to-conv", "safe")
def focus_to_conv(graph: Graph) -> Iterator[Change]:
    """Focus (a Concat of every second pixel from different ones on) and SpaceToDepth with blocks of 2 become a 3x3
    convolution with stride 2, padding 1, and weights of zeros and ones."""
    for node in standard(graph, "Concat", "SpaceToDepth"):
        found = _offsets(graph, node)
        shape = sizes(graph, found[0], 4) if found else None
        if found is None or shape is None or shape[2] % 2 or shape[3] % 2:
            continue
        x, offsets = found
        dtype = graph.tensor(x).dtype
        if dtype not in ("float32", "float16"):
            continue
        make = Making(graph, node)
        weight = make.constant(_weights(shape[1], offsets, dtype), "weight")
        make.op("Conv", x, weight, out=node.outputs[0], kernel_shape=(3, 3), strides=(2, 2), pads=(1, 1, 1, 1), group=1)
        slices = tuple(dict.fromkeys(name for part in node.inputs for name in _slices(graph, part, x)))
        yield make.change("slices of every second pixel become a 3x3 convolution with stride 2", also=slices)


def _weights(channels: int, offsets: list[Offset], dtype: str) -> np.ndarray[Any, Any]:
    """The window begins one pixel before the block of four."""
    import numpy as np

    weight = np.zeros((len(offsets), channels, channels, 3, 3), dtype)
    for k, (row, column) in enumerate(offsets):
        weight[k, range(channels), range(channels), row + 1, column + 1] = 1
    return weight.reshape(-1, channels, 3, 3)


def _offsets(graph: Graph, node: Node) -> tuple[str, list[Offset]] | None:
    """The map, and the first row and column of each part."""
    if node.op == "SpaceToDepth":
        block = int(node.attributes.get("blocksize", 0))
        return (node.inputs[0], [(0, 0), (0, 1), (1, 0), (1, 1)]) if block == 2 else None
    if int(node.attributes.get("axis", 1)) not in (1, -3) or len(node.inputs) < 2:
        return None
    parts = [_part(graph, name) for name in node.inputs]
    sources = {part[0] for part in parts if part}
    if None in parts or len(sources) != 1:
        return None
    return sources.pop(), [part[1] for part in parts if part]


def _slices(graph: Graph, name: str, x: str) -> Iterator[str]:
    while name != x and (node := graph.producer(name)) is not None:
        yield node.name
        name = node.inputs[0]


def _part(graph: Graph, name: str) -> tuple[str, Offset] | None:
    """The map that one or two slices take every second pixel of, and where they begin."""
    taken: dict[int, tuple[int, int]] = {}
    while len(taken) < 2:
        node = graph.producer(name)
        if node is None or node.op != "Slice" or node.domain:
            return None
        bounds = Slice(graph, node).bounds
        shape = sizes(graph, node.inputs[0], 4)
        if bounds is None or shape is None:
            return None
        for axis, (start, stop, step) in enumerate(bounds):
            if (start, stop, step) == (0, shape[axis], 1):
                continue
            count = len(range(start, stop, step))
            if axis < 2 or axis in taken or step != 2 or start not in (0, 1) or count != shape[axis] // 2:
                return None
            taken[axis] = (start, shape[axis])
        name = node.inputs[0]
    return name, (taken[2][0], taken[3][0])
