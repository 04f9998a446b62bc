"""``lintmodel fix``: repairs of a document's text."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import LintmodelError, UsageError
from .arguments import Parser, add_help
from .configured import add_one_model, one_wanted
from .output import write, write_file

if TYPE_CHECKING:
    from ..fixing import Mended, Repair

_BOM = "\ufeff"


def run_fix(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)
    if not args.model:
        raise UsageError("no file given: name one, as in lintmodel fix network.yaml --target TARGET --diff")
    asked = one_wanted(args, "fix")
    target = asked.target
    _one_way(args)

    from ..api import read_model
    from ..fixing import mend
    from ..ir import Document

    document = read_model(args.model, asked.shapes, asked.checkpoint, asked.inputs)
    if not isinstance(document, Document) or not document.text:
        raise UsageError(
            f"{args.model} is not a text that fix can edit; it mends network descriptions and configurations"
        )
    try:
        done = mend(document, target, unsafe=args.unsafe_fixes)
        hidden = 0
        if not args.unsafe_fixes:
            hidden = sum(repair.safety == "unsafe" for repair in mend(document, target, unsafe=True).repairs)
    except LintmodelError as error:
        if args.model in str(error):
            raise
        raise LintmodelError(f"{args.model}: {error}") from error
    return _done(args, done, hidden)


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


def _done(args: argparse.Namespace, done: Mended, hidden: int) -> int:
    from ..fixing import diff

    if args.diff:
        write(diff(args.model, done.before.text, done.text), sys.stdout)
        _say(_summary(done, hidden, "would be fixed"))
        return int(done.text != done.before.text)
    writes = args.in_place or args.output_file is not None
    listed = "".join(f"{_line(args.model, repair, done)}\n" for repair in done.repairs)
    if not writes:
        write(f"{listed}{_summary(done, hidden, 'fixable')}\n", sys.stdout)
        return int(bool(done.repairs) or bool(done.plan.refusals))
    if args.output_file == "-":
        write(done.text, sys.stdout)
    elif not args.in_place or done.repairs:
        _write(args.model, args.output_file or args.model, done.text)
    _say(listed + _summary(done, hidden, "fixed"))
    return int(bool(done.plan.refusals))


def _write(source: str, path: str, text: str) -> None:
    """As the input was: with the mark at its beginning, and its line ends."""
    mark = _BOM if Path(source).read_bytes().startswith(_BOM.encode()) else ""
    write_file(path, mark + text, newline="")


def _say(text: str) -> None:
    write(f"{text}\n", sys.stderr)


def _line(path: str, repair: Repair, done: Mended) -> str:
    """``file:line:column: CODE text``; the line is that of the text as it was."""
    from ..report.text import printable

    positions, key = done.before.positions, repair.key
    while key and key not in positions:
        key = key.rpartition(".")[0]
    line, column = positions.get(key, (1, 1))
    unsafe = " (unsafe)" if repair.safety == "unsafe" else ""
    layer = ".".join(key.split(".")[:2])
    return f"{path}:{line}:{column}: {repair.rule} {printable(layer)}: {printable(repair.text)}{unsafe}"


def _summary(done: Mended, hidden: int, word: str) -> str:
    count, left = len(done.repairs), len(done.plan.refusals)
    parts = [f"{count} {'problem' if count == 1 else 'problems'} {word}" if count else f"nothing {word}"]
    if hidden:
        parts.append(f"{hidden} more with --unsafe-fixes")
    if left:
        parts.append(f"{left} {'error stays' if left == 1 else 'errors stay'}, which lintmodel check shows")
    if done.plan.not_checked or done.plan.verdict == "unknown":
        parts.append("not everything could be checked, and lintmodel check says what")
    elif count and done.plan.verdict == "accepted":
        parts.append("nothing is refused or computed wrongly any more")
    return "; ".join(parts) + "."


def _parser() -> Parser:
    parser = Parser(
        "fix [OPTIONS] MODEL --target TARGET", "Mend a description or configuration, its layout kept", _EPILOG
    )
    group = add_one_model(parser, "A network description (ai8x .yaml) or a quantiser configuration (.json)")
    group.add_argument(
        "--unsafe-fixes", action="store_true", help="Also fixes that choose between several ways to mend a network"
    )
    add_help(group)
    group = parser.add_argument_group("Output")
    group.add_argument("--diff", action="store_true", help="Print what would change as a unified diff")
    group.add_argument("--in-place", action="store_true", help="Write over the file")
    group.add_argument("-o", "--output-file", metavar="FILE", help="Write to another file, whole or not at all")
    return parser


_EPILOG = """\
Without --diff, --in-place or -o the fixes are listed and nothing is written. Every fix is proven:
the edited text is read and checked again, and a fix after which more is wrong than before is left
out.

Exit codes:
  0  nothing to fix, or written and no error is left
  1  there is something to fix, or an error stays
  2  the file could not be read, or the command makes no sense

Examples:
  lintmodel fix net.yaml --target CHIP --checkpoint net-q.pth.tar --input-shape 3x64x64
  lintmodel fix net.yaml --target CHIP --input-shape 3x64x64 --unsafe-fixes --diff
  lintmodel fix net.yaml --target CHIP --input-shape 3x64x64 --unsafe-fixes -o mended.yaml
"""
