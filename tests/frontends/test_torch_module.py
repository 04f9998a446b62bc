"""Modules of PyTorch traced where they are. What needs torch skips without it."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import lintmodel
from lintmodel.cli import main
from lintmodel.frontends.torch_module import InputSpec, names_module, read_module

needs_torch = pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="torch is not installed")
NET = """\
print("the user's own output")
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self, channels=8):
        super().__init__()
        self.conv = nn.Conv2d(3, channels, 5)
        self.drop = nn.Dropout()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x):
        return self.norm(self.drop(self.conv(x)))


class Branch(Net):
    def forward(self, x):
        if x.sum() > 0:
            return x
        return -x


class Wrong(Net):
    def forward(self, x):
        return self.conv(x).view(3, 7)


class Needs(Net):
    def __init__(self, classes):
        super().__init__()


class Words(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(16, 4)

    def forward(self, x, y):
        return self.table(x) + y


def make():
    return Net()


def fails():
    raise RuntimeError("no weights here")


def number():
    return 3


ready = Net()
constant = 3
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "somenet.py").write_text(NET)
    (tmp_path / "broken.py").write_text("import torch\nx = = 1\n")
    (tmp_path / "stops.py").write_text("import sys\nsys.exit('not today')\n")
    package = tmp_path / "pack" / "inner"
    package.mkdir(parents=True)
    (tmp_path / "pack" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("")
    (package / "model.py").write_text("from .parts import Net\n\n\ndef small():\n    return Net(4)\n")
    (package / "parts.py").write_text(NET)
    monkeypatch.chdir(tmp_path)
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("somenet", "broken", "stops", "pack"):
            del sys.modules[name]


@pytest.mark.parametrize("word", ["net.py:Net", "a/b/net.py:make", "package.module:callable", "net:a.b", "net:Net"])
def test_words_that_name_a_module(word: str) -> None:
    assert names_module(word)


@pytest.mark.parametrize(
    "word", ["net.onnx", "net.py", "C:\\net.onnx", "models:v1.onnx:2", "a b:c", ":Net", "net:", "-"]
)
def test_words_that_name_none(word: str) -> None:
    assert not names_module(word)


def test_file_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "net:Net").write_bytes(b"")
    assert not names_module("net:Net")


@pytest.mark.parametrize("given", ["", "1xa", "0x3", "1x3:", "x"])
def test_inputs_that_make_no_sense(given: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "net.py:Net", "--target", "k210", f"--input={given}"]) == 2
    assert "--input" in capsys.readouterr().err


def test_files_take_no_example_inputs(tmp_path: Path) -> None:
    with pytest.raises(lintmodel.LintmodelError, match="example inputs are for PyTorch modules"):
        lintmodel.check(str(tmp_path / "net.onnx"), "k210", example_inputs=[(1, 3, 8, 8)])


@pytest.mark.skipif(importlib.util.find_spec("torch") is not None, reason="torch is installed")
def test_without_torch_it_says_what_to_install(folder: Path) -> None:
    with pytest.raises(lintmodel.UnreadableModel, match=r"torch is not installed: pip install 'lintmodel\[torch\]'"):
        lintmodel.check("somenet.py:Net", "k210", example_inputs=[(1, 3, 8, 8)])
    assert "somenet" not in sys.modules


@needs_torch
@pytest.mark.parametrize(
    "word",
    [
        "somenet.py:Net",
        "somenet:Net",
        "somenet:make",
        "somenet:ready",
        "pack.inner.model:small",
        "pack/inner/model.py:small",
    ],
)
def test_module_is_traced_and_its_findings_have_lines(folder: Path, word: str) -> None:
    report = lintmodel.check(word, "k210", example_inputs=[InputSpec((1, 3, 16, 16))])
    kernel = next(finding for finding in report.findings if finding.rule == "KPU101")
    assert kernel.location is not None
    assert Path(kernel.location.file).name in ("somenet.py", "parts.py")
    assert kernel.location.line == 9
    assert [place.line for place in kernel.related] == [14]
    assert report.model == word
    assert report.to_dict()["format"] == "torch"


@needs_torch
def test_users_output_does_not_mix_with_the_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "somenet.py:Net", "--target", "k210", "--input", "1x3x16x16", "-q"]) in (0, 1)
    captured = capsys.readouterr()
    assert "the user's own output" not in captured.out
    assert "the user's own output" in captured.err
    assert "somenet.py:9:" in captured.out


@needs_torch
def test_single_input_shape_serves_as_input(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "somenet.py:Net", "--target", "k210", "--input-shape", "1x3x16x16"]) in (0, 1)


@needs_torch
def test_files_beside_a_module_are_read_as_they_are(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = Path(__file__).parents[2] / "fixtures" / "torch" / "yolo.onnx"
    assert main(["check", "somenet.py:Net", str(file), "--target", "generic", "--input", "1x3x16x16"]) in (0, 1)
    assert main(["diff", "somenet.py:Net", str(file), "--target", "generic", "--input", "1x3x16x16"]) in (0, 1)
    assert main(["check", str(file), "--target", "generic", "--input", "1x3x16x16"]) == 2
    assert "example inputs are for PyTorch modules" in capsys.readouterr().err


@needs_torch
def test_several_inputs_with_types(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--input", "1x6:int64", "--input", "1x6x4"]
    assert main(["check", "somenet.py:Words", "--target", "generic", *given, "--format", "json"]) in (0, 1)
    assert '"Gather"' in capsys.readouterr().out


@needs_torch
@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("somenet.py:Branch", r"depends on the values in a tensor.*somenet.py, line 19: if x.sum\(\) > 0:"),
        ("somenet.py:Wrong", r"shape '\[3, 7\]' is invalid.*somenet.py, line 26"),
        ("somenet.py:Needs", r"missing 1 required positional argument.*without arguments"),
        ("somenet.py:fails", r"RuntimeError: no weights here.*line 48"),
        ("somenet.py:number", "returns a int, not a torch.nn.Module"),
        ("somenet.py:constant", "is of type int"),
        ("somenet.py:Nett", "there is no 'Nett' in it; did you mean 'Net'"),
        ("missing.py:Net", "there is no file missing.py"),
        ("missing.module:Net", "No module named 'missing'"),
        ("broken.py:Net", "SyntaxError.*broken.py, line 2: x = = 1"),
        ("stops.py:Net", "SystemExit: not today"),
    ],
)
def test_what_cannot_be_traced_has_a_reason_and_a_line(folder: Path, word: str, said: str) -> None:
    with pytest.raises(lintmodel.UnreadableModel, match=said) as raised:
        read_module(word, [InputSpec((1, 3, 8, 8))])
    assert str(raised.value).startswith(f"{word}: ")
    assert "\n" not in str(raised.value)


@needs_torch
def test_input_of_unknown_type(folder: Path) -> None:
    with pytest.raises(lintmodel.LintmodelError, match="no element type 'float33'"):
        read_module("somenet.py:Net", [InputSpec((1, 3, 8, 8), "float33")])


@needs_torch
def test_no_input_is_a_question(folder: Path) -> None:
    with pytest.raises(lintmodel.LintmodelError, match="Add --input"):
        read_module("somenet.py:Net", None)


@needs_torch
def test_module_in_memory_stays_as_it_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.syspath_prepend(str(folder))
    net: Any = __import__("somenet").Net()
    net.train()
    net.norm.eval()
    report = lintmodel.check(net, "k210", example_inputs=(torch.zeros(1, 3, 16, 16),))
    assert [finding.location.line for finding in report.findings if finding.rule == "KPU101" and finding.location] == [
        9
    ]
    assert not [node for node in report.nodes if node.op == "Dropout" and node.placement.value != "free"]
    assert (net.training, net.drop.training, net.norm.training) == (True, True, False)
    assert report.model == "Net"


@needs_torch
@pytest.mark.parametrize("alone", [True, False])
def test_single_input_needs_no_tuple(folder: Path, monkeypatch: pytest.MonkeyPatch, alone: bool) -> None:
    import torch

    monkeypatch.syspath_prepend(str(folder))
    given = torch.zeros(1, 3, 16, 16) if alone else (1, 3, 16, 16)
    report = lintmodel.check(__import__("somenet").Net(), "k210", example_inputs=given)
    assert report.graph.tensor(report.graph.inputs[0]).shape == (1, 3, 16, 16)


@needs_torch
def test_exported_program_in_memory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.syspath_prepend(str(folder))
    program = torch.export.export(__import__("somenet").Net().eval(), (torch.zeros(1, 3, 16, 16),))
    assert lintmodel.check(program, "k210").graph.nodes[0].op == "Conv"


@needs_torch
def test_module_in_memory_needs_inputs(folder: Path) -> None:
    from torch import nn

    with pytest.raises(lintmodel.LintmodelError, match="example_inputs="):
        lintmodel.check(nn.ReLU(), "k210")
