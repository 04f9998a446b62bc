"""Fixes of Python source, in words."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from .outcome import Edit, Outcome, errors, reporter, unsafe_places

if TYPE_CHECKING:
    from ..fix.source import FixedSource
    from ..ir import Graph
    from .configured import Wanted


def source_outcome(graph: Graph, asked: Wanted, *, unsafe: bool) -> Outcome:
    """Edits in memory the source that a network was traced from."""
    from ..fix.source import fix_source
    from ..fixing import diff

    found = fix_source(graph, asked.targets, reporter(asked), unsafe=unsafe)
    edits = [
        Edit(file, partial(str.encode, text), partial(diff, file, found.before[file], text))
        for file, text in found.after.items()
    ]
    notes = ("trace the network again to see what is left",) if edits else ()
    hidden = 0 if unsafe else unsafe_places(found.reports)
    lines = tuple(_lines(found))
    return Outcome(tuple(edits), len(found.applied), lines, hidden, errors(found.reports), notes)


def _lines(found: FixedSource) -> Iterator[str]:
    from ..report.text import printable

    for rewrite, file, swap in found.applied:
        retrain = "; train the network again" if rewrite.retrain else ""
        what = f"{swap.old} becomes {swap.new} ({rewrite.id}), unsafe: what it does to the outputs was not measured"
        yield f"{printable(file)}:{swap.line}: {what}{retrain}"
    for rewrite, why in found.refused:
        yield f"  not {rewrite.id}: {printable(why)}"
