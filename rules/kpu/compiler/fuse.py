"""Transforms that let one operation do the work of its neighbour: activations, biases, scales, padding.

Source: nncase v1.9.0, src/transforms/neutral; measured with nncase 1.9.0.
"""

from __future__ import annotations

from . import make
from .program import Op, Program
from .rewrite import self_contained, transform


def _scalar_limits(clamp: Op) -> bool:
    return all(clamp.parent("constant", index) and clamp.input(index).elements == 1 for index in (1, 2))


@transform("clamp")
def clamp_into_conv2d(p: Program, op: Op) -> bool:
    conv = op.parent("conv2d", 0)
    if conv is None or not _scalar_limits(op):
        return False
    p.replace(op.out, make.conv_like(p, conv, clamp=True, of=(conv, op)).out)
    return True


@transform("clamp")
def clamp_into_conv2d_transpose(p: Program, op: Op) -> bool:
    conv = op.parent("conv2d_transpose", 0)
    if conv is None or not _scalar_limits(op):
        return False
    inputs = [slot.value for slot in conv.inputs]
    p.replace(op.out, p.add("conv2d_transpose", inputs, [conv.out.shape], of=(conv, op), **conv.attrs).out)
    return True


@transform("clamp")
def clamp_into_binary(p: Program, op: Op) -> bool:
    before = op.parent("binary", 0)
    if before is None or not _scalar_limits(op):
        return False
    a, b = before.input(0), before.input(1)
    p.replace(op.out, make.binary(p, before.attrs["function"], a, b, clamp=True, of=(before, op)).out)
    return True


@transform("conv2d", far=True)
def binary_above_pool(p: Program, op: Op) -> bool:
    """conv, max pool, then a per-channel sum or product: the product comes before the pool."""
    pool = op.child("reduce_window2d")
    after = pool.child("binary") if pool else None
    constant = after.parent("constant") if after else None
    if pool is None or after is None or constant is None or op.attrs["clamp"]:
        return False
    if pool.attrs["function"] not in ("max", "min") or after.attrs["function"] not in ("add", "mul"):
        return False
    channels = op.out.shape[1]
    if constant.out.shape not in ((channels, 1, 1), (1, channels, 1, 1)):
        return False
    if after.attrs["function"] == "mul":
        values = constant.values()
        if values is not None and bool((values < 0).any()):
            return False
    if not self_contained([op, pool, after, constant], [slot.value for slot in op.inputs], [after.out]):
        return False
    before = make.binary(p, after.attrs["function"], op.out, constant.out, clamp=after.attrs["clamp"], of=(after,))
    users = list(after.out.uses)
    pool.inputs[0].connect(before.out)
    for use in users:
        use.connect(pool.out)
    return True


@transform("binary")
def add_into_bias(p: Program, op: Op) -> bool:
    """conv + constant with one value for each channel."""
    if op.attrs["function"] != "add":
        return False
    for side in (0, 1):
        conv, constant = op.parent("conv2d", side), op.parent("constant", 1 - side)
        if conv is None or constant is None:
            continue
        bias = conv.input(2)
        if conv.attrs["clamp"] or bias.op.kind != "constant" or bias.elements != constant.out.elements:
            return False
        inputs = [conv.input(0), conv.input(1), p.constant((conv.out.shape[1],))]
        p.replace(op.out, make.conv_like(p, conv, inputs, clamp=op.attrs["clamp"], of=(conv, op)).out)
        return True
    return False


@transform("conv2d")
def multiply_into_weights(p: Program, op: Op) -> bool:
    """conv * constant for each channel, when the product follows directly."""
    if op.attrs["clamp"] or not op.parent("constant", 1) or not op.parent("constant", 2):
        return False
    after = op.child("binary")
    constant = after.parent("constant") if after else None
    if after is None or constant is None or after.attrs["function"] != "mul":
        return False
    channels = op.out.shape[1]
    if constant.out.shape not in ((channels, 1, 1), (1, channels, 1, 1)):
        return False
    inputs = [op.input(0), p.constant(op.input(1).shape), p.constant(op.input(2).shape)]
    p.replace(after.out, make.conv_like(p, op, inputs, clamp=after.attrs["clamp"], of=(op, after)).out)
    return True


@transform("binary", far=True)
def add_into_matmul(p: Program, op: Op) -> bool:
    """matmul + constant of the bias' size, a Bitcast between them allowed."""
    if op.attrs["function"] != "add":
        return False
    for side in (0, 1):
        product, constant = op.parent("matmul", side), op.parent("constant", 1 - side)
        view = op.parent("bitcast", side)
        if product is None and view is not None:
            product = view.parent("matmul")
        if product is None or constant is None:
            continue
        bias = product.input(2)
        if product.attrs["clamp"] or bias.op.kind != "constant" or bias.elements != constant.out.elements:
            return False
        merged = make.matmul(
            p,
            product.input(0),
            product.input(1),
            p.constant((bias.shape[-1],)),
            clamp=op.attrs["clamp"],
            of=(product, op),
        )
        p.replace(op.out, make.bitcast(p, merged.out, op.out.shape, of=(product,)).out)
        return True
    return False


@transform("binary", far=True)
def fuse_layer_norm(p: Program, op: Op) -> bool:
    """(x - mean) / sqrt(mean((x - mean)^2) + eps) * scale + bias in the spelling of PyTorch's exporter."""
    if op.attrs["function"] != "add":
        return False
    scale = _binary_parent(op, "mul")
    ratio = _binary_parent(scale, "div")
    root = ratio.parent("unary") if ratio else None
    if scale is None or ratio is None or root is None or root.attrs["function"] != "sqrt":
        return False
    shifted = _binary_parent(root, "add")
    variance = shifted.parent("reduce") if shifted else None
    square = _binary_parent(variance, "pow")
    centred = _binary_parent(square, "sub")
    if centred is None or ratio.parent("binary") is not centred:
        return False
    mean = centred.parent("reduce")
    if mean is None or mean.input() not in (centred.input(0), centred.input(1)):
        return False
    parts = [part for part in (ratio, mean, centred, square, variance, shifted, root, scale, op) if part is not None]
    x = mean.input()
    p.replace(op.out, p.add("layernorm", [x, scale.input(1), op.input(1)], [x.shape], of=parts).out)
    return True


def _binary_parent(op: Op | None, function: str) -> Op | None:
    parent = op.parent("binary") if op else None
    return parent if parent is not None and parent.attrs["function"] == function else None


@transform("pad")
def pad_into_conv2d(p: Program, op: Op) -> bool:
    """Zero padding in front of a convolution becomes its own."""
    pads = op.attrs["pads"]
    if len(pads) != 4 or op.attrs["mode"] != "constant" or op.attrs["value"] != 0:
        return False
    high, wide = pads[2][:2], pads[3][:2]
    if min(high + wide) < 0 or sum(high + wide) == 0:
        return False
    conv = op.child("conv2d")
    if conv is None:
        return False
    rest = make.pad(p, op.input(), [pads[0], pads[1], (0, 0), (0, 0)])
    old_h, old_w = conv.attrs["pad_h"], conv.attrs["pad_w"]
    merged = make.conv_like(
        p,
        conv,
        [rest.out, conv.input(1), conv.input(2)],
        pad_h=(old_h[0] + high[0], old_h[1] + high[1]),
        pad_w=(old_w[0] + wide[0], old_w[1] + wide[1]),
        of=(conv, op),
    )
    p.replace(conv.out, merged.out)
    return True


@transform("matmul")
def matmul_to_conv2d(p: Program, op: Op) -> bool:
    """A dense layer is a 1x1 convolution on a 1x1 map."""
    a, b = op.input(0), op.input(1)
    if len(a.shape) != 2 or len(b.shape) != 2 or b.op.kind != "constant":
        return False
    x = make.bitcast(p, a, (*a.shape, 1, 1))
    weights = p.constant((b.shape[1], b.shape[0], 1, 1))
    conv = make.conv2d(p, [x.out, weights, op.input(2)], clamp=op.attrs["clamp"])
    p.replace(op.out, make.bitcast(p, conv.out, op.out.shape).out)
    return True


@transform("sigmoid")
def split_sigmoid(p: Program, op: Op) -> bool:
    """1 / (1 + exp(-x))"""
    one = p.constant((1,))
    power = make.unary(p, "exp", make.unary(p, "neg", op.input()).out)
    below = make.binary(p, "add", one, power.out, clamp=True)
    p.replace(op.out, make.binary(p, "div", one, below.out, clamp=True).out)
    return True


@transform("space_to_batch")
def space_to_batch_to_pad(p: Program, op: Op) -> bool:
    """Blocks of one pixel are padding."""
    if op.attrs["block"] != (1, 1):
        return False
    p.replace(op.out, make.pad(p, op.input(), [(0, 0), (0, 0), op.attrs["border_h"], op.attrs["border_w"]]).out)
    return True


@transform("conv2d")
def fold_dilated_conv(p: Program, op: Op) -> bool:
    """Space to batch, convolution, batch to space: older converters' way to write a dilated convolution."""
    apart, together = op.parent("space_to_batch", 0), op.child("batch_to_space")
    if apart is None or together is None:
        return False
    x, dilation = apart.input(), apart.attrs["block"]
    pads, strides = [], []
    for axis, border in ((2, "border_h"), (3, "border_w")):
        before, crop = apart.attrs[border], together.attrs[border]
        reach = x.shape[axis] + sum(before) - dilation[axis - 2] * (op.input(1).shape[axis] - 1) - 1
        steps = together.out.shape[axis] + sum(crop) - 1
        stride = reach // steps if steps > 0 else 1
        pads.append(tuple(b - c for b, c in zip(before, crop, strict=True)))
        strides.append(stride)
    inputs = [x, op.input(1), op.input(2)]
    conv = make.conv_like(
        p, op, inputs, pad_h=pads[0], pad_w=pads[1], stride=tuple(strides), dilation=dilation, of=(op, apart, together)
    )
    p.replace(together.out, conv.out)
    return True
