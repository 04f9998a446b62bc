"""Every rewrite: where it applies and where it does not, and that what it makes is valid and computes the same."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx
import pytest
from nets import Case, Make, ops, read

from lintmodel.fix.change import Change, Rewrite
from lintmodel.fix.onnx_edit import apply_changes
from lintmodel.fix.rewrites import all_rewrites
from lintmodel.fix.verify import delta

PARTS = [import_module(path.stem) for path in sorted(Path(__file__).parent.glob("cases_*.py"))]
CASES: dict[str, Sequence[Case]] = {id: cases for part in PARTS for id, cases in getattr(part, "CASES", {}).items()}
OUTSIDE: dict[str, Sequence[Make | Case]] = {
    id: models for part in PARTS for id, models in getattr(part, "OUTSIDE", {}).items()
}

APPLIED = [pytest.param(id, case, id=f"{id}-{k}") for id, cases in CASES.items() for k, case in enumerate(cases)]
LEFT = [pytest.param(id, model, id=f"{id}-{k}") for id, models in OUTSIDE.items() for k, model in enumerate(models)]


def rewritten(model: onnx.ModelProto, rewrite: Rewrite, details: Any = ()) -> tuple[onnx.ModelProto, list[Change]]:
    """The model with all changes made, until none is left."""
    made: list[Change] = []
    for _ in range(5):
        graph = read(model)
        changes = list(rewrite.places(graph, details))
        if not changes:
            break
        copy = onnx.ModelProto()
        copy.CopyFrom(model)
        done = apply_changes(copy, graph, changes)
        assert done.made, f"none of {changes} could be made"
        model, made = copy, made + done.made
    return model, made


def test_every_rewrite_has_cases() -> None:
    assert set(all_rewrites()) == set(CASES)
    assert set(all_rewrites()) == set(OUTSIDE), "with a network just outside of its condition"


@pytest.mark.parametrize(("id", "case"), APPLIED)
def test_applies(id: str, case: Case) -> None:
    before, rewrite = case.model(), all_rewrites()[id]
    after, made = rewritten(before, rewrite, case.details)
    assert made and ops(after) == case.after
    onnx.checker.check_model(after, full_check=True)
    if id != "cut-head":
        assert [each.name for each in after.graph.output] == [each.name for each in before.graph.output]
    assert not list(rewrite.places(read(after), case.details)), "it comes to an end"
    if rewrite.safety == "safe":
        assert delta(before, after, None).same


@pytest.mark.parametrize(("id", "model"), LEFT)
def test_applies_nowhere_else(id: str, model: Make | Case) -> None:
    details = model.details if isinstance(model, Case) else ()
    made = model.model() if isinstance(model, Case) else model()
    assert not list(all_rewrites()[id].places(read(made), details))


@pytest.mark.parametrize("id", all_rewrites())
def test_says_what_it_does(id: str) -> None:
    rewrite = all_rewrites()[id]
    assert rewrite.text.endswith((".", ",", "a", "the", "of")) or len(rewrite.text) > 20
    assert id == id.lower() and " " not in id
