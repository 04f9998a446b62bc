"""``lintmodel check``: models, targets, rules, output and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from edge_target import SHEET

if TYPE_CHECKING:
    from conftest import Run

EDGE = ("--target", SHEET)
EDG = ("--select", "EDG")


def one_line(text: str) -> str:
    """The sentence of a complaint: exactly one."""
    assert text.startswith("lintmodel: error: ")
    assert text.count("\n") == 1
    return text.removeprefix("lintmodel: error: ").rstrip()


# ---- exit codes


@pytest.mark.parametrize(
    ("model", "options", "code"),
    [
        ("good.onnx", (), 0),
        ("kernel.onnx", (), 0),
        ("kernel.onnx", ("--fail-on", "warning"), 1),
        ("kernel.onnx", ("--fail-on", "note"), 1),
        ("kernel.onnx", ("--fail-on", "note", "--ignore", "EDG101"), 0),
        ("softmax.onnx", (), 1),
        ("softmax.onnx", ("--fail-on", "never"), 0),
        ("softmax.onnx", ("--exit-zero",), 0),
        ("softmax.onnx", ("--ignore", "edge-unsupported"), 0),
    ],
)
def test_exit_code(run: Run, folder: Path, model: str, options: tuple[str, ...], code: int) -> None:
    done = run("check", model, *EDGE, *EDG, *options)
    assert (done.code, done.err) == (code, "")


def test_concise_is_the_default_where_nobody_watches(run: Run, folder: Path) -> None:
    done = run("check", "softmax.onnx", *EDGE, *EDG)
    assert done.out.splitlines() == [
        "softmax.onnx: EDG102 Softmax has no kernel [last]",
        "softmax.onnx: rejected for edge (edgec 2.0): 1 accelerated, 1 unsupported",
        "Found 1 error.",
    ]


# ---- models


def test_several_models_in_the_order_given_each_once(run: Run, folder: Path) -> None:
    done = run("check", "softmax.onnx", "good.onnx", "./softmax.onnx", *EDGE, "--format", "json")
    assert [r["model"] for r in json.loads(done.out)["reports"]] == ["softmax.onnx", "good.onnx"]


def test_directories_are_searched_and_sorted(run: Run, folder: Path) -> None:
    from conftest import write_model

    for name in ("nets/b/z.onnx", "nets/a.ONNX", "nets/.hidden/x.onnx", "nets/site-packages/x.onnx"):
        write_model(folder / name)
    (folder / "nets" / "notes.txt").write_text("no model")
    done = run("check", "nets", *EDGE, "--format", "json")
    assert [r["model"] for r in json.loads(done.out)["reports"]] == [
        str(Path("nets/a.ONNX")),
        str(Path("nets/b/z.onnx")),
    ]


def test_globs_are_expanded_where_the_shell_did_not(run: Run, folder: Path) -> None:
    done = run("check", "*o*.onnx", *EDGE, "--format", "json")
    assert [r["model"] for r in json.loads(done.out)["reports"]] == ["good.onnx", "softmax.onnx"]


def test_a_name_with_brackets_is_a_name_when_the_file_is_there(run: Run, folder: Path) -> None:
    (folder / "good.onnx").rename(folder / "net[1].onnx")
    done = run("check", "net[1].onnx", *EDGE)
    assert (done.code, done.err) == (0, "")


def test_one_unreadable_file_among_many(run: Run, folder: Path) -> None:
    (folder / "empty.onnx").write_bytes(b"")
    done = run("check", "kernel.onnx", "empty.onnx", "good.onnx", *EDGE, *EDG)
    assert done.code == 2
    assert one_line(done.err).startswith("empty.onnx: ")
    assert "kernel.onnx: EDG101 [*] kernel is 5x5 [conv]" in done.out
    assert "good.onnx: accepted for edge" in done.out
    assert done.out.endswith("Found 1 warning. [*] 1 fixable with lintmodel fix. 1 model could not be read.\n")


def test_unreadable_files_in_json(run: Run, folder: Path) -> None:
    (folder / "empty.onnx").write_bytes(b"")
    done = run("check", "empty.onnx", "good.onnx", *EDGE, "--format", "json")
    data = json.loads(done.out)
    assert [r["model"] for r in data["reports"]] == ["good.onnx"]
    assert data["errors"] == [{"model": "empty.onnx", "error": one_line(done.err)}]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.onnx", b""),
        ("text.onnx", b"this is no model"),
        ("lfs.onnx", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        ("cut.tflite", b"\x1c\x00\x00\x00TFL3"),
    ],
)
def test_bad_input_is_one_sentence(run: Run, folder: Path, name: str, content: bytes) -> None:
    (folder / name).write_bytes(content)
    done = run("check", name, *EDGE)
    assert (done.code, done.out) == (2, "")
    assert one_line(done.err).startswith(f"{name}: ")


@pytest.mark.parametrize("size", [0.25, 0.5, 0.9, 0.99])
def test_a_model_cut_short_is_one_sentence(run: Run, folder: Path, size: float) -> None:
    whole = (folder / "good.onnx").read_bytes()
    (folder / "cut.onnx").write_bytes(whole[: int(len(whole) * size)])
    done = run("check", "cut.onnx", *EDGE)
    assert done.code == 2
    assert one_line(done.err).startswith("cut.onnx: ")


def test_a_bug_names_the_model_and_spares_the_others(run: Run, folder: Path) -> None:
    from conftest import write_model

    write_model(folder / "bug.onnx", last="FaultyRule", domain="faulty")
    done = run("check", "bug.onnx", "good.onnx", *EDGE)
    assert done.code == 2
    assert one_line(done.err).startswith(
        "bug.onnx: rule EDG901 edge-faulty at node 'last' failed (KeyError: 'threads')"
    )
    assert "good.onnx: accepted" in done.out


def test_a_traceback_only_when_asked_for(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from conftest import write_model

    write_model(folder / "bug.onnx", last="FaultyRule", domain="faulty")
    assert "Traceback" not in run("check", "bug.onnx", *EDGE).err
    monkeypatch.setenv("LINTMODEL_TRACEBACK", "1")
    err = run("check", "bug.onnx", *EDGE).err
    assert 'raise KeyError("threads")' in err
    assert err.splitlines()[-1].startswith("lintmodel: error: ")


# ---- mistakes


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "no model given: name a file or a directory"),
        (("good.onnx",), "no target given: add --target with one of "),
        (("good.onnx", "-t", "edge.yml"), "target sheet 'edge.yml' cannot be read: No such file or directory"),
        (("good.onnx", "-t", "nowhere-at-all"), "no target 'nowhere-at-all'"),
        (
            ("good.onnx", *EDGE, "--select", "EDG999"),
            "no rule has the code, prefix or name 'EDG999'; did you mean 'EDG",
        ),
        (
            ("good.onnx", *EDGE, "--ignore", "edge-kernle"),
            "no rule has the code, prefix or name 'edge-kernle'; did you mean",
        ),
        (("good.onnx", *EDGE, "--selct", "EDG"), "no option '--selct'; did you mean '--select'?"),
        (("good.onnx", *EDGE, "--fail-on", "warnings"), "argument --fail-on: invalid choice: 'warnings'"),
        (("good.onnx", "--target"), "argument -t/--target: expected one argument; see lintmodel check --help"),
        (("good.onnx", *EDGE, "--format", "consise"), "--format: no format 'consise'; did you mean 'concise'?"),
        (("good.onnx", *EDGE, "-O", "ptq"), "--option takes KEY=VALUE, not 'ptq'"),
        (("good.onnx", *EDGE, "-O", "ptk=true"), "target edge has no option 'ptk'; did you mean 'ptq'?"),
        (("good.onnx", *EDGE, "-O", "ptq=yes"), "target edge: option ptq is one of true, false, not yes"),
        (("good.onnx", *EDGE, "--input-shape", "x=1xAx3"), "--input-shape takes NAME=1x3x224x224, not 'x=1xAx3'"),
        (("good.onnx", *EDGE, "--input-shape", "x=1x0x3"), "--input-shape: sizes are whole numbers of at least 1"),
        (("good.onnx", *EDGE, "--input-shape", "z=1x3x16x16"), "good.onnx: the model has no input 'z'"),
        (("nothing", *EDGE), "nothing: "),
        (("nothing*.onnx", *EDGE), "nothing*.onnx: no file matches"),
        (("void", *EDGE), "void: no model in this directory (.onnx, .pt2, .tflite)"),
        (("good.onnx", *EDGE, "-o", "no/such/folder.txt"), "no/such/folder.txt cannot be written: No such file"),
    ],
)
def test_a_mistake_is_one_sentence(run: Run, folder: Path, arguments: tuple[str, ...], sentence: str) -> None:
    (folder / "void").mkdir()
    done = run("check", *arguments)
    assert (done.code, done.out) == (2, "")
    assert one_line(done.err).startswith(sentence)


# ---- targets and their options


def board(folder: Path) -> Path:
    path = folder / "board.yaml"
    path.write_text(f"extends: {SHEET}\nlimits: {{kernels: {{value: [1]}}}}\noptions: {{fan: {{default: false}}}}\n")
    return path


def test_several_targets_are_told_apart(run: Run, folder: Path) -> None:
    done = run("check", "kernel.onnx", "-t", f"{SHEET},{board(folder)}", *EDG)
    assert done.out.splitlines() == [
        "kernel.onnx: EDG101 [*] kernel is 5x5 [conv] (edge)",
        "kernel.onnx: accepted for edge (edgec 2.0): 1 accelerated, 1 free",
        "kernel.onnx: EDG101 [*] kernel is 5x5 [conv] (board)",
        "kernel.onnx: accepted for board (edgec 2.0): 1 accelerated, 1 free",
        "Found 2 warnings. [*] 2 fixable with lintmodel fix.",
    ]


def test_a_version_of_the_toolchain(run: Run, folder: Path) -> None:
    done = run("check", "good.onnx", "-t", f"{SHEET}@1.0", *EDG)
    assert "EDG101 [*] kernel is 3x3" in done.out
    assert "accepted for edge (edgec 1.0)" in done.out


def test_an_option_goes_to_the_targets_that_have_it(run: Run, folder: Path) -> None:
    both = ("-t", SHEET, "-t", str(board(folder)))
    assert run("check", "good.onnx", *both, "-O", "fan=true").code == 0
    done = run("check", "good.onnx", *EDGE, "-O", "threads=9", "-O", "flags=9")
    assert "good.onnx: not checked: memory: nobody measured it" in done.out


def test_input_shape_with_and_without_a_name(run: Run, folder: Path) -> None:
    for shape in ("x=1x3x20x20", "1x3x20x20"):
        done = run("check", "good.onnx", *EDGE, "--format", "json", "--input-shape", shape)
        assert json.loads(done.out)["reports"][0]["nodes"][0]["shape"] == [1, 8, 20, 20]


# ---- rules


@pytest.mark.parametrize(
    ("options", "found"),
    [
        (("--select", "EDG"), ["EDG101", "EDG102"]),
        (("--select", "EDG101,EDG3"), ["EDG101"]),
        (("--select", "edge-kernel"), ["EDG101"]),
        (("--select", "edg101"), ["EDG101"]),
        (("--select", "EDG101", "--extend-select", "EDG102"), ["EDG101", "EDG102"]),
        (("--select", "EDG", "--ignore", "EDG101"), ["EDG102"]),
        (("--select", "EDG", "--extend-ignore", "EDG101", "--ignore", "edge-unsupported"), []),
        (("--select", "EDG101", "--ignore", "EDG"), ["EDG101"]),
        (("--ignore", "ALL", "--extend-select", "EDG102"), ["EDG102"]),
        (("--select", "EDG101", "--ignore", "EDG101"), []),
        (("--select", "EDG", "--ignore", "ALL"), ["EDG101", "EDG102"]),
    ],
)
def test_selection(run: Run, folder: Path, options: tuple[str, ...], found: list[str]) -> None:
    from conftest import write_model

    write_model(folder / "both.onnx", kernel=5, last="Softmax")
    report = json.loads(run("check", "both.onnx", *EDGE, "--format", "json", *options).out)["reports"][0]
    assert [f["rule"] for f in report["findings"]] == found
    assert report["verdict"] == "rejected"


# ---- output


def test_statistics(run: Run, folder: Path) -> None:
    done = run("check", ".", *EDGE, *EDG, "--statistics")
    assert done.code == 1
    assert done.out.splitlines() == [
        "     1  EDG101  warning  edge-kernel",
        "     1  EDG102  error    edge-unsupported",
    ]
    both = run("check", "kernel.onnx", "-t", f"{SHEET},{board(folder)}", *EDG, "--statistics")
    assert both.out == "     2  EDG101  warning  edge-kernel  edge 1, board 1\n"
    assert run("check", "good.onnx", *EDGE, *EDG, "--statistics").out == "No findings.\n"


def test_statistics_in_json(run: Run, folder: Path) -> None:
    data = json.loads(run("check", ".", *EDGE, "--select", "EDG101", "--statistics", "--format", "json").out)
    row = {"rule": "EDG101", "name": "edge-kernel", "level": "warning", "count": 1, "targets": {"edge": 1}}
    assert data == {"schema": "lintmodel-statistics/1", "rules": [row]}


def test_quiet(run: Run, folder: Path) -> None:
    done = run("check", ".", *EDGE, *EDG, "-q")
    assert done.out.splitlines() == [
        "kernel.onnx: EDG101 [*] kernel is 5x5 [conv]",
        "softmax.onnx: EDG102 Softmax has no kernel [last]",
    ]


def test_output_file(run: Run, folder: Path) -> None:
    (folder / "report.json").write_text("old")
    done = run("check", "kernel.onnx", *EDGE, "--format", "json", "-o", "report.json")
    assert (done.code, done.out, done.err) == (0, "", "")
    assert json.loads((folder / "report.json").read_text())["reports"][0]["model"] == "kernel.onnx"
    assert sorted(p.name for p in folder.iterdir()) == ["good.onnx", "kernel.onnx", "report.json", "softmax.onnx"]


def test_an_output_file_that_cannot_be_written_is_left_alone(run: Run, folder: Path) -> None:
    (folder / "report").mkdir()
    done = run("check", "kernel.onnx", *EDGE, "-o", "report")
    assert done.code == 2
    assert one_line(done.err) == "report cannot be written: Is a directory"
    assert list((folder / "report").iterdir()) == []


def test_output_file_through_a_link(run: Run, folder: Path) -> None:
    (folder / "there.txt").write_text("old")
    (folder / "link.txt").symlink_to("there.txt")
    run("check", "good.onnx", *EDGE, "-o", "link.txt")
    assert (folder / "link.txt").is_symlink()
    assert "accepted" in (folder / "there.txt").read_text()


def test_format_from_the_environment(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LINTMODEL_OUTPUT_FORMAT", "json")
    assert json.loads(run("check", "good.onnx", *EDGE).out)["reports"]
    assert run("check", "good.onnx", *EDGE, "--output-format", "rich").out.startswith("accepted for edge")
    monkeypatch.setenv("LINTMODEL_OUTPUT_FORMAT", "xml")
    assert (
        one_line(run("check", "good.onnx", *EDGE).err)
        == "LINTMODEL_OUTPUT_FORMAT: no format 'xml'; did you mean 'html'?"
    )


def test_color(run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for format in ("rich", "concise"):
        assert "\x1b" not in run("check", "kernel.onnx", *EDGE, "--format", format).out
        assert "\x1b[" in run("check", "kernel.onnx", *EDGE, "--format", format, "--color", "always").out
        monkeypatch.setenv("NO_COLOR", "1")
        assert "\x1b[" in run("check", "kernel.onnx", *EDGE, "--format", format, "--color", "always").out
        monkeypatch.delenv("NO_COLOR")
