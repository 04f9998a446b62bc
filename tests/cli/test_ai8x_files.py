"""Network descriptions on the command line: which YAML is taken for one, and the checkpoint beside it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from checkpoint_writer import Stored, write_checkpoint
from conftest import Run, write_model

from lintmodel.cli.models import find_models

NETWORK = """\
arch: example
dataset: example
layers:
  - processors: 0x1
    out_offset: 0x2000
    op: conv2d
    kernel_size: 1x1
    pad: 0
    activate: ReLU
    padding: 1
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net.yaml").write_text(NETWORK)
    return tmp_path


def checked(run: Run, *arguments: str) -> Any:
    done = run("check", "net.yaml", "--target", "max78000", "--format", "json", *arguments)
    assert done.err == ""
    [report] = json.loads(done.out)["reports"]
    return report


def test_a_directory_gives_its_networks_and_no_other_yaml(place: Path) -> None:
    (place / "config.yaml").write_text("lr: 0.1\nlayers: 50\n")
    (place / "broken.yml").write_text("a: [\n")
    (place / "binary.yaml").write_bytes(b"\x00\xff\x00")
    (place / "empty.yaml").write_text("")
    (place / "deep").mkdir()
    (place / "deep" / "OTHER.YML").write_text(NETWORK)
    write_model(place / "model.onnx")
    assert list(find_models(["."])) == ["deep/OTHER.YML", "model.onnx", "net.yaml"]


def test_a_finding_is_at_its_line_and_column(run: Run, place: Path) -> None:
    [found] = [f for f in checked(run)["findings"] if f["rule"] == "AIX501"]
    assert (found["location"]["line"], found["location"]["column"]) == (10, 5)
    assert found["node"] == "layer 0"


def test_the_checkpoint_is_held_against_the_network(run: Run, place: Path) -> None:
    write_checkpoint(place / "q.pth.tar", {"c.op.weight": Stored([1] * 9, 1, 1, 3, 3)})
    rules = {f["rule"] for f in checked(run, "--checkpoint", "q.pth.tar", "--input-shape", "1x8x8")["findings"]}
    assert "AIX544" in rules
    assert "AIX544" not in {f["rule"] for f in checked(run)["findings"]}


@pytest.mark.parametrize(
    ("model", "checkpoint", "says"),
    [
        ("net.yaml", "none.pth", "none.pth: does not exist; --checkpoint takes the quantised .pth.tar"),
        ("net.yaml", "net.yaml", "net.yaml: is no checkpoint of weights that torch.save wrote (ai8x)"),
        ("model.onnx", "net.yaml", "model.onnx: the network's weights are in this file; a checkpoint goes with"),
        ("plain.yaml", "net.yaml", "plain.yaml: is a YAML document that no rule pack knows; give the .onnx"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, place: Path, model: str, checkpoint: str, says: str) -> None:
    write_model(place / "model.onnx")
    (place / "plain.yaml").write_text("lr: 0.1\n")
    done = run("check", model, "--target", "max78000", "--checkpoint", checkpoint)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1
