"""Tells apart the model formats that are protobufs, which carry no magic number.

A protobuf is a run of fields, each with a number and a wire type; which numbers hold what tells the schemas apart.
The fields are parsed by hand, skipping over their contents, so that a model of gigabytes costs a few short reads.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_MOST_FIELDS = 48
"""Top-level fields looked at. ONNX has its graph among the first dozen; Caffe and TensorFlow repeat one field."""

# Fields of onnx.ModelProto and onnx.GraphProto with their wire types (onnx.proto of ONNX 1.18).
_ONNX_MODEL = {1: _VARINT, 5: _VARINT} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), _BYTES)
_ONNX_GRAPH = dict.fromkeys((1, 2, 5, 10, 11, 12, 13, 14, 15, 16), _BYTES)


@dataclass(frozen=True, slots=True)
class Field:
    number: int
    wire: int
    value: int
    """A varint's value; the length of a field of bytes."""
    head: bytes
    """The beginning of a field of bytes."""
    whole: bool
    """The file does not end inside of it."""


def sniff_protobuf(file: BinaryIO, size: int) -> tuple[str, str] | None:
    """Format and sentence of a file that is a protobuf of a known schema, else None."""
    fields = []
    for field in _fields(file, 0, size):
        fields.append(field)
        if _is_graph(field) or (field.number == 8 and _is_onnx(fields)):
            break
    if not fields:
        return None
    if _is_onnx(fields):
        return "onnx", "is an ONNX model"
    return _other(fields)


def _is_onnx(fields: list[Field]) -> bool:
    """All fields are ModelProto's, and one of them is a graph, an operator set, or the exporter's name in text."""
    if any(_ONNX_MODEL.get(f.number) != f.wire for f in fields):
        return False
    if len(fields) == 1:  # a model that begins with its graph, or is cut inside its first field
        return _is_graph(fields[0])
    has_version = any(f.number == 1 and 0 < f.value < 100 for f in fields)
    return any(
        _is_graph(f)
        or (f.number == 8 and f.head[:1] in (b"", b"\n", b"\x10"))
        or (has_version and f.number in (2, 3, 6) and _is_words(f.head))
        for f in fields
    )


def _is_graph(field: Field) -> bool:
    """A GraphProto: field 7, and what it holds begins with fields of a graph."""
    if field.number != 7 or field.wire != _BYTES:
        return False
    if field.value == 0:
        return True
    first = next(_parse(field.head, 0, len(field.head), field.value), None)
    return first is not None and _ONNX_GRAPH.get(first.number) == first.wire and first.value <= field.value


def _other(fields: list[Field]) -> tuple[str, str] | None:
    """Schemas that are not ONNX, by their first fields and what these hold."""
    first, numbers = fields[0], {f.number for f in fields}
    inner = [f.number for f in _parse(first.head, 0, len(first.head), first.value)] if first.wire == _BYTES else []
    if first.number == 1 and first.wire == _VARINT and len(fields) > 1 and fields[1].wire == _BYTES:
        if numbers == {1, 2} and first.value == 1:
            return (
                "saved-model",
                "is a TensorFlow SavedModel; convert its directory with tf.lite.TFLiteConverter or tf2onnx",
            )
        if any(n >= 200 for n in numbers):  # the network itself is one of CoreML.Model's fields 200 to 3000
            return "coreml", "is a Core ML model; give the .onnx or .tflite model instead"
        return None
    if first.number == 1 and first.wire == _BYTES:
        if 100 in numbers or (numbers <= {1, 2, 3, 4, 5} and 2 in numbers and _is_words(first.head)):
            return "caffemodel", "is a Caffe model; convert it to ONNX first"
        if 5 in numbers and _is_words(first.head):
            return (
                "xmodel",
                "is an xmodel, already compiled or quantised; give the .onnx or .tflite model that it was made from",
            )
        if inner[:2] == [1, 2] and numbers <= {1, 2, 3, 4}:  # NodeDef: name, operator
            return (
                "graphdef",
                "is a frozen TensorFlow graph; convert it with tf.lite.TFLiteConverter.from_frozen_graph or tf2onnx",
            )
        if first.head.startswith(b"\x08\x00\x10"):  # BlockDesc: index 0, parent
            return "paddle", "is a PaddlePaddle program; convert it with paddle2onnx"
    if first.number in (2, 100) and 100 in numbers:
        return "caffemodel", "is a Caffe model; convert it to ONNX first"
    return None


def _is_words(head: bytes) -> bool:
    """Printable text (or nothing), where another schema would have a message."""
    return all(32 <= b < 127 for b in head)


def _fields(file: BinaryIO, start: int, size: int) -> Iterator[Field]:
    """The top-level fields of a file: their contents are skipped, all but the first bytes."""
    offset = start
    for _ in range(_MOST_FIELDS):
        file.seek(offset)
        window = file.read(96)
        field = next(_parse(window, 0, len(window), size - offset), None)
        if field is None:
            return
        yield field
        if not field.whole:
            return
        offset += _length(window, field)
        if offset >= size:
            return


def _parse(data: bytes, start: int, end: int, size: int) -> Iterator[Field]:
    """Fields in ``data``, which is the beginning of a message of ``size`` bytes."""
    at = start
    while at < end:
        tag, body = _varint(data, at)
        if tag is None or tag >> 3 == 0:
            return
        number, wire = tag >> 3, tag & 7
        if wire == _VARINT:
            value, after = _varint(data, body)
            if value is None:
                return
            yield Field(number, wire, value, b"", True)
        elif wire == _BYTES:
            value, body = _varint(data, body)
            if value is None:
                return
            after = body + value
            yield Field(number, wire, value, data[body : min(after, body + 64)], after <= size)
        elif wire in (_FIXED64, _FIXED32):
            after = body + (8 if wire == _FIXED64 else 4)
            yield Field(number, wire, 0, b"", after <= size)
        else:
            return
        at = after


def _length(window: bytes, field: Field) -> int:
    """Bytes of the first field in ``window``, tag included."""
    _, body = _varint(window, 0)
    if field.wire == _VARINT:
        return _varint(window, body)[1]
    if field.wire == _BYTES:
        return _varint(window, body)[1] + field.value
    return body + (8 if field.wire == _FIXED64 else 4)


def _varint(data: bytes, at: int) -> tuple[int | None, int]:
    """A variable-length integer and the offset behind it; None when it does not end within ten bytes."""
    value = 0
    for k, byte in enumerate(data[at : at + 10]):
        value |= (byte & 0x7F) << (7 * k)
        if byte < 0x80:
            return value, at + k + 1
    return None, at
