"""Bytes to a ModelProto, or one sentence saying why not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..errors import UnreadableModel
from .onnx_names import repair_names
from .sniff import sniff

LIMIT = 1 << 31  # protobuf's own: it counts bytes in signed 32-bit numbers


def load_model(path: str) -> Any:
    """The ModelProto in a file; external data are not read. Raises UnreadableModel."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    data = _read(path)
    try:
        model = onnx.ModelProto.FromString(data)
    except DecodeError as error:
        raise _unreadable(path, data) from error
    # Almost any bytes are a protobuf message; those of a model say at least which version of ONNX they follow.
    if not model.HasField("graph") and not (model.ir_version and model.opset_import):
        raise _unreadable(path, data)
    repair_names(model)
    return model


def _read(path: str) -> bytes:
    try:
        size = Path(path).stat().st_size
        if size >= LIMIT:
            raise UnreadableModel(
                path,
                f"is {size / 2**30:.1f} GiB, and protobuf cannot hold more than 2 GiB in one file; save the weights "
                "in a file beside it (onnx.save with save_as_external_data=True)",
            )
        return Path(path).read_bytes()
    except (OSError, ValueError) as error:
        raise UnreadableModel(path, sniff(path).advice) from error


def _unreadable(path: str, data: bytes) -> UnreadableModel:
    """What these bytes are instead of a model, or how the model is damaged."""
    kind = sniff(path)
    if kind.format != "onnx":
        what = f"is no ONNX model: it {kind.advice}" if kind.readable else kind.advice
        return UnreadableModel(path, what)
    missing = _missing(data)
    if missing:
        reason = f"is cut short: {missing} more bytes should follow; fetch or export the model again"
        return UnreadableModel(path, reason, len(data))
    return UnreadableModel(path, "is a damaged ONNX model: what it holds cannot be decoded; export it again")


def _missing(data: bytes) -> int:
    """Bytes that the last field of the outermost message lacks; 0 when the message is whole."""
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        if tag & 7 == 2:
            size, position = _varint(data, position)
            position += size
        elif tag & 7 == 0:
            position = _varint(data, position)[1]
        else:
            return 0
    return position - len(data)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A number of 7 bits a byte, and the position behind it."""
    value = shift = 0
    while position < len(data) and shift < 70:
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            break
    return value, position
