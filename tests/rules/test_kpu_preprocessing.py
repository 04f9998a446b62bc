"""What the camera delivers, and how well weights fit into 8 bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lintmodel.api import check_graph
from lintmodel.findings import Finding
from lintmodel.ir import GraphBuilder
from lintmodel.ir.graph import Layout
from lintmodel.normalize import normalize
from lintmodel.target import load_target

Build = Callable[[GraphBuilder], GraphBuilder]


def found(rule: str, build: Build, layout: Layout = "NCHW", **options: Any) -> list[Finding]:
    graph = normalize(build(GraphBuilder(layout)).graph())
    report = check_graph(graph, load_target("k210@1.9", options=options))
    return [finding for finding in report.findings if finding.rule == rule]


@pytest.mark.parametrize(
    ("build", "layout", "count"),
    [
        (lambda g: g.input(1, 3, 32, 32).conv(3, 8), "NCHW", 1),
        (lambda g: g.input(1, 32, 32, 1).conv(1, 8), "NHWC", 1),
        # Four channels, or a vector, come from no camera.
        (lambda g: g.input(1, 4, 32, 32).conv(4, 8), "NCHW", 0),
        (lambda g: g.input(1, 3).gemm(3, 8), "NCHW", 0),
        # The network scales its input itself.
        (lambda g: g.input(1, 3, 32, 32).op("Div", g.constant(np.float32([255]))).conv(3, 8), "NCHW", 0),
        # An input that is a sum of two is not scaled by a constant.
        (lambda g: g.input(1, 3, 8, 8).input(1, 3, 8, 8).at("x").op("Add", "x1").conv(3, 8), "NCHW", 2),
    ],
)
def test_which_inputs_are_pictures(build: Build, layout: Layout, count: int) -> None:
    assert len(found("KPU411", build, layout)) == count


def test_bytes_need_no_advice() -> None:
    assert found("KPU411", lambda g: g.conv(3, 8), input_type="uint8") == []


def test_scaling_of_several_operators_is_one_finding() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        mean, scale = (g.constant(np.float32(value).reshape(3, 1, 1)) for value in ((1, 2, 3), (4, 5, 6)))
        return g.input(1, 3, 32, 32).op("Sub", mean).op("Mul", scale).conv(3, 8)

    (finding,) = found("KPU412", build)
    assert finding.node == "sub_0"
    assert finding.message == "Sub, Mul on input 'x' run on the CPU over the whole 1x3x32x32 picture (2x Binary)"


def test_scaling_later_in_the_network_is_something_else() -> None:
    assert found("KPU412", lambda g: g.conv(3, 8).op("Mul", g.zeros(8, 1, 1))) == []


def weighted(*weights: float) -> Build:
    """A 1x1 convolution of so many channels to one."""
    value = np.float32(weights).reshape(1, -1, 1, 1)
    return lambda g: g.input(1, len(weights), 8, 8).op("Conv", g.constant(value), shape=(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("weights", "wide"),
    [
        ((-32.0, 32.0), False),
        ((-32.0, 32.5), True),
        # Zero belongs to every range.
        ((65.0, 66.0), True),
        ((63.0, 62.0), False),
    ],
)
def test_weight_range(weights: tuple[float, ...], wide: bool) -> None:
    assert bool(found("KPU413", weighted(*weights))) is wide


def test_weight_range_has_its_numbers() -> None:
    (finding,) = found("KPU413", weighted(-32.0, 96.0))
    assert "weights span -32 to 96, more than 64" in finding.message
    assert "8 bits leave steps of 0.75" in finding.message


@pytest.mark.parametrize(
    ("weights", "uneven"),
    [
        ((1.0, *[0.01] * 60), True),
        ((0.2, *[0.01] * 60), False),
        # Zeros were pruned: they need no steps.
        ((1.0, 0.9, *[0.0] * 60), False),
        ((0.0, 0.0), False),
    ],
)
def test_outliers(weights: tuple[float, ...], uneven: bool) -> None:
    assert bool(found("KPU414", weighted(*weights))) is uneven


def test_depthwise_weights_of_tflite_are_by_the_last_axis() -> None:
    weights = np.full((1, 3, 3, 8), 0.1, "float32")
    weights[..., 5] = 50.0  # all of channel 5 alike: no outlier in it, but a wide range over all

    def build(g: GraphBuilder) -> GraphBuilder:
        g.input(1, 16, 16, 8)
        attributes = {"group": 8, "depth_multiplier": 1, "pads": (1, 1, 1, 1), "strides": (1, 1)}
        return g.op("Conv", g.constant(weights), g.zeros(8), shape=(1, 16, 16, 8), **attributes)

    assert found("KPU414", build, "NHWC") == []


def test_quantised_weights_are_not_looked_at() -> None:
    assert found("KPU413", lambda g: g.conv(8, 8).quantized(has_range=True), "NHWC") == []
