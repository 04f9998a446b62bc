"""1xx: convolutions and pools that the engines do not take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.planning import Plan, Step
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .engines import engines
from .rewrites import Place, for_groups, for_pool, for_scale
from .wording import broken, size


@rule("DPU101", "conv-window", Level.WARNING, on=Model, confidence="measured")
def conv_kernel(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Convolution kernel larger than the convolution engine takes.

    What it does: holds height and width of a convolution's kernel against the engine's range, 1 to 16 on every DPU.

    Why it matters: the convolution runs on the CPU, and the DPU subgraph ends there.

    What to do instead: stack smaller kernels. Two 9x9 convolutions see as far as one of 17x17.

    Source: UG1414 3.5, Currently Supported Operators; measured with the partition rules of Vitis AI 2.5.
    """
    yield from broken(
        plan, "conv-window", lambda r: f"kernel is {size(r['kernel'])}; the convolution engine takes {r['limit']}"
    )


conv_kernel.bad(lambda g: g.conv(8, 16, kernel=17, size=32))
conv_kernel.good(lambda g: g.conv(8, 16, kernel=16, size=32))


@rule("DPU102", "conv-stride", Level.WARNING, on=Model, confidence="documented")
def conv_stride(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Stride of a convolution larger than the engine takes.

    What it does: holds the strides of convolutions, depthwise ones included, against the engine's range. A kernel as
    large as the map has no stride.

    Why it matters: the compiler leaves the convolution to the CPU. AMD's inspector of release 2.5 never checks strides
    (the comparison in its check_stride is always false), so the split only shows after compilation.

    What to do instead: two layers with smaller strides, or a pool behind a smaller stride.

    Source: UG1414 3.5, Currently Supported Operators; the TensorFlow 2 inspector does check ("strides((9, 9)) exceed
    limit 1-8;1-8"). That the 2.5 PyTorch inspector lets it pass was measured.
    """
    yield from broken(plan, "conv-stride", lambda r: f"stride is {size(r['stride'])}; the engine takes {r['limit']}")


conv_stride.bad(lambda g: g.conv(8, 16, kernel=3, stride=9, size=32))
conv_stride.good(lambda g: g.conv(8, 16, kernel=3, stride=8, size=32))


@rule("DPU103", "conv-groups", Level.WARNING, on=Model, confidence="documented")
def grouped_conv(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Convolution in groups that is not depthwise.

    What it does: finds convolutions with more than one group and fewer groups than input channels.

    Why it matters: the convolution engine has no groups and the depthwise one takes single channels, so that the
    compiler leaves the layer to the CPU. AMD's inspector of release 2.5 does not look at groups.

    What to do instead: one group, or a depthwise convolution followed by a 1x1 one.

    Fix safety: safe; the ordinary convolution with zeros between the groups computes the same, with as many
    times the weights as there were groups.

    Source: UG1414, Operators Supported by PyTorch; Xilinx/Vitis-AI#173. That the 2.5 inspector lets it pass was
    measured.
    """
    yield from broken(
        plan,
        "conv-groups",
        lambda r: f"{r['groups']} groups over {r['channels']} channels; the DPU has 1 or {r['channels']}",
        lambda found, step, _: offering(found, model.graph, for_groups(Place(model.graph, plan, engines(dpu), step))),
    )


grouped_conv.bad(lambda g: g.conv(8, 16, kernel=3, groups=2))
grouped_conv.good(lambda g: g.conv(8, 16, kernel=3).depthwise(16))


@rule("DPU104", "volume-convolution", Level.WARNING, on=Model, confidence="measured")
def volume_convolution(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Convolution over volumes.

    What it does: finds convolutions and transposed ones with three spatial dimensions on DPUs other than DPUCVDX8G.

    Why it matters: only DPUCVDX8G (VCK190) computes them; elsewhere they run on the CPU, for which Vitis AI has no
    kernel of them.

    What to do instead: take depth into the channels of a two-dimensional convolution, or use a VCK190.

    Source: dpu_op_filter.py of Vitis AI 2.5; measured with it.
    """
    yield from broken(plan, "volume-convolution", lambda r: f"convolves over a volume, which {r['dpu']} does not")


volume_convolution.bad(
    lambda g: g.input(1, 3, 8, 16, 16).op(
        "Conv", g.zeros(8, 3, 3, 3, 3), shape=(1, 8, 6, 14, 14), kernel_shape=[3, 3, 3]
    )
)
volume_convolution.good(lambda g: g.conv(3, 8, kernel=3))


@rule("DPU105", "missing-engine", Level.WARNING, on=Model, confidence="measured", target="DPUCZDX8G_ISA0_B4096_MAX_BG2")
def missing_engine(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Operator whose engine this DPU was built without.

    What it does: finds depthwise convolutions, pools and element-wise products for which the DPU has no engine. A
    product with one constant, or one for each channel, is a 1x1 depthwise convolution and needs that engine.

    Why it matters: the layer runs on the CPU. Which engines there are was decided when the DPU was synthesised, and
    differs between boards of one kind: ISA 0 adds maps and does not multiply them, DPUCAHX8H_ISA2 has no depthwise
    convolution.

    What to do instead: another image for the board, or a network without the operator: squeeze-and-excitation blocks
    are what most products come from.

    Fix safety: safe; a depthwise convolution becomes an ordinary one with zeros, and a product behind a convolution
    part of its weights.

    Source: Vitis AI, target_factory; measured with the partition rules of Vitis AI 2.5. For DPUCADF8H the registered
    target has a depthwise engine and UG1414 says there is none; that is not measured.
    """
    has = engines(dpu)

    def mended(found: Found, step: Step, reason: Mapping[str, Any]) -> Found:
        fix = None
        if reason["engine"] == "multiplication with a constant":
            fix = for_scale(model.graph, model.graph.node(step.nodes[0]))
        elif reason["engine"] == "depthwise convolution":
            fix = for_groups(Place(model.graph, plan, has, step))
        return offering(found, model.graph, fix)

    yield from broken(plan, "missing-engine", lambda r: f"{r['dpu']} has no engine for {r['engine']}", mended)


missing_engine.bad(
    lambda g: g.conv(8, 8, size=16).branch(lambda b: b.conv(8, 8), lambda b: b.conv(8, 8, kernel=1), join="Mul")
)
missing_engine.good(lambda g: g.conv(8, 8, size=16).branch(lambda b: b.conv(8, 8), lambda b: b.conv(8, 8, kernel=1)))


@rule(
    "DPU106", "depthwise-window", Level.WARNING, on=Model, confidence="measured", target="DPUCZDX8G_ISA0_B4096_MAX_BG2"
)
def depthwise_window(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Depthwise convolution whose kernel the engine does not take.

    What it does: holds the kernel against the depthwise engine's sizes (1 to 256 on an arithmetic unit, 1 to 16 on
    ISA 0, single sizes on Alveo), and on DPUCAHX8H the stride against the kernel.

    Why it matters: the layer runs on the CPU and splits the network.

    What to do instead: stack smaller kernels, or pad the kernel with zeros to the next size the engine has.

    Source: Vitis AI, target_factory; measured with the partition rules of Vitis AI 2.5.
    """
    yield from broken(
        plan,
        "depthwise-window",
        lambda r: (
            f"stride {r['stride']} is larger than the kernel ({r['kernel']})"
            if "stride" in r
            else f"kernel is {size(r['kernel'])}; the depthwise engine takes {r['limit']}"
        ),
    )


depthwise_window.bad(lambda g: g.depthwise(8, kernel=17, size=32))
depthwise_window.good(lambda g: g.depthwise(8, kernel=15, size=32))


@rule("DPU107", "depthwise-dilation", Level.WARNING, on=Model, confidence="documented")
def depthwise_dilation(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Depthwise convolution that is dilated more one way than the other.

    What it does: finds depthwise convolutions whose dilations in height and width differ.

    Why it matters: AMD's staff say that the compiler leaves such a layer to the CPU; the inspector of release 2.5
    does not check it, and the placement given here follows the inspector.

    What to do instead: the same dilation both ways.

    Source: Xilinx/Vitis-AI#813; not measured.
    """
    yield from broken(
        plan, "depthwise-dilation", lambda r: f"dilation is {size(r['dilation'])}; the compiler wants it square"
    )


depthwise_dilation.bad(lambda g: g.depthwise(8, kernel=3, dilation=(1, 2), size=32))
depthwise_dilation.good(lambda g: g.depthwise(8, kernel=3, dilation=2, size=32))


@rule("DPU108", "pool-size", Level.WARNING, on=Model, confidence="measured", target="DPUCZDX8G_ISA0_B4096_MAX_BG2")
def pool_window(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Pool whose window or stride the engine does not take.

    What it does: holds kernel and stride of pools, global ones too, against the pool engine's ranges; a pool engine
    averages over squares only. An arithmetic unit (ISA 1 and later) takes 1 to 256, and any rectangle.

    Why it matters: the pool runs on the CPU. A global pool of a 14x14 map is enough on ISA 0. The inspector of release
    2.5 does not check strides, and crashes at maximum pools of more than 8 pixels on ISA 0.

    What to do instead: two pools behind each other, or a convolution with stride for the pool.

    Fix safety: safe; a chain of small maximum pools, or an average of averages, gives the same.

    Source: Vitis AI, target_factory; measured with the partition rules of Vitis AI 2.5, strides as registered.
    """
    has = engines(dpu)

    def mended(found: Found, step: Step, reason: Mapping[str, Any]) -> Found:
        fix, limit = for_pool(Place(model.graph, plan, has, step)) if "kernel" in reason else (None, 0)
        return offering(found, model.graph, fix, limit=limit)

    yield from broken(
        plan,
        "pool-size",
        lambda r: (
            f"stride is {size(r['stride'])}; the pool engine takes {r['limit']}"
            if "stride" in r
            else f"kernel is {size(r['kernel'])}; the pool engine "
            + (f"takes {r['limit']}" if "limit" in r else "averages over squares")
        ),
        mended,
    )


pool_window.bad(lambda g: g.conv(3, 8, size=14).global_average_pool())
pool_window.bad(lambda g: g.conv(3, 8, size=32).max_pool(9))
pool_window.good(lambda g: g.conv(3, 8, size=8).global_average_pool())


@rule("DPU109", "transposed-output-padding", Level.WARNING, on=Model, confidence="measured")
def output_padding(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Transposed convolution with output padding.

    What it does: finds transposed convolutions whose output_padding is not zero.

    Why it matters: the layer runs on the CPU.

    What to do instead: a kernel of 4 with stride 2 and padding 1 doubles the map without output padding.

    Fix safety: safe; less is cut off the end, or the kernel gets zeros.

    Source: UG1414 3.5; measured with the partition rules of Vitis AI 2.5.
    """
    fix = Fix("drop-output-padding", "safe", "less is cut off the end, or zeros in the kernel")
    yield from broken(
        plan,
        "transposed-output-padding",
        lambda r: f"output padding is {size(r['padding'])}; the DPU has none",
        lambda found, step, _: offering(found, model.graph, fix),
    )


output_padding.bad(lambda g: g.conv_transpose(8, 8, kernel=3, stride=2, pad=1, output_padding=1))
output_padding.good(lambda g: g.conv_transpose(8, 8, kernel=4, stride=2, pad=1))


@rule("DPU110", "transposed-kernel", Level.WARNING, on=Model, confidence="source")
def transposed_kernel(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Transposed convolution whose kernel divided by its stride the engine does not take.

    What it does: a transposed convolution is computed as one ordinary convolution for each step of the stride; holds
    the size of these against the engine's range.

    Why it matters: the layer runs on the CPU.

    What to do instead: a smaller kernel, or a resize followed by a convolution.

    Source: dpu_op_filter.py of Vitis AI 2.5; PG403.
    """
    yield from broken(
        plan,
        "transposed-kernel",
        lambda r: f"kernel {r['kernel']} over stride {r['stride']} is not in the engine's range {r['limit']}",
    )


transposed_kernel.bad(lambda g: g.conv_transpose(8, 8, kernel=17, stride=1))
transposed_kernel.good(lambda g: g.conv_transpose(8, 8, kernel=4, stride=2))


@rule("DPU111", "conv-area", Level.WARNING, on=Model, confidence="documented", target="DPUCVDX8G_ISA3_C32B3")
def conv_area(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Convolution kernel with more pixels than AMD's table of operators gives for this DPU.

    What it does: holds height times width of the kernel, for every 2,048 input channels, against the limit of Versal
    DPUs: 64 on DPUCVDX8G, 53 on DPUCV2DX8G. Other DPUs are bounded by the range of the kernel alone.

    Why it matters: the table says that the compiler leaves such a layer to the CPU. The inspector of release 2.5 does
    not check it, and the placement given here follows the inspector.

    What to do instead: stack smaller kernels.

    Source: UG1414 3.5, Currently Supported Operators: w*h*ceil(ic/2048) <= 64 and 256*h*w <= 13760; not measured.
    """
    yield from broken(
        plan, "conv-area", lambda r: f"kernel is {size(r['kernel'])}, {r['taps']} pixels; this DPU has {r['limit']}"
    )


conv_area.bad(lambda g: g.conv(8, 16, kernel=16, size=32))
conv_area.good(lambda g: g.conv(8, 16, kernel=8, size=32))


RULES = [
    *(conv_kernel, conv_stride, grouped_conv, volume_convolution, missing_engine, depthwise_window),
    *(depthwise_dilation, pool_window, output_padding, transposed_kernel, conv_area),
]
