"""Finds rules by what a person has in front of them: a word, an error number, a line of the toolchain's log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from .registry import Rule, all_rules, family_of
from .target import load_target, sheets_of


def search_rules(text: str) -> list[Rule]:
    """The rules that have the text in their code, name or docstring; failing these, those in whose bad examples the
    toolchain says it; failing these, those that have all its words. Case and line breaks do not count."""
    wanted = _plain(text)
    if not wanted:
        return []
    rules = all_rules()
    told = {rule.code: _plain(f"{rule.code} {rule.name} {rule.text()}") for rule in rules}
    tests: tuple[Callable[[Rule], bool], ...] = (
        lambda rule: wanted in told[rule.code],
        lambda rule: any(wanted in _plain(said) for said in vendor_messages(rule)),
        lambda rule: all(word in told[rule.code] for word in wanted.split()),
    )
    return next((found for test in tests if (found := [rule for rule in rules if test(rule)])), [])


def vendor_messages(rule: Rule) -> Iterator[str]:
    """What the toolchain or the runtime says in the rule's bad examples, on the first target of its family."""
    from .examples import example_report

    family = family_of(rule)
    names = sheets_of(family) if family else []
    if not names:
        return
    target = load_target(rule.target or names[0], rule.toolchain, rule.options)
    for example in rule.bad_examples:
        with suppress(Exception):  # a pack whose example is broken must not break the search in all others
            findings = example_report(rule, example, target).findings
            yield from (f.vendor_message for f in findings if f.rule == rule.code and f.vendor_message)


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
