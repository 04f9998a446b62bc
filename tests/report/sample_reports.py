"""Reports made by hand, so that the formats are tested apart from any chip."""

from __future__ import annotations

from dataclasses import replace

from lintmodel.api import Report
from lintmodel.findings import Finding, Fix, Level, Location
from lintmodel.ir import Graph, GraphBuilder
from lintmodel.node_report import NodeReport
from lintmodel.planning import Buffer, NotChecked, Placement, Plan, Pool, Step
from lintmodel.target import Target

EDGE = Target(
    name="edge1",
    family="edge",
    title="Edge One",
    toolchain_name="edgec",
    version="2.0",
    versions=("2.0",),
    limits={},
    sources={},
)


def node(name: str, op: str, placement: Placement, *rules: str, **more: object) -> NodeReport:
    known = NodeReport(name, op, op, placement, rules, (1, 16, 112, 112), 1000, 432, "nets/small.onnx", None)
    return replace(known, **more)  # type: ignore[arg-type]


def found(rule: str, name: str, level: Level, message: str, at: str | None, **more: object) -> Finding:
    known = Finding(rule, name, level, message, at, Location("nets/small.onnx"), fingerprint=f"{rule}{at}")
    return replace(known, **more)  # type: ignore[arg-type]


def small() -> Report:
    """A network that is accepted, with a little of everything."""
    graph = GraphBuilder().conv(3, 16, kernel=5, stride=2, size=224).silu().graph()
    return Report(
        model="nets/small.onnx",
        graph=graph,
        target=EDGE,
        plan=Plan(
            steps=(
                Step("cpu", "Pad", ("conv_0",), writes=(Buffer("conv_0_pad", 1000, "main"),)),
                Step("npu", "Conv", ("conv_0",), writes=(Buffer("conv_0_out", 200704, "sram"),), details={"words": 3}),
                Step("cpu", "Slice", ("conv_0",)),
                Step("cpu", "Slice", ("conv_0",)),
                Step("cpu", "Table", ("sigmoid_0", "mul_0")),
            ),
            segments=1,
            memory={
                "sram": Pool(200704, 2097152, "conv_0"),
                "main": Pool(1000, 900, parts={"a": 600, "b": 400}),
                "flash": Pool(3 << 20),
            },
            fits="no",
        ),
        nodes=(
            node("conv_0", "Conv", Placement.PARTIAL, "EDG101", "EDG201", file="net.py", line=12),
            node("relu_0", "Relu", Placement.FREE, macs=0, weight_bytes=0),
            node("conv_1", "Conv", Placement.ACCELERATED),
            node("silu", "SiLU", Placement.FALLBACK, native_op="Mul", members=("sigmoid_0", "mul_0")),
            node("/model.22/dfl/Softmax with a long name", "Softmax", Placement.UNSUPPORTED, shape=(1, "n", 4)),
        ),
        findings=(
            found("GRF301", "odd-memory", Level.ERROR, "1000 bytes are needed, there are 900", None),
            found(
                "EDG101",
                "conv-kernel",
                Level.WARNING,
                "kernel is 5x5; the NPU has 1x1 and 3x3",
                "conv_0",
                location=Location("net.py", 12),
                vendor_message="unsupported kernel <5, 5>",
                fix=Fix("two-convs", "unsafe"),
            ),
            found("EDG201", "conv-stride", Level.NOTE, "stride 2 costs a pass", "conv_0", fix=Fix("x", "display")),
        ),
        not_checked=(NotChecked("checks of shapes and limits", "dimension 'n' of input 'x' is symbolic", ("a", "b")),),
    )


def clean() -> Report:
    graph: Graph = GraphBuilder().conv(3, 16, size=32).graph()
    return Report(
        model="nets/clean.onnx",
        graph=graph,
        target=EDGE,
        plan=Plan(fits="yes"),
        nodes=(node("conv_0", "Conv", Placement.ACCELERATED, shape=(1, 16, 32, 32)),),
        findings=(),
    )


def large() -> Report:
    """More of everything than a terminal should show, and names that want to leave their line."""
    nodes = tuple(node(f"block.{k}/Resize", "Resize", Placement.FALLBACK, "EDG105") for k in range(22))
    findings = tuple(
        found("EDG105", "resize", Level.WARNING, "runs on the CPU", n.name, vendor_message="no kernel") for n in nodes
    )
    nasty = found("EDG106", "nasty", Level.ERROR, "[bold]a\nb[/bold]", "evil\x1b[31m\nname", location=None)
    return Report(
        model="nets/large.tflite",
        graph=GraphBuilder(layout="NHWC").input(1, "h", "w", 3).relu().graph(),  # type: ignore[arg-type]
        target=replace(EDGE, name="edge2"),
        plan=Plan(verdict="miscompiled", runtime="fails", segments=2),
        nodes=nodes,
        findings=(nasty, *findings),
        not_checked=(NotChecked("memory", "the batch is not fixed"),),
    )
