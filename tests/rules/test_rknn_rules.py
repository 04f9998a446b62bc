"""Refusals, suspects and placement of RKNN plans, where they depend on the chip, the precision or the neighbours."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.planning import Placement
from lintmodel.target import load_target

Build = Callable[[GraphBuilder], GraphBuilder]


def planned(build: Build, chip: str = "rk3588", **options: object) -> Report:
    return check_graph(normalize(build(GraphBuilder()).graph()), load_target(chip, options=options))


def kinds(build: Build, chip: str = "rk3588", **options: object) -> list[str]:
    return [refusal.kind for refusal in planned(build, chip, **options).plan.refusals]


def padded(g: GraphBuilder, value: float = 0.0, **attributes: object) -> GraphBuilder:
    """A Pad by one pixel, behind a convolution."""
    amounts, filling = g.constant([0, 0, 1, 1, 0, 0, 1, 1]), g.constant(np.float32(value))
    return g.conv(8, 8).op("Pad", amounts, filling, shape=(1, 8, 34, 34), **attributes)


def transposed(kernel: int, stride: int) -> Build:
    pads = (kernel - stride) // 2
    return lambda g: g.conv_transpose(16, 16, kernel=kernel, stride=stride, pad=pads)


@pytest.mark.parametrize(
    ("build", "refused"),
    [
        (lambda g: padded(g).conv(8, 8), True),
        (lambda g: padded(g).depthwise(8), True),
        (lambda g: padded(g, 1.0).conv(8, 8), False),
        (lambda g: padded(g, mode="reflect").conv(8, 8), False),
        (lambda g: padded(g).relu().conv(8, 8), False),
        (lambda g: padded(g).output().conv(8, 8), False),
    ],
)
def test_pad_is_only_refused_where_convolutions_take_it_in(build: Build, refused: bool) -> None:
    assert (kinds(build) == ["pad-before-conv"]) is refused


def test_amounts_that_are_computed_are_no_problem() -> None:
    """ONNX Runtime folds them into an array that can be written to."""

    def build(g: GraphBuilder) -> GraphBuilder:
        amounts = g.at(g.constant([0, 0, 1, 1, 0, 0, 1, 1])).op("Identity").current
        return g.input(1, 8, 32, 32).op("Pad", amounts, shape=(1, 8, 34, 34)).conv(8, 8)

    assert kinds(build) == []


@pytest.mark.parametrize(
    ("stride", "wrong"),
    [(7, False), (8, False), (9, True), (10, False), (14, False), (15, True), (16, False), (18, True)],
)
def test_strides_of_convolutions(stride: int, wrong: bool) -> None:
    report = planned(lambda g: g.conv(8, 16, stride=stride, size=64))
    assert report.plan.verdict == ("miscompiled" if wrong else "accepted")
    assert [finding.rule for finding in report.findings if finding.level == 3] == ["RKN204"] * wrong


@pytest.mark.parametrize(("stride", "wrong"), [(9, False), (11, True), (15, False), (16, False)])
def test_strides_of_max_pools(stride: int, wrong: bool) -> None:
    assert (kinds(lambda g: g.conv(8, 8, size=64).max_pool(3, stride)) == ["stride-overflow"]) is wrong


@pytest.mark.parametrize(
    ("chip", "kernel", "stride", "expected"),
    [
        ("rk3588", 16, 8, []),
        ("rk3588", 16, 16, []),
        ("rk3588", 32, 16, ["stride-overflow"]),
        ("rk3588", 64, 32, ["conv-transpose-tile"]),
        ("rk3566", 32, 16, []),
        ("rk3576", 32, 16, ["conv-transpose-tile"]),
        ("rv1126b", 32, 16, ["stride-overflow"]),
    ],
)
def test_transposed_convolutions(chip: str, kernel: int, stride: int, expected: list[str]) -> None:
    assert kinds(transposed(kernel, stride), chip) == expected


@pytest.mark.parametrize(
    ("chip", "kernel", "width", "refused"),
    [
        ("rk3588", 7, 8000, False),
        ("rk3562", 7, 4000, False),
        ("rk3562", 7, 4200, True),
        ("rk3562", 1, 8000, False),
        ("rv1103b", 7, 1740, False),
        ("rv1103b", 7, 1760, True),
        ("rv1103b", 1, 4200, True),
        ("rk2118", 3, 2720, False),
        ("rk2118", 3, 2740, True),
    ],
)
def test_width_of_the_image(chip: str, kernel: int, width: int, refused: bool) -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        return g.input(1, 3, 16, width).conv(3, 8, kernel=kernel)

    assert ("image-width" in kinds(build, chip)) is refused


def test_every_reason_is_given() -> None:
    found = kinds(lambda g: padded(g).conv(8, 8).op("Resize", shape=(1, 8, 68, 68), mode="cubic"))
    assert found == ["pad-before-conv", "cubic-resize"]


def test_a_network_with_a_refused_pad_still_has_its_rows() -> None:
    plan = planned(lambda g: padded(g).conv(8, 8)).plan
    assert plan.verdict == "rejected"
    assert list(plan.placements.values())[1] is Placement.UNSUPPORTED
    assert Placement.ACCELERATED in plan.placements.values()


def test_shapes_that_are_not_known_leave_the_verdict_open() -> None:
    plan = planned(
        lambda g: g.conv(8, 8).op("Reshape", g.constant([0, -1]), shape=(1, "n")).op("Mystery", shape=("a",))
    )
    plan = plan.plan
    assert plan.verdict in ("unknown", "rejected")
    assert plan.not_checked


@pytest.mark.parametrize(("chip", "runtime"), [("rk3588", "ok"), ("rv1106", "fails"), ("rk2118", "fails")])
def test_cpu_rows_need_a_kernel_on_the_board(chip: str, runtime: str) -> None:
    report = planned(lambda g: g.conv(8, 8).op("Floor"), chip)
    assert report.plan.verdict == "accepted"
    assert report.plan.runtime == runtime
    assert ("RKN601" in {finding.rule for finding in report.findings}) is (runtime == "fails")


def test_placement_of_helper_rows_and_fused_nodes() -> None:
    plan = planned(lambda g: g.conv(8, 16).relu().op("Softmax", axis=1), "rk3566").plan
    assert list(plan.placements.values())[:2] == [Placement.ACCELERATED, Placement.FREE]
    assert list(plan.placements.values())[2] in (Placement.FALLBACK, Placement.PARTIAL)


def test_precisions_that_a_chip_does_not_have() -> None:
    assert kinds(lambda g: g.conv(8, 8), "rv1106", quantized=False) == ["no-float16"]
    assert kinds(lambda g: g.conv(8, 8), "rk2118", quantized=True) == ["no-int8"]
    assert kinds(lambda g: g.conv(8, 8), "rk2118") == []
