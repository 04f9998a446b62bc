"""Conv on one pixel -> Gemm"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Conv, Graph
from ..change import Change, rewrite
from ..making import Making, floats, standard


@rewrite("conv-to-dense", "safe")
def conv_to_dense(graph: Graph) -> Iterator[Change]:
    """A convolution whose window covers its whole unpadded map becomes a dense layer."""
    for node in standard(graph, "Conv"):
        conv = Conv(graph, node)
        weight = floats(graph, node.inputs[1])
        if weight is None or not conv.fixed or weight.ndim != 4 or conv.groups != 1 or any(conv.pads):
            continue
        if conv.kernel != (conv.height, conv.width) or (conv.dilation != (1, 1) and conv.kernel != (1, 1)):
            continue
        make = Making(graph, node)
        matrix = make.constant(weight.reshape(len(weight), -1), "weight")
        flat = make.op("Flatten", node.inputs[0], axis=1)
        bias = [name for name in node.inputs[2:] if name]
        if not bias:
            bias = [make.constant(weight[:, 0, 0, 0] * 0, "bias")]
        made = make.op("Gemm", flat, matrix, *bias, transB=1)
        make.reshape(made, (conv.batch, len(weight), 1, 1), out=node.outputs[0])
        yield make.change(f"convolution of one pixel becomes a dense layer of {weight[0].size} to {len(weight)}")
