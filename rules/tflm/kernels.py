"""What kernels refuse when their tensors are allocated: element types, and shapes that contradict each other.

Source: tflite-micro, conv_common.cc, depthwise_conv_common.cc, transpose_conv.cc, fully_connected.cc,
dequantize_common.cc, reshape_common.cc, softmax_common.cc and logistic_common.cc in tensorflow/lite/micro/kernels;
measured with the wheel tflite_micro from PyPI.
"""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.ir import Graph, Node
from lintmodel.planning import Refusal

WINDOWS = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV"})
HYBRID = "Hybrid models are not supported on TFLite Micro."
PAIRS = frozenset({("float32", "float32"), ("int8", "int8"), ("int8", "int4"), ("int16", "int8")})
"""Element types of maps and weights that a convolution or a dense layer takes."""
STORED = ("int8", "int16", "uint8")
"""Element types that DEQUANTIZE reads."""


def kernel_refusals(graph: Graph) -> Iterator[Refusal]:
    """What the kernels of a TFLite file's operators refuse."""
    if graph.format == "tflite":
        for body in (graph, *graph.subgraphs):
            for node in body.nodes:
                yield from _refusal(body, node)


def _refusal(graph: Graph, node: Node) -> Iterator[Refusal]:
    types = [graph.tensor(name).dtype for name in node.inputs]
    if node.native_op == "DEQUANTIZE" and types[:1] and types[0] not in STORED:
        message = f"Node DEQUANTIZE (number {node.source.index}) failed to prepare with status 1"
        yield Refusal("dequantize-type", node.name, message, {"type": types[0]})
    if node.native_op == "RESHAPE":
        yield from _reshape(graph, node)
    if node.native_op in ("SOFTMAX", "LOGISTIC") and types[:1] == ["int8"]:
        yield from _unit_range(graph, node)
    if len(types) < 2:
        return
    data, weights = types[:2]
    if node.native_op == "FULLY_CONNECTED" and data in {d for d, _ in PAIRS} and (data, weights) not in PAIRS:
        message = f"Input type: {data.upper()} with filter type: {weights.upper()} not supported."
        yield Refusal("hybrid-weights", node.name, message, {"data": data, "weights": weights})
    if node.native_op in WINDOWS and (data, weights) not in PAIRS:
        if data != weights:
            yield Refusal("hybrid-weights", node.name, HYBRID, {"data": data, "weights": weights})
        elif node.native_op == "CONV_2D":  # the other two look no further than that both types are the same
            yield Refusal("element-type", node.name, HYBRID, {"data": data})


def _reshape(graph: Graph, node: Node) -> Iterator[Refusal]:
    before, after = graph.tensor(node.inputs[0]), graph.tensor(node.outputs[0])
    if before.known and after.known and before.elements != after.elements:
        message = f"num_input_elements != num_output_elements ({before.elements} != {after.elements})"
        details = {"before": before.sizes, "after": after.sizes}
        yield Refusal("reshape-size", node.name, message, details)


def _unit_range(graph: Graph, node: Node) -> Iterator[Refusal]:
    """Results lie between 0 and 1; the kernels count on the quantisation that follows from it."""
    after = graph.tensor(node.outputs[0])
    found = after.quantization
    if found is None or after.dtype != "int8" or not found.scales or not found.zero_points:
        return
    scale, zero_point = found.scales[0], found.zero_points[0]
    details = {"scale": scale, "zero_point": zero_point}
    if zero_point != -128:
        lowest = "-128" if node.native_op == "SOFTMAX" else "std::numeric_limits<int8_t>::min()"
        message = f"output->params.zero_point != {lowest} ({zero_point} != -128)"
        yield Refusal("unit-range", node.name, message, details)
    elif node.native_op == "SOFTMAX" and scale != 1 / 256:
        yield Refusal("unit-range", node.name, "output->params.scale == 1.f / 256 was not true.", details)
