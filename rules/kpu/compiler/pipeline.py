"""The compiler's passes in order, and what comes out of them.

Source: nncase v1.9.0, src/nncase/compiler.cpp, src/targets/neutral_target.cpp, targets/k210/k210_target.cpp;
the pass list and its order were also read off the compiler's own dumps.
"""

from __future__ import annotations

from dataclasses import dataclass

from lintmodel.planning.allocators import FirstFit

from . import accelerate, fold, fuse, quantise, transposes
from .buffers import fuse_buffers, mark_idle
from .model_file import model_bytes
from .partition import partition
from .program import Program
from .rewrite import Transform, run
from .schedule import Pools, Scheduled, schedule

DEFAULT: tuple[Transform, ...] = (
    fold.fold_constant,
    transposes.dequantize_transpose_binary,
    transposes.dequantize_bitcast,
    transposes.transpose_quantize,
    transposes.bitcast_quantize,
    transposes.slice_quantize,
    fold.fold_nop_pad,
    fold.fold_nop_bitcast,
    fold.fold_two_slices,
    fold.fold_two_pads,
    fold.fold_pad_slice,
    fuse.fuse_layer_norm,
    fold.fold_two_bitcasts,
    fold.fold_two_converts,
    fold.fold_nop_convert,
    fold.remove_binary,
    transposes.transpose_binary,
    transposes.transpose_constant_binary,
    transposes.transpose_concat,
    transposes.transpose_pad,
    transposes.transpose_clamp,
    transposes.transpose_sigmoid,
    transposes.bitcast_clamp,
    fuse.clamp_into_conv2d,
    fuse.clamp_into_conv2d_transpose,
    fuse.clamp_into_binary,
    fuse.binary_above_pool,
    fuse.add_into_bias,
    fuse.multiply_into_weights,
    transposes.transpose_reduce,
    transposes.transpose_unary,
    fold.simplify_reduce,
    fold.global_reduce_window,
    fold.transpose_to_bitcast,
    fold.split_to_slice,
    fold.fold_two_transposes,
    fold.fold_nop_transpose,
    fold.fold_nop_slice,
    fuse.add_into_matmul,
)
"""What the compiler calls its default transforms, in their priority."""

PADS_INTO_CONVS = (
    fold.fold_constant,
    transposes.transpose_pad,
    fold.fold_two_transposes,
    fold.fold_nop_transpose,
    fuse.space_to_batch_to_pad,
    fold.fold_two_pads,
    fuse.pad_into_conv2d,
    fold.fold_nop_pad,
)
DILATED_CONVS = (
    fold.fold_constant,
    transposes.transpose_binary,
    transposes.transpose_quantize,
    fold.fold_two_transposes,
    fold.fold_nop_transpose,
    fuse.fold_dilated_conv,
)
DENSE_TO_CONV = (fold.fold_two_bitcasts, fold.fold_nop_bitcast, fold.fold_constant, fuse.matmul_to_conv2d)
CONVS_TO_KPU = (
    accelerate.spread_dilated,
    accelerate.take_conv,
    accelerate.slice_after_pointwise,
    accelerate.stride_into_pool,
)
TABLES = (
    accelerate.unary_to_table,
    accelerate.scalar_binary_to_table,
    accelerate.two_tables,
    accelerate.table_with_binary,
    accelerate.two_tables_with_binary,
)

ALWAYS: tuple[tuple[Transform, ...], ...] = (
    (quantise.fold_quantize,),
    (fold.split_to_slice,),
    PADS_INTO_CONVS,
    DILATED_CONVS,
    DEFAULT,
    (fold.pad_to_slice,),
    DENSE_TO_CONV,
    (fuse.split_sigmoid,),
    (accelerate.slice_of_input,),
    (accelerate.transposed_conv,),
    (accelerate.pad_small_map,),
)
"""Passes that run whether or not the network is quantised."""

BEFORE_CALIBRATION: tuple[tuple[Transform, ...], ...] = (
    (*CONVS_TO_KPU, *DEFAULT),
    TABLES,
    (accelerate.add_to_conv, *CONVS_TO_KPU, *DEFAULT),
    (accelerate.table_before_slice, accelerate.table_before_pad),
)
AFTER_CALIBRATION: tuple[tuple[Transform, ...], ...] = (
    (quantise.lower_conv, quantise.fold_quantize),
    (quantise.pool_into_conv, quantise.fold_quantize),
    (quantise.fold_transfer, quantise.fold_quantize),
    (quantise.table_lookup,),
    (*DEFAULT, quantise.fold_quantize),
    (*DEFAULT, quantise.fold_quantize),
    (transposes.dequantize_transpose, transposes.dequantize_bitcast),
)

NO_EMITTER = {
    "clamp": ("clamp-not-fused", "Clamp"),
    "fused_unary": ("activation-after-pool", "FusedUnary"),
    "conv2d_transpose": ("conv-transpose-kernel", "Conv2DTranspose"),
}
"""Kinds no code can be emitted for, with the rule that explains each and the compiler's name of the kind."""


@dataclass(frozen=True)
class Compiled:
    """What the compiler makes of a network."""

    main: Program
    functions: list[Program]
    """One for every call of the KPU."""
    scheduled: Scheduled
    pools: Pools
    model_bytes: int
    """Size of the model file."""


def compile_program(program: Program, *, ptq: bool, kpu_bytes: int, kpu_align: int) -> Compiled:
    """Runs all passes. Refusals are collected in ``program.refusals``; nothing is raised for them.

    ``ptq``: the network is quantised after training; without it everything stays on the CPU in float32.
    ``kpu_bytes`` and ``kpu_align`` describe the KPU's memory.
    """
    program.prune()
    for transforms in ALWAYS:
        run(program, transforms)
    if ptq:
        for transforms in BEFORE_CALIBRATION:
            run(program, transforms)
        quantise.calibrate(program)
        program.merge_equal()
        for transforms in AFTER_CALIBRATION:
            run(program, transforms)
    _refuse_unemittable(program)
    mark_idle(program)
    functions = partition(program)
    for function in (program, *functions):
        fuse_buffers(function)
    pools = Pools(kpu=FirstFit(kpu_align, kpu_bytes))
    scheduled = schedule(program, pools)
    return Compiled(program, functions, scheduled, pools, model_bytes(program, functions, pools))


def _refuse_unemittable(program: Program) -> None:
    for op in program.postorder():
        if op.kind in NO_EMITTER:
            kind, name = NO_EMITTER[op.kind]
            message = f"RuntimeError: Emitter for {op.name}[{name}] is not found in module stackvm[stackvm]"
            program.refuse(kind, op, message)
