"""Gemm(x), MatMul(x) -> Conv 1x1"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...ir import Graph, Node
from ..change import Change, rewrite
from ..making import Making, floats, standard

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@rewrite("dense-to-conv", "safe")
def dense_to_conv(graph: Graph) -> Iterator[Change]:
    """Gemm and MatMul with fixed weights become a 1x1 convolution on a map of one pixel, or of one row."""
    for node in standard(graph, "Gemm", "MatMul"):
        rank = len(graph.tensor(node.inputs[0]).shape or ())
        found = _weights(graph, node)
        if found is None or rank not in ((2,) if node.op == "Gemm" else (2, 3)):
            continue
        weight, bias = found
        outputs, inputs = weight.shape
        make = Making(graph, node)
        given = [make.constant(weight.reshape(outputs, inputs, 1, 1), "weight")]
        given += [make.constant(bias, "bias")] if bias is not None else []
        if rank == 2:
            column = make.reshape(node.inputs[0], (-1, inputs, 1, 1))
            made = make.op("Conv", column, *given, kernel_shape=(1, 1))
            make.reshape(made, (-1, outputs), out=node.outputs[0])
        else:
            if not graph.tensor(node.inputs[0]).known:
                continue
            batch, rows, _ = graph.tensor(node.inputs[0]).sizes
            turned = make.op("Transpose", node.inputs[0], perm=(0, 2, 1))
            made = make.op("Conv", make.reshape(turned, (batch, inputs, 1, rows)), *given, kernel_shape=(1, 1))
            make.op("Transpose", make.reshape(made, (batch, outputs, rows)), out=node.outputs[0], perm=(0, 2, 1))
        yield make.change(f"{node.op} of {inputs} to {outputs} becomes a 1x1 convolution")


def _weights(graph: Graph, node: Node) -> tuple[Array, Array | None] | None:
    """Out x in, and one bias for each output."""
    import numpy as np

    matrix = floats(graph, node.inputs[1])
    if matrix is None or matrix.ndim != 2 or not matrix.size or node.attributes.get("transA"):
        return None
    if node.op == "MatMul":
        return np.ascontiguousarray(matrix.T), None
    weight = matrix if node.attributes.get("transB") else matrix.T
    weight = np.ascontiguousarray(weight * matrix.dtype.type(node.attributes.get("alpha", 1.0)))
    if len(node.inputs) < 3 or not node.inputs[2]:
        return weight, None
    bias = floats(graph, node.inputs[2])
    if bias is None or bias.size not in (1, len(weight)) or (bias.size > 1 and bias.shape[-1] != bias.size):
        return None
    scaled = bias.reshape(-1) * bias.dtype.type(node.attributes.get("beta", 1.0))
    return weight, np.ascontiguousarray(np.broadcast_to(scaled, (len(weight),)))
