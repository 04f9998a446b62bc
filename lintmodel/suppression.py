"""Which findings the user does not want to hear of, and why: configuration, comments in his source, a baseline.

Nothing is dropped: a suppressed finding stays in the report with its reason, and counts for no exit code.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal

from .findings import Finding, Level
from .registry import find_rule, selector

if TYPE_CHECKING:
    from .api import Report
    from .config import Settings


@dataclass(frozen=True, slots=True)
class Suppressed:
    """A finding, and what silenced it."""

    finding: Finding
    by: Literal["configuration", "comment", "baseline"]
    why: str
    """The reason given, or where it is configured."""


def settle(report: Report, settings: Settings) -> Report:
    """The report with the settings' levels, and without the findings they silence. Raises UnknownRule."""
    kept: list[Finding] = []
    silenced = list(report.suppressed)
    overrides = _levels(settings.table("levels"))
    file_ignored = settings.file_ignores(report.model)
    ignores_file = selector(file_ignored) if file_ignored else None
    node_ignores = [(glob, selector(words)) for glob, words in settings.table("per-node-ignores").items()]
    for finding in report.findings:
        rule = find_rule(finding.rule)
        glob = next((g for g, chosen in node_ignores if finding.node and _named(finding.node, g) and chosen(rule)), "")
        if ignores_file is not None and ignores_file(rule):
            silenced.append(Suppressed(finding, "configuration", "per-file-ignores"))
        elif glob:
            silenced.append(Suppressed(finding, "configuration", f"per-node-ignores of '{glob}'"))
        else:
            kept.append(replace(finding, level=overrides.get(finding.rule, finding.level)))
    return replace(report, findings=tuple(kept), suppressed=tuple(silenced))


def _levels(table: Mapping[str, str]) -> dict[str, Level]:
    return {find_rule(word).code: Level[level.upper()] for word, level in table.items()}


def _named(node: str, glob: str) -> bool:
    """Names of nodes have brackets and stars of their own: an exact name is always meant."""
    return node == glob or fnmatchcase(node, glob)


def silenced_words(suppressed: Sequence[Suppressed]) -> Iterator[str]:
    """``3 by configuration``, one part a cause."""
    for cause in ("configuration", "comment", "baseline"):
        count = sum(item.by == cause for item in suppressed)
        if count:
            yield f"{count} by {cause}"
