"""Help, ``rule``, ``rules``, ``target``, ``targets``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from edge_target import SHEET

import lintmodel
from lintmodel.cli import COMMANDS

if TYPE_CHECKING:
    from conftest import Run


@pytest.mark.parametrize("word", ["--version", "-V", "version"])
def test_version(run: Run, word: str) -> None:
    assert run(word) == (0, f"lintmodel {lintmodel.__version__}\n", "")


@pytest.mark.parametrize("words", [(), ("help",), ("--help",), ("-h",), ("help", "help")])
def test_help(run: Run, words: tuple[str, ...]) -> None:
    done = run(*words)
    assert done.code == 0
    assert "Usage: lintmodel COMMAND [OPTIONS]" in done.out
    for command, (_, summary) in COMMANDS.items():
        assert f"  {command:<9}{summary}\n" in done.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_a_command(run: Run, command: str) -> None:
    done = run("help", command)
    assert done == run(command, "--help") == run(command, "-h")
    assert done.code == 0
    assert f"\nUsage: lintmodel {command} [OPTIONS]" in done.out
    assert max(map(len, done.out.splitlines())) <= 100


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("chek",), "no command 'chek'; did you mean 'check'?"),
        (("help", "targest"), "no command 'targest'; did you mean 'target'?"),
        (("zzz",), f"no command 'zzz'; there are {', '.join(COMMANDS)}"),
        (("--versoin",), "no option '--versoin' before the command; did you mean '--version'?"),
        ((SHEET,), f"no command '{SHEET}'; lintmodel check {SHEET} --target TARGET checks it"),
        (("rules", "--sellect"), "no option '--sellect'; did you mean '--select'?"),
        (("rules", "EDG101"), "'EDG101' is one argument too many; see lintmodel rules --help"),
        (("rule",), "no rule given: name its code or its name; lintmodel rules lists them"),
        (("rule", "EDG999"), "no rule 'EDG999'; did you mean 'EDG"),
        (("rule", "EDG101", "--target", "nowhere-at-all"), "no target 'nowhere-at-all'"),
        (("target",), "no target given: lintmodel targets lists them"),
        (("target", "nowhere-at-all"), "no target 'nowhere-at-all'"),
        (("targets", "--format", "xml"), "argument --format: invalid choice: 'xml'"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, words: tuple[str, ...], sentence: str) -> None:
    done = run(*words)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"lintmodel: error: {sentence}")
    assert done.err.count("\n") == 1


# ---- rule, rules


@pytest.mark.parametrize("word", ["EDG101", "edg101", "edge-kernel"])
def test_rule(run: Run, word: str) -> None:
    assert (
        run("rule", word, "--target", f"{SHEET}").out
        == """\
EDG101 edge-kernel
warning  known from: measured with the toolchain  stable since 0.1.0  pack EDG

Convolution kernel is not one of 1, 3.

What it does: looks at the kernel of every convolution.

Limits of edge (edgec 2.0).

Found in:
    conv(8, 16, kernel=5, size=32)

Not found in:
    conv(8, 16, kernel=3, size=32).relu()
"""
    )


def test_rule_with_the_limits_of_another_version(run: Run) -> None:
    assert "kernel is not one of 1." in run("rule", "EDG101", "--target", f"{SHEET}@1.0").out


def test_rule_of_a_family_without_a_sheet_of_its_own(run: Run) -> None:
    assert "kernel is not one of {kernels}." in run("rule", "EDG101").out


def test_rule_in_json(run: Run) -> None:
    data = json.loads(run("rule", "EDG901", "--format", "json").out)
    assert data == {
        "code": "EDG901",
        "name": "edge-faulty",
        "level": "note",
        "confidence": "source",
        "status": "preview",
        "since": "0.1.0",
        "pack": "EDG",
        "summary": "Raises on purpose.",
        "text": "Raises on purpose.",
        "target": None,
        "bad": [],
        "good": ["g = g.conv(1, 1)\nreturn g.relu()"],
        "options": {},
    }


def test_rules(run: Run) -> None:
    lines = run("rules", "--select", "EDG1,edge-size").out.splitlines()
    assert [line.split()[0] for line in lines] == ["code", "─" * len(lines[1]), "EDG101", "EDG102", "EDG103", "EDG301"]
    assert (
        " ".join(lines[2].split()) == "EDG101 edge-kernel warning measured Convolution kernel is not one of {kernels}."
    )


def test_rules_in_json(run: Run) -> None:
    everything = json.loads(run("rules", "--format", "json").out)
    assert {"EDG101", "EDG901"} <= {rule["code"] for rule in everything}
    assert [rule["code"] for rule in everything] == sorted(rule["code"] for rule in everything)
    chosen = json.loads(run("rules", "--select", "EDG3", "--format", "json").out)
    assert [(rule["code"], rule["name"], rule["level"]) for rule in chosen] == [("EDG301", "edge-size", "note")]


# ---- target, targets


def test_target(run: Run) -> None:
    text = run("target", f"{SHEET}").out
    assert text.splitlines()[:3] == [
        "edge  Edge One, a chip that does not exist",
        "toolchain edgec 2.0 (also 1.0)",
        "  1.0: The first one.",
    ]
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "kernels 1 3 pixels edgec 2.0" in rows
    assert "sram 64 KiB 1 B data sheet" in rows
    assert "ptq true true false Quantise after training." in rows
    assert "onnx 2 edgec 2.0" in rows


def test_target_in_json(run: Run) -> None:
    data = json.loads(run("target", f"{SHEET}@1.0", "--format", "json").out)
    assert data["toolchain"] == {
        "name": "edgec",
        "version": "1.0",
        "default": "2.0",
        "versions": ["2.0", "1.0"],
        "notes": {"1.0": "The first one."},
    }
    assert data["limits"]["kernels"] == {"value": [1], "unit": "pixels", "source": "edgec 1.0"}
    assert data["pools"] == {"sram": {"bytes": 65536, "align": 1, "source": "data sheet"}}
    assert data["options"]["ptq"] == {"default": True, "values": [True, False], "help": "Quantise after training."}
    assert data["operators"] == {"onnx": {"names": ["Conv", "Relu"], "source": "edgec 2.0"}}
    assert data["quantized_option"] == "ptq"
    assert data["sheet"] == SHEET


def test_targets(run: Run) -> None:
    from lintmodel.target import target_names

    names = [target["name"] for target in json.loads(run("targets", "--format", "json").out)]
    assert names == target_names()
    lines = run("targets").out.splitlines()
    assert [line.split()[0] for line in lines[2:]] == names
