"""Fixes of the Python source that a network was traced from: the counterpart of :mod:`lintmodel.fix.network`.

The source is not run again, so none of these is safe and what they do to the outputs is not measured; their rewrites
are those that need the network trained again anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from .change import Rewrite
from .source_edit import SWAPS, NotThere, Swap, find_swap, swapped

if TYPE_CHECKING:
    from ..api import Report
    from ..ir import Graph, Node
    from ..target import Target

Place = tuple[str, int, int | None]
"""File, line and column."""


@dataclass
class FixedSource:
    """Texts by file, as they were and as they are, and what was done."""

    reports: Sequence[Report]
    before: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)
    applied: list[tuple[Rewrite, str, Swap]] = field(default_factory=list)
    """With the file."""
    refused: list[tuple[Rewrite, str]] = field(default_factory=list)
    """With the reason."""


def fix_source(
    graph: Graph, targets: Sequence[Target], report: Callable[[Graph, Target], Report], *, unsafe: bool = False
) -> FixedSource:
    """Replaces the layers of which the findings say so, where the graph knows the lines of its nodes."""
    found = FixedSource([report(graph, target) for target in targets])
    for rewrite, nodes in _offered(found.reports) if unsafe else ():
        for change in rewrite.places(graph):
            if None in nodes or not {change.node, *change.remove}.isdisjoint(nodes):
                names = dict.fromkeys((change.node, *change.remove))
                _swap(found, rewrite, [graph.node(name) for name in names])
    for file in dict.fromkeys(file for _, file, _ in found.applied):
        _make(found, file)
    return found


def _make(found: FixedSource, file: str) -> None:
    """All swaps in a file, or none of them where they do not hold together."""
    here = [each for each in found.applied if each[1] == file]
    try:
        found.after[file] = swapped(found.before[file], [swap for _, _, swap in here])
    except NotThere as error:
        found.refused += [(rewrite, f"{file}: {error}") for rewrite, _, _ in here]
        found.applied = [each for each in found.applied if each[1] != file]


def _offered(reports: Sequence[Report]) -> Iterator[tuple[Rewrite, set[str | None]]]:
    from .rewrites import all_rewrites

    known = all_rewrites()
    for id in SWAPS:
        nodes = {f.node for r in reports for f in r.findings if f.fix is not None and f.fix.id == id}
        if nodes and id in known:
            yield known[id], nodes


def _swap(found: FixedSource, rewrite: Rewrite, nodes: Sequence[Node]) -> None:
    """At the first place of the nodes that says what is to be replaced: where the layer was made, then its calls."""
    why = ""
    for file, line, column in dict.fromkeys(place for node in nodes for place in _places(node)):
        try:
            if file not in found.before:
                found.before[file] = _text(file)
            swap = find_swap(found.before[file], line, column, rewrite.id)
        except NotThere as error:
            why = why or f"{file}:{line}: {error}"
            continue
        if (rewrite, file, swap) not in found.applied:
            found.applied.append((rewrite, file, swap))
        return
    refusal = (rewrite, why or f"{nodes[0].name}: the file does not say which line of Python made it")
    if refusal not in found.refused:
        found.refused.append(refusal)


def _places(node: Node) -> Iterator[Place]:
    source = node.source
    if source.line is not None and source.file.endswith(".py"):
        yield source.file, source.line, source.column
    for frame in getattr(source, "calls", ()):
        yield frame.file, frame.line, None


def _text(file: str) -> str:
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts):
        raise NotThere("it belongs to an installed package")
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotThere(f"it cannot be read: {error}") from error
