"""Kendryte K210: what nncase does to a network for its KPU."""

from __future__ import annotations

from . import convolutions, memory, operators, quantisation, rejections, shapes
from .plan import plan

PREFIX = "KPU"
FAMILY = "kpu"
RULES = [
    *convolutions.RULES,
    *operators.RULES,
    *rejections.RULES,
    *shapes.RULES,
    *memory.RULES,
    *quantisation.RULES,
]

__all__ = ["FAMILY", "PREFIX", "RULES", "plan"]
