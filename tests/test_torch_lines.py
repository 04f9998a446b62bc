"""Findings on traced models of PyTorch stand on lines of Python. ``fixtures/torch`` has models traced by torch 2.13, so
nothing here needs torch."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import lintmodel
from lintmodel.cli import main
from lintmodel.rules.ai8x import generate

TORCH = Path(__file__).parents[1] / "fixtures" / "torch"
BOTH = pytest.mark.parametrize("suffix", [".onnx", ".pt2"])


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources and models, as a user's folder: not where they were traced."""
    for file in TORCH.iterdir():
        if file.suffix in (".py", ".onnx", ".pt2"):
            shutil.copy(file, tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def line_of(file: str, text: str) -> int:
    lines = (TORCH / file).read_text().splitlines()
    return next(number for number, line in enumerate(lines, start=1) if text in line)


def found(model: str, target: str = "max78000") -> dict[str, set[tuple[str, int | None]]]:
    """Places by rule."""
    places: dict[str, set[tuple[str, int | None]]] = {}
    for finding in lintmodel.check(model, target).findings:
        assert finding.location is not None
        places.setdefault(finding.rule, set()).add((finding.location.file, finding.location.line))
    return places


@BOTH
def test_silu_stands_where_it_is_said(project: Path, suffix: str) -> None:
    assert found(f"yolo{suffix}")["AIX611"] == {("yolo.py", line_of("yolo.py", "nn.SiLU()"))}


@BOTH
def test_convolution_stands_in_init_and_its_call_goes_with_it(project: Path, suffix: str) -> None:
    report = lintmodel.check(f"yolo{suffix}", "max78000")
    strided = [finding for finding in report.findings if finding.rule == "AIX601"]
    assert len(strided) == 3
    made, called = line_of("yolo.py", "self.conv = nn.Conv2d("), line_of("yolo.py", "self.act(self.bn(self.conv(x)))")
    for finding in strided:
        assert finding.location is not None
        assert (finding.location.file, finding.location.line) == ("yolo.py", made)
        assert [(place.file, place.line) for place in finding.related] == [("yolo.py", called)]


@BOTH
@pytest.mark.parametrize("target", ["k210", "max78000", "generic"])
def test_every_node_has_a_line(project: Path, suffix: str, target: str) -> None:
    for model in ("yolo", "gesture", "mended"):
        for node in lintmodel.check(f"{model}{suffix}", target).nodes:
            assert node.file.endswith(".py") and node.line, node.name


@BOTH
def test_what_concerns_the_whole_model_stands_at_its_class(project: Path, suffix: str) -> None:
    assert found(f"yolo{suffix}", "k210")["KPU411"] == {("yolo.py", line_of("yolo.py", "class Detector"))}


@BOTH
def test_mistakes_in_an_ai8x_model_are_found_at_their_lines(project: Path, suffix: str) -> None:
    expected = {
        rule: {("gesture.py", line_of("gesture.py", f"# {rule}"))}
        for rule in ("AIX601", "AIX701", "AIX702", "AIX703", "AIX704")
    }
    places = found(f"gesture{suffix}")
    assert {rule: places.get(rule) for rule in expected} == expected
    assert not [rule for rule in places if rule.startswith("AIX") and rule not in expected]


@BOTH
def test_ai8x_model_without_mistakes_is_accepted(project: Path, suffix: str) -> None:
    report = lintmodel.check(f"mended{suffix}", "max78000")
    assert (report.verdict, [f.rule for f in report.findings if f.rule.startswith("AIX")]) == ("accepted", [])
    ops = ["conv2d", "conv2d", "add", "conv2d", "conv2d", "sub", "passthrough", "linear"]
    assert [step.op for step in report.plan.steps] == ops
    assert generate(report.graph, report.target).count("activate: ReLU") == 3


@BOTH
def test_comment_on_either_line_silences(project: Path, suffix: str) -> None:
    text = (project / "yolo.py").read_text()
    text = text.replace(
        "default_act = nn.SiLU()", "default_act = nn.SiLU()  # lintmodel: ignore[AIX611] retrained later"
    )
    text = text.replace("self.bn(self.conv(x)))", "self.bn(self.conv(x)))  # lintmodel: ignore[cnn-stride]")
    (project / "yolo.py").write_text(text)
    report = lintmodel.check(f"yolo{suffix}", "max78000")
    assert not {"AIX601", "AIX611"} & {finding.rule for finding in report.findings}
    assert {(item.by, item.finding.rule) for item in report.suppressed} == {
        ("comment", "AIX601"),
        ("comment", "AIX611"),
    }
    reasons = {item.finding.rule: item.why for item in report.suppressed}
    assert reasons["AIX611"] == "retrained later"
    assert reasons["AIX601"].startswith("yolo.py:")


@BOTH
def test_model_without_its_sources_keeps_the_lines_of_the_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    shutil.copy(TORCH / f"yolo{suffix}", tmp_path)
    monkeypatch.chdir(tmp_path)
    forward = line_of("yolo.py", "self.act(self.bn(self.conv(x)))")
    assert found(f"yolo{suffix}")["AIX611"] == {("fixtures/torch/yolo.py", forward)}


@BOTH
@pytest.mark.parametrize("format", ["json", "sarif", "rdjson", "concise", "rich"])
def test_formats_tell_both_lines(project: Path, capsys: pytest.CaptureFixture[str], suffix: str, format: str) -> None:
    assert main(["check", f"yolo{suffix}", "--target", "max78000", "--format", format]) == 1
    out = capsys.readouterr().out
    made, called = line_of("yolo.py", "nn.SiLU()"), line_of("yolo.py", "self.act(self.bn(self.conv(x)))")
    if format == "json":
        finding: Any = next(f for f in json.loads(out)["reports"][0]["findings"] if f["rule"] == "AIX611")
        assert finding["location"] == {"file": "yolo.py", "line": made, "column": 19}
        assert finding["related"] == [{"file": "yolo.py", "line": called, "column": None}]
    elif format == "rdjson":
        found = next(d for d in json.loads(out)["diagnostics"] if d["code"]["value"] == "AIX611")
        assert found["location"] == {"path": "yolo.py", "range": {"start": {"line": made, "column": 19}}}
        assert [place["location"]["range"]["start"]["line"] for place in found["related_locations"]] == [called]
    elif format == "sarif":
        run = json.loads(out)["runs"][0]
        result = next(r for r in run["results"] if r["rule"]["id"] == "AIX611")
        place = result["locations"][0]["physicalLocation"]
        assert (place["artifactLocation"]["uri"], place["region"]["startLine"]) == ("yolo.py", made)
        lines = [r["physicalLocation"]["region"]["startLine"] for r in result["relatedLocations"]]
        assert called in lines
        assert [r["id"] for r in result["relatedLocations"]] == list(range(1, len(lines) + 1))
    else:
        assert f"yolo.py:{made}" in out
        assert format == "concise" or f"called at yolo.py:{called}" in " ".join(out.split())
