"""The command as a process of its own: terminals, pipes, interrupts, and what it imports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from conftest import write_model
from edge_target import FOLDER, SHEET

COMMAND = [sys.executable, "-c", "import sys; from lintmodel.cli import main; sys.exit(main())"]


def environment(**more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("LINTMODEL") and k != "NO_COLOR"}
    return {**kept, "PYTHONPATH": str(FOLDER), "TERM": "xterm", "COLUMNS": "80", **more}


def in_terminal(arguments: Sequence[str], **more: str) -> tuple[int, str]:
    """Exit code and what a terminal would be sent, standard error too."""
    import pty

    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=follower,
        stdout=follower,
        stderr=follower,
        env=environment(**more),
        close_fds=True,
    )
    os.close(follower)
    text = b""
    while True:
        try:
            part = os.read(leader, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not part:
            break
        text += part
    os.close(leader)
    return process.wait(), text.decode().replace("\r\n", "\n")


unix_only = pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals and signals of Unix")


@unix_only
def test_rich_and_colors_on_a_terminal(tmp_path: Path) -> None:
    model = write_model(tmp_path / "kernel.onnx", kernel=5)
    code, text = in_terminal(["check", str(model), "-t", SHEET])
    assert code == 0
    assert "\x1b[1;32maccepted" in text
    assert "█" in text
    assert "\x1b" not in in_terminal(["check", str(model), "-t", SHEET], NO_COLOR="1")[1]


@unix_only
def test_progress_only_on_a_terminal_and_for_several_models(tmp_path: Path) -> None:
    one = write_model(tmp_path / "one.onnx")
    write_model(tmp_path / "two.onnx")
    assert f"\r\x1b[K1/2 {one}" in in_terminal(["check", str(tmp_path), "-t", SHEET])[1]
    assert "1/1" not in in_terminal(["check", str(one), "-t", SHEET])[1]
    assert "1/2" not in in_terminal(["check", str(tmp_path), "-t", SHEET, "--quiet"])[1]
    piped = subprocess.run([*COMMAND, "check", str(tmp_path), "-t", SHEET], capture_output=True, env=environment())
    assert (piped.returncode, piped.stderr) == (0, b"")


@unix_only
def test_a_reader_that_goes_away(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "rules", "--format", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait() == 141


@unix_only
def test_an_interrupt_leaves_no_traceback(tmp_path: Path) -> None:
    pipe = tmp_path / "board.yaml"
    os.mkfifo(pipe)
    process = subprocess.Popen([*COMMAND, "target", str(pipe)], stderr=subprocess.PIPE, env=environment())
    with pipe.open("wb"):  # returns once the command reads the sheet, which then never ends
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
    assert process.stderr is not None
    assert process.stderr.read() == b""


def test_output_in_another_encoding(tmp_path: Path) -> None:
    model = write_model(tmp_path / "kérnel.onnx", kernel=5)
    done = subprocess.run(
        [*COMMAND, "check", str(model), "-t", SHEET, "--format", "rich"],
        capture_output=True,
        env=environment(PYTHONIOENCODING="ascii"),
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"k\\xe9rnel.onnx" in done.stdout
    assert b"####" in done.stdout


HEAVY = ("google.protobuf", "networkx", "numpy", "onnx", "rich", "tflite", "yaml")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["check", "--help"], ["chek"], ["check"]])
def test_what_is_not_needed_is_not_imported(arguments: list[str]) -> None:
    code = f"""
import sys
from lintmodel.cli import main
main({arguments!r})
print([name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.splitlines()[-1] == "[]"


def test_a_check_does_not_import_the_other_formats_reader(tmp_path: Path) -> None:
    model = write_model(tmp_path / "net.onnx")
    code = f"""
import sys
from lintmodel.cli import main
main(["check", {str(model)!r}, "-t", {SHEET!r}, "-q"])
print([name for name in ("tflite", "rich", "torch") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment())
    assert done.stdout.splitlines()[-1] == "[]"
