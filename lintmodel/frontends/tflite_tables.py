"""Reads the tables of a TFLite file without trusting them.

The ``tflite`` package turns the offsets in a flatbuffer into values and checks none of them, and Python has no
flatbuffer verifier. So every vector is measured before it is walked, and all walking together is limited by the size
of the file: a file of N bytes cannot name more than N things, unless its offsets point back into themselves.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UnreadableModel
from ..ir import Constant, Quantization

if TYPE_CHECKING:
    import numpy as np

DAMAGE = (struct.error, TypeError, ValueError, IndexError, OverflowError)
"""What the flatbuffers package raises on offsets that lead out of the file."""


class Damaged(Exception):
    """The file contradicts itself: ``reason`` says where, ``offset`` is the byte, where that is known."""

    def __init__(self, reason: str, offset: int | None = None) -> None:
        super().__init__(reason)
        self.reason, self.offset = reason, offset


@dataclass
class Tables:
    """An open TFLite file. ``data`` stays mapped for as long as constants that read from it live."""

    path: str
    data: mmap.mmap | bytes
    model: Any
    budget: int
    """Vector elements and characters that may still be read; a table counts as the bytes it takes at least."""

    def spend(self, count: int, table: Any = None) -> None:
        self.budget -= count
        if self.budget < 0:
            raise Damaged("its tables refer to one another in circles or overlap", _position(table))

    def each(self, table: Any, field: str) -> Iterator[Any]:
        """The tables in a vector of tables: ``each(model, "Subgraphs")``."""
        count = getattr(table, f"{field}Length")()
        if count * 4 > len(self.data):  # an offset of 4 bytes for each
            raise Damaged(f"a list of {count} {field.lower()} cannot fit into {len(self.data)} bytes", _position(table))
        self.spend(count * _TABLE_BYTES, table)
        at = getattr(table, field)
        return (at(k) for k in range(count))

    def numbers(self, table: Any, field: str) -> tuple[Any, ...]:
        """A vector of numbers; empty when the field is left out."""
        vector = getattr(table, f"{field}AsNumpy")()
        if isinstance(vector, int):  # the generated code says 0 for a field that is not there
            return ()
        self.spend(len(vector), table)
        return tuple(vector.tolist())

    def text(self, value: bytes | None) -> str:
        self.spend(len(value or b""))
        return (value or b"").decode("utf-8", "replace")

    def bytes_of(self, buffer: int) -> tuple[int, int]:
        """Where the bytes of a buffer lie, as offset and length; length 0 when it has none."""
        if buffer >= self.model.BuffersLength():
            raise Damaged(f"buffer {buffer} is used, and there are {self.model.BuffersLength()} buffers")
        table = self.model.Buffers(buffer)
        length = table.DataLength()
        if length:
            return table._tab.Vector(table._tab.Offset(4)), length  # slot 0 of the table: data
        # Files above 2 GB keep the bytes behind the flatbuffer; 1 is what a writer puts before it knows the place.
        offset, size = table.Offset(), table.Size()
        return (offset, size) if offset > 1 and size > 0 else (0, 0)


def open_tables(path: str | os.PathLike[str], edited: bytes | None = None) -> Tables:
    """Maps a TFLite file into memory, or takes its bytes as they would be. Raises UnreadableModel when it cannot be
    opened or is not TFLite."""
    name = os.fspath(path)
    data: mmap.mmap | bytes
    try:
        if edited is not None:
            data = edited
        else:
            with Path(path).open("rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except FileNotFoundError:
        raise UnreadableModel(name, "does not exist") from None
    except (OSError, ValueError) as error:  # mmap refuses an empty file with ValueError
        raise UnreadableModel(name, f"cannot be read: {error}") from error
    if data[4:8] != b"TFL3":
        raise UnreadableModel(name, "is not a TensorFlow Lite model: 'TFL3' is missing", 4)
    (root,) = struct.unpack_from("<I", data)
    if root + 4 > len(data):
        raise UnreadableModel(name, f"is truncated: it has {len(data)} bytes and begins at byte {root}", len(data))
    import tflite

    # Vectors are counted by elements, not bytes, which leaves room for those that several tensors share: of the 77
    # models this was measured on none spent half of its size. The constant is for files of a few hundred bytes.
    return Tables(name, data, tflite.Model.GetRootAs(data, 0), len(data) + 1000)


_TABLE_BYTES = 8
"""The offset that points to a table, and the table's own offset to its list of fields."""


def builtin_code(code: Any) -> int:
    """The number of an operator code.

    Codes above 127 have a field of their own; older writers fill in only the first one, some newer ones only the
    second. The package's accessor of the second looks at codes above 127 alone, hence the field itself.
    """
    table = code._tab
    offset = table.Offset(10)
    own = struct.unpack_from("<i", table.Bytes, table.Pos + offset)[0] if offset else 0
    return max(int(own), int(code.DeprecatedBuiltinCode()))


def quantization(tables: Tables, tensor: Any) -> Quantization | None:
    """Scales and zero points of a tensor; None when it has none."""
    table = tensor.Quantization()
    if table is None:
        return None
    scales = tables.numbers(table, "Scale")
    if not scales:
        return None
    zero_points = tables.numbers(table, "ZeroPoint")
    zero_points += (0,) * (len(scales) - len(zero_points))
    axis = table.QuantizedDimension() if len(scales) > 1 else None
    has_range = bool(tables.numbers(table, "Min")) and bool(tables.numbers(table, "Max"))
    return Quantization(scales, zero_points[: len(scales)], axis, has_range)


# TensorType of the schema: (name, numpy type of the stored bytes, bits an element takes; 0 when that varies).
_DTYPES: dict[int, tuple[str, str, int]] = {
    0: ("float32", "<f4", 32),
    1: ("float16", "<f2", 16),
    2: ("int32", "<i4", 32),
    3: ("uint8", "u1", 8),
    4: ("int64", "<i8", 64),
    5: ("string", "", 0),
    6: ("bool", "?", 8),
    7: ("int16", "<i2", 16),
    8: ("complex64", "<c8", 64),
    9: ("int8", "i1", 8),
    10: ("float64", "<f8", 64),
    11: ("complex128", "<c16", 128),
    12: ("uint64", "<u8", 64),
    13: ("resource", "", 0),
    14: ("variant", "", 0),
    15: ("uint32", "<u4", 32),
    16: ("uint16", "<u2", 16),
    17: ("int4", "u1", 4),
    18: ("bfloat16", "<u2", 16),
}


def dtype_name(tensor_type: int) -> str:
    return _DTYPES.get(tensor_type, ("unknown", "", 0))[0]


def byte_size(tensor_type: int, elements: int) -> int | None:
    """Bytes that so many elements take; None for types whose elements differ in size."""
    bits = _DTYPES.get(tensor_type, ("", "", 0))[2]
    return (elements * bits + 7) // 8 if bits else None


def constant(tables: Tables, tensor_type: int, shape: tuple[int, ...], at: int, length: int) -> Constant:
    """The values in bytes ``at`` to ``at + length`` of the file, read when they are asked for.

    int4 is unpacked to int8, the lower half of a byte first, and bfloat16 widened to float32, as numpy has neither.
    None for types that are not numbers.
    """
    data = tables.data

    def load() -> np.ndarray[Any, Any] | None:
        import numpy as np

        name, stored, bits = _DTYPES.get(tensor_type, ("", "", 0))
        if not bits:
            return None
        values: np.ndarray[Any, Any] = np.frombuffer(data, np.uint8, length, at).view(stored)
        if name == "int4":
            halves = np.stack([values << 4, values & 0xF0], axis=-1).reshape(-1)
            values = halves.view(np.int8)[: int(np.prod(shape))] >> 4
        elif name == "bfloat16":
            values = (values.astype(np.uint32) << 16).view(np.float32)
        return values.reshape(shape)

    return Constant(load)


def _position(table: Any) -> int | None:
    return table._tab.Pos if table is not None else None
