"""A baseline: findings that are known, so that a run tells of new ones only.

A finding is known by its fingerprint (rule, target, the node's name and operator) and its model's path relative to the
baseline's folder; lines, messages and the order of nodes may change.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InvalidConfiguration
from .suppression import Suppressed

if TYPE_CHECKING:
    from .api import Report
    from .findings import Finding

SCHEMA = "lintmodel-baseline/1"
KNOWN = "known in the baseline"

Key = tuple[str, str, str]
"""Model, target and fingerprint."""


@dataclass(frozen=True, slots=True)
class Baseline:
    file: str
    entries: Mapping[Key, Mapping[str, Any]]
    """What the file says of each finding; its ``reason`` is why it may stay, where somebody wrote one."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Findings against a baseline, counted. ``gone``: entries for the models and targets of this run that no finding
    matched."""

    new: int
    unchanged: int
    gone: int


def baseline_text(reports: Sequence[Report], file: str, old: Baseline | None = None) -> str:
    """The baseline of everything found, as JSON, one finding to a line and sorted, so that it can be read in a diff.
    Reasons in ``old`` are kept, and so is what it says of models and targets that were not checked now."""
    seen = {(_model(report, file), report.target.name) for report in reports}
    entries = {key: dict(entry) for key, entry in (old.entries if old else {}).items() if key[:2] not in seen}
    for report in reports:
        known = [item.finding for item in report.suppressed if item.by == "baseline"]
        for finding in (*report.findings, *known):
            key = _key(report, finding, file)
            entries[key] = {"rule": finding.rule, "name": finding.name, "node": finding.node}
            reason = old.entries.get(key, {}).get("reason") if old else None
            if reason:
                entries[key]["reason"] = reason
    lines = [
        json.dumps({"model": model, "target": target, **entry, "fingerprint": fingerprint})
        for (model, target, fingerprint), entry in sorted(
            entries.items(), key=lambda item: (item[0][:2], item[1]["rule"], item[1]["node"] or "", item[0][2])
        )
    ]
    body = ",\n".join(lines)
    return (
        f'{{"schema": "{SCHEMA}", "findings": [\n{body}\n]}}\n'
        if lines
        else f'{{"schema": "{SCHEMA}", "findings": []}}\n'
    )


def read_baseline(file: str) -> Baseline:
    """Raises InvalidConfiguration for a file that is not there or is no baseline."""
    try:
        values = json.loads(Path(file).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidConfiguration(
            file, f"the baseline cannot be read: {error.strerror or error}; lintmodel baseline write makes one"
        ) from None
    except ValueError as error:
        raise InvalidConfiguration(file, f"is no baseline: {error}") from None
    if not isinstance(values, dict) or values.get("schema") != SCHEMA:
        raise InvalidConfiguration(file, f"is no baseline: its schema is not {SCHEMA}")
    entries: dict[Key, Mapping[str, Any]] = {}
    for number, entry in enumerate(values.get("findings", ())):
        key = tuple(str(entry.get(name, "")) for name in ("model", "target", "fingerprint"))
        if not all(key):
            raise InvalidConfiguration(file, f"finding {number} of the baseline has no model, target or fingerprint")
        entries[key[0], key[1], key[2]] = {
            name: entry[name] for name in ("rule", "name", "node", "reason") if name in entry
        }
    return Baseline(file, entries)


def compare(reports: Sequence[Report], baseline: Baseline) -> tuple[list[Report], Compared]:
    """The reports without what is known, and how they differ from the baseline."""
    met: Counter[Key] = Counter()
    found = []
    for report in reports:
        new, known = [], list(report.suppressed)
        for finding in report.findings:
            key = _key(report, finding, baseline.file)
            if key in baseline.entries:
                met[key] += 1
                known.append(Suppressed(finding, "baseline", baseline.entries[key].get("reason") or KNOWN))
            else:
                new.append(finding)
        found.append(replace(report, findings=tuple(new), suppressed=tuple(known)))
    checked = {(_model(report, baseline.file), report.target.name) for report in reports}
    gone = sum(key[:2] in checked and key not in met for key in baseline.entries)
    return found, Compared(sum(len(report.findings) for report in found), sum(met.values()), gone)


def _key(report: Report, finding: Finding, file: str) -> Key:
    return _model(report, file), report.target.name, finding.fingerprint


def _model(report: Report, file: str) -> str:
    folder = os.path.dirname(os.path.abspath(file))  # noqa: PTH100, PTH120
    return os.path.relpath(report.model, folder).replace(os.sep, "/")
