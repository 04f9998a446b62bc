"""What becomes of plain networks on the MAX78000 and MAX78002."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lintmodel import api
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.rules.ai8x import generate
from lintmodel.target import load_target


def report(make: Callable[[GraphBuilder], GraphBuilder], chip: str = "max78000", layout: str = "NCHW") -> api.Report:
    graph = normalize(make(GraphBuilder(layout)).graph())  # type: ignore[arg-type]
    return api.check_graph(graph, load_target(chip))


def placed(found: api.Report) -> dict[str, str]:
    return {node.name: node.placement.value for node in found.nodes}


def codes(found: api.Report) -> set[str]:
    return {finding.rule for finding in found.findings}


def test_what_is_folded_is_free() -> None:
    found = report(lambda g: g.conv(3, 16).batch_norm(16).relu().max_pool(2).conv(16, 8).flatten().gemm(2048, 10))
    assert found.verdict == "accepted" and found.fits == "yes"
    assert placed(found) == {
        "conv_0": "accelerated",
        "batchnormalization_0": "free",
        "relu_0": "free",
        "maxpool_0": "free",
        "conv_1": "accelerated",
        "flatten_0": "free",
        "gemm_0": "accelerated",
    }
    assert [(step.op, step.details.get("kernel_words")) for step in found.plan.steps] == [
        ("conv2d", 16),
        ("conv2d", 8),
        ("linear", 10 * 256 * 8 // 72 + 1),
    ]
    assert found.plan.memory["weights"].peak == 3 * 16 * 9 + 16 * 8 * 9 + 2048 * 10
    assert found.plan.memory["bias"].peak == 16 + 8 + 10


def test_pool_with_two_readers_is_a_layer() -> None:
    found = report(lambda g: g.conv(3, 16).max_pool(2).branch(lambda b: b.conv(16, 16), lambda b: b))
    assert [step.op for step in found.plan.steps] == ["conv2d", "passthrough", "conv2d", "add"]


def test_sum_with_bias_is_a_layer_of_its_own_on_the_larger_chip() -> None:
    def make(g: GraphBuilder) -> GraphBuilder:
        return g.conv(3, 16).branch(lambda b: b.conv(16, 16), lambda b: b).conv(16, 8)

    assert [step.op for step in report(make).plan.steps] == ["conv2d", "conv2d", "conv2d"]
    assert [step.op for step in report(make, "max78002").plan.steps] == ["conv2d", "conv2d", "add", "conv2d"]


def test_everything_wrong_with_a_node_is_said() -> None:
    found = report(lambda g: g.conv(8, 16, kernel=5, stride=2, groups=2, dilation=2, pads=3))
    assert {"AIX601", "AIX602", "AIX603", "AIX604", "AIX605"} <= codes(found)
    assert (found.verdict, placed(found)) == ("rejected", {"conv_0": "unsupported"})


def test_the_exact_change_depends_on_the_kernel() -> None:
    (pointwise,) = report(lambda g: g.conv(8, 16, kernel=1, stride=2, pads=0)).findings
    (larger,) = report(lambda g: g.conv(8, 16, stride=2)).findings
    assert "in the same layer" in pointwise.message and "in the layer behind it" not in pointwise.message
    assert "in the layer behind it" in larger.message and "4 times" in larger.message
    assert "stride other than 1 (currently set to 2x2)" in (larger.vendor_message or "")


@pytest.mark.parametrize(("chip", "verdict"), [("max78000", "rejected"), ("max78002", "accepted")])
def test_depthwise_depends_on_the_chip(chip: str, verdict: str) -> None:
    assert report(lambda g: g.depthwise(16), chip).verdict == verdict


def test_tflite_layout() -> None:
    found = report(lambda g: g.conv(3, 16).relu().max_pool(2).conv(16, 8), layout="NHWC")
    assert found.verdict == "accepted"
    assert found.plan.steps[0].shape == (16, 32, 32)


def test_composite_is_said_once() -> None:
    found = report(lambda g: g.conv(3, 16).silu().conv(16, 8))
    assert [finding.rule for finding in found.findings] == ["AIX611"]
    assert "SiLU" in found.findings[0].message
    assert placed(found)["mul_0"] == "unsupported"


def test_softmax_runs_on_the_cpu() -> None:
    found = report(lambda g: g.conv(3, 10, kernel=1, size=1).flatten().op("Softmax"))
    assert found.verdict == "accepted" and codes(found) == {"AIX628"}
    assert placed(found)["softmax_0"] == "fallback"


def test_streaming_is_said_and_limited() -> None:
    found = report(lambda g: g.conv(3, 8, size=120).relu().max_pool(2).conv(8, 8))
    assert (found.verdict, codes(found), found.fits) == ("accepted", {"AIX627"}, "unknown")
    assert [bool(step.details.get("streaming")) for step in found.plan.steps] == [True, True]
    assert "AIX622" in codes(report(lambda g: g.conv(3, 8, size=120).branch(lambda b: b.conv(8, 8), lambda b: b)))


def test_open_sizes_are_not_fine() -> None:
    found = report(
        lambda g: g.input("batch", 3, "h", "w").op("Conv", g.zeros(8, 3, 3, 3), shape=("batch", 8, "h", "w"))
    )
    assert found.verdict == "unknown" and found.not_checked


def test_weights_name_the_bits_that_fit() -> None:
    found = report(lambda g: g.conv(64, 512, size=8, bias=False).conv(512, 128, bias=False))
    (finding,) = (f for f in found.findings if f.rule == "AIX623")
    assert "884,736 bytes of 442,368" in finding.message and "4-bit" in finding.message
    assert (found.verdict, found.fits) == ("rejected", "no")


# ---- activations inside TFLite's operators

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "models"


def test_a_fused_relu_belongs_to_its_layer() -> None:
    graph = api.read_model(str(FIXTURES / "mnist_float.tflite"))
    text = generate(graph, load_target("max78000"))
    assert [line.split(": ")[1] for line in text.splitlines() if "activate:" in line] == 4 * ["ReLU"] + ["none"]


def test_a_fused_relu6_is_no_activation_of_the_chip() -> None:
    found = api.check(str(FIXTURES / "mobilenetv2_mnist.tflite"), "max78000")
    assert any(f.rule == "AIX611" and f.node == "conv" and "Relu6" in f.message for f in found.findings)
