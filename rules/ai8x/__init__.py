"""Analog Devices MAX78000 and MAX78002: what ai8x-synthesis (izer) does with a network description."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    checkpoint_rules,
    cnn_model_rules,
    cnn_operator_rules,
    cnn_window_rules,
    defaults,
    layer_rules,
    memory_rules,
    schema_rules,
    shape_rules,
    torch_rules,
    traps,
    wrong_data,
)
from .cnn import plan
from .fixes import fixes, same
from .generate import generate
from .torch_layers import TORCH_MODULE

if TYPE_CHECKING:
    from lintmodel.ir import Document
    from lintmodel.planning import Plan
    from lintmodel.registry import Rule
    from lintmodel.target import Target

PREFIX = "AIX"
FAMILY = "ai8x"
TYPICAL = ("max78000", "max78002")
DOCUMENTS = ("ai8x",)
TORCH_MODULES = (TORCH_MODULE,)
RULES: list[Rule] = [
    *schema_rules.RULES,
    *layer_rules.RULES,
    *shape_rules.RULES,
    *memory_rules.RULES,
    *defaults.RULES,
    *checkpoint_rules.RULES,
    *cnn_window_rules.RULES,
    *cnn_operator_rules.RULES,
    *cnn_model_rules.RULES,
    *wrong_data.RULES,
    *traps.RULES,
    *torch_rules.RULES,
]


def check_document(document: Document, target: Target) -> Plan:
    """What izer makes of a description."""
    from .description import check_document as planned

    return planned(document, target)


__all__ = [
    "DOCUMENTS",
    "FAMILY",
    "PREFIX",
    "RULES",
    "TORCH_MODULES",
    "TYPICAL",
    "check_document",
    "fixes",
    "generate",
    "plan",
    "same",
]
