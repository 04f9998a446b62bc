"""TensorFlow Lite Micro: what its interpreter runs, and the arena it needs."""

from __future__ import annotations

from . import memory, operators, shapes
from .plan import plan

PREFIX = "TFM"
FAMILY = "tflm"
TYPICAL = ("generic",)
RULES = [*operators.RULES, *shapes.RULES, *memory.RULES]

__all__ = ["FAMILY", "PREFIX", "RULES", "TYPICAL", "plan"]
