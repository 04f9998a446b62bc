"""15x: what only nncase 0.2 does: its fallbacks, and what its importers get wrong."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Conv, ConvTranspose, Operator, Pool
from lintmodel.planning import Plan, Step
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from ..wording import on_kpu, own_steps, refused, shape_is_known
from .v02_misread import misread_parameters, misread_pool

VERSION = "0.2"
WARNING = "WARN: ... Fallback to float conv2d due to weights divergence."


def _left_in_float(plan: Plan, node: str, reason: str) -> Iterator[Step]:
    return (step for step in own_steps(plan, node) if step.op in ("Conv2D", "MatMul") and reason in step.details)


@rule("KPU151", "weights-divergence", Level.WARNING, on=Operator, toolchain=VERSION)
def weights_divergence(op: Operator, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Weights whose range nncase 0.2 finds too wide.

    What it does: with nncase 0.2, measures the range of all weights of every convolution and dense layer that are in
    the file, as the compiler does, and finds those wider than {weights_quantize_threshold}. Says so in the report
    where the values are not there.

    Why it matters: the layer runs on the CPU in float32, its weights take four bytes each, and the KPU does nothing
    for it. The only sign is a warning that does not stop the compiler. Often a single channel is at fault, one that
    batch normalisation has scaled up because it was never active.

    What to do instead: prune such channels, train with weight decay, or raise the limit with
    --weights-quantize-threshold. The accuracy of the other channels then suffers.

    Source: nncase v0.2.0-beta4, fake_kpu_conv2d.cpp, matmul_to_fake_kpu_conv2d.cpp, add_quant_checkpoints.cpp;
    nncase issues 114, 124, 164.
    """
    limit = kpu.limit("weights_quantize_threshold")
    for step in _left_in_float(plan, op.node.name, "span"):
        text = f"weights span {step.details['span']:.4g}; {kpu.toolchain} quantises up to {limit:g} and leaves"
        message = WARNING if step.op == "Conv2D" else None
        yield Found(f"{text} this layer to the CPU in float32", message)


weights_divergence.bad(
    lambda g: g.input(1, 1, 8, 8).op("Conv", g.constant([[[[40.0]]], [[[-25.0]]]]), shape=(1, 2, 8, 8))
)
weights_divergence.good(
    lambda g: g.input(1, 1, 8, 8).op("Conv", g.constant([[[[40.0]]], [[[-24.0]]]]), shape=(1, 2, 8, 8))
)


@rule("KPU152", "small-result-in-float", Level.WARNING, on=Conv, toolchain=VERSION)
def small_result_in_float(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution that stays in float32 because its result is small.

    What it does: with nncase 0.2, finds convolutions that the KPU cannot run and whose result has fewer than
    {output_quantize_threshold} values.

    Why it matters: nncase does not quantise them for the CPU either. It then prints its warning about weights
    divergence, although the weights are fine: raising --weights-quantize-threshold, which the warning suggests,
    changes nothing.

    What to do instead: remove what keeps the layer off the KPU (other findings of this layer say what), or lower
    --output-quantize-threshold to compute it in 8 bits on the CPU.

    Source: nncase v0.2.0-beta4, add_quant_checkpoints.cpp, src/cli/compile.cpp; nncase issue 292.
    """
    limit = kpu.limit("output_quantize_threshold")
    for step in _left_in_float(plan, conv.node.name, "elements"):
        text = f"result has {step.details['elements']} values, under {limit}: not quantised for the CPU either"
        yield Found(f"{text}; the weights, which the warning blames, are within the limit", WARNING)


small_result_in_float.bad(lambda g: g.conv(8, 16, kernel=5, size=7))
small_result_in_float.good(lambda g: g.conv(8, 16, kernel=5, size=8))
small_result_in_float.good(lambda g: g.conv(8, 16, kernel=3, size=7))


@rule("KPU153", "float-between-quantized", Level.WARNING, on=Conv, toolchain=VERSION)
def float_between_quantized(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution that stays in float32 because what is around it is quantised.

    What it does: with nncase 0.2, finds convolutions that the KPU cannot run, with one that it runs directly before
    and one directly behind.

    Why it matters: nncase marks what calibration has to measure, operation by operation, and passes over one whose
    input and output are marked already. It then takes this one for not quantised, computes it in float32 on the CPU,
    and prints its warning about weights divergence, although the weights are fine.

    What to do instead: remove what keeps the layer off the KPU (other findings of this layer say what). Any operator
    of its own between the two convolutions, a Relu for instance, also makes nncase quantise it.

    Source: nncase v0.2.0-beta4, add_quant_checkpoints.cpp, quantized_conv2d.cpp, src/cli/compile.cpp.
    """
    for _ in _left_in_float(plan, conv.node.name, "between"):
        yield Found(
            "left in float32 because input and output are marked for the KPU already; the weights, which the warning "
            "blames, are within the limit",
            WARNING,
        )


float_between_quantized.bad(lambda g: g.conv(8, 16).conv(16, 16, kernel=5).conv(16, 16))
float_between_quantized.good(lambda g: g.conv(8, 16).conv(16, 16, kernel=5).relu().conv(16, 16))


@rule("KPU154", "small-map-on-cpu", Level.WARNING, on=Conv, toolchain=VERSION)
def small_map_on_cpu(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution on a map smaller than the KPU takes.

    What it does: with nncase 0.2, finds 1x1 and 3x3 convolutions whose input is lower than {min_height} or narrower
    than {min_width} pixels.

    Why it matters: versions from 1.5 pad such a map and use the KPU. This one leaves the layer to the CPU.

    What to do instead: keep maps at 4x4 or larger, and leave squeeze-and-excitation out; or convert with nncase 1.9.

    Source: nncase v0.2.0-beta4, kpu_utils.h is_supported_in_shape.
    """
    if kpu.version != VERSION or not shape_is_known(conv) or on_kpu(plan, conv.node.name):
        return
    least = (kpu.limit("min_height"), kpu.limit("min_width"))
    kernel = conv.kernel[0] == conv.kernel[1] and conv.kernel[0] in kpu.limit("kernel_sizes")
    if kernel and (conv.height < least[0] or conv.width < least[1]):
        yield Found(f"input is {conv.height}x{conv.width}; the KPU takes maps from {least[0]}x{least[1]}")


small_map_on_cpu.bad(lambda g: g.conv(8, 16, kernel=1, size=3))
small_map_on_cpu.good(lambda g: g.conv(8, 16, kernel=1, size=4))


@rule("KPU155", "misread-parameters", Level.ERROR, on=Operator, toolchain=VERSION)
def misread(op: Operator, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Parameters of a convolution that nncase 0.2 takes for something else.

    What it does: with nncase 0.2, finds ONNX convolutions whose left padding is not their bottom padding, transposed
    ONNX convolutions, and int8 weights in a TFLite file with a scale for each channel.

    Why it matters: the importer takes the first two of ONNX's four pads for the height and the last two for the
    width, reads the weights of a transposed convolution in the other order, and dequantises all channels with the
    first scale. There is no message: either a shape no longer fits at the end of the network, or the results are
    wrong.

    What to do instead: pad all sides alike; Resize and a convolution in the place of a transposed one; float32
    weights. Or convert with nncase 1.9.

    Source: nncase v0.2.0-beta4, src/importer/onnx/ops/conv.cpp, src/importer/tflite/tflite_importer.h.
    """
    if kpu.version != VERSION or op.node.op not in Conv.ops | ConvTranspose.ops:
        return
    refused_for = {refusal.kind for refusal in plan.refusals if refusal.node == op.node.name}
    if refused_for <= {"shape-mismatch"}:
        for text in misread_parameters(op.graph, op.node):
            yield Found(text)


misread.bad(lambda g: g.conv(8, 16, stride=2, pads=(0, 0, 1, 1)))
misread.bad(lambda g: g.conv_transpose(8, 16, kernel=3, stride=1, pad=1))
misread.good(lambda g: g.conv(8, 16, stride=2, pads=(1, 1, 1, 1)))


@rule("KPU156", "max-pool-misread", Level.ERROR, on=Pool, toolchain=VERSION)
def max_pool_misread(pool: Pool, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Maximum pool in an ONNX file, which nncase 0.2 computes wrongly.

    What it does: with nncase 0.2, finds MaxPool operators in ONNX files.

    Why it matters: the importer lets the maximum start at the largest number there is instead of the smallest, and
    so it stays there: every result is 3.4e+38. A pool that the KPU does is right on the board, but calibration
    computes it on the CPU, and all ranges measured behind it are worthless.

    What to do instead: convert the TFLite file of the same network, where the start is right, or use nncase 1.9.

    Source: nncase v0.2.0-beta4, src/importer/onnx/ops/pool.cpp, kernels/neutral/neutral_kernels.h reduce_window2d.
    """
    if kpu.version == VERSION and misread_pool(pool.graph, pool.node):
        yield Found("the maximum starts at 3.4e+38 and stays there; ranges measured behind it are worthless")


max_pool_misread.bad(lambda g: g.conv(8, 16).max_pool(2))
max_pool_misread.good(lambda g: g.conv(8, 16).average_pool(2))


@rule("KPU157", "importer-crash", Level.ERROR, on=Model, toolchain=VERSION)
def importer_crash(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Operator that nncase 0.2 lists and cannot import in this form.

    What it does: with nncase 0.2, finds operators whose importer stops or crashes: LeakyRelu and Pad in ONNX files,
    attributes left out that have a default in ONNX, weights that are no initialisers, Slice with an open end,
    negative axes of a TFLite concatenation and a few more.

    Why it matters: the compiler ends with a message that names neither operator nor layer ("bad optional access"),
    or with none.

    What to do instead: write the attribute out or the operator in another way; or convert with nncase 1.9.

    Source: nncase v0.2.0-beta4, src/importer/onnx/ops, src/importer/tflite/ops.
    """
    yield from refused(plan, "importer-crash", lambda d: str(d["why"]))


importer_crash.bad(lambda g: g.conv(8, 16).op("LeakyRelu", alpha=0.1))
importer_crash.bad(lambda g: g.conv(8, 16).op("Softmax"))
importer_crash.good(lambda g: g.conv(8, 16).relu())
importer_crash.good(lambda g: g.conv(8, 16).op("Softmax", axis=-1))


@rule("KPU158", "initializer-operand", Level.ERROR, on=Model, toolchain=VERSION)
def initializer_operand(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Initialiser as an operand, which nncase 0.2 does not find.

    What it does: with nncase 0.2, finds ONNX operators other than convolutions that read an initialiser as a tensor:
    the matrix of a MatMul, the addend of an Add.

    Why it matters: the importer looks for the maker of every operand among operators and graph inputs only, and
    stops. So no dense layer from an ONNX file can be converted as exporters write it.

    What to do instead: a 1x1 convolution in the place of the dense layer, a Constant node in the place of the
    initialiser, the TFLite file of the same network, or nncase 1.9.

    Source: nncase v0.2.0-beta4, src/importer/onnx/onnx_importer.cpp import.
    """
    yield from refused(plan, "initializer-operand", lambda d: f"'{d['tensor']}' is an initialiser, not a node's output")


initializer_operand.bad(lambda g: g.input(1, 64).op("MatMul", g.zeros(64, 16), shape=(1, 16)))
initializer_operand.bad(lambda g: g.conv(8, 16).op("Add", g.zeros(16, 1, 1)))
initializer_operand.good(lambda g: g.conv(8, 16))


@rule("KPU159", "conv-transpose-size", Level.ERROR, on=Model, toolchain=VERSION)
def conv_transpose_size(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Transposed convolution whose size nncase 0.2 gets wrong.

    What it does: with nncase 0.2, finds transposed convolutions that fail the compiler's own check of their size:
    from ONNX all that have a stride.

    Why it matters: the importer leaves the stride out of the size of the result, and stops.

    What to do instead: Resize (nearest) and a 3x3 convolution.

    Source: nncase v0.2.0-beta4, src/importer/onnx/ops/conv.cpp, src/ir/hlir/ops/conv2d_transpose.cpp.
    """
    yield from refused(
        plan, "conv-transpose-size", lambda d: f"stride {d['stride'][0]} is left out of the size of the result"
    )


conv_transpose_size.bad(lambda g: g.conv_transpose(8, 16, kernel=2, stride=2))
conv_transpose_size.good(lambda g: g.conv_transpose(8, 16, kernel=3, stride=1, pad=1))

RULES = [
    weights_divergence,
    small_result_in_float,
    float_between_quantized,
    small_map_on_cpu,
    misread,
    max_pool_misread,
    importer_crash,
    initializer_operand,
    conv_transpose_size,
]
