"""lintmodel against what the partition rules of Vitis AI 2.5 said of the same networks, on ten registered DPUs.

``dpu.json`` holds, for every network below and every target, the operators that the inspector gave to the CPU and the
number of DPU subgraphs that follows; nothing in it was computed by lintmodel. ``disputed`` are networks for which the
inspector is known to be wrong: there the finding says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check_graph, read_model
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target

ROOT = Path(__file__).resolve().parents[2]
RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "dpu.json").read_text())
ARCHITECTURES = ROOT / ".." / "shared" / "truth" / "arch" / "dpu"


def activation(op: str, **attributes: Any) -> Callable[[GraphBuilder], GraphBuilder]:
    return lambda g: g.conv(3, 16, size=16).op(op, **attributes).conv(16, 8, kernel=1)


def resized(scale: float, mode: str, coordinates: str) -> Callable[[GraphBuilder], GraphBuilder]:
    def build(g: GraphBuilder) -> GraphBuilder:
        g.conv(3, 16, kernel=1, size=16)
        out = int(16 * scale)
        attributes = {"mode": mode, "coordinate_transformation_mode": coordinates}
        scales = g.constant([1.0, 1.0, scale, scale])
        return g.op("Resize", "", scales, shape=(1, 16, out, out), **attributes).conv(16, 8, kernel=1)

    return build


def squeeze(g: GraphBuilder) -> GraphBuilder:
    return (
        g.conv(3, 16, kernel=1, size=16)
        .branch(
            lambda b: b,
            lambda b: b.global_average_pool().conv(16, 4, kernel=1).relu().conv(4, 16, kernel=1).sigmoid(),
            join="Mul",
        )
        .conv(16, 8, kernel=1)
    )


def shuffled(g: GraphBuilder) -> GraphBuilder:
    g.conv(3, 16, kernel=1, size=16).op("Reshape", g.constant([1, 2, 8, 16, 16]), shape=(1, 2, 8, 16, 16))
    g.op("Transpose", shape=(1, 8, 2, 16, 16), perm=(0, 2, 1, 3, 4))
    return g.op("Reshape", g.constant([1, 16, 16, 16]), shape=(1, 16, 16, 16)).conv(16, 8, kernel=1)


def head(g: GraphBuilder) -> GraphBuilder:
    g.conv(3, 18, kernel=1, size=16).op("Reshape", g.constant([1, 3, 6, 16, 16]), shape=(1, 3, 6, 16, 16))
    return g.op("Transpose", shape=(1, 3, 16, 16, 6), perm=(0, 1, 3, 4, 2))


def joined(op: str) -> Callable[[GraphBuilder], GraphBuilder]:
    branches = (lambda b: b.conv(3, 16, kernel=1), lambda b: b.conv(3, 16, kernel=1))
    return lambda g: g.input(1, 3, 16, 16).branch(*branches, join=op)


NETWORKS: dict[str, Callable[[GraphBuilder], GraphBuilder]] = {
    "conv_bn_relu": lambda g: g.conv(3, 16, size=16).batch_norm(16).relu(),
    "conv_k17": lambda g: g.conv(3, 16, kernel=17, size=32).relu(),
    "conv_3x3_ic3632": lambda g: g.conv(3632, 16, size=8),
    "conv_3x3_ic3648": lambda g: g.conv(3648, 16, size=8),
    "conv_3x3_ic4096": lambda g: g.conv(4096, 16, size=8),
    "conv_ic4112_1x1": lambda g: g.conv(4112, 16, kernel=1, size=8),
    "conv_dil6": lambda g: g.conv(3, 16, dilation=6, size=32),
    "dw3": lambda g: g.depthwise(16, kernel=3, size=16),
    "dw7": lambda g: g.depthwise(16, kernel=7, size=16),
    "deconv_k4s2": lambda g: g.conv(3, 16, kernel=1, size=16).conv_transpose(16, 16, kernel=4, stride=2, pad=1),
    "deconv_outpad": lambda g: g.conv(3, 16, kernel=1, size=16).conv_transpose(
        16, 16, kernel=3, stride=2, pad=1, output_padding=1
    ),
    "conv_act_leaky01": activation("LeakyRelu", alpha=0.1),
    "conv_act_hardswish": activation("HardSwish"),
    "conv_act_hardsigmoid": activation("HardSigmoid", alpha=1 / 6, beta=0.5),
    "conv_act_sigmoid": activation("Sigmoid"),
    "conv_act_tanh": activation("Tanh"),
    "conv_act_elu": activation("Elu", alpha=1.0),
    "conv_act_softplus": activation("Softplus"),
    "conv_act_hardtanh06": lambda g: g.conv(3, 16, size=16).clip(0.0, 6.0).conv(16, 8, kernel=1),
    "conv_act_hardtanh11": lambda g: g.conv(3, 16, size=16).clip(-1.0, 1.0).conv(16, 8, kernel=1),
    "maxpool2": lambda g: g.conv(3, 16, kernel=1, size=16).max_pool(2),
    "gap14": lambda g: g.conv(3, 16, kernel=1, size=14).global_average_pool(),
    "add_relu": lambda g: joined("Add")(g).relu(),
    "sub": joined("Sub"),
    "mul": joined("Mul"),
    "se_sigmoid": squeeze,
    "channel_shuffle": shuffled,
    "view_permute_head": head,
    "up_bilinear8_ac0": resized(8, "linear", "half_pixel"),
    "batch2_reshape": lambda g: (
        g.input(2, 3, 8, 8).conv(3, 16, kernel=1).op("Reshape", g.constant([1, 2048]), shape=(1, 2048))
    ),
    "mul_const": lambda g: g.conv(3, 16, kernel=1, size=16).op("Mul", g.constant(0.5)),
    "div_const": lambda g: g.conv(3, 16, kernel=1, size=16).op("Div", g.constant(0.5)),
}

DISPUTED: dict[str, tuple[Callable[[GraphBuilder], GraphBuilder], str]] = {
    "conv_stride9": (lambda g: g.conv(3, 16, stride=9, size=32), "conv-stride"),
    "conv_oc4112": (lambda g: g.conv(3, 4112, kernel=1, size=8), "output-channels"),
    "conv_group2": (lambda g: g.conv(16, 16, groups=2, size=16), "conv-groups"),
    "up_bilinear2_ac1": (resized(2, "linear", "align_corners"), "resize"),
    "up_nearest_1p5": (resized(1.5, "nearest", "asymmetric"), "resize"),
    "fc_softmax": (lambda g: g.gemm(16, 10).op("Softmax", axis=1), "overlooked-operator"),
}


@cache
def checked(name: str, target: str) -> Report:
    build = NETWORKS[name] if name in NETWORKS else DISPUTED[name][0]
    return check_graph(normalize(build(GraphBuilder()).graph()), load_target(target, "2.5"))


LAYOUT = ("permute", "input", "const")
CASES = [(name, target) for name, runs in RECORDED["micro"].items() for target in runs if name in NETWORKS]


@pytest.mark.parametrize(("name", "target"), CASES)
def test_operators_on_the_cpu(name: str, target: str) -> None:
    recorded = RECORDED["micro"][name][target]
    report = checked(name, target)
    ours = sorted(step.op for step in report.plan.steps if step.unit == "cpu" and step.op not in LAYOUT)
    assert ours == sorted(op for op in recorded["cpu"] if op not in LAYOUT)
    assert report.plan.segments == (recorded["segments"] if any(s.unit == "dpu" for s in report.plan.steps) else 0)


@pytest.mark.parametrize(("name", "target"), CASES)
def test_inserted_changes_of_layout(name: str, target: str) -> None:
    recorded = RECORDED["micro"][name][target]["cpu"].count("permute")
    assert sum(s.op == "permute" and s.unit == "cpu" for s in checked(name, target).plan.steps) == recorded


@pytest.mark.parametrize(("name", "target"), CASES)
def test_what_amd_says(name: str, target: str) -> None:
    recorded = RECORDED["micro"][name][target]["said"]
    said = [r["vendor_message"] for s in checked(name, target).plan.steps for r in s.details.get("reasons", ())]
    assert [message for message in recorded if message not in said] == []


@pytest.mark.parametrize("name", DISPUTED)
def test_where_the_inspector_is_wrong(name: str) -> None:
    findings = [f for f in checked(name, "DPUCZDX8G_ISA1_B4096").findings if f.name == DISPUTED[name][1]]
    assert any("AMD's 2.5 inspector reports the DPU here" in f.message for f in findings)


@pytest.mark.parametrize("name", RECORDED["architectures"])
def test_architectures(name: str) -> None:
    path = ARCHITECTURES / f"{name}.onnx"
    if not path.exists():
        pytest.skip("the architectures are not beside the repository")
    graph = read_model(path)
    for target, segments in RECORDED["architectures"][name].items():
        assert check_graph(graph, load_target(target, "2.5")).plan.segments == segments
