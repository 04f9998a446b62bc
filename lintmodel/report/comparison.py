"""One model against several targets, as text, ``lintmodel-comparison/1``, Markdown and HTML."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

from .text import levels, printable, size

if TYPE_CHECKING:
    from ..comparing import Standing
    from . import Look

SCHEMA = "lintmodel-comparison/1"
COLUMNS = ("target", "verdict", "board", "MACs", "runs", "memory", "findings", "first blocking", "way out")
"""MACs: share that the accelerator does; runs: separate runs of the accelerator."""
VERDICTS = {"accepted": "green", "rejected": "bold red", "miscompiled": "bold magenta", "unknown": "yellow"}


def render(model: str, standings: Sequence[Standing], format: str, look: Look) -> str:
    """In the order given. ``format``: text, json, markdown or html."""
    if format == "json":
        return json.dumps({"schema": SCHEMA, "model": model, "targets": [_dict(s) for s in standings]}, indent=1) + "\n"
    if format == "markdown":
        return "\n".join(_markdown(model, standings)) + "\n"
    if format == "html":
        return _html(model, standings)
    return _text(model, standings, look)


def _cells(standing: Standing) -> list[str]:
    report = standing.report
    blocking = standing.blocking
    return [
        f"{report.target.name}@{report.target.version}",
        report.verdict,
        report.runtime,
        "" if standing.accelerated is None else f"{standing.accelerated:.0%}",
        "" if report.plan.segments is None else str(report.plan.segments),
        _memory(standing),
        levels(report.findings) or "none",
        f"{blocking.rule} {blocking.name}: {blocking.message}" if blocking else "",
        _way_out(standing),
    ]


def _memory(standing: Standing) -> str:
    if standing.fullest is None:
        return {"yes": "fits", "no": "does not fit"}.get(standing.report.fits, "")
    name, used, capacity = standing.fullest
    return f"{name} {used / capacity:.0%} of {size(capacity)}"


def _way_out(standing: Standing) -> str:
    if standing.blocking is None:
        return ""
    return "no fix known" if standing.fixes is None else " + ".join(standing.fixes)


def _dict(standing: Standing) -> dict[str, Any]:
    report, blocking = standing.report, standing.blocking
    fullest = standing.fullest and dict(zip(("pool", "peak", "capacity"), standing.fullest, strict=True))
    return {
        "target": report.target.name,
        "toolchain": report.target.toolchain,
        "verdict": report.verdict,
        "runtime": report.runtime,
        "fits": report.fits,
        "accelerated_macs": None if standing.accelerated is None else round(standing.accelerated, 4),
        "counts": report.counts,
        "segments": report.plan.segments,
        "fullest_memory": fullest,
        "findings": len(report.findings),
        "blocking": blocking and {"rule": blocking.rule, "node": blocking.node, "message": blocking.message},
        "fixes": None if standing.fixes is None else list(standing.fixes),
    }


def _text(model: str, standings: Sequence[Standing], look: Look) -> str:
    from rich.text import Text

    from .console import table, to_text

    rows = table(*COLUMNS[:7], look=look, whole=("target", "verdict"))
    for standing in standings:
        cells: list[Any] = [printable(cell) for cell in _cells(standing)]
        cells[1] = Text(cells[1], VERDICTS[cells[1]])
        rows.add_row(*cells[:7])
    lines: list[Any] = [printable(model), rows]
    blocked: dict[str, list[str]] = {}
    for standing in standings:
        if standing.blocking:
            blocking, way = _cells(standing)[-2:]
            blocked.setdefault(f"{blocking} (way out: {way})", []).append(standing.report.target.name)
    lines += [Text(printable(f"{', '.join(names)}: {words}")) for words, names in blocked.items()]
    return to_text(lines, look)


def _markdown(model: str, standings: Sequence[Standing]) -> Iterator[str]:
    def cell(text: str) -> str:
        return printable(text).replace("|", "\\|").replace("<", "&lt;")

    yield f"### `{printable(model)}` against {len(standings)} targets"
    yield ""
    yield f"| {' | '.join(COLUMNS)} |"
    yield f"|{'---|' * len(COLUMNS)}"
    for standing in standings:
        yield f"| {' | '.join(cell(text) for text in _cells(standing))} |"


def _html(model: str, standings: Sequence[Standing]) -> str:
    from .html import page

    def body() -> Iterator[str]:
        yield f"<h1>{escape(printable(model))} against {len(standings)} targets</h1>"
        heads = "".join(f"<th>{column}</th>" for column in COLUMNS)
        yield f'<article class="scroll"><table class="sortable"><thead><tr>{heads}</tr></thead><tbody>'
        for standing in standings:
            cells = [escape(printable(text)) for text in _cells(standing)]
            cells[1] = f'<span class="verdict {standing.report.verdict}">{cells[1]}</span>'
            yield f"<tr>{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
        yield "</tbody></table></article>"

    return page(f"lintmodel: {model}", body())
