"""The passes of nncase 0.2 in order.

Source: nncase v0.2.0-beta4, src/cli/compile.cpp, src/cli/targets/k210/target.cpp, src/cli/targets/cpu/target.cpp.
"""

from __future__ import annotations

from ..compiler import accelerate, fold, fuse, quantise, transposes
from ..compiler.program import Op, Range, Value
from ..compiler.rewrite import Transform, run
from . import v02_transforms as own
from .v02_program import LegacyProgram

FOLDING: tuple[Transform, ...] = (
    fold.fold_constant,
    fold.fold_nop_pad,
    fold.fold_nop_bitcast,
    fold.fold_nop_transpose,
    fold.fold_two_pads,
    fold.fold_pad_slice,
    own.fold_quantize,
    fold.fold_two_bitcasts,
    fold.fold_two_transposes,
    fuse.pad_into_conv2d,
    fuse.clamp_into_conv2d,
    fuse.clamp_into_binary,
    own.slice_to_pad,
    own.transpose_binary,
    transposes.transpose_constant_binary,
    transposes.transpose_concat,
    own.transpose_pad,
    transposes.transpose_reduce,
    transposes.transpose_unary,
    fold.transpose_to_bitcast,
    fold.simplify_reduce,
)
TABLES = (
    accelerate.unary_to_table,
    accelerate.scalar_binary_to_table,
    accelerate.two_tables,
    accelerate.table_with_binary,
    accelerate.two_tables_with_binary,
)
"""Only when the network is quantised."""
DEFAULT = (*FOLDING, *TABLES)

TO_KPU = (
    accelerate.spread_dilated,
    own.take_conv,
    own.take_dense,
    accelerate.slice_after_pointwise,
    accelerate.stride_into_pool,
    *DEFAULT,
)
QUANTISED = (
    (quantise.lower_conv, own.fold_quantize),
    (own.pool_into_conv, own.fold_quantize),
    (quantise.fold_transfer, own.fold_quantize),
    (
        *own.DEQUANTIZE_LATER,
        own.quantized_conv,
        own.quantized_matmul,
        own.quantized_binary,
        quantise.table_lookup,
        *DEFAULT,
    ),
    (own.fuse_download, own.input_to_kpu, *DEFAULT),
)

ON_CPU_PASS = 3
"""Of the passes above, the one in which what is left for the CPU is quantised, and the input with it."""

BY_SIZE = frozenset({"binary", "matmul", "conv2d"})
"""Kinds that are only quantised where their result has enough elements."""
ON_CPU = BY_SIZE | {"fused_unary"}
DATA_INPUTS = {"conv2d": 1, "fake_kpu_conv2d": 1, "matmul": 2, "conv2d_transpose": 1}
"""Inputs that are tensors to the compiler; weights and biases after them are part of the operation."""
PASSES_RANGE_ON = frozenset({"input", "concat", "bitcast", "transpose", "pad", "slice", "resize", "reduce_window2d"})


def run_passes(program: LegacyProgram, *, ptq: bool, byte_input: bool) -> None:
    """``ptq``: the network is quantised; without it all stays on the CPU in float32. ``byte_input``: the firmware
    hands over bytes."""
    program.prune()
    run(program, DEFAULT if ptq else FOLDING)
    if not ptq:
        return
    run(program, TO_KPU)
    checkpoints(program, frozenset({"fake_kpu_conv2d"}))
    run(program, DEFAULT)
    checkpoints(program, ON_CPU)
    calibrate(program)
    for number, transforms in enumerate(QUANTISED):
        first = (own.input_to_bytes,) if byte_input and number == ON_CPU_PASS else ()
        run(program, (*first, *transforms))


def checkpoints(program: LegacyProgram, kinds: frozenset[str]) -> None:
    """Marks what calibration measures around operations of these kinds. An operation whose neighbours are all marked
    already is passed over, and then a convolution or product is not quantised."""
    for op in program.postorder():
        if op.kind not in kinds:
            continue
        reason = _unquantised(program, op)
        values = (*data_inputs(op), *op.outputs)
        if reason is None and all(value.marked for value in values):
            reason = ("between", True)
        if reason is not None:
            op.attrs["float"] = reason
            continue
        op.attrs["checked"] = True
        for value in values:
            value.marked = True


def _unquantised(program: LegacyProgram, op: Op) -> tuple[str, object] | None:
    """Why an operation stays in float32."""
    sources = {"conv2d": op.inputs[1:2], "matmul": op.inputs[:2]}.get(op.kind, [])
    weights = next((slot.value.op for slot in sources if slot.value.op.kind == "constant"), None)
    if weights is not None and program.too_wide(weights):
        return "span", weights.attrs["span"]
    if op.kind in BY_SIZE and op.out.elements < program.fewest:
        return "elements", op.out.elements
    return None


def data_inputs(op: Op) -> list[Value]:
    return [slot.value for slot in op.inputs[: DATA_INPUTS.get(op.kind)]]


def calibrate(program: LegacyProgram) -> None:
    """Numbers the measured ranges; equal numbers are equal ranges. Then the ranges are passed on."""
    order = program.postorder()
    for op in program.inputs:
        op.out.marked = True
    measured = [value for op in order for value in op.outputs if value.marked]
    for number, value in enumerate(measured):
        value.range = number
    for op in order:
        inputs = data_inputs(op)
        if len(inputs) == 1 and op.kind in PASSES_RANGE_ON and inputs[0].range is not None:
            _pass_on(op, inputs[0].range)


def _pass_on(op: Op, known: Range) -> None:
    waiting, seen = [op], {id(op)}
    while waiting:
        op = waiting.pop()
        for value in op.outputs:
            if value.marked:
                value.range = known
            for use in value.uses:
                if use.op.kind in PASSES_RANGE_ON and id(use.op) not in seen:
                    seen.add(id(use.op))
                    waiting.append(use.op)
