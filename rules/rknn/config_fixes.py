"""Repairs of an RKNN configuration in YAML, for ``lintmodel fix``: arguments renamed, rewritten or taken out.

Safe are repairs after which the toolkit is told the same. Others choose: a chip, or the type that comes nearest.
Only what is written in the usual way is edited: a key and its value on one line of their own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from lintmodel.fixing import ABSENT, Repair, TextEdit
from lintmodel.ir import Document, line_starts
from lintmodel.planning import Plan
from lintmodel.target import Target

from .config_arguments import DTYPES_IN_2, REPLACED_IN_2
from .configuration import arguments_of, calls_in, toolkit

_VALUE = re.compile(
    r"(?:\[[^#\n]*\]|\"[^\"\n]*\"|'[^'\n]*'|[^\s#\[\]{}&|>'\"][^#\n\r]*?)(?=[ \t]*(?:#[^\r\n]*)?(?:[\r\n]|$))"
)
_RENAMED = {"mean_value": "mean_values", "std_value": "std_values"}

Written = tuple[tuple[str, Any, str], ...]
"""Arguments in the place of one: key, value, and how it is written."""


def fixes(document: Document, plan: Plan, target: Target) -> Iterator[Repair]:
    """Every repair that can be thought of."""
    if document.syntax != "yaml" or toolkit(target) != 2:
        return
    codes = {"other-toolkit-argument": "RKN502", "target-platform": "RKN504", "quantized-dtype": "RKN505"}
    codes |= {"none-as-text": "RKN512", "optimization-level": "RKN513", "flat-mean-and-std": "RKN515"}
    seen: set[str] = set()
    for refusal in plan.refusals:
        key = str(refusal.details["key"]).removesuffix(":key")
        found = _instead(document, refusal.kind, key, target)
        if refusal.kind not in codes or found is None or key in seen:
            continue
        seen.add(key)
        written, safety = found
        edit = _edit(document, key, written)
        if edit is not None:
            at = key.rpartition(".")[0]
            names = [f"{at}.{name}".lstrip(".") for name, _, _ in written]
            gone = () if key in names else ((key, ABSENT),)
            changes = (*gone, *((name, value) for name, (_, value, _) in zip(names, written, strict=True)))
            says = "write " + " and ".join(f"{name}: {text}" for name, _, text in written) if written else "take it out"
            mends = refusal.kind
            yield Repair(codes[refusal.kind], safety, says, key, (edit,), changes, mends, key)


def same(before: Document, after: Document, target: Target) -> bool:
    """Both tell the toolkit the same, read with what the older toolkit meant."""
    return _meant(before, target) == _meant(after, target)


def _meant(document: Document, target: Target) -> dict[str, Any]:
    """What is said with arguments that the toolkit knows, or that have an exact counterpart."""
    found: dict[str, Any] = {}
    for call in calls_in(document):
        for argument, value in call.arguments.items():
            written = _translated(argument, value)
            for name, meant, _ in written if written is not None else ((argument, value, ""),):
                if name in arguments_of(target).get(call.name, ()):
                    found[f"{call.name}.{name}"] = _plain(name, meant)
    return found


def _plain(name: str, value: Any) -> Any:
    if (
        name in ("mean_values", "std_values")
        and isinstance(value, list)
        and not any(isinstance(v, list) for v in value)
    ):
        return [value]
    if name == "optimization_level" and isinstance(value, int):
        return min(3, max(0, value))
    return value


def _instead(document: Document, kind: str, key: str, target: Target) -> tuple[Written, str] | None:
    """What takes an argument's place, and how safe that is; None where only the user knows."""
    argument, value = key.rpartition(".")[2], _value(document, key)
    name = next((call.name for call in calls_in(document) if call.path == key.rpartition(".")[0]), "")
    if kind == "other-toolkit-argument":
        written = _translated(argument, value)
        if written is not None:
            return written, "safe"
        if argument == "reorder_channel":
            return (("quant_img_RGB2BGR", True, "true"),), "unsafe"
        gone = REPLACED_IN_2.get((name, argument), "").startswith("take it out")
        return ((), "safe") if gone else None
    if kind == "target-platform" and argument in ("target_platform", "target"):
        given = value if isinstance(value, list) else [value]
        known = [each for each in given if str(each).lower() in target.limit("config_platforms")]
        word = str(known[0]) if len(known) == 1 and len(given) == 1 else target.name
        return ((argument, word, word),), "unsafe"
    if kind == "quantized-dtype":
        new = DTYPES_IN_2.get(str(value))
        return (((argument, new, new),), "unsafe") if new else None
    if kind == "none-as-text":
        return ((argument, None, "null"),), "unsafe"
    if kind == "optimization-level":
        level = min(3, max(0, int(value)))
        return ((argument, level, str(level)),), "safe"
    if kind == "flat-mean-and-std":
        return ((argument, [value], f"[[{', '.join(map(str, value))}]]"),), "safe"
    return None


def _translated(argument: str, value: Any) -> Written | None:
    """The exact counterpart in toolkit 2 of an argument of toolkit 1."""
    if argument in _RENAMED and isinstance(value, list):
        return ((_RENAMED[argument], value, str(value)),)
    words = str(value).split()
    if argument == "reorder_channel" and words == ["0", "1", "2"]:
        return ()
    if argument != "channel_mean_value" or len(words) < 2 or any(_number(word) is None for word in words):
        return None
    *means, scale = map(_number, words)
    rows = (("mean_values", means), ("std_values", [scale] * len(means)))
    return tuple((name, [row], f"[[{', '.join(map(str, row))}]]") for name, row in rows)


def _number(word: str) -> Any:
    try:
        return int(word) if re.fullmatch(r"-?\d+", word) else float(word)
    except ValueError:
        return None


def _value(document: Document, key: str) -> Any:
    value: Any = document.values
    for part in key.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _edit(document: Document, key: str, written: Written) -> TextEdit | None:
    """The edit of one line. A comment behind the value stays."""
    place, value = document.positions.get(f"{key}:key"), document.positions.get(key)
    if place is None or value is None or key in document.duplicates:
        return None
    starts, text = line_starts(document.text), document.text
    line, at = starts[place[0] - 1], starts[place[0] - 1] + place[1] - 1
    colon = re.compile(r"[\w'\"]+[ \t]*:[ \t]*").match(text, at)
    end = _VALUE.match(text, colon.end()) if colon else None
    if end is None or text[line:at].strip():
        return None
    newline = "\r\n" if "\r\n" in text else "\n"
    if written:
        joint = f"{newline}{text[line:at]}"
        return TextEdit(at, end.end(), joint.join(f"{name}: {words}" for name, _, words in written))
    rest = re.compile(r"[ \t]*(#[^\r\n]*)?(\r\n|[\r\n]|$)").match(text, end.end())
    if rest is None:
        return None
    return TextEdit(at, rest.start(1), "") if rest[1] else TextEdit(line, rest.end(), "")
