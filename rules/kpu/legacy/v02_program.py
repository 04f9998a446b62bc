"""What nncase 0.2 reads weights and parameters into: the later compiler's graph, with this one's sentences.

Source: nncase v0.2.0-beta4, src/ir/hlir/connectors.cpp, src/evaluator/include/hlir/quantizer.h.
"""

from __future__ import annotations

from typing import Any

from lintmodel.ir import Tensor
from lintmodel.target import Target

from ..compiler.limits import Limits
from ..compiler.program import Op, Program

CLIPPED = 1e3
"""Weights beyond are taken for this much when their range is measured."""


class LegacyProgram(Program):
    """A program of the compiler before 1.0: equal operations stay apart, and refusals have its own words."""

    def __init__(self, target: Target) -> None:
        super().__init__(Limits.of(target))
        self.widest = float(target.limit("weights_quantize_threshold"))
        """Weights whose range is wider are not quantised."""
        self.fewest = int(target.limit("output_quantize_threshold"))
        """Results of fewer elements are not quantised on the CPU."""

    def merge_equal(self) -> None:
        """This version merges nothing."""

    def refuse(self, kind: str, op: Op | None, vendor_message: str, **details: Any) -> None:
        super().refuse(kind, op, _message(kind, vendor_message, details), **details)

    def too_wide(self, weights: Op) -> bool:
        """The weights' range keeps the layer from being quantised. False where the values are not known."""
        span = weights.attrs.get("span")
        return span is not None and span > self.widest


def _message(kind: str, message: str, details: dict[str, Any]) -> str:
    if kind == "type-mismatch":
        return "Fatal: Type must be same"
    if kind == "shape-mismatch" and "made" in details and "Fatal" not in message:
        theirs, ours = (",".join(map(str, details.get(key) or ())) for key in ("declared", "made"))
        return f"Fatal: Shapes must be same, but got [{theirs}] and [{ours}]"
    if kind in ("symbolic-size", "parameter-not-constant", "pool-rank") and not message.startswith("Fatal"):
        return ""
    return message.replace("RuntimeError: ", "Fatal: ")


def span(tensor: Tensor) -> float | None:
    """Width of the range of a tensor's weights as the compiler measures it, zero always in it; None where the
    values are not in the file. Integers are taken with their first scale."""
    import numpy as np

    values = tensor.constant.load() if tensor.constant is not None else None
    if values is None or not values.size:
        return None
    low, high = float(values.min()), float(values.max())
    if not (np.isfinite(low) and np.isfinite(high)):
        finite = values[np.isfinite(values)]
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
    if tensor.dtype == "int8" and tensor.quantization is not None and tensor.quantization.scales:
        scale, zero = tensor.quantization.scales[0], (tensor.quantization.zero_points or (0,))[0]
        low, high = (low - zero) * scale, (high - zero) * scale
    return _fixed(low, high)


def _fixed(low: float, high: float) -> float:
    """The highest value starts from zero, both ends are clipped, and a range has some width."""
    low, high = max(low, -CLIPPED), min(max(high, 0.0), CLIPPED)
    width = high - low
    width = 0.1 if width == 0 else max(width, 0.01)
    return low + width - min(low, 0.0)
