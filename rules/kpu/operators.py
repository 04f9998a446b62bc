"""1xx: operators other than convolutions, and where they run."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import BatchNormalization, Conv, Elementwise, Gemm, Operator, Pool
from lintmodel.planning import Placement, Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .wording import activation_first, cpu_work, folded_pads, on_kpu, own_steps, quantized, size, work

HAVE_RULES_OF_THEIR_OWN = frozenset({"Conv", "BatchNormalization", "Gemm"}) | Pool.ops


@rule("KPU111", "pool-on-cpu", Level.WARNING, on=Pool, confidence="measured")
def pool_on_cpu(pool: Pool, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Pool that the KPU does not do.

    What it does: finds pools that run on the CPU.

    Why it matters: the KPU pools only behind a convolution, and only 2x2 with stride 2, 2x2 with stride 1 (padded
    bottom and right) and 4x4 with stride 4, maximum or average. The convolution must not be depthwise, must not have
    used the pooling stage for its stride, and nothing else may read it. All other pools, global ones too, run on the
    CPU in float32, with a conversion before and behind.

    What to do instead: 2x2 pools right behind an ordinary convolution with stride 1.

    Source: nncase v1.9.0, fuse_kpu_conv2d_pool.cpp; measured with nncase 1.9.0.
    """
    if plan.placements.get(pool.node.name) != Placement.FALLBACK or not quantized(kpu):
        return
    if pool.is_global:
        window = f"global pool over {pool.height}x{pool.width}"
    else:
        window = f"{size(pool.kernel)} pool with stride {size(pool.stride)}"
    maker = pool.graph.producer(pool.node.inputs[0])
    reason = "the KPU pools 2x2 and 4x4 only"
    if pool.kernel in ((2, 2), (4, 4)) and pool.stride == pool.kernel and pool.pads == (0, 0, 0, 0):
        reason = "only a convolution that nothing else reads, neither depthwise nor strided, can pool on the KPU"
        if maker is None:
            reason = "the KPU pools only behind a convolution"
        elif maker.op in Conv.ops and _is_cut(Conv(pool.graph, maker), plan):
            reason = "the convolution before it has no padding, and what is cut out of its result is not pooled"
    yield Found(f"{window} runs on the CPU; {reason}")


pool_on_cpu.bad(lambda g: g.conv(8, 16).max_pool(3, 2))
pool_on_cpu.bad(lambda g: g.depthwise(8).max_pool(2))
pool_on_cpu.bad(lambda g: g.conv(8, 16).global_average_pool())
pool_on_cpu.good(lambda g: g.conv(8, 16).max_pool(2))
pool_on_cpu.good(lambda g: g.conv(8, 16).relu().max_pool(4))


def _is_cut(conv: Conv, plan: Plan) -> bool:
    border = (conv.kernel[0] - 1) // 2
    return conv.stride == (1, 1) and conv.kernel[0] == conv.kernel[1] and min(folded_pads(plan, conv)) < border


@rule("KPU112", "operator-on-cpu", Level.WARNING, on=Operator, confidence="measured")
def operator_on_cpu(op: Operator, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Operator that runs on the CPU.

    What it does: finds operators that the plan gives to the CPU and that no other rule of this pack speaks of.

    Why it matters: the KPU convolves, applies one activation to the result and pools it. Everything else is done by
    the CPU, nearly always in float32: the map is converted before and behind and takes four times the memory.

    What to do instead: end the network at the last convolution and do the rest in the firmware, or replace the
    operator by convolutions.

    Source: nncase v1.9.0, src/codegen/stackvm; measured with nncase 1.9.0.
    """
    node = op.node
    if plan.placements.get(node.name) != Placement.FALLBACK or not quantized(kpu):
        return
    if node.op in HAVE_RULES_OF_THEIR_OWN:
        return
    steps = own_steps(plan, node.name)
    operations = {step.op for step in steps}
    if operations == {"TableLookup1D"} or (node.op == "Add" and "Conv2D" in operations):
        return
    yield Found(f"{node.op} runs on the CPU ({work(cpu_work(plan, node.name))})")


operator_on_cpu.bad(lambda g: g.conv(8, 16).op("Softmax", axis=-1))
operator_on_cpu.bad(lambda g: g.conv(8, 16).branch(lambda g: g.conv(16, 16), lambda g: g.conv(16, 16), join="Mul"))
operator_on_cpu.good(lambda g: g.conv(8, 16).relu())


@rule("KPU113", "activation-on-cpu", Level.WARNING, on=Operator, confidence="measured")
def activation_on_cpu(op: Operator, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Activation that no convolution takes in.

    What it does: finds functions of one value that become a table lookup on the CPU.

    Why it matters: behind a convolution any such function is free, because it goes into the KPU's activation table:
    ReLU, ReLU6, LeakyReLU, Sigmoid, SiLU, HardSwish, ... Elsewhere the CPU looks every value up in a table of 256.

    What to do instead: put the activation directly behind a convolution.

    Fix safety: safe; it changes places with the Concat, the Slice or (where it never falls) the maximum pool before it.

    Source: nncase v1.9.0, fused_unary_to_lookup1d.cpp; measured with nncase 1.9.0.
    """
    steps = own_steps(plan, op.node.name)
    if steps and all(step.op == "TableLookup1D" for step in steps):
        text = f"{op.node.op} is a table lookup on the CPU: no convolution on the KPU stands right before it"
        yield Found(text, fix=activation_first(op.graph, op.node.name))


activation_on_cpu.bad(lambda g: g.input(1, 8, 16, 16).relu())
activation_on_cpu.bad(lambda g: g.conv(8, 16, kernel=5).relu())
activation_on_cpu.good(lambda g: g.conv(8, 16).relu())
activation_on_cpu.good(lambda g: g.conv(8, 16).silu())


@rule("KPU114", "residual-add", Level.NOTE, on=Elementwise, confidence="measured")
def residual_add(add: Elementwise, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Sum of two feature maps.

    What it does: finds sums of two maps of one shape that become a convolution.

    Why it matters: nncase puts the two maps side by side in float32 on the CPU, quantises them again and adds them
    with a 1x1 convolution with identity weights on the KPU. That costs three maps of KPU memory, the conversion and
    one more convolution. With more than {max_in_channels} channels in both together, and on maps under
    {min_height}x{min_width}, it runs on the CPU instead, in float32.

    What to do instead: fewer residual connections, on small maps.

    Fix safety: safe; where nothing stands between a convolution and the sum with its own input, the sum becomes part
    of the convolution.

    Source: nncase v1.9.0, add_to_conv2d.cpp; measured with nncase 1.9.0.
    """
    if add.node.op != "Add" or add.with_constant:
        return
    operations = {step.op for step in own_steps(plan, add.node.name)}
    fix = _folded(add)
    if "KPUConv2D" in operations:
        yield Found("sum of two maps becomes a Concat in float32 on the CPU and a 1x1 convolution on the KPU", fix=fix)
    elif "Conv2D" in operations:
        sizes, nhwc = add.y.sizes, add.node.layout == "NHWC"
        both, (height, width) = 2 * sizes[-1 if nhwc else 1], sizes[1:3] if nhwc else sizes[2:4]
        reason = f"the KPU has at most {kpu.limit('max_in_channels')}"
        if both <= kpu.limit("max_in_channels"):
            least = f"{kpu.limit('min_height')}x{kpu.limit('min_width')}"
            reason = f"the map is {height}x{width}, and the KPU takes {least} at least"
        text = f"sum of two maps becomes a convolution of {both} channels on the CPU; {reason}"
        yield Found(text, level=Level.WARNING, fix=fix)


def _folded(add: Elementwise) -> Fix | None:
    """What is offered where one convolution can do the sum: both maps are convolutions of one, or one of the other."""
    makers = [add.graph.producer(name) for name in add.node.inputs]
    sources = [maker.inputs[0] if maker and maker.op == "Conv" else "" for maker in makers]
    a, b = sources[0], sources[-1]
    if len(sources) != 2 or not (a == b != "" or a == add.node.inputs[1] or b == add.node.inputs[0]):
        return None
    return Fix("fold-residual", "safe", "the sum as part of the convolution's weights")


residual_add.bad(lambda g: g.conv(8, 16).branch(lambda g: g.conv(16, 16), lambda g: g))
residual_add.bad(lambda g: g.conv(8, 16, size=2).branch(lambda g: g.conv(16, 16), lambda g: g))
residual_add.good(lambda g: g.conv(8, 16).conv(16, 16))


@rule("KPU115", "batch-norm", Level.WARNING, on=BatchNormalization, confidence="measured")
def batch_norm(norm: BatchNormalization, plan: Plan, kpu: Target) -> Iterator[Found]:
    """BatchNormalization that is still in the graph.

    What it does: finds batch normalisations that the plan computes.

    Why it matters: nncase does not fold them into the convolution before them. Each becomes up to four operations in
    float32 on the CPU, and the activation behind it can no longer be fused.

    What to do instead: fold them before export. PyTorch's exporter does so for a model in eval mode; onnxsim does it
    for an ONNX file.

    Source: nncase v1.9.0, importer/onnx/ops/batchnorm.cpp, fold_conv2d_binary.cpp; measured with nncase 1.9.0.
    """
    from lintmodel.fix.rewrites.fold_batch_norm import folds

    if plan.placements.get(norm.node.name) == Placement.FALLBACK:
        text = f"computed on the CPU ({work(cpu_work(plan, norm.node.name))}), not folded into the convolution"
        fix = Fix("batch-norm-to-conv", "safe", "a depthwise 1x1 convolution in its place")
        if folds(norm.graph, norm.node):
            fix = Fix("fold-batch-norm", "safe", "fold into the convolution beside it")
        yield Found(text, fix=fix if norm.graph.format == "onnx" else None)


batch_norm.bad(lambda g: g.conv(8, 16).batch_norm(16))
batch_norm.good(lambda g: g.conv(8, 16))


@rule("KPU116", "dense-on-cpu", Level.WARNING, on=Gemm, confidence="measured")
def dense_on_cpu(dense: Gemm, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Dense layer or matrix product that runs on the CPU.

    What it does: finds dense layers with more than {max_in_channels} inputs or {max_out_channels} outputs, and
    products of two computed matrices.

    Why it matters: a dense layer becomes a 1x1 convolution on a map of 4x4, which the KPU runs up to those numbers.
    A wider one is computed on the CPU as that convolution, for all 16 positions: 16 times the work and 64 bytes of
    memory for each input. Products of two computed matrices have no place on the KPU at all.

    What to do instead: pool the map globally before the dense layer, so that it has as many inputs as channels.

    Source: nncase v1.9.0, matmul_to_conv2d.cpp, pad_conv.cpp; measured with nncase 1.9.0 (1024 and 1025).
    """
    if plan.placements.get(dense.node.name) != Placement.FALLBACK or not quantized(kpu):
        return
    ins, outs = dense.in_features, dense.out_features
    if not dense.weighted:
        yield Found("product of two computed matrices runs on the CPU; the KPU's weights must be in the file")
    elif max(ins, outs) > kpu.limit("max_in_channels"):
        most = kpu.limit("max_in_channels")
        yield Found(f"{ins} inputs to {outs} outputs run on the CPU; the KPU has at most {most} of either")
    else:
        yield Found(f"runs on the CPU ({work(cpu_work(plan, dense.node.name))})")


dense_on_cpu.bad(lambda g: g.gemm(1025, 10))
dense_on_cpu.good(lambda g: g.gemm(1024, 10))


@rule("KPU117", "per-channel-prelu", Level.WARNING, on=Operator, confidence="measured")
def per_channel_prelu(op: Operator, plan: Plan, kpu: Target) -> Iterator[Found]:
    """PRelu with a slope for each channel.

    What it does: finds PRelu operators that cost several convolutions.

    Why it matters: the KPU has one activation table for all channels. nncase computes the convolution twice, once for
    each half of the function, multiplies on the CPU and adds with a third convolution.

    What to do instead: LeakyRelu, which has one slope and is free.

    Fix safety: safe where all slopes are equal. ReLU in its place is unsafe: the network has to be trained again.

    Source: nncase v1.9.0, importer/onnx/ops/activations.cpp; measured with nncase 1.9.0.
    """
    if op.node.op == "PRelu" and on_kpu(plan, op.node.name):
        slopes = op.graph.value(op.node.inputs[1])
        equal = slopes is not None and bool((slopes == slopes.reshape(-1)[0]).all())
        fix = Fix("prelu-to-leaky-relu", "safe") if equal else Fix("leaky-relu-to-relu", "unsafe")
        text = f"a slope for each channel costs further convolutions and {work(cpu_work(plan, op.node.name))}"
        yield Found(text, fix=fix)


per_channel_prelu.bad(lambda g: g.conv(8, 16).op("PRelu", g.zeros(16, 1, 1)))
per_channel_prelu.good(lambda g: g.conv(8, 16).op("LeakyRelu", alpha=0.1))


@rule("KPU118", "partly-on-cpu", Level.WARNING, on=Operator, confidence="measured")
def partly_on_cpu(op: Operator, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Operator other than a convolution that the KPU does with help of the CPU.

    What it does: finds dense layers, transposed convolutions and others that become a KPU convolution with CPU work
    around it.

    Why it matters: the CPU's part is done in float32 and often takes longer than the KPU's. A dense layer costs a Pad
    to 4x4 and a crop; a transposed convolution costs a Pad that puts zeros between the pixels.

    What to do instead: end the network at the last convolution where that is possible.

    Source: nncase v1.9.0, matmul_to_conv2d.cpp, conv2d_transpose_to_conv2d.cpp; measured with nncase 1.9.0.
    """
    spoken_of = op.node.op in ("Conv", "Add", "PRelu")
    if plan.placements.get(op.node.name) == Placement.PARTIAL and not spoken_of:
        yield Found(
            f"{op.node.op} runs on the KPU with work on the CPU around it: {work(cpu_work(plan, op.node.name))}"
        )


partly_on_cpu.bad(lambda g: g.gemm(64, 10))
partly_on_cpu.bad(lambda g: g.conv_transpose(8, 16, kernel=3, stride=2, pad=1, output_padding=1))
partly_on_cpu.good(lambda g: g.conv(8, 16))


RULES = [
    pool_on_cpu,
    operator_on_cpu,
    activation_on_cpu,
    residual_add,
    batch_norm,
    dense_on_cpu,
    per_channel_prelu,
    partly_on_cpu,
]
