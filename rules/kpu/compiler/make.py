"""Makes the compiler's operations with the shapes that follow from their inputs."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

from .program import NOTHING, Op, Program, Range, Shape, Value

Pair = tuple[int, int]
Padding = tuple[int, ...]
"""before, after, and optionally zeros put between the elements of the axis."""


def need_type(p: Program, value: Value, wanted: str, consumer: str) -> None:
    """The compiler compares element types when it connects two operations, and stops where they differ."""
    if value.dtype != wanted and value is not NOTHING:
        name = p.matched.name if p.matched else ""
        maker = f"{value.op.name}[{value.op.kind.title()}]"
        text = f"{maker}->{name}[{consumer}] has type mismatch: [{value.dtype}]->[{wanted}]"
        p.refuse("type-mismatch", p.matched, text, made=value.dtype, wanted=wanted)


def bitcast(p: Program, x: Value, shape: Sequence[int], **more: Any) -> Op:
    return p.add("bitcast", [x], [shape], dtype=x.dtype, **more)


def reshaped(shape: Sequence[int], total: int) -> Shape:
    """A shape with its one -1 worked out."""
    known = prod(n for n in shape if n != -1)
    return tuple(total // max(1, known) if n == -1 else n for n in shape)


def broadcast_shape(a: Shape, b: Shape) -> Shape:
    """Raises ValueError where the two do not fit together."""
    rank = max(len(a), len(b))
    result = []
    for x, y in zip((1,) * (rank - len(a)) + a, (1,) * (rank - len(b)) + b, strict=True):
        if x != y and 1 not in (x, y):
            raise ValueError(f"{list(a)} and {list(b)} do not broadcast")
        result.append(max(x, y) if 0 not in (x, y) else 0)
    return tuple(result)


def binary(p: Program, function: str, a: Value, b: Value, *, clamp: bool = False, **more: Any) -> Op:
    """``clamp``: has a fused activation range."""
    shape = broadcast_shape(a.shape, b.shape)
    need_type(p, b, a.dtype, "Binary")
    return p.add("binary", [a, b], [shape], dtype=a.dtype, function=function, clamp=clamp, **more)


def unary(p: Program, function: str, x: Value, **more: Any) -> Op:
    need_type(p, x, "f32", "Unary")
    return p.add("unary", [x], [x.shape], function=function, **more)


def fused_unary(p: Program, x: Value, functions: Sequence[str], shape: Sequence[int] = (), **more: Any) -> Op:
    """Several functions of one value in one table."""
    return p.add("fused_unary", [x], [shape or x.shape], functions=tuple(functions), **more)


def pad(p: Program, x: Value, pads: Sequence[Padding], mode: str = "constant", value: float = 0.0, **more: Any) -> Op:
    pads = tuple(tuple(amount) for amount in pads)
    shape = [
        size + amount[0] + amount[1] + ((size - 1) * amount[2] if len(amount) > 2 else 0)
        for size, amount in zip(x.shape, pads, strict=True)
    ]
    return p.add("pad", [x], [shape], dtype=x.dtype, pads=pads, mode=mode, value=value, **more)


def slice_(
    p: Program, x: Value, begin: Sequence[int], end: Sequence[int], strides: Sequence[int] | None = None, **more: Any
) -> Op:
    """``begin`` and ``end`` count from 0 and lie within the tensor."""
    strides = tuple(strides or (1,) * len(x.shape))
    shape = [len(range(b, e, s)) for b, e, s in zip(begin, end, strides, strict=True)]
    return p.add("slice", [x], [shape], dtype=x.dtype, begin=tuple(begin), end=tuple(end), strides=strides, **more)


def transpose(p: Program, x: Value, perm: Sequence[int], **more: Any) -> Op:
    return p.add("transpose", [x], [[x.shape[axis] for axis in perm]], dtype=x.dtype, perm=tuple(perm), **more)


def concat(p: Program, values: Sequence[Value], axis: int, **more: Any) -> Op:
    shape = list(values[0].shape)
    shape[axis] = sum(value.shape[axis] for value in values)
    return p.add("concat", values, [shape], dtype=values[0].dtype, axis=axis, **more)


def window(size: int, kernel: int, stride: int, dilation: int, padding: Sequence[int]) -> int:
    """Output size of a sliding window."""
    return (size + padding[0] + padding[1] - ((kernel - 1) * dilation + 1) + stride) // stride


def conv2d(
    p: Program,
    inputs: Sequence[Value],
    *,
    groups: int = 1,
    pad_h: Sequence[int] = (0, 0),
    pad_w: Sequence[int] = (0, 0),
    stride: Pair = (1, 1),
    dilation: Pair = (1, 1),
    clamp: bool = False,
    **more: Any,
) -> Op:
    """``inputs``: data N,C,H,W, weights O,C/groups,kh,kw, bias."""
    x, weights, _ = inputs
    for value in inputs:
        need_type(p, value, "f32", "Conv2D")
    shape = (
        x.shape[0],
        weights.shape[0],
        window(x.shape[2], weights.shape[2], stride[0], dilation[0], pad_h),
        window(x.shape[3], weights.shape[3], stride[1], dilation[1], pad_w),
    )
    attrs: dict[str, Any] = {"groups": groups, "pad_h": tuple(pad_h), "pad_w": tuple(pad_w)}
    attrs |= {"stride": tuple(stride), "dilation": tuple(dilation), "clamp": clamp}
    return p.add("conv2d", inputs, [shape], **attrs, **more)


def conv_like(p: Program, conv: Op, inputs: Sequence[Value] | None = None, **changes: Any) -> Op:
    """The same convolution with something changed."""
    return conv2d(p, inputs or [slot.value for slot in conv.inputs], **{**conv.attrs, **changes})


def kpu_candidate(
    p: Program, inputs: Sequence[Value], *, depthwise: bool, kernel: int, pool: str, clamp: bool, **more: Any
) -> Op:
    """A convolution marked for the accelerator, not quantised yet (the compiler's fake_kpu_conv2d)."""
    x, weights, _ = inputs
    divide = 1 if pool == "bypass" else 2
    shape = (x.shape[0], weights.shape[0], x.shape[2] // divide, x.shape[3] // divide)
    return p.add("fake_kpu_conv2d", inputs, [shape], depthwise=depthwise, kernel=kernel, pool=pool, clamp=clamp, **more)


def reduce(p: Program, function: str, x: Value, axes: Sequence[int], keep: bool, **more: Any) -> Op:
    if keep:
        shape = [1 if axis in axes else size for axis, size in enumerate(x.shape)]
    else:
        shape = [size for axis, size in enumerate(x.shape) if axis not in axes] or [1]
    return p.add("reduce", [x], [shape], dtype=x.dtype, function=function, axes=tuple(axes), keep=keep, **more)


def reduce_window(
    p: Program,
    function: str,
    x: Value,
    kernel: Pair,
    stride: Pair,
    pad_h: Sequence[int],
    pad_w: Sequence[int],
    **more: Any,
) -> Op:
    shape = (
        x.shape[0],
        x.shape[1],
        window(x.shape[2], kernel[0], stride[0], 1, pad_h),
        window(x.shape[3], kernel[1], stride[1], 1, pad_w),
    )
    attrs: dict[str, Any] = {"function": function, "kernel": tuple(kernel), "stride": tuple(stride)}
    attrs |= {"pad_h": tuple(pad_h), "pad_w": tuple(pad_w)}
    return p.add("reduce_window2d", [x], [shape], **attrs, **more)


def matmul(p: Program, a: Value, b: Value, bias: Value, *, clamp: bool = False, **more: Any) -> Op:
    """2-D, or 3-D with a batch in front on either side."""
    for value in (a, b):
        need_type(p, value, "f32", "MatMul")
    if len(a.shape) == 2 and len(b.shape) == 2:
        shape: Shape = (a.shape[0], b.shape[1])
    else:
        batch = max(a.shape[0] if len(a.shape) > 2 else 1, b.shape[0] if len(b.shape) > 2 else 1)
        shape = (batch, a.shape[-2], b.shape[-1])
    return p.add("matmul", [a, b, bias], [shape], clamp=clamp, **more)


def softmax(p: Program, x: Value, axis: int, *, whole: bool) -> Op:
    """``whole``: one operation; otherwise the parts that older versions make of it."""
    if whole:
        return p.add("softmax", [x], [x.shape], axis=axis)
    shifted = binary(p, "sub", x, reduce(p, "max", x, (axis,), True).out)
    power = unary(p, "exp", shifted.out)
    return binary(p, "div", power.out, reduce(p, "sum", power.out, (axis,), True).out)


def quantize(p: Program, x: Value, range_: Range | None, **more: Any) -> Op:
    return p.add("quantize", [x], [x.shape], dtype="u8", range=range_, **more)


def dequantize(p: Program, x: Value, range_: Range | None, **more: Any) -> Op:
    return p.add("dequantize", [x], [x.shape], dtype="f32", range=range_, **more)
