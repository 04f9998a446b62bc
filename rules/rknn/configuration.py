"""RKNN configurations: which calls a file describes, and what the toolkit makes of their arguments.

A configuration is a YAML or JSON mapping with a part for every call (``config``, ``build``, ``load_onnx``, ...), one
with the models under ``parameters`` by framework, or nothing but the arguments of ``rknn.config``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.planning.plan import Verdict
from lintmodel.target import Target

from .config_arguments import TOOLKIT_1, TOOLKIT_2, Arguments

KIND = "rknn-configuration"
_CALLS = frozenset({*TOOLKIT_1, *TOOLKIT_2})
_MARKS = frozenset(
    {
        *("target_platform", "channel_mean_value", "reorder_channel", "quantized_dtype", "quantized_algorithm"),
        *("quantized_method", "quant_img_RGB2BGR", "need_horizontal_merge"),
    }
)
"""Arguments of ``rknn.config`` that no other tool's configuration has."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the toolkit: its name without ``rknn.``, where it stands in the text, and its arguments."""

    name: str
    path: str
    arguments: Mapping[str, Any]

    def key(self, argument: str) -> str:
        """The dotted path of an argument's value."""
        return f"{self.path}.{argument}".lstrip(".")


def recognise(document: Document) -> str | None:
    """KIND for a text that has arguments of ``rknn.config`` in it, or parts for ``build`` or ``export_rknn``."""
    values = document.values
    config = next((values[key] for key in ("config", "rknn.config") if key in values), values)
    known = isinstance(config, Mapping) and bool(_MARKS & set(config))
    build = values.get("build")
    known = known or (isinstance(build, Mapping) and "do_quantization" in build)
    return KIND if known or "export_rknn" in values else None


def toolkit(target: Target) -> int:
    """The generation of the toolkit: 1 or 2."""
    return int(target.limit("toolkit"))


def arguments_of(target: Target) -> Arguments:
    """The arguments that the target's toolkit takes, by call."""
    return TOOLKIT_1 if toolkit(target) == 1 else TOOLKIT_2


def calls_in(document: Document) -> list[Call]:
    """The calls that a configuration describes, in the order of the text."""
    values = document.values
    found = list(_parts(values))
    if not found and _MARKS & set(values):
        return [Call("config", "", values)]
    return found


def _parts(values: Mapping[str, Any]) -> Iterator[Call]:
    running = values.get("running")
    chosen = running.get("model_type") if isinstance(running, Mapping) else None
    for key, value in values.items():
        name = key.removeprefix("rknn.")
        if name in _CALLS and (value is None or isinstance(value, Mapping)):
            yield Call(name, key, value or {})
        elif key == "parameters" and isinstance(value, Mapping):
            for framework, arguments in value.items():
                wanted = chosen in (None, framework)
                if wanted and f"load_{framework}" in _CALLS and isinstance(arguments, Mapping):
                    yield Call(f"load_{framework}", f"{key}.{framework}", arguments)


def call(document: Document, name: str) -> Call | None:
    """The first call of a name."""
    return next((found for found in calls_in(document) if found.name == name), None)


def configured_options(document: Document, target: Target) -> dict[str, Any]:
    """Options of the target that a configuration decides for the models checked with it."""
    build = call(document, "build")
    wanted = build.arguments.get("do_quantization") if build else None
    if isinstance(wanted, bool) and target.quantized_option:
        return {target.quantized_option: wanted}
    return {}


def check_document(document: Document, target: Target) -> Plan:
    """What the toolkit makes of a configuration. All problems, not only the first that it would stop at."""
    from .config_checks import problems

    found = tuple(problems(document, target))
    grades = {problem.details["grade"] for problem in found}
    verdict: Verdict = "accepted"
    if grades & {"rejects", "crashes"}:
        verdict = "rejected"
    elif "miscompiles" in grades:
        verdict = "miscompiled"
    names = ", ".join(dict.fromkeys(each.name for each in calls_in(document)))
    return Plan(refusals=found, verdict=verdict, runtime="unknown", facts=(("calls", names or "none"),))
