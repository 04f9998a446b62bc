"""The memory report, held against golden files and against its own numbers."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import sample_reports as samples
from test_report import agrees_with

from lintmodel.api import Report
from lintmodel.ir import GraphBuilder, document
from lintmodel.planning import Buffer, NotChecked, Placement, Plan, Pool, Step
from lintmodel.report import Look
from lintmodel.report.memory import layers, memory_dict, overflows, render_csv, render_json
from lintmodel.report.memory_text import render_text

PADDED = Buffer("padded", 9000, "sram", 1, 2)
CONV = Buffer("conv", 4000, "sram", 2, 4, 0)
RELU = Buffer("relu", 4000, "sram", 3, 5)
SCORES = Buffer("scores", 40, "scores", 4, 6)


def sample(capacity: int | None = 20000) -> Report:
    """A convolution on the CPU behind a Pad, an activation, and a layer of an unknown shape."""
    graph = GraphBuilder().conv(3, 16, kernel=3, size=16).relu().gemm(16, 10).graph()
    plan = Plan(
        steps=(
            Step("cpu", "Pad", ("conv_0",), ("x",), (PADDED,)),
            Step("cpu", "Conv", ("conv_0",), ("padded",), (CONV,), details={"dtype": "int8"}),
            Step("npu", "Relu", ("relu_0",), ("conv",), (RELU,)),
            Step("npu", "Dense", ("gemm_0",), ("relu",), (SCORES,)),
        ),
        memory={
            "sram": Pool(13000, capacity),
            "main": Pool(3112, parts={"input": 3072, "scores": 40}),
            "flash": Pool(2 << 20),
        },
        not_checked=(NotChecked("stack", "it depends on the build"),),
        buffers=(Buffer("x", 3072, "input", 0, 2), PADDED, CONV, RELU, SCORES),
    )
    nodes = (
        samples.node("conv_0", "Conv", Placement.FALLBACK, weight_bytes=1728),
        samples.node("relu_0", "Relu", Placement.ACCELERATED, weight_bytes=0),
        samples.node("gemm_0", "Gemm", Placement.ACCELERATED, weight_bytes=640, shape=("batch", 10)),
        samples.node("identity_0", "Identity", Placement.FREE),
    )
    target = replace(samples.EDGE, limits={"im2col": False})
    return Report("nets/small.onnx", graph, target, plan, nodes, (), plan.not_checked)


def many() -> Report:
    """More steps than a chart has columns."""
    steps = tuple(
        Step("npu", "Conv", ("conv_0",), (), (Buffer(f"t{k}", 1000 + 17 * k % 900, "sram", k, k + 2),))
        for k in range(300)
    )
    return replace(sample(), plan=Plan(steps=steps, memory={"sram": Pool(4000, 3000)}))


CASES = {
    "memory.txt": (sample(), Look(width=100)),
    "memory_overflow.txt": (sample(capacity=8192), Look(width=100)),
    "memory_narrow_ascii.txt": (sample(), Look(width=60, unicode=False)),
    "memory_color.txt": (sample(capacity=8192), Look(width=100, color=True)),
    "memory_many_steps.txt": (many(), Look(width=80)),
}


@pytest.mark.parametrize("name", CASES)
def test_golden(name: str) -> None:
    agrees_with(name, render_text(*CASES[name]))


def test_golden_json() -> None:
    agrees_with("memory.json", render_json(sample()))


def test_golden_csv() -> None:
    agrees_with("memory.csv", render_csv(sample()))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_text_keeps_to_the_width(width: int) -> None:
    for report in (sample(), many()):
        assert max(map(len, render_text(report, Look(width=width)).splitlines())) <= width


def test_ascii_is_ascii() -> None:
    assert render_text(sample(), Look(unicode=False)).isascii()


def test_what_a_layer_takes() -> None:
    conv, relu, gemm = layers(sample())
    assert (conv.unit, conv.op, conv.dtype) == ("cpu", "Pad, Conv", "int8")
    assert (conv.inputs, conv.outputs, conv.weights, conv.scratch) == (3072, 4000, 1728, 9000)
    assert (relu.inputs, relu.outputs, relu.weights, relu.scratch) == (4000, 4000, 0, 0)
    assert (gemm.outputs, gemm.dtype) == (40, None)


def test_im2col_is_named_and_not_counted() -> None:
    conv, relu, _ = layers(sample())
    assert conv.im2col == 3 * 3 * 3 * 16 * 16  # bytes: kernel, input channels, output, int8
    assert conv.note == "would need 6,912 bytes if the CPU kernel used im2col; that of edgec 2.0 does not"
    assert relu.im2col is None


def test_lower_bound_and_where_it_is_reached() -> None:
    found = memory_dict(sample())
    assert found["memory"]["sram"] == {"capacity": 20000, "peak": 13000, "lower_bound": 9000, "at": "conv_0"}
    assert found["memory"]["flash"]["lower_bound"] is None
    assert [entry["live"] for entry in found["timeline"]["sram"]] == [9000, 4000, 8000, 4000]
    assert found["free"] == ["identity_0"]
    assert json.loads(render_json(sample())) == found


def test_overflow() -> None:
    assert not overflows(sample())
    assert not overflows(sample(capacity=None))
    assert overflows(sample(capacity=12999))
    assert overflows(replace(sample(), plan=replace(sample().plan, fits="no")))


def test_names_from_files_never_reach_the_terminal_raw() -> None:
    evil = samples.node("evil\x1b[31m\n", "Conv", Placement.FALLBACK)
    plan = Plan(steps=(Step("cpu", "Table\x1b", ("evil\x1b[31m\n",), (), (replace(CONV, tensor="\x1b"),)),))
    report = replace(sample(), nodes=(evil,), plan=replace(plan, memory={"sram": Pool(4000, 8000)}))
    text = render_text(report, Look())
    assert "\x1b" not in text
    assert "evil\n" not in text


# ---- memories side by side, and documents


def of_instances() -> Report:
    """A document: no nodes, steps with names of their own, and memories of which each is full for itself."""
    steps = (
        Step(
            "cnn", "conv2d", ("first",), ("input",), (Buffer("first", 400, "data", 0, 2),), details={"weight_bytes": 9}
        ),
        Step("cnn", "linear", ("last",), ("first",), (Buffer("last", 40, "data", 1, 3),)),
    )
    parts = {"instance 0": 700, "instance 1": 700, "instance 2": 90, "instance 4": 90}
    plan = Plan(
        steps=steps, memory={"data": Pool(700, 1000, parts=parts), "main": Pool(10, 20, parts={"a": 6, "b": 4})}
    )
    return replace(sample(), plan=plan, nodes=(), document=document("ai8x"))


def test_layers_of_a_document_are_its_steps() -> None:
    found = layers(of_instances())
    assert [(layer.name, layer.op, layer.inputs, layer.outputs, layer.weights) for layer in found] == [
        ("first", "conv2d", 0, 400, 9),
        ("last", "linear", 400, 40, 0),
    ]


def test_memories_side_by_side_are_drawn_and_shares_of_one_are_not() -> None:
    text = render_text(of_instances(), Look(width=90, unicode=False))
    rows = [line.split() for line in text.splitlines()]
    assert "data: used of 1,000 in each" in text and "main: used" not in text
    assert ["instance", "0", "to", "1", "700", "#" * 28] in rows
    assert ["instance", "2", "90", "####"] in rows and ["instance", "4", "90", "####"] in rows, "2 and 4 do not touch"
