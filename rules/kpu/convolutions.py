"""1xx and 2xx: convolutions, and what keeps them off the KPU or puts CPU work around them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Conv, GraphBuilder
from lintmodel.planning import Placement, Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .wording import cpu_work, folded_pads, on_kpu, own_steps, shape_is_known, size, work


def _around(plan: Plan, node: str) -> Counter[str]:
    """What the CPU does for a convolution on the KPU, but for the change of a TFLite file's layout."""
    return Counter({op: times for op, times in cpu_work(plan, node).items() if op != "Transpose"})


THINNING = {"Slice", "StridedSlice"}
"""Steps that drop rows and columns, as nncase 1.x and 0.2 call them."""


def _square_kernel(conv: Conv, kpu: Target) -> bool:
    height, width = conv.kernel
    return height == width and height in kpu.limit("kernel_sizes")


@rule("KPU101", "conv-kernel", Level.WARNING, on=Conv, confidence="measured")
def conv_kernel(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution kernel is neither 1x1 nor 3x3.

    What it does: finds convolutions whose window is not a square of {kernel_sizes} pixels.

    Why it matters: the KPU has two filters, 1x1 and 3x3. Any other convolution runs on the CPU in float32, and its
    weights take four bytes each instead of one.

    What to do instead: stack 3x3 convolutions (two of them see 5x5 pixels, three see 7x7), or make a 1x1 convolution
    of a 2x2 one by rearranging space to depth before it.

    Fix safety: safe; zeros fill a smaller kernel up to 3x3, and a larger one becomes a sum of 3x3 convolutions.

    Source: nncase v1.9.0, runtime_types.h and kpu_utils.h; measured with nncase 1.9.0 on 5x5, 7x7, 2x2 and 1x3.
    """
    if conv.rank == 2 and not _square_kernel(conv, kpu):
        side = max(kpu.limit("kernel_sizes"))
        fix: Fix | None = Fix("square-kernel", "safe", f"rows and columns of zeros up to {side}x{side}")
        parts = -(-conv.kernel[0] // side) * -(-conv.kernel[1] // side)
        if max(conv.kernel) > side:
            fix = Fix("split-kernel", "safe", f"the sum of {parts} {side}x{side} convolutions") if parts <= 9 else None
        yield Found(f"kernel is {size(conv.kernel)}; the KPU has 1x1 and 3x3", fix=fix, details={"limit": side})


conv_kernel.bad(lambda g: g.conv(8, 16, kernel=5, size=32))
conv_kernel.bad(lambda g: g.conv(8, 16, kernel=(1, 3), size=32))
conv_kernel.good(lambda g: g.conv(8, 16, kernel=3, size=32))
conv_kernel.good(lambda g: g.conv(8, 16, kernel=1, size=32))


@rule("KPU102", "grouped-conv", Level.WARNING, on=Conv, confidence="measured")
def grouped_conv(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Grouped convolution that is neither ordinary nor depthwise.

    What it does: finds convolutions with more than one group and fewer groups than input channels.

    Why it matters: the KPU convolves all channels together or each on its own. Anything between runs on the CPU in
    float32.

    What to do instead: use one group, or a depthwise convolution followed by a 1x1 convolution. A trained network
    can be changed: an ordinary convolution with zeros between the groups, or one Slice and one convolution for each.

    Fix safety: safe; the ordinary convolution with zeros computes the same.

    Source: nncase v1.9.0, kpu_utils.h; measured with nncase 1.9.0.
    """
    if conv.groups not in (1, conv.in_channels):
        yield Found(
            f"{conv.groups} groups over {conv.in_channels} channels; the KPU has 1 or {conv.in_channels}",
            fix=Fix("dense-groups", "safe", "one group, with zeros between the groups"),
        )


grouped_conv.bad(lambda g: g.conv(8, 16, kernel=3, groups=2))
grouped_conv.good(lambda g: g.conv(8, 16, kernel=3))
grouped_conv.good(lambda g: g.depthwise(8, kernel=3))


@rule("KPU103", "dilated-conv", Level.WARNING, on=Conv, confidence="measured")
def dilated_conv(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Dilated convolution.

    What it does: finds convolutions with a dilation other than 1.

    Why it matters: with stride 1 and batch 1 the picture is taken apart into sub-sampled ones on the CPU, convolved
    as a batch on the KPU and put together again on the CPU. With any other stride it runs on the CPU altogether.

    What to do instead: more layers, or a smaller map, reach the same receptive field without dilation.

    Source: nncase v1.9.0, eliminate_dilated_conv2d.cpp; measured with nncase 1.9.0.
    """
    if conv.rank != 2 or conv.dilation == (1, 1) or not cpu_work(plan, conv.node.name):
        return
    where = "around a KPU convolution" if on_kpu(plan, conv.node.name) else "altogether"
    yield Found(f"dilation is {size(conv.dilation)}: the CPU works {where} ({work(cpu_work(plan, conv.node.name))})")


dilated_conv.bad(lambda g: g.conv(8, 16, kernel=3, dilation=2))
dilated_conv.bad(lambda g: g.conv(8, 16, kernel=3, dilation=2, stride=2))
dilated_conv.good(lambda g: g.conv(8, 16, kernel=3))


@rule("KPU104", "computed-weights", Level.WARNING, on=Conv)
def computed_weights(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution whose weights are not fixed in the file.

    What it does: finds convolutions whose weights or bias are computed or handed in at run time.

    Why it matters: the KPU's weights are packed into the model file. Without fixed weights the convolution runs on
    the CPU in float32.

    What to do instead: fold the computation into an initialiser before export.

    Fix safety: safe; what is computed from constants alone becomes a constant.

    Source: nncase v1.9.0, fake_kpu_conv2d.cpp.
    """
    if conv.node.name in {step.nodes[0] for step in plan.steps if step.op == "Conv2D"}:
        for tensor in (conv.weight, conv.bias):
            if tensor is not None and conv.graph.value(tensor.name) is None and tensor.constant is None:
                text = f"'{tensor.name}' is not a constant; the KPU's weights must be in the file"
                made = conv.graph.producer(tensor.name) is not None and conv.graph.format == "onnx"
                yield Found(text, fix=Fix("fold-constants", "safe", "compute them once") if made else None)


computed_weights.bad(lambda g: g.input(1, 8, 32, 32).input(4, 8, 3, 3).at("x").op("Conv", "x1", shape=(1, 4, 30, 30)))
computed_weights.good(lambda g: g.conv(8, 4, kernel=3, pads=0, size=32))


@rule("KPU105", "one-dimensional-conv", Level.WARNING, on=Conv, confidence="measured")
def one_dimensional_conv(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """1-D convolution.

    What it does: finds convolutions over one spatial dimension.

    Why it matters: nncase makes it a 2-D convolution of width 1 with a kernel that is not square, which the KPU does
    not have; it runs on the CPU in float32. Only kernel size 1 reaches the KPU.

    What to do instead: fold the signal into a picture and use 3x3 convolutions.

    Source: nncase v1.9.0, importer/onnx/ops/conv.cpp; measured with nncase 1.9.0.
    """
    refused = plan.placements.get(conv.node.name) == Placement.UNSUPPORTED
    if conv.rank == 1 and not refused and not on_kpu(plan, conv.node.name):
        yield Found(f"1-D convolution with kernel {conv.kernel[0]} runs on the CPU")


one_dimensional_conv.bad(
    lambda g: g.input(1, 8, 64).op("Conv", g.zeros(16, 8, 3), shape=(1, 16, 64), kernel_shape=(3,), pads=(1, 1))
)
one_dimensional_conv.good(lambda g: g.conv(8, 16, kernel=3, size=64))


@rule("KPU201", "map-size", Level.WARNING, on=Conv, confidence="measured")
def map_size(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Feature map too large for the KPU.

    What it does: finds convolutions whose input, with its padding, is higher than {max_height} or wider than
    {max_width} pixels.

    Why it matters: the KPU's registers count rows and columns to {max_height} and {max_width}. A larger map is
    convolved on the CPU in float32, with no error and no warning.

    What to do instead: feed a smaller picture, or turn it so that the longer side is the width.

    Source: nncase v1.9.0, kpu_utils.h; measured with nncase 1.9.0: 256x512 runs on the KPU, 257x64 and 64x513 do not.
    """
    if not shape_is_known(conv):
        return
    high, wide = kpu.limit("max_height"), kpu.limit("max_width")
    border = (conv.kernel[0] - 1) // 2
    top, left, bottom, right = (max(0, amount - border) for amount in conv.pads)
    height, width = conv.height + top + bottom, conv.width + left + right
    if (height > high or width > wide) and not on_kpu(plan, conv.node.name):
        padded = " with its padding" if (height, width) != (conv.height, conv.width) else ""
        yield Found(f"input is {height}x{width}{padded} (height x width); the KPU takes at most {high}x{wide}")


map_size.bad(lambda g: g.conv(3, 4, kernel=3, size=(257, 64)))
map_size.good(lambda g: g.conv(3, 4, kernel=3, size=(256, 64)))
map_size.good(lambda g: g.conv(3, 4, kernel=3, size=(64, 512)))


@rule("KPU202", "channel-count", Level.WARNING, on=Conv, confidence="measured")
def channel_count(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """More channels than the KPU can count.

    What it does: finds convolutions with more than {max_in_channels} input or {max_out_channels} output channels.

    Why it matters: the channel registers have 10 bits. A wider layer runs on the CPU in float32.

    What to do instead: a narrower layer, or two of half the width whose results are concatenated.

    Source: nncase v1.9.0, runtime_types.h; measured with nncase 1.9.0 (1024 and 1025).
    """
    for name, count, limit in (
        ("input", conv.in_channels, kpu.limit("max_in_channels")),
        ("output", conv.out_channels, kpu.limit("max_out_channels")),
    ):
        if count > limit:
            yield Found(f"{count} {name} channels; the KPU has at most {limit}")


channel_count.bad(lambda g: g.conv(1025, 4, kernel=1, size=8))
channel_count.good(lambda g: g.conv(1024, 4, kernel=1, size=8))


@rule("KPU203", "stride-padding", Level.WARNING, on=Conv, confidence="measured")
def stride_padding(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Stride 2 with padding or a size that the KPU cannot do on its own.

    What it does: finds convolutions with stride 2 that run on the KPU with a Pad or a crop on the CPU around them. A
    Pad that the file has before the convolution counts as its padding, because nncase takes it in.

    Why it matters: the KPU convolves with one pixel of padding on every side and keeps the top left of every 2x2
    block. Padding on two sides only (TensorFlow's SAME on an even size), no padding, or an odd size make the CPU pad
    the map in float32 before and cut it after.

    What to do instead: pad one pixel on every side and let the input be even. In Keras put ZeroPadding2D(1), that is
    ((1, 1), (1, 1)), before a convolution with padding="valid"; in PyTorch padding=1. nncase 0.1 takes a stride of 2
    in this form too.

    Fix safety: the border pixels change, so the network should be trained again.

    Source: nncase v1.9.0, fuse_fake_kpu_conv2d_strided_slice.cpp; measured with nncase 1.9.0 on ONNX and TFLite; nncase
    issues 48, 89, 99; Sipeed's guide to models on the K210.
    """
    extra = _around(plan, conv.node.name)
    if not shape_is_known(conv) or conv.stride != (2, 2) or THINNING & extra.keys() or not _square_kernel(conv, kpu):
        return
    if not on_kpu(plan, conv.node.name) or not extra:
        return
    border = (conv.kernel[0] - 1) // 2
    pads = folded_pads(plan, conv)
    height = conv.height - pads[0] - pads[2] + conv.pads[0] + conv.pads[2]
    width = conv.width - pads[1] - pads[3] + conv.pads[1] + conv.pads[3]
    odd = [f"input is {height}x{width}, odd"] if height % 2 or width % 2 else []
    uneven = [f"padding is {pads} (top, left, bottom, right)"] if set(pads) != {border} else []
    if reasons := uneven + odd:
        wanted = f"the KPU has {border} on every side and an even size"
        text = f"{' and '.join(reasons)}; {wanted}: the CPU does {work(extra)}"
        yield Found(text, fix=Fix("pad-symmetric", "unsafe", "pad one pixel on every side of an even input"))


stride_padding.bad(lambda g: g.conv(8, 16, kernel=3, stride=2, pads=(0, 0, 1, 1), size=32))
stride_padding.bad(lambda g: g.conv(8, 16, kernel=3, stride=2, size=31))
stride_padding.good(lambda g: g.conv(8, 16, kernel=3, stride=2, size=32))


@stride_padding.good
def _zero_padding(g: GraphBuilder) -> GraphBuilder:
    g.input(1, 8, 32, 32).op("Pad", g.constant([0, 0, 1, 1, 0, 0, 1, 1]), shape=(1, 8, 34, 34))
    return g.conv(8, 16, kernel=3, stride=2, pads=0)


@rule("KPU204", "stride-on-cpu", Level.WARNING, on=Conv, confidence="measured")
def stride_on_cpu(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Strided convolution computed at full size and thinned out on the CPU.

    What it does: finds convolutions that run on the KPU at stride 1 with a Slice on the CPU behind them.

    Why it matters: the KPU convolves every pixel and the CPU then throws most of the results away. The map at full
    size also has to fit into the KPU's memory. This happens to depthwise convolutions with stride 2 (unless a 1x1
    convolution follows, with ReLU6 or no activation between them), to strides other than 2, and where the result is
    smaller than {min_height}x{min_width}.

    What to do instead: stride 2 on an ordinary 3x3 or 1x1 convolution, or a 2x2 pool behind the convolution.

    Source: nncase v1.9.0, fake_kpu_conv2d.cpp; measured with nncase 1.9.0.
    """
    if not shape_is_known(conv) or conv.stride == (1, 1):
        return
    if on_kpu(plan, conv.node.name) and THINNING & cpu_work(plan, conv.node.name).keys():
        kind = "depthwise convolution" if conv.depthwise else "convolution"
        full = f"{conv.height}x{conv.width}"
        yield Found(f"{kind} with stride {size(conv.stride)} is computed at {full} and thinned out on the CPU")


stride_on_cpu.bad(lambda g: g.depthwise(8, kernel=3, stride=2).relu())
stride_on_cpu.bad(lambda g: g.conv(8, 16, kernel=3, stride=3))
stride_on_cpu.good(lambda g: g.conv(8, 16, kernel=3, stride=2))
stride_on_cpu.good(lambda g: g.depthwise(8, kernel=3, stride=2).clip().conv(8, 16, kernel=1))


@rule("KPU205", "small-map", Level.WARNING, on=Conv, confidence="measured")
def small_map(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution on a map smaller than 4x4.

    What it does: finds 1x1 and 3x3 convolutions whose input is lower or narrower than {small_map} pixels, such as
    those of squeeze-and-excitation blocks.

    Why it matters: the CPU pads the map to {small_map}x{small_map} in float32, the KPU computes all of it, and the
    CPU cuts the result out again. Where the KPU cannot take the layer, the CPU computes the larger map. Before nncase
    1.5 such layers run on the CPU as they are.

    What to do instead: keep maps at 4x4 or larger, and leave squeeze-and-excitation out.

    Source: nncase v1.9.0, pad_conv.cpp; measured with nncase 1.9.0; nncase issue 533.
    """
    least = kpu.limit("small_map")
    if shape_is_known(conv) and min(conv.height, conv.width) < least and _square_kernel(conv, kpu):
        extra = cpu_work(plan, conv.node.name)
        seen = f"input is {conv.height}x{conv.width}"
        if extra.keys() <= {"Conv2D", "FusedUnary"} and not on_kpu(plan, conv.node.name):
            yield Found(f"{seen}, smaller than {least}x{least}, and {kpu.toolchain} leaves it to the CPU")
        else:
            yield Found(f"{seen}; the CPU pads it to {least}x{least} ({work(extra)})")


small_map.bad(lambda g: g.conv(8, 16, kernel=1, size=1))
small_map.good(lambda g: g.conv(8, 16, kernel=1, size=4))


@rule("KPU206", "padding-on-cpu", Level.WARNING, on=Conv, confidence="measured")
def padding_on_cpu(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Padding that the KPU does not have.

    What it does: finds convolutions with stride 1 on the KPU whose padding is not 1 on every side of a 3x3 kernel, or
    not 0 around a 1x1 kernel.

    Why it matters: the KPU's border is fixed by its kernel. More padding is added by the CPU in float32 before the
    convolution; less (a "valid" convolution) is cut off by the CPU behind it.

    What to do instead: padding 1 for 3x3 and 0 for 1x1, "same" in Keras.

    Source: nncase v1.9.0, fake_kpu_conv2d.cpp; measured with nncase 1.9.0.
    """
    if not shape_is_known(conv) or not _square_kernel(conv, kpu) or conv.dilation != (1, 1) or conv.stride == (2, 2):
        return
    border = (conv.kernel[0] - 1) // 2
    pads = folded_pads(plan, conv)
    if set(pads) != {border} and on_kpu(plan, conv.node.name):
        extra = _around(plan, conv.node.name)
        text = f"padding is {pads} (top, left, bottom, right); the KPU has {border} on every side of this kernel"
        yield Found(f"{text}: {f'the CPU does {work(extra)}' if extra else 'the result is cut out of a larger one'}")


padding_on_cpu.bad(lambda g: g.conv(8, 16, kernel=3, pads=0))
padding_on_cpu.bad(lambda g: g.conv(8, 16, kernel=3, pads=2))
padding_on_cpu.good(lambda g: g.conv(8, 16, kernel=3, pads=1))


@rule("KPU207", "conv-computed-twice", Level.WARNING, on=Conv, confidence="measured")
def conv_computed_twice(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution that is computed more than once.

    What it does: finds convolutions that the plan has several times.

    Why it matters: the KPU fuses a convolution with the activation or pool behind it. When something else reads the
    convolution too, nncase keeps both: once with what follows, once without.

    What to do instead: let everything read the activated result, or make the activation a separate branch's own.

    Source: nncase v1.9.0, src/transforms/pass.cpp; measured with nncase 1.9.0.
    """
    times = sum(step.op == "KPUConv2D" for step in own_steps(plan, conv.node.name))
    if times > 1:
        yield Found(f"computed {times} times on the KPU, because more than one operator reads it")


conv_computed_twice.bad(lambda g: g.conv(8, 8).branch(lambda g: g.relu().conv(8, 8), lambda g: g.conv(8, 8)))
conv_computed_twice.good(lambda g: g.conv(8, 8).relu().branch(lambda g: g.conv(8, 8), lambda g: g))

RULES = [
    conv_kernel,
    grouped_conv,
    dilated_conv,
    computed_weights,
    one_dimensional_conv,
    map_size,
    channel_count,
    stride_padding,
    stride_on_cpu,
    small_map,
    padding_on_cpu,
    conv_computed_twice,
]
