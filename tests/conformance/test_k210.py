"""lintmodel against what the compiler itself did to the same networks, step by step and byte by byte.

``k210.json`` holds what nncase 1.9.0 was seen to do; nothing in it was computed by lintmodel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target

from .networks import NETWORKS

FILE: dict[str, dict[str, dict[str, Any]]] = json.loads((Path(__file__).parent / "k210.json").read_text())
RECORDED, AS_BYTES = FILE["networks"], FILE["uint8_input"]
"""With real inputs, and (for some of the networks) with inputs handed over as bytes."""
EACH = pytest.mark.parametrize("name", NETWORKS)
ACCEPTED = pytest.mark.parametrize("name", [n for n in NETWORKS if RECORDED[n]["accepted"]])


def planned(name: str, **options: str) -> Report:
    graph = normalize(NETWORKS[name](GraphBuilder()).graph())
    return check_graph(graph, load_target("k210@1.9", options=options))


def cpu_steps(report: Report) -> list[tuple[str, list[int]]]:
    return [(step.op, list(step.shape)) for step in report.plan.steps if step.unit == "cpu"]


def recorded_steps(recorded: dict[str, Any]) -> list[tuple[str, list[int]]]:
    return [(op.split()[0], json.loads(op.rsplit(" ", 1)[1])) for op in recorded["cpu_ops"]]


def pools(report: Report, recorded: dict[str, Any]) -> dict[str, int]:
    return {pool: report.plan.memory[pool].peak for pool in recorded["memory"]}


def test_every_recording_has_its_network() -> None:
    assert set(RECORDED) == set(NETWORKS)


@EACH
def test_verdict(name: str) -> None:
    report, recorded = planned(name), RECORDED[name]
    assert report.verdict == ("accepted" if recorded["accepted"] else "rejected")
    if not recorded["accepted"]:
        last_word = recorded["error"].split(":")[-1].split()[0]
        messages = [f.vendor_message or "" for f in report.findings if f.level.name == "ERROR"]
        assert any(last_word in message for message in messages), messages


@ACCEPTED
def test_steps_in_order_with_shapes(name: str) -> None:
    report, recorded = planned(name), RECORDED[name]
    assert cpu_steps(report) == recorded_steps(recorded)
    assert sum(s.op == "KPUConv2D" for s in report.plan.steps) == recorded["kpu_convs"]


@ACCEPTED
def test_bytes(name: str) -> None:
    report, recorded = planned(name), RECORDED[name]
    assert pools(report, recorded) == recorded["memory"]


@pytest.mark.parametrize("name", AS_BYTES)
def test_input_as_bytes(name: str) -> None:
    report, recorded = planned(name, input_type="uint8"), AS_BYTES[name]
    assert cpu_steps(report) == recorded_steps(recorded)
    assert pools(report, recorded) == recorded["memory"]
