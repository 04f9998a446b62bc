"""Conv stride s -> Conv stride 1, MaxPool 1x1 stride s"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Conv, Graph
from ..change import Change, rewrite
from ..making import Making, standard
from ..patterns import read_by


@rewrite("stride-to-pool", "safe")
def stride_to_pool(graph: Graph) -> Iterator[Change]:
    """A convolution with a stride becomes one without, and a maximum pool of single pixels with the stride behind it
    and its activation."""
    for node in standard(graph, "Conv"):
        conv = Conv(graph, node)
        if not conv.fixed or conv.rank != 2 or conv.stride == (1, 1):
            continue
        make, removed, result = Making(graph, node), [node.name], node.outputs[0]
        attributes = {name: value for name, value in node.attributes.items() if name != "auto_pad"}
        attributes |= {"strides": (1, 1), "pads": conv.pads}
        made = make.op("Conv", *node.inputs, heir=True, **attributes)
        reader = read_by(graph, result)
        if reader is not None and reader.op in ("Relu", "Abs") and not reader.domain:
            made, result = make.op(reader.op, made), reader.outputs[0]
            removed.append(reader.name)
        make.op("MaxPool", made, out=result, kernel_shape=(1, 1), strides=conv.stride)
        text = f"stride {conv.stride[0]}x{conv.stride[1]} becomes stride 1 and a 1x1 pool with that stride"
        yield make.change(text, *removed)
