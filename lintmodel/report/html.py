"""One page that needs nothing else: no network, and no JavaScript to be read.

The verdict first, then the model as a strip of layers coloured by where they run, the memories over time, the findings
with the text of their rules, and every layer in a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib.resources import files
from itertools import groupby
from typing import TYPE_CHECKING

from .. import __version__
from ..findings import Finding
from ..planning import Placement
from .html_timeline import timelines
from .memory import Layer, layers
from .text import SECTIONS, closing, document_facts, levels, printable, shape, size

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure

MEANING = {
    Placement.ACCELERATED: "on the accelerator",
    Placement.PARTIAL: "on the accelerator, with work on the CPU around it",
    Placement.FALLBACK: "on the CPU",
    Placement.UNSUPPORTED: "stops the toolchain, or has no kernel on the board",
    Placement.FREE: "costs nothing: folded, fused or constant",
}


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """The page."""
    title = f"lintmodel: {reports[0].model}" if len(reports) == 1 else f"lintmodel: {len(reports)} reports"
    return page(title, _body(reports, failures, compared))


def page(title: str, body: Iterable[str]) -> str:
    """A whole page around the body's lines, with style and script inside it."""
    assets = files(__package__) / "assets"
    lines = [
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f'<title>{_text(title)}</title>\n<meta name="generator" content="lintmodel {__version__}">',
        f"<style>\n{(assets / 'report.css').read_text(encoding='utf-8')}</style>\n</head>\n<body>\n<main>",
        *body,
        f'<p class="dim">Written by lintmodel {__version__}.</p>\n</main>',
        f"<script>\n{(assets / 'report.js').read_text(encoding='utf-8')}</script>\n</body>\n</html>",
    ]
    return "\n".join(lines) + "\n"


def _body(reports: Sequence[Report], failures: Sequence[Failure], compared: Compared | None) -> Iterator[str]:
    if len(reports) + len(failures) > 1:
        yield from _contents(reports, failures)
    for number, report in enumerate(reports):
        yield from _report(report, number)
    yield f"<p>{_text(closing(reports, failures, compared))}</p>"


def _contents(reports: Sequence[Report], failures: Sequence[Failure]) -> Iterator[str]:
    yield '<div class="scroll"><table><thead><tr><th>model</th><th>target</th><th>verdict</th><th>on the board</th>'
    yield "<th>findings</th></tr></thead><tbody>"
    for number, report in enumerate(reports):
        yield f'<tr><td><a href="#r{number}">{_text(report.model)}</a></td><td>{_text(report.target.name)}</td>'
        yield f"<td>{_verdict(report)}</td><td>{report.runtime}</td><td>{levels(report.findings) or 'none'}</td></tr>"
    for failure in failures:
        yield f'<tr><td>{_text(failure.model)}</td><td></td><td><span class="verdict rejected">unreadable</span></td>'
        yield f'<td colspan="2">{_text(failure.error)}</td></tr>'
    yield "</tbody></table></div>"


def _report(report: Report, number: int) -> Iterator[str]:
    yield f'<article id="r{number}">'
    yield f"<h1>{_text(report.model)}</h1>"
    target = report.target
    words = f"<b>{_text(target.title)}</b> ({_text(target.name)}, {_text(target.toolchain)})"
    yield f"<p>{_verdict(report)} for {words}</p>"
    facts = [("on the board", report.runtime), ("fits in memory", report.fits)]
    if report.plan.segments is not None:
        facts.append(("runs of the accelerator", str(report.plan.segments)))
    facts += [*document_facts(report), ("findings", levels(report.findings) or "none")]
    yield '<ul class="facts">' + "".join(f"<li>{_text(k)}: <b>{_text(v)}</b></li>" for k, v in facts) + "</ul>"
    yield from _strip(report, number)
    yield from timelines(report)
    yield from _findings(report)
    yield from _not_checked(report)
    yield from _layers(report, number)
    yield "</article>"


def _verdict(report: Report) -> str:
    return f'<span class="verdict {report.verdict}">{report.verdict}</span>'


# ---- the strip


def _strip(report: Report, number: int) -> Iterator[str]:
    if not report.nodes:
        return
    yield "<h2>Layers</h2>"
    yield '<div class="strip" role="img" aria-label="every layer in the order of the file, coloured by where it runs">'
    for node in report.nodes:
        rules = f", {', '.join(node.rules)}" if node.rules else ""
        words = _text(f"{node.name}: {node.op} {shape(node.shape)}, {node.placement.value}{rules}")
        yield f'<span class="{node.placement.value}" title="{words}"></span>'
    yield "</div>"
    yield '<ul class="legend">'
    for placement, meaning in MEANING.items():
        if count := report.counts[placement.value]:
            key = f'<span class="key {placement.value}"></span>'
            yield f"<li>{key}<b>{count}</b> {placement.value} <span class=dim>{meaning}</span></li>"
    yield "</ul>"


# ---- findings


def _findings(report: Report) -> Iterator[str]:
    if report.findings:
        yield "<h2>Findings</h2>"
    ordered = sorted(report.findings, key=lambda finding: (-finding.level, finding.rule))
    for _, some in groupby(ordered, key=lambda finding: (finding.level, finding.rule)):
        yield from _rule(report, list(some))
    if report.suppressed:
        yield f"<details><summary>{len(report.suppressed)} suppressed</summary><ul class=findings>"
        for item in report.suppressed:
            why = f'<span class="dim">({_text(item.by)}: {_text(item.why)})</span>'
            yield f"<li>{item.finding.rule} {_finding(item.finding)} {why}</li>"
        yield "</ul></details>"


def _rule(report: Report, findings: Sequence[Finding]) -> Iterator[str]:
    first = findings[0]
    level = str(first.level)
    count = f' <span class="dim">x{len(findings)}</span>' if len(findings) > 1 else ""
    yield f'<details{" open" if level == "error" else ""}><summary><span class="level {level}">{level}</span> '
    yield f"<b>{first.rule}</b> {_text(first.name)}{count}: {_text(first.message)}</summary>"
    yield '<ul class="findings">'
    yield from (f"<li>{_finding(finding)}</li>" for finding in findings)
    yield "</ul>"
    yield from _help(report, first)
    yield "</details>"


def _finding(finding: Finding) -> str:
    where = f'<span class="node">{_text(finding.node)}</span>: ' if finding.node else ""
    at = finding.location
    place = f' <span class="dim">{_text(at.file)}:{at.line}</span>' if at and at.line else ""
    said = _text(finding.vendor_message) if finding.vendor_message else ""
    quoted = f'<br><span class="dim">the toolchain says:</span> <code>{said}</code>' if said else ""
    return f"{where}{_text(finding.message)}{place}{quoted}"


def _help(report: Report, finding: Finding) -> Iterator[str]:
    from ..errors import UnknownRule
    from ..registry import find_rule

    try:
        text = find_rule(finding.rule).text(report.target)
    except UnknownRule:  # of a pack that is no longer installed
        return
    yield '<div class="rule">'
    for paragraph in text.split("\n\n"):
        head, colon, rest = " ".join(paragraph.split()).partition(":")
        known = colon and head in SECTIONS
        yield f"<p><b>{_text(head)}</b>:{_text(rest)}</p>" if known else f"<p>{_text(head + colon + rest)}</p>"
    yield "</div>"


def _not_checked(report: Report) -> Iterator[str]:
    if report.not_checked:
        yield "<h2>Not checked</h2><ul>"
        for item in report.not_checked:
            nodes = f" ({len(item.nodes)} nodes)" if item.nodes else ""
            yield f"<li>{_text(item.what)}{nodes}: {_text(item.why)}</li>"
        yield "</ul>"


# ---- the table


def _layers(report: Report, number: int) -> Iterator[str]:
    found = layers(report)
    if not found:
        return
    yield "<h2>Every layer</h2>"
    heads = ["#", "layer", "runs", "unit", "steps", "shape", "reads", "writes", "weights"]
    numbers = {"#", "reads", "writes", "weights"}
    cells = "".join(f"<th{' class=number' if head in numbers else ''}>{head}</th>" for head in heads)
    yield f'<div class="scroll"><table class="sortable"><thead><tr>{cells}</tr></thead><tbody>'
    for row, layer in enumerate(found, start=1):
        yield _row(row, layer)
    yield "</tbody></table></div>"


def _row(row: int, layer: Layer) -> str:
    words = [
        f'<span class="node">{_text(layer.name)}</span>',
        f'<span class="key {layer.placement.value}"></span>{layer.placement.value}',
        _text(layer.unit),
        _text(layer.op),
        shape(layer.shape),
    ]
    counts = (layer.inputs, layer.outputs, layer.weights)
    cells = f'<td class="number">{row}</td>' + "".join(f"<td>{word}</td>" for word in words)
    cells += "".join(f'<td class="number" data-value="{count}">{size(count)}</td>' for count in counts)
    return f"<tr>{cells}</tr>"


def _text(text: str) -> str:
    return escape(printable(text))
