"""Documents: read, checked by the pack that knows them, and reported like networks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_target import SHEET, edge
from edge_target import edge_pack as edge_pack
from kmodel_writer import kmodel_4

from lintmodel import registry
from lintmodel.api import Report, check, check_document, check_graph, read_model
from lintmodel.cli import main
from lintmodel.errors import LintmodelError, UnreadableModel, UsageError
from lintmodel.findings import Found, Level, Location
from lintmodel.ir import Document, document
from lintmodel.planning import Plan
from lintmodel.report import Look, render
from lintmodel.target import Target

TYPED = Document(
    "conf.yaml", "edge-config", {"threads": 99}, {"threads": (3, 10)}, "threads: 99\n", facts=(("threads", "99"),)
)


@pytest.fixture
def config_pack(edge_pack: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The third-party pack, taught a document."""
    import edge_pack as pack

    def check_document(document: Document, target: Target) -> Plan:
        return Plan(verdict="rejected", runtime="unknown", facts=(("read by", target.toolchain),))

    @registry.rule("EDG501", "edge-threads", Level.ERROR, on=Document)
    def threads(config: Document, plan: Plan, target: Target) -> Iterator[Found]:
        """More threads than there are."""
        if config.values.get("threads") == "fault":
            raise KeyError("threads")
        if config.values.get("threads", 1) > 8:
            yield Found("99 threads; there are 8", "too many threads", key="threads")
            yield Found("something else")

    monkeypatch.setattr(pack, "DOCUMENTS", ("edge-config",), raising=False)
    monkeypatch.setattr(pack, "check_document", check_document, raising=False)
    monkeypatch.setattr(pack, "RULES", (*pack.RULES, threads))


@pytest.mark.usefixtures("config_pack")
def test_report() -> None:
    report = check_document(TYPED, edge())
    assert (report.model, report.document) == ("conf.yaml", TYPED)
    assert (report.graph.name, report.graph.format, report.graph.nodes) == ("conf.yaml", "edge-config", ())
    assert (report.verdict, report.runtime, report.fits, report.nodes) == ("rejected", "unknown", "unknown", ())
    first, second = report.findings
    assert (first.rule, first.level, first.vendor_message) == ("EDG501", Level.ERROR, "too many threads")
    assert first.location == Location("conf.yaml", 3, 10)
    assert second.location == Location("conf.yaml")
    assert first.fingerprint != second.fingerprint


@pytest.mark.usefixtures("config_pack")
def test_check_graph_takes_documents_too_and_rules_can_be_chosen() -> None:
    assert check_graph(TYPED, edge()).findings == check_document(TYPED, edge()).findings
    assert check_graph(TYPED, edge(), select=lambda rule: rule.code != "EDG501").findings == ()


@pytest.mark.usefixtures("config_pack")
def test_a_rule_that_raises_is_named() -> None:
    with pytest.raises(LintmodelError, match=r"rule EDG501 edge-threads failed \(KeyError: 'threads'\)"):
        check_document(replace(TYPED, values={"threads": "fault"}), edge())


def test_a_target_that_knows_nothing_of_it(edge_pack: None, tmp_path: Path) -> None:
    (tmp_path / "m.kmodel").write_bytes(kmodel_4())
    with pytest.raises(UnreadableModel, match="is a kmodel, which is not made for target edge"):
        check(str(tmp_path / "m.kmodel"), SHEET)


def test_no_shape_can_be_asked_for(tmp_path: Path) -> None:
    (tmp_path / "m.kmodel").write_bytes(kmodel_4())
    for shapes in ({"x": (1, 3)}, {"": (1, 3)}):
        with pytest.raises(UsageError, match="a compiled model keeps its shapes"):
            read_model(str(tmp_path / "m.kmodel"), shapes)
    assert read_model(str(tmp_path / "m.kmodel")).path == str(tmp_path / "m.kmodel")


def test_in_one_line() -> None:
    assert document("kmodel", version=5) == Document("example.kmodel", "kmodel", {"version": 5})
    assert document("kmodel", "m.bin").path == "m.bin"


# ---- reports


@pytest.fixture
def compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Report:
    monkeypatch.chdir(tmp_path)
    Path("m.kmodel").write_bytes(kmodel_4())
    return check("m.kmodel", "k210", options={"runtime": "maixpy"})


def test_concise(compiled: Report) -> None:
    assert render([compiled], format="concise") == (
        "m.kmodel: KPU605 output 0 has 3,584 values: call kpu.set_outputs(task, 0, w, h, c) with w*h*c = 3584 "
        "before kpu.forward\n"
        "m.kmodel: accepted for k210: kmodel (version 4; file 200 bytes; layers 2; working memory 33,600 bytes; "
        "constants 16 bytes; input 1x1x28x80 uint8, 3,584 bytes; output float32, 14,336 bytes; made by nncase 0.2; "
        "loaded by MaixPy, CanMV, the standalone SDK)\n"
        "m.kmodel: not checked: the network's layers: a compiled model is read as far as its header\n"
        "Found 1 note.\n"
    )


def test_rich(compiled: Report) -> None:
    lines = [line.rstrip() for line in render([compiled], format="rich", look=Look(width=100)).splitlines()]
    assert lines[:2] == ["accepted for k210  m.kmodel", "  on the board: ok   fits in memory: yes"]
    assert "kmodel" in lines
    assert "  version         4" in lines
    assert "  loaded by       MaixPy, CanMV, the standalone SDK" in lines
    assert max(map(len, render([compiled], format="rich", look=Look(width=50)).splitlines())) <= 50


def test_json(compiled: Report) -> None:
    data: Any = json.loads(render([compiled], format="json"))["reports"][0]
    assert (data["format"], data["verdict"], data["runtime"], data["fits"]) == ("kmodel", "accepted", "ok", "yes")
    assert (data["nodes"], data["plan"]) == ([], [])
    assert data["document"]["kind"] == "kmodel"
    assert data["document"]["values"]["main_memory"] == 33600
    assert ["made by", "nncase 0.2"] in data["document"]["facts"]
    assert data["memory"]["main"] == {
        "capacity": 6291456,
        "peak": 33800,
        "at": None,
        "parts": {"data": 33600, "model": 200},
    }


def test_a_line_is_shown_where_it_is_known(config_pack: None) -> None:
    report = check_document(TYPED, edge())
    assert "conf.yaml:3:10: EDG501 99 threads; there are 8\n" in render([report], format="concise")
    assert "the file (line 3)" in render([report], format="rich")


def test_exit_codes(compiled: Report, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "m.kmodel", "--target", "k210"]) == 0
    assert main(["check", "m.kmodel", "--target", "k210", "-O", "firmware=maixpy-minimum"]) == 1
    Path("cut.kmodel").write_bytes(kmodel_4()[:60])
    assert main(["check", "cut.kmodel", "--target", "k210"]) == 2
    assert "cut.kmodel: is a kmodel that is cut short or damaged" in capsys.readouterr().err
