"""MaxPool k -> MaxPool, MaxPool, ..."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...ir import Graph, Pool
from ..change import Change, rewrite
from ..making import Making, least, standard

LARGEST = 3
"""Widest window where no finding says another number."""


@rewrite("stack-max-pool", "safe", detailed=True)
def stack_max_pool(graph: Graph, details: Sequence[Mapping[str, Any]] = ()) -> Iterator[Change]:
    """A maximum pool with a large window becomes several with small ones, behind each other."""
    limit = max(2, least(details, "limit", LARGEST))
    for node in standard(graph, "MaxPool"):
        pool = Pool(graph, node)
        if not pool.fixed or pool.rank != 2 or max(pool.kernel) <= limit or pool.dilation != (1, 1):
            continue
        if node.attributes.get("ceil_mode"):
            continue
        stages = _tiled(pool, limit) or _overlapping(pool, limit)
        make, made = Making(graph, node), node.inputs[0]
        for k, (kernel, strides, pads) in enumerate(stages):
            out = node.outputs[0] if k == len(stages) - 1 else ""
            made = make.op("MaxPool", made, out=out, kernel_shape=kernel, strides=strides, pads=pads)
        kernels = ", ".join(f"{h}x{w}" for (h, w), _, _ in stages)
        yield make.change(f"{pool.kernel[0]}x{pool.kernel[1]} maximum pool becomes {kernels}")


Stage = tuple[tuple[int, int], tuple[int, int], tuple[int, int, int, int]]


def _tiled(pool: Pool, limit: int) -> list[Stage]:
    """Windows side by side whose size is a product: each pool takes the next factor. Empty where it is not so."""
    side = pool.kernel[0]
    if set(pool.kernel + pool.stride) != {side} or any(pool.pads):
        return []
    factors = []
    while side > 1:
        factor = next((k for k in range(min(limit, side), 1, -1) if side % k == 0), None)
        if factor is None:
            return []
        factors.append(factor)
        side //= factor
    return [((k, k), (k, k), (0, 0, 0, 0)) for k in factors]


def _overlapping(pool: Pool, limit: int) -> list[Stage]:
    """Each pool sees as much further as its window is wide; the last one has the stride."""
    count = max(-(-(k - 1) // (limit - 1)) for k in pool.kernel)
    stages: list[Stage] = []
    left, pads = [k - 1 for k in pool.kernel], list(pool.pads)
    for k in range(count):
        reach = [min(limit - 1, n) for n in left]
        left = [n - m for n, m in zip(left, reach, strict=True)]
        here = [min(pads[i], reach[i % 2]) for i in range(4)]
        pads = [n - m for n, m in zip(pads, here, strict=True)]
        strides = pool.stride if k == count - 1 else (1, 1)
        stages.append(((reach[0] + 1, reach[1] + 1), strides, (here[0], here[1], here[2], here[3])))
    return stages
