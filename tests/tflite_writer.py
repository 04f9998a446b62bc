"""Writes small TFLite files, tensors by name:

    tflite_model(
        [T("x", (1, 8, 8, 3)), T("w", (4, 3, 3, 3), zeros=True), T("y", (1, 8, 8, 4))],
        [Op("CONV_2D", "x w", "y", "Conv2DOptions", StrideW=1, StrideH=1)],
        inputs="x", outputs="y",
    )

Options that are left out have the schema's defaults, which for strides and windows are 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import prod
from typing import Any

import flatbuffers
import numpy as np
import tflite


@dataclass(frozen=True)
class T:
    """A tensor. ``data`` (anything numpy takes) or ``zeros`` make it a constant; ``fields`` are the schema's own."""

    name: str
    shape: tuple[int, ...]
    dtype: str = "FLOAT32"
    data: Any = None
    zeros: bool = False
    scales: Sequence[float] = ()
    zero_points: Sequence[int] = ()
    axis: int = 0
    fields: Mapping[str, Any] = field(default_factory=dict)

    @property
    def bytes(self) -> bytes | None:
        stored = {"BOOL": "bool", "INT4": "uint8", "BFLOAT16": "uint16"}.get(self.dtype, self.dtype.lower())
        if self.data is None:
            return bytes(prod(self.shape) * np.dtype(stored).itemsize) if self.zeros else None
        return self.data if isinstance(self.data, bytes) else np.asarray(self.data, stored).tobytes()


class Op:
    """An operator: a builtin one by its name, its number when it has none, else a custom one. ``-`` is no tensor."""

    def __init__(
        self, code: str | int, inputs: str, outputs: str, table: str = "", version: int = 1, **fields: Any
    ) -> None:
        self.code, self.inputs, self.outputs, self.version = code, inputs, outputs, version
        self.table, self.fields = table, fields


@dataclass(frozen=True)
class Subgraph:
    tensors: Sequence[T]
    ops: Sequence[Op]
    inputs: str
    outputs: str
    name: str = "main"


def tflite_model(
    tensors: Sequence[T] = (),
    ops: Sequence[Op] = (),
    inputs: str = "",
    outputs: str = "",
    *,
    more: Sequence[Subgraph] = (),
    metadata: Mapping[str, bytes] | None = None,
    external: bool = False,
    shared_zeros: bool = False,
) -> bytes:
    """The bytes of a model: its main subgraph, then ``more``. With ``external`` the weights stand behind the
    flatbuffer, as in files above 2 GB. With ``shared_zeros`` tensors of zeros of one length have their bytes in
    common."""
    subgraphs = [Subgraph(tensors, ops, inputs, outputs), *more]
    codes = list(dict.fromkeys((op.code, op.version) for subgraph in subgraphs for op in subgraph.ops))
    blobs: list[bytes] = [b""]  # buffer 0 is that of every tensor without values
    main = [_subgraph(subgraph, codes, blobs, shared_zeros) for subgraph in subgraphs]
    entries = [{"Name": name, "Buffer": len(blobs) + k} for k, name in enumerate(metadata or {})]
    values = list((metadata or {}).values())
    model = {
        "Version": 3,
        "OperatorCodes": [("OperatorCode", _code(code, version)) for code, version in codes],
        "Subgraphs": [("SubGraph", fields) for fields in main],
        "Description": "written by a test",
        "Metadata": [("Metadata", entry) for entry in entries],
    }
    inside = [{"Data": blob} if blob else {} for blob in [*blobs, *values]]
    if not external:
        return finish({**model, "Buffers": [("Buffer", buffer) for buffer in inside]})
    size = len(finish({**model, "Buffers": [("Buffer", b) for b in _outside(blobs, 2**20) + inside[len(blobs) :]]}))
    placed = _outside(blobs, size) + inside[len(blobs) :]
    return finish({**model, "Buffers": [("Buffer", buffer) for buffer in placed]}) + b"".join(blobs)


def _outside(blobs: Sequence[bytes], start: int) -> list[dict[str, Any]]:
    starts = [start + sum(map(len, blobs[:k])) for k in range(len(blobs))]
    return [{"Offset": at, "Size": len(blob)} if blob else {} for at, blob in zip(starts, blobs, strict=True)]


def _code(code: str | int, version: int) -> dict[str, Any]:
    number = code if isinstance(code, int) else getattr(tflite.BuiltinOperator, code, None)
    custom = {} if number is not None else {"CustomCode": code}
    number = tflite.BuiltinOperator.CUSTOM if number is None else number
    return {"BuiltinCode": number, "DeprecatedBuiltinCode": min(number, 127), "Version": version, **custom}


def _subgraph(
    subgraph: Subgraph,
    codes: list[tuple[str | int, int]],
    blobs: list[bytes],
    shared_zeros: bool,
) -> dict[str, Any]:
    index = {"-": -1} | {tensor.name: k for k, tensor in enumerate(subgraph.tensors)}
    tensors = []
    for tensor in subgraph.tensors:
        fields = {"Name": tensor.name, "Shape": list(tensor.shape), "Type": getattr(tflite.TensorType, tensor.dtype)}
        if tensor.zeros and shared_zeros and tensor.bytes in blobs:
            fields["Buffer"] = blobs.index(tensor.bytes)
        elif tensor.bytes is not None:
            fields["Buffer"] = len(blobs)
            blobs.append(tensor.bytes)
        if tensor.scales:
            zeros = np.asarray(tensor.zero_points or [0] * len(tensor.scales), "int64")
            scales = {"Scale": np.asarray(tensor.scales, "float32"), "ZeroPoint": zeros}
            fields["Quantization"] = ("QuantizationParameters", scales | {"QuantizedDimension": tensor.axis})
        tensors.append(("Tensor", fields | dict(tensor.fields)))
    operators = []
    for op in subgraph.ops:
        fields = {"OpcodeIndex": codes.index((op.code, op.version))}
        fields |= {k: [index[n] for n in getattr(op, k.lower()).split()] for k in ("Inputs", "Outputs")}
        if op.table:
            kind = "BuiltinOptions" if hasattr(tflite.BuiltinOptions, op.table) else "BuiltinOptions2"
            fields[f"{kind}Type"] = getattr(getattr(tflite, kind), op.table)
            fields[kind] = (op.table, op.fields)
        operators.append(("Operator", fields))
    ends = {k: [index[n] for n in getattr(subgraph, k.lower()).split()] for k in ("Inputs", "Outputs")}
    return {"Tensors": tensors, "Operators": operators, "Name": subgraph.name, **ends}


def finish(model: Mapping[str, Any]) -> bytes:
    """A file of the schema's Model table with these fields."""
    builder = flatbuffers.Builder(1024)
    builder.Finish(write(builder, ("Model", model)), b"TFL3")
    return bytes(builder.Output())


def write(builder: Any, value: Any) -> Any:
    """Writes texts, bytes, arrays, lists of numbers, tables as (name, fields) and lists of tables, and gives their
    offset; a number stays a number. A table that stands in a list many times is written once."""
    if isinstance(value, str):
        return builder.CreateString(value)
    if isinstance(value, bytes):
        return builder.CreateByteVector(value)
    if isinstance(value, np.ndarray):
        return builder.CreateNumpyVector(value)
    if isinstance(value, list) and not any(isinstance(v, tuple) for v in value):
        return builder.CreateNumpyVector(np.asarray(value, "int32"))
    if isinstance(value, list):
        once = {id(v): write(builder, v) for v in {id(v): v for v in value}.values()}
        offsets = [once[id(v)] for v in value]
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()
    if isinstance(value, tuple):
        name, fields = value
        written = {key: write(builder, v) for key, v in fields.items()}
        getattr(tflite, f"{name}Start")(builder)
        for key, offset in written.items():
            getattr(tflite, f"{name}Add{key}")(builder, offset)
        return getattr(tflite, f"{name}End")(builder)
    return value


def ints(name: str, *values: int, shape: Sequence[int] | None = None) -> T:
    return T(name, tuple(shape or (len(values),)), "INT32", data=values)
