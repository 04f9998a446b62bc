"""What rules offer as a fix is there, and is what they say it is."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import pytest

from lintmodel import registry
from lintmodel.fix.rewrites import all_rewrites
from lintmodel.fix.tflite_edit import REWRITES


def offered() -> Iterator[tuple[str, str, str]]:
    """Place, id and safety of every ``Fix("id", "safety")`` in the source of the installed packs."""
    for pack in registry.packs().values():
        folder = Path(str(import_module(pack.__name__).__file__)).parent
        for file in sorted(folder.rglob("*.py")):
            text = file.read_text(encoding="utf-8")
            if "on=Document" in text:
                continue  # repairs of a text are the pack's own
            for call in ast.walk(ast.parse(text)):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Fix":
                    id, safety = call.args[:2]
                    if isinstance(id, ast.Constant) and isinstance(safety, ast.Constant):
                        yield f"{pack.__name__.rpartition('.')[2]}/{file.name}:{call.lineno}", id.value, safety.value


@pytest.mark.parametrize(("place", "id", "safety"), [pytest.param(*each, id=each[0]) for each in offered()])
def test_a_fix_is_a_rewrite(place: str, id: str, safety: str) -> None:
    known = {each.id: each.safety for each in REWRITES} | {id: each.safety for id, each in all_rewrites().items()}
    assert safety == "display" or known.get(id) == safety, f"{place}: {id}"


def test_one_id_has_one_safety() -> None:
    for each in REWRITES:
        assert each.id not in all_rewrites() or all_rewrites()[each.id].safety == each.safety


def test_what_a_format_cannot_have_is_advice() -> None:
    from lintmodel.findings import Fix
    from lintmodel.fix.possible import possible

    fold, swap = Fix("fold-batch-norm", "safe"), Fix("silu-to-relu", "unsafe")
    assert [possible(fold, format).safety for format in ("onnx", "tflite", "pt2")] == ["safe", "display", "display"]
    assert [possible(swap, format).safety for format in ("onnx", "tflite", "pt2")] == ["unsafe"] * 3
