"""``lintmodel check``: models against targets."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from ..errors import LintmodelError, UnreadableModel, UsageError, did_you_mean
from ..report import FORMATS
from .arguments import Parser, add_color, add_help, words
from .given import add_given, shapes_given, targets_given
from .output import complain, look, write, write_file

if TYPE_CHECKING:
    from ..api import Report
    from ..registry import Rule
    from ..report import Failure
    from ..target import Target

FORMAT_VARIABLE = "LINTMODEL_OUTPUT_FORMAT"


def run_check(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.models and not args.config_file:
        raise UsageError("no model given: name a file or a directory, as in lintmodel check model.onnx --target TARGET")
    format = _format(args)
    targets = targets_given(args)
    shapes = shapes_given(args)
    select = _selection(args)

    reports: list[Report] = []
    failures: list[Failure] = []
    if args.config_file:
        reports, targets = _configuration(args, targets, select)
    for found in _checked(args, shapes, targets, select):
        if isinstance(found, list):
            reports += found
        else:
            failures.append(found)
    if reports or format == "json":
        _print(args, format, reports, failures)
    return _exit_code(args, reports, failures)


def _parser() -> Parser:
    parser = Parser(
        "check [OPTIONS] MODEL... --target TARGET", "Say what a target's toolchain and chip will do to models", _EPILOG
    )
    group = parser.add_argument_group("Arguments")
    group.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="An .onnx or .tflite file or an ai8x .yaml, a directory to search for them, a glob, a compiled "
        ".kmodel or a configuration (.yaml, .json). Hidden directories, site-packages, node_modules and venv are not "
        "searched",
    )
    group = parser.add_argument_group("Options")
    group.add_argument(
        "-t",
        "--target",
        action="append",
        metavar="TARGET[,...]",
        help="A target's name (lintmodel targets), NAME@VERSION of its toolchain, or the path of your board's .yaml",
    )
    add_given(group)
    group.add_argument(
        "--config-file",
        metavar="FILE",
        help="A configuration of the target's toolchain (.yaml or .json): it is checked, and what it decides holds "
        "for the models",
    )
    group.add_argument(
        "--fail-on",
        choices=("error", "warning", "note", "never"),
        default="error",
        metavar="LEVEL",
        help="Exit with 1 for findings of this level or worse: error (the default), warning, note, never",
    )
    group.add_argument("--exit-zero", action="store_true", help="Exit with 0 even when something was found")
    add_help(group)

    group = parser.add_argument_group("Rule selection (codes, prefixes of codes, names, or ALL)")
    group.add_argument("--select", action="append", metavar="RULES", help="Only these rules [default: ALL]")
    group.add_argument("--ignore", action="append", metavar="RULES", help="All but these; the longer prefix wins")
    group.add_argument("--extend-select", action="append", metavar="RULES", help="These as well")
    group.add_argument("--extend-ignore", action="append", metavar="RULES", help="Nor these")

    group = parser.add_argument_group("Output")
    group.add_argument(
        "--format",
        "--output-format",
        dest="format",
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)} [default: rich on a terminal, else concise] [env: {FORMAT_VARIABLE}]",
    )
    group.add_argument("-o", "--output-file", metavar="FILE", help="Write to a file, whole or not at all")
    group.add_argument("--statistics", action="store_true", help="Count the findings of every rule instead")
    group.add_argument("-q", "--quiet", action="store_true", help="Print findings and nothing else")
    add_color(group)
    return parser


_EPILOG = """\
Exit codes:
  0  nothing found at the level of --fail-on or above
  1  something found
  2  a model could not be read, or the command makes no sense; readable models are still reported

Examples:
  lintmodel check model.onnx --target CHIP
  lintmodel check models/ --target CHIP,./my_board.yaml --fail-on warning
  lintmodel check model.onnx --target CHIP --input-shape images=1x3x224x224
  lintmodel check model.tflite --target CHIP --format json -o report.json
  lintmodel check network.yaml --target CHIP --checkpoint network-q.pth.tar --input-shape 3x64x64
"""


# ---- the words of the command line


def _format(args: argparse.Namespace) -> str:
    chosen, where = args.format, "--format"
    if chosen is None and os.environ.get(FORMAT_VARIABLE):
        chosen, where = os.environ[FORMAT_VARIABLE], FORMAT_VARIABLE
    if chosen is None:
        return "rich" if sys.stdout.isatty() and not _to_file(args) else "concise"
    if chosen not in FORMATS:
        hint = did_you_mean(chosen, list(FORMATS)) or f"; there are {', '.join(FORMATS)}"
        raise UsageError(f"{where}: no format '{chosen}'{hint}")
    return str(chosen)


def _to_file(args: argparse.Namespace) -> bool:
    return args.output_file not in (None, "-")


def _selection(args: argparse.Namespace) -> Callable[[Rule], bool] | None:
    """Which rules may find something. Of a rule that is both selected and ignored the more exact word decides, as in
    ``--ignore ABC --extend-select ABC101``; between equals it is ignored."""
    selected = words(args.select) or ["ALL"]
    selected += words(args.extend_select)
    ignored = words(args.ignore) + words(args.extend_ignore)
    if selected == ["ALL"] and not ignored:
        return None

    from ..registry import all_rules, selector

    names = {rule.name for rule in all_rules()}

    def test(word: str, wanted: bool) -> tuple[Callable[[Rule], bool], int, bool]:
        exactness = 0 if word == "ALL" else 100 if word in names else len(word)
        return selector([word]), exactness, wanted

    tests = [test(word, True) for word in selected] + [test(word, False) for word in ignored]

    def select(rule: Rule) -> bool:
        said = [(exactness, not wanted) for selects, exactness, wanted in tests if selects(rule)]
        return bool(said) and not max(said)[1]

    return select


# ---- checking


def _configuration(
    args: argparse.Namespace, targets: Sequence[Target], select: Callable[[Rule], bool] | None
) -> tuple[list[Report], list[Target]]:
    """The reports on the configuration given with the models, and the targets as it makes them. An option that was
    given by hand wins over it."""
    from ..api import check_document, configured, read_configuration
    from .given import given_options

    reports, chosen = [], []
    for target in targets:
        document = read_configuration(args.config_file, target)
        reports.append(check_document(document, target, select=select))
        by_hand = {key: target.options[key] for key in given_options(args) if key in target.options}
        chosen.append(configured(target, document).with_options(by_hand))
    return reports, chosen


def _checked(
    args: argparse.Namespace,
    shapes: Mapping[str, Sequence[int]],
    targets: Sequence[Target],
    select: Callable[[Rule], bool] | None,
) -> Iterator[list[Report] | Failure]:
    """For every model its reports, one per target, or why there are none. It is read once for all targets."""
    from ..api import check_graph, read_model
    from ..report import Failure
    from .models import find_models

    found = list(find_models(args.models))
    watched = len(found) > 1 and not args.quiet and sys.stderr.isatty()
    for number, model in enumerate(found, start=1):
        if isinstance(model, UnreadableModel):
            complain(model)
            yield Failure(model.path, str(model))
            continue
        if watched:
            _progress(f"{number}/{len(found)} {model}")
        try:
            graph = read_model(model, shapes, args.checkpoint)
            reports = [check_graph(graph, target, select=select) for target in targets]
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


def _print(args: argparse.Namespace, format: str, reports: Sequence[Report], failures: Sequence[Failure]) -> None:
    stream = None if _to_file(args) else sys.stdout
    how = look(stream, color=args.color, quiet=args.quiet)
    if args.statistics:
        from ..report.statistics import render_statistics

        text = render_statistics(reports, format)
    else:
        from ..report import render

        text = render(reports, failures, format, how)
    if stream is None:
        write_file(args.output_file, text)
    else:
        write(text, stream)


def _exit_code(args: argparse.Namespace, reports: Sequence[Report], failures: Sequence[Failure]) -> int:
    from ..findings import Level

    if failures:
        return 2
    if args.exit_zero or args.fail_on == "never":
        return 0
    threshold = Level[args.fail_on.upper()]
    return int(any(finding.level >= threshold for report in reports for finding in report.findings))
