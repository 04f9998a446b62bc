"""Words and numbers that the text formats share."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from ..findings import Finding, Level
from ..suppression import silenced_words

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure


SECTIONS = ("What it does", "Why it matters", "What to do instead", "Fix safety", "Source")
"""Heads of the paragraphs of a rule's text."""


def printable(text: str) -> str:
    """The text on one line. Names come from files of strangers: a line break would break a report of one line per
    finding, an escape sequence would reach the terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def short(name: str, width: int) -> str:
    """A node's name in at most ``width`` columns. Converters join the names of fused layers with semicolons and write
    the path of the layer before its name; what tells layers apart is the end of the first of them."""
    name = printable(name)
    if len(name) <= width:
        return name
    first = name.split(";")[0]
    more = "..." if first != name and len(first) + 3 <= width else ""
    return first + more if len(first) + len(more) <= width else "..." + first[3 - width :]


def counted(count: int, noun: str) -> str:
    """``1 error``, ``2 errors``"""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def levels(findings: Iterable[Finding]) -> str:
    """``2 errors, 1 note``; empty when there are none."""
    found = [finding.level for finding in findings]
    return ", ".join(counted(found.count(level), str(level)) for level in reversed(Level) if level in found)


def closing(reports: Sequence[Report], failures: Sequence[Failure], compared: Compared | None = None) -> str:
    """The last line: what was found in all, and what was not told."""
    findings = [finding for report in reports for finding in report.findings]
    found = levels(findings)
    sentence = f"Found {found}." if found else "No findings." if reports else ""
    fixable = sum(finding.fix is not None and finding.fix.safety == "safe" for finding in findings)
    unsafe = sum(finding.fix is not None and finding.fix.safety == "unsafe" for finding in findings)
    silenced = ", ".join(silenced_words([item for report in reports for item in report.suppressed]))
    known = f"Baseline: {compared.new} new, {compared.unchanged} unchanged, {compared.gone} gone." if compared else ""
    unread = f"{counted(len(failures), 'model')} could not be read." if failures else ""
    parts = (sentence, _fixable(fixable, unsafe), f"Suppressed: {silenced}." if silenced else "", known, unread)
    return " ".join(part for part in parts if part)


def _fixable(safe: int, unsafe: int) -> str:
    if safe:
        more = f" ({unsafe} more with --unsafe-fixes)" if unsafe else ""
        return f"[*] {safe} fixable with lintmodel fix{more}."
    return f"{unsafe} fixable with lintmodel fix --unsafe-fixes." if unsafe else ""


def placements(report: Report) -> str:
    """``20 accelerated, 3 partial``; of a document what it says: ``kmodel (version 4; layers 11)``"""
    if report.document is not None:
        said = "; ".join(f"{name} {words}" for name, words in document_facts(report))
        return printable(f"{report.document.kind} ({said})")
    return ", ".join(f"{count} {placement}" for placement, count in report.counts.items() if count) or "no nodes"


def document_facts(report: Report) -> Sequence[tuple[str, str]]:
    """What a document says, and what the pack says of it."""
    return (*report.document.facts, *report.plan.facts) if report.document is not None else ()


def size(count: int) -> str:
    """Bytes in the unit a person would choose: ``1.5 MiB``"""
    for unit, bytes_ in (("MiB", 1 << 20), ("KiB", 1 << 10)):
        if count >= bytes_:
            return f"{count / bytes_:.2f}".rstrip("0").rstrip(".") + f" {unit}"
    return f"{count} B"


def shape(sizes: Sequence[int | str] | None) -> str:
    """``1x16x112x112``"""
    if sizes is None:
        return "?"
    return "x".join(map(str, sizes)) or "scalar"


def folded(words: Iterable[str]) -> str:
    """``Pad, Copy x2``: a word that comes several times is written once."""
    found: dict[str, int] = {}
    for word in words:
        found[word] = found.get(word, 0) + 1
    return ", ".join(word if count == 1 else f"{word} x{count}" for word, count in found.items())
