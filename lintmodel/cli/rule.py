"""``lintmodel rule`` and ``lintmodel rules``: what the rules say of themselves."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UnknownRule, UsageError
from .arguments import Parser, words
from .output import look, write

if TYPE_CHECKING:
    from ..registry import Rule
    from ..report import Look
    from ..target import Target


def run_rule(argv: Sequence[str]) -> int:
    parser = Parser(
        "rule [OPTIONS] RULE", "Explain a rule: what it finds, why that matters, what to do instead", _EPILOG
    )
    parser.add_argument_group("Arguments").add_argument(
        "rule", nargs="?", metavar="RULE", help="Its code or name, or any text: an error number, a line of a log"
    )
    parser.add_common()
    group = parser.add_argument_group("Limits")
    group.add_argument("--target", metavar="TARGET", help="Whose limits to fill in [default: the first of the family]")
    args = parser.parse(argv)
    if not args.rule:
        raise UsageError("no rule given: name its code or its name; lintmodel rules lists them")

    rules = _meant(args.rule)
    if len(rules) > 1:
        _list(rules, args)
        return 0
    rule = rules[0]
    target = _target(rule, args.target)
    if args.format == "json":
        write(json.dumps(_rule_dict(rule, target), indent=2) + "\n")
    else:
        write(_explained(rule, target, look(sys.stdout, color=args.color)))
    return 0


def run_rules(argv: Sequence[str]) -> int:
    parser = Parser("rules [OPTIONS]", "List all rules")
    parser.add_common()
    group = parser.add_argument_group("Rule selection")
    group.add_argument("--select", action="append", metavar="RULES", help="Codes, prefixes of codes, names, or ALL")
    args = parser.parse(argv)

    from ..registry import all_rules, selector

    chosen = selector(words(args.select) or ["ALL"]) if args.select else None
    _list([rule for rule in all_rules() if chosen is None or chosen(rule)], args)
    return 0


_EPILOG = """\
Examples:
  lintmodel rule conv-kernel
  lintmodel rule 2003
  lintmodel rule "Allocator has ran out of memory"
"""


def _meant(word: str) -> list[Rule]:
    """The rule of this code or name, else all that have the text in them. Raises UnknownRule for none."""
    from ..registry import find_rule

    try:
        return [find_rule(word)]
    except UnknownRule:
        from ..search import search_rules

        if found := search_rules(word):
            return found
        raise


def _list(rules: Sequence[Rule], args: argparse.Namespace) -> None:
    if args.format == "json":
        write(json.dumps([_facts(rule) for rule in rules], indent=2) + "\n")
        return

    from ..report.console import table, to_text

    how = look(sys.stdout, color=args.color, wide=True)
    rows = table("code", "name", "level", "confidence", "summary", look=how, whole=("code", "level", "confidence"))
    for rule in rules:
        rows.add_row(rule.code, rule.name, str(rule.level), rule.confidence, rule.summary)
    write(to_text([rows], how))


def _target(rule: Rule, word: str | None) -> Target | None:
    """The target whose limits the text is printed with: the one asked for, else the first of the rule's family."""
    from ..registry import family_of
    from ..target import load_target, sheets_of

    if word or rule.target:
        return load_target(word or str(rule.target))
    family = family_of(rule)
    names = sheets_of(family) if family else []
    return load_target(names[0]) if names else None


def _facts(rule: Rule) -> dict[str, Any]:
    return {
        "code": rule.code,
        "name": rule.name,
        "level": str(rule.level),
        "confidence": rule.confidence,
        "status": rule.status,
        "since": rule.since,
        "pack": rule.pack,
        "summary": rule.summary,
    }


def _rule_dict(rule: Rule, target: Target | None) -> dict[str, Any]:
    bad, good = _examples(rule)
    about = {
        "options": rule.settings,
        "text": rule.text(target),
        "target": target and target.name,
        "bad": bad,
        "good": good,
    }
    return {**_facts(rule), **about}


def _examples(rule: Rule) -> tuple[list[str], list[str]]:
    """Those that the rule finds something in, and those just inside its limit."""
    from ..examples import example_source

    bad, good = ([example_source(example) for example in some] for some in (rule.bad_examples, rule.good_examples))
    return [text for text in bad if text], [text for text in good if text]


def _explained(rule: Rule, target: Target | None, how: Look) -> str:
    def bold(text: str) -> str:
        return f"\x1b[1m{text}\x1b[0m" if how.color else text

    facts = [
        str(rule.level),
        f"known from: {_KNOWN[rule.confidence]}",
        f"{rule.status} since {rule.since}",
        f"pack {rule.pack}",
    ]
    lines = [bold(f"{rule.code} {rule.name}"), "  ".join(facts), "", rule.text(target)]
    if rule.settings:
        lines += ["", "Options, under rules in a configuration file, with their defaults:"]
        lines += [f"    {name} = {json.dumps(value)}" for name, value in rule.settings.items()]
    if target:
        lines += ["", f"Limits of {target.name} ({target.toolchain})."]
    for title, examples in zip(("Found in", "Not found in"), _examples(rule), strict=True):
        if examples:
            lines += ["", bold(f"{title}:"), *(f"    {line}" for text in examples for line in text.splitlines())]
    return "\n".join(lines) + "\n"


_KNOWN = {
    "measured": "measured with the toolchain",
    "source": "the toolchain's source",
    "documented": "its documentation",
    "unverified": "hearsay, not verified",
}
