"""Bytes of the weight memory: every constant as the NPU packs it, and what the toolkit adds per network or row.

Packing and amounts as in the constant tables of rknn-toolkit2 2.5.0; each constant begins at a multiple of 64 bytes.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from .layout import (
    LONG_TABLES,
    SHORT_TABLES,
    activation,
    bumped,
    channel_unit,
    element_bytes,
    is_convolution,
    is_depthwise,
    native_bytes,
    resizes_by_convolution,
    up,
)
from .program import Layer, Program, Shape


def weight_bytes(program: Program) -> dict[str, int]:
    """Bytes by constant. Tensors of the toolkit's own making have names of their own; ``overhead`` is the rest."""
    found: dict[str, int] = {}
    for index, layer in enumerate(program.layers):
        for name, size in _constants(program, layer, index):
            found[name] = max(found.get(name, 0), up(size, 64))
    found["overhead"] = _overhead(program)
    return found


def _constants(program: Program, layer: Layer, index: int) -> Iterator[tuple[str, int]]:
    if layer.kind.startswith("Conv") and len(layer.inputs) > 1:
        yield from _convolution(program, layer, index)
    elif layer.kind in ("exLSTM", "exGRU") and layer.unit != "cpu":
        yield from _recurrent(program, layer, index)
    elif layer.kind == "Resize":
        yield from _resize(program, layer, index)
    elif layer.kind == "BatchNormalization":
        depth = program.shape(layer.outputs[0])[1]
        for number, size in enumerate((2, 4, 4, 2)):
            yield f"{index}:{number}", size * up(depth, dense_unit(program))
    elif layer.kind in _VECTORS:
        for number, entries in enumerate(_VECTORS[layer.kind](program, layer)):
            yield f"{index}:{number}", 8 * entries
        yield from _others(program, layer, skip_integers=True)
    else:
        yield from _others(program, layer, skip_integers=False)


def dense_unit(program: Program) -> int:
    """Channels that a dense convolution writes at once."""
    return channel_unit(program.target, program.dtype) * int(program.target.limit("convolution_units"))


# ---- convolutions


def _convolution(program: Program, layer: Layer, index: int) -> Iterator[tuple[str, int]]:
    size = 1 if program.quantized else 2
    for position, name in enumerate(layer.inputs[1:3], 1):
        if not name or not program.constant(name):
            continue
        shape = program.shape(name)
        if position == 1 and len(shape) == 4:
            yield name, packed_weight(program, layer, shape, size)
        elif len(shape) == 1:
            yield name, _bias(program, layer)
    bias = len(layer.inputs) > 2 and bool(layer.inputs[2]) and program.constant(layer.inputs[2])
    if program.quantized and not bias:
        # The copy of an image, and a convolution with computed weights, have scales and no shifts.
        weight, depth = program.values[layer.inputs[1]], program.shape(layer.outputs[0])[1]
        half = weight.load is None and is_convolution(layer) and (not weight.constant or 1 < depth <= 4)
        yield f"{index}:bias", _bias(program, layer) // (2 if half else 1)
    for name in layer.inputs[3:]:
        if name and program.constant(name):
            yield name, constant_bytes(program, layer, name)


def packed_weight(program: Program, layer: Layer, shape: Shape, size: int) -> int:
    """Bytes of a filter (O,I,kh,kw), of one (1,C,kh,kw) of a depthwise convolution."""
    target = program.target
    dtype = "int8" if size == 1 else "float16"
    unit = channel_unit(target, dtype)
    filters, depth, *kernel = shape
    if layer.kind.startswith("ConvTranspose"):
        filters, depth = depth, filters
    if is_depthwise(program, layer):
        depth = max(filters, depth)
        rule = target.limit("depthwise_packing")[dtype]
        channels = bumped(depth, int(rule["align"])) if rule["quads"] else up(depth, int(rule["align"]))
        return channels * int(rule["times"]) * prod(kernel) * size
    filters = up(filters, 2) if dtype in target.limit("even_filters") else filters
    if _reads_image(program, layer, depth):
        source, result = program.shape(layer.inputs[0]), program.shape(layer.outputs[0])
        patch = depth == 1 or (len(source) == len(result) == 4 and source[3] // max(1, result[3]) == kernel[-1])
        channels = int(target.limit("patch_channels" if patch else "image_channels")[dtype])
    elif dtype in target.limit("quad_channels"):
        channels = bumped(depth, unit)
    else:
        channels = up(depth, unit)
    return filters * channels * prod(kernel) * size


def _reads_image(program: Program, layer: Layer, depth: int) -> bool:
    return depth <= 4 and layer.inputs[0] in program.inputs and is_convolution(layer)


def _bias(program: Program, layer: Layer) -> int:
    """Bytes of a bias. In int8 the scales of the output channels lie beside it."""
    target = program.target
    depth = program.shape(layer.outputs[0])[1] if len(program.shape(layer.outputs[0])) > 1 else 1
    rule = target.limit("bias_packing")
    if not program.quantized:
        align = int(rule["depthwise_float"]) if is_depthwise(program, layer) else 16
        return 4 * up(depth, align)
    kind = "depthwise" if is_depthwise(program, layer) else "dense"
    whole = int(rule[f"{kind}_bytes"]) * up(depth, int(rule[f"{kind}_align"]))
    return whole // 2 if depth == 1 else whole


# ---- other rows


def _rank(program: Program, layer: Layer) -> list[int]:
    return [len(program.shape(layer.outputs[0]))]


def _axes(program: Program, layer: Layer) -> list[int]:
    given = [prod(program.shape(n)) for n in layer.inputs[1:] if n and program.values[n].dtype == "int64"]
    return given or [max(1, len(layer.attributes.get("axes", ()) or ()))]


def _slice(program: Program, layer: Layer) -> list[int]:
    given = [prod(program.shape(n)) for n in layer.inputs[1:] if n and program.constant(n)]
    return given if len(given) >= 3 else [max(1, len(layer.attributes.get("axes", ()) or ()))] * 4


def _split(program: Program, layer: Layer) -> list[int]:
    return [len(layer.outputs)]


def _pad(program: Program, layer: Layer) -> list[int]:
    return [2 * len(program.shape(layer.outputs[0]))]


def _resize(program: Program, layer: Layer, index: int) -> Iterator[tuple[str, int]]:
    """A region that is empty, one for all rows; the scales, or the sizes where the file gives these."""
    sizes = len(layer.inputs) > 3 and bool(layer.inputs[3])
    if layer.unit == "cpu":
        yield "region@cpu", 64
        yield f"{index}:scales", 64
        return
    unit = channel_unit(program.target, program.dtype)
    wide = 4 * unit * int(program.target.limit("depthwise_units")[program.dtype])
    yield "region", wide
    yield f"{index}:scales", 64 if sizes or not program.target.limit("scales_in_blocks") else wide


_VECTORS = {
    "Reshape": _rank,
    "Expand": _rank,
    "Tile": _rank,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    **{f"Reduce{word}": _axes for word in ("Max", "Min", "L1", "L2", "Prod", "LogSumExp", "SumSquare", "Sum", "Mean")},
}


def _recurrent(program: Program, layer: Layer, index: int) -> Iterator[tuple[str, int]]:
    """Gates of 32 rows each; initial states and their zeros beside them."""
    gates = 4 if layer.kind == "exLSTM" else 3
    features = program.features(layer)
    hidden = program.shape(layer.outputs[0])[-1]
    width = prod(program.shape(features[0])[2:]) if features else hidden
    size = 1 if program.quantized and gates == 4 else 2
    yield f"{index}:w", gates * hidden * width * size
    yield f"{index}:r", gates * hidden * hidden * size
    yield f"{index}:b", 2 * gates * hidden * (8 if size == 1 else 4)
    if gates == 4:
        yield f"{index}:h", hidden * hidden * 4
        yield f"{index}:o", 512


def _others(program: Program, layer: Layer, *, skip_integers: bool) -> Iterator[tuple[str, int]]:
    for name in layer.inputs:
        if name and program.constant(name) and not (skip_integers and program.values[name].dtype == "int64"):
            yield name, constant_bytes(program, layer, name)


_LISTS = ("Max", "Pow", "Resize", "Slice")
"""Rows whose constants stay lists when they run on the CPU, although the NPU knows their kind."""


def constant_bytes(program: Program, layer: Layer, name: str) -> int:
    """Bytes of a constant of a row that is no convolution, as a feature map or as a list."""
    value = program.values[name]
    shape, unit = value.shape, dense_unit(program)
    size = 1 if program.quantized else 2
    if value.dtype in ("int64", "int32", "bool"):
        return prod(shape) * element_bytes(value.dtype)
    if layer.kind == "exNorm":
        # Scale in 16 and shift in 32 bits; on the CPU both in 32.
        half = layer.unit != "cpu" and len(layer.inputs) > 1 and name == layer.inputs[1]
        return (2 if half else 4) * up(prod(shape), unit)
    if (layer.unit == "cpu" and layer.kind in _LISTS) or (layer.kind in ("Add", "Sub") and prod(shape) == 1):
        return 4 * prod(shape)
    if layer.kind in ("Equal", "GreaterOrEqual", "LessOrEqual") and layer.outputs:
        # Comparisons spread their constant over the map.
        shape = program.shape(layer.outputs[0])
    if prod(shape) == 1 or layer.unit == "cpu":
        return 4 * _in_blocks(shape, unit)
    if layer.kind == "Concat":
        return size * _in_blocks(shape, unit)
    return size * _in_blocks(shape, channel_unit(program.target, program.dtype))


def _in_blocks(shape: Shape, unit: int) -> int:
    """Elements of a constant with its channels rounded up."""
    if prod(shape) == 1:
        return unit
    return native_bytes(shape, unit, 1) if len(shape) == 4 else prod(shape)


# ---- what the toolkit adds


def _overhead(program: Program) -> int:
    """Command lists and tables: once per network with a convolution, on some platforms per row as well."""
    rule = program.target.limit("weight_overhead")[program.dtype]
    total = 0
    kinds = {layer.kind for layer in program.layers}
    if any(is_convolution(layer) for layer in program.layers) or kinds & set(rule["also"]):
        total += int(rule["network"])
    if not rule["rows"]:
        return total
    units = sum(_row_units(program, layer, rule["rows"]) for layer in program.layers if layer.unit != "cpu")
    return total + int(rule["unit"] * units)


def _row_units(program: Program, layer: Layer, rows: dict[str, float]) -> float:
    word = activation(layer.kind)
    if layer.kind == "Resize":
        word = "Resize by convolution" if resizes_by_convolution(program, layer) else "Resize"
    if layer.kind == "Pad" and str(layer.attributes.get("mode", "constant")) != "constant":
        return 0
    if layer.kind == "Concat" and layer.attributes.get("axis", 1) == 1:
        return 0
    if not layer.kind.startswith("Conv"):
        return rows["table"] if word in (*SHORT_TABLES, *LONG_TABLES) else rows.get(word, 0)
    units = rows.get("depthwise", 0) if is_depthwise(program, layer) else rows.get("convolution", 0)
    return units + (rows["table"] if word in (*SHORT_TABLES, *LONG_TABLES) else rows.get(f"fused {word}", 0))
