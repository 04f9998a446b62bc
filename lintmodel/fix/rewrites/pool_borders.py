"""Pools that round up, and averages that leave the border out"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Pool
from ..change import Change, rewrite
from ..making import Making, standard
from ..patterns import like, writable


@rewrite("drop-ceil-mode", "safe")
def drop_ceil_mode(graph: Graph) -> Iterator[Change]:
    """A pool that rounds its size up becomes one with padding at the end that rounds down."""
    for node in standard(graph, "MaxPool", "AveragePool"):
        pool = Pool(graph, node)
        if not node.attributes.get("ceil_mode") or not pool.fixed or pool.rank != 2 or not writable(node):
            continue
        pads = list(pool.pads)
        for axis, (size, out) in enumerate(((pool.height, pool.out_height), (pool.width, pool.out_width))):
            reach = (pool.kernel[axis] - 1) * pool.dilation[axis] + 1
            spare = size + pads[axis] + pads[axis + 2] - reach - (out - 1) * pool.stride[axis]
            pads[axis + 2] += max(0, -spare)
        more = tuple(pads) != pool.pads
        counted = more and node.op == "AveragePool" and node.attributes.get("count_include_pad")
        if counted or any(pads[axis + 2] >= pool.kernel[axis] for axis in (0, 1)):
            continue
        new = like(node, ceil_mode=None, auto_pad=None, pads=tuple(pads))
        text = f"padding becomes {tuple(pads)}, and the size is not rounded up" if more else "rounds down to the same"
        yield Change(node.name, text, (node.name,), (new,))


@rewrite("average-pool-padding", "safe")
def average_pool_padding(graph: Graph) -> Iterator[Change]:
    """An average pool that leaves its padding out of the mean becomes one that counts it, and a factor for the pixels
    at the border."""
    import numpy as np

    for node in standard(graph, "AveragePool"):
        pool = Pool(graph, node)
        if not pool.fixed or pool.rank != 2 or pool.dilation != (1, 1) or node.attributes.get("ceil_mode"):
            continue
        if not any(pool.pads) or node.attributes.get("count_include_pad") or not writable(node):
            continue
        counts = []
        for axis, (size, out) in enumerate(((pool.height, pool.out_height), (pool.width, pool.out_width))):
            first = np.arange(out) * pool.stride[axis] - pool.pads[axis]
            counts.append(np.minimum(first + pool.kernel[axis], size) - np.maximum(first, 0))
        if min(int(each.min()) for each in counts) < 1:
            continue
        factor = pool.kernel[0] * pool.kernel[1] / np.outer(counts[0], counts[1])
        make = Making(graph, node)
        attributes = {name: value for name, value in node.attributes.items() if name != "auto_pad"}
        attributes |= {"count_include_pad": 1, "pads": pool.pads}
        made = make.op("AveragePool", node.inputs[0], heir=True, **attributes)
        scale = make.constant(factor[None, None].astype(graph.tensor(node.inputs[0]).dtype), "border")
        make.op("Mul", made, scale, out=node.outputs[0])
        yield make.change("the padding is counted, and a factor makes up for it at the border")
