"""Pad by -1 -> Slice"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Pad
from ..change import Change, NewNode, rewrite
from ..patterns import of_op, opset


@rewrite("negative-pad-to-slice", "safe")
def negative_pad_to_slice(graph: Graph) -> Iterator[Change]:
    """A Pad that only cuts off becomes the Slice that it is."""
    import numpy as np

    for node in of_op(graph, "Pad"):
        amounts = Pad(graph, node).amounts
        if (
            amounts is None
            or any(n > 0 for pair in amounts for n in pair)
            or not any(n for pair in amounts for n in pair)
        ):
            continue
        sizes = graph.tensor(node.inputs[0]).sizes
        axes = [axis for axis, pair in enumerate(amounts) if any(pair)]
        starts, ends = [-amounts[axis][0] for axis in axes], [sizes[axis] + amounts[axis][1] for axis in axes]
        if any(a >= b for a, b in zip(starts, ends, strict=True)):
            continue
        given = {"starts": starts, "ends": ends, "axes": axes}
        if opset(graph) >= 10:
            constants = {f"{node.name}.{key}": np.array(values, "int64") for key, values in given.items()}
            new = NewNode("Slice", (node.inputs[0], *constants), node.outputs)
        else:
            constants, new = {}, NewNode("Slice", node.inputs[:1], node.outputs, given)
        yield Change(node.name, "Pad by negative amounts becomes Slice", (node.name,), (new,), constants)
