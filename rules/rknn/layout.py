"""Bytes of a feature map as the NPU stores it: NC1HWC2, channels in blocks.

A 4-D tensor takes N * C' * HW' * element bytes: channels rounded up to what its producer writes at once, a plane of
more than one pixel rounded up to four. The numbers are those of the log's feature tables (rknn-toolkit2 2.5.0).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod

from lintmodel.target import Target

from .program import Layer, Program, Shape, Value

ELEMENT = {"int8": 1, "uint8": 1, "bool": 1, "float16": 2, "int16": 2, "float32": 4, "int32": 4, "int64": 8}
"""Bytes of one element by type."""

SHORT_TABLES = ("Sigmoid", "HardSigmoid", "Tanh", "Sqrt")
LONG_TABLES = ("exSwish", "HardSwish", "exGelu", "exMish", "Softplus", "Elu")
"""Activations the NPU reads from tables: one pass, and more than one."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """Who writes and who reads every tensor of a program."""

    writer: Mapping[str, Layer]
    readers: Mapping[str, Sequence[Layer]]


def wire(program: Program) -> Wiring:
    """Looked up once for the whole program."""
    writer: dict[str, Layer] = {}
    readers: dict[str, list[Layer]] = {}
    for layer in program.layers:
        for name in layer.outputs:
            writer[name] = layer
        for name in dict.fromkeys(layer.inputs):
            readers.setdefault(name, []).append(layer)
    return Wiring(writer, readers)


def up(number: int, step: int) -> int:
    """``number`` rounded up to a multiple of ``step``."""
    return -(-number // step) * step


def element_bytes(dtype: str) -> int:
    return ELEMENT.get(dtype, 4)


def channel_unit(target: Target, dtype: str) -> int:
    """C2: channels that lie side by side, for elements of a type."""
    return max(1, int(target.limit("channel_bytes")) // element_bytes(dtype))


def plane(height: int, width: int) -> int:
    """Pixels of a plane as stored: one, or a multiple of four."""
    return height * width if height * width == 1 else up(height * width, 4)


def native_bytes(shape: Shape, channels: int, size: int) -> int:
    """N * C' * HW' * element bytes of a 4-D tensor whose channels are rounded up to a multiple of ``channels``."""
    batch, depth, height, width = shape
    return batch * up(depth, channels) * plane(height, width) * size


def filled_bytes(shape: Shape, channels: int, size: int) -> int:
    """The same with every row of pixels filled up to a block."""
    return shape[0] * up(shape[1], channels) * shape[2] * up(shape[3], channels) * size


def tensor_bytes(program: Program, value: Value, wiring: Wiring) -> int:
    """Bytes of a feature map. ``value.shape`` as the layer table prints it."""
    target, shape, size = program.target, value.shape, element_bytes(value.dtype)
    writer, readers = wiring.writer.get(value.name), wiring.readers.get(value.name, ())
    unit = channel_unit(target, value.dtype)
    if size > 2 or len(shape) < 2:
        return prod(shape) * size if writer is None else up(prod(shape) * size, 64)
    if len(shape) != 4:
        flat = writer is None or (writer.kind == "Reshape" and is_dense(program, program.features(writer)[0], wiring))
        if flat and target.limit("dense_inputs" if writer is None else "dense_vectors"):
            return up(prod(shape) * size, 64)
        return _other_rank_bytes(target, shape, unit, size, writer)
    if writer is None:
        image = shape[1] <= 4 and all(is_convolution(reader) for reader in readers)
        return prod(shape) * size if image else native_bytes(shape, unit, size)
    if writer.kind == "exDataConvert":
        return _converted_bytes(target, shape, size, writer)
    if writer.kind == "Transpose" and writer.unit != "cpu" and copies_transpose(program, writer):
        return transposed_bytes(program, writer) * int(target.limit("transpose_output_room"))
    if target.limit("dense_vectors") and writer.kind == "Reshape" and is_dense(program, value.name, wiring):
        return up(prod(shape) * size, 64)
    channels, times = _written(program, writer, readers, value.dtype)
    alone = writer.unit != "cpu" and writer.kind in (*SHORT_TABLES, *LONG_TABLES)
    copied = target.limit("reshape_rooms") != "none" and any(reader.kind == "Reshape" for reader in readers)
    if alone and copied and shape[1] % unit:
        return up(prod(shape) * size, 64) * (1 if target.limit("dense_vectors") else times)
    extra = _tiling_extra(program, writer, shape, size, channels)
    whole = shape[0] * (up(shape[1], channels) + extra) * plane(shape[2], shape[3]) * size
    return whole * times


def is_convolution(layer: Layer) -> bool:
    """A convolution row with whatever is fused into it, transposed ones not."""
    return layer.kind.startswith("Conv") and not layer.kind.startswith("ConvTranspose")


def is_depthwise(program: Program, layer: Layer) -> bool:
    """One filter per channel: the weight is (1,C,kh,kw), or (C,1,kh,kw) as in the file, and C channels come out."""
    if not layer.kind.startswith("Conv") or len(layer.inputs) < 2 or not layer.outputs:
        return False
    weight, read, written = (program.shape(n) for n in (layer.inputs[1], layer.inputs[0], layer.outputs[0]))
    if not len(weight) == len(read) == len(written) == 4:
        return False
    if layer.kind.startswith("ConvTranspose"):
        weight = (weight[1], weight[0], *weight[2:])
    return sorted(weight[:2]) == [1, read[1]] and read[1] == written[1] > 1


def resizes_by_convolution(program: Program, layer: Layer) -> bool:
    """Linear resizes, and nearest ones by a factor other than 2 to 8."""
    if layer.kind != "Resize" or layer.unit == "cpu":
        return False
    source, result = program.shape(program.features(layer)[0]), program.shape(layer.outputs[0])
    if len(source) != 4 or len(result) != 4:
        return False
    if str(layer.attributes.get("mode", "nearest")) not in ("nearest", "b'nearest'"):
        return True
    factors = [after / before for before, after in zip(source[2:], result[2:], strict=True)]
    return any(factor not in (1, 2, 3, 4, 5, 6, 7, 8) for factor in factors)


def activation(kind: str) -> str:
    """What is fused into a convolution row (``exSwish`` of ``ConvExSwish``); for any other row its own kind."""
    if not kind.startswith("Conv"):
        return kind
    fused = kind.removeprefix("ConvTranspose") if kind.startswith("ConvTranspose") else kind.removeprefix("Conv")
    return "ex" + fused[2:] if fused.startswith("Ex") else fused


# ---- 4-D tensors


def _written(program: Program, writer: Layer, readers: Sequence[Layer], dtype: str) -> tuple[int, int]:
    """Channels the writer rounds up to, and how many times the room of the tensor it takes."""
    target, unit = program.target, channel_unit(program.target, dtype)
    dense = unit * int(target.limit("convolution_units"))
    times = _table_room(target, writer, dtype)
    if writer.kind == "MaxPool" and writer.unit != "cpu":
        times = int(target.limit("pool_room"))
    if is_convolution(writer) and dtype == "float16" and any(r.kind == "exNorm" for r in readers):
        times = max(times, int(target.limit("norm_input_room")))
        if times > 1:
            return dense, times
    if (
        (writer.kind == "Expand" and writer.unit != "cpu")
        or resizes_by_convolution(program, writer)
        or (is_depthwise(program, writer) and times == 1)
    ):
        return unit * int(target.limit("depthwise_units").get(dtype, 1)), times
    if writer.kind.startswith("Conv"):
        return dense, times
    if _moved(program, writer, unit) and any(reader.kind.startswith("Conv") for reader in readers):
        return dense, times
    if writer.kind in ("exMatMul", "exSDPAttention") and program.shape(writer.outputs[0])[0] == 1:
        return dense, times
    if writer.kind == "Concat" and _unaligned_parts(program, writer, unit):
        return 2 * unit, times
    return unit, times


def _table_room(target: Target, writer: Layer, dtype: str) -> int:
    word = activation(writer.kind)
    if writer.unit == "cpu" or word not in (*SHORT_TABLES, *LONG_TABLES):
        return 1
    fused = "fused" if writer.kind.startswith("Conv") else "alone"
    length = "short" if word in SHORT_TABLES else "long"
    room = target.limit("table_room").get(dtype, {})  # int8 and float16; what a file quantised as uint8 has none
    return int(room.get(f"{fused}_{length}", 1))


def _unaligned_parts(program: Program, concat: Layer, unit: int) -> bool:
    """A concatenation over channels of maps whose channels do not fill their blocks."""
    depth = program.shape(concat.outputs[0])[1]
    parts = [program.shape(name) for name in concat.inputs if name]
    return any(len(part) == 4 and part[1] % unit and part[1] != depth for part in parts)


def _tiling_extra(program: Program, writer: Layer, shape: Shape, size: int, channels: int) -> int:
    """Channels a convolution writes past the end of its output when the toolkit tiles it."""
    if len(writer.inputs) < 2 or not writer.inputs[1] or size > 2:
        return 0
    target, source, weight = program.target, program.shape(writer.inputs[0]), program.shape(writer.inputs[1])
    unit = channel_unit(target, "int8" if size == 1 else "float16")
    dtype = "int8" if size == 1 else "float16"
    rule = target.limit("depthwise_spill")
    if is_depthwise(program, writer):
        wide = up(shape[1], int(rule["align"])) * source[3]
        spills = shape[1] >= rule["channels"] and source[3] >= rule["width"] and wide >= rule["product"]
        return unit * int(rule["blocks"]) if spills and dtype in rule["types"] else 0
    banks = int(target.limit("pointwise_banks"))
    if not banks or not is_convolution(writer) or weight[2:] != (1, 1) or shape[2] * shape[3] == 1:
        return 0
    bank = 32768
    filters = -(-weight[0] * up(weight[1], unit) * size // bank)
    pixels = -(-up(source[1], unit) * up(source[2] * source[3], 4) * size // bank)
    return channels if filters + pixels > banks > pixels else 0


_COPIED = ("Max", "Pow", "Resize", "Slice")
"""Rows whose result is copied together when they run on the CPU, although the NPU knows their kind."""


def _moved(program: Program, writer: Layer, unit: int) -> bool:
    """Rows whose result is copied together: a convolution behind them finds it in its own blocks."""
    if writer.kind == "Reshape" or (writer.unit == "cpu" and writer.kind in _COPIED):
        return True
    if writer.kind != "Slice":
        return False
    depth = program.shape(writer.outputs[0])[1]
    return depth % unit != 0 and program.shape(program.features(writer)[0])[1] != depth


# ---- transpositions


def copies_transpose(program: Program, layer: Layer) -> bool:
    """Whether a Transpose on the NPU goes through copies: all but those that the hardware does at once."""
    target = program.target
    shape, result = program.shape(program.features(layer)[0]), program.values[layer.outputs[0]]
    if not target.limit("transpose_rooms") or len(shape) != 4 or len(result.shape) != 4:
        return False
    unit = channel_unit(target, result.dtype)
    perm = "".join(map(str, layer.attributes.get("perm", ())))
    if perm == "0321" and (shape[1] % unit or shape[3] % unit):
        return True
    return perm not in target.limit("transposes_at_once").get(result.dtype, ())


def transposed_bytes(program: Program, layer: Layer) -> int:
    """Bytes of a transposition's output: neither side may be larger, and rows are filled up to a block."""
    shape, result = program.shape(program.features(layer)[0]), program.values[layer.outputs[0]]
    unit, size = channel_unit(program.target, result.dtype), element_bytes(result.dtype)
    perm = list(layer.attributes.get("perm", ()))
    sides = [native_bytes(shape, unit, size), native_bytes(result.shape, unit, size)]
    if perm in ([0, 3, 2, 1], [0, 2, 3, 1]):
        sides.append(filled_bytes(result.shape, unit, size))
    elif perm[-1:] == [3]:
        sides.append(filled_bytes(shape, unit, size))
    return max(sides)


# ---- other tensors


def is_dense(program: Program, name: str, wiring: Wiring) -> bool:
    """A tensor that is stored as the file has it (``UNDEFINED`` in the table)."""
    value, writer = program.values[name], wiring.writer.get(name)
    if len(value.shape) != 4:
        return True
    readers = wiring.readers.get(name, ())
    if any(reader.unit == "cpu" and reader.kind == "exNorm" for reader in readers):
        return True
    if value.shape[1] % channel_unit(program.target, value.dtype) == 0:
        return False
    around = [*readers] if writer is None else [writer, *readers]
    return any(other.kind == "exSoftmax13" or _flat(other) for other in around)


def _flat(layer: Layer) -> bool:
    """A row that works on the tensor as a list of elements."""
    tables = layer.kind in SHORT_TABLES or layer.kind in LONG_TABLES
    return layer.kind == "exDataConvert" or tables or (layer.unit == "cpu" and layer.kind != "Reshape")


def bumped(depth: int, unit: int) -> int:
    """Channels rounded up to blocks; three blocks of four are filled up to four."""
    blocks = -(-depth // unit)
    return (blocks + 1 if blocks % 4 == 3 else blocks) * unit


def _converted_bytes(target: Target, shape: Shape, size: int, writer: Layer) -> int:
    """A vector stays as it is; of a map, three blocks of four are filled up."""
    if shape[1] == 1 and writer.unit != "cpu":
        return prod(shape) * size
    return native_bytes((shape[0], bumped(shape[1], channel_unit(target, "float16")), *shape[2:]), 1, size)


def _other_rank_bytes(target: Target, shape: Shape, unit: int, size: int, writer: Layer | None) -> int:
    """2-D and 3-D tensors, and those of more than four dimensions."""
    dense = prod(shape) * size
    if len(shape) == 2:
        blocks = shape[0] * up(shape[1], unit) * size
        return blocks if writer is None or target.limit("matrix_in_blocks") else up(dense, 64)
    if writer is None:
        short = shape[1] <= 4 or len(shape) == 5
        return dense if short else shape[0] * up(shape[1], unit) * plane(1, prod(shape[2:])) * size
    if writer.unit == "cpu" and shape[1] % unit and len(shape) == 3:
        return up(dense, 64)
    return shape[0] * up(shape[1], unit) * plane(1, prod(shape[2:])) * size
