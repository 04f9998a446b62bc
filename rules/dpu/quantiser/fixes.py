"""Repairs of a configuration, for ``lintmodel fix``. Each is proven by the engine: the edited text is read and checked
again.

Safe are those where the DPU leaves no choice: it takes one value, and the configuration cannot mean another. What the
quantiser refuses for a reason that leaves several ways out is mended on request only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from typing import Any

from lintmodel.fixing import ABSENT, Repair, TextEdit
from lintmodel.ir import Document
from lintmodel.planning import Plan, Refusal
from lintmodel.target import Target

from .conflicts import DPU_VALUES, rounding
from .document import reading_of
from .edits import change, rename_key, set_value
from .reading import Scope
from .words import OVERALL, TENSOR, TENSORS

_RULES = {
    "quantiser-unknown-key": "DPU501",
    "quantiser-illegal-value": "DPU502",
    "no-target-device": "DPU504",
    "asymmetric": "DPU511",
    "calibration-method": "DPU512",
    "per-channel": "DPU513",
    "scale-type": "DPU514",
    "narrow-range": "DPU515",
    "calibration-statistic": "DPU516",
    "activation-rounding": "DPU517",
    "rounding": "DPU518",
    "bias-width": "DPU519",
}

Proposal = tuple[str, str, tuple[tuple[str, Any], ...]]
"""Safety, what is done, and the values set."""


def fixes(document: Document, plan: Plan, target: Target) -> Iterator[Repair]:
    """Every repair that can be thought of, in the order of the refusals."""
    for refusal in plan.refusals:
        rule, key = _RULES.get(refusal.kind), str(refusal.details["key"])
        if rule is None:
            continue
        if refusal.kind == "quantiser-unknown-key":
            yield from _renamed(document, refusal)
        for safety, text, settings in _proposals(document, refusal):
            made = _made(document, settings)
            if made:
                yield Repair(rule, safety, text, key, *made, refusal.kind, f"{refusal.kind} {key}")


def same(before: Document, after: Document, target: Target) -> bool:
    """Both come to the same where the DPU leaves a choice."""
    return bool(_choices(before, target) == _choices(after, target))


def _choices(document: Document, target: Target) -> Any:
    reading = reading_of(document, target)
    return reading.device, [_choices_of(scope) for scope in reading.scopes]


def _choices_of(scope: Scope) -> Mapping[str, Any]:
    """Of every tensor, without the parameters that the DPU takes one value of; a refused width counts as 8."""
    widths = {settings["bit_width"].value for settings in scope.tensors.values() if "bit_width" in settings}
    width = widths.pop() if len(widths) == 1 else 8
    left = {
        tensor: {key: setting.value for key, setting in settings.items() if key not in _FORCED}
        for tensor, settings in scope.tensors.items()
    }
    return {"path": scope.path, "width": width, **left}


_FORCED = {*DPU_VALUES, "round_mode", "bit_width"}


def _proposals(document: Document, refusal: Refusal) -> Iterator[Proposal]:
    kind, details = refusal.kind, refusal.details
    key = str(details["key"])
    parameter = key.rpartition(".")[2]
    dpu = document.values.get("target_device") == "DPU"
    if kind == "no-target-device":
        yield "unsafe", "target_device: DPU written out", (("target_device", "DPU"),)
    elif kind in ("activation-rounding", "rounding"):
        yield from _roundings(document, refusal)
    elif kind == "bias-width":
        yield from _widths(document, str(details["scope"]))
    elif dpu and parameter == "round_mode":
        yield from _roundings(document, refusal)
    elif dpu and (parameter in DPU_VALUES or parameter == "signed"):
        value = DPU_VALUES.get(parameter, True)
        yield "safe", f"{parameter}: {str(value).lower()}, with which the DPU computes", ((key, value),)
    elif dpu and parameter == "method":
        yield "unsafe", "method: diffs, the default", ((key, "diffs"),)
    elif dpu and parameter == "bit_width":
        yield "safe", "bit_width: 8, in which the DPU computes", ((key, 8),)


def _roundings(document: Document, refusal: Refusal) -> Iterator[Proposal]:
    """A rounding for all tensors becomes std_round, and activation gets its own."""
    key = str(refusal.details["key"])
    block = key.rpartition(".")[0]
    if block.endswith(OVERALL):
        own = f"{block.removesuffix(OVERALL)}{TENSOR}.activation.round_mode"
        wanted: list[tuple[str, Any]] = [] if _value(document, key) == "std_round" else [(key, "std_round")]
        if _value(document, own) is ABSENT:
            wanted.append((own, "half_up"))
        yield "safe", "round_mode: half_up for activation, std_round for the others", tuple(wanted)
    elif key.endswith("round_mode"):
        value = rounding(block.rpartition(".")[2])
        yield "safe", f"round_mode: {value}, the only one the DPU takes", ((key, value),)


def _widths(document: Document, scope: str) -> Iterator[Proposal]:
    """8 bits wherever a width is written that activation or bias come to."""
    inside = f"{scope}." if scope else ""
    places = [f"{inside}{OVERALL}.bit_width", *(f"{inside}{TENSOR}.{tensor}.bit_width" for tensor in TENSORS)]
    wrong = [place for place in places if _value(document, place) not in (ABSENT, 8)]
    if wrong:
        yield "safe", "bit_width: 8, in which the DPU computes", tuple((place, 8) for place in wrong)


def _value(document: Document, path: str) -> Any:
    """What stands at a path, ABSENT where nothing does."""
    value: Any = document.values
    for word in path.split("."):
        if isinstance(value, list) and word.isdigit() and int(word) < len(value):
            value = value[int(word)]
        elif isinstance(value, Mapping) and word in value:
            value = value[word]
        else:
            return ABSENT
    return value


Made = tuple[tuple[TextEdit, ...], tuple[tuple[str, Any], ...]]


def _made(document: Document, settings: tuple[tuple[str, Any], ...]) -> Made | None:
    """The edits and the changes of some settings."""
    edits: list[TextEdit] = []
    changes: list[tuple[str, Any]] = []
    for path, value in settings:
        changed = change(document, path, value)
        if changed is None:
            return None
        outer, whole = changed
        made = set_value(document, outer, whole)
        if not made:
            return None
        edits += made
        changes.append((outer, whole))
    return tuple(edits), tuple(changes)


def _renamed(document: Document, refusal: Refusal) -> Iterator[Repair]:
    """The key that is meant, where one is near."""
    path = str(refusal.details["key"]).removesuffix(":key")
    inside, _, key = path.rpartition(".")
    prefix = f"{inside}." if inside else ""
    near = get_close_matches(key, refusal.details["known"], 1)
    if near and _value(document, f"{prefix}{near[0]}") is ABSENT and _value(document, path) is not ABSENT:
        changes = ((path, ABSENT), (f"{prefix}{near[0]}", _value(document, path)))
        edits = rename_key(document, path, near[0])
        yield Repair("DPU501", "unsafe", f"{near[0]} in place of {key}", path, edits, changes, refusal.kind, path)
