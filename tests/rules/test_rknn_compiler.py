"""What RKNN makes of convolutions and pools: kinds of layers and the shapes they write."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.rules.rknn.compiler import compile_graph
from lintmodel.rules.rknn.program import Program
from lintmodel.target import load_target

Build = Callable[[GraphBuilder], GraphBuilder]


def compiled(build: Build, chip: str = "rk3588", *, quantized: bool = True) -> Program:
    return compile_graph(normalize(build(GraphBuilder()).graph()), load_target(chip), quantized=quantized)


def kinds(build: Build, chip: str = "rk3588", *, quantized: bool = True) -> list[str]:
    return [layer.kind for layer in compiled(build, chip, quantized=quantized).layers]


def sizes(build: Build) -> list[int]:
    """Heights of what the layers write."""
    program = compiled(build)
    return [program.shape(layer.outputs[0])[2] for layer in program.layers]


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (lambda g: g.conv(16, 16).relu(), ["ConvRelu"]),
        (lambda g: g.conv(16, 16).clip(), ["ConvClip"]),
        (lambda g: g.conv(16, 16).silu(), ["ConvExSwish"]),
        (lambda g: g.conv(16, 16).batch_norm(16).relu(), ["ConvRelu"]),
        (lambda g: g.conv(16, 16).op("Abs"), ["ConvLeakyRelu"]),
        (lambda g: g.conv_transpose(16, 16, kernel=2, stride=2).silu(), ["ConvTransposeexSwish"]),
    ],
)
def test_activations_go_into_the_convolution(build: Build, expected: list[str]) -> None:
    assert kinds(build) == expected


def test_chips_without_tables_keep_the_activation_apart() -> None:
    assert kinds(lambda g: g.conv(16, 16).silu(), "rv1103b") == ["Conv", "exSwish"]
    assert kinds(lambda g: g.conv(16, 16).silu(), "rk2118", quantized=False) == ["Conv", "exSwish"]
    assert kinds(lambda g: g.conv(16, 16, bias=False).silu(), "rk2118", quantized=False) == ["ConvExSwish"]


def residual(g: GraphBuilder) -> GraphBuilder:
    """A shortcut of one convolution beside a branch of two."""
    main: Build = lambda b: b.conv(16, 16).relu().conv(16, 16)  # noqa: E731
    return g.conv(16, 16).relu().branch(main, lambda b: b.conv(16, 16, kernel=1)).relu()


def test_the_shortcut_adds_what_the_longer_branch_made() -> None:
    assert kinds(residual) == ["ConvRelu", "ConvRelu", "Conv", "ConvAddRelu"]
    assert kinds(residual, "rk2118", quantized=False)[-1] == "AddRelu"


def test_sums_of_convolutions_of_one_tensor_are_one() -> None:
    small: Build = lambda b: b.conv(16, 16, kernel=1)  # noqa: E731
    assert kinds(lambda g: g.conv(16, 16).relu().branch(small, small)) == ["ConvRelu", "Conv"]
    assert kinds(lambda g: g.conv(16, 16).relu().branch(small, lambda b: b.conv(16, 16))) == ["ConvRelu", "Conv"]


@pytest.mark.parametrize(
    ("kernel", "expected"), [(7, ["MaxPool"]), (13, ["MaxPool"] * 2), (15, ["MaxPool"] * 3), (19, ["MaxPool"] * 3)]
)
def test_large_pools_are_cascades(kernel: int, expected: list[str]) -> None:
    found = kinds(lambda g: g.conv(16, 16).max_pool(kernel, 1, (kernel // 2,) * 4))
    assert found == ["Conv", *expected]


def test_global_means_are_chains_of_convolutions() -> None:
    assert sizes(lambda g: g.conv(16, 16, size=112).global_average_pool()) == [112, 16, 3, 1]
    assert sizes(lambda g: g.conv(16, 16, size=7).global_average_pool()) == [7, 1]


def test_small_means_are_convolutions_where_the_chip_has_no_pool() -> None:
    mean: Build = lambda g: g.conv(16, 16).average_pool(2, 2)  # noqa: E731
    assert kinds(mean) == ["Conv", "AveragePool"]
    assert kinds(mean, "rk3562", quantized=False) == ["Conv", "Conv"]


def test_long_strides_are_two_layers_if_they_are_even() -> None:
    assert sizes(lambda g: g.conv(16, 16, stride=8, size=80)) == [20, 10]
    assert sizes(lambda g: g.conv(16, 16, stride=9, size=80)) == [9]


def test_wide_kernels_are_added_up() -> None:
    found = kinds(lambda g: g.conv(16, 16, kernel=17, size=64))
    assert found.count("Slice") == 6 and found.count("ConvAdd") == 2 and found[-1] == "Add"


def test_input_channels_are_split_by_the_reach_of_the_window() -> None:
    dilated = kinds(lambda g: g.conv(64, 320, kernel=1).relu().conv(320, 64, dilation=6))
    assert dilated[1:3] == ["Split", "Conv"] and dilated.count("ConvAdd") == 19
    assert "Split" not in kinds(lambda g: g.conv(64, 320, kernel=1).relu().conv(320, 64))


def test_groups() -> None:
    assert kinds(lambda g: g.conv(64, 64, groups=4)) == ["Conv"]
    assert kinds(lambda g: g.conv(64, 64, groups=2)) == ["Split", "Conv", "Conv", "Concat"]


def test_strides_that_are_not_transposed() -> None:
    build: Build = lambda g: g.conv_transpose(16, 16, kernel=3, stride=3, size=16)  # noqa: E731
    assert kinds(build) == ["exConvTransposePad", "Conv"]
    assert kinds(build, "rk3562") == ["ConvTranspose"]


def test_a_branch_of_zero_weights_vanishes() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        weight = g.constant(np.ones((16, 16, 1, 1), np.float32))
        g.input(1, 16, 32, 32).op("Conv", weight, shape=(1, 16, 32, 32), kernel_shape=(1, 1)).relu()
        return g.branch(lambda b: b.conv(16, 16).relu().conv(16, 16), lambda b: b.max_pool(3, 1, (1, 1, 1, 1)))

    assert kinds(build) == ["ConvRelu", "MaxPool", "Add"]


def test_activations_wait_until_nothing_else_can_run() -> None:
    deep: Build = lambda b: b.conv(16, 8, kernel=1).silu().conv(8, 8).silu()  # noqa: E731
    program = compiled(
        lambda g: g.conv(16, 16).silu().branch(deep, lambda b: b.conv(16, 8, kernel=1).silu(), join="Concat")
    )
    weights = [program.shape(layer.inputs[1])[2] for layer in program.layers if layer.kind == "ConvExSwish"]
    assert weights == [3, 1, 1, 3]  # the second branch runs before the rest of the first


def test_files_that_store_channels_last_are_turned() -> None:
    built = GraphBuilder("NHWC").conv(16, 32, size=(8, 4)).depthwise(32).graph()
    program = compile_graph(normalize(built), load_target("rk3588"), quantized=True)
    assert [program.shape(layer.outputs[0]) for layer in program.layers] == [(1, 32, 8, 4)] * 2
    assert [program.shape(layer.inputs[1]) for layer in program.layers] == [(32, 16, 3, 3), (1, 32, 3, 3)]
