"""Devices, subgraphs and changes of layout, as the plan of a DPU has them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.planning import Placement
from lintmodel.target import load_target


def report(build: Callable[[GraphBuilder], GraphBuilder], target: str = "kv260") -> Report:
    return check_graph(normalize(build(GraphBuilder()).graph()), load_target(target))


def steps(found: Report) -> list[str]:
    return [f"{step.op} {step.unit}" for step in found.plan.steps]


def messages(found: Report, name: str) -> list[str]:
    return [f.message for f in found.findings if f.name == name]


def test_normalisation_goes_into_the_convolution() -> None:
    found = report(lambda g: g.conv(3, 8).batch_norm(8).relu())
    assert steps(found) == ["conv2d dpu", "relu dpu"]
    assert [str(placement) for placement in found.plan.placements.values()] == ["accelerated", "free", "accelerated"]


def test_normalisation_alone_stays() -> None:
    found = report(lambda g: g.conv(3, 8).relu().batch_norm(8))
    assert steps(found)[-1] == "batch_norm dpu"
    assert messages(found, "lone-normalisation")


def test_one_silu_costs_three_steps_on_the_cpu_and_a_subgraph() -> None:
    found = report(lambda g: g.conv(3, 8).silu().conv(8, 8))
    assert [s for s in steps(found) if s.endswith("cpu")] == ["permute cpu", "aten::silu cpu", "permute cpu"]
    assert found.plan.segments == 2
    (message,) = messages(found, "not-convertible")
    assert "2 changes of layout around it" in message
    assert message.endswith("DPU subgraph 2 begins behind it")


def test_a_flattened_map_reaches_the_dense_layer_without_the_cpu() -> None:
    found = report(lambda g: g.conv(3, 8, size=4).flatten().gemm(128, 10))
    assert steps(found) == ["conv2d dpu", "permute dpu", "flatten dpu", "dense dpu"]
    assert found.plan.segments == 1


def test_an_activation_between_keeps_the_change_of_layout_on_the_cpu() -> None:
    found = report(lambda g: g.conv(3, 8, size=4).flatten().relu().gemm(128, 10))
    assert "permute cpu" in steps(found)
    assert found.plan.segments == 2


def test_transposition_to_channels_last_and_back_costs_nothing() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        g.conv(3, 8, size=16).op("Transpose", shape=(1, 16, 16, 8), perm=(0, 2, 3, 1)).relu()
        return g.op("Transpose", shape=(1, 8, 16, 16), perm=(0, 3, 1, 2)).conv(8, 8)

    found = report(build)
    assert steps(found) == ["conv2d dpu", "relu dpu", "conv2d dpu"]
    assert [node.placement for node in found.nodes if node.op == "Transpose"] == [Placement.FREE] * 2


def test_a_mean_without_its_axes_has_a_change_of_layout_before_it_in_release_2_5_only() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        return g.conv(3, 8, size=7).op("ReduceMean", shape=(1, 8), axes=(2, 3), keepdims=0)

    assert steps(report(build)) == ["conv2d dpu", "permute cpu", "mean dpu"]
    later = report(build, "kv260@3.5")
    assert steps(later) == ["conv2d dpu", "mean dpu"]
    assert [check.what for check in later.not_checked] == ["the compiler's own partition"]


def test_subgraphs_beside_each_other_are_counted_each() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        return g.input(1, 3, 16, 16).branch(lambda b: b.conv(3, 8), lambda b: b.conv(3, 8), join="Sub")

    found = report(build)
    assert found.plan.segments == 2
    assert [f.message for f in found.findings if f.name == "several-subgraphs"] == ["2 DPU subgraphs"]


def test_the_operator_that_splits_is_named() -> None:
    found = report(lambda g: g.conv(3, 8).sigmoid().conv(8, 8).op("Tanh").conv(8, 8))
    assert messages(found, "several-subgraphs") == ["3 DPU subgraphs, split by 1x sigmoid, 1x tanh"]
    begins = [message.rpartition("; ")[2] for message in messages(found, "cpu-only-operator")]
    assert begins == ["DPU subgraph 2 begins behind it", "DPU subgraph 3 begins behind it"]


def test_nothing_on_the_dpu_is_no_subgraph() -> None:
    found = report(lambda g: g.input(1, 8).sigmoid())
    assert found.plan.segments == 0
    assert not messages(found, "unregistered-release")


def test_hard_swish_behind_a_depthwise_convolution_needs_an_arithmetic_unit() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        return g.depthwise(8, kernel=3).op("HardSwish")

    assert steps(report(build)) == ["depthwise_conv2d dpu", "hswish dpu"]
    assert steps(report(build, "DPUCAHX8H_ISA2_DWC")) == ["depthwise_conv2d dpu", "hswish cpu"]


def test_every_limit_a_layer_breaks_is_reported() -> None:
    found = report(lambda g: g.conv(8192, 5000, kernel=17, stride=9, size=40))
    names = {f.name for f in found.findings}
    assert {"conv-window", "weights-bank", "conv-stride", "input-channels", "output-channels"} <= names


@pytest.mark.parametrize(("pad", "limit"), [(0, False), (1, True)])
def test_padding_is_less_than_the_window(pad: int, limit: bool) -> None:
    assert bool(messages(report(lambda g: g.conv(8, 8, kernel=1, pads=pad)), "padding")) is limit


def test_depthwise_convolutions_of_u250_are_doubted_and_placed_as_amd_does() -> None:
    found = report(lambda g: g.depthwise(8, kernel=3), "u250")
    assert steps(found) == ["depthwise_conv2d dpu"]
    assert messages(found, "missing-engine") == [
        "DPUCADF8H_ISA0 has no engine for depthwise convolution; AMD's 2.5 inspector reports the DPU here"
    ]


def test_a_symbolic_size_is_said_and_not_taken_for_fine() -> None:
    found = report(lambda g: g.input("batch", 3, 32, 32).conv(3, 8, kernel=17))
    assert any(check.nodes for check in found.plan.not_checked)


def test_mish_is_one_operator_between_two_changes_of_layout() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        x = g.conv(3, 8).current
        return g.op("Softplus").op("Tanh").op("Mul", x).conv(8, 8)

    found = report(build)
    assert [s for s in steps(found) if s.endswith("cpu")] == ["permute cpu", "aten::mish cpu", "permute cpu"]


def test_the_scale_of_a_layer_normalisation_is_its_own() -> None:
    """Weights that several layers share come through Identity nodes, which hide them from the exporter's pattern."""

    def build(g: GraphBuilder) -> GraphBuilder:
        g.conv(3, 8, size=16).op("Transpose", shape=(1, 16, 16, 8), perm=(0, 2, 3, 1))
        x = g.op("LayerNormalization", g.zeros(8), axis=-1).current
        scale = g.at(g.zeros(8)).op("Identity", shape=(8,)).current
        g.at(x).op("Mul", scale)
        return g.op("Transpose", shape=(1, 8, 16, 16), perm=(0, 3, 1, 2)).conv(8, 8)

    assert steps(report(build)) == ["conv2d dpu", "layer_norm cpu", "conv2d dpu"]


def test_release_3_leaves_a_concatenation_of_maps_from_the_cpu_there() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        g.conv(3, 8)
        return g.branch(lambda b: b.sigmoid(), lambda b: b.op("Tanh"), join="Concat").conv(16, 8)

    assert "concat dpu" in steps(report(build))
    later = report(build, "kv260@3.5")
    assert "concat cpu" in steps(later)
    assert messages(later, "border-operator") == [
        "Concat takes its data from the CPU and stays there; DPU subgraph 2 begins behind it"
    ]


def test_release_3_joins_channels_of_either_device() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        g.conv(3, 8)
        return g.branch(lambda b: b.sigmoid(), lambda b: b.conv(8, 8), join="Concat").conv(16, 8)

    assert "concat dpu" in steps(report(build, "kv260@3.5"))
