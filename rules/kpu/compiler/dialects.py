"""The file formats the compiler imports, each with its table of operators."""

from __future__ import annotations

from lintmodel.ir import Node
from lintmodel.target import Target

from . import onnx_operators, onnx_tensor_operators, tflite_operators, tflite_tensor_operators
from .importer import Dialect


def dialect(format: str) -> Dialect:
    """The dialect of a file format. Formats other than TFLite reach the compiler as ONNX."""
    return TFLITE if format == "tflite" else ONNX


def _onnx_refusal(node: Node, target: Target) -> str | None:
    """The importer looks at the name only, whatever domain the operator comes from."""
    if node.native_op in target.operators["onnx"]:
        return None
    return f"RuntimeError: Not supported ONNX opcode: {node.native_op}"


def _tflite_refusal(node: Node, target: Target) -> str | None:
    if node.domain:
        known = node.native_op in target.operators["tflite_custom"]
        return None if known else f"RuntimeError: Unsupported tflite CUSTOM code: {node.native_op}"
    if node.native_op in target.operators["tflite"]:
        return None
    return f"RuntimeError: Unsupported tflite opcode: {node.native_op}"


TFLITE_TYPES = frozenset({"float32", "int8", "uint8", "int32", "int64", "bool"})
"""nncase v1.9.0, importer/tflite/tflite_importer.h to_data_type."""
ONNX_TYPES = TFLITE_TYPES | {"float16", "float64", "bfloat16", "int16", "uint16", "uint32", "uint64"}
"""nncase v1.9.0, importer/onnx/onnx_importer.cpp get_datatype."""

ONNX = Dialect(
    onnx_operators.OPERATORS | onnx_tensor_operators.OPERATORS,
    _onnx_refusal,
    types=ONNX_TYPES | {"unknown"},
    type_refusal="RuntimeError: bad optional access",
    constant_types=frozenset({"float32", "uint8", "bool", "int32", "int64", "int16", "uint16"}),
)
TFLITE = Dialect(
    tflite_operators.OPERATORS | tflite_tensor_operators.OPERATORS,
    _tflite_refusal,
    check=tflite_operators.check_outputs,
    types=TFLITE_TYPES,
    type_refusal="RuntimeError: Invalid tensor type: {dtype}",
    states_outputs=True,
)
