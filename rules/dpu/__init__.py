"""AMD DPUs: what Vitis AI's quantiser and compiler make of a network, and what they say of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import arch, convolutions, memory_rules, operators, releases, runtime, shapes
from .fingerprint import target_sheet
from .plan import plan
from .quantiser import document as configuration
from .quantiser import refusal_rules, remark_rules
from .quantiser.fixes import fixes, same

if TYPE_CHECKING:
    from lintmodel.ir import Document
    from lintmodel.planning import Plan
    from lintmodel.registry import Rule
    from lintmodel.target import Target

PREFIX = "DPU"
FAMILY = "dpu"
TYPICAL = ("kv260", "vck190", "vek280")
DOCUMENTS = (configuration.KIND, arch.KIND)
RULES: list[Rule] = [
    *convolutions.RULES,
    *operators.RULES,
    *shapes.RULES,
    *memory_rules.RULES,
    *releases.RULES,
    *runtime.RULES,
    *arch.RULES,
    *refusal_rules.RULES,
    *remark_rules.RULES,
]


def recognise(document: Document) -> str | None:
    """A configuration of the quantiser, or an ``arch.json``."""
    return configuration.recognise(document) or arch.recognise(document)


def check_document(document: Document, target: Target) -> Plan:
    """What the quantiser makes of its configuration, or the runtime of what is compiled with an ``arch.json``."""
    if document.kind == arch.KIND:
        return arch.check_arch(document, target)
    return configuration.check_configuration(document, target)


__all__ = [
    "DOCUMENTS",
    "FAMILY",
    "PREFIX",
    "RULES",
    "TYPICAL",
    "check_document",
    "fixes",
    "plan",
    "recognise",
    "same",
    "target_sheet",
]
