"""argparse, with the manners of this command line: one sentence for a mistake, and help that reads well."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import UsageError, did_you_mean


class Parser(argparse.ArgumentParser):
    """The parser of one command. ``usage`` is what follows ``lintmodel``."""

    def __init__(self, usage: str, description: str, epilog: str = "") -> None:
        super().__init__(
            prog=f"lintmodel {usage.split()[0]}",
            usage=f"lintmodel {usage}",
            epilog=epilog,
            formatter_class=_Formatter,
            add_help=False,
            allow_abbrev=False,  # an abbreviation in somebody's script would break with the next option
        )
        self.summary = description

    def format_help(self) -> str:
        return f"{self.summary}\n\n{super().format_help()}"

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[:1].lower()}{message[1:]}; see {self.prog} --help")

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        """The arguments, options and names in any order. Raises UsageError."""
        arguments, unknown = self.parse_known_intermixed_args(argv)
        if unknown:
            known = [word for action in self._actions for word in action.option_strings]
            word = unknown[0].partition("=")[0]
            if not word.startswith("-"):
                self.error(f"'{word}' is one argument too many")
            raise UsageError(f"no option '{word}'" + (did_you_mean(word, known) or f"; see {self.prog} --help"))
        return arguments

    def add_common(self, formats: Sequence[str] = ("text", "json")) -> None:
        """The options of commands that print something to read."""
        group = self.add_argument_group("Options")
        group.add_argument(
            "--format", choices=formats, default=formats[0], help=f"Output format: {' or '.join(formats)}"
        )
        add_color(group)
        add_help(group)


def add_color(group: Any) -> None:
    group.add_argument(
        "--color",
        choices=("auto", "always", "never"),
        default="auto",
        help="Colours: auto (on a terminal, unless NO_COLOR is set), always, never",
    )


def add_output(parser: argparse.ArgumentParser, formats: Sequence[str]) -> None:
    """The group of a command that prints in one of ``formats``, the first when none is chosen."""
    group = parser.add_argument_group("Output")
    words = f"{', '.join(formats)} [default: {formats[0]}]"
    group.add_argument("--format", choices=formats, default=formats[0], help=words)
    group.add_argument("-o", "--output-file", metavar="FILE", help="Write to a file, whole or not at all")
    add_color(group)


def add_help(group: Any) -> None:
    group.add_argument("-h", "--help", action="help", help="Print help")


def words(values: Sequence[str] | None) -> list[str]:
    """``["a,b", "c"]`` as given by an option that takes commas and may be repeated: ``["a", "b", "c"]``."""
    return [word.strip() for value in values or () for word in value.split(",") if word.strip()]


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **_: Any) -> None:
        super().__init__(prog, max_help_position=30, width=100)

    def add_usage(self, usage: str | None, actions: Any, groups: Any, prefix: str | None = None) -> None:
        super().add_usage(usage, actions, groups, prefix or "Usage: ")

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """``-t, --target T``, as Python 3.13 and newer have it, and not ``-t T, --target T``."""
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        metavar = action.metavar or "|".join(map(str, action.choices or ())) or action.dest.upper()
        return f"{', '.join(action.option_strings)} {metavar}"
