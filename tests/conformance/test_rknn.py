"""lintmodel against what RKNN-Toolkit2 did to the same networks: rows of its layer table, and bytes of memory.

``rknn.json`` holds what rknn-toolkit2 2.5.0 was seen to do; nothing in it was computed by lintmodel. The larger
recordings stand beside the repository, and are compared by shares.
"""

from __future__ import annotations

import importlib.util
import json
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check, check_graph
from lintmodel.frontends.onnx import read_onnx
from lintmodel.ir import Graph
from lintmodel.normalize import normalize
from lintmodel.target import load_target

from .rknn_networks import NETWORKS, network

HERE = Path(__file__).resolve()
FILE: dict[str, Any] = json.loads(HERE.with_name("rknn.json").read_text())
RECORDED: dict[str, dict[str, dict[str, Any]]] = FILE["networks"]
RUNS = [(name, run) for name, runs in RECORDED.items() for run in runs]
BUILT = [
    (name, run) for name, run in RUNS if RECORDED[name][run]["accepted"] and not RECORDED[name][run].get("suspect")
]
YOLO: dict[str, dict[str, dict[str, Any]]] = FILE["yolo"]
TRUTH = HERE.parents[3] / "shared" / "truth" / "rknn"
EVERY = 12
"""Of so many recorded runs one is taken."""
SHARES = {
    "accepted": 0.98,
    "rejected": 0.90,
    "suspect": 0.80,
    "cpu": 0.88,
    "no cpu": 0.98,
    "internal": 0.80,
    "weight": 0.88,
}
"""Of the recorded runs that must agree, for each question."""


NOT_YET = pytest.mark.xfail(reason="rules/rknn/README.md says what differs", strict=True)
DIFFERENT = {
    *(("spp_5_9_13", run, "internal") for run in RECORDED["spp_5_9_13"]),
    *((name, "rk2118:float16", "internal") for name in ("conv_c20", "maxpool_k13_s1", "avgpool_k8_s1")),
    *((name, "rk2118:float16", "internal") for name in ("concat_c_20_12",)),
    *((name, "rk2118:float16", "weight") for name in ("conv_k3_g2", "avgpool_k8_s1")),
    *((name, "rk3566:int8", "internal") for name in ("io_3d_relu", "concat_c_20_12")),
    ("conv_k3_g2", "rk3566:int8", "weight"),
    ("avgpool_k8_s1", "rk3588:float16", "weight"),
    ("d2s_DCR_2", "rk3576:int8", "internal"),
}
"""Bytes that are not reproduced."""


def planned(name: str, run: str) -> Report:
    platform, dtype = run.split(":")
    return check_graph(network(name), load_target(platform, options={"quantized": dtype == "int8"}))


def rows(report: Report) -> Counter[str]:
    return Counter(f"{step.op} {step.unit}" for step in report.plan.steps)


def near(ours: int, theirs: int) -> bool:
    """Within 2 %: printed sums have five or six digits."""
    return abs(ours - theirs) <= 0.02 * theirs


def test_every_recording_has_its_network() -> None:
    assert set(RECORDED) == set(NETWORKS)


@pytest.mark.parametrize(("name", "run"), RUNS)
def test_verdict(name: str, run: str) -> None:
    report, recorded = planned(name, run), RECORDED[name][run]
    expected = "miscompiled" if recorded.get("suspect") else "accepted" if recorded["accepted"] else "rejected"
    assert report.verdict == expected


@pytest.mark.parametrize(("name", "run"), BUILT)
def test_rows(name: str, run: str) -> None:
    assert rows(planned(name, run)) == Counter(RECORDED[name][run]["layers"])


def byte_cases() -> list[Any]:
    return [
        pytest.param(name, run, pool, marks=NOT_YET if (name, run, pool) in DIFFERENT else ())
        for name, run in BUILT
        for pool in ("internal", "weight")
    ]


@pytest.mark.parametrize(("name", "run", "pool"), byte_cases())
def test_bytes(name: str, run: str, pool: str) -> None:
    assert near(planned(name, run).plan.memory[pool].peak, RECORDED[name][run]["memory"][pool])


# ---- detectors


@cache
def yolo(name: str) -> Graph:
    path = HERE.parents[2] / "fixtures" / "yolo.py"
    spec = importlib.util.spec_from_file_location("yolo", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model, _, cut = name.partition(" ")
    return normalize(read_onnx(getattr(module, model)(cut=bool(cut))))


PLATFORMS = ("rk3588", "rk3566", "rv1106")
WHOLE = {
    ("yolov5s", "rv1106"),  # the toolkit crashes: "Squeezed bytes overflow!"
    ("yolov5s cut", "rv1106"),  # internal 6.85 MB, the toolkit's 6.44
    ("yolov8n", "rk3566"),  # weight 3.53 MB, the toolkit's 3.40
    ("yolov8n", "rv1106"),  # weight 3.87 MB, the toolkit's 3.60
}
"""Of these the rows that decode boxes, or the bytes, are not reproduced."""


def detectors() -> list[Any]:
    return [
        pytest.param(name, platform, marks=NOT_YET if (name, platform) in WHOLE else ())
        for name in YOLO
        for platform in PLATFORMS
    ]


@pytest.mark.parametrize(("name", "platform"), detectors())
def test_detectors(name: str, platform: str) -> None:
    recorded = YOLO[name][platform]
    report = check_graph(yolo(name), load_target(platform))
    if not recorded["accepted"]:
        assert report.verdict == "rejected"
        return
    assert report.verdict == "accepted"
    assert sorted(step.op for step in report.plan.steps if step.unit == "cpu") == recorded["cpu"]
    assert sum(step.unit == "npu" for step in report.plan.steps) == recorded["npu"]
    for pool, theirs in recorded["memory"].items():
        assert near(report.plan.memory[pool].peak, theirs), pool


@pytest.mark.parametrize("platform", PLATFORMS)
def test_advice_on_a_detector_is_in_the_order_of_what_it_gains(platform: str) -> None:
    report = check_graph(yolo("yolov8n"), load_target(platform))
    advice = [finding for finding in report.findings if finding.rule.startswith("RKN9")]
    assert [finding.rule for finding in advice] == ["RKN901", "RKN905"]
    assert near(_sizes(advice[0].message)[1], YOLO["yolov8n cut"][platform]["memory"]["internal"])
    assert "'/model.22/cv3.2/cv3.2.2/Conv_output_0'" in advice[0].message
    assert "57 SiLUs" in advice[1].message


@pytest.mark.parametrize("platform", PLATFORMS)
def test_advice_has_the_memory_of_the_whole(platform: str) -> None:
    report = check_graph(yolo("yolov8n"), load_target(platform))
    [cut] = [finding for finding in report.findings if finding.rule == "RKN901"]
    assert near(_sizes(cut.message)[0], YOLO["yolov8n"][platform]["memory"]["internal"])


def _sizes(message: str) -> list[int]:
    """The two numbers of bytes in a sentence."""
    return [int(word) for word in message.replace(",", "").split() if word.isdigit() and len(word) > 6]


# ---- recordings beside the repository


def runs() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    lines = (TRUTH / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    cases = [case for case in map(json.loads, lines) if not case.get("disputed")]
    return [(case, run) for case in cases for run in case["runs"]][::EVERY]


@pytest.mark.skipif(not TRUTH.is_dir(), reason="no folder 'shared' beside the repository")
def test_shares_of_recorded_runs() -> None:
    agreed: dict[str, list[bool]] = {question: [] for question in SHARES}
    for case, run in runs():
        report = check(str(TRUTH / case["model"]), run["platform"], quantized=run["quantised"])
        for question, agrees in compared(report, run):
            agreed[question].append(agrees)
    shares = {question: sum(found) / max(1, len(found)) for question, found in agreed.items()}
    assert {question: share for question, share in shares.items() if share < SHARES[question]} == {}


def compared(report: Report, run: dict[str, Any]) -> list[tuple[str, bool]]:
    """What a recorded run answers, and whether the plan answers the same."""
    if run.get("suspect"):
        return [("suspect", report.verdict == "miscompiled")]
    if not run["accepted"]:
        return [("rejected", report.verdict == "rejected")]
    theirs = Counter(
        layer["op"]
        for layer in run["layers"]
        if layer["target"] == "CPU" and layer["op"] not in ("InputOperator", "OutputOperator")
    )
    ours = Counter(step.op for step in report.plan.steps if step.unit == "cpu")
    found = [("accepted", report.verdict != "rejected"), ("cpu" if theirs else "no cpu", ours == theirs)]
    for pool in ("internal", "weight"):
        recorded = (run["memory"] or {}).get(pool)
        if recorded:
            use = report.plan.memory.get(pool)
            found.append((pool, use is not None and near(use.peak, recorded)))
    return found
