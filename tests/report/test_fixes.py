"""Fixes of a text, as programs read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lintmodel
from lintmodel.findings import TextEdit
from lintmodel.fixing import edited
from lintmodel.ir import line_starts
from lintmodel.report.sarif import render

RESIDUAL = Path(__file__).resolve().parents[2] / "fixtures" / "ai8x" / "stray-write-gap.yaml"


def at(text: str, place: Any) -> int:
    return line_starts(text)[place["line"] - 1] + place["column"] - 1


def test_edits_of_a_description() -> None:
    report = lintmodel.check(RESIDUAL, "max78000", input_shapes={"input": (4, 16, 16)})
    text = RESIDUAL.read_text()
    fix = next(f["fix"] for f in report.to_dict()["findings"] if f["fix"] and f["fix"].get("edits"))
    assert (fix["id"], fix["safety"]) == ("drop-write-gap", "unsafe") and fix["text"].startswith("write_gap taken away")
    edits = [TextEdit(at(text, e["start"]), at(text, e["end"]), e["replacement"]) for e in fix["edits"]]
    assert edited(text, edits) == text.replace("write_gap: 1  # not wanted", "# not wanted")

    run = json.loads(render([report]))["runs"][0]
    fixes = [result["fixes"] for result in run["results"] if "fixes" in result]
    assert len(fixes) == 1 and "unsafe" in fixes[0][0]["description"]["text"]
    change = fixes[0][0]["artifactChanges"][0]
    assert run["artifacts"][change["artifactLocation"]["index"]]["location"]["uri"] == change["artifactLocation"]["uri"]
    region = change["replacements"][0]["deletedRegion"]
    line = text.splitlines()[region["startLine"] - 1]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1].strip() == "write_gap: 1"


def test_a_network_has_none(tmp_path: Path) -> None:
    model = Path(__file__).resolve().parents[2] / "fixtures" / "digits" / "digits.onnx"
    report = lintmodel.check(model, "k210")
    assert not any("edits" in (f["fix"] or {}) for f in report.to_dict()["findings"])
    assert all("fixes" not in result for result in json.loads(render([report]))["runs"][0]["results"])
