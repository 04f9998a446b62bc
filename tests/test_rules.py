"""Every rule, whatever its pack, against its own examples and the form its text has to have."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from lintmodel import api
from lintmodel.examples import example_report
from lintmodel.ir import Graph
from lintmodel.registry import Example, Rule, all_rules, packs
from lintmodel.target import Target, load_target

TARGETS = {"ai8x": "max78000", "dpu": "DPUCZDX8G_ISA1_B4096", "kpu": "k210", "rknn": "rk3588", "tflm": "generic"}
"""The target whose limits a family's examples are written for."""
ANY = "k210"
"""The target for rules of packs without a family."""

SECTIONS = ("What it does:", "Why it matters:", "What to do instead:", "Source:")

RULES = all_rules()
BAD = [pytest.param(r, e, id=f"{r.code}-bad{k}") for r in RULES for k, e in enumerate(r.bad_examples)]
GOOD = [pytest.param(r, e, id=f"{r.code}-good{k}") for r in RULES for k, e in enumerate(r.good_examples)]
EACH = pytest.mark.parametrize("rule", RULES, ids=lambda r: r.code)


def families() -> dict[str, str | None]:
    """The family of every rule's pack, by code; None for packs without one."""
    return {r.code: getattr(pack, "FAMILY", None) for pack in packs().values() for r in pack.RULES}


@cache
def default_target(family: str | None, toolchain: str | None = None, name: str | None = None) -> Target:
    return load_target(name or (TARGETS[family] if family else ANY), toolchain)


def checked(rule: Rule, example: Example, options: Mapping[str, Any]) -> tuple[Graph, api.Report]:
    """An example as a user's model would go through: built, normalised, planned, checked."""
    target = default_target(families()[rule.code], rule.toolchain, rule.target).with_options(options)
    report = example_report(rule, example, target)
    return report.graph, report


@pytest.mark.parametrize(("rule", "example"), BAD)
def test_bad_example_is_found(rule: Rule, example: Example) -> None:
    graph, report = checked(rule, example, rule.options)
    findings = [f for f in report.findings if f.rule == rule.code]
    assert findings, f"{rule.code} {rule.name} finds nothing in its bad example"
    names = {node.name for _, node in graph.walk()}
    for finding in findings:
        assert finding.node is None or finding.node in names or report.document is not None
        named = finding.node is not None and re.search(rf"\b{re.escape(finding.node)}\b", finding.message)
        assert not named, "the node's name is in the location"
        assert finding.message[0] not in " \n" and not finding.message.endswith("."), finding.message
        assert "\n" not in finding.message


@pytest.mark.parametrize(("rule", "example"), GOOD)
def test_good_example_is_clean(rule: Rule, example: Example) -> None:
    _, report = checked(rule, example, {})
    assert [f.message for f in report.findings if f.rule == rule.code] == []


@EACH
def test_rule_has_examples(rule: Rule) -> None:
    assert rule.bad_examples, f"{rule.code} has no bad example"
    assert rule.good_examples, f"{rule.code} has no good example"


@EACH
def test_text_has_all_sections(rule: Rule) -> None:
    text = rule.text(default_target(families()[rule.code], rule.toolchain, rule.target))
    positions = [text.find(section) for section in SECTIONS]
    assert -1 not in positions, f"{rule.code}: {SECTIONS[positions.index(-1)]} is missing"
    assert positions == sorted(positions)
    for section in SECTIONS:
        assert re.search(re.escape(section) + r"\s*\S", text), f"{rule.code}: {section} says nothing"
    assert rule.summary.endswith("."), "the first line is a sentence"
    assert "{" not in text, f"{rule.code}: a limit it names is not in the target's sheet"


@EACH
def test_code_and_name_have_the_form(rule: Rule) -> None:
    assert re.fullmatch(r"[A-Z]{3}[1-9]\d\d", rule.code)
    assert re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", rule.name)


def test_codes_and_names_are_unique() -> None:
    codes, names = [r.code for r in RULES], [r.name for r in RULES]
    assert len(set(codes)) == len(codes)
    assert len(set(names)) == len(names)


def test_codes_carry_the_prefix_of_their_pack() -> None:
    for name, pack in packs().items():
        assert {r.pack for r in pack.RULES} <= {pack.PREFIX}, name
