"""``compare``, ``diff``, ``init``, and models that come in on standard input."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import write_model
from edge_target import SHEET

if TYPE_CHECKING:
    from conftest import Run

EDG = ("--select", "EDG")


def test_compare_puts_targets_that_take_the_model_first(run: Run, folder: Path) -> None:
    (folder / "board.yaml").write_text(f"name: board\nextends: {SHEET}\n")
    done = run("compare", "softmax.onnx", "--targets", f"generic,{SHEET}", *EDG, "--format", "json")
    assert done.code == 0
    rows = json.loads(done.out)["targets"]
    assert [(row["target"], row["verdict"]) for row in rows] == [("generic", "accepted"), ("edge", "rejected")]
    assert rows[1]["blocking"] == {"rule": "EDG102", "node": "last", "message": "Softmax has no kernel"}
    assert (rows[1]["fixes"], rows[0]["fixes"]) == (None, [])
    assert rows[0]["accelerated_macs"] == 0
    assert rows[1]["accelerated_macs"] is None


@pytest.mark.parametrize("format", ["text", "markdown", "html"])
def test_compare_says_what_blocks(run: Run, folder: Path, format: str) -> None:
    done = run("compare", "softmax.onnx", "--targets", SHEET, *EDG, "--format", format)
    assert "EDG102 edge-unsupported: Softmax has no kernel" in done.out
    assert "no fix known" in done.out


def test_compare_without_targets_takes_those_of_every_family(run: Run, folder: Path) -> None:
    rows = json.loads(run("compare", "good.onnx", "--format", "json").out)["targets"]
    assert {"k210", "max78000", "generic"} <= {row["target"] for row in rows}


# ---- diff


def test_diff_of_a_model_with_itself(run: Run, folder: Path) -> None:
    done = run("diff", "good.onnx", "good.onnx", "-t", SHEET, *EDG)
    assert (done.code, done.out.splitlines()[1:]) == (0, ["  nothing changes"])


def test_diff_tells_what_is_new_and_what_is_gone(run: Run, folder: Path) -> None:
    worse = run("diff", "good.onnx", "softmax.onnx", "-t", SHEET, *EDG)
    assert worse.code == 1
    assert "  verdict: accepted -> rejected\n" in worse.out
    assert "  + EDG102 error last: Softmax has no kernel\n" in worse.out
    better = run("diff", "softmax.onnx", "good.onnx", "-t", SHEET, *EDG)
    assert better.code == 0
    assert "  - EDG102 error last: Softmax has no kernel\n" in better.out


def test_diff_as_json_and_markdown(run: Run, folder: Path) -> None:
    options = ("-t", SHEET, *EDG, "--fail-on", "never")
    found = json.loads(run("diff", "kernel.onnx", "softmax.onnx", *options, "--format", "json").out)["targets"][0]
    assert found["changed"]["verdict"] == ["accepted", "rejected"]
    assert [finding["rule"] for finding in found["findings"]["new"]] == ["EDG102"]
    assert [finding["rule"] for finding in found["findings"]["gone"]] == ["EDG101"]
    text = run("diff", "kernel.onnx", "softmax.onnx", *options, "--format", "markdown").out
    assert "<summary>1 finding new</summary>" in text


# ---- init


def test_init_writes_a_configuration_that_checks_the_models(run: Run, folder: Path) -> None:
    (folder / "nets").mkdir()
    write_model(folder / "nets/deep.onnx")
    done = run("init", "-t", "k210")
    assert done.code == 0
    text = (folder / "lintmodel.toml").read_text()
    assert 'path = "*.onnx"' in text
    assert 'path = "nets/*.onnx"' in text
    assert "entry: lintmodel check" in (folder / ".pre-commit-config.yaml").read_text()
    checked = run("check")
    assert "nets/deep.onnx: " in checked.out
    assert "good.onnx: " in checked.out
    again = run("init", "-t", "k210")
    assert (again.code, "configures lintmodel already" in again.err) == (2, True)


def test_init_leaves_a_pre_commit_configuration_alone(run: Run, folder: Path) -> None:
    (folder / ".pre-commit-config.yaml").write_text("repos: []\n")
    done = run("init", "-t", "k210")
    assert (folder / ".pre-commit-config.yaml").read_text() == "repos: []\n"
    assert "add to its repos:" in done.out


# ---- standard input


def test_a_model_on_standard_input(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = (folder / "softmax.onnx").read_bytes()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    done = run("check", "-", "-t", SHEET, *EDG)
    assert done.out.startswith("-: EDG102 Softmax has no kernel [last]\n")


def test_something_else_on_standard_input(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"hello there, this is no model")))
    done = run("check", "-", "-t", SHEET)
    assert done.code == 2
    assert done.err.startswith("lintmodel: error: -: ")
    assert done.err.count("\n") == 1
