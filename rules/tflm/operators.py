"""TFM1xx and TFM4xx: operators without a kernel, and element types no kernel takes."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import GraphBuilder
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target


@rule("TFM101", "operator-not-registered", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def operator_not_registered(model: Model, plan: Plan, tflm: Target) -> Iterator[Found]:
    """Operator that TensorFlow Lite Micro has no kernel for.

    What it does: finds operators that are not among those an op resolver of the interpreter can add: the built-in
    ones, and the custom ones that come with it.

    Why it matters: the model loads, and allocating its tensors fails before the first inference. Converters do not
    warn: they know TensorFlow Lite, which has more kernels.

    What to do instead: build the layer from operators there are, compute it in the firmware behind the model, or
    register a kernel of your own under the operator's name.

    Source: tflite-micro, micro_mutable_op_resolver.h; measured with the wheel of PyPI. For ONNX files the table is that
    of operators TFLite has a counterpart for and was not measured.
    """
    for refusal in plan.refused("operator-not-registered"):
        op = refusal.details["op"]
        yield Found(
            f"TensorFlow Lite Micro has no kernel for {op}", node=refusal.node, vendor_message=refusal.vendor_message
        )


operator_not_registered.bad(lambda g: g.conv(8, 16).op("TOPK_V2"))
operator_not_registered.good(lambda g: g.conv(8, 16).op("ARG_MAX"))


@rule("TFM401", "hybrid-weights", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def hybrid_weights(model: Model, plan: Plan, tflm: Target) -> Iterator[Found]:
    """Weights are quantised and the feature maps are not.

    What it does: finds convolutions and dense layers whose weights have another element type than their input, but
    for those the kernels know (8- or 4-bit weights to 8-bit maps, 8-bit weights to 16-bit maps).

    Why it matters: that is what the converter's dynamic range quantisation writes, its default. TensorFlow Lite
    computes it, TensorFlow Lite Micro does not: allocating the tensors fails.

    What to do instead: convert with a representative data set, so that maps are quantised too (full-integer
    quantisation), or without any quantisation.

    Source: tflite-micro, conv_common.cc, depthwise_conv_common.cc, transpose_conv.cc, fully_connected.cc; measured with
    the wheel of PyPI.
    """
    for refusal in plan.refused("hybrid-weights"):
        yield Found(
            f"weights are {refusal.details['weights']}, the input is {refusal.details['data']}",
            node=refusal.node,
            vendor_message=refusal.vendor_message,
        )


def _weights_of(g: GraphBuilder, dtype: str) -> GraphBuilder:
    """A dense layer in float whose weights have another element type."""
    g.input(1, 64)
    weights, bias = g.zeros(10, 64, dtype=dtype), g.zeros(10)
    return g.op("Gemm", weights, bias, shape=(1, 10), transB=1)


hybrid_weights.bad(lambda g: _weights_of(g, "int8"))
hybrid_weights.good(lambda g: g.conv(8, 16).quantized())


@rule("TFM402", "float16-weights", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def float16_weights(model: Model, plan: Plan, tflm: Target) -> Iterator[Found]:
    """DEQUANTIZE of a type that has no kernel, as files with float16 weights have before every layer.

    What it does: finds DEQUANTIZE operators whose input is not int8, int16 or uint8.

    Why it matters: allocating the tensors fails at the first of them.

    What to do instead: convert again, with full-integer quantisation or without any.

    Source: tflite-micro, dequantize_common.cc; measured with the wheel of PyPI.
    """
    found = plan.refused("dequantize-type")
    if found:
        count = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
        said = found[0].vendor_message
        yield Found(f"dequantizes {found[0].details['type']}{count}", node=found[0].node, vendor_message=said)


float16_weights.bad(lambda g: g.input(1, 8, dtype="float16").op("DEQUANTIZE", dtype="float32"))
float16_weights.good(lambda g: g.input(1, 8, dtype="int8").op("DEQUANTIZE", dtype="float32"))


@rule("TFM403", "convolution-type", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def convolution_type(model: Model, plan: Plan, tflm: Target) -> Iterator[Found]:
    """Convolution in an element type that has no kernel, uint8 above all.

    What it does: finds convolutions whose input and weights have the same element type, and none of float32 and int8.

    Why it matters: allocating the tensors fails. The message speaks of hybrid models, which these are not. Files
    quantised to uint8 come from TensorFlow 1 and from models made for the first Edge TPU.

    What to do instead: convert from the float model with int8 full-integer quantisation; inputs and outputs can stay
    uint8 at the model's edge through QUANTIZE.

    Source: tflite-micro, conv_common.cc; measured with the wheel of PyPI.
    """
    found = plan.refused("element-type")
    if found:
        count = f" (and {len(found) - 1} more like it)" if len(found) > 1 else ""
        said = found[0].vendor_message
        yield Found(f"convolution in {found[0].details['data']}{count}", node=found[0].node, vendor_message=said)


convolution_type.bad(lambda g: g.conv(8, 16).quantized("uint8"))
convolution_type.good(lambda g: g.conv(8, 16).quantized("int8"))


@rule("TFM404", "unit-range", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def unit_range(model: Model, plan: Plan, tflm: Target) -> Iterator[Found]:
    """Softmax or sigmoid in int8 whose result is not quantised for 0 to 1.

    What it does: finds SOFTMAX whose int8 output has another scale than 1/256 or another zero point than -128, and
    LOGISTIC whose zero point is another.

    Why it matters: the kernels count on these numbers; allocating the tensors fails. TensorFlow's converter writes
    them, other converters and hand-made files may take the range that calibration saw.

    What to do instead: convert with TensorFlow's converter, or leave the layer out and compute it in the firmware: the
    largest class is the same before and after.

    Source: tflite-micro, softmax_common.cc (measured with the wheel of PyPI) and logistic_common.cc.
    """
    for refusal in plan.refused("unit-range"):
        scale, zero_point = refusal.details["scale"], refusal.details["zero_point"]
        yield Found(
            f"the result has scale {scale:g} and zero point {zero_point}; the kernel wants 1/256 and -128",
            node=refusal.node,
            vendor_message=refusal.vendor_message,
        )


unit_range.bad(lambda g: g.conv(8, 16).op("Softmax").quantized())
unit_range.good(lambda g: g.conv(8, 16).op("Softmax"))

RULES = [operator_not_registered, hybrid_weights, float16_weights, convolution_type, unit_range]
