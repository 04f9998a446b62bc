"""One line per finding, for logs, pipes and ``grep``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ..findings import Finding, Level
from .text import closing, counted, placements, printable

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure, Look

_COLORS = {Level.ERROR: "1;31", Level.WARNING: "1;33", Level.NOTE: "1;36"}


def render(reports: Sequence[Report], failures: Sequence[Failure], look: Look, compared: Compared | None = None) -> str:
    """Findings, then a line on each model, then the sum; with ``look.quiet`` the findings alone."""
    several = len({report.target.name + report.target.version for report in reports}) > 1
    lines = []
    for report in reports:
        lines += [_finding(report, finding, several, look) for finding in report.findings]
        if not look.quiet:
            lines += _summary(report)
    if not look.quiet:
        lines.append(closing(reports, failures, compared))
    return "".join(f"{line}\n" for line in lines if line)


def _finding(report: Report, finding: Finding, several: bool, look: Look) -> str:
    """``path:line:column: CODE message [node]``, as far as there are lines."""
    place = finding.location
    parts = [place.file, place.line, place.column] if place else [report.model]
    where = ":".join(printable(str(part)) for part in parts if part)
    code = f"\x1b[{_COLORS[finding.level]}m{finding.rule}\x1b[0m" if look.color else finding.rule
    fixable = " [*]" if finding.fix and finding.fix.safety != "display" else ""
    node = f" [{printable(finding.node)}]" if finding.node else ""
    target = f" ({report.target.name})" if several else ""
    return f"{where}: {code}{fixable} {printable(finding.message)}{node}{target}"


def _summary(report: Report) -> Iterator[str]:
    model = printable(report.model)
    parts = [placements(report)]
    if report.runtime != "ok":
        parts.append("fails on the board" if report.runtime == "fails" else "runs on the board: unknown")
    if report.fits == "no":
        parts.append("does not fit in memory")
    target = f"{report.target.name} ({report.target.toolchain})" if report.document is None else report.target.name
    yield f"{model}: {report.verdict} for {target}: {'; '.join(parts)}"
    for item in report.not_checked:
        nodes = f" at {counted(len(item.nodes), 'node')}" if item.nodes else ""
        yield f"{model}: not checked: {item.what}{nodes}: {printable(item.why)}"
