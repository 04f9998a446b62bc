"""``lintmodel memory``."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from conftest import Run

DIGITS = Path(__file__).resolve().parents[2] / "fixtures" / "digits" / "digits.onnx"


@pytest.mark.parametrize("target", ["k210", "generic"])
def test_every_target_with_a_plan(run: Run, target: str) -> None:
    done = run("memory", DIGITS, "--target", target)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(f"accepted for {target} (")
    assert "bytes in use, step by step" in done.out
    found = json.loads(run("memory", DIGITS, "--target", target, "--format", "json").out)
    assert (found["schema"], found["target"], found["verdict"]) == ("lintmodel-memory/1", target, "accepted")
    for name, entries in found["timeline"].items():
        pool = found["memory"][name]
        assert max(entry["live"] for entry in entries) == pool["lower_bound"] <= pool["peak"]
    assert sum(layer["inputs"] > 0 for layer in found["layers"]) == len(found["layers"])


def test_numbers_are_those_of_check(run: Run) -> None:
    memory = json.loads(run("memory", DIGITS, "--target", "k210", "--format", "json").out)["memory"]
    (report,) = json.loads(run("check", DIGITS, "--target", "k210", "--format", "json").out)["reports"]
    assert {name: pool["peak"] for name, pool in memory.items()} == {
        name: pool["peak"] for name, pool in report["memory"].items()
    }


def test_csv_has_a_line_for_every_layer(run: Run) -> None:
    rows = list(csv.DictReader(run("memory", DIGITS, "--target", "generic", "--format", "csv").out.splitlines()))
    assert [row["name"] for row in rows][:2] == ["/stem/stem.0/Conv", "/down/down.0/Conv"]
    assert (rows[0]["unit"], rows[0]["op"], rows[0]["shape"], rows[0]["dtype"]) == (
        "cpu",
        "Conv",
        "1x8x32x32",
        "float32",
    )
    assert (rows[0]["inputs"], rows[0]["outputs"], rows[0]["im2col"]) == ("4096", "32768", "102400")


def test_a_memory_that_is_too_small(run: Run) -> None:
    done = run("memory", DIGITS, "--target", "generic", "-O", "arena=1024")
    assert done.code == 1
    assert "It does not fit." in done.out
    assert run("memory", DIGITS, "--target", "generic", "-O", "arena=1000000").code == 0


def test_output_file(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "memory.json"
    assert run("memory", DIGITS, "-t", "generic", "--format", "json", "-o", path) == (0, "", "")
    assert json.loads(path.read_text())["target"] == "generic"


def test_input_shape(run: Run, folder: Path) -> None:
    done = run("memory", "good.onnx", "-t", "generic", "--format", "json", "--input-shape", "x=1x3x32x32")
    assert json.loads(done.out)["layers"][0]["inputs"] == 4 * 3 * 32 * 32


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "no model given: name a file"),
        (("m.onnx",), "no target given"),
        (("m.onnx", "-t", "k210,generic"), "memory takes one target, not k210, generic"),
        (("m.onnx", "-t", "k210", "--format", "jsn"), "--format: no format 'jsn'; did you mean 'json'?"),
        (("m.onnx", "-t", "k210"), "m.onnx: does not exist"),
        (("m.onnx", "n.onnx", "-t", "k210"), "'n.onnx' is one argument too many"),
        (("m.onnx", "-t", "generic", "-O", "arean=1"), "target generic has no option 'arean'; did you mean 'arena'?"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, words: tuple[str, ...], sentence: str) -> None:
    done = run("memory", *words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("lintmodel: error: ") and sentence in done.err
    assert done.err.count("\n") == 1
