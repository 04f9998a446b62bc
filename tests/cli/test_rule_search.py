"""``lintmodel rule TEXT``: rules by what a board or a toolchain says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from lintmodel.search import search_rules

if TYPE_CHECKING:
    from conftest import Run


@pytest.mark.parametrize(
    "text",
    ["2003", "layer_header.body_size", "LAYER_HEADER.BODY_SIZE <=0", "2015", "2009", "get V1263354956"],
)
def test_errors_of_the_loader_lead_to_its_rule(run: Run, text: str) -> None:
    done = run("rule", text)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith("KPU601 kmodel-not-loaded\n")


@pytest.mark.parametrize("number", range(2001, 2016))
def test_every_number_is_explained(number: int) -> None:
    assert "KPU601" in [rule.code for rule in search_rules(str(number))]


def test_what_only_the_toolchain_says(run: Run) -> None:
    assert run("rule", "allocator  has ran\nout").out.startswith("KPU301 kpu-memory-overflow\n")


def test_several(run: Run) -> None:
    done = run("rule", "out of memory")
    assert done.code == 0
    codes = [line.split()[0] for line in done.out.splitlines()[2:]]
    assert {"KPU302", "KPU601", "KPU606"} <= set(codes)
    listed = json.loads(run("rule", "out of memory", "--format", "json").out)
    assert [rule["code"] for rule in listed] == codes
    assert {"code", "name", "summary"} <= listed[0].keys()


def test_a_code_or_name_is_never_searched_for(run: Run) -> None:
    assert run("rule", "kpu601").out == run("rule", "kmodel-not-loaded").out
    assert run("rule", "KPU601").out.startswith("KPU601 kmodel-not-loaded\n")


def test_nothing(run: Run) -> None:
    done = run("rule", "kmodel-not-loadet")
    assert (done.code, done.out) == (2, "")
    assert done.err == "lintmodel: error: no rule 'kmodel-not-loadet'; did you mean 'kmodel-not-loaded'?\n"
    assert search_rules(" ") == []
