"""Workflow commands that GitHub Actions turns into annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..findings import Finding, Level
from .places import file_of, relative
from .text import printable

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure

COMMANDS = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """One command a line. A finding in a binary model is drawn at the file, which has no lines."""
    lines = [_finding(report, finding) for report in reports for finding in report.findings]
    lines += [f"::error file={_value(relative(f.model))}::{_text(f.error)}" for f in failures]
    return "".join(f"{line}\n" for line in lines)


def _finding(report: Report, finding: Finding) -> str:
    parts = [f"file={_value(relative(file_of(report, finding)))}"]
    location = finding.location
    if location and location.line:
        parts.append(f"line={location.line}")
        if location.column:
            parts.append(f"col={location.column}")
    parts.append(f"title={_value(f'{finding.rule} ({finding.name}), {report.target.name}')}")
    at = f"{finding.node}: " if finding.node else ""
    return f"::{COMMANDS[finding.level]} {','.join(parts)}::{_text(at + finding.message)}"


def _text(text: str) -> str:
    return printable(text).replace("%", "%25")


def _value(text: str) -> str:
    return _text(text).replace(":", "%3A").replace(",", "%2C")
