"""``lintmodel generate``: the network description that a target's toolchain takes, made from a network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from ..errors import LintmodelError, NotExpressible, UsageError
from .arguments import Parser, add_help
from .configured import add_one_model, one_wanted
from .output import complain, write, write_file


def run_generate(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.model:
        raise UsageError("no model given: name a file, as in lintmodel generate model.onnx --target TARGET -o net.yaml")
    asked = one_wanted(args, "generate")
    target = asked.target

    from ..api import read_model
    from ..ir import Document
    from ..registry import pack_for

    pack: Any = pack_for(target.family)
    if not hasattr(pack, "generate"):
        raise UsageError(
            f"the toolchain of target {target.name} takes the network itself: there is nothing to generate"
        )
    graph = read_model(args.model, asked.shapes, asked.checkpoint, asked.inputs)
    if isinstance(graph, Document):
        raise UsageError(f"{args.model} is a {graph.kind} document already; give the .onnx or .tflite model")
    try:
        text = pack.generate(graph, target)
    except NotExpressible as error:
        complain(NotExpressible(f"{args.model}: {error}"))
        return 1
    except LintmodelError as error:
        raise LintmodelError(f"{args.model}: {error}") from error
    if args.output_file in (None, "-"):
        write(text, sys.stdout)
    else:
        write_file(args.output_file, text)
    return 0


def _parser() -> Parser:
    parser = Parser(
        "generate [OPTIONS] MODEL --target TARGET",
        "Write the network description a target's toolchain takes",
        _EPILOG,
    )
    group = add_one_model(parser, "An .onnx, .pt2 or .tflite file")
    add_help(group)
    group = parser.add_argument_group("Output")
    group.add_argument("-o", "--output-file", metavar="FILE", help="Write to a file, whole or not at all")
    return parser


_EPILOG = """\
Nothing is written unless the description passes the same checks that lintmodel check makes of one.

Exit codes:
  0  the description was written
  1  the network has no description; one sentence names the layer and what to change
  2  the model could not be read, or the command makes no sense

Examples:
  lintmodel generate model.onnx --target CHIP -o net.yaml
  lintmodel generate model.onnx --target CHIP --input-shape 1x3x64x64
"""
