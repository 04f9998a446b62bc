"""What the README shows is what the commands print."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from lintmodel.cli import main

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def shown_behind(command: str) -> str:
    """The block of output that follows the command."""
    return README.split(command, 1)[1].split("```text\n", 1)[1].split("```", 1)[0]


def test_first_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = "lintmodel check fixtures/digits/digits.onnx --target k210"
    assert main(command.split()[1:]) == 0
    assert capsys.readouterr().out == shown_behind(command)


def test_memory_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setenv("COLUMNS", "80")
    command = "lintmodel memory fixtures/digits/digits.onnx --target generic -O arena=49152"
    assert main(command.split()[1:]) == 1
    assert shown_behind(command) in capsys.readouterr().out


def test_torch_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    command = "lintmodel check fixtures/torch/gesture.pt2 --target max78000"
    assert main(command.split()[1:]) == 1
    assert capsys.readouterr().out == shown_behind(command)


def test_fix_command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shutil.copy(ROOT / "fixtures" / "digits" / "digits.onnx", tmp_path)
    monkeypatch.chdir(tmp_path)
    command = "lintmodel fix digits.onnx --target k210"
    assert main(command.split()[1:]) == 0
    assert capsys.readouterr().out == shown_behind(command)
