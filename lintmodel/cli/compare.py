"""``lintmodel compare``: one model against many targets."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..errors import LintmodelError, UsageError
from .arguments import Parser, add_help, add_output, words
from .configured import add_configured, settings_here, wanted
from .given import add_given
from .output import complain, look, put
from .selection import add_selection

FORMATS = ("text", "json", "markdown", "html")


def run_compare(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.model:
        raise UsageError("no model given: name a file, as in lintmodel compare model.onnx")
    settings_here(args)
    args.target = _names(args)
    asked = wanted(args, args.model)

    from ..api import check_graph, read_model
    from ..comparing import standing
    from ..report.comparison import render
    from ..suppression import settle

    graph = read_model(args.model, asked.shapes, asked.checkpoint, asked.inputs)
    found = []
    for target in asked.targets:
        try:
            report = check_graph(graph, target, select=asked.select, rule_options=asked.rule_options)
        except LintmodelError as error:
            complain(LintmodelError(f"{args.model} for {target.name}: {error}"))
            continue
        found.append(standing(settle(report, asked.settings)))
    if not found:
        return 2
    found.sort(key=lambda each: each.rank)
    to_file = args.output_file not in (None, "-")
    how = look(None if to_file else sys.stdout, color=args.color)
    put(args.output_file, render(args.model, found, args.format, how))
    return 0


def _names(args: argparse.Namespace) -> list[str]:
    """The targets named; ALL for every sheet; those that stand for their families when none is."""
    from ..registry import typical_targets
    from ..target import target_names

    named = words(args.target)
    return target_names() if named == ["ALL"] else named or typical_targets()


def _parser() -> Parser:
    parser = Parser(
        "compare [OPTIONS] MODEL", "Hold one model against many targets: which of them take it, and how well", _EPILOG
    )
    parser.add_argument_group("Arguments").add_argument("model", nargs="?", metavar="MODEL", help="As for check")
    group = parser.add_argument_group("Options")
    group.add_argument(
        "-t",
        "--targets",
        "--target",
        dest="target",
        action="append",
        metavar="TARGET[,...]",
        help="Targets, or ALL for every one of lintmodel targets [default: one or a few of each family]",
    )
    add_given(group)
    add_configured(group)
    add_help(group)
    add_selection(parser)
    add_output(parser, FORMATS)
    return parser


_EPILOG = """\
Targets that take the model come first, then those that accelerate more of it. The exit code is 0
whatever the verdicts are, and 2 when the model could not be read.

Examples:
  lintmodel compare model.onnx
  lintmodel compare model.onnx --targets CHIP,OTHER --format markdown
"""
