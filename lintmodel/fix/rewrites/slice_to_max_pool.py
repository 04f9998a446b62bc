"""x[:, :, ::s, ::t] -> MaxPool 1x1"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Slice
from ..change import Change, rewrite
from ..making import Making, sizes, standard


@rewrite("slice-to-max-pool", "safe")
def slice_to_max_pool(graph: Graph) -> Iterator[Change]:
    """A slice of every nth row and column, from the first on, becomes a maximum pool of single pixels with a stride."""
    for node in standard(graph, "Slice"):
        shape, bounds = sizes(graph, node.inputs[0], 4), Slice(graph, node).bounds
        if shape is None or bounds is None or graph.tensor(node.inputs[0]).dtype not in ("float32", "float16"):
            continue
        steps = [step for _, _, step in bounds]
        if steps[0] != 1 or steps[1] != 1 or min(steps) < 1 or max(steps) == 1:
            continue
        if any(
            len(range(start, stop, step)) != -(-size // step) or start
            for (start, stop, step), size in zip(bounds, shape, strict=True)
        ):
            continue
        make = Making(graph, node)
        make.op("MaxPool", node.inputs[0], out=node.outputs[0], kernel_shape=(1, 1), strides=tuple(steps[2:]))
        yield make.change(f"slice of every {steps[2]}x{steps[3]}th pixel becomes a 1x1 maximum pool with that stride")
