"""lintmodel against what ai8x-synthesis said of recorded network descriptions; they stand beside the repository."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check

TRUTH = Path(__file__).resolve().parents[3] / "shared" / "truth" / "ai8x"
EVERY = 6
"""Of so many recordings one is taken."""


def cases() -> list[Any]:
    if not (TRUTH / "cases.jsonl").is_file():
        return []
    lines = (TRUTH / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    found = [case for case in map(json.loads, lines) if not case.get("disputed")]
    return [pytest.param(case, id=case["case"]) for case in found[::EVERY]]


def checked(case: dict[str, Any]) -> Report:
    return check(
        str(TRUTH / case["yaml"]),
        case["target"],
        checkpoint=TRUTH / case["checkpoint"] if case["checkpoint"] else None,
        input_shapes={"input": case["input_shape"]} if case["input_shape"] else None,
        options={"izer_args": case["options"]},
    )


def expected(case: dict[str, Any]) -> set[str]:
    """Recordings whose memory was not replayed may be either of two."""
    if case["verdict"] == "error":
        return {"rejected"}
    if case["address_errors"] is None:
        return {"accepted", "miscompiled"}
    return {"miscompiled" if case["address_errors"] else "accepted"}


@pytest.mark.skipif(not TRUTH.is_dir(), reason="no folder 'shared' beside the repository")
@pytest.mark.parametrize("case", cases())
def test_recorded(case: dict[str, Any]) -> None:
    report = checked(case)
    assert report.verdict in expected(case)
    if case["verdict"] == "error":
        return
    if case["weight_bytes"]:
        assert report.plan.memory["weights"].peak == case["weight_bytes"]
    lengths = [layer["kernel_len"] for layer in case["layers"] if layer.get("kernel_len")]
    ours = [step.details["kernel_words"] for step in report.plan.steps if step.details.get("kernel_words")]
    assert not lengths or ours == lengths
