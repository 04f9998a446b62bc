"""What a new version of a model changes, as text, ``lintmodel-diff/1`` and Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from .text import counted, printable, size

if TYPE_CHECKING:
    from ..comparing import Difference
    from ..findings import Finding

SCHEMA = "lintmodel-diff/1"
NODES = 12
"""Nodes named in a list."""


def render(found: Sequence[Difference], format: str) -> str:
    """``format``: text, json or markdown."""
    if format == "json":
        return json.dumps({"schema": SCHEMA, "targets": [_dict(difference) for difference in found]}, indent=1) + "\n"
    lines = _markdown if format == "markdown" else _text
    return "".join(f"{line}\n" for difference in found for line in lines(difference))


def _text(found: Difference) -> Iterator[str]:
    target = found.new.target
    yield f"{printable(found.old.model)} -> {printable(found.new.model)} for {target.name} ({target.toolchain})"
    if found.nothing:
        yield "  nothing changes"
        return
    yield from (f"  {line}" for line in _changes(found))
    for mark, findings in (("+", found.appeared), ("-", found.gone)):
        yield from (f"  {mark} {_finding(finding)}" for finding in findings)


def _markdown(found: Difference) -> Iterator[str]:
    target = found.new.target
    yield f"### `{_cell(found.new.model)}` for {target.name} ({target.toolchain})"
    yield ""
    if found.nothing:
        yield f"Nothing changes from `{_cell(found.old.model)}`."
        yield ""
        return
    yield from (f"- {_cell(line)}" for line in _changes(found))
    yield ""
    for title, findings in (("new", found.appeared), ("gone", found.gone)):
        if findings:
            yield f"<details open><summary>{counted(len(findings), 'finding')} {title}</summary>"
            yield ""
            yield from (f"- {_cell(_finding(finding))}" for finding in findings)
            yield ""
            yield "</details>"
            yield ""


def _changes(found: Difference) -> Iterator[str]:
    for fact, (before, now) in found.changed.items():
        yield f"{fact}: {before} -> {now}"
    counts = (found.old.counts, found.new.counts)
    changed = [f"{p} {counts[0][p]} -> {counts[1][p]}" for p in counts[0] if counts[0][p] != counts[1][p]]
    if changed:
        yield f"placements: {', '.join(changed)}"
    for name, before_bytes, now_bytes in found.memory:
        yield f"memory {name}: {size(before_bytes)} -> {size(now_bytes)} ({now_bytes - before_bytes:+,} bytes)"
    if found.moved:
        yield "moved: " + _listed([f"{name} ({a} -> {b})" for name, a, b in found.moved])
    if found.added:
        yield f"added: {_listed(found.added)}"
    if found.removed:
        yield f"removed: {_listed(found.removed)}"


def _listed(words: Sequence[str]) -> str:
    more = f" and {len(words) - NODES} more" if len(words) > NODES else ""
    return ", ".join(map(printable, words[:NODES])) + more


def _finding(finding: Finding) -> str:
    at = f"{finding.node}: " if finding.node else ""
    return printable(f"{finding.rule} {finding.level} {at}{finding.message}")


def _cell(text: str) -> str:
    return printable(text).replace("`", "'").replace("<", "&lt;")


def _dict(found: Difference) -> dict[str, Any]:
    return {
        "target": found.new.target.name,
        "toolchain": found.new.target.toolchain,
        "old": found.old.model,
        "new": found.new.model,
        "changed": {fact: list(pair) for fact, pair in found.changed.items()},
        "counts": [found.old.counts, found.new.counts],
        "moved": [{"node": name, "from": a.value, "to": b.value} for name, a, b in found.moved],
        "added": list(found.added),
        "removed": list(found.removed),
        "memory": [{"pool": name, "old": a, "new": b} for name, a, b in found.memory],
        "findings": {
            "new": [_finding_dict(finding) for finding in found.appeared],
            "gone": [_finding_dict(finding) for finding in found.gone],
        },
    }


def _finding_dict(finding: Finding) -> dict[str, Any]:
    keys = ("rule", "name", "node", "message", "fingerprint")
    return {**{key: getattr(finding, key) for key in keys}, "level": str(finding.level)}
