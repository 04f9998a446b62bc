"""TensorFlow Lite files. ``read_tflite`` is the door; the operators stand in ``tflite_ops``.

Feature maps are N,H,W,C in TFLite, so every node has ``layout="NHWC"``. Operators have no names: a node is called
after the first tensor it writes. Weights stay in the file until somebody asks for their values.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

from ..errors import UnreadableModel
from ..ir import Constant, Graph, Node, Problem, Shape, Source, Tensor, unique_names
from .order import ordered
from .tflite_attributes import Operation
from .tflite_ops import OPERATORS, Operator, attributes
from .tflite_tables import (
    DAMAGE,
    Damaged,
    Tables,
    builtin_code,
    byte_size,
    constant,
    dtype_name,
    open_tables,
    quantization,
)


def read_tflite(path: str | os.PathLike[str], edited: bytes | None = None) -> Graph:
    """The first subgraph of a TFLite file, or of its bytes as they would be; the others are in its ``subgraphs``.

    Tensor shapes are those the file was converted with: ``shape``, which toolchains compile for, even where
    ``shape_signature`` leaves a dimension open (then there is a problem of kind ``dynamic-signature``). Raises
    UnreadableModel when the file is missing, is not TFLite, ends early, or contradicts itself.
    """
    tables = open_tables(path, edited)
    try:
        return _read(tables)
    except Damaged as error:
        raise UnreadableModel(
            tables.path, f"is truncated or damaged: {error.reason}; fetch or export the model again", error.offset
        ) from error
    except DAMAGE as error:
        reason = f"is truncated or damaged: an offset in it leads out of its {len(tables.data)} bytes"
        reason += "; fetch or export the model again"
        raise UnreadableModel(tables.path, reason) from error


@dataclass(frozen=True, slots=True)
class _Code:
    """An entry of the file's list of operator codes."""

    native_op: str
    operator: Operator
    domain: str
    version: int
    known: bool


@dataclass(frozen=True, slots=True)
class _File:
    """What all subgraphs share."""

    tables: Tables
    codes: tuple[_Code, ...]
    names: tuple[str, ...]
    """Of the subgraphs."""
    uses_has_rank: bool
    """The writer filled in ``has_rank``, so its absence means something."""
    metadata: dict[str, str]


def _read(tables: Tables) -> Graph:
    found = list(tables.each(tables.model, "Subgraphs"))
    if not found:
        raise Damaged("it has no subgraph")
    names = [tables.text(g.Name()) or ("main" if k == 0 else f"subgraph_{k}") for k, g in enumerate(found)]
    tensors = [list(tables.each(g, "Tensors")) for g in found]
    uses_has_rank = any(tensor.HasRank() for subgraph in tensors for tensor in subgraph)
    file = _File(tables, _codes(tables), tuple(unique_names(names)), uses_has_rank, _metadata(tables))
    graphs = [_graph(file, *each) for each in zip(found, tensors, file.names, strict=True)]
    return graphs[0].with_(subgraphs=tuple(graphs[1:]), metadata=file.metadata)


def _codes(tables: Tables) -> tuple[_Code, ...]:
    import tflite

    known = {v: k for k, v in vars(tflite.BuiltinOperator).items() if isinstance(v, int)}
    codes = []
    for code in tables.each(tables.model, "OperatorCodes"):
        builtin = builtin_code(code)
        domain, name = "", known.get(builtin, f"BUILTIN_{builtin}")
        if builtin == tflite.BuiltinOperator.CUSTOM:
            name = tables.text(code.CustomCode()) or name
            domain = "tflite.flex" if name.startswith("Flex") else "tflite.custom"
        operator = Operator(name) if domain else OPERATORS.get(name, Operator(name))
        codes.append(_Code(name, operator, domain, code.Version(), builtin in known))
    return tuple(codes)


def _metadata(tables: Tables) -> dict[str, str]:
    """Description, the file's named metadata with their values where these are short texts, and signature names."""
    model = tables.model
    found = {"description": tables.text(model.Description()), "schema_version": str(model.Version())}
    for entry in tables.each(model, "Metadata"):
        at, length = tables.bytes_of(entry.Buffer())
        value = tables.data[at : at + min(length, 256)].partition(b"\0")[0]
        found[tables.text(entry.Name())] = value.decode() if value.isascii() and value.decode().isprintable() else ""
    found["signatures"] = ", ".join(tables.text(s.SignatureKey()) for s in tables.each(model, "SignatureDefs"))
    return {name: value for name, value in found.items() if value or name not in ("description", "signatures")}


# ---- one subgraph


@dataclass(frozen=True, slots=True)
class _Entry:
    """A tensor of the file, and what a Tensor has no place for."""

    tensor: Tensor
    variable: bool
    sparse: bool
    signature: tuple[int, ...]


def _graph(file: _File, subgraph: Any, native: Sequence[Any], name: str) -> Graph:
    tables = file.tables
    names = unique_names([tables.text(t.Name()) or f"tensor_{k}" for k, t in enumerate(native)])
    entries = [_entry(file, t, label) for t, label in zip(native, names, strict=True)]
    tensors = [entry.tensor for entry in entries]
    inputs = [t.name for t in _pick(tables.numbers(subgraph, "Inputs"), tensors, f"inputs of '{name}'") if t]
    outputs = [t.name for t in _pick(tables.numbers(subgraph, "Outputs"), tensors, f"outputs of '{name}'") if t]
    nodes = _nodes(file, tables.each(subgraph, "Operators"), tensors)
    nothing = _of_no_elements(tensors, nodes, inputs)
    given = {*inputs, *nothing, *_scratch(nodes), *(e.tensor.name for e in entries if e.tensor.constant or e.variable)}
    in_order, problems = ordered(nodes, given, outputs)
    graph = Graph(
        name=name,
        format="tflite",
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        nodes=in_order,
        tensors={t.name: t for t in tensors} | nothing,
        path=tables.path,
    )
    return graph.with_(problems=(*problems, *_problems(file, entries, graph)))


def _of_no_elements(tensors: Sequence[Tensor], nodes: Sequence[Node], inputs: Sequence[str]) -> dict[str, Tensor]:
    """Constants that need no bytes, and so have none in the file: the new shape of a Reshape to a scalar."""
    made = {name for node in nodes for name in node.outputs}.union(inputs)
    empty = [t for t in tensors if t.known and 0 in t.sizes and t.constant is None and t.name not in made]
    return {t.name: replace(t, constant=Constant(partial(_zeros, t))) for t in empty}


def _zeros(tensor: Tensor) -> Any:
    import numpy as np

    return np.zeros(tensor.sizes, "int64" if tensor.dtype.startswith(("int", "uint")) else "float32")


def _scratch(nodes: Sequence[Node]) -> set[str]:
    """Inputs of custom operators, which may be working memory that nothing writes."""
    return {name for node in nodes if node.domain for name in node.inputs} - {
        name for node in nodes for name in node.outputs
    }


def _pick(indices: Sequence[int], tensors: Sequence[Tensor], what: str) -> list[Tensor | None]:
    """Tensors by index; -1 is an optional one left out."""
    for index in indices:
        if not -1 <= index < len(tensors):
            raise Damaged(f"{what}: tensor {index} does not exist, there are {len(tensors)}")
    return [tensors[index] if index >= 0 else None for index in indices]


def _entry(file: _File, native: Any, name: str) -> _Entry:
    tables = file.tables
    sizes = tables.numbers(native, "Shape")
    if sizes and min(sizes) < -1:
        raise Damaged(f"tensor '{name}' has the shape {list(sizes)}", native._tab.Pos)
    sparse = native.Sparsity() is not None
    values = _constant(tables, native, name, sizes, sparse)
    shape: Shape | None = tuple(d if d >= 0 else "?" for d in sizes)
    if not sizes and file.uses_has_rank and not native.HasRank() and values is None:
        shape = None
    tensor = Tensor(name, shape, dtype_name(native.Type()), values, quantization=quantization(tables, native))
    return _Entry(tensor, native.IsVariable(), sparse, tables.numbers(native, "ShapeSignature"))


def _constant(tables: Tables, native: Any, name: str, shape: tuple[int, ...], sparse: bool) -> Constant | None:
    """The values the file gives a tensor, None when it gives none. Raises Damaged when the file ends before them."""
    at, length = tables.bytes_of(native.Buffer()) if native.Buffer() else (0, 0)
    if not length:
        return None
    if at + length > len(tables.data):
        reason = f"it ends at byte {len(tables.data)}, and the values of '{name}' go to byte {at + length}"
        raise Damaged(reason, len(tables.data))
    needed = byte_size(native.Type(), prod(shape)) if min(shape, default=0) >= 0 else None
    if needed is None or sparse:
        return Constant(_no_values)
    if length < needed:
        raise Damaged(f"'{name}' has {length} bytes of values and needs {needed}", native._tab.Pos)
    return constant(tables, native.Type(), shape, at, needed)


def _no_values() -> None:
    """Strings, resources and sparse tensors: fixed in the file, and no values are read."""


# ---- operators


def _nodes(file: _File, operators: Iterator[Any], tensors: Sequence[Tensor]) -> list[Node]:
    nodes = [_node(file, operator, index, tensors) for index, operator in enumerate(operators)]
    names = unique_names([node.name for node in nodes])
    return [n if n.name == name else replace(n, name=name) for n, name in zip(nodes, names, strict=True)]


def _node(file: _File, native: Any, index: int, tensors: Sequence[Tensor]) -> Node:
    tables, at = file.tables, native._tab.Pos
    if native.OpcodeIndex() >= len(file.codes):
        raise Damaged(f"operator {index} has code {native.OpcodeIndex()}, there are {len(file.codes)}", at)
    code = file.codes[native.OpcodeIndex()]
    what = f"operator {index} ({code.native_op})"
    inputs = _pick(tables.numbers(native, "Inputs"), tensors, what)
    outputs = _pick(tables.numbers(native, "Outputs"), tensors, what)
    try:
        found = _attributes(file, native, code.operator, inputs)
    except Damaged as error:
        raise Damaged(f"{what}: {error.reason}", at) from error
    if code.version > 1:
        found["version"] = code.version
    written = [t.name for t in outputs if t]
    return Node(
        name=written[0] if written else f"{code.operator.op}_{index}",
        op=code.operator.op,
        inputs=_in_order(code.operator, tuple(t.name if t else "" for t in inputs)),
        outputs=tuple(t.name if t else "" for t in outputs),
        attributes=found,
        source=Source(file=tables.path, native_op=code.native_op, index=index),
        domain=code.domain,
        layout="NHWC",
    )


def _attributes(file: _File, native: Any, operator: Operator, inputs: Sequence[Tensor | None]) -> dict[str, Any]:
    def integers(index: int) -> tuple[int, ...] | None:
        tensor = inputs[index] if index < len(inputs) else None
        return _integers(file.tables, tensor) if tensor else None

    options = _options(native, operator.options) if operator.options else None
    found = attributes(operator, Operation(options, tuple(t.shape if t else None for t in inputs), integers))
    for name, field in operator.subgraphs.items():
        subgraph = getattr(options, field)()
        if not 0 <= subgraph < len(file.names):
            raise Damaged(f"{name} is subgraph {subgraph}, there are {len(file.names)}")
        found[name] = file.names[subgraph]
    return found


_NO_OPTIONS = b"\x04\x00\x04\x00\x04\x00\x00\x00"
"""A vtable of no fields (its length 4, the table's length 4), and at byte 4 the table, which points back to it."""


def _options(native: Any, name: str) -> Any:
    """The operator's table of options; an empty one when the file has none or one of another kind."""
    import tflite

    options = getattr(tflite, name)()
    for kinds, of_type, union in (
        (tflite.BuiltinOptions, native.BuiltinOptionsType(), native.BuiltinOptions),
        (tflite.BuiltinOptions2, native.BuiltinOptions2Type(), native.BuiltinOptions2),
    ):
        table = union() if of_type and of_type == getattr(kinds, name, None) else None
        if table is not None:
            options.Init(table.Bytes, table.Pos)
            return options
    options.Init(_NO_OPTIONS, 4)
    return options


_MOST_PARAMETERS = 1024
"""Elements of a parameter tensor that are read: axes, paddings and sizes have a few for each dimension."""


def _integers(tables: Tables, tensor: Tensor) -> tuple[int, ...] | None:
    if tensor.constant is None or not tensor.known or tensor.elements > _MOST_PARAMETERS:
        return None
    if not tensor.dtype.startswith(("int", "uint")):
        return None
    values = tensor.constant.load()
    tables.spend(tensor.elements)
    return None if values is None else tuple(int(v) for v in values.reshape(-1).tolist())


def _in_order(operator: Operator, inputs: tuple[str, ...]) -> tuple[str, ...]:
    """Inputs where ONNX has them; a missing last one is dropped."""
    if operator.inputs is None:
        return inputs
    placed = [inputs[k] if 0 <= k < len(inputs) else "" for k in operator.inputs]
    while placed and not placed[-1]:
        placed.pop()
    return tuple(placed)


# ---- what is to be said about a graph


_SHOWN = 3
"""Names in a message that counts several things of a kind."""


def _problems(file: _File, entries: Sequence[_Entry], graph: Graph) -> Iterator[Problem]:
    """Kinds ``dynamic-signature``, ``variable-tensor``, ``sparse-tensor``, ``already-compiled`` and
    ``unknown-operator``, each once for a graph (the last two once for an operator); ``ordered`` adds its own."""
    yield from _dynamic(entries, graph.inputs)
    variables = [e.tensor.name for e in entries if e.variable]
    if variables:
        yield Problem("variable-tensor", f"keeps values from one run to the next: {_several(variables)}")
    sparse = [e.tensor.name for e in entries if e.sparse]
    if sparse:
        yield Problem("sparse-tensor", f"weights are stored sparse, their values are not read: {_several(sparse)}")
    first = {node.native_op: node.name for node in reversed(graph.nodes)}
    for native_op in dict.fromkeys(node.native_op for node in graph.nodes):
        if native_op in _COMPILED:
            stamp = file.metadata.get("LiteRtStamp")
            unit = _COMPILED[native_op] + (f" ({stamp})" if stamp else "")
            message = f"already compiled for {unit}; give the .tflite file that it was compiled from"
            yield Problem("already-compiled", message, first[native_op])
    for native_op in (code.native_op for code in file.codes if not code.known and code.native_op in first):
        yield Problem("unknown-operator", f"{native_op} is newer than the known TFLite schema", first[native_op])


_COMPILED = {
    "edgetpu-custom-op": "the Coral Edge TPU",
    "ethos-u": "Arm Ethos-U",
    "DISPATCH_OP": "a vendor's NPU through LiteRT",
    "NeutronGraph": "the NXP eIQ Neutron NPU",
}
"""Custom operators that compilers put in the place of what they compiled."""


def _dynamic(entries: Sequence[_Entry], inputs: Sequence[str]) -> Iterator[Problem]:
    """One problem for all tensors whose signature leaves open what their shape fixes; inputs are named first. Where
    of all inputs only the batch is open and the shape has 1, as most converters write it, there is none."""
    found = {}
    beyond_batch = set()
    for tensor, signature in ((e.tensor, e.signature) for e in entries):
        if -1 in signature and tensor.known:
            found[tensor.name] = f"'{tensor.name}' is {_sizes(signature)}, its shape {_sizes(tensor.sizes)}"
            if -1 in signature[1:] or tensor.sizes[:1] != (1,):
                beyond_batch.add(tensor.name)
    open_inputs = found.keys() & set(inputs)
    if found and (not open_inputs or open_inputs & beyond_batch):
        causes = [found[name] for name in inputs if name in found] or list(found.values())
        more = f" and {len(causes) - _SHOWN} more" if len(causes) > _SHOWN else ""
        message = f"the shape signature leaves sizes open: {'; '.join(causes[:_SHOWN])}{more}; the shape is used"
        yield Problem("dynamic-signature", message)


def _sizes(sizes: Sequence[int]) -> str:
    return "x".join("?" if size < 0 else str(size) for size in sizes)


def _several(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(f"'{name}'" for name in names[:_SHOWN]) + more
