"""Rooms that a Reshape or a Transpose on the NPU takes while it moves a tensor from one layout to another.

Read off the feature tables of rknn-toolkit2 2.5.0.
"""

from __future__ import annotations

from math import prod

from .layout import (
    Wiring,
    channel_unit,
    copies_transpose,
    element_bytes,
    filled_bytes,
    is_dense,
    native_bytes,
    transposed_bytes,
    up,
)
from .program import Layer, Program, Shape


def reshape_room(program: Program, layer: Layer, wiring: Wiring) -> int:
    """Bytes of a Reshape's copies; 0 where it only renames."""
    way = str(program.target.limit("reshape_rooms"))
    if layer.unit == "cpu" or way == "none":
        return 0
    source, result = program.features(layer)[0], layer.outputs[0]
    if len(program.shape(source)) == 4 == len(program.shape(result)):
        return _between_blocks(program, source, result, wiring, renames=way == "twice")
    if len(program.shape(source)) == 4:
        return _out_of_blocks(program, source, result, wiring, renames=way == "twice")
    return _into_blocks(program, source, result, wiring, renames=way == "twice")


def transpose_room(program: Program, layer: Layer) -> int:
    """Two copies, unless the permutation is one the hardware does at once."""
    source, result = program.values[program.features(layer)[0]], program.values[layer.outputs[0]]
    if len(source.shape) != 4 or len(result.shape) != 4:
        return 0
    if not program.target.limit("transpose_rooms"):
        size = element_bytes(result.dtype)
        return native_bytes(source.shape, channel_unit(program.target, result.dtype), size)
    return 2 * transposed_bytes(program, layer) if copies_transpose(program, layer) else 0


def _into_blocks(program: Program, source: str, result: str, wiring: Wiring, *, renames: bool) -> int:
    """From a tensor of another rank: the dense copy, or the blocks twice where they are not filled."""
    value, shape = program.values[source], program.shape(result)
    size, unit = element_bytes(value.dtype), channel_unit(program.target, value.dtype)
    dense = up(prod(value.shape) * size, 64)
    if len(shape) != 4 or is_dense(program, result, wiring):
        return 0 if renames else dense
    if renames and shape[2] * shape[3] == 1:
        return 0
    filled = shape[1] % unit == 0 and (not renames or shape[2] * shape[3] % unit == 0)
    return dense if filled else 2 * _blocks(shape, unit, size, rows=renames)


def _out_of_blocks(program: Program, source: str, result: str, wiring: Wiring, *, renames: bool) -> int:
    """To a tensor of another rank: the blocks, and beside them the dense copy where they are not filled."""
    value = program.values[source]
    size, unit = element_bytes(value.dtype), channel_unit(program.target, value.dtype)
    shape, dense = value.shape, prod(value.shape) * size
    if is_dense(program, source, wiring):
        return 0 if renames else up(dense, 64)
    if renames and shape[2] * shape[3] == 1:
        return 0
    if shape[1] % unit == 0 and (not renames or shape[2] * shape[3] % unit == 0):
        return native_bytes(shape, unit, size)
    if renames:
        return dense + 2 * _blocks(shape, unit, size, rows=True)
    return up(dense, 64) if shape[1] == 1 else dense + native_bytes(shape, unit, size)


def _between_blocks(program: Program, source: str, result: str, wiring: Wiring, *, renames: bool) -> int:
    """From blocks to blocks."""
    value = program.values[source]
    size, unit = element_bytes(value.dtype), channel_unit(program.target, value.dtype)
    before, after = value.shape, program.shape(result)
    dense, native = prod(before) * size, native_bytes(before, unit, size)
    if is_dense(program, source, wiring) or is_dense(program, result, wiring):
        both = is_dense(program, source, wiring) and is_dense(program, result, wiring)
        return 0 if both and renames else up(dense, 64)
    if renames and before[:2] == after[:2] and after[3] > 1:
        return 0
    inner, outer = before[2] * before[3], after[2] * after[3]
    if before[1] % unit == 0 and after[1] % unit == 0:
        if renames and inner == outer and before[2:] != after[2:]:
            return 0
        if (not renames and before[1] == after[1]) or inner == outer or 1 in (inner, outer):
            return native
        return 2 * max(native, native_bytes(after, unit, size))
    if inner == outer:
        spare = dense if renames else 0
        return 2 * max(native, native_bytes(after, unit, size)) + spare
    if all(shape[3] % unit == 0 or shape[3] == 1 for shape in (before, after)):
        return dense if before[1] % unit == 0 else dense + native
    return 2 * max(_blocks(shape, unit, size, rows=True) for shape in (before, after))


def _blocks(shape: Shape, unit: int, size: int, *, rows: bool) -> int:
    """Bytes in blocks; with ``rows`` each row of pixels is filled up to a block as well."""
    native = native_bytes(shape, unit, size)
    return max(native, filled_bytes(shape, unit, size)) if rows else native
