"""``lintmodel diff``: what a new version of a model changes on a target."""

from __future__ import annotations

from collections.abc import Sequence

from ..config.keys import FAIL_ON
from ..errors import LintmodelError, UsageError
from .arguments import Parser, add_color, add_help
from .configured import add_configured, settings_here, wanted
from .given import add_given
from .output import write, write_file
from .selection import add_selection

FORMATS = ("text", "json", "markdown")


def run_diff(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.old or not args.new:
        raise UsageError("diff takes two models, as in lintmodel diff old.onnx new.onnx --target TARGET")
    here = settings_here(args)

    from ..api import check_graph, read_model
    from ..comparing import difference
    from ..findings import Level
    from ..report.difference import render
    from ..suppression import settle

    pair = []
    for model in (args.old, args.new):
        asked = wanted(args, model)
        try:
            graph = read_model(model, asked.shapes, asked.checkpoint, asked.inputs)
            pair.append(
                [
                    settle(check_graph(graph, t, select=asked.select, rule_options=asked.rule_options), asked.settings)
                    for t in asked.targets
                ]
            )
        except LintmodelError as error:
            if model in str(error):
                raise
            raise LintmodelError(f"{model}: {error}") from error
    by_target = {report.target.name: report for report in pair[1]}
    found = [difference(old, by_target[old.target.name]) for old in pair[0] if old.target.name in by_target]
    text = render(found, args.format)
    if args.output_file in (None, "-"):
        write(text)
    else:
        write_file(args.output_file, text)
    fail_on = args.fail_on or here.text("fail-on") or "error"
    if fail_on == "never":
        return 0
    threshold = Level[fail_on.upper()]
    return int(any(finding.level >= threshold for each in found for finding in each.appeared))


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
    group = parser.add_argument_group("Output")
    group.add_argument("--format", choices=FORMATS, default="text", help=f"{', '.join(FORMATS)} [default: text]")
    group.add_argument("-o", "--output-file", metavar="FILE", help="Write to a file, whole or not at all")
    add_color(group)
    return parser


_EPILOG = """\
Nodes are matched by name, findings by rule, node and target. The exit code is 1 when a finding of
the level of --fail-on (error, when not said) is new.

Examples:
  lintmodel diff old.onnx new.onnx --target CHIP
  lintmodel diff old.onnx new.onnx --target CHIP --format markdown -o comment.md
"""
