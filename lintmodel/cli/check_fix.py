"""``lintmodel check --fix``: models are fixed where they are, and the report is on what became of them."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import LintmodelError, UnreadableModel, UsageError
from .output import complain, write

if TYPE_CHECKING:
    from ..api import Report
    from .configured import Wanted
    from .outcome import Outcome

STDIN = "-"


def add_fix(parser: argparse.ArgumentParser) -> None:
    """The options; the parser's group of them."""
    group: Any = parser.add_argument_group("Fixes")
    group.add_argument("--fix", action="store_true", help="Mend what can be mended, in place, and report on the rest")
    group.add_argument(
        "--unsafe-fixes", action="store_true", help="Also fixes after which something else is computed, or that choose"
    )
    group.add_argument("--show-fixes", action="store_true", help="List every place that is changed")
    group.add_argument("--diff", action="store_true", help="Print what --fix would change; write and report nothing")
    group.add_argument(
        "--exit-non-zero-on-fix", action="store_true", help="Exit with 1 when something was fixed, whatever is left"
    )


@dataclass
class Fixer:
    """Fixes one model after the other, and counts."""

    args: argparse.Namespace
    fixed: int = 0
    """Models."""

    def __call__(self, model: str, asked: Wanted) -> Sequence[Report] | None:
        """Mends a model in place and says so on standard error. The reports on it, where they were made on the way.
        What cannot be edited stays as it is; the report says what is wrong with it."""
        if model == STDIN:
            raise UsageError("--fix writes files, and standard input is none; lintmodel fix FILE -o - writes to a pipe")
        found = self._outcome(model, asked)
        if found is None:
            return None
        if found.changed:
            for edit in found.changed:
                edit.write(edit.path)
            self.fixed += 1
        if found.changed or self.args.show_fixes:
            self._tell(model, found, "fixed")
        return found.reports

    def diff(self, model: str, asked: Wanted) -> Sequence[Report]:
        """Prints what would change."""
        found = self._outcome(model, asked)
        if found is not None and found.changed:
            for edit in found.changed:
                write(edit.diff(), sys.stdout)
            self.fixed += 1
            self._tell(model, found, "would be fixed")
        return ()

    def _outcome(self, model: str, asked: Wanted) -> Outcome | None:
        from .outcome import outcome

        try:
            return outcome(model, asked, unsafe=self.args.unsafe_fixes, details=self.args.show_fixes)
        except UsageError as error:  # nothing that fix edits
            if self.args.show_fixes:
                complain(error)
        except UnreadableModel:
            pass  # the report says so
        except LintmodelError as error:
            complain(LintmodelError(f"{model} is left as it is: {error}"))
        return None

    def _tell(self, model: str, found: Outcome, word: str) -> None:
        from ..report.text import printable

        if not self.args.quiet:
            lines = [f"{printable(model)}: {found.summary(word)}", *found.lines]
            write("".join(f"{line}\n" for line in lines), sys.stderr)
