"""``lintmodel memory``: what every layer of a model takes in a target's memories, and when."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from ..errors import UsageError, did_you_mean
from .arguments import Parser, add_color, add_help
from .configured import add_one_model, one_wanted
from .output import look, named, put

FORMATS = ("rich", "json", "csv")


def run_memory(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.model:
        raise UsageError("no model given: name a file, as in lintmodel memory model.onnx --target TARGET")
    if args.format not in FORMATS:
        hint = did_you_mean(args.format, list(FORMATS)) or f"; there are {', '.join(FORMATS)}"
        raise UsageError(f"--format: no format '{args.format}'{hint}")
    asked = one_wanted(args, "memory")
    target = asked.target

    from ..api import check_graph, read_model
    from ..report import memory, memory_text

    with named(args.model):
        report = check_graph(read_model(args.model, asked.shapes, asked.checkpoint, asked.inputs), target)
    stream = sys.stdout if args.output_file in (None, "-") else None
    if args.format == "rich":
        text = memory_text.render_text(report, look(stream, color=args.color))
    else:
        text = memory.render_json(report) if args.format == "json" else memory.render_csv(report)
    put(args.output_file, text)
    return int(memory.overflows(report))


def _parser() -> Parser:
    parser = Parser(
        "memory [OPTIONS] MODEL --target TARGET",
        "Show what a model's layers take in a target's memories, step by step",
        _EPILOG,
    )
    group = add_one_model(parser, "An .onnx, .pt2 or .tflite file or an ai8x .yaml")
    add_help(group)
    group = parser.add_argument_group("Output")
    group.add_argument(
        "--format",
        "--output-format",
        dest="format",
        default="rich",
        metavar="FORMAT",
        help=f"{', '.join(FORMATS)} (the layers alone) [default: rich]",
    )
    group.add_argument("-o", "--output-file", metavar="FILE", help="Write to a file, whole or not at all")
    add_color(group)
    return parser


_EPILOG = """\
Of every memory: its capacity, the peak that the toolchain's allocator reaches, and what is in use
at once, below which no allocator can come. What lies between the two is lost in gaps and to
alignment.

Exit codes:
  0  the model fits, or it is not known whether it does
  1  a memory is too small
  2  the model could not be read, or the command makes no sense

Examples:
  lintmodel memory model.onnx --target CHIP
  lintmodel memory model.tflite --target CHIP --format csv -o layers.csv
"""
