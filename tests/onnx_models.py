"""Small ONNX models for tests, from onnx's own text syntax or from nodes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx
from onnx import TensorProto, helper, parser

from lintmodel.frontends.onnx import read_onnx
from lintmodel.ir import Graph

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64


def model_of(text: str, header: str = '<ir_version: 9, opset_import: ["" : 17]>') -> onnx.ModelProto:
    return parser.parse_model(header + text)


def graph_of(text: str, **options: Any) -> Graph:
    return read_onnx(model_of(text), **options)


def value(name: str, shape: Sequence[int | str | None] | None, dtype: int = FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, dtype, shape)


def made(
    nodes: Sequence[onnx.NodeProto],
    inputs: Sequence[onnx.ValueInfoProto],
    outputs: Sequence[onnx.ValueInfoProto],
    opset: int = 17,
    **parts: Any,
) -> onnx.ModelProto:
    graph = helper.make_graph(nodes, "net", inputs, outputs, **parts)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def problems(graph: Graph, kind: str) -> list[tuple[str, str | None]]:
    return [(p.message, p.node) for p in graph.problems if p.kind == kind]
