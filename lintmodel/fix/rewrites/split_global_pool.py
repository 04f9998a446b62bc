"""GlobalAveragePool -> AveragePool, GlobalAveragePool"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...ir import Graph, Pool
from ..change import Change, rewrite
from ..making import Making, least, standard

LARGEST = 16
"""Pixels of a side that a global pool may have where no finding says another number."""


@rewrite("split-global-pool", "safe", detailed=True)
def split_global_pool(graph: Graph, details: Sequence[Mapping[str, Any]] = ()) -> Iterator[Change]:
    """A global pool of a large map becomes a pool of parts of equal size and a global pool of what they give."""
    limit = least(details, "limit", LARGEST)
    for node in standard(graph, "GlobalAveragePool", "GlobalMaxPool"):
        pool = Pool(graph, node)
        if not pool.fixed or pool.rank != 2 or max(pool.height, pool.width) <= limit:
            continue
        parts = _part(pool.height, limit), _part(pool.width, limit)
        if None in parts:
            continue
        make = Making(graph, node)
        kind = node.op.removeprefix("Global")
        made = make.op(kind, node.inputs[0], kernel_shape=parts, strides=parts)
        make.op(node.op, made, out=node.outputs[0])
        whole = f"{pool.height}x{pool.width}"
        yield make.change(f"global pool over {whole} becomes {parts[0]}x{parts[1]} pools and a global one of the rest")


def _part(size: int, limit: int) -> int | None:
    """The largest divisor up to the limit that leaves no more than the limit; 1 where nothing is to be done."""
    if size <= limit:
        return 1
    return next((k for k in range(limit, 1, -1) if size % k == 0 and size // k <= limit), None)
