"""GitLab's code quality report (its subset of the Code Climate format)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from hashlib import sha1
from typing import TYPE_CHECKING, Any

from ..findings import Finding, Level
from .places import file_of, line_of, relative

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure

SEVERITIES = {Level.ERROR: "critical", Level.WARNING: "major", Level.NOTE: "info"}


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """A JSON array, an issue a finding; models that could not be read are blockers."""
    issues = [_issue(report, finding) for report in reports for finding in report.findings]
    issues += [_unread(failure) for failure in failures]
    seen: Counter[str] = Counter()
    for issue in issues:  # GitLab drops all but one of those with one fingerprint
        seen[issue["fingerprint"]] += 1
        if seen[issue["fingerprint"]] > 1:
            issue["fingerprint"] = _hash(issue["fingerprint"], str(seen[issue["fingerprint"]]))
    return json.dumps(issues, indent=1) + "\n"


def _issue(report: Report, finding: Finding) -> dict[str, Any]:
    at = f"{finding.node}: " if finding.node else ""
    return {
        "check_name": finding.rule,
        "description": f"{at}{finding.message} ({finding.name}, {report.target.name})",
        "severity": SEVERITIES[finding.level],
        "fingerprint": _hash(relative(report.model), finding.fingerprint),
        "location": {"path": relative(file_of(report, finding)), "lines": {"begin": line_of(finding)}},
    }


def _unread(failure: Failure) -> dict[str, Any]:
    path = relative(failure.model)
    return {
        "check_name": "unreadable-model",
        "description": failure.error,
        "severity": "blocker",
        "fingerprint": _hash(path, "unreadable-model"),
        "location": {"path": path, "lines": {"begin": 1}},
    }


def _hash(*parts: str) -> str:
    return sha1("\0".join(parts).encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()
