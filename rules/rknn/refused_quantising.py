"""What cannot be built in the precision asked for.

Source: measured with rknn-toolkit2 2.5.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from lintmodel.planning import Refusal

from .subject import Subject, axes_of

STORED = frozenset({"QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear"})
MADE_FLOAT = frozenset({"And", "Or", "Xor"})
"""Operators on other types that the toolkit computes in floating point."""


def refusals(subject: Subject) -> Iterator[Refusal]:
    for check in INT8 if subject.quantized else FLOAT16:
        yield from check(subject)
    yield from _uint8(subject)


def _only_float16(subject: Subject) -> Iterator[Refusal]:
    """int8 on a chip that only computes in float16."""
    if subject.target.limit("builds") == "float16":
        conv = next((node for node in subject.of("Conv", "ConvTranspose", "Gemm")), None)
        name = conv.inputs[0] if conv is not None else next(iter(subject.graph.inputs), "")
        message = f"Meet unsupported conv, input tensor name: {name} input type: 3"
        yield Refusal("no-int8", None, message, {"chip": subject.target.name})


def _only_int8(subject: Subject) -> Iterator[Refusal]:
    if subject.target.limit("builds") == "int8":
        message = f"Current target_platform({subject.target.name}) not support do_quantization = False!"
        yield Refusal("no-float16", None, message, {"chip": subject.target.name})


def _already_quantized(subject: Subject) -> Iterator[Refusal]:
    found = [node for node in subject.live if node.op in STORED and not node.domain]
    if subject.graph.format == "tflite":
        tensors = (subject.graph.tensor(name) for name in subject.graph.inputs)
        stored = any(tensor.quantization is not None for tensor in tensors)
    else:
        stored = bool(found)
    if stored:
        message = "If a quantized model has been import, please set do_quantization = False."
        yield Refusal("already-quantized", None, message, {"count": len(found)})


def _quantized_on_float16(subject: Subject) -> Iterator[Refusal]:
    """int8 data in the file, on a chip that only computes in float16."""
    quantized = next((node for node in subject.live if node.op in STORED), None)
    if subject.target.limit("builds") == "float16" and quantized is not None:
        message = f"Meet unsupported conv, input tensor name: {quantized.inputs[0]} input type: 3"
        yield Refusal("no-int8", quantized.name, message, {"chip": subject.target.name})


def _nothing_to_quantize(subject: Subject) -> Iterator[Refusal]:
    """No floating-point tensor between operators that are left."""
    graph = subject.graph
    names = {name for node in subject.live for name in (*node.inputs, *node.outputs) if name}
    flowing = [graph.tensor(name) for name in names if name not in subject.constant]
    real = any(t.quantization is not None or t.dtype.startswith(("float", "bfloat", "unknown")) for t in flowing)
    if flowing and not real and not any(node.op in MADE_FLOAT for node in subject.live):
        message = "Can not find quantize information!, try to change request type to float16"
        yield Refusal("nothing-to-quantize", None, message, {"dtypes": sorted({t.dtype for t in flowing})})


def _same_outputs(subject: Subject) -> Iterator[Refusal]:
    """Two outputs with one value."""
    first: dict[str, str] = {}
    for name in subject.graph.outputs:
        root = subject.root(name)
        if root in first and subject.graph.producer(root) is not None:
            message = f"KeyError: '{first[root]}'"
            yield Refusal("same-outputs", None, message, {"first": first[root], "second": name})
        first.setdefault(root, name)


def _custom_outputs(subject: Subject) -> Iterator[Refusal]:
    """Outputs that an operator makes which the toolkit takes for a custom one."""
    for name in subject.graph.outputs:
        maker = subject.graph.producer(name)
        if maker is None:
            continue
        custom = maker.domain in subject.target.operators["custom_domains"]
        if (custom and maker.op != "Gelu") or (maker.op == "GroupNormalization" and not maker.domain):
            yield Refusal("custom-output", maker.name, f"KeyError: '{name}_int8'", {"op": maker.op, "output": name})


def _scalars(subject: Subject) -> Iterator[Refusal]:
    for name in subject.graph.inputs:
        tensor = subject.graph.tensor(name)
        if tensor.known and axes_of(tensor) == 0 and subject.graph.consumers(name):
            yield Refusal("scalar-input", None, "IndexError: list index out of range", {"input": name})


def _uint8(subject: Subject) -> Iterator[Refusal]:
    """Conversions from and to bytes that are left."""
    for node in subject.of("Cast"):
        source, result = subject.tensor(node), subject.result(node)
        if "uint8" in (source.dtype, result.dtype):
            name = source.name if source.dtype == "uint8" else result.name
            details: dict[str, Any] = {"from": source.dtype, "to": result.dtype}
            yield Refusal("uint8-tensor", node.name, _said_of_bytes(subject, name), details)


def _said_of_bytes(subject: Subject, name: str) -> str:
    conv = f"Meet unsupported conv, input tensor name: {name} input type: 2"
    dtype = "Not Support Dtype: 2. please check precision!"
    said = {"conv": conv, "dtype": dtype, "both": f"{conv} || {dtype}"}
    return said[str(subject.target.limit("said_of_bytes"))]


INT8: tuple[Callable[[Subject], Iterator[Refusal]], ...] = (
    _only_float16,
    _already_quantized,
    _nothing_to_quantize,
    _same_outputs,
    _custom_outputs,
    _scalars,
)
FLOAT16: tuple[Callable[[Subject], Iterator[Refusal]], ...] = (_only_int8, _quantized_on_float16)
