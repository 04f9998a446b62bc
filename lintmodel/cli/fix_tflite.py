"""Fixes of a TFLite file, in words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .outcome import Edit, Outcome, errors, reporter, unsafe_places

if TYPE_CHECKING:
    from ..fix.tflite import FixedTflite
    from .configured import Wanted


def tflite_outcome(path: str, asked: Wanted, *, unsafe: bool, details: bool = False) -> Outcome:
    """Changes the file's bytes in memory. Raises LintmodelError."""
    from ..fix.tflite import fix_tflite

    found = fix_tflite(path, asked.targets, reporter(asked), unsafe=unsafe)
    edit = Edit(path, lambda: found.after, lambda: _diff(path, found), bool(found.applied))
    return Outcome(
        edits=(edit,),
        places=sum(len(changes) for _, _, changes in found.applied),
        lines=tuple(_lines(found, details)),
        hidden=0 if unsafe else unsafe_places(found.reports),
        errors=errors(found.reports),
        reports=found.reports,
    )


def _lines(found: FixedTflite, details: bool) -> Iterator[str]:
    from ..report.text import counted, printable

    for rewrite, rules, changes in found.applied:
        line = f"  {rewrite.id} ({', '.join(rules)}): {counted(len(changes), 'place')}"
        if rewrite.safety == "safe":
            yield f"{line}, the same is computed"
        else:
            retrain = "; train the network again" if rewrite.retrain else ""
            yield f"{line}, unsafe: what it does to the outputs was not measured, as nothing here runs TFLite{retrain}"
        if details:
            yield from (f"    {printable(change.node or 'the model')}: {printable(change.text)}" for change in changes)
    for rewrite, why in found.refused:
        yield f"  not {rewrite.id}: {printable(why)}"


def _diff(path: str, found: FixedTflite) -> str:
    """A line a place; the bytes behind it, for who compares the files."""
    lines = [f"--- {path}", f"+++ {path} (fixed)"]
    for rewrite, _, changes in found.applied:
        for change in changes:
            lines.append(f"@@ {change.node or 'the model'}: {rewrite.id}: {change.text} @@")
            for patch in change.patches:
                lines.append(f"- byte {patch.offset}: {patch.old.hex(' ')}")
                lines.append(f"+ byte {patch.offset}: {patch.new.hex(' ')}")
    return "".join(f"{line}\n" for line in lines) if found.applied else ""
