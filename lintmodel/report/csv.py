"""Findings as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from .text import printable

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure

COLUMNS = (
    *("model", "target", "toolchain", "verdict", "rule", "name", "level", "node", "file", "line", "column"),
    *("message", "vendor_message", "fix", "suppressed"),
)


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """A row a finding, silenced ones with the reason; a report without findings is a row without a rule."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(COLUMNS)
    for report in reports:
        about = (report.model, report.target.name, report.target.toolchain, report.verdict)
        told = [(finding, "") for finding in report.findings]
        told += [(item.finding, f"{item.by}: {item.why}") for item in report.suppressed]
        for finding, why in told:
            at = finding.location
            rows.writerow(
                _cells(
                    *about,
                    *(finding.rule, finding.name, str(finding.level), finding.node or ""),
                    *(at.file if at else "", at.line if at else None, at.column if at else None),
                    *(finding.message, finding.vendor_message or "", finding.fix.safety if finding.fix else "", why),
                )
            )
        if not told:
            rows.writerow(_cells(*about, *[""] * (len(COLUMNS) - len(about))))
    for failure in failures:
        rows.writerow(_cells(failure.model, "", "", "unreadable", *[""] * 7, failure.error, "", "", ""))
    return text.getvalue()


def _cells(*values: str | int | None) -> list[str]:
    """A text that a spreadsheet would take for a formula gets an apostrophe before it: names come from strangers."""
    texts = ["" if value is None else printable(str(value)) for value in values]
    return [f"'{text}" if text[:1] in ("=", "+", "-", "@") else text for text in texts]
