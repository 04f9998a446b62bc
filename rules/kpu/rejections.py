"""1xx: operators that make the conversion fail."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import ConvTranspose
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .wording import activation_first, refused, shape

THREE = Fix("conv-transpose-3x3", "safe", "3x3 with a row and a column of zeros")


@rule("KPU121", "operator-not-imported", Level.ERROR, on=Model, confidence="measured")
def operator_not_imported(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Operator that nncase cannot read.

    What it does: finds operators that are not in nncase's table for this file format (`lintmodel target` lists it).
    Custom operators, those of other domains and those of files already compiled for another chip are among them.

    Why it matters: the conversion stops at the first one.

    What to do instead: cut the network before it (detection post-processing belongs in the firmware), fold it away
    with onnxsim, or replace it by operators from the table.

    Fix safety: safe; Mish, LayerNormalization, GroupNormalization and others become the operators they are made of.

    Source: nncase v1.9.0, src/importer (opcode.def); measured with nncase 1.9.0.
    """
    yield from refused(
        plan,
        "operator-not-imported",
        lambda d: f"nncase has no importer for '{d['operator']}'",
        lambda name: _parts(model, name),
    )


_PARTS = {
    "GroupNormalization": Fix("decompose-group-norm", "safe", "the operators it is made of"),
    "HardSigmoid": Fix("decompose-hard-sigmoid", "safe", "the operators it is made of"),
    "HardSwish": Fix("decompose-hard-swish", "safe", "the operators it is made of"),
    "LayerNormalization": Fix("decompose-layer-norm", "safe", "the operators it is made of"),
    "Mish": Fix("decompose-mish", "safe", "the operators it is made of"),
}


def _parts(model: Model, name: str) -> Fix | None:
    """Operators that nncase knows can be put in its place. An exact GELU would need Erf, which has no table either."""
    node = next((node for node in model.graph.nodes if node.name == name and not node.domain), None)
    if node is None or model.graph.format != "onnx":
        return None
    if node.op == "Gelu" and node.attributes.get("approximate") == "tanh":
        return Fix("decompose-gelu", "safe", "the operators it is made of")
    return _PARTS.get(node.op)


operator_not_imported.bad(lambda g: g.conv(8, 16).op("NonMaxSuppression"))
operator_not_imported.good(lambda g: g.conv(8, 16).op("Relu"))


@rule("KPU122", "depth-multiplier", Level.ERROR, on=Model, confidence="measured")
def depth_multiplier(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Depthwise convolution with more outputs than inputs.

    What it does: finds depthwise convolutions whose output channels are a multiple of the input channels.

    Why it matters: from ONNX the compiler never ends, from TFLite it stops.

    What to do instead: multiplier 1, and a 1x1 convolution behind it for more channels.

    Source: nncase v1.9.0, importer/tflite/ops/conv2d.cpp; measured with nncase 1.9.0 (over 300 s without a result).
    """
    yield from refused(
        plan,
        "depth-multiplier",
        lambda d: (
            f"depthwise convolution from {d['in_channels']} to {d['out_channels']} channels; "
            "nncase has only as many outputs as inputs"
        ),
    )


depth_multiplier.bad(lambda g: g.conv(8, 16, groups=8))
depth_multiplier.good(lambda g: g.conv(8, 8, groups=8))


@rule("KPU123", "conv-transpose-kernel", Level.ERROR, on=Model, confidence="measured")
def conv_transpose_kernel(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Transposed convolution that the KPU cannot run.

    What it does: finds transposed convolutions that stay in the graph: kernels other than {kernel_sizes}, grouped,
    dilated, or on maps or channel counts outside the KPU's limits.

    Why it matters: the CPU has no transposed convolution, so the compiler stops when it writes the code.

    What to do instead: nearest-neighbour upsampling (Resize) and a 3x3 convolution, or kernel 3 with stride 2,
    padding 1 and output padding 1.

    Fix safety: safe; a 2x2 kernel with stride 2 becomes a 3x3 one with zeros that computes the same.

    Source: nncase v1.9.0, codegen/stackvm/ops.def; measured with nncase 1.9.0.
    """
    graph = model.graph
    yield from refused(
        plan,
        "conv-transpose-kernel",
        lambda d: "transposed convolution is not one the KPU has, and the CPU has none",
        lambda node: THREE if ConvTranspose(graph, graph.node(node)).kernel == (2, 2) else None,
    )


conv_transpose_kernel.bad(lambda g: g.conv_transpose(8, 16, kernel=2, stride=2))
conv_transpose_kernel.good(lambda g: g.conv_transpose(8, 16, kernel=3, stride=2, pad=1, output_padding=1))


@rule("KPU124", "activation-after-pool", Level.ERROR, on=Model, confidence="measured")
def activation_after_pool(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Activation behind a pool that the KPU does.

    What it does: finds convolution, pool, activation in this order, where the pool is one the KPU fuses.

    Why it matters: once the pool is part of the convolution the activation has no calibrated input any more; it can
    neither be fused nor become a table, and the compiler stops when it writes the code.

    What to do instead: activation first, pool second. For ReLU and a maximum pool the result is the same.

    Fix safety: safe for ReLU and other functions that never fall behind a maximum pool.

    Source: nncase v1.9.0, fuse_kpu_conv2d_pool.cpp; measured with nncase 1.9.0 and 1.0.0.
    """
    yield from refused(
        plan,
        "activation-after-pool",
        lambda d: "activation behind a pool that is fused into the convolution; put it before the pool",
        Fix("activation-before-pool", "safe", "exchange the activation and the pool"),
    )


activation_after_pool.bad(lambda g: g.conv(8, 16).max_pool(2).relu())
activation_after_pool.good(lambda g: g.conv(8, 16).relu().max_pool(2))


@rule("KPU125", "clamp-not-fused", Level.ERROR, on=Model, confidence="measured")
def clamp_not_fused(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Clip that follows neither a convolution nor a sum, product or other operation of two values.

    What it does: finds Clip (ReLU6, hardtanh) behind a pool, a Concat, a Resize, the input or another activation.

    Why it matters: nncase fuses a Clip into the operation before it. It has no code for one on its own, and stops.

    What to do instead: put it behind the convolution, or use Min and Max with constants.

    Fix safety: safe; it changes places with the maximum pool or Concat before it, or becomes Max and Min.

    Source: nncase v1.9.0, fuse_clamp.cpp, codegen/stackvm/ops.def; measured with nncase 1.9.0.
    """
    apart = Fix("clip-to-min-max", "safe", "Max and Min in its place")
    yield from refused(
        plan,
        "clamp-not-fused",
        lambda d: "Clip has no convolution before it to go into",
        lambda node: activation_first(model.graph, node) or apart,
    )


clamp_not_fused.bad(lambda g: g.conv(8, 16).max_pool(3, 2).clip())
clamp_not_fused.good(lambda g: g.conv(8, 16).clip().max_pool(3, 2))


@rule("KPU126", "erf-activation", Level.ERROR, on=Model, confidence="measured")
def erf_activation(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Erf, as in the exact GELU.

    What it does: finds Erf in what becomes an activation table.

    Why it matters: the table is computed by an interpreter that has no erf; the compiler stops. Without quantisation
    it would run on the CPU.

    What to do instead: GELU's tanh form, SiLU or HardSwish.

    Fix safety: unsafe; HardSwish computes something else, so the network has to be trained again.

    Source: nncase v1.9.0, nnil codegen; measured with nncase 1.9.0.
    """
    fix = Fix("silu-to-hardswish", "unsafe", "HardSwish in the place of GELU")
    yield from refused(plan, "erf-activation", lambda d: "Erf (in an exact GELU) cannot be made into a table", fix)


erf_activation.bad(lambda g: g.conv(8, 16).op("Erf"))
erf_activation.good(lambda g: g.conv(8, 16).op("Tanh"))


@rule("KPU127", "pool-stride", Level.ERROR, on=Model, confidence="measured")
def pool_stride(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """4x4 pool with a stride other than 4 behind a convolution.

    What it does: finds 4x4 pools, unpadded, whose stride is not 4.

    Why it matters: nncase takes every 4x4 pool for one with stride 4, gets another size than the network states, and
    stops.

    What to do instead: stride 4, or a 3x3 pool (which runs on the CPU).

    Fix safety: safe; a maximum pool becomes two smaller ones behind each other, on the CPU.

    Source: nncase v1.9.0, kpu_utils.h get_filter_type; measured with nncase 1.9.0.
    """
    graph = model.graph
    stacked = Fix("stack-max-pool", "safe", "two smaller pools behind each other")
    yield from refused(
        plan,
        "pool-stride",
        lambda d: f"4x4 pool has stride {d['stride']}; the KPU's 4x4 pool has stride 4",
        lambda node: stacked if graph.node(node).op == "MaxPool" else None,
    )


pool_stride.bad(lambda g: g.conv(8, 16).max_pool(4, 2))
pool_stride.good(lambda g: g.conv(8, 16).max_pool(4, 4))


@rule("KPU128", "pool-rank", Level.ERROR, on=Model, confidence="measured")
def pool_rank(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Pool over something other than a picture.

    What it does: finds pools whose input is not N,C,H,W.

    Why it matters: nncase imports two-dimensional pools only, and stops.

    What to do instead: add an axis of size 1 with Unsqueeze before the pool and take it away behind.

    Source: nncase v1.9.0, importer/onnx/ops/pool.cpp; measured with nncase 1.9.0.
    """
    yield from refused(plan, "pool-rank", lambda d: f"pool over {d['rank']} dimensions; nncase takes 4 (N,C,H,W)")


pool_rank.bad(lambda g: g.input(1, 8, 64).op("MaxPool", shape=(1, 8, 32), kernel_shape=(2,), strides=(2,), pads=(0, 0)))
pool_rank.good(lambda g: g.conv(8, 16).max_pool(2))


@rule("KPU129", "conv-transpose-shape", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def conv_transpose_shape(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Transposed convolution whose size comes out different.

    What it does: finds transposed convolutions that nncase turns into a convolution of another size than the network
    states, as for a TFLite TRANSPOSE_CONV with stride 2 and padding "same".

    Why it matters: the compiler compares the sizes and stops.

    What to do instead: nearest-neighbour upsampling (Resize) and a 3x3 convolution.

    Source: nncase v1.9.0, conv2d_transpose_to_conv2d.cpp; measured with nncase 1.9.0.
    """
    yield from refused(
        plan,
        "conv-transpose-shape",
        lambda d: f"nncase's rewriting gives {shape(d['ours'])}; the network has {shape(d['declared'])}",
    )


conv_transpose_shape.bad(lambda g: g.conv_transpose(8, 16, kernel=3, stride=2, pad=1))
conv_transpose_shape.good(lambda g: g.conv_transpose(8, 16, kernel=3, stride=1, pad=1))


@rule("KPU131", "several-inputs", Level.ERROR, on=Model, confidence="measured", toolchain="1.5")
def several_inputs(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Network with several inputs, quantised by nncase before 1.6.

    What it does: finds networks with more than one input when nncase is 1.0 to 1.5.

    Why it matters: these versions measure the ranges of the maps with one input only, and stop.

    What to do instead: nncase 1.6 or later; or one input, cut into its parts inside the network (Slice).

    Source: nncase v1.5.0, src/nncase/compiler.cpp; measured with nncase 1.0 to 1.9.
    """
    yield from refused(
        plan, "several-inputs", lambda d: f"the network has {d['inputs']} inputs; nncase before 1.6 calibrates one"
    )


several_inputs.bad(lambda g: g.input(1, 8, 16, 16, name="a").input(1, 8, 16, 16, name="b").op("Add", "a", "b"))
several_inputs.good(lambda g: g.conv(8, 16))


@rule("KPU132", "quantize-rank", Level.ERROR, on=Model, confidence="measured", layout="NHWC", toolchain="1.6")
def quantize_rank(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """TFLite QUANTIZE or DEQUANTIZE of something other than a map, with nncase before 1.7.

    What it does: finds both operators on tensors that do not have four axes.

    Why it matters: these versions move the channels of four axes without looking how many there are; the sizes come
    out as whatever stood in memory, and the compiler stops.

    What to do instead: nncase 1.7 or later, or the TFLite file in float32.

    Source: nncase v1.6.0, importer/tflite/ops/quantize.cpp; measured with nncase 1.0 to 1.8.
    """
    yield from refused(plan, "quantize-rank", lambda d: f"quantised with {d['rank']} axes; nncase before 1.7 takes 4")


quantize_rank.bad(lambda g: g.input(1, 8).op("QuantizeLinear", dtype="int8").quantized())
quantize_rank.good(lambda g: g.input(1, 8, 8, 8).op("QuantizeLinear", dtype="int8").quantized())


@rule("KPU133", "dense-without-bias", Level.ERROR, on=Model, confidence="measured", layout="NHWC", toolchain="1.5")
def dense_without_bias(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """TFLite dense layer without a bias, with nncase before 1.6.

    What it does: finds fully connected layers without a bias.

    Why it matters: these versions read the bias without looking whether there is one, and crash.

    What to do instead: nncase 1.6 or later, or a bias of zeros.

    Source: nncase v1.5.0, importer/tflite/ops/matmul.cpp; measured with nncase 1.0 to 1.8.
    """
    yield from refused(plan, "dense-without-bias", lambda d: "no bias; nncase before 1.6 crashes without one")


dense_without_bias.bad(lambda g: g.input(1, 8).op("Gemm", g.zeros(4, 8), shape=(1, 4), transB=1))
dense_without_bias.good(lambda g: g.gemm(8, 4))

RULES = [
    operator_not_imported,
    depth_multiplier,
    conv_transpose_kernel,
    activation_after_pool,
    clamp_not_fused,
    erf_activation,
    pool_stride,
    pool_rank,
    conv_transpose_shape,
    several_inputs,
    quantize_rank,
    dense_without_bias,
]
