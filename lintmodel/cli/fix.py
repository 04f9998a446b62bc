"""``lintmodel fix``: a model with its problems mended, in a file of its own."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import UsageError
from .arguments import Parser, add_help
from .configured import add_one_model, settings_here, wanted
from .output import write
from .selection import add_selection

if TYPE_CHECKING:
    from .outcome import Outcome


def run_fix(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.model:
        raise UsageError("no file given: name one, as in lintmodel fix model.onnx --target TARGET --diff")
    _one_way(args)
    settings_here(args)  # reads the configuration files anew
    asked = wanted(args, args.model)

    from .outcome import outcome

    return _done(args, outcome(args.model, asked, unsafe=args.unsafe_fixes, details=args.show_fixes))


def _one_way(args: argparse.Namespace) -> None:
    """The ways out exclude each other, and none of them writes over the input by accident."""
    given = [
        option
        for option, chosen in (("--diff", args.diff), ("--in-place", args.in_place), ("-o", args.output_file))
        if chosen
    ]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} exclude each other; give one of them")
    if args.output_file not in (None, "-") and Path(args.output_file).resolve() == Path(args.model).resolve():
        raise UsageError(f"-o {args.output_file} is the file itself; --in-place writes over it")


def _done(args: argparse.Namespace, found: Outcome) -> int:
    listed = "".join(f"{line}\n" for line in found.lines)
    if args.diff:
        for edit in found.changed:
            write(edit.diff(), sys.stdout)
        write(f"{listed}{found.summary('would be fixed')}\n", sys.stderr)
        return int(bool(found.changed))
    edits = found.edits if args.output_file else found.changed
    if args.output_file and len(edits) > 1:
        names = ", ".join(edit.path for edit in edits)
        raise UsageError(f"-o {args.output_file} is one file, and {names} change; give --in-place")
    written = []
    for edit in edits:
        written.append(edit.path if args.in_place else args.output_file or edit.fixed_path)
        edit.write(written[-1])
    where = f" in {', '.join(written)}" if written and args.output_file != "-" else ""
    stream = sys.stderr if args.output_file == "-" else sys.stdout
    write(f"{listed}{found.summary('fixed', where)}\n", stream)
    return int(bool(found.errors))


def _parser() -> Parser:
    parser = Parser("fix [OPTIONS] MODEL --target TARGET", "Mend models and descriptions, each fix proven", _EPILOG)
    group = add_one_model(parser, "An .onnx or .tflite file, or a network description (ai8x .yaml)", "TARGET[,...]")
    group.add_argument(
        "--unsafe-fixes", action="store_true", help="Also fixes after which something else is computed, or that choose"
    )
    group.add_argument("--show-fixes", action="store_true", help="List every place that is changed")
    add_help(group)
    add_selection(parser)
    group = parser.add_argument_group("Output [default: NAME.fixed.onnx beside NAME.onnx]")
    group.add_argument("--diff", action="store_true", help="Print what would change, and write nothing")
    group.add_argument("--in-place", action="store_true", help="Write over the file")
    group.add_argument("-o", "--output-file", metavar="FILE", help="Write to this file, whole or not at all")
    return parser


_EPILOG = """\
Every fix is proven before it is kept. A network stays valid, no target that is named makes less of
it, and with a safe fix it computes the same on random inputs (onnxruntime, else onnx's reference
evaluator). What an unsafe fix changes is measured and told. An edited text is read and checked
again. The file is there whole or not at all, whenever the run is interrupted.

Exit codes:
  0  no error is left
  1  an error stays; with --diff, something would change
  2  the file could not be read, or the command makes no sense

Examples:
  lintmodel fix model.onnx --target CHIP
  lintmodel fix model.onnx --target CHIP,OTHER --unsafe-fixes --show-fixes --diff
  lintmodel fix model.onnx --target CHIP --select RULE -o mended.onnx
  lintmodel fix net.yaml --target CHIP --checkpoint net-q.pth.tar --input-shape 3x64x64 --in-place
"""
