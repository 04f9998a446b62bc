"""``lintmodel diff``: what a new version of a model changes on a target."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.keys import FAIL_ON
from ..errors import UsageError
from .arguments import Parser, add_help, add_output
from .configured import add_configured, fails, settings_here, wanted
from .given import add_given
from .output import named, put
from .selection import add_selection

FORMATS = ("text", "json", "markdown")


def run_diff(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.old or not args.new:
        raise UsageError("diff takes two models, as in lintmodel diff old.onnx new.onnx --target TARGET")
    here = settings_here(args)

    from ..comparing import difference
    from ..report.difference import render
    from .checking import reports_of

    pair = []
    for model in (args.old, args.new):
        with named(model):
            pair.append(reports_of(model, wanted(args, model)))
    by_target = {report.target.name: report for report in pair[1]}
    found = [difference(old, by_target[old.target.name]) for old in pair[0] if old.target.name in by_target]
    put(args.output_file, render(found, args.format))
    return int(fails(args, here, (finding for each in found for finding in each.appeared)))


def _parser() -> Parser:
    parser = Parser(
        "diff [OPTIONS] OLD NEW --target TARGET",
        "Say what a new version of a model changes: verdict, placements, memory, findings new and gone",
        _EPILOG,
    )
    group = parser.add_argument_group("Arguments")
    group.add_argument("old", nargs="?", metavar="OLD", help="The model as it was")
    group.add_argument("new", nargs="?", metavar="NEW", help="The model as it is")
    group = parser.add_argument_group("Options")
    group.add_argument("-t", "--target", action="append", metavar="TARGET[,...]", help="As for lintmodel check")
    add_given(group)
    group.add_argument(
        "--fail-on", choices=FAIL_ON, metavar="LEVEL", help="Exit with 1 for new findings of this level or worse"
    )
    add_configured(group)
    add_help(group)
    add_selection(parser)
    add_output(parser, FORMATS)
    return parser


_EPILOG = """\
Nodes are matched by name, findings by rule, node and target. The exit code is 1 when a finding of
the level of --fail-on (error, when not said) is new.

Examples:
  lintmodel diff old.onnx new.onnx --target CHIP
  lintmodel diff old.onnx new.onnx --target CHIP --format markdown -o comment.md
"""
