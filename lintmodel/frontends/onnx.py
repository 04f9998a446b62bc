"""Reads ONNX files: operator sets 6 and newer, weights in the file or beside it or missing.

Nothing of the weights is copied or decoded here; a tensor's values are read when somebody asks for them.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ir import Graph, Node, Problem, Source, Tensor, unique_names
from ..ir.dtypes import onnx_dtype
from .onnx_attributes import attribute_value, constant_node
from .onnx_bytes import load_model
from .onnx_functions import inline_functions
from .onnx_shapes import (
    Overrides,
    inferred_graph,
    inferred_types,
    listed_names,
    merged,
    overrides,
    stated_names,
    stated_types,
)
from .onnx_tensors import EXTERNAL, constant, external_location, has_data, sparse_constant, stored_bytes
from .order import ordered
from .torch_trace import onnx_source

if TYPE_CHECKING:
    import onnx


def read_onnx(
    path: str | os.PathLike[str] | onnx.ModelProto, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> Graph:
    """The graph of an ONNX file, or of a ModelProto in memory.

    ``input_shapes`` gives full shapes (batch included) to inputs by name, in place of what the file states. External
    data are looked for in the model's own folder and nowhere else.

    Raises UnreadableModel when the bytes are no ONNX model, and UsageError for an input name the model does not
    have or a shape of another rank.
    """
    if isinstance(path, str | os.PathLike):
        name = os.fspath(path)
        model, folder = load_model(name), Path(name).parent
    else:
        name, model, folder = "", path, None
    return _read(model, name, folder, input_shapes)


def read_onnx_model(
    model: onnx.ModelProto, path: str, input_shapes: Mapping[str, Sequence[int]] | None = None
) -> Graph:
    """The graph of a ModelProto that was read from a file, and may have been edited since."""
    return _read(model, path, Path(path).parent, input_shapes)


@dataclass(frozen=True)
class _File:
    """What every graph of one file has in common."""

    path: str
    folder: Path | None
    opsets: Mapping[str, int]
    ir_version: int
    indexed: bool
    """Nodes stand where the file has them. Not so once local functions were expanded."""


def _read(model: Any, path: str, folder: Path | None, input_shapes: Mapping[str, Sequence[int]] | None) -> Graph:
    flat, trouble = inline_functions(model)
    given = overrides(flat.graph, input_shapes)
    inferred = inferred_graph(flat, model.graph.initializer, given, folder)
    opsets = {_domain(o.domain): int(o.version) for o in flat.opset_import}
    file = _File(path, folder, opsets, model.ir_version, indexed=flat is model)
    graph = _graph(flat.graph, model.graph, inferred, file, given, {})
    problems = list(graph.problems)
    if not model.HasField("graph"):
        problems.append(Problem("invalid-graph", "the file holds no graph"))
    if trouble:
        problems.append(Problem("invalid-graph", trouble))
    return graph.with_(metadata=_metadata(model), problems=tuple(problems))


def _domain(name: str) -> str:
    return "" if name == "ai.onnx" else name


def _metadata(model: Any) -> dict[str, str]:
    about = {
        "ir_version": str(model.ir_version or ""),
        "producer_name": model.producer_name,
        "producer_version": model.producer_version,
        "domain": model.domain,
        "model_version": str(model.model_version or ""),
        "doc_string": model.doc_string,
    }
    return {p.key: p.value for p in model.metadata_props} | {k: v for k, v in about.items() if v}


def _graph(proto: Any, stored: Any, inferred: Any, file: _File, given: Overrides, outer: Mapping[str, Tensor]) -> Graph:
    """A GraphProto. ``stored`` is the one that has its initialisers, ``outer`` the tensors around a body."""
    tensors = _initializers(stored, file)
    weights = set(tensors)
    inputs = tuple(i.name for i in proto.input if i.name not in weights)
    _add_types(tensors, proto, inferred, given)
    for node in proto.node:
        if node.op_type == "Constant" and node.output:
            _add_constant(tensors, node, file)

    nodes = _nodes(proto, inferred, file, given, {**outer, **tensors})
    outputs = tuple(o.name for o in proto.output)
    nodes, problems = ordered(nodes, {*inputs, *weights, *outer}, outputs)
    problems += _lifted(nodes) + _unknown_operators(nodes) + _about_initializers(proto, stored, weights, file)
    free = _read_names(nodes, outputs) & outer.keys() - tensors.keys()
    return Graph(
        name=proto.name or Path(file.path).stem or "graph",
        format="onnx",
        inputs=inputs,
        outputs=outputs,
        nodes=nodes,
        tensors={**tensors, **{name: outer[name] for name in sorted(free)}},
        opsets=file.opsets,
        path=file.path,
        problems=tuple(problems),
        free=frozenset(free),
    )


def _read_names(nodes: Iterable[Node], outputs: Iterable[str]) -> set[str]:
    """Every tensor that is read, by bodies of control flow too."""
    read = {name for node in nodes for name in node.inputs} | set(outputs)
    return read.union(*(body.free for node in nodes for body in node.subgraphs.values()))


def _initializers(stored: Any, file: _File) -> dict[str, Tensor]:
    tensors = {}
    for proto in stored.initializer:
        values = constant(proto, file.folder)
        tensors[proto.name] = Tensor(proto.name, tuple(proto.dims), onnx_dtype(proto.data_type), values)
    for proto in stored.sparse_initializer:
        name, values = proto.values.name, sparse_constant(proto, file.folder)
        tensors[name] = Tensor(name, tuple(proto.dims), onnx_dtype(proto.values.data_type), values, sparse=True)
    return tensors


def _add_types(tensors: dict[str, Tensor], proto: Any, inferred: Any, given: Overrides) -> None:
    """Tensors of everything that flows: what the file states, and what inference adds."""
    stated, declared, listed = stated_types(proto, given), stated_names(proto), listed_names(proto)
    found = inferred_types(inferred) if inferred is not None else {}
    flowing = (*(i.name for i in proto.input), *(out for node in proto.node for out in node.output if out))
    for name in flowing:
        if name not in tensors:
            shape, dtype = merged(stated.get(name), found.get(name))
            tensors[name] = Tensor(name, shape, dtype, declared=name in declared, listed=name in listed)


def _add_constant(tensors: dict[str, Tensor], node: Any, file: _File) -> None:
    found = constant_node(node, file.folder)
    if found is not None:
        name = node.output[0]
        shape, dtype, values = found
        tensors[name] = Tensor(name, shape, dtype, values, tensors[name].declared)


def _nodes(proto: Any, inferred: Any, file: _File, given: Overrides, around: Mapping[str, Tensor]) -> tuple[Node, ...]:
    names = unique_names([node.name or f"{node.op_type}_{i}" for i, node in enumerate(proto.node)])
    nodes = []
    for index, (node, name) in enumerate(zip(proto.node, names, strict=True)):
        attributes, subgraphs = {}, {}
        for attribute in node.attribute:
            bodies = _bodies(attribute)
            if not bodies:
                attributes[attribute.name] = attribute_value(attribute, file.folder)
            for key, body in bodies.items():
                known = _same_body(inferred, index, attribute.name, key)
                subgraphs[key] = _graph(body, body, known, file, given.within, around)
        frames, scopes = onnx_source(node) if node.metadata_props else ((), ())
        place = Source(file.path, None, None, node.op_type, index if file.indexed else None, frames, scopes)
        nodes.append(
            Node(
                name=name,
                op=node.op_type,
                inputs=tuple(node.input),
                outputs=tuple(node.output),
                attributes=attributes,
                source=place,
                domain=_domain(node.domain),
                subgraphs=subgraphs,
            )
        )
    return tuple(nodes)


def _bodies(attribute: Any) -> dict[str, Any]:
    """The graphs in an attribute, by the name they get in ``Node.subgraphs``."""
    if attribute.HasField("g"):
        return {attribute.name: attribute.g}
    return {f"{attribute.name}[{i}]": g for i, g in enumerate(attribute.graphs)}


def _same_body(inferred: Any, index: int, attribute: str, key: str) -> Any:
    """The body of control flow as shape inference left it."""
    if inferred is None or index >= len(inferred.node):
        return None
    same = next((a for a in inferred.node[index].attribute if a.name == attribute), None)
    return _bodies(same).get(key) if same is not None else None


def _lifted(nodes: Iterable[Node]) -> list[Problem]:
    """Problems of the bodies of control flow, told of the node they belong to."""
    return [
        Problem(problem.kind, f"in its {key}: {problem.message}", node.name)
        for node in nodes
        for key, body in node.subgraphs.items()
        for problem in body.problems
    ]


def _unknown_operators(nodes: Iterable[Node]) -> list[Problem]:
    from onnx import defs

    return [
        Problem("unknown-operator", f"ONNX has no operator '{node.op}'", node.name)
        for node in nodes
        if not node.domain and not defs.has(node.op)
    ]


def _about_initializers(proto: Any, stored: Any, weights: set[str], file: _File) -> list[Problem]:
    problems = []
    both = [i.name for i in proto.input if i.name in weights]
    if both:
        reason = f"; IR version {file.ir_version} demands it, 4 and newer do not" if 0 < file.ir_version < 4 else ""
        are = (
            "1 initialiser is also a graph input"
            if len(both) == 1
            else f"{len(both)} initialisers are also graph inputs"
        )
        message = f"{are} ({_some(both)}){reason}"
        problems.append(Problem("initializer-is-input", message))
    present: dict[str, bool] = {}

    def found(tensor: Any) -> bool:
        if tensor.data_location != EXTERNAL:
            return has_data(tensor, file.folder)
        location = external_location(tensor)
        if location not in present:
            present[location] = has_data(tensor, file.folder)
        return present[location]

    missing = [tensor for tensor in stored.initializer if not found(tensor)]
    if missing:
        files = sorted({external_location(t) for t in missing} - {""})
        where = f": {_some(files)} is not beside the model" if files else ""
        size = sum(map(stored_bytes, missing))
        total = len(stored.initializer)
        message = f"the values of {len(missing)} of {total} initialisers are not there ({_size(size)}){where}"
        problems.append(Problem("missing-weights", message))
    return problems


def _size(count: int) -> str:
    if count < 1000:
        return f"{count} bytes"
    return f"{count / 1e3:.3g} kB" if count < 1e6 else f"{count / 1e6:.3g} MB"


def _some(names: Sequence[str]) -> str:
    """The first few names of a list."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(f"'{name}'" for name in names[:3]) + more
