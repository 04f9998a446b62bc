"""Rooms a row needs beside its inputs and outputs: the ``_exSecondary`` tensors of the log, and blocks it hides.

They live while the row runs. Read off the feature tables of rknn-toolkit2 2.5.0; where no formula is known the
amount is the nearest that the recorded rows follow, and the docstring of the function says so.
"""

from __future__ import annotations

from math import prod

from lintmodel.target import Target

from .layout import (
    Wiring,
    bumped,
    channel_unit,
    element_bytes,
    native_bytes,
    plane,
    resizes_by_convolution,
    up,
)
from .moves import reshape_room, transpose_room
from .program import Layer, Program

HIDDEN = 64
"""Bytes of a block that some rows take without a line in the table; it shows in the addresses of the others."""


def workspaces(program: Program, layer: Layer, wiring: Wiring) -> list[int]:
    """Bytes of the rooms of a row, placed before its outputs."""
    if not layer.outputs or not program.features(layer):
        return []
    if layer.kind == "Reshape":
        room = reshape_room(program, layer, wiring)
    elif layer.unit == "cpu":
        return []
    elif layer.kind == "Transpose":
        room = transpose_room(program, layer)
    elif layer.kind in _ROOMS:
        room = _ROOMS[layer.kind](program, layer, wiring)
    else:
        room = _broadcast(program, layer)
    if room:
        return [room]
    return [HIDDEN] if _hides(program.target, layer) else []


def output_copy(program: Program, name: str, writer: Layer | None) -> int:
    """Bytes of the copy in the layout of the outside world that the NPU makes of a 4-D output; 0: there is none."""
    target, value = program.target, program.values[name]
    rule = str(target.limit("output_copy"))
    if rule == "none" or len(value.shape) != 4 or writer is None or writer.unit != "npu":
        return 0
    if value.dtype not in ("int8", "float16"):
        return 0
    batch, depth, height, width = value.shape
    size = element_bytes(value.dtype)
    if rule == "blocks":
        unit = channel_unit(target, value.dtype)
        pixels = batch * height * width
        beside = pixels if depth % unit else 8192 if pixels > 8192 else 0
        return (pixels * up(depth, unit) + beside * depth) * size
    if size == 2:
        return batch * up(height, 4) * width * up(depth, 4) * 2
    if width % 8 == 0:
        return 4 * batch * height * width * up(depth, 4)
    return batch * up(height, 8) * width * up(depth, 8)


def _hides(target: Target, layer: Layer) -> bool:
    return f"{layer.kind}@{layer.unit}" in target.limit("hidden_rooms") and not _swaps_width(layer)


def _swaps_width(layer: Layer) -> bool:
    return layer.kind == "Transpose" and list(layer.attributes.get("perm", ())) == [0, 3, 2, 1]


# ---- rows with tables and sums


def _softmax(program: Program, layer: Layer, wiring: Wiring) -> int:
    """Of a 2-D softmax to the byte; of one over channels or rows of a map within some percent."""
    value = program.values[program.features(layer)[0]]
    if len(value.shape) != 4:
        return 0
    rooms, unit = program.target.limit("softmax_rooms"), channel_unit(program.target, "float16")
    axis = int(layer.attributes.get("axis", -1)) % 4
    if value.shape[1] == 1 and axis == 3:
        native, table = native_bytes(value.shape, unit, 2), 2 * up(value.shape[3], 32)
        return int(rooms["native"]) * native + int(rooms["tables"]) * table + int(rooms["fixed"])
    along = value.shape[1 if axis == 1 else 3]
    filled = bumped(along, unit) if rooms["quads"] and axis == 1 else up(along, unit)
    copies, beside = rooms["channels" if axis == 1 else "rows"]
    return int((copies * filled + beside) * 2 * prod(value.shape) // along) + 64


def _norm(program: Program, layer: Layer, wiring: Wiring) -> int:
    """Sums in 32 bits of every channel, and lines of blocks beside them, for as many maps as are worked on at once."""
    value = program.values[program.features(layer)[0]]
    if len(value.shape) != 4:
        return 0
    unit = channel_unit(program.target, "int8")
    batch, depth, height, width = value.shape
    pixels = plane(height, width)
    rule = program.target.limit("norm_rooms")
    even = depth % unit == 0 and height * width > 1
    sums, lines = rule[value.dtype]["even" if even else "uneven"]
    room = up(sums * up(depth, unit) * pixels + lines * pixels * unit + 32, 64)
    return room * min(batch, int(rule["maps"]))


def _where(program: Program, layer: Layer, wiring: Wiring) -> int:
    """Three maps of blocks."""
    value = program.values[layer.outputs[0]]
    if len(value.shape) != 4:
        return 0
    units = channel_unit(program.target, value.dtype)
    dense = units * int(program.target.limit("convolution_units"))
    return 3 * native_bytes(value.shape, dense, element_bytes(value.dtype)) + 64


def _matmul(program: Program, layer: Layer, wiring: Wiring) -> int:
    """Three copies of the left matrix with its rows filled up; larger for odd sizes."""
    left = program.values[program.features(layer)[0]]
    if len(left.shape) != 4:
        return 0
    size = element_bytes(left.dtype)
    rows = channel_unit(program.target, left.dtype) * int(program.target.limit("convolution_units"))
    batch, inner, _, width = left.shape
    return batch * 3 * inner * up(width, rows) * size + 128


def _attention(program: Program, layer: Layer, wiring: Wiring) -> int:
    """An estimate: the product of queries and keys, one head at a time."""
    query = program.values[program.features(layer)[0]]
    if len(query.shape) != 4:
        return 0
    width = query.shape[3]
    unit = channel_unit(program.target, query.dtype)
    share = program.target.limit("attention_rooms")
    return int(share) * up(width, unit) * up(width, unit) * element_bytes(query.dtype)


def _resize(program: Program, layer: Layer, wiring: Wiring) -> int:
    """A resize done by convolution stretches its input first, with a border where it interpolates by two to eight."""
    name = program.features(layer)[0]
    source, result = program.values[name], program.values[layer.outputs[0]]
    if not resizes_by_convolution(program, layer):
        return 0
    batch, depth, height, width = source.shape
    linear = layer.attributes.get("mode", "nearest") == "linear"
    factor = result.shape[3] / width
    if factor < 1 or (not linear and factor <= 8):
        return 0
    border = 2 if linear else 0
    wide = width + border if factor <= 8 else result.shape[3]
    channels = up(depth, channel_unit(program.target, source.dtype))
    return batch * channels * plane(height + border, wide) * element_bytes(source.dtype)


def _broadcast(program: Program, layer: Layer) -> int:
    """An operand that is neither a scalar nor one value a channel is spread out first."""
    if layer.kind not in ("Add", "Sub", "Mul", "Div", "Max"):
        return 0
    result = program.values[layer.outputs[0]]
    if len(result.shape) != 4:
        return 0
    plain = ((1, 1, 1), (result.shape[1], 1, 1), result.shape[1:])
    shapes = [program.shape(name) for name in layer.inputs if name]
    if all(len(shape) != 4 or shape[1:] in plain for shape in shapes):
        return 0
    unit = channel_unit(program.target, result.dtype)
    channels = unit * int(program.target.limit("depthwise_units").get(result.dtype, 1))
    return native_bytes(result.shape, channels, element_bytes(result.dtype))


def _concat(program: Program, layer: Layer, wiring: Wiring) -> int:
    """All members in blocks of their own, where some do not fill theirs."""
    result = program.values[layer.outputs[0]]
    if not program.target.limit("concat_rooms") or len(result.shape) != 4:
        return 0
    unit = channel_unit(program.target, result.dtype)
    parts = [program.shape(name) for name in layer.inputs if name]
    if not any(len(part) == 4 and part[1] % unit and part[1] != result.shape[1] for part in parts):
        return 0
    return sum(native_bytes(part, unit, element_bytes(result.dtype)) for part in parts)


_ROOMS = {
    "exSoftmax13": _softmax,
    "exNorm": _norm,
    "Where": _where,
    "exMatMul": _matmul,
    "exSDPAttention": _attention,
    "Resize": _resize,
    "Concat": _concat,
}
