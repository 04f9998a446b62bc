"""Says what a file is from its bytes, whatever its name: ``sniff("yolo.bin").format`` may well be ``"onnx"``.

Only the first kilobytes are read, and the directory of a zip archive. Nothing is unpacked, unpickled or imported.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from .sniff_zip import EXPORT, WEIGHTS, sniff_zip

_HEAD = 8192
"""Bytes read from the start: every magic number below lies in the first 300, and a text needs a few lines."""

READABLE = ("onnx", "tflite", "pt2", "kmodel", "ai8x", "json", "yaml")


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is. ``advice`` goes behind the file's name: "is an RKNN model ...; give the .onnx model"."""

    format: str
    readable: bool
    advice: str


def sniff(path: str | os.PathLike[str]) -> Kind:
    """The kind of a file. Never raises: a file that is missing, empty or cannot be opened is a kind too."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError) as error:
        return _unopened(error)
    if stat.S_ISDIR(status.st_mode):
        return _directory(Path(path))
    if not stat.S_ISREG(status.st_mode):
        return _kind("special", "is a device, a pipe or a socket, not a file")
    if status.st_size == 0:
        return _kind("empty", "is empty (0 bytes); fetch or export the model again")
    try:
        with Path(path).open("rb") as file:
            return _of_file(file, status.st_size)
    except OSError as error:
        return _unopened(error)


def _of_file(file: BinaryIO, size: int) -> Kind:
    head = file.read(_HEAD)
    found = _by_magic(head) or _by_header(head, size)
    if found:
        return found
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")):
        return _kind(*sniff_zip(file, head))
    if not head.strip(b"\0"):
        return _kind("zeros", "begins with nothing but zero bytes: the download or the disk failed; fetch it again")
    text = _as_text(head)  # before protobuf: the tags that any model needs are control characters
    if text is not None:
        return _kind(*_of_text(text))
    from .sniff_protobuf import sniff_protobuf

    unknown = "unknown", f"is of no known format (it begins with {head[:8].hex(' ')}); {_GIVE}"
    return _kind(*(sniff_protobuf(file, size) or unknown))


def _kind(format_name: str, advice: str) -> Kind:
    return Kind(format_name, format_name in READABLE, advice)


_GIVE = "give the .onnx or .tflite model"
_SOURCE = "give the .onnx or .tflite model that it was compiled from"
_KERAS = "convert it with tf.lite.TFLiteConverter or tf2onnx"

# Magic numbers: (offset, bytes, format, sentence). The first that fits counts.
_MAGIC: tuple[tuple[int, bytes, str, str], ...] = (
    (0, b"version https://git-lfs", "git-lfs", "is a Git LFS pointer, not the model; run 'git lfs pull' to fetch it"),
    (4, b"TFL3", "tflite", "is a TensorFlow Lite model"),
    (4, b"ORTM", "ort", "is an ONNX Runtime .ort model; give the .onnx model that it was converted from"),
    (0, b"RKNN", "rknn", f"is an RKNN model, already compiled; {_SOURCE}"),
    (0, b"\x89HDF\r\n\x1a\n", "hdf5", f"is an HDF5 file, as Keras writes .h5; {_KERAS}"),
    (0, b"GGUF", "gguf", f"is a GGUF language model; {_GIVE}"),
    (0, b"ftrt", "tensorrt", f"is a TensorRT engine, already compiled; {_SOURCE}"),
    (0, b"ptrt", "tensorrt", f"is a TensorRT engine, already compiled; {_SOURCE}"),
    (0, b"7767517\n", "ncnn", "is an ncnn network; give the .onnx model that it was converted from"),
    (0, b"7767517\r\n", "ncnn", "is an ncnn network; give the .onnx model that it was converted from"),
    (0, struct.pack("<I", 7767517), "ncnn", "is an ncnn network; give the .onnx model that it was converted from"),
    (0, b"\x93NUMPY", "numpy", f"is a NumPy array, not a network; {_GIVE}"),
    (0, b"ML\xefR", "mlir", f"is MLIR bytecode; {_GIVE}"),
    (0, b"\x1f\x8b", "gzip", "is compressed with gzip; unpack it and give the model inside"),
    (257, b"ustar", "tar", "is a tar archive; unpack it and give the model inside"),
)


def _by_magic(head: bytes) -> Kind | None:
    for offset, magic, name, advice in _MAGIC:
        if head.startswith(magic, offset):
            return _kind(name, advice)
    return None


_TORCH_MAGIC = bytes.fromhex("8a0a6cfc9c46f9206aa850192e")
"""0x1950a86a20f9469cfc6c as a pickled integer: what torch.save wrote first until the zip format of torch 1.6."""


def _by_header(head: bytes, size: int) -> Kind | None:
    """Formats whose header has to be understood a little."""
    if len(head) < 8:
        return None
    first, second = struct.unpack_from("<II", head)
    if head.startswith(b"LDMK"):  # 'KMDL' as a little-endian integer; the version follows
        return _kind("kmodel", f"is a kmodel (version {second}), already compiled")
    if first == 3 and _kmodel_v3(head):
        return _kind("kmodel", "is a kmodel (version 3), already compiled")
    if head[4:6] == b"ET" and head[6:8].isdigit():
        return _kind("pte", "is an ExecuTorch program, already compiled; give the .onnx or .tflite model instead")
    if head[:3] in (b"EDL", b"PDL") and head[3:4].isdigit():
        return _kind("espdl", f"is an ESP-DL model, already quantised and compiled; {_SOURCE}")
    if head[0] == 0x80 and head[1] in (2, 3, 4, 5):
        if head.startswith(_TORCH_MAGIC, 2):
            return _kind("checkpoint", f"is {WEIGHTS}")
        if head[2:3] in b"\x95}](cX\x8c\x8a":  # frame, dict, list, mark, global, text, long: how pickles begin
            reason = "is a Python pickle, which is never loaded because that runs code"
            return _kind("pickle", f"{reason}; of a network in PyTorch write {EXPORT}")
    # safetensors: the length of a JSON header in 8 bytes, then the header; longer than 100 MB is not allowed there
    (header,) = struct.unpack_from("<Q", head)
    if head[8:9] == b"{" and 2 <= header <= min(size, 100_000_000):
        what = "is a safetensors file: weights without the network"
        return _kind("safetensors", f"{what}; make the network in PyTorch, load them into it, and write {EXPORT}")
    # Ultralytics puts a length and JSON metadata before the engine
    if head[4:5] == b"{" and first < _HEAD - 8 and head[4 + first : 8 + first] in (b"ftrt", b"ptrt"):
        return _kind("tensorrt", f"is a TensorRT engine, already compiled; {_SOURCE}")
    return None


def _kmodel_v3(head: bytes) -> bool:
    """Version 3 has no magic number: version, flags, architecture 0, layers, largest address, memory, outputs."""
    if len(head) < 28:
        return False
    _, flags, architecture, layers, _, _, outputs = struct.unpack_from("<7I", head)
    return bool(flags < 16 and architecture == 0 and 0 < layers < 10_000 and 0 < outputs < 100)


# ---- text


def _as_text(head: bytes) -> str | None:
    """The head as text; None when it holds control characters or is not UTF-8 (but for a letter cut at its end)."""
    try:
        text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        if len(head) < _HEAD or error.start < len(head) - 4:
            return None
        text = head[: error.start].decode("utf-8")
    return None if re.search(r"[\x00-\x08\x0e-\x1f]", text) else text


_AI8X = r"\A(?=[\s\S]*^layers[ \t]*:[ \t\r]*(#.*|\[.*)?$)(?=[\s\S]*^(arch|dataset)[ \t]*:)"
"""A YAML mapping with layers and the names of architecture or data."""

# Texts by what a line of them looks like: (pattern, format, sentence). The first that fits counts.
_TEXTS: tuple[tuple[str, str, str], ...] = (
    (r"\A\s*<(!doctype html|html)", "html", "is a web page, not the model; open the link and fetch the file itself"),
    (r"<net\s[^>]*version=", "openvino", "is an OpenVINO network; give the .onnx model that it was converted from"),
    (r"\A\s*<\?xml", "xml", f"is an XML document; {_GIVE}"),
    (
        r"\A\s*<\s*(ir_version|opset_import)\s*:",
        "onnx-text",
        "is an ONNX model in ONNX's own syntax; convert it with onnx.load(path, format='onnxtxt') and onnx.save",
    ),
    (
        r"^\s*ir_version\s*:|^\s*opset_import\s*\{|\A\s*graph\s*\{\s*(node|name|input)",
        "onnx-text",
        "is an ONNX model written as text; convert it with onnx.load(path, format='textproto') and onnx.save",
    ),
    (r"^\s*layers?\s*\{", "prototxt", "is a Caffe network in text; convert it to ONNX first"),
    (r"\A\s*\[(net|network)\]", "darknet", "is a Darknet configuration; convert it to ONNX first"),
    (r"^\s*(module\s*(@|\{|attributes)|func\.func\b)", "mlir", f"is MLIR text; {_GIVE}"),
    (
        r"\A\s*\{[\s\S]*\"modelTopology\"",
        "tfjs",
        "is a TensorFlow.js model; convert it to TFLite or ONNX first",
    ),
    (
        r"^(import torch\b|from torch\b|class \w+\((\w+\.)*Module\):)",
        "python",
        "is Python source; name the module in it and its input, as net.py:Net --input 1x3x224x224",
    ),
    (r"\A\s*[\[{]", "json", "is a JSON document"),
    (_AI8X, "ai8x", "is a network description for ai8x-synthesis"),
    (
        r"\A(\s*(#.*)?\n)*(---|%YAML|- |[\"']?[\w .-]+[\"']?\s*:(\s|$))",
        "yaml",
        "is a YAML document",
    ),
)


def _of_text(text: str) -> tuple[str, str]:
    for pattern, name, advice in _TEXTS:
        if re.search(pattern, text, re.MULTILINE | re.IGNORECASE):
            return name, advice
    return "text", f"is a text file; {_GIVE}"


# ---- not a readable file


def _directory(path: Path) -> Kind:
    if (path / "saved_model.pb").is_file():
        return _kind("saved-model", f"is a TensorFlow SavedModel directory; {_KERAS}")
    if (path / "Manifest.json").is_file() and (path / "Data").is_dir():
        return _kind("coreml", "is a Core ML package; give the .onnx or .tflite model instead")
    return _kind("directory", "is a directory, not a model file")


def _unopened(error: Exception) -> Kind:
    if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError):  # ValueError: a null byte in the name
        return _kind("missing", "does not exist")
    reason = error.strerror if isinstance(error, OSError) else None
    return _kind("unopened", f"cannot be opened: {reason or error}")
