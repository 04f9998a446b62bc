"""Kendryte K210: what nncase does to a network for its KPU."""

from __future__ import annotations

from . import convolutions, memory, operators, other_versions, preprocessing, quantisation, rejections, runtime, shapes
from .kmodel import check_document
from .legacy import v01_rules, v02_rules
from .plan import plan

PREFIX = "KPU"
FAMILY = "kpu"
TYPICAL = ("k210",)
DOCUMENTS = ("kmodel",)
RULES = [
    *convolutions.RULES,
    *operators.RULES,
    *rejections.RULES,
    *shapes.RULES,
    *memory.RULES,
    *quantisation.RULES,
    *preprocessing.RULES,
    *runtime.RULES,
    *v01_rules.RULES,
    *v02_rules.RULES,
    *other_versions.RULES,
]

__all__ = ["DOCUMENTS", "FAMILY", "PREFIX", "RULES", "TYPICAL", "check_document", "plan"]
