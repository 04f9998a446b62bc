"""SARIF 2.1.0, for GitHub code scanning and for editors.

One run a target. A finding in a binary model points at a line of a listing of the model that the run carries with it
(``artifacts[].contents``), which editors open as a document; one in the user's own source points there, with the
listing as a related place.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .. import __version__
from ..findings import Finding, Level, TextEdit
from .listing import Listing, listing
from .places import places_in, relative, uri

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from ..registry import Rule
    from . import Failure

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
MOST_RESULTS = 25_000
"""Results of one run that GitHub reads (its page on SARIF limits)."""
LONGEST_TEXT = 1024
"""Characters of a rule's full description that GitHub reads."""
PRECISION = {"measured": "very-high", "source": "high", "documented": "medium", "unverified": "low"}
SEVERITY = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "recommendation"}
KINDS = {"configuration": "external", "baseline": "external", "comment": "inSource"}


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """The log as JSON."""
    targets: dict[str, list[Report]] = {}
    for report in reports:
        targets.setdefault(report.target.name, []).append(report)
    runs = [_run(name, some, failures, compared) for name, some in targets.items()]
    if not runs:
        runs = [_run("", [], failures, compared)]
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": runs}, indent=1) + "\n"


def _run(
    target: str, reports: Sequence[Report], failures: Sequence[Failure], compared: Compared | None
) -> dict[str, Any]:
    artifacts = _Artifacts()
    descriptors = _Descriptors()
    results = [
        result for report in reports for result in _results(report, artifacts, descriptors, compared is not None)
    ]
    left_out = len(results) - MOST_RESULTS
    if left_out > 0:
        results.sort(key=lambda result: ("error", "warning", "note").index(result["level"]))
        del results[MOST_RESULTS:]
    found: dict[str, Any] = {
        "tool": descriptors.tool(),
        "automationDetails": {"id": f"lintmodel/{target}/" if target else "lintmodel/"},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(reports, failures, max(0, left_out), artifacts)],
        "artifacts": artifacts.entries,
        "results": results,
    }
    if reports:
        found["properties"] = {"reports": [_summary(report) for report in reports]}
    return found


def _summary(report: Report) -> dict[str, Any]:
    keys = {"verdict": report.verdict, "runtime": report.runtime, "fits": report.fits, "counts": report.counts}
    return {"model": relative(report.model), "toolchain": report.target.toolchain, **keys}


# ---- results


def _results(report: Report, artifacts: _Artifacts, descriptors: _Descriptors, compared: bool) -> list[dict[str, Any]]:
    lines = listing(report) if report.document is None else None
    index = artifacts.model(report, lines)
    found = []
    for finding in report.findings:
        result = _result(report, finding, lines, index, artifacts, descriptors)
        found.append({**result, "baselineState": "new"} if compared else result)
    for item in report.suppressed:
        result = _result(report, item.finding, lines, index, artifacts, descriptors)
        if item.by == "baseline" and compared:
            result["baselineState"] = "unchanged"
        justified = {"kind": KINDS[item.by], "status": "accepted", "justification": item.why}
        found.append({**result, "suppressions": [justified]})
    return found


def _result(
    report: Report,
    finding: Finding,
    lines: Listing | None,
    index: int,
    artifacts: _Artifacts,
    descriptors: _Descriptors,
) -> dict[str, Any]:
    in_model = {
        "artifactLocation": {"uri": uri(report.model), "index": index},
        "region": {"startLine": lines.line(finding.node) if lines else 1},
    }
    place, related = in_model, []
    location = finding.location
    if location is not None and location.line is not None:
        region = {"startLine": location.line, **({"startColumn": location.column} if location.column else {})}
        at = artifacts.source(location.file) if location.file != report.model else index
        place = {"artifactLocation": {"uri": uri(location.file), "index": at}, "region": region}
        if lines is not None:
            related.append({"id": 1, "physicalLocation": in_model, "message": {"text": "the node in the model"}})
    for called in finding.related:
        at = artifacts.source(called.file)
        there = {"artifactLocation": {"uri": uri(called.file), "index": at}, "region": {"startLine": called.line or 1}}
        text = "called here" if finding.node else "here too"
        related.append({"id": len(related) + 1, "physicalLocation": there, "message": {"text": text}})
    where: dict[str, Any] = {"physicalLocation": place}
    if finding.node:
        name = finding.node
        qualified = f"{report.graph.name or 'graph'}/{name}"
        where["logicalLocations"] = [{"name": name, "fullyQualifiedName": qualified, "kind": "element"}]
    message = finding.message[:1].upper() + finding.message[1:] + ("" if finding.message.endswith((".", "?")) else ".")
    properties: dict[str, Any] = {"target": report.target.name, "toolchain": report.target.toolchain}
    if finding.vendor_message:
        message += f" The toolchain says: {finding.vendor_message}"
        properties["vendorMessage"] = finding.vendor_message
    if finding.fix is not None:
        properties["fix"] = {"id": finding.fix.id, "safety": finding.fix.safety}
    fixes = _fixes(finding, report, index) if finding.fix and finding.fix.edits else []
    return {
        **descriptors.reference(finding),
        "level": str(finding.level),
        "message": {"text": f"{finding.node}: {message}" if finding.node else message},
        "locations": [where],
        **({"relatedLocations": related} if related else {}),
        **({"fixes": fixes} if fixes else {}),
        "partialFingerprints": {"primaryLocationLineHash": finding.fingerprint},
        "properties": properties,
    }


def _fixes(finding: Finding, report: Report, index: int) -> list[dict[str, Any]]:
    """The edits of the document's text that mend it, for editors to apply. Only text has these."""
    if finding.fix is None or report.document is None or not report.document.text:
        return []
    places = places_in(report.document.text)

    def replacement(edit: TextEdit) -> dict[str, Any]:
        (line, column), (end_line, end_column) = places(edit.start), places(edit.end)
        region = {"startLine": line, "startColumn": column, "endLine": end_line, "endColumn": end_column}
        return {"deletedRegion": region, "insertedContent": {"text": edit.replacement}}

    change = {
        "artifactLocation": {"uri": uri(report.model), "index": index},
        "replacements": [replacement(edit) for edit in finding.fix.edits],
    }
    unsafe = " (unsafe: look at it before you keep it)" if finding.fix.safety == "unsafe" else ""
    return [{"description": {"text": f"{finding.fix.text}{unsafe}"}, "artifactChanges": [change]}]


class _Artifacts:
    """The files of one run, each once."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self._index: dict[str, int] = {}

    def model(self, report: Report, lines: Listing | None) -> int:
        contents = {"contents": {"text": lines.text}} if lines is not None else {}
        return self._add(report.model, {"roles": ["analysisTarget"], **contents})

    def source(self, file: str) -> int:
        return self._add(file, {"roles": ["referencedOnCommandLine"]} if not file.endswith(".py") else {})

    def _add(self, file: str, about: Mapping[str, Any]) -> int:
        if file not in self._index:
            self._index[file] = len(self.entries)
            self.entries.append({"location": {"uri": uri(file)}, **about})
        return self._index[file]


# ---- the tool and its rules


class _Descriptors:
    """Rules that found something, by pack: a pack is an extension of the tool."""

    def __init__(self) -> None:
        self._packs: dict[str, dict[str, int]] = {}
        self._rules: dict[str, list[dict[str, Any]]] = {}

    def reference(self, finding: Finding) -> dict[str, Any]:
        pack = finding.rule.rstrip("0123456789")
        codes = self._packs.setdefault(pack, {})
        if finding.rule not in codes:
            codes[finding.rule] = len(codes)
            self._rules.setdefault(pack, []).append(_descriptor(finding))
        component = {"index": list(self._packs).index(pack), "name": _pack_name(pack)}
        return {"rule": {"id": finding.rule, "index": codes[finding.rule], "toolComponent": component}}

    def tool(self) -> dict[str, Any]:
        driver: dict[str, Any] = {
            "name": "lintmodel",
            "version": __version__,
            "semanticVersion": __version__,
            "informationUri": PAGE,
            "rules": [],
        }
        extensions = [
            {"name": _pack_name(pack), "version": __version__, "semanticVersion": __version__, "rules": rules}
            for pack, rules in self._rules.items()
        ]
        return {"driver": driver, **({"extensions": extensions} if extensions else {})}


PAGE = "https://pypi.org/project/lintmodel/"


def _pack_name(pack: str) -> str:
    return f"lintmodel-rules-{pack.lower()}"


def _descriptor(finding: Finding) -> dict[str, Any]:
    from ..errors import UnknownRule
    from ..registry import find_rule

    try:
        rule: Rule | None = find_rule(finding.rule)
    except UnknownRule:  # of a pack that is no longer installed
        rule = None
    text = rule.text() if rule else finding.name
    paragraphs = [" ".join(paragraph.split()) for paragraph in text.split("\n\n")]
    level = rule.level if rule else finding.level
    return {
        "id": finding.rule,
        "name": "".join(word.capitalize() for word in finding.name.split("-")),
        "shortDescription": {"text": paragraphs[0]},
        "fullDescription": {"text": _cut(" ".join(paragraphs))},
        "help": {"text": text, "markdown": _markdown(finding, paragraphs)},
        "helpUri": PAGE,
        "defaultConfiguration": {"level": str(level)},
        "properties": {
            "tags": [finding.rule.rstrip("0123456789").lower(), finding.name],
            "precision": PRECISION[rule.confidence] if rule else "medium",
            "problem.severity": SEVERITY[level],
        },
    }


def _cut(text: str) -> str:
    """At the end of the last sentence that fits."""
    if len(text) <= LONGEST_TEXT:
        return text
    return text[: text.rfind(". ", 0, LONGEST_TEXT) + 1] or text[:LONGEST_TEXT]


def _markdown(finding: Finding, paragraphs: Sequence[str]) -> str:
    from .text import SECTIONS

    lines = [f"# {finding.rule} {finding.name}"]
    for paragraph in paragraphs:
        head, colon, rest = paragraph.partition(":")
        lines.append(f"**{head}**:{rest}" if colon and head in SECTIONS else paragraph)
    return "\n\n".join([*lines, f"`lintmodel rule {finding.rule}` prints this with the limits of your target."])


# ---- what was not checked


def _invocation(
    reports: Sequence[Report], failures: Sequence[Failure], left_out: int, artifacts: _Artifacts
) -> dict[str, Any]:
    told = [
        _notification(f"Not checked: {item.what}: {item.why}.", "note", report.model)
        for report in reports
        for item in report.not_checked
    ]
    told += [_notification(failure.error, "error", failure.model) for failure in failures]
    if left_out:
        told.append(_notification(f"{left_out} results are left out: a run holds {MOST_RESULTS} at most.", "warning"))
    found: dict[str, Any] = {"executionSuccessful": not failures}
    return {**found, "toolExecutionNotifications": told} if told else found


def _notification(text: str, level: str, file: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = {"level": level, "message": {"text": text}}
    if file:
        found["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": uri(file)}}}]
    return found
