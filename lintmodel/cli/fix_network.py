"""Fixes of an ONNX file: what becomes of the network, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .outcome import Edit, Outcome, errors, reporter, unsafe_places
from .output import write_bytes

if TYPE_CHECKING:
    from ..fix.network import Applied, FixedNetwork
    from .configured import Wanted


def onnx_outcome(path: str, asked: Wanted, *, unsafe: bool, details: bool = False) -> Outcome:
    """Rewrites the network in memory. Raises LintmodelError."""
    from ..fix.network import fix_network, read_proto

    found = fix_network(
        read_proto(path), path, asked.targets, unsafe=unsafe, input_shapes=asked.shapes, report=reporter(asked)
    )
    edit = Edit(
        path,
        partial(_bytes, found),
        partial(_diff, path, found),
        bool(found.applied),
        partial(_copy_external, found.after, path),
    )
    return Outcome(
        edits=(edit,),
        places=found.changes,
        lines=tuple(_lines(found, details)),
        hidden=0 if unsafe else unsafe_places(found.reports),
        errors=errors(found.reports),
        reports=found.reports,
    )


def _bytes(found: FixedNetwork) -> bytes:
    try:
        return bytes(found.after.SerializeToString())
    except ValueError as error:  # protobuf cannot hold more than 2 GiB
        raise UsageError(f"the fixed model cannot be written: {error}") from error


def _diff(path: str, found: FixedNetwork) -> str:
    from ..fix.graph_diff import graph_diff

    return graph_diff(path, found.before, found.after)


def _copy_external(model: Any, source: str, path: str) -> None:
    """External data stay where they are; in another folder they get copies. Raises UsageError."""
    from ..frontends.onnx_tensors import external_location

    here, there = Path(source).resolve().parent, Path(path).resolve().parent
    if here == there:
        return
    names = {external_location(tensor) for tensor in model.graph.initializer}
    for name in sorted(name for name in names if name):
        data, copy = here / name, there / name
        if not data.is_file():
            continue
        if here not in data.resolve().parents:
            raise UsageError(f"{data} lies outside of the model's folder; write into the same folder")
        if copy.exists() and copy.stat().st_size != data.stat().st_size:
            raise UsageError(f"{copy} is there already and is not that of {source}; write into another folder")
        if not copy.exists():
            copy.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(str(copy), data.read_bytes())


# ---- in words


SHOWN = 3
"""Refusals of one fix that are told one by one."""


def _lines(found: FixedNetwork, details: bool) -> Iterator[str]:
    from ..report.text import printable

    for applied in _merged(found.applied):
        yield _group(applied)
        if details:
            yield from (f"    {printable(change.node)}: {printable(change.text)}" for change in applied.changes)
    told: dict[str, int] = {}
    for refused in found.refused:
        told[refused.rewrite.id] = told.get(refused.rewrite.id, 0) + 1
        if details or told[refused.rewrite.id] <= SHOWN:
            nodes = ", ".join(printable(node) for node in refused.nodes[:3])
            yield f"  not {refused.rewrite.id} at {nodes}: {printable(refused.why)}"
    for id, count in told.items():
        if count > SHOWN and not details:
            yield f"  not {id} at {count - SHOWN} more (--show-fixes lists them)"


def _merged(groups: Sequence[Applied]) -> Iterator[Applied]:
    """Groups of one safe rewrite as one; of unsafe ones each has its own measured change."""
    by_id: dict[str, list[Applied]] = {}
    for group in groups:
        key = group.rewrite.id if group.rewrite.safety == "safe" else f"{group.rewrite.id} {len(by_id)}"
        by_id.setdefault(key, []).append(group)
    for alike in by_id.values():
        rules = tuple(sorted({rule for group in alike for rule in group.rules}))
        changes = tuple(change for group in alike for change in group.changes)
        yield replace(alike[0], rules=rules, changes=changes)


def _group(applied: Applied) -> str:
    from ..report.text import counted

    rewrite = applied.rewrite
    line = f"  {rewrite.id} ({', '.join(applied.rules)}): {counted(len(applied.changes), 'place')}"
    if rewrite.safety == "safe":
        return f"{line}, the same is computed"
    if applied.delta is None:
        return f"{line}, unsafe: what it does to the outputs could not be measured"
    apart = applied.delta
    retrain = "; train the network again" if rewrite.retrain else ""
    return (
        f"{line}, unsafe: on random inputs the outputs change by up to {apart.largest:.3g} "
        f"({apart.mean:.3g} on average) of a range of {apart.range:.3g}{retrain}"
    )
