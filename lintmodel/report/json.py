"""``lintmodel-report/1``: what other programs read. It changes only by adding."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

from .places import places_in

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from ..findings import Finding, Fix, Location
    from ..node_report import NodeReport
    from ..planning import Pool, Step
    from . import Failure

SCHEMA = "lintmodel-report/1"


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """All reports as one JSON object, a node, step or finding to a line."""
    bodies = ",\n".join(_lines(report_dict(report)) for report in reports)
    errors = ",\n".join(json.dumps({"model": failure.model, "error": failure.error}) for failure in failures)
    known = f',\n"baseline": {json.dumps(asdict(compared))}' if compared else ""
    return f'{{"schema": "{SCHEMA}",\n"reports": [{bodies}],\n"errors": [{errors}]{known}}}\n'


def report_dict(report: Report) -> dict[str, Any]:
    """One report as plain lists and dictionaries."""
    text = report.document.text if report.document is not None else ""
    return {
        "model": report.model,
        "format": report.graph.format,
        **_document(report),
        "target": report.target.name,
        "toolchain": report.target.toolchain,
        "verdict": report.verdict,
        "runtime": report.runtime,
        "fits": report.fits,
        "segments": report.plan.segments,
        **_facts(report),
        "counts": report.counts,
        "nodes": [_node(node) for node in report.nodes],
        "plan": [_step(step) for step in report.plan.steps],
        "memory": {name: _pool(pool) for name, pool in report.plan.memory.items()},
        "findings": [_finding(finding, text) for finding in report.findings],
        "suppressed": [
            {**_finding(item.finding, text), "suppressed_by": item.by, "why": item.why} for item in report.suppressed
        ],
        "not_checked": [{"what": item.what, "why": item.why, "nodes": list(item.nodes)} for item in report.not_checked],
    }


def _document(report: Report) -> dict[str, Any]:
    """What a file says that is no network; nothing for one that is."""
    if report.document is None:
        return {}
    facts = {"facts": [list(fact) for fact in (*report.document.facts, *report.plan.facts)]}
    return {"document": {"kind": report.document.kind, "values": _plain(report.document.values), **facts}}


def _facts(report: Report) -> dict[str, Any]:
    """What the pack says of a network; of a document it stands with what the file says."""
    said = report.plan.facts if report.document is None else ()
    return {"facts": [list(fact) for fact in said]} if said else {}


def _node(node: NodeReport) -> dict[str, Any]:
    found = {
        "name": node.name,
        "op": node.op,
        "native_op": node.native_op,
        "placement": node.placement.value,
        "rules": list(node.rules),
        "shape": None if node.shape is None else list(node.shape),
        "macs": node.macs,
        "weight_bytes": node.weight_bytes,
        "source": {"file": node.file, "line": node.line},
    }
    return {**found, "members": list(node.members)} if node.members else found


def _step(step: Step) -> dict[str, Any]:
    return {
        "unit": step.unit,
        "op": step.op,
        "nodes": list(step.nodes),
        "writes": [{"tensor": b.tensor, "bytes": b.bytes, "pool": b.pool} for b in step.writes],
        **{key: _plain(value) for key, value in step.details.items()},
    }


def _pool(pool: Pool) -> dict[str, Any]:
    found = {"capacity": pool.capacity, "peak": pool.peak, "at": pool.at}
    if pool.least is not None:
        found["least"] = pool.least
    if pool.spills:
        found["spills"] = True
    return {**found, "parts": dict(pool.parts)} if pool.parts else found


def _finding(finding: Finding, text: str) -> dict[str, Any]:
    location = finding.location
    return {
        "rule": finding.rule,
        "name": finding.name,
        "level": str(finding.level),
        "message": finding.message,
        "node": finding.node,
        "location": location and _location(location),
        "related": [_location(place) for place in finding.related],
        "vendor_message": finding.vendor_message,
        "fix": finding.fix and _fix(finding.fix, text),
        "fingerprint": finding.fingerprint,
    }


def _location(location: Location) -> dict[str, Any]:
    return {"file": location.file, "line": location.line, "column": location.column}


def _fix(fix: Fix, text: str) -> dict[str, Any]:
    """``edits`` only where the fix is one of a text: places from 1, the end behind the last character."""
    found: dict[str, Any] = {"id": fix.id, "safety": fix.safety, "text": fix.text}
    if not fix.edits or not text:
        return found
    places = places_in(text)
    edits = [
        {"start": _place(places(e.start)), "end": _place(places(e.end)), "replacement": e.replacement}
        for e in fix.edits
    ]
    return {**found, "edits": edits}


def _place(place: tuple[int, int]) -> dict[str, int]:
    return {"line": place[0], "column": place[1]}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(part) for part in value]
    # JSON has no word for infinity, and Python's reader takes it all the same.
    return value if not isinstance(value, float) or isfinite(value) else str(value)


def _lines(report: Mapping[str, Any]) -> str:
    """Lists one element to a line: quick to write, and a person can read and compare it."""
    return "{" + ",\n".join(f'"{key}": {_value(value)}' for key, value in report.items()) + "}"


def _value(value: Any) -> str:
    if isinstance(value, list) and value:
        return "[\n" + ",\n".join(json.dumps(part) for part in value) + "]"
    return json.dumps(value)
