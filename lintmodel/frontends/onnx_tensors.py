"""Tensors of ONNX files: types, shapes, and constants whose bytes are read only when somebody asks."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..ir import Constant, Dim, Shape
from ..ir.dtypes import bits, onnx_dtype

if TYPE_CHECKING:
    import numpy as np

EXTERNAL = 1  # TensorProto.DataLocation.EXTERNAL

# The fields of a TensorProto that may hold its values. raw_data is asked for by HasField: reading it would copy it.
_TYPED_DATA = ("float_data", "int64_data", "int32_data", "double_data", "uint64_data", "string_data")


def shape_of(type_proto: Any, bound: Mapping[str, int] | None = None) -> Shape | None:
    """The shape a TypeProto states, None when it states none. Symbols in ``bound`` are replaced by their numbers."""
    kind = type_proto.WhichOneof("value")
    if kind not in ("tensor_type", "sparse_tensor_type") or not getattr(type_proto, kind).HasField("shape"):
        return None
    return tuple(_dim(d, bound) for d in getattr(type_proto, kind).shape.dim)


def _dim(dim: Any, bound: Mapping[str, int] | None) -> Dim:
    if dim.HasField("dim_value"):
        # Some exporters write -1 for a size they do not know.
        return int(dim.dim_value) if dim.dim_value >= 0 else "?"
    name = str(dim.dim_param) or "?"
    return bound.get(name, name) if bound else name


def dtype_of(type_proto: Any) -> str:
    """The element type a TypeProto states; ``"unknown"`` for sequences, maps and optional values."""
    kind = type_proto.WhichOneof("value")
    return (
        onnx_dtype(getattr(type_proto, kind).elem_type) if kind in ("tensor_type", "sparse_tensor_type") else "unknown"
    )


def stored_bytes(tensor: Any) -> int:
    """Size of a TensorProto's values in bytes, worked out from its type: its data are not touched."""
    return (int(prod(tensor.dims)) * bits(onnx_dtype(tensor.data_type)) + 7) // 8


def constant(tensor: Any, folder: Path | None) -> Constant:
    """A Constant that keeps the TensorProto and decodes it when asked. ``folder`` is where external data may lie."""

    def load() -> np.ndarray[Any, Any] | None:
        import onnx
        from onnx import numpy_helper

        source = tensor
        if tensor.data_location == EXTERNAL:
            data = _read_external(tensor, folder)
            if data is None:
                return None
            source = onnx.TensorProto(data_type=tensor.data_type, dims=tensor.dims, raw_data=data)
        elif not has_data(tensor, folder):
            return None
        try:
            array: np.ndarray[Any, Any] = numpy_helper.to_array(source)
        except (ValueError, TypeError, KeyError, OverflowError, MemoryError):
            return None  # fewer bytes than the shape needs, or an element type without a meaning
        return array

    return Constant(load)


def sparse_constant(sparse: Any, folder: Path | None) -> Constant:
    """A Constant of a SparseTensorProto, as the dense array it stands for."""

    def load() -> np.ndarray[Any, Any] | None:
        import numpy as np

        values, indices = constant(sparse.values, folder).load(), constant(sparse.indices, folder).load()
        # A few bytes of file must not be able to ask for all memory of the machine.
        if values is None or indices is None or prod(sparse.dims) > 1 << 28:
            return None
        dense = np.zeros(tuple(sparse.dims), values.dtype)
        try:
            if indices.ndim == 1:
                dense.reshape(-1)[indices] = values
            else:
                dense[tuple(indices.T)] = values
        except (IndexError, ValueError):
            return None
        return dense

    return Constant(load)


def has_data(tensor: Any, folder: Path | None) -> bool:
    """Whether the values of a TensorProto can be found: in the file, or in an external file beside it."""
    if tensor.data_location == EXTERNAL:
        return external_file(tensor, folder) is not None
    return (
        tensor.HasField("raw_data") or any(len(getattr(tensor, name)) for name in _TYPED_DATA) or prod(tensor.dims) == 0
    )


def external_file(tensor: Any, folder: Path | None) -> Path | None:
    """The file an external tensor's values lie in; None when it is absent or outside the model's folder."""
    location = external_location(tensor)
    if folder is None or not location:
        return None
    try:
        home = folder.resolve()
        found = (home / location).resolve()
        # The location comes from the file: never let it name anything outside the model's own folder.
        return found if found.is_relative_to(home) and found.is_file() else None
    except (OSError, ValueError, RuntimeError):
        return None


def external_location(tensor: Any) -> str:
    return next((str(e.value) for e in tensor.external_data if e.key == "location"), "")


def _read_external(tensor: Any, folder: Path | None) -> bytes | None:
    path = external_file(tensor, folder)
    if path is None:
        return None
    entries = {e.key: e.value for e in tensor.external_data}
    size = stored_bytes(tensor)
    try:
        offset, length = int(entries.get("offset") or 0), int(entries.get("length") or size)
        if offset < 0 or length < size:
            return None
        with path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
    except (OSError, ValueError, OverflowError, MemoryError):
        return None
    return data if len(data) == size else None
