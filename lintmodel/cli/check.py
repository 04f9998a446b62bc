"""``lintmodel check``: models against targets."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..config.keys import FAIL_ON
from ..errors import UsageError, did_you_mean
from ..report import FORMATS, TEXTS
from .arguments import Parser, add_color, add_help
from .check_fix import Fixer, add_fix
from .configured import add_configured, fails, settings_here
from .given import add_given
from .output import look, write, write_file
from .selection import add_selection

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from ..config import Settings
    from ..report import Failure

FORMAT_VARIABLE = "LINTMODEL_OUTPUT_FORMAT"


def run_check(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    here = settings_here(args)
    if args.show_settings:
        return _show_settings(args, here)
    models = args.models or [os.path.relpath(glob) for glob in here.models()]
    if not models and not args.config_file:
        raise UsageError("no model given: name a file or a directory, as in lintmodel check model.onnx --target TARGET")
    format = _format(args, here)

    from .checking import check_models

    fixer = Fixer(args)
    if args.diff:
        _, failures = check_models(args, models, fixer.diff)
        return 2 if failures else int(bool(fixer.fixed))
    reports, failures = check_models(args, models, fixer if args.fix else None)
    compared = None
    baseline = args.baseline or here.text("baseline")
    if baseline:
        from ..baseline import compare, read_baseline

        reports, compared = compare(reports, read_baseline(baseline))
    if reports or format not in TEXTS:
        _print(args, format, reports, failures, compared)
    code = _exit_code(args, here, reports, failures)
    return max(code, 1) if fixer.fixed and args.exit_non_zero_on_fix else code


def _parser() -> Parser:
    parser = Parser(
        "check [OPTIONS] MODEL... --target TARGET", "Say what a target's toolchain and chip will do to models", _EPILOG
    )
    group = parser.add_argument_group("Arguments")
    group.add_argument(
        "models",
        nargs="*",
        metavar="MODEL",
        help="An .onnx, .tflite or .pt2 file or an ai8x .yaml, a directory to search for them, a glob, a compiled "
        ".kmodel, a configuration (.yaml, .json), a PyTorch module in code (net.py:Net or package.module:callable, "
        "with --input; this runs the code), or - for standard input. Hidden directories, site-packages, "
        "node_modules and venv are not searched",
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
        choices=FAIL_ON,
        metavar="LEVEL",
        help="Exit with 1 for findings of this level or worse: error (the default), warning, note, never",
    )
    add_configured(group)
    group.add_argument(
        "--baseline", metavar="FILE", help="Tell of findings that it does not have (lintmodel baseline write)"
    )
    group.add_argument("--show-settings", action="store_true", help="Print the settings in force, and check nothing")
    group.add_argument("--exit-zero", action="store_true", help="Exit with 0 even when something was found")
    add_help(group)

    add_fix(parser)
    add_selection(parser)

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
  lintmodel check net.py:Net --target CHIP --input 1x3x224x224
"""


# ---- the words of the command line


def _format(args: argparse.Namespace, settings: Settings) -> str:
    chosen, where = args.format, "--format"
    if chosen is None and os.environ.get(FORMAT_VARIABLE):
        chosen, where = os.environ[FORMAT_VARIABLE], FORMAT_VARIABLE
    if chosen is None and settings.text("output-format"):
        chosen, where = settings.text("output-format"), f"{settings.file}: output-format"
    if chosen is None:
        return "rich" if sys.stdout.isatty() and not _to_file(args) else "concise"
    if chosen not in FORMATS:
        hint = did_you_mean(chosen, list(FORMATS)) or f"; there are {', '.join(FORMATS)}"
        raise UsageError(f"{where}: no format '{chosen}'{hint}")
    return str(chosen)


def _to_file(args: argparse.Namespace) -> bool:
    return args.output_file not in (None, "-")


# ---- results


def _print(
    args: argparse.Namespace,
    format: str,
    reports: Sequence[Report],
    failures: Sequence[Failure],
    compared: Compared | None,
) -> None:
    stream = None if _to_file(args) else sys.stdout
    how = look(stream, color=args.color, quiet=args.quiet)
    if args.statistics:
        from ..report.statistics import render_statistics

        text = render_statistics(reports, format)
    else:
        from ..report import render

        text = render(reports, failures, format, how, compared)
    if stream is None:
        write_file(args.output_file, text)
    else:
        write(text, stream)


def _exit_code(
    args: argparse.Namespace, settings: Settings, reports: Sequence[Report], failures: Sequence[Failure]
) -> int:
    if failures:
        return 2
    findings = (finding for report in reports for finding in report.findings)
    return int(not args.exit_zero and fails(args, settings, findings))


def _show_settings(args: argparse.Namespace, here: Settings) -> int:
    """The settings of the folder, or of the one model that is named."""
    import json

    from .configured import settings_of

    if len(args.models) > 1:
        raise UsageError("--show-settings takes one model, or none for the folder")
    settings = settings_of(args, args.models[0]) if args.models else here
    write(f"# {settings.file or 'no configuration file'}\n{json.dumps(dict(settings.values), indent=2)}\n")
    return 0
