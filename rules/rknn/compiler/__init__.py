"""The toolkit's rewriting of a graph into layers: the passes, in the order in which they run.

1. Several operators that are one to the toolkit become one layer.
2. Operators are lowered to RKNN's layers, and tensors of other ranks to four axes, with Reshape layers between.
3. Layout layers that undo one another go.
4. Convolutions take in what stands around them, and what is too large for one layer is taken apart.
5. Shapes are written as the log prints them.
"""

from __future__ import annotations

from lintmodel.ir import Graph
from lintmodel.target import Target

from ..program import Program
from .activations import recognise_activations
from .affine import join_affine
from .attention import fuse_attention
from .boundary import copy_images, expand_operands, pass_inputs_through
from .concats import take_concats_apart
from .convolutions import decompose_convolutions, shape_depthwise_weights, split_groups, tile_channels
from .dense import lower_dense
from .four_axes import give_four_axes
from .fuse import (
    drop_scales,
    fold_affine,
    fold_affine_forward,
    fuse_activations,
    fuse_last_activations,
    fuse_sums,
    merge_sums,
)
from .importer import import_graph
from .join_slices import join_slices, join_slices_of_convolutions
from .matmul import fold_scales, lower_matmuls
from .norm import lower_norms, recognise_lengths
from .operators import lower_operators
from .pads import fold_pads
from .partitions import merge_gathers, share_equal_layouts
from .pooling import lower_pools
from .ranks import lift_windows
from .recurrent import lower_recurrent
from .reductions import lower_reductions
from .rows import join_bounds, join_cuts, recognise_focus
from .schedule import schedule, schedule_unfused_sums
from .settle import settle_layouts
from .shuffles import fold_shuffles
from .slices import fold_picks, lower_gathers, slice_convolutions
from .softmax import lower_softmax
from .spread import spread_heads
from .windows import recognise_windows
from .zeros import fold_zeros


def compile_graph(graph: Graph, target: Target, *, quantized: bool) -> Program:
    """The layers of a network, units not yet decided."""
    program = import_graph(graph, target, quantized=quantized)
    for run in PASSES:
        run(program)
    return program


PASSES = (
    # 1. recognise
    fold_zeros,
    recognise_activations,
    fold_shuffles,
    recognise_lengths,
    fold_scales,
    fuse_attention,
    recognise_windows,
    join_bounds,
    recognise_focus,
    join_cuts,
    join_slices,
    # 2. lower
    lower_operators,
    lower_reductions,
    merge_gathers,
    lower_gathers,
    fold_pads,
    lift_windows,
    lower_pools,
    lower_dense,
    lower_norms,
    lower_matmuls,
    lower_softmax,
    lower_recurrent,
    spread_heads,
    give_four_axes,
    # 3. cancel layout
    settle_layouts,
    join_slices_of_convolutions,
    share_equal_layouts,
    # 4. fuse
    fold_affine,
    fold_affine_forward,
    join_affine,
    drop_scales,
    fold_picks,
    slice_convolutions,
    merge_sums,
    schedule,
    take_concats_apart,
    split_groups,
    decompose_convolutions,
    tile_channels,
    fuse_activations,
    fuse_sums,
    fuse_last_activations,
    schedule_unfused_sums,
    expand_operands,
    pass_inputs_through,
    copy_images,
    # 5. write down
    shape_depthwise_weights,
)
