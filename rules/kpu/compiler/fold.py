"""Transforms that compute constants early, merge neighbours of one kind and drop what does nothing.

Source: nncase v1.9.0, src/transforms/neutral (one file each); measured with nncase 1.9.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import make
from .program import Load, Op, Program
from .rewrite import ANY, transform

if TYPE_CHECKING:
    import numpy as np

NUMPY_TYPES = {"f32": "f4", "i64": "i8", "i32": "i4", "u8": "u1", "i8": "i1", "bool": "?", "f64": "f8", "f16": "f2"}


def _reads_constants_only(op: Op) -> bool:
    return bool(op.inputs) and op.kind != "output" and all(slot.value.op.kind == "constant" for slot in op.inputs)


@transform(ANY, wants=_reads_constants_only)
def fold_constant(p: Program, op: Op) -> bool:
    for value in op.outputs:
        p.replace(value, p.constant(value.shape, _folded(op), value.dtype))
    return True


def _folded(op: Op) -> Load:
    """How to compute the result, when someone asks for it."""
    loads = [slot.value.op.values for slot in op.inputs]
    kind, attrs, shape, dtype = op.kind, op.attrs, op.out.shape, op.out.dtype

    def load() -> np.ndarray[Any, Any] | None:
        import numpy as np

        values = [value() for value in loads]
        arrays = [np.asarray(value) for value in values if value is not None]
        if len(arrays) != len(values):
            return None
        try:
            with np.errstate(all="ignore"):
                result: np.ndarray[Any, Any] | None = _compute(np, kind, attrs, arrays, shape, dtype)
                return result
        except (ValueError, IndexError, TypeError, KeyError):
            return None

    return load


def _compute(np: Any, kind: str, attrs: dict[str, Any], arrays: list[Any], shape: tuple[int, ...], dtype: str) -> Any:
    first = arrays[0]
    if kind == "binary":
        names = {"sub": "subtract", "mul": "multiply", "div": "true_divide", "pow": "power"}
        names |= {"max": "maximum", "min": "minimum"}
        return getattr(np, names.get(attrs["function"], attrs["function"]))(first, arrays[1])
    if kind == "unary":
        function = {"rsqrt": lambda x: 1 / np.sqrt(x), "neg": np.negative, "round": np.rint}.get(attrs["function"])
        return (function or getattr(np, attrs["function"]))(first)
    if kind == "bitcast":
        return first.reshape(shape)
    if kind == "transpose":
        return first.transpose(attrs["perm"])
    if kind == "convert":
        return first.astype(NUMPY_TYPES.get(dtype, "f4"))
    if kind == "concat":
        return np.concatenate(arrays, attrs["axis"])
    if kind == "slice":
        return first[tuple(map(slice, attrs["begin"], attrs["end"], attrs["strides"]))]
    if kind == "gather":
        return np.take(first, arrays[1].astype(int), attrs["axis"]).reshape(shape)
    return None


@transform("pad")
def fold_nop_pad(p: Program, op: Op) -> bool:
    if any(any(amount) for amount in op.attrs["pads"]):
        return False
    p.replace(op.out, op.input())
    return True


@transform("bitcast")
def fold_nop_bitcast(p: Program, op: Op) -> bool:
    if op.input().shape != op.out.shape or op.input().dtype != op.out.dtype:
        return False
    p.replace(op.out, op.input())
    return True


@transform("slice")
def fold_nop_slice(p: Program, op: Op) -> bool:
    if op.input().shape != op.out.shape or op.attrs["strides"] != (1, 1, 1, 1):
        return False
    p.replace(op.out, op.input())
    return True


@transform("transpose")
def fold_nop_transpose(p: Program, op: Op) -> bool:
    if op.attrs["perm"] != tuple(range(len(op.attrs["perm"]))):
        return False
    p.replace(op.out, op.input())
    return True


@transform("convert")
def fold_nop_convert(p: Program, op: Op) -> bool:
    if op.input().dtype != op.out.dtype:
        return False
    p.replace(op.out, op.input())
    return True


@transform("convert")
def fold_two_converts(p: Program, op: Op) -> bool:
    second = op.child("convert")
    if second is None:
        return False
    p.replace(second.out, p.add("convert", [op.input()], [op.out.shape], dtype=second.out.dtype, of=(op, second)).out)
    return True


@transform("bitcast")
def fold_two_bitcasts(p: Program, op: Op) -> bool:
    second = op.child("bitcast")
    if second is None:
        return False
    p.replace(second.out, make.bitcast(p, op.input(), second.out.shape, of=(op, second)).out)
    return True


@transform("transpose")
def fold_two_transposes(p: Program, op: Op) -> bool:
    second = op.child("transpose")
    if second is None or len(second.attrs["perm"]) != len(op.attrs["perm"]):
        return False
    perm = [op.attrs["perm"][axis] for axis in second.attrs["perm"]]
    p.replace(second.out, make.transpose(p, op.input(), perm, of=(op, second)).out)
    return True


@transform("transpose")
def transpose_to_bitcast(p: Program, op: Op) -> bool:
    """Only axes of size 1 move."""
    shape = op.input().shape
    moved = [axis for axis in op.attrs["perm"] if shape[axis] != 1]
    if moved != sorted(moved):
        return False
    p.replace(op.out, make.bitcast(p, op.input(), op.out.shape).out)
    return True


@transform("slice")
def fold_two_slices(p: Program, op: Op) -> bool:
    """Slice of a slice, when no axis is cut twice."""
    second = op.child("slice")
    if second is None or min(op.attrs["strides"] + second.attrs["strides"]) < 0:
        return False
    axes = range(len(op.attrs["strides"]))
    if not all(_uncut(op, axis) or _uncut(second, axis) for axis in axes):
        return False
    picked = {
        key: [(second if _uncut(op, axis) else op).attrs[key][axis] for axis in axes]
        for key in ("begin", "end", "strides")
    }
    new = make.slice_(p, op.input(), picked["begin"], picked["end"], picked["strides"], of=(op, second))
    p.replace(second.out, new.out)
    return True


def _uncut(op: Op, axis: int) -> bool:
    attrs = op.attrs
    whole = attrs["begin"][axis] == 0 and attrs["end"][axis] == op.input().shape[axis]
    return bool(whole and attrs["strides"][axis] == 1)


@transform("pad")
def fold_two_pads(p: Program, op: Op) -> bool:
    second = op.child("pad")
    if second is None or len(op.attrs["pads"]) != 4:
        return False
    if op.attrs["mode"] != second.attrs["mode"] or op.attrs["value"] != second.attrs["value"]:
        return False
    inside = any(len(amount) > 2 and amount[2] for amount in op.attrs["pads"])
    pads = [
        (a[0] + b[0], a[1] + b[1], *((a[2] if len(a) > 2 else 0,) if inside else ()))
        for a, b in zip(op.attrs["pads"], second.attrs["pads"], strict=True)
    ]
    new = make.pad(p, op.input(), pads, op.attrs["mode"], op.attrs["value"], of=(op, second))
    p.replace(second.out, new.out)
    return True


@transform("pad")
def fold_pad_slice(p: Program, op: Op) -> bool:
    """A Pad that cuts, before a Slice: the Slice does the cutting."""
    if not any(amount[0] < 0 or amount[1] < 0 for amount in op.attrs["pads"]):
        return False
    cut = op.child("slice")
    if cut is None:
        return False
    begin, end = list(cut.attrs["begin"]), list(cut.attrs["end"])
    pads = []
    for axis, (before, after, *between) in enumerate(op.attrs["pads"]):
        if before < 0:
            begin[axis] -= before
            end[axis] -= before
        pads.append((max(before, 0), max(after, 0), *between))
    padded = make.pad(p, op.input(), pads, op.attrs["mode"], op.attrs["value"])
    p.replace(cut.out, make.slice_(p, padded.out, begin, end, cut.attrs["strides"], of=(op, cut)).out)
    return True


@transform("binary")
def remove_binary(p: Program, op: Op) -> bool:
    """x+0, x-0, x*1 and x/1. Depends on the values: untrained parameters vanish where trained ones stay."""
    left, right = op.parent("constant", 0), op.parent("constant", 1)
    constant = left or right
    if constant is None:
        return False
    neutral = {"add": 0.0, "mul": 1.0, "sub": 0.0 if right else None, "div": 1.0 if right else None}
    wanted = neutral.get(op.attrs["function"])
    values = constant.values() if wanted is not None else None
    if values is None or not bool((values == wanted).all()):
        return False
    kept = op.input(1) if left else op.input(0)
    if kept.shape != op.out.shape:
        kept = p.add("broadcast", [kept], [op.out.shape], dtype=kept.dtype).out
    p.replace(op.out, kept)
    return True


@transform("reduce")
def simplify_reduce(p: Program, op: Op) -> bool:
    """Reduction of one axis that a size-1 axis follows keeps the axis instead."""
    if len(op.attrs["axes"]) != 1 or op.attrs["keep"]:
        return False
    axis, shape = op.attrs["axes"][0], op.input().shape
    if len(shape) <= axis + 1 or shape[axis + 1] != 1:
        return False
    narrowed = make.bitcast(p, op.input(), shape[: axis + 1] + shape[axis + 2 :])
    p.replace(op.out, make.reduce(p, op.attrs["function"], narrowed.out, [axis], True).out)
    return True


@transform("reduce_window2d")
def global_reduce_window(p: Program, op: Op) -> bool:
    """A pool over the whole map is a reduction of height and width."""
    if op.attrs["pad_h"] != (0, 0) or op.attrs["pad_w"] != (0, 0) or op.attrs["kernel"] != op.input().shape[2:]:
        return False
    p.replace(op.out, make.reduce(p, op.attrs["function"], op.input(), (2, 3), True).out)
    return True


@transform("split")
def split_to_slice(p: Program, op: Op) -> bool:
    axis, shape = op.attrs["axis"], op.input().shape
    start = 0
    slices = []
    for size in op.attrs["sizes"]:
        begin, end = [0] * len(shape), list(shape)
        begin[axis], end[axis] = start, start + size
        slices.append(make.slice_(p, op.input(), begin, end).out)
        start += size
    for value, part in zip(op.outputs, slices, strict=True):
        p.replace(value, part)
    return True


@transform("pad")
def pad_to_slice(p: Program, op: Op) -> bool:
    """A Pad that only cuts."""
    pads = op.attrs["pads"]
    if any(amount[0] > 0 or amount[1] > 0 for amount in pads):
        return False
    shape = op.input().shape
    begin = [-amount[0] for amount in pads]
    end = [size + amount[1] for size, amount in zip(shape, pads, strict=True)]
    p.replace(op.out, make.slice_(p, op.input(), begin, end).out)
    return True


@transform("slice")
def slice_to_pad(p: Program, op: Op) -> bool:
    """A Slice without steps of a map is a Pad that cuts."""
    if op.attrs["strides"] != (1, 1, 1, 1):
        return False
    begin, end, shape = op.attrs["begin"], op.attrs["end"], op.input().shape
    pads = [(-first, last - size) for first, last, size in zip(begin, end, shape, strict=True)]
    p.replace(op.out, make.pad(p, op.input(), pads).out)
    return True
