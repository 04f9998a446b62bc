"""Fixes of a document's text: what is mended, in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LintmodelError
from .outcome import Edit, Outcome, reporter

if TYPE_CHECKING:
    from ..fixing import Repair
    from ..ir import Document
    from ..planning import Plan
    from .configured import Wanted

_BOM = "\ufeff"


def text_outcome(document: Document, asked: Wanted, *, unsafe: bool) -> Outcome:
    """Mends the text in memory, for one target after the other; what one mends must not be worse for another. Raises
    LintmodelError."""
    from ..fixing import diff, mend

    wanted = _selected(document, asked)
    now, lines, places, hidden = document, [], 0, 0
    plans: list[Plan] = []
    try:
        for k, target in enumerate(asked.targets):
            others = [*asked.targets[:k], *asked.targets[k + 1 :]]
            done = mend(now, target, unsafe=unsafe, others=others, select=wanted)
            if not unsafe:
                more = mend(now, target, unsafe=True, others=others, select=wanted).repairs
                hidden += sum(repair.safety == "unsafe" for repair in more)
            lines += [_line(now, repair) for repair in done.repairs]
            places += len(done.repairs)
            now = done.after
            plans.append(done.plan)
    except LintmodelError as error:
        if document.path in str(error):
            raise
        raise LintmodelError(f"{document.path}: {error}") from error
    edit = Edit(
        document.path,
        partial(_bytes, document.path, now.text),
        partial(diff, document.path, document.text, now.text),
        bool(places),
    )
    refusals = sum(len(plan.refusals) for plan in plans)
    return Outcome((edit,), places, tuple(lines), hidden, refusals, tuple(_notes(plans, places)))


def _selected(document: Document, asked: Wanted) -> Callable[[Repair], bool]:
    """Whether the rule that a repair is for is selected, and its finding not suppressed."""
    from ..registry import find_rule

    make = reporter(asked)
    silenced = {
        (item.finding.rule, item.finding.location.line if item.finding.location else None)
        for target in asked.targets
        for item in make(document, target).suppressed
    }

    def wanted(repair: Repair) -> bool:
        selected = asked.select is None or asked.select(find_rule(repair.rule))
        return selected and not any((repair.rule, line) in silenced for line in _lines_of(document, repair.key))

    return wanted


def _lines_of(document: Document, key: str) -> set[int | None]:
    """Where a layer's values stand, and the file as a whole."""
    layer = ".".join(key.split(".")[:2])
    inside = (line for path, (line, _) in document.positions.items() if path == layer or path.startswith(f"{layer}."))
    return {None, *inside}


def _bytes(source: str, text: str) -> bytes:
    """As the input was: with the mark at its beginning, and its line ends."""
    mark = _BOM if Path(source).read_bytes().startswith(_BOM.encode()) else ""
    return (mark + text).encode("utf-8", "backslashreplace")


def _line(document: Document, repair: Repair) -> str:
    """``file:line:column: CODE text``; the line is that of the text as it was."""
    from ..report.text import printable

    positions, key = document.positions, repair.key
    while key and key not in positions:
        key = key.rpartition(".")[0]
    line, column = positions.get(key, (1, 1))
    unsafe = " (unsafe)" if repair.safety == "unsafe" else ""
    layer = ".".join(key.split(".")[:2])
    return f"{document.path}:{line}:{column}: {repair.rule} {printable(layer)}: {printable(repair.text)}{unsafe}"


def _notes(plans: list[Plan], places: int) -> Iterator[str]:
    if any(plan.not_checked or plan.verdict == "unknown" for plan in plans):
        yield "not everything could be checked, and lintmodel check says what"
    elif places and all(plan.verdict == "accepted" for plan in plans):
        yield "nothing is refused or computed wrongly any more"
