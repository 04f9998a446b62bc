"""What commands on models take alike: targets with their options, and the shapes of inputs."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import words

if TYPE_CHECKING:
    from ..config import Settings
    from ..frontends.torch_module import InputSpec
    from ..target import OptionSpec, Target


def add_given(group: Any) -> None:
    """The options ``-O``, ``--input-shape``, ``--input`` and ``--checkpoint``."""
    group.add_argument("-O", "--option", action="append", metavar="KEY=VALUE", help="An option of the target")
    group.add_argument(
        "--input-shape",
        action="append",
        metavar="[NAME=]1x3x224x224",
        help="Fix the shape of an input, batch included; without a name, of the only one",
    )
    group.add_argument(
        "--input",
        action="append",
        metavar="1x3x224x224[:DTYPE]",
        help="An input with which the PyTorch module net.py:Net or package.module:callable is called, once for each, "
        "in order. This imports and runs your code; reading files never does",
    )
    group.add_argument(
        "--checkpoint", metavar="FILE", help="The weights (.pth.tar) of an ai8x .yaml; read, never executed"
    )


def targets_given(args: argparse.Namespace, settings: Settings | None = None) -> list[Target]:
    """The targets of the command line, else those of the settings, with the options that each of them has; an option
    of the command line that none has is a mistake."""
    from ..target import load_target, target_names

    names, options = words(args.target), _pairs(args.option, "--option", "KEY=VALUE")
    if not names and settings is not None:
        names = list(settings.words("targets"))
    if not names:
        known = ", ".join(target_names()[:8])
        raise UsageError(f"no target given: add --target with one of {known}, or see lintmodel targets")
    targets = [_configured(load_target(name), name, settings) for name in dict.fromkeys(names)]
    for key in options:
        if not any(key in target.option_specs for target in targets):
            targets[0].with_options({key: options[key]})  # raises with the nearest option
    return [
        target.with_options(
            {k: _scalar(v, target.option_specs[k]) for k, v in options.items() if k in target.option_specs}
        )
        for target in targets
    ]


def given_options(args: argparse.Namespace) -> set[str]:
    """Names of the options of targets that were given."""
    return set(_pairs(args.option, "--option", "KEY=VALUE"))


def _configured(target: Target, word: str, settings: Settings | None) -> Target:
    """With the options that a configuration file sets under the target's name, an alias, or the words that chose it."""
    tables = settings.table("options") if settings is not None else {}
    names = {target.name, *target.aliases, word, word.partition("@")[0]}
    for name, values in tables.items():
        if name in names:
            target = target.with_options(values)
    return target


def shapes_given(args: argparse.Namespace) -> dict[str, tuple[int, ...]]:
    """Shapes by input name; the one given without a name under the empty name."""
    found = {}
    for value in args.input_shape or ():
        name, _, sizes = value.rpartition("=")
        found[name] = _shape(sizes, f"--input-shape takes NAME=1x3x224x224, not '{value}'")
    return found


def inputs_given(args: argparse.Namespace, model: str) -> list[InputSpec] | None:
    """Example inputs of a PyTorch module, None when there are none. A file beside a module takes none."""
    if not args.input:
        return None

    from ..frontends.torch_module import InputSpec, names_module

    words = [model, *getattr(args, "models", ()), *(getattr(args, name, "") for name in ("old", "new"))]
    modules = [word for word in words if names_module(word)]
    if modules and model not in modules:
        return None
    found = []
    for value in args.input:
        sizes, colon, dtype = value.partition(":")
        wrong = f"--input takes 1x3x224x224 or 1x16:int64, not '{value}'"
        if colon and not dtype:
            raise UsageError(wrong)
        found.append(InputSpec(_shape(sizes, wrong), dtype or "float32"))
    return found


def _shape(text: str, wrong: str) -> tuple[int, ...]:
    """``1x3x224x224``. Raises UsageError with ``wrong`` for another text."""
    try:
        shape = tuple(int(size) for size in text.lower().replace(",", "x").split("x"))
    except ValueError:
        raise UsageError(wrong) from None
    if min(shape) < 1:
        raise UsageError(f"{wrong.partition(' ')[0]}: sizes are whole numbers of at least 1, not '{text}'")
    return shape


def _pairs(values: Sequence[str] | None, option: str, form: str) -> dict[str, str]:
    found = {}
    for value in values or ():
        key, equals, text = value.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"{option} takes {form}, not '{value}'")
        found[key.strip()] = text.strip()
    return found


def _scalar(text: str, spec: OptionSpec) -> Any:
    """A value of the kind the option takes: true, false, a number, else the text itself."""
    if isinstance(spec.default, str):
        return text
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text) if set(text) & set(".eE") else int(text)
    except ValueError:
        return text
