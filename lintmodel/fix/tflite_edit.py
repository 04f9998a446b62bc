"""Edits of a TFLite file that replace numbers where they stand, so that every other byte stays as it is.

A flatbuffer leaves fields out that have their default value, and has no room for what is not there. So only what the
file holds can be changed: the activation fused into an operator, the kind of an operator, a shape signature. Nodes
cannot be added or taken away.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..ir import Graph
from .change import Safety


@dataclass(frozen=True, slots=True)
class Patch:
    """Bytes at an offset of the file, and what stands there instead."""

    offset: int
    old: bytes
    new: bytes


@dataclass(frozen=True, slots=True)
class TfliteChange:
    """One place that is changed."""

    node: str | None
    """None for what concerns the whole model."""
    text: str
    patches: tuple[Patch, ...]


@dataclass(frozen=True, slots=True)
class TfliteRewrite:
    """What a rewrite of the same id does to an ONNX model, as far as it can be done here."""

    id: str
    safety: Safety
    retrain: bool = False
    fused: tuple[int, int] | None = None
    """Activations fused into operators: from, to (ActivationFunctionType of the schema)."""
    operators: tuple[tuple[str, str], ...] = ()
    """Operators by name: from, to. Both take one input and have no options."""
    signature: bool = False
    """The shape is written into the signature."""


REWRITES = (
    TfliteRewrite("freeze-signature", "safe", signature=True),
    TfliteRewrite("relu6-to-relu", "unsafe", fused=(3, 1), operators=(("RELU6", "RELU"),)),
    TfliteRewrite("silu-to-relu", "unsafe", retrain=True, operators=(("HARD_SWISH", "RELU"), ("GELU", "RELU"))),
)

_FUSED = {
    "Conv2DOptions": 10,
    "DepthwiseConv2DOptions": 12,
    "Pool2DOptions": 14,
    "FullyConnectedOptions": 4,
    "AddOptions": 4,
    "SubOptions": 4,
    "MulOptions": 4,
    "DivOptions": 4,
    "ConcatenationOptions": 6,
    "L2NormOptions": 4,
    "TransposeConvOptions": 10,
}
"""Where the table of options has the place of ``fused_activation_function`` (schema.fbs of TensorFlow Lite: fields are
numbered in their order from 4, by twos)."""
_OPCODE_INDEX, _OPTIONS_TYPE = 4, 10
"""Of the table Operator."""
_DEPRECATED_CODE, _CODE = 4, 10
"""Of the table OperatorCode."""


def follows_inputs(graph: Graph) -> bool:
    """Every size of a TFLite graph is what it is because of the shapes of the inputs, and these are what is meant: a
    converter writes 1 for an open size, which is right for a batch only."""
    return (
        not graph.subgraphs
        and all(graph.tensor(name).known and 1 not in graph.tensor(name).sizes[1:] for name in graph.inputs)
        and not any(node.domain or node.native_op in _BY_VALUE for node in graph.nodes)
    )


_BY_VALUE = frozenset(
    {
        "WHERE",
        "UNIQUE",
        "RANGE",
        "TOPK_V2",
        "NON_MAX_SUPPRESSION_V4",
        "NON_MAX_SUPPRESSION_V5",
        "STABLEHLO_DYNAMIC_SLICE",
    }
)
"""Operators whose output may have a size that depends on values."""


def tflite_changes(tables: Any, graph: Graph, rewrite: TfliteRewrite) -> Iterator[TfliteChange]:
    """Every place where a rewrite can be made. ``tables`` is an open file (:mod:`lintmodel.frontends.tflite_tables`),
    ``graph`` was read from it."""
    subgraph = tables.model.Subgraphs(0)
    if rewrite.signature:
        if follows_inputs(graph):
            yield from _signatures(tables, subgraph)
        return
    nodes = {node.source.index: node.name for node in graph.nodes}
    names = [nodes.get(k, "") for k in range(subgraph.OperatorsLength())]
    operators = [subgraph.Operators(k) for k in range(subgraph.OperatorsLength())]
    for k, operator in enumerate(operators):
        patch = _fused(operator, *rewrite.fused) if rewrite.fused else None
        if patch is not None:
            yield TfliteChange(names[k], f"fused activation {_ACTIVATIONS[patch.old]} becomes Relu", (patch,))
    for old, new in rewrite.operators:
        yield from _replaced(tables, operators, names, old, new)


_ACTIVATIONS = {b"\x03": "Relu6"}


def apply_patches(data: bytes, changes: list[TfliteChange]) -> bytes:
    """The file with the changes. Raises ValueError where other bytes stand than the patch is for."""
    edited = bytearray(data)
    for patch in dict.fromkeys(patch for change in changes for patch in change.patches):
        end = patch.offset + len(patch.old)
        if edited[patch.offset : end] != patch.old or len(patch.old) != len(patch.new):
            raise ValueError(f"byte {patch.offset} is not what it should be")
        edited[patch.offset : end] = patch.new
    return bytes(edited)


# ---- places


def _field(table: Any, slot: int) -> int | None:
    """Where a field's value stands; None where the file leaves it out."""
    offset = table.Offset(slot)
    return table.Pos + offset if offset else None


def _fused(operator: Any, old: int, new: int) -> Patch | None:
    import tflite

    kinds = {value: name for name, value in vars(tflite.BuiltinOptions).items() if isinstance(value, int)}
    slot, options = _FUSED.get(kinds.get(operator.BuiltinOptionsType(), "")), operator.BuiltinOptions()
    at = _field(options, slot) if slot is not None and options is not None else None
    if at is None or options.Bytes[at] != old:
        return None
    return Patch(at, bytes([old]), bytes([new]))


def _replaced(tables: Any, operators: list[Any], names: list[str], old: str, new: str) -> Iterator[TfliteChange]:
    """An operator points to the entry of another kind where the file has one; else the entry itself changes, when all
    operators that share it are to change. Quantised operators keep their kind: another one wants other scales."""
    import tflite

    from ..frontends.tflite_tables import builtin_code

    codes = [tables.model.OperatorCodes(k) for k in range(tables.model.OperatorCodesLength())]
    kinds = [builtin_code(code) for code in codes]
    wanted, made = getattr(tflite.BuiltinOperator, old), getattr(tflite.BuiltinOperator, new)
    there = next((k for k, kind in enumerate(kinds) if kind == made), None)
    found = [k for k, operator in enumerate(operators) if kinds[operator.OpcodeIndex()] == wanted]
    floats = [k for k in found if _is_float(tables, operators[k])]
    for k in floats:
        at = _field(operators[k]._tab, _OPCODE_INDEX)
        entry = operators[k].OpcodeIndex()
        if there is not None and at is not None:
            patches = [Patch(at, struct.pack("<I", entry), struct.pack("<I", there))]
        elif there is None and len(floats) == len(found) and _in_first_only(tables, kinds, wanted):
            patches = list(_code_patches(codes[entry], wanted, made))
        else:
            continue
        kind = _field(operators[k]._tab, _OPTIONS_TYPE)
        if kind is not None:
            patches.append(Patch(kind, bytes([operators[k].BuiltinOptionsType()]), b"\0"))
        yield TfliteChange(names[k], f"{old} becomes {new}", tuple(patches))


def _is_float(tables: Any, operator: Any) -> bool:
    import tflite

    tensor = tables.model.Subgraphs(0).Tensors(operator.Outputs(0))
    return bool(tensor.Type() == tflite.TensorType.FLOAT32)


def _in_first_only(tables: Any, kinds: list[int], wanted: int) -> bool:
    """No operator of the kind stands in another subgraph, which would change along."""
    others = (tables.model.Subgraphs(k) for k in range(1, tables.model.SubgraphsLength()))
    return not any(
        kinds[graph.Operators(k).OpcodeIndex()] == wanted for graph in others for k in range(graph.OperatorsLength())
    )


def _code_patches(code: Any, old: int, new: int) -> Iterator[Patch]:
    deprecated, own = _field(code._tab, _DEPRECATED_CODE), _field(code._tab, _CODE)
    if deprecated is not None:
        yield Patch(deprecated, bytes([code._tab.Bytes[deprecated]]), bytes([new]))
    if own is not None:
        yield Patch(own, struct.pack("<i", old), struct.pack("<i", new))


def _signatures(tables: Any, subgraph: Any) -> Iterator[TfliteChange]:
    """All open sizes at once, where one of an input is open."""
    patches, names = [], []
    inputs = set(tables.numbers(subgraph, "Inputs"))
    if not any(-1 in tables.numbers(subgraph.Tensors(k), "ShapeSignature") for k in inputs):
        return
    for k in range(subgraph.TensorsLength()):
        tensor = subgraph.Tensors(k)
        shape, signature = tables.numbers(tensor, "Shape"), tables.numbers(tensor, "ShapeSignature")
        if -1 not in signature or len(shape) != len(signature):
            continue
        at = tensor._tab.Vector(tensor._tab.Offset(_SIGNATURE))
        patches.append(Patch(at, struct.pack(f"<{len(shape)}i", *signature), struct.pack(f"<{len(shape)}i", *shape)))
        names.append(tables.text(tensor.Name()))
    if patches:
        more = f" and {len(names) - 1} more tensors" if len(names) > 1 else ""
        yield TfliteChange(None, f"the signature of '{names[0]}'{more} says what the shape says", tuple(patches))


_SIGNATURE = 18
"""Of the table Tensor: shape 4, type 6, buffer 8, name 10, quantization 12, is_variable 14, sparsity 16."""
