"""Settings of a command line: configuration files near the models, and what stands above them."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..config import Settings, load_settings, settings_near
from ..errors import UsageError
from .given import add_given, given_options, inputs_given, shapes_given, targets_given
from .selection import Selection, selection

if TYPE_CHECKING:
    from ..findings import Finding
    from ..frontends.torch_module import InputSpec
    from ..target import Target


def add_configured(group: Any) -> None:
    """The options ``--config`` and ``--isolated``."""
    group.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="FILE|KEY=VALUE",
        help="A configuration file in place of those found, or one setting in TOML; may be repeated",
    )
    group.add_argument("--isolated", action="store_true", help="Leave configuration files alone")


def add_one_model(parser: argparse.ArgumentParser, what: str, targets: str = "TARGET") -> Any:
    """The arguments of a command on one model and one target, or several; returns the group "Options" for more of
    them."""
    parser.add_argument_group("Arguments").add_argument("model", nargs="?", metavar="MODEL", help=what)
    group = parser.add_argument_group("Options")
    group.add_argument(
        "-t",
        "--target",
        action="append",
        metavar=targets,
        help="A target's name (lintmodel targets), NAME@VERSION of its toolchain, or the path of your board's .yaml",
    )
    add_given(group)
    add_configured(group)
    return group


def settings_here(args: argparse.Namespace) -> Settings:
    """The settings where the user stands. A command reads its configuration files anew."""
    settings_near.cache_clear()
    return load_settings(args.config, isolated=args.isolated)


def settings_of(args: argparse.Namespace, model: str) -> Settings:
    """The settings for one model, found from its own folder upward."""
    folder = os.path.dirname(os.path.abspath(model))  # noqa: PTH100, PTH120 - as fast as it can be, once a model
    return settings_near(folder, tuple(args.config), args.isolated).for_model(model)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a command line and the settings ask for one model."""

    settings: Settings
    targets: Sequence[Target]
    shapes: Mapping[str, Sequence[int]]
    checkpoint: str | None
    select: Selection
    rule_options: Mapping[str, Mapping[str, Any]]
    inputs: Sequence[InputSpec] | None = None

    @property
    def target(self) -> Target:
        """Of a command that takes one."""
        return self.targets[0]


def wanted(args: argparse.Namespace, model: str) -> Wanted:
    """Raises LintmodelError for settings that name something that is not there."""
    settings = settings_of(args, model)
    shapes = {**settings.table("input-shapes"), **shapes_given(args)}
    return Wanted(
        settings,
        [_decided(args, target) for target in targets_given(args, settings)],
        shapes,
        args.checkpoint or settings.text("checkpoint"),
        selection(args, settings) if "select" in args else None,
        rule_options(settings),
        inputs_given(args, model),
    )


def _decided(args: argparse.Namespace, target: Target) -> Target:
    """The target as the configuration of its toolchain makes it that is given with the models. An option that was given
    by hand wins over it."""
    if not getattr(args, "config_file", None):
        return target

    from ..api import configured, read_configuration

    by_hand = {key: target.options[key] for key in given_options(args) if key in target.options}
    return configured(target, read_configuration(args.config_file, target)).with_options(by_hand)


def rule_options(settings: Settings) -> dict[str, dict[str, Any]]:
    """Options of rules by code, as the rules are called with them. Raises UnknownRule, UsageError."""
    from ..registry import find_rule

    rules = ((find_rule(word), values) for word, values in settings.table("rules").items())
    return {rule.code: rule.with_settings(values) for rule, values in rules}


def fails(args: argparse.Namespace, settings: Settings, findings: Iterable[Finding]) -> bool:
    """A finding is of the level of ``--fail-on``, else of the settings, else an error, or worse."""
    from ..findings import Level

    fail_on = args.fail_on or settings.text("fail-on") or "error"
    return fail_on != "never" and any(finding.level >= Level[fail_on.upper()] for finding in findings)


def one_wanted(args: argparse.Namespace, command: str) -> Wanted:
    """What is asked of the one model of a command that takes one target. Raises LintmodelError."""
    settings_near.cache_clear()
    found = wanted(args, args.model)
    if len(found.targets) > 1:
        names = ", ".join(target.name for target in found.targets)
        raise UsageError(f"{command} takes one target, not {names}; choose with --target")
    return found
