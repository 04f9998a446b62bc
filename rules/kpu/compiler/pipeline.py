"""The compiler's passes in order, and what comes out of them.

Source: nncase v1.9.0, src/nncase/compiler.cpp, src/targets/neutral_target.cpp, targets/k210/k210_target.cpp;
the pass list and its order were also read off the compiler's own dumps.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lintmodel.planning.allocators import FirstFit, Linear

from . import accelerate, fold, fuse, quantise, transposes
from .buffers import fuse_buffers, mark_idle
from .model_file import model_bytes
from .partition import partition
from .program import Program
from .rewrite import Transform, run
from .schedule import Pools, Scheduled, schedule
from .versions import Version

DEFAULT: tuple[Transform, ...] = (
    fold.fold_constant,
    transposes.dequantize_transpose_binary,
    transposes.dequantize_bitcast,
    transposes.dequantize_slice,
    transposes.transpose_quantize,
    transposes.bitcast_quantize,
    transposes.slice_quantize,
    fold.fold_nop_pad,
    fold.fold_nop_bitcast,
    fold.fold_two_slices,
    fold.fold_two_pads,
    fold.fold_pad_slice,
    fuse.fuse_layer_norm,
    fold.slice_to_pad,
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

SINCE: dict[Transform, tuple[int, int]] = {
    transposes.bitcast_clamp: (1, 1),
    fuse.binary_above_pool: (1, 1),
    fuse.multiply_into_weights: (1, 1),
    transposes.transpose_sigmoid: (1, 4),
    fold.fold_nop_slice: (1, 5),
    fuse.add_into_matmul: (1, 6),
    fuse.fuse_layer_norm: (1, 8),
}
"""The version that brought a transform."""
UNTIL: dict[Transform, tuple[int, int]] = {fold.slice_to_pad: (1, 3), transposes.dequantize_slice: (1, 8)}
"""The version that dropped a transform."""

Passes = list[tuple[Transform, ...]]


def _default(version: Version) -> tuple[Transform, ...]:
    return tuple(
        t for t in DEFAULT if version.since(*SINCE.get(t, (1, 0))) and not (t in UNTIL and version.since(*UNTIL[t]))
    )


def passes_always(version: Version) -> Passes:
    """Passes that run whether or not the network is quantised."""
    default = _default(version)
    passes: Passes = []
    if version.since(1, 7):
        passes.append((quantise.fold_quantize,))
    if version.since(1, 8):
        passes.append((fold.split_to_slice,))
    if not version.since(1, 6):
        passes.append(DENSE_TO_CONV)
    if not version.since(1, 2):
        passes.append((fuse.split_sigmoid,))
    passes += [PADS_INTO_CONVS, DILATED_CONVS, default, (fold.pad_to_slice,)]
    if version.since(1, 6):
        passes.append(DENSE_TO_CONV)
    if version.since(1, 2):
        passes.append((fuse.split_sigmoid,))
    passes.append((accelerate.slice_of_input,))
    if version.since(1, 1):
        passes.append((accelerate.transposed_conv,))
    if version.since(1, 5):
        passes.append((accelerate.pad_small_map,))
    return passes


def passes_before_calibration(version: Version) -> Passes:
    """Convolutions and activations find their place; sums become convolutions, before 1.2 at once."""
    annotate = (*CONVS_TO_KPU, *_default(version))
    motion = (accelerate.table_before_slice, accelerate.table_before_pad)
    if not version.since(1, 2):
        return [(accelerate.add_to_conv, *annotate), TABLES, motion]
    return [annotate, TABLES, (accelerate.add_to_conv, *annotate), motion]


def passes_after_calibration(version: Version) -> Passes:
    """Quantised convolutions, pools, tables, and what cancels between them."""
    default = (*_default(version), quantise.fold_quantize)
    passes: Passes = [(quantise.lower_conv, quantise.fold_quantize)]
    if version.keeps_maps:
        passes.append((quantise.pool_into_conv, quantise.fold_quantize))
        passes.append((quantise.fold_transfer, quantise.fold_quantize))
    passes += [(quantise.table_lookup,), default, default]
    if version.since(1, 5):
        passes.append((transposes.dequantize_transpose, transposes.dequantize_bitcast))
    return passes


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
    slices: int = 0
    """Slices whose range depends on the calibration data."""


def compile_program(
    program: Program, version: Version, *, ptq: bool, kpu_bytes: int, kpu_align: int, kept_slices: Sequence[int] = ()
) -> Compiled:
    """Runs all passes. Refusals are collected in ``program.refusals``; nothing is raised for them.

    ``ptq``: the network is quantised after training; without it everything stays on the CPU in float32.
    ``kpu_bytes`` and ``kpu_align`` describe the KPU's memory. ``kept_slices``: see :func:`quantise.calibrate`.
    """
    program.prune()
    slices = 0
    for transforms in passes_always(version):
        run(program, transforms)
    if ptq:
        for transforms in passes_before_calibration(version):
            run(program, transforms)
        slices = quantise.calibrate(program, version, kept_slices)
        slices = 0 if "slice" in version.passes_range_on else slices
        program.merge_equal()
        for transforms in passes_after_calibration(version):
            run(program, transforms)
    _refuse_unemittable(program)
    mark_idle(program)
    functions = partition(program, related=version.related_regions)
    for function in (program, *functions):
        fuse_buffers(function, bitcast_copies=version.bitcast_copies)
    from_end = version.fills_from_end
    pools = Pools(
        kpu=FirstFit(kpu_align, kpu_bytes, from_end=from_end),
        cpu_data=FirstFit(8, from_end=from_end),
        kpu_data=FirstFit(8) if version.first_fit_data else Linear(),
    )
    scheduled = schedule(program, pools)
    return Compiled(program, functions, scheduled, pools, model_bytes(program, functions, pools), slices)


def _refuse_unemittable(program: Program) -> None:
    for op in program.postorder():
        if op.kind in NO_EMITTER:
            kind, name = NO_EMITTER[op.kind]
            message = f"RuntimeError: Emitter for {op.name}[{name}] is not found in module stackvm[stackvm]"
            program.refuse(kind, op, message)
