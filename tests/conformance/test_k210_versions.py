"""lintmodel against what older versions of the compiler did to the same networks.

``k210_versions.json`` holds what nncase 1.0 to 1.8 was seen to do (1.2 has no package); nothing in it was computed by
lintmodel.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import Graph, GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target

from .networks import NETWORKS

RECORDED: dict[str, dict[str, dict[str, Any]]] = json.loads((Path(__file__).parent / "k210_versions.json").read_text())[
    "versions"
]

DISAGREE = {
    ("1.3", "pool_two_consumers"): "1.3 keeps one of the two users of a pool on the CPU; why is not known",
    ("1.4", "pool_two_consumers"): "1.4 keeps one of the two users of a pool on the CPU; why is not known",
    ("1.5", "pool_two_consumers"): "1.5 dequantises the map of one of the two users; why is not known",
}


def cases(*, accepted: bool | None = None) -> list[Any]:
    return [
        pytest.param(version, name, id=f"{version}-{name}", marks=_disagreement(version, name, accepted))
        for version, networks in RECORDED.items()
        for name, recorded in networks.items()
        if accepted is None or recorded["accepted"] == accepted
    ]


def _disagreement(version: str, name: str, accepted: bool | None) -> list[Any]:
    reason = DISAGREE.get((version, name)) if accepted else None
    return [pytest.mark.xfail(reason=reason, strict=True)] if reason else []


@cache
def graph(name: str) -> Graph:
    return normalize(NETWORKS[name](GraphBuilder()).graph())


def planned(version: str, name: str) -> Report:
    return check_graph(graph(name), load_target(f"k210@{version}"))


def test_every_version_has_every_network() -> None:
    assert [set(networks) for networks in RECORDED.values()] == [set(NETWORKS)] * len(RECORDED)


@pytest.mark.parametrize(("version", "name"), cases())
def test_verdict(version: str, name: str) -> None:
    report, recorded = planned(version, name), RECORDED[version][name]
    assert report.verdict == ("accepted" if recorded["accepted"] else "rejected")


@pytest.mark.parametrize(("version", "name"), cases(accepted=True))
def test_steps_and_bytes(version: str, name: str) -> None:
    plan, recorded = planned(version, name).plan, RECORDED[version][name]
    assert sum(step.op == "KPUConv2D" for step in plan.steps) == recorded["kpu_convs"]
    assert Counter(step.op for step in plan.steps if step.unit == "cpu") == recorded["cpu_ops"]
    memory = recorded["memory"]
    assert {pool: plan.memory[pool].peak for pool in memory if pool != "model"} == {
        pool: size for pool, size in memory.items() if pool != "model"
    }
    assert abs(plan.memory["model"].peak - memory["model"]) <= max(0.02 * memory["model"], 1024)
