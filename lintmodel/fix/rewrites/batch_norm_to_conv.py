"""BatchNormalization -> depthwise 1x1 Conv"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..affine import affine
from ..change import Change, NewNode, rewrite
from ..patterns import FLOATS, of_op


@rewrite("batch-norm-to-conv", "safe")
def batch_norm_to_conv(graph: Graph) -> Iterator[Change]:
    """BatchNormalization of a feature map becomes a 1x1 convolution of every channel for itself."""
    for node in of_op(graph, "BatchNormalization"):
        row, x = affine(graph, node), graph.tensor(node.inputs[0])
        if row is None or x.shape is None or not 3 <= len(x.shape) <= 5 or x.dtype not in FLOATS:
            continue
        channels, spatial = row.scale.size, len(x.shape) - 2
        names = f"{node.name}.weight", f"{node.name}.bias"
        weight = row.scale.reshape(channels, *(1,) * (spatial + 1)).astype(x.dtype)
        attributes = {"group": channels, "kernel_shape": (1,) * spatial}
        new = NewNode("Conv", (row.x, *names), node.outputs[:1], attributes)
        constants = {names[0]: weight, names[1]: row.shift.astype(x.dtype)}
        yield Change(node.name, "BatchNormalization becomes a depthwise 1x1 Conv", (node.name,), (new,), constants)
