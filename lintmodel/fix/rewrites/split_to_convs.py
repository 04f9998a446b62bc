"""Split of channels, x[:, a:b] -> Conv 1x1"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...ir import Graph, Slice
from ..change import Change, rewrite
from ..making import Making, sizes
from ..patterns import of_op

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@rewrite("split-to-convs", "safe")
def split_to_convs(graph: Graph) -> Iterator[Change]:
    """A Split of channels, and a slice of some of them, become 1x1 convolutions that pick them out."""
    for node in of_op(graph, "Split", "Slice"):
        shape = sizes(graph, node.inputs[0], 4)
        dtype = graph.tensor(node.inputs[0]).dtype
        if shape is None or dtype not in ("float32", "float16"):
            continue
        if node.op == "Split":
            if int(node.attributes.get("axis", 0)) not in (1, -3):
                continue
            parts, first = [], 0
            for name in node.outputs:
                part = sizes(graph, name, 4)
                if part is None:
                    break
                parts.append(range(first, first + part[1]))
                first += part[1]
            if first != shape[1] or len(parts) != len(node.outputs):
                continue
        else:
            bounds = Slice(graph, node).bounds
            if bounds is None or any(bounds[axis] != (0, shape[axis], 1) for axis in (0, 2, 3)):
                continue
            parts = [range(*bounds[1])]
            if not parts[0]:
                continue
        make = Making(graph, node)
        for channels, name in zip(parts, node.outputs, strict=True):
            weight = make.constant(_picking(channels, shape[1], dtype), "weight")
            make.op("Conv", node.inputs[0], weight, out=name, kernel_shape=(1, 1))
        picked = ", ".join(str(len(each)) for each in parts)
        yield make.change(f"{node.op} into {picked} of {shape[1]} channels becomes 1x1 convolutions")


def _picking(channels: range, count: int, dtype: str) -> Array:
    import numpy as np

    weight = np.zeros((len(channels), count, 1, 1), dtype)
    weight[range(len(channels)), list(channels)] = 1
    return weight
