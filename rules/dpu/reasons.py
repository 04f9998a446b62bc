"""Why an operation is not on the DPU."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Reason:
    """One limit an operation breaks. ``kind`` is the name of the rule that words it."""

    kind: str
    vendor_message: str | None = None
    """What AMD's inspector says; None where it lets the operation pass."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    overlooked: bool = False
    """AMD's inspector of release 2.5 reports the DPU all the same."""
    advisory: bool = False
    """The inspector reports the DPU and nothing recorded says otherwise: the placement follows it."""
