"""Reads the headers of compiled kmodels, versions 3, 4 and 5. Nothing is executed and no weight is looked at.

All numbers in the file are little-endian. Layouts, in bytes:

version 3   kendryte-standalone-sdk 02576ba, lib/drivers/include/kpu.h: seven words, an address and a size for every
            output, a type and a size for every layer, then the layers' bodies.
version 4   nncase v0.2.0-beta4, src/common/include/runtime/model.h and src/runtime/interpreter.cpp: ten words, ranges
            and shapes of the inputs, ranges of the outputs, constants, an operation and a size for every node, bodies.
version 5   nncase v1.9.0 (the same since v1.0.0), include/nncase/runtime/model.h: eight words, then modules; in each
            its memory pools, functions with their inputs and outputs, and sections.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NoReturn

from ..errors import UnreadableModel
from ..ir.document import Document, Fact

MAGIC = b"LDMK"
"""``KMDL`` as a little-endian integer; versions 4 and later begin with it, version 3 with its number."""


def read_kmodel(path: str | os.PathLike[str]) -> Document:
    """The document of a kmodel. Its values: ``version``, ``flags``, ``bytes`` of the file, ``inputs`` and ``outputs``
    (mappings with ``bytes``, and with ``shape`` and ``dtype`` where the file has them), and

    - versions 3 and 4: ``architecture`` (a number), ``layers`` (their names in order), ``main_memory`` in bytes, and
      in version 4 ``constants`` in bytes;
    - version 5: ``modules``, each with ``type``, ``bytes``, ``functions``, ``pools`` and ``sections`` in bytes, and
      ``input_pool`` and ``output_pool`` in bytes.

    Raises UnreadableModel for a file that is cut short, damaged or of another version.
    """
    name = os.fspath(path)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableModel(name, f"cannot be opened: {error.strerror or error}") from None
    file = _Reader(name, data, len(data))
    (version,) = file.words(4 if data.startswith(MAGIC) else 0, 1, "the version")
    readers = {3: _version_3, 4: _version_4, 5: _version_5}
    if version not in readers or (version == 3) == data.startswith(MAGIC):
        raise UnreadableModel(name, f"is a kmodel of version {version}; versions 3, 4 and 5 can be read", 4)
    values = {"version": version, "bytes": len(data), **readers[version](file)}
    return Document(name, "kmodel", values, facts=_facts(values))


# ---- reading with every offset checked


@dataclass(frozen=True, slots=True)
class _Reader:
    path: str
    data: bytes
    end: int
    """What is read lies before this byte: the end of the file, or of the module or function inside it."""

    def words(self, offset: int, count: int, what: str) -> tuple[int, ...]:
        """Unsigned 32-bit numbers."""
        self.need(offset, 4 * count, what)
        return struct.unpack_from(f"<{count}I", self.data, offset)

    def bytes(self, offset: int, count: int, what: str) -> bytes:
        self.need(offset, count, what)
        return self.data[offset : offset + count]

    def need(self, offset: int, count: int, what: str) -> None:
        """Complains unless so many bytes are there."""
        if offset + count > self.end:
            whose = "the file has" if self.end == len(self.data) else "what it lies in ends at"
            self.damaged(f"{what} would end at byte {offset + count:,} and {whose} {self.end:,}", min(offset, self.end))

    def damaged(self, why: str, offset: int) -> NoReturn:
        reason = f"is a kmodel that is cut short or damaged: {why}; fetch or compile it again"
        raise UnreadableModel(self.path, reason, offset)


# ---- version 3


_LAYERS_3 = (
    *("Invalid", "Add", "QuantizedAdd", "GlobalMaxPool2D", "QuantizedGlobalMaxPool2D", "GlobalAveragePool2D"),
    *("QuantizedGlobalAveragePool2D", "MaxPool2D", "QuantizedMaxPool2D", "AveragePool2D", "QuantizedAveragePool2D"),
    *("Quantize", "Dequantize", "Requantize", "L2Normalization", "Softmax", "Concat", "QuantizedConcat"),
    *("FullyConnected", "QuantizedFullyConnected", "TensorflowFlatten", "QuantizedTensorflowFlatten"),
    *("ResizeNearestNeighbor", "QuantizedResizeNearestNeighbor", "ChannelwiseDequantize", "Logistic"),
)
"""kpu_model_layer_type_t from 0; those of the accelerator follow from 10240."""
_CONV_3 = 10240
_NAMES_3 = {**dict(enumerate(_LAYERS_3)), _CONV_3: "Conv", 10241: "AddPadding", 10242: "RemovePadding", 10243: "Upload"}


def _version_3(file: _Reader) -> Mapping[str, Any]:
    _, flags, architecture, layer_count, _, main_memory, output_count = file.words(0, 7, "the header")
    outputs = _pairs(file, 28, output_count, "the list of outputs")
    layers = _pairs(file, 28 + 8 * output_count, layer_count, "the list of layers")
    bodies = 28 + 8 * (output_count + layer_count)
    file.need(bodies, sum(size for _, size in layers), "the layers")
    for index, (address, size) in enumerate(outputs):
        if address + size > main_memory:
            file.damaged(f"output {index} lies outside the {main_memory:,} bytes of working memory", 28 + 8 * index)
    shape = _input_3(file, bodies) if layers and layers[0][0] == _CONV_3 else None
    return {
        "flags": flags,
        "architecture": architecture,
        "layers": tuple(_NAMES_3.get(kind, f"layer type {kind}") for kind, _ in layers),
        "main_memory": main_memory,
        "inputs": ({"shape": shape, "dtype": "uint8", "bytes": shape[1] * shape[2] * shape[3]},) if shape else (),
        "outputs": tuple({"bytes": size} for _, size in outputs),
    }


def _pairs(file: _Reader, offset: int, count: int, what: str) -> list[tuple[int, int]]:
    flat = file.words(offset, 2 * count, what)
    return list(zip(flat[::2], flat[1::2], strict=True))


def _input_3(file: _Reader, body: int) -> tuple[int, int, int, int]:
    """The network's input as its first convolution states it: registers image_channel_num and image_size, each the
    size minus 1 (kpu_layer_argument_t, the third and fourth of its 64-bit words)."""
    (registers,) = file.words(body + 8, 1, "the first convolution")
    channels, _, size, _ = file.words(registers + 16, 4, "the registers of the first convolution")
    return 1, (channels & 0x3FF) + 1, (size >> 10 & 0x1FF) + 1, (size & 0x3FF) + 1


# ---- version 4


_MEMORIES_4 = ("constants", "main", "accelerator")
_DTYPES_4 = ("float32", "uint8")
_NAMES_4 = dict(
    enumerate(
        (
            *("Binary", "Concat", "Conv2D", "Dequantize", "MatMul", "Pad", "Quantize", "Reduce", "ReduceWindow2D"),
            *("MemoryCopy", "ResizeImage", "Softmax", "Transpose", "StridedSlice", "Unary", "QuantizedConv2D"),
            *("QuantizedMatMul", "QuantizedBinary", "TableLookup1D", "Conv2DTranspose", "NNILUnaryMethod"),
        )
    )
)
_NAMES_4 |= {0x1001: "CPUConv2D", 0x1002: "CPUDepthwiseConv2D", 0x1003: "CPUReduceWindow2D"}
_NAMES_4 |= {0x1004: "CPUQuantizedConv2D", 0x1005: "CPUQuantizedDepthwiseConv2D"}
_NAMES_4 |= {0x2001: "KPUUpload", 0x2002: "KPUConv2D"}
"""runtime_op.def"""


def _version_4(file: _Reader) -> Mapping[str, Any]:
    header = file.words(0, 10, "the header")
    _, _, flags, architecture, constants, main_memory, node_count, input_count, output_count, _ = header
    offset = 40
    ranges = [_range_4(file, offset + 16 * k, f"input {k}") for k in range(_countable(file, input_count, 32, "inputs"))]
    offset += 16 * input_count
    shapes = [file.words(offset + 16 * k, 4, f"the shape of input {k}") for k in range(input_count)]
    offset += 16 * input_count
    output_count = _countable(file, output_count, 16, "outputs")
    outputs = tuple(_range_4(file, offset + 16 * k, f"output {k}") for k in range(output_count))
    offset += 16 * output_count
    file.need(offset, constants, "the constants")
    nodes = _pairs(file, offset + constants, node_count, "the list of nodes")
    file.need(offset + constants + 8 * node_count, sum(size for _, size in nodes), "the nodes")
    return {
        "flags": flags,
        "architecture": architecture,
        "layers": tuple(_NAMES_4.get(kind, f"operation {kind:#x}") for kind, _ in nodes),
        "main_memory": main_memory,
        "constants": constants,
        "inputs": tuple({**found, "shape": shape} for found, shape in zip(ranges, shapes, strict=True)),
        "outputs": outputs,
    }


def _countable(file: _Reader, count: int, each: int, what: str) -> int:
    """The count, when so many entries can be in the file at all."""
    if count * each > len(file.data):
        file.damaged(f"{count:,} {what} cannot be in a file of {len(file.data):,} bytes", 0)
    return count


def _range_4(file: _Reader, offset: int, what: str) -> dict[str, Any]:
    memory, dtype, start, size = file.words(offset, 4, what)
    if memory >= len(_MEMORIES_4) or dtype >= len(_DTYPES_4):
        file.damaged(f"{what} has memory {memory} and element type {dtype}, which do not exist", offset)
    return {"memory": _MEMORIES_4[memory], "dtype": _DTYPES_4[dtype], "start": start, "bytes": size}


# ---- version 5


_MODULE_HEADER, _FUNCTION_HEADER, _SECTION_HEADER = 48, 32, 32
_MERGED = 1
"""Flag of a section whose bytes lie in another one."""
_POOLS_5 = {0: "input", 1: "output", 2: "rdata", 3: "data", 4: "shared_data"}
_PRIVATE_POOL = 64
"""From here on memories belong to the module's own hardware."""
_DTYPES_5 = (
    *("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "bfloat16"),
)


def _version_5(file: _Reader) -> Mapping[str, Any]:
    _, _, header_size, flags, alignment, module_count, entry_module, entry_function = file.words(0, 8, "the header")
    if header_size != 32:
        file.damaged(f"the header says that it has {header_size} bytes, not 32", 8)
    modules = []
    offset = header_size
    for index in range(_countable(file, module_count, _MODULE_HEADER, "modules")):
        module = _module(file, offset, f"module {index}")
        modules.append(module)
        offset += module["bytes"]
    if entry_module >= len(modules) or entry_function >= len(modules[entry_module]["functions"]):
        file.damaged(f"it starts with function {entry_function} of module {entry_module}, which is not there", 24)
    entry = modules[entry_module]["functions"][entry_function]
    return {
        "flags": flags,
        "alignment": alignment,
        "modules": tuple({**module, "functions": len(module["functions"])} for module in modules),
        **{key: entry[key] for key in ("inputs", "outputs", "input_pool", "output_pool")},
    }


def _module(file: _Reader, start: int, what: str) -> dict[str, Any]:
    name = _name(file, start, what)
    _, header_size, size, pool_count, shared_count, section_count, function_count, _ = file.words(start + 16, 8, what)
    if header_size != _MODULE_HEADER or size < header_size:
        file.damaged(f"the header of {what} says {header_size} bytes of {size}", start + 20)
    file.need(start, size, what)
    inside = replace(file, end=start + size)
    pools: dict[str, int] = {}
    offset = start + header_size
    for location, pool in _pairs(inside, offset, pool_count, f"the pools of {what}"):
        pools[_pool_name(location & 0xFF, name)] = pool
    offset += 8 * (pool_count + shared_count)
    inside.need(offset, 0, f"the shared pools of {what}")
    functions = []
    for index in range(_countable(inside, function_count, _FUNCTION_HEADER, f"functions of {what}")):
        functions.append(_function(inside, offset, f"function {index} of {what}"))
        offset += functions[-1]["bytes"]
    sections: dict[str, int] = {}
    for index in range(_countable(inside, section_count, _SECTION_HEADER, f"sections of {what}")):
        section = f"section {index} of {what}"
        title = _name(inside, offset, section)
        merged, body_start, body_size, _ = inside.words(offset + 16, 4, section)
        sections[title] = body_size
        offset += _SECTION_HEADER + (0 if merged & _MERGED else body_start + body_size)
        inside.need(offset, 0, section)
    return {"type": name, "bytes": size, "pools": pools, "functions": functions, "sections": sections}


def _name(file: _Reader, offset: int, what: str) -> str:
    """16 bytes, filled up with zeros."""
    found = file.bytes(offset, 16, what).rstrip(b"\0")
    if not found.isascii() or not found.decode("ascii").isprintable():
        file.damaged(f"the name of {what} is not text", offset)
    return found.decode("ascii")


def _pool_name(location: int, module: str) -> str:
    if location >= _PRIVATE_POOL:
        return module if location == _PRIVATE_POOL else f"{module} {location - _PRIVATE_POOL}"
    return _POOLS_5.get(location, f"pool {location}")


def _function(file: _Reader, start: int, what: str) -> dict[str, Any]:
    header_size, size, input_pool, output_pool, input_count, output_count, _, _ = file.words(start, 8, what)
    if header_size != _FUNCTION_HEADER or size < header_size:
        file.damaged(f"the header of {what} says {header_size} bytes of {size}", start)
    file.need(start, size, what)
    inside = replace(file, end=start + size)
    inputs, offset = _tensors(inside, start + header_size, input_count, f"the inputs of {what}")
    outputs, _ = _tensors(inside, offset, output_count, f"the outputs of {what}")
    pools = {"input_pool": input_pool, "output_pool": output_pool}
    return {"bytes": size, "inputs": inputs, "outputs": outputs, **pools}


def _tensors(file: _Reader, offset: int, count: int, what: str) -> tuple[tuple[dict[str, Any], ...], int]:
    """Ranges of all, then shapes of all; and where they end."""
    found = []
    for index in range(_countable(file, count, 16, f"tensors of {what}")):
        kind, _, size = file.words(offset + 12 * index, 3, what)
        dtype = kind >> 8 & 0xFF
        if dtype >= len(_DTYPES_5):
            file.damaged(f"{what} have element type {dtype}, which does not exist", offset + 12 * index)
        found.append({"dtype": _DTYPES_5[dtype], "bytes": size})
    offset += 12 * count
    for tensor in found:
        (rank,) = file.words(offset, 1, what)
        tensor["shape"] = file.words(offset + 4, rank, what)
        offset += 4 + 4 * rank
    return tuple(found), offset


# ---- in a few lines


def _facts(values: Mapping[str, Any]) -> tuple[Fact, ...]:
    found = [("version", str(values["version"])), ("file", _bytes(values["bytes"]))]
    if "layers" in values:
        found.append(("layers", str(len(values["layers"]))))
        found.append(("working memory", _bytes(values["main_memory"])))
    if values.get("constants"):
        found.append(("constants", _bytes(values["constants"])))
    for module in values.get("modules", ()):
        pools = ", ".join(f"{name} {_bytes(size)}" for name, size in module["pools"].items() if size)
        count = f"{module['functions']} function{'s' * (module['functions'] != 1)}"
        found.append((f"module {module['type']}", ", ".join(part for part in (count, pools) if part)))
    for what, tensors in (("input", values["inputs"]), ("output", values["outputs"])):
        found += [(what, _tensor(tensor)) for tensor in tensors[:_MOST]]
        if len(tensors) > _MOST:
            found.append((f"{what}s", f"{len(tensors)} in all"))
    return tuple(found)


_MOST = 4
"""Inputs or outputs that are listed one by one."""


def _bytes(count: int) -> str:
    return f"{count:,} bytes"


def _tensor(tensor: Mapping[str, Any]) -> str:
    shape = "x".join(map(str, tensor["shape"])) if "shape" in tensor else ""
    size = _bytes(tensor["bytes"])
    words = " ".join(part for part in (shape, tensor.get("dtype", "")) if part)
    return f"{words}, {size}" if words else size
