"""Names in ONNX files that are no UTF-8 text, as exporters on machines with another code page have written them.

protobuf gives such a name as bytes, which nothing else here could use; the bytes that mean nothing become U+FFFD.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any


def repair_names(model: Any) -> None:
    """Makes text of every name in a ModelProto that is read or handed on, in place."""
    _repair([model], "producer_name", "producer_version", "domain", "doc_string")
    _repair(model.metadata_props, "key", "value")
    _repair(model.opset_import, "domain")
    for function in model.functions:
        _repair([function], "name", "domain")
        _repair_each(function.input)
        _repair_each(function.output)
        _repair_nodes(function.node)
    _repair_graph(model.graph)


def _repair_graph(graph: Any) -> None:
    _repair([graph], "name")
    for infos in (graph.input, graph.output, graph.value_info):
        _repair(infos, "name")
        for info in infos:
            _repair(info.type.tensor_type.shape.dim, "dim_param")
    for tensors in (graph.initializer, [sparse.values for sparse in graph.sparse_initializer]):
        _repair(tensors, "name")
        for tensor in tensors:
            _repair(tensor.external_data, "key", "value")
    _repair_nodes(graph.node)


def _repair_nodes(nodes: Any) -> None:
    _repair(nodes, "name", "op_type", "domain")
    for node in nodes:
        _repair_each(node.input)
        _repair_each(node.output)
        _repair(node.attribute, "name", "ref_attr_name")
        for attribute in node.attribute:
            if attribute.HasField("g"):
                _repair_graph(attribute.g)
            for graph in attribute.graphs:
                _repair_graph(graph)


def _repair(messages: Iterable[Any], *fields: str) -> None:
    for message in messages:
        for field in fields:
            value = getattr(message, field)
            if isinstance(value, bytes):
                setattr(message, field, value.decode("utf-8", "replace"))


def _repair_each(names: Any) -> None:
    for index, name in enumerate(names):
        if isinstance(name, bytes):
            names[index] = name.decode("utf-8", "replace")
