"""Decides which operations need memory of their own: copies are put in, and taken out where the source can lie in
place at once.

Source: nncase v1.9.0, src/transforms/neutral/optimize_allocation.cpp; measured with nncase 1.9.0.
"""

from __future__ import annotations

from .program import Op, Program, Value
from .rewrite import run, transform

NO_STRIDES = "no_layout_strides"
"""The buffer must be contiguous."""
IS_SLICE = "slice"
FUSED = "no_buffer_fusion"
"""The buffer lies inside another one already."""
CONTIGUOUS_ONLY = frozenset(
    {"output", "kpu_upload", "kpu_download", "call", "bitcast", "matmul", "softmax", "layernorm"}
)
"""Kinds that read contiguous buffers only."""


def mark_idle(program: Program) -> None:
    """Concats, Bitcasts and Slices without steps do nothing at run time: their memory is a view of another."""
    for op in program.postorder():
        if op.kind == "concat":
            op.acting = False
        elif op.kind == "slice" and _copies(op):
            op.out.flags |= {IS_SLICE, FUSED}
            op.acting = False
    _idle_bitcasts(program)


def fuse_buffers(program: Program, *, bitcast_copies: bool = True) -> None:
    """Puts copies before Concats, Bitcasts and outputs and behind Slices, then removes those that are not needed."""
    order = program.postorder()
    for op in order:
        if op.kind == "concat":
            for slot in op.inputs:
                if slot.value.op.kind != "copy":
                    slot.connect(_copy(program, slot.value, op))
    for op in order:
        if op.kind == "slice" and not op.acting and any(use.op.kind != "copy" for use in op.out.uses):
            users = list(op.out.uses)
            copied = _copy(program, op.out)
            for use in users:
                use.connect(copied)
    for output in program.outputs:
        value = output.input()
        if value.place == "data" and IS_SLICE not in value.flags:
            # The compiler puts a copy here too, and its first transform takes it out again.
            _leave_directly(value)
        elif value.op.kind != "copy" or len(value.uses) != 1:
            copied = _copy(program, value)
            copied.place = "output"
            output.inputs[0].connect(copied)
    for op in order if bitcast_copies else ():
        if op.kind == "bitcast" and op.maker().kind != "copy":
            op.inputs[0].connect(_copy(program, op.input()))
    run(program, COPY_REMOVAL)
    _idle_bitcasts(program)


def _copy(program: Program, value: Value, of: Op | None = None) -> Value:
    """A copy that is work of the operation it is made for: the maker of the value unless another is named."""
    return program.add("copy", [value], [value.shape], dtype=value.dtype, of=(of or value.op,)).out


def _copies(op: Op) -> bool:
    """A Slice that takes neighbouring elements."""
    return all(step == 1 for step in op.attrs["strides"])


def _idle_bitcasts(program: Program) -> None:
    if not any(op.kind == "bitcast" and op.acting for op in program.ops):
        return
    for op in program.postorder():
        if op.kind == "bitcast" and op.acting:
            op.input().flags.add(NO_STRIDES)
            op.out.flags = set(op.input().flags)
            op.acting = False


def _contiguous_slice(op: Op) -> bool:
    """One axis is cut and all before it have size 1."""
    if not _copies(op):
        return False
    outer = True
    for begin, end, size in zip(op.attrs["begin"], op.attrs["end"], op.input().shape, strict=True):
        if (begin, end) != (0, size):
            if not outer:
                return False
            outer = False
        elif size != 1:
            outer = False
    return True


def _leave_directly(value: Value) -> None:
    """The value is made where the function's output lies."""
    value.place = "output" if len(value.uses) == 1 else "shared"
    value.flags.add(NO_STRIDES)


def _copy_behind(op: Op) -> Op | None:
    """The copy behind an idle Slice, when it leads to neither an output nor a Concat."""
    copied = op.child("copy") if not op.acting else None
    if copied is None or copied.child("output") or copied.child("concat"):
        return None
    return copied


@transform("slice")
def copy_of_contiguous_slice(p: Program, op: Op) -> bool:
    copied = _copy_behind(op)
    if copied is None or not _contiguous_slice(op):
        return False
    op.out.flags.add(NO_STRIDES)
    p.replace(copied.out, op.out)
    return True


@transform("slice")
def copy_of_strided_slice(p: Program, op: Op) -> bool:
    copied = _copy_behind(op)
    if copied is None or NO_STRIDES in copied.out.flags or NO_STRIDES in op.out.flags:
        return False
    if not _copies(op) or _contiguous_slice(op) or any(use.op.kind in CONTIGUOUS_ONLY for use in copied.out.uses):
        return False
    p.replace(copied.out, op.out)
    return True


@transform("copy")
def copy_to_concat(p: Program, op: Op) -> bool:
    joined, value = op.child("concat"), op.input()
    if joined is None or value.place != "data" or {FUSED, IS_SLICE} & value.flags:
        return False
    outermost = all(size == 1 for size in joined.input().shape[: joined.attrs["axis"]])
    if not outermost and NO_STRIDES in value.flags:
        return False
    inner = op.parent("concat")
    if inner is not None and inner.attrs["axis"] != joined.attrs["axis"]:
        return False
    value.flags.add(FUSED)
    p.replace(op.out, value)
    return True


@transform("copy")
def copy_to_bitcast(p: Program, op: Op) -> bool:
    view, value = op.child("bitcast"), op.input()
    if view is None or FUSED in value.flags:
        return False
    if value.place != "data" and not (value.place == "input" and not view.child("output")):
        return False
    value.flags.add(FUSED)
    p.replace(op.out, value)
    return True


COPY_REMOVAL = (copy_of_contiguous_slice, copy_of_strided_slice, copy_to_concat, copy_to_bitcast)
