"""Transforms that push Transposes (and Bitcasts) past other operations until they meet and cancel.

A network from TFLite gets a Transpose before and after every convolution; these leave one at the input and one at
the output of a plain CNN.

Source: nncase v1.9.0, src/transforms/neutral/transpose_motion.cpp; measured with nncase 1.9.0.
"""

from __future__ import annotations

from . import make
from .program import Op, Program, Value
from .rewrite import transform


@transform("binary")
def transpose_binary(p: Program, op: Op) -> bool:
    first, second = op.parent("transpose", 0), op.parent("transpose", 1)
    if first is None or second is None or first.attrs["perm"] != second.attrs["perm"]:
        return False
    users = len(first.out.uses) if first is second else len(first.out.uses) + len(second.out.uses)
    if users != 2:
        return False
    moved = make.binary(p, op.attrs["function"], first.input(), second.input(), clamp=op.attrs["clamp"])
    p.replace(op.out, make.transpose(p, moved.out, first.attrs["perm"], of=(first,)).out)
    return True


@transform("binary")
def transpose_constant_binary(p: Program, op: Op) -> bool:
    """With a constant of one axis on the other side."""
    for side in (0, 1):
        moved, constant = op.parent("transpose", side), op.parent("constant", 1 - side)
        if moved is None or constant is None or len(constant.out.shape) != 1:
            continue
        perm = moved.attrs["perm"]
        shape = list(constant.out.shape)
        if shape[0] != 1:
            shape += [1] * (len(perm) - perm[-1] - 1)
        operands = [moved.input(), _reshaped(p, constant, shape)]
        if side:
            operands.reverse()
        result = make.binary(p, op.attrs["function"], operands[0], operands[1], clamp=op.attrs["clamp"])
        p.replace(op.out, make.transpose(p, result.out, perm, of=(moved,)).out)
        return True
    return False


def _reshaped(p: Program, constant: Op, shape: list[int]) -> Value:
    load = constant.load
    return p.constant(
        shape, (lambda: None if (v := load()) is None else v.reshape(shape)) if load else None, constant.out.dtype
    )


@transform("concat")
def transpose_concat(p: Program, op: Op) -> bool:
    makers = [op.parent("transpose", index) for index in range(len(op.inputs))]
    moved = [maker for maker in makers if maker is not None]
    if len(moved) != len(makers) or any(maker.attrs["perm"] != moved[0].attrs["perm"] for maker in moved):
        return False
    perm = moved[0].attrs["perm"]
    joined = make.concat(p, [maker.input() for maker in moved], perm[op.attrs["axis"]])
    p.replace(op.out, make.transpose(p, joined.out, perm, of=(moved[0],)).out)
    return True


@transform("pad")
def transpose_pad(p: Program, op: Op) -> bool:
    moved = op.child("transpose")
    if moved is None:
        return False
    first = make.transpose(p, op.input(), moved.attrs["perm"], of=(moved,))
    pads = [op.attrs["pads"][axis] for axis in moved.attrs["perm"]]
    p.replace(moved.out, make.pad(p, first.out, pads, op.attrs["mode"], op.attrs["value"]).out)
    return True


@transform("clamp")
def transpose_clamp(p: Program, op: Op) -> bool:
    moved = op.parent("transpose", 0)
    if moved is None or not op.parent("constant", 1) or not op.parent("constant", 2) or len(op.input(1).shape) != 1:
        return False
    limited = p.add("clamp", [moved.input(), op.input(1), op.input(2)], [moved.input().shape])
    p.replace(op.out, make.transpose(p, limited.out, moved.attrs["perm"], of=(moved,)).out)
    return True


@transform("bitcast")
def bitcast_clamp(p: Program, op: Op) -> bool:
    limit = op.child("clamp")
    if limit is None or limit.input(0) is not op.out or len(limit.input(1).shape) != 1:
        return False
    if not limit.parent("constant", 1) or not limit.parent("constant", 2):
        return False
    limited = p.add("clamp", [op.input(), limit.input(1), limit.input(2)], [op.input().shape], of=(limit,))
    p.replace(limit.out, make.bitcast(p, limited.out, op.out.shape).out)
    return True


@transform("sigmoid")
def transpose_sigmoid(p: Program, op: Op) -> bool:
    """Alone, or together with the product of a SiLU."""
    moved = op.parent("transpose")
    if moved is None:
        return False
    perm = moved.attrs["perm"]
    product = op.child("binary")
    if len(moved.out.uses) == 1:
        below = p.add("sigmoid", [moved.input()], [moved.input().shape])
        p.replace(op.out, make.transpose(p, below.out, perm, of=(moved,)).out)
        return True
    if product is None or moved not in (product.parent("transpose", 0), product.parent("transpose", 1)):
        return False
    below = p.add("sigmoid", [moved.input()], [moved.input().shape])
    function, clamp = product.attrs["function"], product.attrs["clamp"]
    result = make.binary(p, function, moved.input(), below.out, clamp=clamp, of=(product,))
    p.replace(product.out, make.transpose(p, result.out, perm, of=(moved,)).out)
    return True


@transform("reduce")
def transpose_reduce(p: Program, op: Op) -> bool:
    moved = op.parent("transpose")
    if moved is None:
        return False
    axes = [moved.attrs["perm"][axis] for axis in op.attrs["axes"]]
    perm = list(moved.attrs["perm"])
    if not op.attrs["keep"]:
        for axis in sorted(axes, reverse=True):
            perm.remove(axis)
            perm = [other - 1 if other > axis else other for other in perm]
    below = make.reduce(p, op.attrs["function"], moved.input(), axes, op.attrs["keep"])
    p.replace(op.out, make.transpose(p, below.out, perm, of=(moved,)).out)
    return True


@transform("unary")
def transpose_unary(p: Program, op: Op) -> bool:
    moved = op.parent("transpose")
    if moved is None:
        return False
    below = make.unary(p, op.attrs["function"], moved.input())
    p.replace(op.out, make.transpose(p, below.out, moved.attrs["perm"], of=(moved,)).out)
    return True


@transform("quantize")
def transpose_quantize(p: Program, op: Op) -> bool:
    moved = op.parent("transpose")
    if moved is None:
        return False
    below = quantize_again(p, op, moved.input())
    p.replace(op.out, make.transpose(p, below, moved.attrs["perm"], of=(moved,)).out)
    return True


@transform("quantize")
def bitcast_quantize(p: Program, op: Op) -> bool:
    view = op.parent("bitcast")
    if view is None:
        return False
    p.replace(op.out, make.bitcast(p, quantize_again(p, op, view.input()), view.out.shape, of=(view,)).out)
    return True


@transform("quantize", far=True)
def slice_quantize(p: Program, op: Op) -> bool:
    """Quantise before cutting, unless the cut belongs to a batch-to-space chain."""
    cut = op.parent("slice")
    if cut is None:
        return False
    view = cut.parent("bitcast")
    moved = view.parent("transpose") if view else None
    if moved is not None and moved.parent("bitcast"):
        return False
    below = quantize_again(p, op, cut.input())
    attrs = cut.attrs
    p.replace(op.out, make.slice_(p, below, attrs["begin"], attrs["end"], attrs["strides"], of=(cut,)).out)
    return True


def quantize_again(p: Program, op: Op, x: Value) -> Value:
    """The same quantisation of another value."""
    return p.add("quantize", [x], [x.shape], dtype=op.out.dtype, range=op.attrs["range"]).out


@transform("dequantize")
def dequantize_transpose_binary(p: Program, op: Op) -> bool:
    moved = op.parent("transpose")
    if moved is None or op.child("binary") is None:
        return False
    above = make.dequantize(p, moved.input(), op.attrs["range"])
    p.replace(op.out, make.transpose(p, above.out, moved.attrs["perm"], of=(moved,)).out)
    return True


@transform("dequantize")
def dequantize_slice(p: Program, op: Op) -> bool:
    """Cut the bytes, not the reals. Only where the Slice is the first to read."""
    cut = op.out.uses[0].op
    if cut.kind != "slice":
        return False
    attrs = cut.attrs
    below = make.slice_(p, op.input(), attrs["begin"], attrs["end"], attrs["strides"], of=(cut,))
    p.replace(cut.out, make.dequantize(p, below.out, op.attrs["range"]).out)
    return True


@transform("dequantize")
def dequantize_bitcast(p: Program, op: Op) -> bool:
    view = op.child("bitcast")
    if view is None:
        return False
    above = make.bitcast(p, op.input(), view.out.shape, of=(view,))
    p.replace(view.out, make.dequantize(p, above.out, op.attrs["range"]).out)
    return True


@transform("dequantize")
def dequantize_transpose(p: Program, op: Op) -> bool:
    moved = op.child("transpose")
    if moved is None or moved.child("binary") is not None:
        return False
    above = make.transpose(p, op.input(), moved.attrs["perm"], of=(moved,))
    p.replace(moved.out, make.dequantize(p, above.out, op.attrs["range"]).out)
    return True
