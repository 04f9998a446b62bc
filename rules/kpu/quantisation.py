"""4xx: quantised files and element types."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .wording import quantized, refused

FLOAT_FILE = Fix("float-file", "display", "convert the float model and let nncase quantise it")


@rule("KPU401", "not-quantized", Level.WARNING, on=Model, confidence="measured", options={"ptq": False})
def not_quantized(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Conversion without quantisation.

    What it does: says so when the option `ptq` is off.

    Why it matters: the KPU works on 8-bit numbers only. Without post-training quantisation the whole network runs on
    the CPU in float32.

    What to do instead: give nncase calibration data (`use_ptq`).

    Source: nncase v1.9.0, src/nncase/compiler.cpp; measured with nncase 1.9.0.
    """
    if not quantized(kpu):
        yield Found("without post-training quantisation nothing runs on the KPU")


not_quantized.bad(lambda g: g.conv(8, 16))
not_quantized.good(lambda g: g.conv(8, 16))


@rule("KPU402", "quantized-operator", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def quantized_operator(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Quantised operator that nncase's TFLite importer gets wrong.

    What it does: finds sums, products, activations, Softmax and reductions on 8-bit tensors in a TFLite file.

    Why it matters: the importer converts the input to float32 and then connects it to an operation that it made for
    8-bit numbers. The types differ, and it stops.

    What to do instead: convert the float network, without quantisation; nncase quantises it itself.

    Source: nncase v1.9.0, importer/tflite/ops/binary.cpp and others; measured with nncase 1.9.0.
    """
    yield from refused(
        plan, "quantized-operator", lambda d: f"operator on {d['dtype']} tensors; nncase has it for float32", FLOAT_FILE
    )


quantized_operator.bad(lambda g: g.conv(8, 8).branch(lambda g: g.conv(8, 8), lambda g: g).quantized(has_range=True))
quantized_operator.good(lambda g: g.conv(8, 8).branch(lambda g: g.conv(8, 8), lambda g: g))


@rule("KPU403", "quantized-conv", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def quantized_conv(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Quantised convolution without the real range of its output.

    What it does: finds convolutions and HardSwish in a TFLite file whose output is 8-bit and has no minimum and
    maximum beside scale and zero point. Files of TensorFlow 2 never have them.

    Why it matters: the importer reads them without looking and the compiler crashes, with no message at all.

    What to do instead: convert the float network, without quantisation; nncase quantises it itself.

    Source: nncase v1.9.0, importer/tflite/ops/conv2d.cpp; measured with nncase 1.9.0.
    """
    yield from refused(
        plan,
        "quantized-conv",
        lambda d: f"{d['dtype']} output without its real range: the compiler crashes",
        FLOAT_FILE,
    )


quantized_conv.bad(lambda g: g.conv(8, 8).quantized())
quantized_conv.good(lambda g: g.conv(8, 8).quantized(has_range=True))


@rule("KPU404", "quantization-missing", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def quantization_missing(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Tensor that is not float32 and has no quantisation parameters.

    What it does: finds inputs of TFLite operators, half-precision weights above all, that are neither float32 nor
    have scale and zero point.

    Why it matters: the importer takes everything that is not float32 for quantised, reads the parameters that are not
    there, and the compiler crashes with no message.

    What to do instead: convert without half precision (no `supported_types = [tf.float16]`).

    Source: nncase v1.9.0, importer/tflite/tflite_importer.cpp to_quant_param; measured with nncase 1.9.0.
    """
    yield from refused(
        plan,
        "quantization-missing",
        lambda d: f"'{d['tensor']}' is {d['dtype']} without scale and zero point: the compiler crashes",
        FLOAT_FILE,
    )


quantization_missing.bad(lambda g: g.conv(8, 8).retyped("float16"))
quantization_missing.good(lambda g: g.conv(8, 8))


@rule("KPU405", "element-type", Level.ERROR, on=Model, confidence="measured")
def element_type(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Element type that nncase cannot read.

    What it does: finds tensors of strings, complex numbers, 16-bit integers and other types without a place in nncase.

    Why it matters: the importer stops.

    What to do instead: float32, or 8-bit integers with scale and zero point.

    Source: nncase v1.9.0, importer/tflite/tflite_importer.h to_data_type; measured with nncase 1.9.0.
    """
    yield from refused(plan, "element-type", lambda d: f"tensor of type {d['dtype']}, which nncase does not have")


element_type.bad(lambda g: g.input(1, dtype="string").op("Identity"))
element_type.good(lambda g: g.input(1, dtype="float32").op("Identity"))


@rule("KPU406", "per-axis-quantization", Level.ERROR, on=Model)
def per_axis_quantization(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """QuantizeLinear or DequantizeLinear with a scale for each channel.

    What it does: finds ONNX quantisation nodes with more than one scale.

    Why it matters: the importer takes one scale for the whole tensor only, and stops.

    What to do instead: quantise per tensor, or give nncase the float network.

    Source: nncase v1.9.0, importer/onnx/ops/quantizelinear.cpp.
    """
    yield from refused(plan, "per-axis-quantization", lambda d: f"{d['scales']} scales; nncase takes one", FLOAT_FILE)


per_axis_quantization.bad(
    lambda g: g.input(1, 2, 4, 4, dtype="int8").op("DequantizeLinear", g.constant([0.1, 0.2]), dtype="float32", axis=1)
)
per_axis_quantization.good(
    lambda g: g.input(1, 2, 4, 4, dtype="int8").op("DequantizeLinear", g.constant([0.1]), dtype="float32")
)


@rule("KPU407", "quantized-type", Level.ERROR, on=Model)
def quantized_type(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """QuantizeLinear or DequantizeLinear of a type other than 8-bit integers.

    What it does: finds ONNX quantisation nodes with a zero point of another type, as on 32-bit biases.

    Why it matters: the importer takes int8 and uint8 only, and stops.

    What to do instead: keep biases in float32, or give nncase the float network.

    Source: nncase v1.9.0, importer/onnx/ops/dequantizelinear.cpp.
    """
    yield from refused(
        plan, "quantized-type", lambda d: f"zero point of type {d['dtype']}; nncase takes int8 and uint8", FLOAT_FILE
    )


quantized_type.bad(
    lambda g: g.input(4, dtype="int32").op("DequantizeLinear", g.constant([0.1]), g.constant([0]), dtype="float32")
)
quantized_type.good(
    lambda g: g.input(4, dtype="int8").op("DequantizeLinear", g.constant([0.1]), g.constant([0]), dtype="float32")
)


@rule("KPU408", "conv-without-bias", Level.ERROR, on=Model, layout="NHWC")
def conv_without_bias(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """TFLite convolution without a bias.

    What it does: finds convolutions in a TFLite file that have two inputs.

    Why it matters: the importer reads the third without looking whether there is one; the compiler crashes or reads
    another tensor.

    What to do instead: let the converter write a bias of zeros (TensorFlow's does).

    Source: nncase v1.9.0, importer/tflite/ops/conv2d.cpp.
    """
    yield from refused(plan, "conv-without-bias", lambda d: "no bias: the compiler reads an input that is not there")


conv_without_bias.bad(lambda g: g.conv(8, 8, bias=False))
conv_without_bias.good(lambda g: g.conv(8, 8))


@rule("KPU409", "fused-activation", Level.ERROR, on=Model, layout="NHWC")
def fused_activation(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Fused activation that nncase's TFLite importer does not know.

    What it does: finds TFLite operators with a fused activation other than RELU, RELU6 and RELU_N1_TO_1.

    Why it matters: the importer stops.

    What to do instead: write the activation as an operator of its own.

    Source: nncase v1.9.0, importer/tflite/tflite_importer.h to_float_clamp_range.
    """
    yield from refused(
        plan, "fused-activation", lambda d: f"fused activation {d['activation']}; nncase takes Relu, Relu6, ReluN1To1"
    )


fused_activation.bad(lambda g: g.conv(8, 8).op("Add", g.zeros(8), activation="Tanh"))
fused_activation.good(lambda g: g.conv(8, 8).op("Add", g.zeros(8), activation="Relu"))


@rule("KPU410", "type-mismatch", Level.ERROR, on=Model, confidence="measured")
def type_mismatch(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Element types that do not fit together.

    What it does: finds half and double precision, and integers in places where nncase computes in float32.

    Why it matters: nncase's operations work on float32. It compares the types of what it connects and stops where
    they differ: a convolution's result for an output declared float16, or the constant 0 of a ReLU and its input.

    What to do instead: export in float32.

    Source: nncase v1.9.0, ir/connectors.cpp; measured with nncase 1.9.0 on half and double precision.
    """
    yield from refused(plan, "type-mismatch", lambda d: f"{d['made']} meets {d['wanted']}; nncase computes in f32")


type_mismatch.bad(lambda g: g.conv(8, 8).relu().retyped("float64"))
type_mismatch.good(lambda g: g.conv(8, 8).relu())

RULES = [
    not_quantized,
    quantized_operator,
    quantized_conv,
    quantization_missing,
    element_type,
    per_axis_quantization,
    quantized_type,
    conv_without_bias,
    fused_activation,
    type_mismatch,
]
