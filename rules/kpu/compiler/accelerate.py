"""Transforms that turn convolutions into ones the KPU can run, and what stands around them.

Source: nncase v1.9.0, modules/k210/src/transforms/k210 and src/transforms/neutral; measured with nncase 1.9.0.
"""

from __future__ import annotations

from . import make
from .program import Op, Program
from .rewrite import self_contained, transform

UNCUT = (0, 0, 0, 0)
HALVING = (1, 1, 2, 2)
IDENTITY_CHANNELS = 3
"""The identity convolution put in front of a strided Slice of the input has this many channels, whatever the input
has (nncase v1.9.0, strided_slice_conv2d_pool.cpp)."""


@transform("slice")
def slice_of_input(p: Program, op: Op) -> bool:
    """``x[:, :, ::2, ::2]`` of the graph's input becomes an identity 1x1 convolution and the Slice."""
    attrs, x = op.attrs, op.input()
    if attrs["strides"] != HALVING or attrs["begin"] not in (UNCUT, (0, 0, 0, 1)) or attrs["end"] != x.shape:
        return False
    if x.op.kind != "input":
        return False
    if x.shape[1] != IDENTITY_CHANNELS:
        wrong = (x.shape[0], IDENTITY_CHANNELS, *x.shape[2:])
        message = f"{x.op.name}[Input]->{op.name}[Conv2D] has shape mismatch: {_shape(wrong)}->{_shape(x.shape)}"
        p.refuse("strided-slice-channels", op, message, channels=x.shape[1])
        return False
    weights = p.constant((IDENTITY_CHANNELS, IDENTITY_CHANNELS, 1, 1))
    conv = make.conv2d(p, [x, weights, p.constant((IDENTITY_CHANNELS,))])
    p.replace(op.out, make.slice_(p, conv.out, attrs["begin"], attrs["end"], attrs["strides"]).out)
    return True


@transform("conv2d_transpose")
def transposed_conv(p: Program, op: Op) -> bool:
    """A transposed 1x1 or 3x3 convolution: zeros between the pixels (on the CPU), then a plain convolution."""
    x, weights, bias = (slot.value for slot in op.inputs)
    if weights.op.kind != "constant" or bias.op.kind != "constant":
        return False
    attrs, (kernel, kernel_w) = op.attrs, weights.shape[2:]
    limits = p.limits
    if attrs["groups"] not in (1, x.shape[1]) or attrs["dilation"] != (1, 1):
        return False
    if kernel != kernel_w or kernel not in limits.kernel_sizes:
        return False
    if not limits.takes(x.shape) or op.out.shape[1] > limits.max_out_channels:
        return False
    border = limits.border(kernel)
    high, wide = ([max(amount - border, 0) for amount in attrs[key]] for key in ("pad_h", "pad_w"))
    if not limits.takes((*x.shape[:2], x.shape[2] + sum(high), x.shape[3] + sum(wide))):
        return False
    extra, stride = attrs["output_padding"], attrs["stride"]
    pads = [
        (0, 0, 0),
        (0, 0, 0),
        (attrs["pad_h"][0], attrs["pad_h"][1] + extra[0], stride[0] - 1),
        (attrs["pad_w"][0], attrs["pad_w"][1] + extra[1], stride[1] - 1),
    ]
    spread = make.pad(p, x, pads)
    conv = make.conv2d(p, [spread.out, p.constant(weights.shape), bias], groups=attrs["groups"], clamp=attrs["clamp"])
    if conv.out.shape != op.out.shape:
        consumer = op.out.uses[0].op
        shapes = f"{_shape(conv.out.shape)}->{_shape(op.out.shape)}"
        message = f"{op.name}[Conv2D]->{consumer.name}[{_vendor_kind(consumer)}] has shape mismatch: {shapes}"
        p.refuse("conv-transpose-shape", op, message, ours=conv.out.shape, declared=op.out.shape)
        for made in (conv, spread):
            p.drop_unused(made)
        return False
    p.replace(op.out, conv.out)
    return True


@transform("conv2d")
def pad_small_map(p: Program, op: Op) -> bool:
    """1x1 and 3x3 convolutions on maps under 4x4 are computed at 4x4 and cut."""
    x, kernel, least = op.input(), op.input(1).shape[2:], p.limits.small_map
    if kernel[0] != kernel[1] or kernel[0] not in p.limits.kernel_sizes or min(x.shape[2:]) >= least:
        return False
    grown = make.pad(p, x, [(0, 0), (0, 0), *((0, max(0, least - size)) for size in x.shape[2:])])
    conv = make.conv_like(p, op, [grown.out, op.input(1), op.input(2)])
    p.replace(op.out, make.slice_(p, conv.out, UNCUT, op.out.shape).out)
    return True


@transform("conv2d")
def spread_dilated(p: Program, op: Op) -> bool:
    """A dilated convolution on one picture becomes a plain one on a batch of sub-sampled pictures."""
    x, attrs = op.input(), op.attrs
    down, across = attrs["dilation"]
    if (down, across) == (1, 1) or attrs["stride"] != (1, 1) or x.shape[0] != 1:
        return False
    high, wide = list(attrs["pad_h"]), list(attrs["pad_w"])
    extra_h, extra_w = -(x.shape[2] + sum(high)) % down, -(x.shape[3] + sum(wide)) % across
    high[1] += extra_h
    wide[1] += extra_w
    padded = make.pad(p, x, [(0, 0), (0, 0), tuple(high), tuple(wide)]).out
    _, channels, height, width = padded.shape
    split = make.bitcast(p, padded, (channels * (height // down), down, width // across, across))
    moved = make.transpose(p, split.out, (1, 3, 0, 2))
    batch = make.bitcast(p, moved.out, (down * across, channels, height // down, width // across))
    conv = make.conv2d(p, [batch.out, op.input(1), op.input(2)], groups=attrs["groups"], clamp=attrs["clamp"])
    _, channels, height, width = conv.out.shape
    apart = make.bitcast(p, conv.out, (down, across, channels * height, width))
    back = make.transpose(p, apart.out, (2, 0, 3, 1))
    whole = make.bitcast(p, back.out, (1, channels, height * down, width * across))
    p.replace(op.out, make.pad(p, whole.out, [(0, 0), (0, 0), (0, -extra_h), (0, -extra_w)]).out)
    return True


@transform("conv2d")
def take_conv(p: Program, op: Op) -> bool:
    """A convolution the KPU can run: at stride 1 with its own border, padding and strides around it on the CPU."""
    x, weights, bias = (slot.value for slot in op.inputs)
    attrs, limits = op.attrs, p.limits
    if weights.op.kind != "constant" or bias.op.kind != "constant":
        return False
    kernel, kernel_w = weights.shape[2:]
    groups, (_, channels, height, width) = attrs["groups"], x.shape
    if groups not in (1, channels) or attrs["dilation"] != (1, 1):
        return False
    if kernel != kernel_w or kernel not in limits.kernel_sizes:
        return False
    if not limits.takes(x.shape) or op.out.shape[1] > limits.max_out_channels:
        return False
    border = limits.border(kernel)
    high, wide = ([amount - border for amount in attrs[key]] for key in ("pad_h", "pad_w"))
    before = [(0, 0), (0, 0), *(tuple(max(n, 0) for n in side) for side in (high, wide))]
    after = [(0, 0), (0, 0), *(tuple(min(n, 0) for n in side) for side in (high, wide))]
    if not limits.takes((1, channels, height + sum(before[2]), width + sum(before[3]))):
        return False
    depthwise = channels == op.out.shape[1] == groups
    if groups != 1 and not depthwise:
        p.refuse("depth-multiplier", op, "", in_channels=channels, out_channels=op.out.shape[1])
        return False
    padded = make.pad(p, x, before)
    inputs = [padded.out, weights, bias]
    conv = make.kpu_candidate(p, inputs, depthwise=depthwise, kernel=kernel, pool="bypass", clamp=attrs["clamp"])
    result = conv.out
    if attrs["stride"] != (1, 1) or any(any(side) for side in after):
        # The compiler always makes both and drops what does nothing later; here that would change nothing else.
        cut = make.pad(p, result, after)
        result = make.slice_(p, cut.out, UNCUT, cut.out.shape, (1, 1, *attrs["stride"])).out
    p.replace(op.out, result)
    return True


@transform("slice")
def slice_after_pointwise(p: Program, op: Op) -> bool:
    """A halving Slice before a 1x1 convolution moves behind it, where the next transform folds it."""
    if op.attrs["strides"] != HALVING or op.attrs["begin"] != UNCUT or op.attrs["end"] != op.input().shape:
        return False
    conv = op.child("fake_kpu_conv2d")
    if conv is None or conv.attrs["depthwise"] or conv.attrs["kernel"] != 1 or conv.attrs["pool"] != "bypass":
        return False
    if not self_contained([op, conv], [op.input(), conv.input(1), conv.input(2)], [conv.out]):
        return False
    inputs = [op.input(), conv.input(1), conv.input(2)]
    first = make.kpu_candidate(
        p, inputs, depthwise=False, kernel=1, pool="bypass", clamp=conv.attrs["clamp"], of=(conv,)
    )
    p.replace(conv.out, make.slice_(p, first.out, UNCUT, first.out.shape, HALVING).out)
    return True


@transform("fake_kpu_conv2d")
def stride_into_pool(p: Program, op: Op) -> bool:
    """A halving Slice behind a convolution that is not depthwise becomes the KPU's "left top" pool."""
    cut = op.child("slice")
    if op.attrs["depthwise"] or cut is None or cut.attrs["strides"] != HALVING or not p.limits.takes(cut.out.shape):
        return False
    x, begin = op.input(), cut.attrs["begin"]
    high, wide = [begin[2] % 2, 0], [0, 0]
    high[1] = (cut.input().shape[2] + high[0]) % 2
    wide[1] = x.shape[3] % 2
    if not p.limits.takes((*x.shape[:2], x.shape[2] + sum(high), x.shape[3] + sum(wide))):
        return False
    even = make.pad(p, x, [(0, 0), (0, 0), tuple(high), tuple(wide)])
    inputs = [even.out, op.input(1), op.input(2)]
    kernel, clamp = op.attrs["kernel"], op.attrs["clamp"]
    conv = make.kpu_candidate(p, inputs, depthwise=False, kernel=kernel, pool="left_top_2_s2", clamp=clamp)
    top, left = -(begin[2] // 2 + high[0]), -(begin[3] // 2)
    bottom, right = cut.out.shape[2] - conv.out.shape[2] - top, cut.out.shape[3] - conv.out.shape[3] - left
    p.replace(cut.out, make.pad(p, conv.out, [(0, 0), (0, 0), (top, bottom), (left, right)]).out)
    return True


@transform("binary")
def add_to_conv(p: Program, op: Op) -> bool:
    """A residual sum: both branches side by side through a 1x1 convolution with identity weights."""
    a, b = op.input(0), op.input(1)
    if op.attrs["function"] != "add" or len(a.shape) != 4 or a.shape != b.shape:
        return False
    channels = a.shape[1]
    joined = make.concat(p, [a, b], 1)
    weights, bias = p.constant((channels, 2 * channels, 1, 1)), p.constant((channels,))
    p.replace(op.out, make.conv2d(p, [joined.out, weights, bias], clamp=op.attrs["clamp"]).out)
    return True


@transform("unary")
def unary_to_table(p: Program, op: Op) -> bool:
    p.replace(op.out, make.fused_unary(p, op.input(), [op.attrs["function"]]).out)
    return True


@transform("binary")
def scalar_binary_to_table(p: Program, op: Op) -> bool:
    """With a constant of one element on one side."""
    for side in (1, 0):
        maker = op.maker(side)
        if maker.kind == "constant" and maker.out.elements == 1:
            p.replace(op.out, make.fused_unary(p, op.input(1 - side), [op.attrs["function"]]).out)
            return True
    return False


@transform("fused_unary")
def two_tables(p: Program, op: Op) -> bool:
    second = op.child("fused_unary")
    if second is None:
        return False
    functions = op.attrs["functions"] + second.attrs["functions"]
    p.replace(second.out, make.fused_unary(p, op.input(), functions, second.out.shape, of=(op, second)).out)
    return True


@transform("binary")
def table_with_binary(p: Program, op: Op) -> bool:
    """f(x) op x: SiLU and its kind. Only the first operand that is a table is looked at."""
    side = 0 if op.parent("fused_unary", 0) else 1
    table = op.parent("fused_unary", side)
    if table is None or table.input() is not op.input(1 - side):
        return False
    functions = (*table.attrs["functions"], op.attrs["function"])
    p.replace(op.out, make.fused_unary(p, table.input(), functions, of=(op, table)).out)
    return True


@transform("binary")
def two_tables_with_binary(p: Program, op: Op) -> bool:
    """f(x) op g(x)"""
    first, second = op.parent("fused_unary", 0), op.parent("fused_unary", 1)
    if first is None or second is None or first.input() is not second.input():
        return False
    functions = (*first.attrs["functions"], *second.attrs["functions"], op.attrs["function"])
    p.replace(op.out, make.fused_unary(p, first.input(), functions, of=(op, first, second)).out)
    return True


def _table_before(p: Program, op: Op, kind: str) -> bool:
    """conv, Slice or Pad, table: the table moves next to the convolution, which can then take it in."""
    between = op.child(kind)
    table = between.child("fused_unary") if between else None
    if between is None or table is None or not self_contained([between, table], [between.input()], [table.out]):
        return False
    moved = make.fused_unary(p, between.input(), table.attrs["functions"], of=(table,))
    between.inputs[0].connect(moved.out)
    p.replace(table.out, between.out)
    return True


@transform("fake_kpu_conv2d")
def table_before_slice(p: Program, op: Op) -> bool:
    return _table_before(p, op, "slice")


@transform("fake_kpu_conv2d")
def table_before_pad(p: Program, op: Op) -> bool:
    return _table_before(p, op, "pad")


def _shape(shape: tuple[int, ...]) -> str:
    """As the compiler prints it."""
    return "[" + ",".join(map(str, shape)) + "]"


def _vendor_kind(op: Op) -> str:
    return {"output": "Output", "transpose": "Transpose", "bitcast": "Bitcast"}.get(op.kind, op.kind.title())
