"""Rewrites of a TFLite file, chosen by what the findings offer: the counterpart of :mod:`lintmodel.fix.network`.

Nothing here runs TFLite, so a safe change is one after which the file, read again, is the same network to the last
attribute; of an unsafe one nothing else may have changed than the nodes it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..errors import LintmodelError
from .network import worse
from .tflite_edit import REWRITES, TfliteChange, TfliteRewrite, apply_patches, tflite_changes

if TYPE_CHECKING:
    from ..api import Report
    from ..ir import Graph
    from ..target import Target


@dataclass
class FixedTflite:
    """A file and what became of it."""

    before: bytes
    after: bytes
    reports: Sequence[Report]
    applied: list[tuple[TfliteRewrite, tuple[str, ...], tuple[TfliteChange, ...]]] = field(default_factory=list)
    """With the codes of the rules that offered it."""
    refused: list[tuple[TfliteRewrite, str]] = field(default_factory=list)


def fix_tflite(
    path: str, targets: Sequence[Target], report: Callable[[Graph, Target], Report], *, unsafe: bool = False
) -> FixedTflite:
    """Applies what the findings of the targets offer to the bytes of a file. Raises UnreadableModel, and
    LintmodelError for a model that cannot be planned."""
    from pathlib import Path

    graph = _read(path)
    data = Path(path).read_bytes()
    found = FixedTflite(data, data, [report(graph, target) for target in targets])
    for rewrite in sorted(REWRITES, key=lambda each: each.safety != "safe"):
        if rewrite.safety == "unsafe" and not unsafe:
            continue
        nodes = {f.node: f.rule for r in found.reports for f in r.findings if f.fix and f.fix.id == rewrite.id}
        changes = [c for c in _changes(path, found, rewrite) if None in nodes or c.node in nodes] if nodes else []
        if not changes:
            continue
        try:
            found.after, found.reports = _proven(path, found, rewrite, changes, targets, report)
        except (ValueError, LintmodelError) as error:
            found.refused.append((rewrite, str(error)))
        else:
            found.applied.append((rewrite, tuple(sorted(set(nodes.values()))), tuple(changes)))
    return found


def _read(path: str, data: bytes | None = None) -> Graph:
    from ..frontends.tflite import read_tflite
    from ..normalize import normalize

    return normalize(read_tflite(path, data))


def _changes(path: str, found: FixedTflite, rewrite: TfliteRewrite) -> Iterator[TfliteChange]:
    from ..frontends.tflite_tables import open_tables

    tables = open_tables(path, found.after)
    return tflite_changes(tables, found.reports[0].graph, rewrite)


def _proven(
    path: str,
    found: FixedTflite,
    rewrite: TfliteRewrite,
    changes: list[TfliteChange],
    targets: Sequence[Target],
    report: Callable[[Graph, Target], Report],
) -> tuple[bytes, list[Report]]:
    """The edited file and the reports on it. Raises ValueError for a change that does more than it says."""
    data = apply_patches(found.after, changes)
    before, after = found.reports[0].graph, _read(path, data)
    meant = {change.node for change in changes}
    different = {a.name for a, b in zip(before.nodes, after.nodes, strict=True) if a != b}
    if not different <= meant or before.tensors != after.tensors or (different and rewrite.safety == "safe"):
        raise ValueError(f"more would change than {', '.join(map(str, sorted(filter(None, meant))))}")
    reports = [report(after, target) for target in targets]
    for old, new in zip(found.reports, reports, strict=True):
        why = worse(old, new)
        if why:
            raise ValueError(f"{new.target.name} would {why}")
    return data, reports
