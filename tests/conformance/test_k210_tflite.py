"""TFLite files against what the compiler itself did to them: padding, scaling of the input, and both bounds of what
depends on calibration.

``k210_tflite.json`` holds what nncase 1.9.0 was seen to do; nothing in it was computed by lintmodel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check
from lintmodel.report import Look
from lintmodel.report.rich import render

from .test_k210 import cpu_steps, pools, recorded_steps
from .tflite_networks import NETWORKS

FILE: dict[str, dict[str, Any]] = json.loads((Path(__file__).parent / "k210_tflite.json").read_text())
RECORDED = FILE["networks"]
DATA_DEPENDENT = {"depthwise_stride_2"}
EXACT = sorted(NETWORKS.keys() - DATA_DEPENDENT)


def planned(name: str, folder: Path) -> Report:
    path = folder / f"{name}.tflite"
    path.write_bytes(NETWORKS[name]())
    return check(str(path), "k210@1.9")


def rules(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


def test_every_recording_has_its_network() -> None:
    assert set(RECORDED) == set(NETWORKS)


@pytest.mark.parametrize("name", EXACT)
def test_steps_and_bytes(name: str, tmp_path: Path) -> None:
    report, recorded = planned(name, tmp_path), RECORDED[name]
    assert report.verdict == "accepted"
    assert cpu_steps(report) == recorded_steps(recorded)
    assert sum(s.op == "KPUConv2D" for s in report.plan.steps) == recorded["kpu_convs"]
    assert pools(report, recorded) == recorded["memory"]
    assert all(pool.least is None for pool in report.plan.memory.values())


def test_zero_padding_before_stride_2_is_free_and_same_is_not(tmp_path: Path) -> None:
    free, same = planned("zero_padding_valid_stride_2", tmp_path), planned("same_stride_2", tmp_path)
    moved = {"Transpose", "Quantize", "Dequantize"}  # the file's layout, and bytes for the KPU
    assert {op for op, _ in cpu_steps(free)} <= moved
    assert [op for op, _ in cpu_steps(same) if op not in moved] == ["Pad", "Pad"]
    assert rules(same) - rules(free) == {"KPU203"}
    finding = next(f for f in same.findings if f.rule == "KPU203")
    assert "padding is (0, 0, 1, 1)" in finding.message
    assert "the CPU does 2x Pad" in finding.message


def test_zero_padding_before_stride_1_is_free(tmp_path: Path) -> None:
    assert "KPU206" not in rules(planned("zero_padding_valid_stride_1", tmp_path))


@pytest.mark.parametrize("name", sorted(DATA_DEPENDENT))
def test_recorded_bytes_are_the_least(name: str, tmp_path: Path) -> None:
    """The weights are zeros: every cut keeps the range of its map."""
    report, recorded = planned(name, tmp_path), RECORDED[name]
    memory = report.plan.memory
    least = {pool: memory[pool].peak if (low := memory[pool].least) is None else low for pool in recorded["memory"]}
    assert least == recorded["memory"]
    assert (memory["data"].least, memory["data"].peak) == (22_528, 88_064)
    assert {name for name, pool in memory.items() if pool.least is not None} == {"data", "model", "main"}
    assert report.to_dict()["memory"]["data"]["least"] == 22_528
    assert "between 22 KiB and 86 KiB" in render([report], [], Look())


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scaled_input", "MUL on input 'x' runs on the CPU over the whole 1x32x32x3 picture (TableLookup1D)"),
        ("normalised_input", "SUB, MUL on input 'x' run on the CPU over the whole 1x32x32x3 picture (2x Binary)"),
    ],
)
def test_scaling_in_the_network_costs(name: str, message: str, tmp_path: Path) -> None:
    report = planned(name, tmp_path)
    assert [f.message for f in report.findings if f.rule == "KPU412"] == [message]
    assert "KPU411" not in rules(report)
