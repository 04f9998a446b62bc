"""Reviewdog's diagnostic format, for comments in code review."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..findings import Finding
from .places import file_of, line_of, relative

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure

SEVERITIES = {"error": "ERROR", "warning": "WARNING", "note": "INFO"}


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """One ``DiagnosticResult`` as JSON."""
    found = [_diagnostic(report, finding) for report in reports for finding in report.findings]
    found += [
        {"message": f.error, "location": {"path": relative(f.model)}, "severity": "ERROR", "code": {"value": "read"}}
        for f in failures
    ]
    return json.dumps({"source": {"name": "lintmodel"}, "diagnostics": found}, indent=1) + "\n"


def _diagnostic(report: Report, finding: Finding) -> dict[str, Any]:
    start: dict[str, int] = {"line": line_of(finding)}
    if finding.location and finding.location.column:
        start["column"] = finding.location.column
    at = f"{finding.node}: " if finding.node else ""
    found: dict[str, Any] = {
        "message": f"{at}{finding.message} ({finding.name}, {report.target.name})",
        "location": {"path": relative(file_of(report, finding)), "range": {"start": start}},
        "severity": SEVERITIES[str(finding.level)],
        "code": {"value": finding.rule},
    }
    related = [
        {
            "message": "called here" if finding.node else "here too",
            "location": {"path": relative(place.file), "range": {"start": {"line": place.line or 1}}},
        }
        for place in finding.related
    ]
    return {**found, "related_locations": related} if related else found
