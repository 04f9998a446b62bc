"""lintmodel against what the TensorFlow Lite Micro interpreter printed for the same files.

``tflm.json`` holds the head of the arena and the bytes of variables that the wheel tflite_micro printed, or that it
refused the file; nothing in it was computed by lintmodel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check_graph, read_model
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target

ROOT = Path(__file__).resolve().parents[2]
FIXTURES = ROOT / "fixtures" / "models"
PUBLIC = ROOT / ".." / "shared" / "models" / "tflite"
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "tflm.json").read_text())


def agrees(report: Report, recorded: dict[str, Any]) -> None:
    if recorded.get("rejected"):
        assert report.verdict == "rejected"
        assert any(f.rule.startswith("TFM") and f.vendor_message for f in report.findings)
        return
    memory = report.plan.memory
    assert report.verdict == "accepted"
    assert memory["arena"].peak == recorded["head"]
    assert (memory["variables"].peak if "variables" in memory else 0) == recorded.get("variables", 0)


@pytest.mark.parametrize("name", RECORDED["fixtures"])
def test_fixtures(name: str) -> None:
    agrees(check_graph(read_model(FIXTURES / name), load_target("generic")), RECORDED["fixtures"][name])


@pytest.mark.parametrize("name", RECORDED["models"])
def test_public_models(name: str) -> None:
    path = PUBLIC / name
    if not path.exists():
        pytest.skip("the public models are not beside the repository")
    agrees(check_graph(read_model(path), load_target("generic")), RECORDED["models"][name])


def test_person_detection() -> None:
    """The layers of the interpreter's own example: MobileNet v1 0.25 for 96x96 grey pictures, in int8."""
    g = GraphBuilder("NHWC").conv(1, 8, stride=2, size=96)
    ins = 8
    for outs, stride in [(16, 1), (32, 2), (32, 1), (64, 2), (64, 1), (128, 2), *[(128, 1)] * 5, (256, 2), (256, 1)]:
        g.depthwise(ins, stride=stride).conv(ins, outs, kernel=1)
        ins = outs
    g.average_pool(3).conv(256, 2, kernel=1).op("Reshape", g.constant([1, 2]), shape=(1, 2))
    report = check_graph(normalize(g.quantized().graph()), load_target("generic"))
    agrees(report, RECORDED["networks"]["person_detect"])


def test_onnx_as_int8_is_planned_like_the_converted_file() -> None:
    """The same layers with three channels in: the wheel needs 73,728 bytes for the int8 file of mlcommons/tiny."""
    target = load_target("generic", options={"dtype": "int8"})
    report = check_graph(read_model(FIXTURES / "mobilenet_v1_025_96.onnx"), target)
    assert report.plan.memory["arena"].peak == 73728
