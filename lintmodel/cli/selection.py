"""Which rules may find something: ``--select`` and its kind above what the configuration says."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from .arguments import words

if TYPE_CHECKING:
    from ..config import Settings
    from ..registry import Rule

Selection = Callable[["Rule"], bool] | None
"""None stands for all rules."""


def add_selection(parser: Any) -> None:
    """The options; the parser's group of them."""
    group = parser.add_argument_group("Rule selection (codes, prefixes of codes, names, or ALL)")
    group.add_argument("--select", action="append", metavar="RULES", help="Only these rules [default: ALL]")
    group.add_argument("--ignore", action="append", metavar="RULES", help="All but these; the longer prefix wins")
    group.add_argument("--extend-select", action="append", metavar="RULES", help="These as well")
    group.add_argument("--extend-ignore", action="append", metavar="RULES", help="Nor these")


def selection(args: argparse.Namespace, settings: Settings) -> Selection:
    """Of a rule that is both selected and ignored the more exact word decides, as in ``--ignore ABC --extend-select
    ABC101``; between equals it is ignored. ``--select`` replaces what the configuration selects and ignores,
    ``--ignore`` what it ignores. Raises UnknownRule."""
    selected, ignored = words(args.select), words(args.ignore)
    if not selected:
        selected = [*(settings.words("select") or ["ALL"]), *settings.words("extend-select")]
        ignored = ignored or [*settings.words("ignore"), *settings.words("extend-ignore")]
    return chosen(selected + words(args.extend_select), ignored + words(args.extend_ignore))


def chosen(selected: Sequence[str], ignored: Sequence[str]) -> Selection:
    if list(selected) == ["ALL"] and not ignored:
        return None

    from ..registry import all_rules, selector

    names = {rule.name for rule in all_rules()}

    def test(word: str, wanted: bool) -> tuple[Callable[[Rule], bool], int, bool]:
        exactness = 0 if word == "ALL" else 100 if word in names else len(word)
        return selector([word]), exactness, wanted

    tests = [test(word, True) for word in selected] + [test(word, False) for word in ignored]

    def select(rule: Rule) -> bool:
        said = [(exactness, not wanted) for selects, exactness, wanted in tests if selects(rule)]
        return bool(said) and not max(said)[1]

    return select
