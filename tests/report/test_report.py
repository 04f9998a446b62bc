"""The formats, held against golden files. LINTMODEL_UPDATE_GOLDEN=1 writes the files anew: look at the difference."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import sample_reports as samples

from lintmodel.api import Report
from lintmodel.errors import UsageError
from lintmodel.report import FORMATS, Failure, Look, render
from lintmodel.report.text import counted, folded, printable, shape, short, size

GOLDEN = Path(__file__).with_name("golden")
FAILURES = [Failure("nets/bad.onnx", "nets/bad.onnx: is empty")]


def agrees_with(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("LINTMODEL_UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def all_three() -> list[Report]:
    return [samples.small(), samples.clean(), samples.large()]


CASES: dict[str, tuple[str, Sequence[Report], Sequence[Failure], Look]] = {
    "concise.txt": ("concise", all_three(), FAILURES, Look()),
    "concise_one_target.txt": ("concise", all_three()[:2], [], Look()),
    "concise_quiet.txt": ("concise", all_three()[:2], FAILURES, Look(quiet=True)),
    "concise_color.txt": ("concise", [samples.small()], [], Look(color=True)),
    "rich.txt": ("rich", all_three(), FAILURES, Look(width=100)),
    "rich_narrow_ascii.txt": ("rich", [samples.small()], [], Look(width=56, unicode=False)),
    "rich_quiet.txt": ("rich", [samples.small()], FAILURES, Look(quiet=True)),
    "rich_color.txt": ("rich", [samples.clean()], [], Look(color=True)),
    "report.json": ("json", all_three(), FAILURES, Look()),
    "report.sarif": ("sarif", all_three(), FAILURES, Look()),
    "github.txt": ("github", all_three(), FAILURES, Look()),
    "gitlab.json": ("gitlab", all_three(), FAILURES, Look()),
    "junit.xml": ("junit", all_three(), FAILURES, Look()),
    "rdjson.json": ("rdjson", all_three(), FAILURES, Look()),
    "markdown.md": ("markdown", all_three(), FAILURES, Look()),
    "report.html": ("html", all_three(), FAILURES, Look()),
    "findings.csv": ("csv", all_three(), FAILURES, Look()),
    "model_explorer.json": ("model-explorer", all_three(), FAILURES, Look()),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    agrees_with(name, render(CASES[name][1], CASES[name][2], CASES[name][0], CASES[name][3]))


def test_every_format_has_a_golden_file() -> None:
    assert {case[0] for case in CASES.values()} == set(FORMATS)


@pytest.mark.parametrize("format", FORMATS)
def test_names_from_files_never_reach_the_terminal_raw(format: str) -> None:
    text = render(all_three(), FAILURES, format)
    assert "\x1b" not in text
    assert "evil\n" not in text


@pytest.mark.parametrize("width", [20, 40, 200])
def test_rich_keeps_to_the_width(width: int) -> None:
    lines = render(all_three(), FAILURES, "rich", Look(width=width)).splitlines()
    assert max(map(len, lines)) <= width


def test_rich_in_ascii_has_nothing_else() -> None:
    assert render(all_three(), FAILURES, "rich", Look(unicode=False)).isascii()


def test_json_reads_back_as_to_dict() -> None:
    data = json.loads(render(all_three(), FAILURES, "json"))
    assert data["schema"] == "lintmodel-report/1"
    assert data["reports"] == [json.loads(json.dumps(report.to_dict())) for report in all_three()]
    assert data["errors"] == [{"model": "nets/bad.onnx", "error": "nets/bad.onnx: is empty"}]


def test_json_of_nothing() -> None:
    assert json.loads(render([], [], "json")) == {"schema": "lintmodel-report/1", "reports": [], "errors": []}


@pytest.mark.parametrize("format", ["concise", "rich", "json"])
def test_a_model_without_nodes(format: str) -> None:
    empty = replace(samples.clean(), nodes=())
    assert "accepted" in render([empty], [], format)


def test_an_unknown_format() -> None:
    with pytest.raises(UsageError, match="no format 'consise'; did you mean 'concise'"):
        render([], [], "consise")


def test_words() -> None:
    assert [size(n) for n in (0, 900, 1024, 1536, 2097152, 2162688)] == [
        "0 B",
        "900 B",
        "1 KiB",
        "1.5 KiB",
        "2 MiB",
        "2.06 MiB",
    ]
    assert [shape(s) for s in ((1, "n", 4), (), None)] == ["1xnx4", "scalar", "?"]
    assert folded(["Pad", "Copy", "Pad"]) == "Pad x2, Copy"
    assert [counted(n, "node") for n in (0, 1, 2)] == ["0 nodes", "1 node", "2 nodes"]
    assert printable("a\x1b\n\u202eb\ud800é") == "a\\x1b\\n\\u202eb\\ud800é"


def test_long_names_keep_what_tells_them_apart() -> None:
    assert short("conv1", 20) == "conv1"
    assert short("model/block_1/Relu6;model/block_1/BN;model/block_1/Conv2D", 30) == "model/block_1/Relu6..."
    assert short("network/model/block_1/Relu6", 20) == "...del/block_1/Relu6"
    assert len(short("a" * 99, 20)) == 20
