"""The report for a person at a terminal: verdict first, then what was found, then where every layer went."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..findings import Finding, Level, Location
from ..planning import Placement, Pool
from .console import grid, table, to_text
from .text import closing, counted, document_facts, folded, printable, shape, short, size

if TYPE_CHECKING:
    from rich.text import Text

    from ..api import Report
    from ..baseline import Compared
    from ..node_report import NodeReport
    from . import Failure, Look

VERDICTS = {"accepted": "bold green", "rejected": "bold red", "miscompiled": "bold magenta", "unknown": "bold yellow"}
LEVELS = {Level.ERROR: "bold red", Level.WARNING: "bold yellow", Level.NOTE: "bold cyan"}
PLACEMENTS = {
    Placement.ACCELERATED: ("green", "█", "#"),
    Placement.PARTIAL: ("yellow", "▓", "="),
    Placement.FALLBACK: ("magenta", "▒", "-"),
    Placement.UNSUPPORTED: ("red", "X", "X"),
    Placement.FREE: ("bright_black", "░", "."),
}
"""Colour, and a character for the bar that tells them apart without colour, in Unicode and in ASCII."""

ALIKE = 5
"""Findings of one rule that are shown one by one."""
RELATED = 3
"""Lines shown beside a finding's own."""
LAYERS = 20
"""Rows of the table of layers."""


def render(reports: Sequence[Report], failures: Sequence[Failure], look: Look, compared: Compared | None = None) -> str:
    """Every report, then the sum; with ``look.quiet`` the verdicts and findings alone."""
    return to_text(_items(reports, failures, look, compared), look)


def _items(
    reports: Sequence[Report], failures: Sequence[Failure], look: Look, compared: Compared | None
) -> Iterator[Any]:
    for number, report in enumerate(reports):
        if number:
            yield ""
        yield from _verdict(report, look)
        yield from _findings(report, look)
        if not look.quiet:
            yield from _document(report)
            yield from _layers(report, look)
            yield from _memory(report, look)
            yield from _not_checked(report)
    if not look.quiet:
        yield ""
        yield _line((closing(reports, failures, compared), "bold"))
        findings = [finding for report in reports for finding in report.findings]
        if findings:
            code = max(findings, key=lambda f: f.level).rule
            yield _line((f"lintmodel rule {code} says what the rule looks for and what to do about it.", "dim"))


def _line(*parts: str | tuple[str, str]) -> Text:
    """Text as it is, and pairs of text and style."""
    from rich.text import Text

    return Text.assemble(*parts)


# ---- verdict


def _verdict(report: Report, look: Look) -> Iterator[Any]:
    target = report.target
    yield _line(
        (report.verdict, VERDICTS[report.verdict]),
        " for ",
        (target.name, "bold"),
        # A document was made by whatever toolchain it was made by, and its facts say so.
        f" ({target.toolchain})" if report.document is None else "",
        f"  {printable(report.model)}",
    )
    runtime, fits = report.runtime, report.fits
    facts: list[str | tuple[str, str]] = [
        "  on the board: ",
        (runtime, {"ok": "green", "fails": "bold red"}.get(runtime, "yellow")),
        "   fits in memory: ",
        (fits, {"yes": "green", "no": "bold red"}.get(fits, "yellow")),
    ]
    if report.plan.segments is not None:
        facts.append(f"   {counted(report.plan.segments, 'segment')} on the accelerator")
    yield _line(*facts)
    if report.nodes and not look.quiet:
        yield from _placement_bar(report, look)
        yield from _facts(report.plan.facts)


def _placement_bar(report: Report, look: Look) -> Iterator[Any]:
    """The placements in proportion, and below what the parts of the bar mean."""
    counts = {placement: report.counts[placement.value] for placement in PLACEMENTS}
    bar: list[str | tuple[str, str]] = ["  "]
    legend: list[str | tuple[str, str]] = []
    for (placement, count), length in zip(
        counts.items(), _shares(counts.values(), min(60, look.width - 4)), strict=True
    ):
        color, block, plain = PLACEMENTS[placement]
        block = block if look.unicode else plain
        bar.append((block * length, color))
        if count:
            legend += ["  ", (block, color), f" {count} {placement}"]
    yield _line(*bar)
    yield _line(*legend)


def _shares(counts: Collection[int], width: int) -> list[int]:
    """``width`` divided in proportion; what is there at all gets at least one column."""
    total = sum(counts)
    shares = [max(1, count * width // total) if count else 0 for count in counts]
    shares[shares.index(max(shares))] += width - sum(shares)
    return shares


# ---- findings


def _findings(report: Report, look: Look) -> Iterator[Any]:
    by_rule: dict[str, list[Finding]] = {}
    for finding in sorted(report.findings, key=lambda f: (-f.level, f.rule)):
        by_rule.setdefault(finding.rule, []).append(finding)
    for findings in by_rule.values():
        first = findings[0]
        fixable = first.fix is not None and first.fix.safety != "display"
        yield ""
        yield _line(
            (str(first.level), LEVELS[first.level]),
            " ",
            (first.rule, "bold"),
            f" {first.name}",
            f"  ({len(findings)})" if len(findings) > 1 else "",
            "  [*] can be fixed" if fixable else "",
        )
        yield _occurrences(report, findings, look)
        if len(findings) > ALIKE:
            yield _line((f"  and {len(findings) - ALIKE} more", "dim"))


def _line_of(report: Report, location: Location) -> str:
    """The line, and the file where it is not the one the report is about."""
    return f"line {location.line}" if location.file == report.model else f"{printable(location.file)}:{location.line}"


def _occurrences(report: Report, findings: Sequence[Finding], look: Look) -> Any:
    """Node and message, and once what the toolchain, or whoever the finding's ``speaker`` is, would say itself."""
    rows = grid(0, None, None)
    width = max(16, look.width // 3)
    said = False
    for finding in findings[:ALIKE]:
        where = short(finding.node, width) if finding.node else "the model" if report.document is None else "the file"
        if finding.location and finding.location.line:
            beside = "called at" if finding.node else "and"
            lines = [f"{beside} {_line_of(report, place)}" for place in finding.related[:RELATED]]
            lines.insert(0, _line_of(report, finding.location))
            where += f" ({', '.join(lines)})"
        rows.add_row("", _line((where, "bold")), _line(printable(finding.message)))
        if finding.vendor_message and not said:
            said = True
            speaker = finding.details.get("speaker", report.target.toolchain_name)
            says = f"{speaker} says: {printable(finding.vendor_message)}"
            rows.add_row("", "", _line((says, "dim")))
    return rows


# ---- a document


def _document(report: Report) -> Iterator[Any]:
    """What the file says, a line each."""
    if report.document is None:
        return
    yield ""
    yield _line((printable(report.document.kind), "bold"))
    yield from _facts(document_facts(report))


def _facts(facts: Sequence[tuple[str, str]]) -> Iterator[Any]:
    """A line each."""
    if facts:
        rows = grid(None, None)
        for name, said in facts:
            rows.add_row(_line(f"  {printable(name)}"), _line(printable(said)))
        yield rows


# ---- layers


def _layers(report: Report, look: Look) -> Iterator[Any]:
    elsewhere = [node for node in report.nodes if node.placement not in (Placement.ACCELERATED, Placement.FREE)]
    if not elsewhere:
        return
    yield ""
    yield _line(("Layers not wholly on the accelerator", "bold"))
    columns = ["layer", "operator", "shape", "placement", "steps", "rules"]
    if look.width < 80:
        columns.remove("shape")
    rows = table(*columns, look=look)
    for node in elsewhere[:LAYERS]:
        cells = {
            "layer": _line(short(node.name, max(16, look.width // 3))),
            "operator": _line(printable(node.op)),
            "shape": _line(printable(shape(node.shape))),
            "placement": _line((str(node.placement), PLACEMENTS[node.placement][0])),
            "steps": _line(printable(_steps(report, node))),
            "rules": _line(" ".join(node.rules)),
        }
        rows.add_row(*(cells[column] for column in columns))
    yield rows
    if len(elsewhere) > LAYERS:
        yield _line((f"and {len(elsewhere) - LAYERS} more", "dim"))


def _steps(report: Report, node: NodeReport) -> str:
    """What the node becomes, in the order of execution; a step that several members share counts once."""
    steps = {id(step): step for name in node.members or (node.name,) for step in report.plan.steps_of(name)}
    return folded(step.op for step in steps.values())


# ---- memory


def _memory(report: Report, look: Look) -> Iterator[Any]:
    if not report.plan.memory:
        return
    yield ""
    yield _line(("Memory", "bold"))
    rows = grid(20, None, None)
    for name, pool in report.plan.memory.items():
        at = f" at {short(pool.at, look.width // 3)}" if pool.at else ""
        bar = _memory_bar(pool, look)
        rows.add_row(_line(f"  {name}"), bar, _line(_memory_words(pool) + at))
    yield rows


def _memory_bar(pool: Pool, look: Look) -> Text:
    width = max(10, min(30, look.width // 4))
    if not pool.capacity:
        return _line("")
    share = pool.peak / pool.capacity
    full = min(width, round(share * width)) or (1 if pool.peak else 0)
    color = "red" if share > 1 and not pool.spills else "yellow" if share > 0.9 else "green"
    used, empty = ("█", "░") if look.unicode else ("#", ".")
    return _line((used * full, color), (empty * (width - full), "bright_black"))


def _memory_words(pool: Pool) -> str:
    """``1.5 MiB of 2 MiB (75 %)``, and both bounds where they differ."""
    used = size(pool.peak) if pool.least is None else f"between {size(pool.least)} and {size(pool.peak)}"
    if pool.capacity is None:
        return used
    share = f" ({100 * pool.peak / pool.capacity:.0f} %)" if pool.capacity else ""
    return f"{used} of {size(pool.capacity)}{share}"


# ---- what was not checked


def _not_checked(report: Report) -> Iterator[Any]:
    if not report.not_checked:
        return
    yield ""
    yield _line(("Not checked", "bold"))
    for item in report.not_checked:
        nodes = f" at {counted(len(item.nodes), 'node')}" if item.nodes else ""
        yield _line(f"  {printable(item.what)}{nodes}: {printable(item.why)}")
    graph = report.graph
    if not all(graph.tensor(name).known for name in graph.inputs):
        yield _line(("  --input-shape NAME=1x3x224x224 gives an input a fixed shape.", "dim"))
