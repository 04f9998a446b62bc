"""Element types: ONNX's numbers for them and numpy's names."""

from __future__ import annotations

# onnx.proto, TensorProto.DataType
ONNX_DTYPES: dict[int, str] = {
    1: "float32",
    2: "uint8",
    3: "int8",
    4: "uint16",
    5: "int16",
    6: "int32",
    7: "int64",
    8: "string",
    9: "bool",
    10: "float16",
    11: "float64",
    12: "uint32",
    13: "uint64",
    14: "complex64",
    15: "complex128",
    16: "bfloat16",
    17: "float8_e4m3fn",
    18: "float8_e4m3fnuz",
    19: "float8_e5m2",
    20: "float8_e5m2fnuz",
    21: "uint4",
    22: "int4",
    23: "float4_e2m1fn",
    24: "float8_e8m0fnu",
    25: "uint2",
    26: "int2",
}


def onnx_dtype(number: int) -> str:
    """numpy's name of an ONNX element type; ``"unknown"`` for a number this version has no name for."""
    return ONNX_DTYPES.get(number, "unknown")


def onnx_number(dtype: str) -> int:
    """ONNX's number of an element type; 0 (undefined) for ``"unknown"``."""
    return next((number for number, name in ONNX_DTYPES.items() if name == dtype), 0)


def bits(dtype: str) -> int:
    """Bits of one element as ONNX stores it; 32 where that has no meaning (strings) or is not known."""
    digits = dtype.split("_")[0].lstrip("abcdefghijklmnopqrstuvwxyz")
    return {"bool": 8}.get(dtype) or (int(digits) if digits else 32)
