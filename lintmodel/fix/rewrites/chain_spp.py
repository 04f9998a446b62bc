"""MaxPool 5, MaxPool 9, MaxPool 13 of x -> MaxPool 5 three times, behind each other"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from ...ir import Graph, Node, Pool
from ..change import Change, NewNode, rewrite
from ..making import Making, standard


@rewrite("chain-spp", "safe")
def chain_spp(graph: Graph) -> Iterator[Change]:
    """Maximum pools of growing windows over one map (SPP) become small ones, each behind the one before (SPPF)."""
    by_input: dict[str, list[tuple[int, Node]]] = {}
    for node in standard(graph, "MaxPool"):
        if side := _same_size(Pool(graph, node)):
            by_input.setdefault(node.inputs[0], []).append((side, node))
    for pools in by_input.values():
        pools.sort(key=lambda pool: pool[0])
        make, words, removed = Making(graph, pools[-1][1]), [], []
        for (before, small), (after, large) in pairwise(pools):
            if after == before:
                continue
            kernel = after - before + 1
            window = {"kernel_shape": (kernel,) * 2, "pads": (kernel // 2,) * 4, "strides": (1, 1)}
            new = NewNode("MaxPool", small.outputs[:1], large.outputs[:1], window, large.name)
            make.nodes.append(new)
            removed.append(large.name)
            words.append(f"{after}x{after}")
        if removed:
            text = f"pools of {', '.join(words)} become small ones, each behind the one before"
            yield make.change(text, *removed)


def _same_size(pool: Pool) -> int:
    """Side of an odd window that keeps the map's size; 0 for other pools."""
    if not pool.fixed or pool.rank != 2 or pool.stride != (1, 1) or pool.dilation != (1, 1):
        return 0
    side = pool.kernel[0]
    return side if pool.kernel == (side, side) and side % 2 and set(pool.pads) == {side // 2} and side > 1 else 0
