"""2xx: sizes of layers against the banks, layouts, and the number of DPU subgraphs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .wording import broken, counted, node_of, reasons


@rule("DPU201", "input-channels", Level.WARNING, on=Model, confidence="measured")
def input_channels(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """More input channels than the engine counts.

    What it does: holds input channels of convolutions and resizes against 256 times the channels the engine works on
    at a time.

    Why it matters: the layer runs on the CPU.

    What to do instead: split the channels over two layers and add their results, or make the layer before narrower.

    Source: UG1414 3.5, ic <= 256*channel_parallel; measured with the partition rules of Vitis AI 2.5.
    """
    yield from broken(
        plan, "input-channels", lambda r: f"{r['channels']:,} input channels; the engine counts to {r['limit']:,}"
    )


input_channels.bad(lambda g: g.conv(4112, 16, kernel=1, size=8))
input_channels.good(lambda g: g.conv(4096, 16, kernel=1, size=8))


@rule("DPU202", "output-channels", Level.WARNING, on=Model, confidence="documented")
def output_channels(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """More output channels than the engine counts.

    What it does: holds output channels against 256 times the channels the engine writes at a time.

    Why it matters: the compiler leaves the layer to the CPU. AMD's inspector of release 2.5 checks transposed and
    depthwise convolutions, and forgets ordinary ones.

    What to do instead: two layers, joined by Concat.

    Source: UG1414 3.5, oc <= 256*channel_parallel; the TensorFlow 2 inspector does check ("output_channel(5000) exceed
    limit 4096"). That the 2.5 PyTorch inspector lets it pass was measured.
    """
    yield from broken(
        plan, "output-channels", lambda r: f"{r['channels']:,} output channels; the engine counts to {r['limit']:,}"
    )


output_channels.bad(lambda g: g.conv(8, 4112, kernel=1, size=8))
output_channels.good(lambda g: g.conv(8, 4096, kernel=1, size=8))


@rule("DPU203", "weights-bank", Level.WARNING, on=Model, confidence="measured")
def weights_bank(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Weights of the channels computed together do not fit their memory.

    What it does: works out kernel height times width times the words its input channels take, for the output channels
    that are computed at a time, against the depth of the weight banks.

    Why it matters: the layer runs on the CPU. The weights of a whole layer need not fit: they are loaded in slices of
    output channels, and one such slice does not fit here.

    What to do instead: fewer input channels, a smaller kernel, or a 1x1 convolution in front that narrows the map.
    Dense layers on large maps: pool first.

    Source: dpu_op_filter.py of Vitis AI 2.5, UG1414 3.5; measured on either side of the limit on ten DPUs.
    """
    yield from broken(
        plan, "weights-bank", lambda r: f"one slice of weights takes {r['needed']:,} words; a bank has {r['depth']:,}"
    )


weights_bank.bad(lambda g: g.conv(3648, 16, kernel=3, size=8))
weights_bank.good(lambda g: g.conv(3632, 16, kernel=3, size=8))


@rule("DPU204", "dilated-channels", Level.WARNING, on=Model, confidence="documented")
def dilated_channels(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Dilation times input channels is more than the engine's counters hold.

    What it does: holds the dilation times the input channels against 256 times the channels worked on at a time.

    Why it matters: the compiler leaves the convolution to the CPU. AMD's inspector of release 2.5 does not check it.
    Heads that see far (ASPP of DeepLab, with dilations to 36) reach it.

    What to do instead: a 1x1 convolution in front that narrows the map, or a smaller dilation.

    Source: UG1414 3.5, dilation*ic <= 256*channel_parallel. That the 2.5 inspector lets it pass was measured.
    """
    yield from broken(
        plan,
        "dilated-channels",
        lambda r: (
            f"dilation {r['dilation']} times {r['channels']:,} channels is {r['dilation'] * r['channels']:,}; "
            f"the engine counts to {r['limit']:,}"
        ),
    )


dilated_channels.bad(lambda g: g.conv(1024, 16, kernel=3, dilation=12, size=32))
dilated_channels.good(lambda g: g.conv(341, 16, kernel=3, dilation=12, size=32))


@rule("DPU205", "padding", Level.WARNING, on=Model, confidence="documented")
def padding(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Padding as wide as the window, or wider than the engine's own range.

    What it does: holds the padding of each side against the window with its dilation, or against the range of the
    arithmetic unit (left and top 0 to 15, right and bottom 0 to 255) for pools and depthwise convolutions.

    Why it matters: the compiler leaves the layer to the CPU. Its limit is strict: a 1x1 convolution with padding 1 is
    refused. AMD's inspector of release 2.5 lets padding pass that is just as wide as the window.

    What to do instead: no padding on 1x1 convolutions, and at most the kernel less one elsewhere; a Pad in front does
    the rest.

    Source: UG1414 3.5, pads in [0, (k-1)*dilation]; Xilinx/Vitis-AI#279.
    """
    yield from broken(plan, "padding", lambda r: f"padding {r['side']} is {r['pad']}; the engine takes {r['limit']}")


padding.bad(lambda g: g.conv(8, 16, kernel=1, pads=1))
padding.good(lambda g: g.conv(8, 16, kernel=3, pads=2))


@rule("DPU206", "layout-changes", Level.NOTE, on=Model, confidence="measured")
def layout_changes(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """The quantiser inserts changes of layout, and they run on the CPU.

    What it does: counts the permutations between channels last, as the DPU stores maps, and channels first, as
    PyTorch does, that are put around operators of the latter kind. One in front of flatten and a dense layer costs
    nothing: it goes into the order of that layer's weights.

    Why it matters: each copies a feature map on the CPU, and may split the network all by itself: a mean over height
    and width without keepdim has one before it.

    What to do instead: replace the operators that ask for them (the other findings name them), and reduce with
    keepdim=True.

    Source: nndct_shared of Vitis AI 2.5 (its name for them is sink_transpose and swim_transpose); measured.
    """
    changes = [step for step in plan.steps if any(reasons(step, "layout-permute"))]
    if changes:
        said = next(reasons(changes[0], "layout-permute"))["vendor_message"]
        yield Found(f"{counted(len(changes), 'inserted change')} of layout on the CPU", said, node_of(changes[0]))


layout_changes.bad(lambda g: g.conv(8, 16).silu().conv(16, 8))
layout_changes.good(lambda g: g.conv(8, 16, size=8).global_average_pool().flatten().gemm(16, 10))


@rule("DPU207", "batch-changed", Level.WARNING, on=Model, confidence="measured")
def batch_changed(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Reshape at the border of a DPU subgraph that changes the batch.

    What it does: finds Reshape and Flatten whose first dimension changes and which do not stand between operators on
    the DPU.

    Why it matters: it runs on the CPU: the first dimension is what images are distributed by.

    What to do instead: keep the batch as the first dimension.

    Source: dpu_op_filter.py of Vitis AI 2.5 (filter_dpu_interface_reshape); measured with it.
    """
    yield from broken(plan, "batch-changed", lambda r: f"the first dimension goes from {r['before']} to {r['after']}")


batch_changed.bad(
    lambda g: g.input(2, 3, 8, 8).conv(3, 16, kernel=1).op("Reshape", g.constant([1, 2048]), shape=(1, 2048))
)
batch_changed.good(
    lambda g: g.input(2, 3, 8, 8).conv(3, 16, kernel=1).op("Reshape", g.constant([2, 1024]), shape=(2, 1024))
)


@rule("DPU208", "batch-size", Level.WARNING, on=Model, confidence="documented")
def batch_size(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Batch that the exporter or the DPU does not take.

    What it does: looks at the first dimension of the inputs: 1 to export an xmodel, 4 for DPUCADF8H.

    Why it matters: with any other batch the quantiser refuses to export the compiled form ("Batch size must be 1 when
    exporting xmodel."). DPUCADF8H computes four images at a time, and its compiler leaves single ones to the CPU.

    What to do instead: trace the network with the batch named here. DPUs that take several images a run get them at
    run time.

    Source: Xilinx/Vitis-AI#1255, #811; for DPUCADF8H #602 and #490.
    """
    wanted = 4 if dpu.limit("dpu").startswith("DPUCADF8H") else 1
    for name in model.graph.inputs:
        shape = model.graph.tensor(name).shape or ()
        if len(shape) > 1 and isinstance(shape[0], int) and shape[0] != wanted:
            said = "Batch size must be 1 when exporting xmodel."
            if wanted == 4:
                said = f"DPU prefers {name}'s input batch to be 4, but it's {shape[0]} now."
            yield Found(f"input has a batch of {shape[0]}; this DPU wants {wanted}", said)


batch_size.bad(lambda g: g.input(2, 3, 8, 8).conv(3, 16))
batch_size.good(lambda g: g.input(1, 3, 8, 8).conv(3, 16))


@rule("DPU209", "several-subgraphs", Level.WARNING, on=Model, confidence="measured")
def several_subgraphs(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """The network is cut into more than one DPU subgraph.

    What it does: counts the connected parts of the network on the DPU, a new one beginning wherever data come back
    from the CPU, and names the operators that split them.

    Why it matters: between two subgraphs maps go to the CPU and back. Much software takes one subgraph only: the
    samples of Vitis AI ("model should have one and only one dpu subgraph."), and DPU-PYNQ, which loads the first.

    What to do instead: mend the operators named, those in the middle of the network first; one cause often splits in
    many places. With several subgraphs run the model with GraphRunner.

    Source: Xilinx/Vitis-AI#320, #336, #427, #463; DPU-PYNQ#102, #60. The count was measured with the partition rules
    of Vitis AI 2.5; the compiler's own may differ.
    """
    if plan.segments is not None and plan.segments > 1:
        splitting = [step for step in plan.steps if step.unit == "cpu" and "splits" in step.details]
        kinds = [f"{times}x {op}" for op, times in Counter(step.op for step in splitting).most_common()]
        said = f"DPU subgraph number {plan.segments}"
        by = f", split by {', '.join(kinds)}" if kinds else ""
        yield Found(f"{plan.segments} DPU subgraphs{by}", said)


several_subgraphs.bad(lambda g: g.conv(8, 16).sigmoid().conv(16, 8))
several_subgraphs.good(lambda g: g.conv(8, 16).sigmoid())


@rule("DPU210", "border-operator", Level.WARNING, on=Model, confidence="source", toolchain="3.5")
def border_operator(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Reshape or Concat whose data come from the CPU.

    What it does: finds reshapes behind operators on the CPU, concatenations of nothing but maps from there, and those
    of some maps from there that do not join channels.

    Why it matters: since release 3.0 they stay on the CPU with what is before them; release 2.5 gives them to the DPU
    as a subgraph of their own.

    What to do instead: bring the operator before it onto the DPU; the other findings say why it is not.

    Source: nndct_shared/inspector/device_allocator.py of Vitis AI 3.5; not measured.
    """
    yield from broken(plan, "border-operator", lambda r: f"{r['op']} takes its data from the CPU and stays there")


border_operator.bad(
    lambda g: g.conv(3, 8).branch(lambda b: b.sigmoid(), lambda b: b.op("Tanh"), join="Concat").conv(16, 8)
)
border_operator.good(
    lambda g: g.conv(3, 8).branch(lambda b: b.sigmoid(), lambda b: b.conv(8, 8), join="Concat").conv(16, 8)
)


RULES = [
    *(input_channels, output_channels, weights_bank, dilated_channels, padding, layout_changes, batch_changed),
    *(batch_size, several_subgraphs, border_operator),
]
