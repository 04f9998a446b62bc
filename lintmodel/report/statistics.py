"""How often each rule found something, in place of the findings."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..api import Report


def render_statistics(reports: Sequence[Report], format: str) -> str:
    """The rules that found something, the most frequent first; with the count per target where there are several."""
    rules = {f.rule: (f.name, str(f.level)) for report in reports for f in report.findings}
    counts = Counter(f.rule for report in reports for f in report.findings)
    by_target = Counter((f.rule, report.target.name) for report in reports for f in report.findings)
    targets = list(dict.fromkeys(report.target.name for report in reports))
    order = sorted(rules, key=lambda code: (-counts[code], code))
    if format == "json":
        rows = [
            {
                "rule": code,
                "name": rules[code][0],
                "level": rules[code][1],
                "count": counts[code],
                "targets": {target: by_target[code, target] for target in targets},
            }
            for code in order
        ]
        return json.dumps({"schema": "lintmodel-statistics/1", "rules": rows}, indent=2) + "\n"
    lines = []
    for code in order:
        name, level = rules[code]
        share = (
            "  " + ", ".join(f"{target} {by_target[code, target]}" for target in targets) if len(targets) > 1 else ""
        )
        lines.append(f"{counts[code]:>6}  {code}  {level:<7}  {name}{share}\n")
    return "".join(lines) or "No findings.\n"
