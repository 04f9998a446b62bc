"""ONNX-style attributes of TFLite operators that cannot be copied field by field.

Each function takes an :class:`Operation` and gives the attributes it can tell; the table that names them is in
``tflite_ops``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..ir import Shape

FIRST, LAST = -(2**31), 2**31 - 1
"""Ends of a slice that mean "from the beginning" and "to the end"; 32 bits, as TFLite's own begin and end tensors."""


@dataclass(frozen=True, slots=True)
class Operation:
    """An operator as the file has it, for the functions below."""

    options: Any
    """Its table of options, or an empty one, which answers with the schema's defaults."""
    shapes: tuple[Shape | None, ...]
    """Shapes of the inputs; None for those left out."""
    integers: Callable[[int], tuple[int, ...] | None]
    """Values of an input, when it is a small constant."""

    def shape(self, index: int) -> Shape | None:
        return self.shapes[index] if index < len(self.shapes) else None


Attributes = dict[str, Any]


# ---- windows


def _padding(options: Any) -> Attributes:
    return {"auto_pad": "VALID" if options.Padding() else "SAME_UPPER"}


def _strides(options: Any) -> Attributes:
    return _padding(options) | {"strides": (options.StrideH(), options.StrideW())}


def conv(operation: Operation) -> Attributes:
    dilations = operation.options.DilationHFactor(), operation.options.DilationWFactor()
    return _strides(operation.options) | {"dilations": dilations, "group": _groups(operation)}


def depthwise(operation: Operation) -> Attributes:
    found = conv(operation) | {"depth_multiplier": operation.options.DepthMultiplier()}
    channels = _last(operation.shape(0))
    if channels is None:  # weights are 1, height, width, channels * multiplier
        channels = (_last(operation.shape(1)) or 1) // max(1, operation.options.DepthMultiplier())
    return found | {"group": max(1, channels)}


def conv_3d(operation: Operation) -> Attributes:
    options = operation.options
    return _padding(options) | {
        "strides": (options.StrideD(), options.StrideH(), options.StrideW()),
        "dilations": (options.DilationDFactor(), options.DilationHFactor(), options.DilationWFactor()),
        "group": 1,
    }


def transpose_conv(operation: Operation) -> Attributes:
    return _strides(operation.options) | {"group": 1}


def pool(operation: Operation) -> Attributes:
    kernel = operation.options.FilterHeight(), operation.options.FilterWidth()
    return _strides(operation.options) | {"kernel_shape": kernel}


def _groups(operation: Operation) -> int:
    """A convolution whose weights have fewer input channels than its data is grouped; TFLite says so nowhere else."""
    data, weights = _last(operation.shape(0)), _last(operation.shape(1))
    return data // weights if data and weights and data % weights == 0 else 1


def _last(shape: Shape | None) -> int | None:
    return shape[-1] if shape and isinstance(shape[-1], int) else None


# ---- parameters that are inputs


def from_input(name: str, index: int, *, single: bool = False) -> Callable[[Operation], Attributes]:
    """The attribute ``name`` from a constant input."""

    def more(operation: Operation) -> Attributes:
        values = operation.integers(index)
        if values is None or (single and not values):
            return {}
        return {name: values[0] if single else values}

    return more


def transpose(operation: Operation) -> Attributes:
    perm, shape = operation.integers(1), operation.shape(0)
    if perm is None or sorted(p % len(perm) for p in perm) != list(range(len(shape if shape is not None else perm))):
        return {}
    return {"perm": tuple(p % len(perm) for p in perm)}


def new_shape(operation: Operation) -> Attributes:
    if operation.options.NewShapeIsNone():
        return {}
    return {"new_shape": _vector(operation.options.NewShapeAsNumpy())}


def squeeze(operation: Operation) -> Attributes:
    axes = _vector(operation.options.SqueezeDimsAsNumpy())
    return {"axes": axes} if axes else {}


def _vector(values: Any) -> tuple[int, ...]:
    return () if isinstance(values, int) else tuple(values.tolist())


def pads(operation: Operation) -> Attributes:
    """TFLite has a row (before, after) for every axis; ONNX all the befores and then all the afters."""
    rows, shape = operation.integers(1), operation.shape(0)
    if rows is None or (shape is not None and len(rows) != 2 * len(shape)):
        return {}
    return {"pads": (*rows[0::2], *rows[1::2])}


def mirror_pad(operation: Operation) -> Attributes:
    return pads(operation) | {"mode": "symmetric" if operation.options.Mode() else "reflect"}


def slice_(operation: Operation) -> Attributes:
    starts, sizes, shape = operation.integers(1), operation.integers(2), operation.shape(0)
    if starts is None or sizes is None or len(starts) != len(sizes) or len(starts) > len(shape or starts):
        return {}
    ends = tuple(LAST if size == -1 else start + size for start, size in zip(starts, sizes, strict=True))
    return {"starts": starts, "ends": ends, "axes": tuple(range(len(starts))), "steps": (1,) * len(starts)}


SLICE_MASKS = {
    "begin_mask": "BeginMask",
    "end_mask": "EndMask",
    "ellipsis_mask": "EllipsisMask",
    "new_axis_mask": "NewAxisMask",
    "shrink_axis_mask": "ShrinkAxisMask",
}


def strided_slice(operation: Operation) -> Attributes:
    options, shape = operation.options, operation.shape(0)
    begin, end, step = (operation.integers(k) for k in (1, 2, 3))
    if begin is None or end is None or step is None or not len(begin) == len(end) == len(step) or 0 in step:
        return {}
    if options.Offset():  # end counts from begin
        end = tuple(b + e for b, e in zip(begin, end, strict=True))
    masks = {name: getattr(options, accessor)() for name, accessor in SLICE_MASKS.items()}
    return _resolve(begin, end, step, masks, len(shape) if shape is not None else None)


def _resolve(
    begin: Sequence[int], end: Sequence[int], step: Sequence[int], masks: Mapping[str, int], rank: int | None
) -> Attributes:
    """Begin, end and step of the data's own axes, with the masks worked out as TensorFlow documents them."""

    def has(mask: str, k: int) -> bool:
        return bool(masks[mask] >> k & 1)

    starts, ends, axes, steps = [], [], [], []
    axis = 0
    for k in range(len(begin)):
        if has("ellipsis_mask", k):
            if rank is None:
                return {}
            axis = rank - sum(not has("new_axis_mask", j) for j in range(k + 1, len(begin)))
        elif not has("new_axis_mask", k):
            start, stop, stride = begin[k], end[k], step[k]
            if has("shrink_axis_mask", k):  # one index
                stop, stride = (start + 1 if start != -1 else LAST), 1
            else:
                if has("begin_mask", k):
                    start = 0 if stride > 0 else LAST
                if has("end_mask", k):
                    stop = LAST if stride > 0 else FIRST
            starts.append(start)
            ends.append(stop)
            axes.append(axis)
            steps.append(stride)
            axis += 1
    if axes and (axes[0] < 0 or (rank is not None and axes[-1] >= rank)):
        return {}
    return {"starts": tuple(starts), "ends": tuple(ends), "axes": tuple(axes), "steps": tuple(steps)}


def response_normalization(operation: Operation) -> Attributes:
    size = 2 * operation.options.Radius() + 1  # TFLite scales the sum of squares by alpha, ONNX their mean
    return {"size": size, "alpha": operation.options.Alpha() * size}


def gelu(operation: Operation) -> Attributes:
    return {"approximate": "tanh" if operation.options.Approximate() else "none"}
