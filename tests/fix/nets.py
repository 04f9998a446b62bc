"""Small networks for rewrites, in onnx's own text syntax."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper, parser

from lintmodel.frontends.onnx import read_onnx_model
from lintmodel.ir import Graph
from lintmodel.normalize import normalize

Make = Callable[[], onnx.ModelProto]


@dataclass(frozen=True)
class Case:
    """A network in which a rewrite finds something, and the operators that are left, in the order of the file."""

    model: Make
    after: str
    """Names of operators, separated by blanks."""
    details: Sequence[Mapping[str, Any]] = ()


def net(text: str, opset: int = 17, **values: Any) -> Make:
    """A network of ``(inputs) => (outputs) <weights> { nodes }``. Weights are random, unless given by name; one whose
    name begins with ``v`` is positive."""

    def make() -> onnx.ModelProto:
        model = parser.parse_model(f'<ir_version: 8, opset_import: ["" : {opset}]> net {text}')
        made = {name for node in model.graph.node for name in node.output}
        infos = [each for each in model.graph.value_info if each.name not in made]
        for info in infos:
            kind = info.type.tensor_type
            shape = [dim.dim_value for dim in kind.shape.dim]
            dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
            array = np.asarray(values.get(info.name, _random(info.name, shape)), dtype).reshape(shape)
            model.graph.initializer.append(numpy_helper.from_array(array, info.name))
            model.graph.value_info.remove(info)
        for k, node in enumerate(model.graph.node):
            node.name = node.name or f"{node.op_type.lower()}_{k}"
        return model

    return make


def _random(name: str, shape: Sequence[int]) -> np.ndarray[Any, Any]:
    values = np.random.default_rng(sum(name.encode())).standard_normal(shape)
    return np.abs(values) + 0.1 if name.startswith("v") else values


def read(model: onnx.ModelProto) -> Graph:
    return normalize(read_onnx_model(model, ""))


def ops(model: onnx.ModelProto) -> str:
    return " ".join(node.op_type for node in model.graph.node)
