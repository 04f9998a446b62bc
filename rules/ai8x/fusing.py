"""Puts pools and sums into the layer behind them: the accelerator does both in flight, before its own operation."""

from __future__ import annotations

from lintmodel.planning import Placement
from lintmodel.target import Target

from .cnn_layers import CnnLayer, Lowered
from .network import passes

TAKES_POOL = frozenset({"conv2d", "conv1d", "convtranspose2d"})


def fuse(found: Lowered, target: Target) -> None:
    """Changes the layers in place."""
    for layer in list(found.layers):
        behind = _only_reader(found, layer)
        if layer.op != "passthrough" or behind is None:
            continue
        if layer.pool is not None and layer.eltwise == "none" and _takes_pool(layer, behind):
            behind.pool = layer.pool
            behind.reads, behind.source = layer.reads, layer.source
        elif layer.eltwise != "none" and layer.pool is None and _takes_sum(layer, behind, target):
            behind.eltwise, behind.reads = layer.eltwise, layer.reads
        else:
            continue
        behind.nodes += layer.nodes
        found.layers.remove(layer)
        for name in layer.nodes:
            if found.placements[name] is Placement.ACCELERATED:
                found.placements[name] = Placement.FREE


def _only_reader(found: Lowered, layer: CnnLayer) -> CnnLayer | None:
    readers = found.readers(layer.writes)
    alone = len(readers) == 1 and readers[0].reads == (layer.writes,) and layer.writes not in found.outputs
    return readers[0] if alone else None


def _takes_pool(pool: CnnLayer, layer: CnnLayer) -> bool:
    same = pool.one_dimension == layer.one_dimension and layer.source == pool.result
    return layer.op in TAKES_POOL and layer.pool is None and layer.eltwise == "none" and same


def _takes_sum(total: CnnLayer, layer: CnnLayer, target: Target) -> bool:
    """Kept to what every chip of the family does without reserve: one pass, and no bias where that is not possible."""
    plain = layer.op == "conv2d" and layer.pool is None and layer.groups == 1 and layer.eltwise == "none"
    bias = not layer.has_bias or target.limit("eltwise_conv_bias")
    return plain and bool(bias) and passes(layer.source[0]) == 1 and layer.source == total.result
