"""Min -> Max, Pad -> Slice, Gather -> Slice, Squeeze -> Reshape: other words for the same"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Pad
from ..change import Change, rewrite
from ..making import Making, standard
from ..patterns import FLOATS


@rewrite("min-to-max", "safe")
def min_to_max(graph: Graph) -> Iterator[Change]:
    """The smaller of two tensors becomes the negative of the larger of their negatives."""
    for node in standard(graph, "Min"):
        if len(node.inputs) != 2 or graph.tensor(node.inputs[0]).dtype not in FLOATS:
            continue
        if any(graph.is_constant(name) for name in node.inputs):
            continue
        make = Making(graph, node)
        negatives = [make.op("Neg", name) for name in node.inputs]
        make.op("Neg", make.op("Max", *negatives), out=node.outputs[0])
        yield make.change("Min(a, b) becomes -Max(-a, -b)")


@rewrite("pad-to-slice", "safe")
def pad_to_slice(graph: Graph) -> Iterator[Change]:
    """A Pad by negative amounts, which cuts off, becomes a Slice."""
    for node in standard(graph, "Pad"):
        amounts, x = Pad(graph, node).amounts, graph.tensor(node.inputs[0])
        if amounts is None or not x.known or max(map(max, amounts), default=0) > 0 or min(map(min, amounts)) == 0:
            continue
        ranges = {axis: (-low, x.sizes[axis] + high) for axis, (low, high) in enumerate(amounts) if low or high}
        if all(first < end for first, end in ranges.values()):
            make = Making(graph, node)
            make.crop(node.inputs[0], ranges, out=node.outputs[0])
            yield make.change("negative padding becomes a Slice")


@rewrite("gather-to-slice", "safe")
def gather_to_slice(graph: Graph) -> Iterator[Change]:
    """A Gather of one position becomes a Slice, and a Reshape that takes the axis away."""
    for node in standard(graph, "Gather"):
        x, y = graph.tensor(node.inputs[0]), graph.tensor(node.outputs[0])
        index = graph.integers(node.inputs[1]) if len(node.inputs) > 1 and graph.is_constant(node.inputs[1]) else None
        shape = graph.tensor(node.inputs[1] if len(node.inputs) > 1 else "").shape
        if index is None or shape != () or not x.known or not y.known or x.constant is not None:
            continue
        axis = int(node.attributes.get("axis", 0)) % len(x.sizes)
        at = index[0] % x.sizes[axis] if x.sizes[axis] else 0
        if at < x.sizes[axis] and y.sizes:
            make = Making(graph, node)
            make.reshape(make.crop(node.inputs[0], {axis: (at, at + 1)}), y.sizes, out=node.outputs[0])
            yield make.change(f"position {at} of axis {axis} becomes a Slice")


@rewrite("squeeze-to-reshape", "safe")
def squeeze_to_reshape(graph: Graph) -> Iterator[Change]:
    """Squeeze and Unsqueeze become a Reshape."""
    for node in standard(graph, "Squeeze", "Unsqueeze"):
        x, y = graph.tensor(node.inputs[0]), graph.tensor(node.outputs[0])
        if x.known and y.known and y.sizes and all(y.sizes) and x.constant is None:
            make = Making(graph, node)
            make.reshape(node.inputs[0], y.sizes, out=node.outputs[0])
            yield make.change(f"{node.op} becomes Reshape")
