"""Models of a command line against their targets: what every command that checks has in common."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ..errors import LintmodelError, UnreadableModel
from .configured import Wanted, rule_options, settings_of, wanted
from .output import complain
from .selection import selection

if TYPE_CHECKING:
    from ..api import Report
    from ..findings import Location
    from ..report import Failure

STDIN = "-"
"""The word for a model that comes in on standard input."""


Fix = Callable[[str, "Wanted"], "Sequence[Report] | None"]
"""Does something with a model before it is read; reports on it, where it has them, stand for those made here."""


def check_models(
    args: argparse.Namespace, words: Sequence[str], fix: Fix | None = None
) -> tuple[list[Report], list[Failure]]:
    """Reports, and why there is none of the other models, which has been said on standard error. Raises LintmodelError
    for settings that do not hold."""
    from ..report import Failure

    reports = _configuration(args)
    failures: list[Failure] = []
    for found in _checked(args, words, fix):
        if isinstance(found, Failure):
            failures.append(found)
        else:
            reports += found
    return reports, failures


def _configuration(args: argparse.Namespace) -> list[Report]:
    """The reports on the configuration of a toolchain that is given with the models."""
    if not getattr(args, "config_file", None):
        return []

    from ..api import check_graph, read_configuration
    from ..suppression import settle
    from .given import targets_given

    settings = settings_of(args, args.config_file)
    select, options = selection(args, settings), rule_options(settings)
    return [
        settle(
            check_graph(read_configuration(args.config_file, target), target, select=select, rule_options=options),
            settings,
        )
        for target in targets_given(args, settings)
    ]


def _checked(args: argparse.Namespace, words: Sequence[str], fix: Fix | None) -> Iterator[list[Report] | Failure]:
    """For every model its reports, one per target, or why there are none. It is read once for all targets."""
    from ..report import Failure
    from .models import find_models

    found = [model for model in find_models(words) if not _excluded(args, model)]
    watched = len(found) > 1 and not args.quiet and sys.stderr.isatty()
    for number, model in enumerate(found, start=1):
        if isinstance(model, UnreadableModel):
            complain(model)
            yield Failure(model.path, str(model))
            continue
        if watched:
            _progress(f"{number}/{len(found)} {model}")
        asked = wanted(args, model)
        try:
            fixed = fix(model, asked) if fix is not None else None
            reports = list(fixed) if fixed is not None else reports_of(model, asked)
        except LintmodelError as error:
            told = error
            if model not in str(error):
                told = LintmodelError(f"{model}: {error}")
                told.__cause__ = error
            if watched:
                _progress("")
            complain(told)
            yield Failure(model, str(told))
        else:
            yield reports
        if number < len(found):
            _collect()
    if watched:
        _progress("")


def reports_of(model: str, asked: Wanted) -> list[Report]:
    """The reports on one model, one per target, as the settings have them. Raises LintmodelError."""
    if model == STDIN:
        return _of_standard_input(asked)

    from ..api import check_graph, read_model
    from ..suppression import settle

    graph = read_model(model, asked.shapes, asked.checkpoint, asked.inputs)
    reports = (
        check_graph(graph, target, select=asked.select, rule_options=asked.rule_options) for target in asked.targets
    )
    return [settle(report, asked.settings) for report in reports]


def _of_standard_input(asked: Wanted) -> list[Report]:
    """The reports on what comes in, under the name ``-``."""
    from tempfile import NamedTemporaryFile

    with NamedTemporaryFile(prefix="lintmodel-") as file:
        file.write(sys.stdin.buffer.read())
        file.flush()
        try:
            return [_renamed(report, file.name) for report in reports_of(file.name, asked)]
        except UnreadableModel as error:
            raise UnreadableModel(STDIN, error.reason, error.offset) from error


def _renamed(report: Report, name: str) -> Report:
    def place(location: Location | None) -> Location | None:
        return replace(location, file=STDIN) if location and location.file == name else location

    return replace(
        report,
        model=STDIN,
        nodes=tuple(replace(node, file=STDIN) if node.file == name else node for node in report.nodes),
        findings=tuple(replace(finding, location=place(finding.location)) for finding in report.findings),
        suppressed=tuple(
            replace(item, finding=replace(item.finding, location=place(item.finding.location)))
            for item in report.suppressed
        ),
    )


def _excluded(args: argparse.Namespace, model: str | UnreadableModel) -> bool:
    return isinstance(model, str) and settings_of(args, model).excludes(model)


def _collect() -> None:
    """Frees what the last model took, where the collector does not do so by itself. What was there before the first
    model (modules, rules) is set aside, so that it is not searched every time."""
    import gc

    if not gc.isenabled():
        if not gc.get_freeze_count():
            gc.freeze()
        gc.collect()


def _progress(text: str) -> None:
    """One line on standard error that is written over by the next."""
    from ..report.text import printable

    sys.stderr.write(f"\r\x1b[K{printable(text)[:78]}")
    sys.stderr.flush()
