"""Reports held beside each other: one model on several targets, and two versions of a model on one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .findings import Finding, Level
from .planning import Placement

if TYPE_CHECKING:
    from .api import Report

ON_ACCELERATOR = (Placement.ACCELERATED, Placement.PARTIAL)


@dataclass(frozen=True, slots=True)
class Standing:
    """What one target makes of a model, in the figures by which chips are chosen."""

    report: Report
    accelerated: float | None
    """Share of all multiply-accumulates that the accelerator does, 0 to 1; None where there are none, and
    where the toolchain rejects the model."""
    fullest: tuple[str, int, int] | None
    """The memory that is fullest: name, bytes used, capacity in bytes."""
    blocking: Finding | None
    """The first finding that keeps the model from running."""
    fixes: tuple[str, ...] | None
    """Fixes that together would lift every finding of level error; None when one of these has no fix, and empty when
    there is none to lift."""

    @property
    def rank(self) -> tuple[int, float, int]:
        """Targets that take the model first, then those that accelerate more of it, then those with fewer findings."""
        runs = self.report.verdict == "accepted" and self.report.runtime != "fails" and self.report.fits != "no"
        known = self.report.verdict != "unknown"
        return (0 if runs else 2 if known else 1, -(self.accelerated or 0), len(self.report.findings))


def standing(report: Report) -> Standing:
    macs = dict.fromkeys(Placement, 0)
    for node in report.nodes:
        macs[node.placement] += node.macs
    total = sum(macs.values())
    share = sum(macs[placement] for placement in ON_ACCELERATOR) / (total or 1)
    full = [(name, p.peak, p.capacity) for name, p in report.plan.memory.items() if p.capacity]
    errors = [finding for finding in report.findings if finding.level == Level.ERROR]
    ids = [finding.fix.id if finding.fix else None for finding in errors]
    return Standing(
        report,
        share if total and report.verdict != "rejected" else None,
        max(full, key=lambda pool: pool[1] / pool[2], default=None),
        errors[0] if errors else None,
        None if None in ids else tuple(dict.fromkeys(id for id in ids if id)),
    )


@dataclass(frozen=True, slots=True)
class Difference:
    """What a new version of a model changes on one target."""

    old: Report
    new: Report
    moved: tuple[tuple[str, Placement, Placement], ...]
    """Nodes of both that run elsewhere now: name, from, to."""
    added: tuple[str, ...]
    removed: tuple[str, ...]
    memory: tuple[tuple[str, int, int], ...]
    """Memories whose peak changed: name, bytes before, bytes now (0 where there was none)."""
    appeared: tuple[Finding, ...]
    gone: tuple[Finding, ...]
    changed: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Of verdict, runtime, fits and segments, what is not as it was: before and now."""

    @property
    def nothing(self) -> bool:
        return not (
            self.moved or self.added or self.removed or self.memory or self.appeared or self.gone or self.changed
        )


def difference(old: Report, new: Report) -> Difference:
    """Nodes are compared by name, findings by fingerprint."""
    before = {node.name: node.placement for node in old.nodes}
    after = {node.name: node.placement for node in new.nodes}
    peaks = [{name: pool.peak for name, pool in report.plan.memory.items()} for report in (old, new)]
    facts = ("verdict", "runtime", "fits")
    pairs = {fact: (str(getattr(old, fact)), str(getattr(new, fact))) for fact in facts}
    pairs["segments"] = (str(old.plan.segments or 0), str(new.plan.segments or 0))
    return Difference(
        old,
        new,
        tuple((name, before[name], after[name]) for name in after if before.get(name, after[name]) != after[name]),
        tuple(name for name in after if name not in before),
        tuple(name for name in before if name not in after),
        tuple(
            (name, peaks[0].get(name, 0), peaks[1].get(name, 0))
            for name in dict.fromkeys([*peaks[1], *peaks[0]])
            if peaks[0].get(name, 0) != peaks[1].get(name, 0)
        ),
        _beyond(new.findings, old.findings),
        _beyond(old.findings, new.findings),
        {fact: pair for fact, pair in pairs.items() if pair[0] != pair[1]},
    )


def _beyond(these: Sequence[Finding], those: Sequence[Finding]) -> tuple[Finding, ...]:
    left = Counter(finding.fingerprint for finding in those)
    found = []
    for finding in these:
        if left[finding.fingerprint]:
            left[finding.fingerprint] -= 1
        else:
            found.append(finding)
    return tuple(found)
