"""What is wrong with the arguments in an RKNN configuration: names, platforms, calls that are no more.

Goes on after the first mistake; the toolkit stops at it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

from lintmodel.errors import did_you_mean
from lintmodel.ir import Document
from lintmodel.planning import Refusal
from lintmodel.target import Target

from .config_arguments import REPLACED_IN_1, REPLACED_IN_2, TOOLKIT_1, TOOLKIT_2
from .configuration import Call, arguments_of, call, calls_in, toolkit

Grade = Literal["rejects", "crashes", "miscompiles", "goes on"]
"""What the toolkit does: stops with a message, or a traceback; builds a model that computes wrongly; or goes on."""


def problem(kind: str, key: str, says: str, said: str | None = None, *, grade: Grade = "rejects") -> Refusal:
    """One thing that is wrong, already worded: ``says`` is ours, ``said`` the toolkit's own text."""
    return Refusal(kind, None, said, {"key": key, "says": says, "grade": grade})


def problems(document: Document, target: Target) -> Iterator[Refusal]:
    """Everything that is wrong with a configuration, in the order of the text."""
    from .config_values import value_problems

    calls = calls_in(document)
    for path in document.duplicates:
        says = f"{path.rpartition('.')[2]} is given twice; the last one counts"
        yield problem("repeated-argument", f"{path}:again", says, grade="goes on")
    for each in calls:
        yield from _names(each, target)
        yield from _texts(each, target)
    yield from _platforms(document, target)
    for each in calls:
        yield from value_problems(each, document, target)


# ---- names of calls and arguments


def _names(each: Call, target: Target) -> Iterator[Refusal]:
    known = arguments_of(target)
    second = toolkit(target) == 2
    replaced, others = (REPLACED_IN_2, TOOLKIT_1) if second else (REPLACED_IN_1, TOOLKIT_2)
    name = target.toolchain_name
    if each.name not in known:
        instead = replaced.get((each.name, ""), "take it out")
        said = f"AttributeError: 'RKNN' object has no attribute '{each.name}'" if second else None
        yield problem(
            "removed-call", f"{each.path}:key", f"{name} has no {each.name}; {instead}", said, grade="crashes"
        )
        return
    for argument, value in each.arguments.items():
        if argument in known[each.name]:
            continue
        key = f"{each.key(argument)}:key"
        said = _said(each.name, argument) if second else None
        if argument in others.get(each.name, ()) or (each.name, argument) in replaced:
            instead = _instead(argument, value) or replaced.get((each.name, argument), "take it out")
            says = f"{name} has no argument {argument} of {each.name}; {instead}"
            yield problem("other-toolkit-argument", key, says, said)
        else:
            near = did_you_mean(argument, sorted(known[each.name]))
            says = f"{name} has no argument {argument} of {each.name}{near}"
            yield problem("unknown-argument", key, says, said)


def _said(call_name: str, argument: str) -> str:
    if call_name == "config":
        return f"'{argument}' is not support!"
    return f"TypeError: RKNN.{call_name}() got an unexpected keyword argument '{argument}'"


def _instead(argument: str, value: Any) -> str | None:
    """For two arguments of toolkit 1 what exactly to write in toolkit 2."""
    words = str(value).split()
    if argument == "channel_mean_value" and len(words) >= 2:
        *means, scale = words
        stds = ", ".join([scale] * len(means))
        return f"write mean_values: [[{', '.join(means)}]] and std_values: [[{stds}]]"
    if argument == "reorder_channel" and len(words) == 3:
        if words == ["0", "1", "2"]:
            return "take it out: this order is the default"
        if words == ["2", "1", "0"]:
            return "write quant_img_RGB2BGR: true, and mean_values in the order B, G, R"
    return None


def _texts(each: Call, target: Target) -> Iterator[Refusal]:
    """The word None, which YAML and JSON read as text."""
    if toolkit(target) == 1:
        return
    for argument, value in each.arguments.items():
        if value == "None":
            says = f"{argument} is the text 'None', not nothing; write null, or take it out"
            yield problem("none-as-text", each.key(argument), says, grade="goes on")


# ---- chips


def _platforms(document: Document, target: Target) -> Iterator[Refusal]:
    config, runtime = call(document, "config"), call(document, "init_runtime")
    if config is not None:
        yield from _platform(config, target)
    if runtime is not None and isinstance(runtime.arguments.get("target"), str):
        word = runtime.arguments["target"]
        if word.lower() not in _known(target) and word != "None":
            says = _foreign(word, target)
            yield problem("target-platform", runtime.key("target"), f"init_runtime: {says}")


def _platform(config: Call, target: Target) -> Iterator[Refusal]:
    key, second = config.key("target_platform"), toolkit(target) == 2
    given = config.arguments.get("target_platform")
    if given is None:
        if second:
            says = f"target_platform is missing; write target_platform: {target.name}"
            yield problem("target-platform", config.path, says, "The 'target_platform' has not been set yet")
        return
    words = given if isinstance(given, list) else [given]
    if second and isinstance(given, list):
        says = f"target_platform is one word, not a list; write {_one(words, target)}"
        said = "AttributeError: 'list' object has no attribute 'lower'"
        yield problem("target-platform", key, says, said, grade="crashes")
    for word in words:
        if not isinstance(word, str) or word.lower() not in _known(target):
            invalid = f"Invalid target_platform '{word}'!" if second else None
            yield problem("target-platform", key, _foreign(word, target), invalid)
    named = {str(word).lower() for word in words} & set(_known(target))
    alike = {target.name, *target.aliases, *target.limit("same_chip")}
    if named and not named & alike:
        says = f"target_platform is {', '.join(sorted(named))}; what is said here is about {target.name}"
        yield problem("other-platform", key, says, grade="goes on")


def _known(target: Target) -> list[str]:
    return [str(word) for word in target.limit("config_platforms")]


def _foreign(word: Any, target: Target) -> str:
    other = target.limit("other_toolkit_platforms")
    if str(word).lower() in other:
        name = "rknn-toolkit (1.x)" if toolkit(target) == 2 else "rknn-toolkit2"
        return f"'{word}' is a chip of {name}; {target.toolchain_name} builds for {', '.join(_known(target))}"
    near = did_you_mean(str(word).lower(), _known(target))
    return f"{target.toolchain_name} knows no chip '{word}'" + (near or f"; it knows {', '.join(_known(target))}")


def _one(words: list[Any], target: Target) -> str:
    named = [str(word) for word in words if str(word).lower() in _known(target)]
    return named[0] if len(named) == 1 else target.name


def numbers(value: Any) -> list[Any] | None:
    """The leaves of nested lists; None where there is no list."""
    if not isinstance(value, list):
        return None
    found: list[Any] = []
    for item in value:
        inner = numbers(item)
        found += [item] if inner is None else inner
    return found
