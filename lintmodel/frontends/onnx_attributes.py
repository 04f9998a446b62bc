"""Attributes of ONNX nodes as plain Python values."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ir import Constant, Shape
from ..ir.dtypes import onnx_dtype
from .onnx_tensors import constant, dtype_of, shape_of, sparse_constant

if TYPE_CHECKING:
    import numpy as np

# onnx.proto, AttributeProto.AttributeType: the field that holds the value of each type. Graphs are read elsewhere.
_FIELDS = {1: "f", 2: "i", 3: "s", 4: "t", 6: "floats", 7: "ints", 8: "strings", 9: "tensors", 11: "sparse_tensor"}


def attribute_value(attribute: Any, folder: Path | None) -> Any:
    """An int, float, str or tuple of them; a Constant for tensors. None for a type there is no plain value for."""
    # Files older than IR version 2 leave the type out: then the field that is set says it.
    field = _FIELDS.get(attribute.type) or next((f for f in _FIELDS.values() if _is_set(attribute, f)), None)
    if field is None:
        return _type_proto(attribute.tp) if attribute.HasField("tp") else None
    value = getattr(attribute, field)
    if field == "s":
        return _text(value)
    if field == "strings":
        return tuple(map(_text, value))
    if field == "t":
        return constant(value, folder)
    if field == "tensors":
        return tuple(constant(tensor, folder) for tensor in value)
    if field == "sparse_tensor":
        return sparse_constant(value, folder)
    return tuple(value) if field in ("ints", "floats") else value


def constant_node(node: Any, folder: Path | None) -> tuple[Shape, str, Constant] | None:
    """Shape, element type and value of what a Constant node makes; None when it has no value."""
    for attribute in node.attribute:
        name = attribute.name
        if name == "value" and attribute.HasField("t"):
            tensor = attribute.t
            return tuple(tensor.dims), onnx_dtype(tensor.data_type), constant(tensor, folder)
        if name == "sparse_value" and attribute.HasField("sparse_tensor"):
            sparse = attribute.sparse_tensor
            return tuple(sparse.dims), onnx_dtype(sparse.values.data_type), sparse_constant(sparse, folder)
        kind = _PLAIN.get(name)
        if kind is not None:
            value = attribute_value(attribute, folder)
            shape: Shape = (len(value),) if isinstance(value, tuple) else ()
            return shape, kind, _plain(value, kind)
    return None


# The ONNX operator Constant: attributes other than tensors, and the element type each makes.
_PLAIN = {
    "value_float": "float32",
    "value_floats": "float32",
    "value_int": "int64",
    "value_ints": "int64",
    "value_string": "string",
    "value_strings": "string",
}


def _plain(value: Any, kind: str) -> Constant:
    def load() -> np.ndarray[Any, Any]:
        import numpy as np

        return np.array(value, object if kind == "string" else kind)

    return Constant(load)


def _is_set(attribute: Any, field: str) -> bool:
    if field in ("floats", "ints", "strings", "tensors"):
        return len(getattr(attribute, field)) > 0
    return bool(attribute.HasField(field))


def _text(value: bytes) -> str:
    return value.decode("utf-8", errors="replace")


def _type_proto(type_proto: Any) -> tuple[str, Shape | None]:
    return dtype_of(type_proto), shape_of(type_proto)
