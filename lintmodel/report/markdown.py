"""A comment for a pull request: the verdicts as a table, what was found below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from ..findings import Finding
from .places import relative
from .text import closing, counted, levels, printable, size

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure

LONGEST = 60_000
"""Characters; GitHub refuses a comment of more than 65,536."""
NODES = 8
"""Nodes named for one message."""
MARKS = {"accepted": "✅", "rejected": "❌", "miscompiled": "❌", "unknown": "❔"}


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """GitHub's Markdown, which GitLab shows as well. Findings beyond what a comment holds are counted."""
    lines = ["### lintmodel", "", *_verdicts(reports, failures), "", closing(reports, failures, compared), ""]
    left = LONGEST - sum(map(len, lines))
    untold = 0
    for report in reports:
        block = "\n".join(_findings(report))
        if len(block) > left:
            untold += len(report.findings)
            continue
        left -= len(block)
        if block:
            lines.append(block)
    if untold:
        lines.append(f"{counted(untold, 'finding')} more do not fit into a comment; see the full report.\n")
    return "\n".join(lines)


def _verdicts(reports: Sequence[Report], failures: Sequence[Failure]) -> Iterator[str]:
    yield "| model | target | verdict | on the board | in memory | accelerated | findings |"
    yield "|---|---|---|---|---|---|---|"
    for report in reports:
        total = sum(report.counts.values()) - report.counts["free"]
        share = f"{report.counts['accelerated']} of {total}" if total else ""
        cells = [
            f"`{_cell(relative(report.model))}`",
            f"{report.target.name} ({report.target.toolchain})",
            f"{MARKS[report.verdict]} {report.verdict}",
            report.runtime,
            "; ".join(_pools(report)) or report.fits,
            share,
            levels(report.findings) or "none",
        ]
        yield f"| {' | '.join(cells)} |"
    for failure in failures:
        yield f"| `{_cell(relative(failure.model))}` | | ❌ unreadable | | | | {_cell(failure.error)} |"


def _pools(report: Report) -> Iterator[str]:
    for name, pool in report.plan.memory.items():
        if pool.capacity:
            yield f"{name} {size(pool.peak)} of {size(pool.capacity)}"


def _findings(report: Report) -> Iterator[str]:
    if not report.findings:
        return
    title = f"{_cell(relative(report.model))} for {report.target.name}: {levels(report.findings)}"
    yield f"<details><summary>{title}</summary>"
    yield ""
    ordered = sorted(report.findings, key=lambda finding: (-finding.level, finding.rule, finding.message))
    for (rule, name, level, message), same in groupby(ordered, key=_alike):
        yield f"- **{rule}** {name} ({level}): {_cell(message)}{_where(list(same))}"
    yield ""
    yield "</details>"
    yield ""


def _alike(finding: Finding) -> tuple[str, str, str, str]:
    return finding.rule, finding.name, str(finding.level), finding.message


def _where(findings: Sequence[Finding]) -> str:
    nodes = [finding.node for finding in findings if finding.node]
    if not nodes:
        return ""
    more = f" and {len(nodes) - NODES} more" if len(nodes) > NODES else ""
    return " at " + ", ".join(f"`{_cell(node)}`" for node in nodes[:NODES]) + more


def _cell(text: str) -> str:
    return printable(text).replace("|", "\\|").replace("`", "'").replace("<", "&lt;")
