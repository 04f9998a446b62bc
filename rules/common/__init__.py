"""Rules for any target: what is wrong or unusual with a network whatever the chip."""

from __future__ import annotations

from lintmodel.registry import Rule

from . import advice, operators, quantisation, shapes, versions

PREFIX = "GRF"
RULES: list[Rule] = [*operators.RULES, *shapes.RULES, *quantisation.RULES, *versions.RULES, *advice.RULES]

__all__ = ["PREFIX", "RULES"]
