"""What a vendor's compiler will do to a graph, as steps on units, and how the memory is used.

A pack's ``plan`` makes a :class:`Plan`; rules and reports read it. Names of units, operations and pools are the
vendor's own words, so that a plan can be held beside the toolchain's log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any, Literal


class Placement(str, Enum):
    """Where one node of the user's graph ends up."""

    ACCELERATED = "accelerated"
    PARTIAL = "partial"
    FALLBACK = "fallback"
    UNSUPPORTED = "unsupported"
    FREE = "free"

    __str__ = str.__str__


Verdict = Literal["accepted", "rejected", "miscompiled", "unknown"]
Runtime = Literal["ok", "fails", "unknown"]
Fits = Literal["yes", "no", "unknown"]


@dataclass(frozen=True, slots=True)
class Buffer:
    """Memory one step writes. Lives from ``birth`` until before ``death`` (the planner's own clock)."""

    tensor: str
    bytes: int
    pool: str
    birth: int = 0
    death: int = 0
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that is executed: ``op`` (the vendor's word) on ``unit``."""

    unit: str
    op: str
    nodes: tuple[str, ...]
    """Names of the source nodes it does the work of. The first is the one it stands for; the work of the others
    was fused into it."""
    reads: tuple[str, ...] = ()
    writes: tuple[Buffer, ...] = ()
    shape: tuple[int, ...] = ()
    """Shape of the first output, in the layout the toolchain prints."""
    details: Mapping[str, Any] = field(default_factory=dict)
    """Further figures of this kind of step, reported under their own keys."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The toolchain stops, hangs or crashes because of this. ``kind`` is the kebab-case name of the rule that
    words it; ``details`` are the numbers its message needs."""

    kind: str
    node: str | None
    vendor_message: str | None
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Pool:
    """Use of one memory, in bytes unless the pack says otherwise. ``capacity`` None: bounded by nothing known."""

    peak: int
    capacity: int | None = None
    at: str | None = None
    """The node whose step reaches the peak."""
    parts: Mapping[str, int] = field(default_factory=dict)
    least: int | None = None
    """Where the use depends on data that is not in the file: the smallest it can be, ``peak`` being the largest."""
    spills: bool = False
    """What is above the capacity lies in another memory meanwhile: it costs time, and the model still runs."""


@dataclass(frozen=True, slots=True)
class NotChecked:
    """A check that could not be made, said once, with the number of nodes it concerns."""

    what: str
    why: str
    nodes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The steps in execution order, and every node's placement (by node name)."""

    steps: tuple[Step, ...] = ()
    placements: Mapping[str, Placement] = field(default_factory=dict)
    refusals: tuple[Refusal, ...] = ()
    memory: Mapping[str, Pool] = field(default_factory=dict)
    segments: int | None = None
    """Number of separate runs of the accelerator, where the toolchain counts them."""
    not_checked: tuple[NotChecked, ...] = ()
    verdict: Verdict = "accepted"
    runtime: Runtime = "ok"
    fits: Fits = "unknown"
    facts: tuple[tuple[str, str], ...] = ()
    """What the pack says besides findings: names and words, for the head of a report."""
    buffers: tuple[Buffer, ...] = ()
    """Every buffer there is, once: several tensors may lie in one. On the clock of the steps' own buffers."""

    @cached_property
    def _steps_of(self) -> dict[str, tuple[Step, ...]]:
        found: dict[str, list[Step]] = {}
        for step in self.steps:
            for node in dict.fromkeys(step.nodes):
                found.setdefault(node, []).append(step)
        return {node: tuple(steps) for node, steps in found.items()}

    def steps_of(self, node: str) -> tuple[Step, ...]:
        """All steps that do work of this node, in execution order."""
        return self._steps_of.get(node, ())

    def refused(self, kind: str) -> tuple[Refusal, ...]:
        return tuple(r for r in self.refusals if r.kind == kind)
