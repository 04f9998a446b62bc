"""ReduceMean <-> GlobalAveragePool, ReduceMax -> GlobalMaxPool"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Reduce
from ..change import Change, rewrite
from ..making import Making, sizes, standard
from ..patterns import opset


@rewrite("mean-to-global-pool", "safe")
def mean_to_global_pool(graph: Graph) -> Iterator[Change]:
    """A mean over height and width becomes a global average pool."""
    yield from _pooled(graph, "ReduceMean", "GlobalAveragePool")


@rewrite("max-to-global-pool", "safe")
def max_to_global_pool(graph: Graph) -> Iterator[Change]:
    """A maximum over height and width becomes a global maximum pool."""
    yield from _pooled(graph, "ReduceMax", "GlobalMaxPool")


@rewrite("global-pool-to-mean", "safe")
def global_pool_to_mean(graph: Graph) -> Iterator[Change]:
    """A global average pool becomes a mean over height and width."""
    for node in standard(graph, "GlobalAveragePool"):
        if len(graph.tensor(node.inputs[0]).shape or ()) != 4:
            continue
        make = Making(graph, node)
        if opset(graph) < 18:
            make.op("ReduceMean", node.inputs[0], out=node.outputs[0], axes=(2, 3), keepdims=1)
        else:
            make.op("ReduceMean", node.inputs[0], make.ints((2, 3), "axes"), out=node.outputs[0], keepdims=1)
        yield make.change("global average pool becomes a mean over height and width")


def _pooled(graph: Graph, reduce: str, pool: str) -> Iterator[Change]:
    for node in standard(graph, reduce):
        axes = Reduce(graph, node).axes
        if sizes(graph, node.inputs[0], 4) is None or axes is None or sorted(axes) != [2, 3]:
            continue
        if not graph.tensor(node.inputs[0]).dtype.startswith("float"):
            continue
        make = Making(graph, node)
        if int(node.attributes.get("keepdims", 1)):
            make.op(pool, node.inputs[0], out=node.outputs[0])
        else:
            make.op("Flatten", make.op(pool, node.inputs[0]), out=node.outputs[0], axis=1)
        yield make.change(f"{reduce} over height and width becomes {pool}")
