"""Repairs of a document's text: edits that touch nothing but what they change, so that comments and layout stay.

A pack proposes repairs; here they are chosen, applied and proven. Every repaired text is read again: its values must
be those that the repair says, and the plan must refuse no more than before. What does not pass is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from .errors import LintmodelError
from .findings import Fix
from .findings import TextEdit as TextEdit
from .ir import Document
from .planning import Plan
from .target import Target

ABSENT: Any = type("Absent", (), {"__repr__": lambda self: "ABSENT"})()
"""In place of a value: the key is taken away."""
MOST_ROUNDS = 20
"""A repair can make way for another; this many times at most."""


@dataclass(frozen=True, slots=True)
class Repair:
    """A change of a document that mends one problem."""

    rule: str
    """The code of the rule that finds the problem."""
    safety: str
    """As in :class:`lintmodel.findings.Fix`: ``safe`` or ``unsafe``."""
    text: str
    """What is done, in words."""
    key: str
    """The dotted path of the value it is about, in the document as it was."""
    edits: tuple[TextEdit, ...]
    changes: tuple[tuple[str, Any], ...]
    """Dotted paths and the values they have afterwards, or :data:`ABSENT`."""
    mends: str | None = None
    """The kind of refusal of which there must be fewer afterwards; None where nothing is refused."""
    problem: str = ""
    """Repairs of one problem are alternatives, the best first."""

    @property
    def fix(self) -> Fix:
        """As a finding offers it, under a name made of the last word of what it changes: ``drop-write-gap``."""
        path, value = self.changes[0]
        word = path.rpartition(".")[2].replace("_", "-")
        return Fix(f"{'drop' if value is ABSENT else 'set'}-{word}", self.safety, self.text, self.edits)


@dataclass(frozen=True, slots=True)
class Mended:
    """A document and what could be repaired in it."""

    before: Document
    after: Document
    plan: Plan
    """Of the repaired document."""
    repairs: tuple[Repair, ...]

    @property
    def text(self) -> str:
        return self.after.text


def mend(
    document: Document,
    target: Target,
    *,
    unsafe: bool = False,
    others: Sequence[Target] = (),
    select: Callable[[Repair], bool] | None = None,
) -> Mended:
    """Applies every repair that holds: the safe ones, and those that are not where the caller says so. For ``others``
    the document must not get worse; ``select`` chooses among the repairs."""
    from .registry import pack_for_document

    pack: Any = pack_for_document(document, target.family)
    if not document.text or pack is None or not hasattr(pack, "fixes"):
        raise LintmodelError(f"{document.path}: there are no fixes for {document.kind} files on target {target.name}")
    run = _Run(pack, target, unsafe, others, select)
    found: list[Repair] = []
    now, plan = document, pack.check_document(document, target)
    for _ in range(MOST_ROUNDS):
        chosen, now, plan = run.round(now, plan)
        if not chosen:
            break
        found += chosen
    return Mended(document, now, plan, tuple(found))


def offers(document: Document, plan: Plan, target: Target) -> list[Repair]:
    """The repairs that hold, each taken alone; of those of one problem the first."""
    from .registry import pack_for_document

    pack: Any = pack_for_document(document, target.family)
    if not document.text or pack is None or not hasattr(pack, "fixes"):
        return []
    run = _Run(pack, target, unsafe=True)
    found: list[Repair] = []
    for repair in pack.fixes(document, plan, target):
        if repair.changes and not (repair.problem and repair.problem in {other.problem for other in found}):
            tried = run.tried(document, [repair])
            if tried is not None and run.holds(repair, document, plan, *tried):
                found.append(repair)
    return found


@dataclass
class _Run:
    pack: Any
    target: Target
    unsafe: bool
    others: Sequence[Target] = ()
    select: Callable[[Repair], bool] | None = None

    def round(self, document: Document, plan: Plan) -> tuple[list[Repair], Document, Plan]:
        """The repairs of one text that hold together, the text with them, and its plan."""
        chosen: list[Repair] = []
        best, best_plan = document, plan
        for repair in self.pack.fixes(document, plan, self.target):
            allowed = repair.safety == "safe" or (self.unsafe and repair.safety == "unsafe")
            if allowed and (self.select is None or self.select(repair)):
                rival = any(repair.problem and repair.problem == other.problem for other in chosen)
                if rival or overlaps(repair.edits, [edit for other in chosen for edit in other.edits]):
                    continue
                tried = self.tried(document, [*chosen, repair])
                if tried is not None and self.holds(repair, best, best_plan, *tried):
                    chosen.append(repair)
                    best, best_plan = tried
        return chosen, best, best_plan

    def tried(self, document: Document, repairs: Sequence[Repair]) -> tuple[Document, Plan] | None:
        """The repaired text, read again. None where its values are not those that the repairs say."""
        from .frontends import reread

        text = edited(document.text, [edit for repair in repairs for edit in repair.edits])
        try:
            after = reread(document, text)
        except LintmodelError:
            return None
        if after.values != changed(document.values, [change for repair in repairs for change in repair.changes]):
            return None
        return after, self.pack.check_document(after, self.target)

    def holds(self, repair: Repair, before: Document, was: Plan, after: Document, now: Plan) -> bool:
        """Fewer refusals where the repair is for one, never more. A safe one leaves the network what it was."""
        if len(now.refusals) + (repair.mends is not None) > len(was.refusals):
            return False
        if repair.mends is not None and _count(now, repair.mends) >= _count(was, repair.mends):
            return False
        if _open(now) > _open(was):
            return False
        same: Callable[[Document, Document, Target], bool] = self.pack.same
        if repair.safety == "safe" and not same(before, after, self.target):
            return False
        return not any(self._worse(before, after, other) for other in self.others)

    def _worse(self, before: Document, after: Document, target: Target) -> bool:
        was, now = (self.pack.check_document(document, target) for document in (before, after))
        return len(now.refusals) > len(was.refusals) or _open(now) > _open(was)


def _count(plan: Plan, kind: str) -> int:
    return sum(refusal.kind == kind for refusal in plan.refusals)


def _open(plan: Plan) -> int:
    """How much could not be checked: a repair must not hide an error by making it impossible to see."""
    return sum(max(1, len(entry.nodes)) for entry in plan.not_checked)


# ---- text


def edited(text: str, edits: Iterable[TextEdit]) -> str:
    """The text with all edits; those that stand at one place in the order given."""
    parts, at = [], 0
    for edit in sorted(edits, key=lambda edit: (edit.start, edit.end)):
        if edit.start < at or edit.end < edit.start or edit.end > len(text):
            raise ValueError(f"edit {edit.start} to {edit.end} overlaps another, or lies outside of the text")
        parts += [text[at : edit.start], edit.replacement]
        at = edit.end
    return "".join([*parts, text[at:]])


def overlaps(edits: Iterable[TextEdit], others: Sequence[TextEdit]) -> bool:
    """Two edits are about the same characters. Insertions at one place are not."""
    return any(
        (edit.start < other.end and other.start < edit.end)
        or (edit.start == other.start and edit.end > edit.start and other.end > other.start)
        for edit in edits
        for other in others
    )


def changed(values: Mapping[str, Any], changes: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Nested values after changes of some of them."""
    found: dict[str, Any] = deepcopy(dict(values))
    for path, value in changes:
        *way, last = path.split(".")
        inside: Any = found
        for word in way:
            inside = inside[int(word)] if isinstance(inside, list) else inside[word]
        if value is ABSENT:
            inside.pop(last, None)
        else:
            inside[last] = value
    return found


def diff(path: str, before: str, after: str) -> str:
    """A unified diff, empty where nothing changes."""
    import difflib

    lines = difflib.unified_diff(_lines(before), _lines(after), path, path)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)


def _lines(text: str) -> list[str]:
    return re.findall(r"[^\n]*\n|[^\n]+$", text)
