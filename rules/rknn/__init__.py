"""Rockchip NPUs: what RKNN-Toolkit2 does to a network, and what the board will refuse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import (
    advice,
    config_rules,
    cpu_rules,
    crash_rules,
    loading_rules,
    memory_rules,
    precision_rules,
    runtime_rules,
    size_rules,
    toolkit1_rules,
    value_rules,
)
from .config_fixes import fixes, same
from .configuration import KIND, check_document, configured_options, recognise
from .plan import plan as plan_for_toolkit2

if TYPE_CHECKING:
    from lintmodel.ir import Graph
    from lintmodel.planning import Plan
    from lintmodel.registry import Rule
    from lintmodel.target import Target

PREFIX = "RKN"
FAMILY = "rknn"
TYPICAL = ("rk3588", "rk3576", "rk3566", "rk3562", "rv1106", "rk1808")
DOCUMENTS = (KIND,)
CONFIGURATION = KIND
RULES: list[Rule] = [
    *loading_rules.RULES,
    *value_rules.RULES,
    *crash_rules.RULES,
    *precision_rules.RULES,
    *cpu_rules.RULES,
    *size_rules.RULES,
    *runtime_rules.RULES,
    *memory_rules.RULES,
    *config_rules.RULES,
    *toolkit1_rules.RULES,
    *advice.RULES,
]


def plan(graph: Graph, target: Target) -> Plan:
    """What the target's toolkit makes of a network."""
    if target.limit("toolkit") == 1:
        from .toolkit1 import plan as plan_for_toolkit1

        return plan_for_toolkit1(graph, target)
    return plan_for_toolkit2(graph, target)


__all__ = [
    "CONFIGURATION",
    "DOCUMENTS",
    "FAMILY",
    "PREFIX",
    "RULES",
    "TYPICAL",
    "check_document",
    "configured_options",
    "fixes",
    "plan",
    "recognise",
    "same",
]
