"""``lintmodel baseline write``: take what is found now as known."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ..errors import UsageError
from .arguments import Parser, add_color, add_help
from .configured import add_configured, settings_here
from .given import add_given
from .output import write, write_file
from .selection import add_selection

FILE = "lintmodel-baseline.json"


def run_baseline(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    here = settings_here(args)
    if args.action != "write":
        raise UsageError(f"baseline: '{args.action}' is not write; lintmodel check --baseline FILE compares with one")
    models = args.models or [os.path.relpath(glob) for glob in here.models()]
    if not models:
        raise UsageError("no model given: name a file or a directory, as in lintmodel baseline write model.onnx")

    from pathlib import Path

    from ..baseline import baseline_text, read_baseline
    from ..report.text import counted
    from .checking import check_models

    file = args.output_file or here.text("baseline") or FILE
    old = read_baseline(file) if Path(file).is_file() else None
    reports, failures = check_models(args, models)
    if reports:
        write_file(file, baseline_text(reports, file, old))
        found = sum(len(report.findings) for report in reports)
        write(f"{file}: {counted(found, 'finding')} of {counted(len(reports), 'report')} taken as known\n")
    return 2 if failures else 0


def _parser() -> Parser:
    parser = Parser(
        "baseline [OPTIONS] write MODEL... --target TARGET",
        "Write the findings of now to a file, so that lintmodel check --baseline FILE tells of new ones only",
        _EPILOG,
    )
    group = parser.add_argument_group("Arguments")
    group.add_argument("action", metavar="write", help="Write the file; reasons given in it before are kept")
    group.add_argument("models", nargs="*", metavar="MODEL", help="As for lintmodel check")
    group = parser.add_argument_group("Options")
    group.add_argument("-t", "--target", action="append", metavar="TARGET[,...]", help="As for lintmodel check")
    add_given(group)
    add_configured(group)
    group.add_argument(
        "-o", "--output-file", metavar="FILE", help=f"The baseline [default: the configured one or {FILE}]"
    )
    group.add_argument("-q", "--quiet", action="store_true", help="Show no progress")
    add_color(group)
    add_help(group)
    add_selection(parser)
    return parser


_EPILOG = """\
A finding is known by its rule, target and node; lines, messages and the order of nodes may change.
Add a "reason" to an entry to say why it may stay: reports show it.

Examples:
  lintmodel baseline write models/ --target CHIP
  lintmodel check models/ --target CHIP --baseline lintmodel-baseline.json
"""
