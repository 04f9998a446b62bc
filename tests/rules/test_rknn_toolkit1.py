"""RKNN-Toolkit 1.x: the vendor's table of operators and limits."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target

Build = Callable[[GraphBuilder], GraphBuilder]


def checked(make: Build, target: str = "rk1808", opset: int = 12) -> Report:
    return check_graph(normalize(make(GraphBuilder(opset=opset)).graph()), load_target(target))


def errors(report: Report) -> list[str]:
    return [f.rule for f in report.findings if f.level.name == "ERROR"]


@pytest.mark.parametrize("target", ["rk1808", "rk3399pro", "rv1109", "rv1126", "rk3399pro@1.6"])
def test_what_the_table_has_is_accepted_and_all_on_the_npu(target: str) -> None:
    report = checked(lambda g: g.conv(3, 8).batch_norm(8).silu().max_pool(2).global_average_pool().flatten(), target)
    assert (report.verdict, report.runtime, report.fits) == ("accepted", "unknown", "unknown")
    assert {step.unit for step in report.plan.steps} == {"npu"}
    assert report.counts["accelerated"] == len(report.nodes)
    assert [entry.what for entry in report.not_checked] == ["layers, memory and speed"]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda g: g.conv(3, 8).op("Softplus"), "loads no Softplus"),
        (lambda g: g.conv(3, 8).op("Elu", alpha=0.5), "alpha is 0.5"),
        (lambda g: g.conv(3, 8).op("Erf"), "loads no Erf"),
        (lambda g: g.conv(3, 8, kernel=3, dilation=(2, 3), pads=(2, 3, 2, 3)), "dilations are 2 and 3"),
        (lambda g: g.conv(3, 8).op("MaxPool", kernel_shape=(2, 2), strides=(2, 2), ceil_mode=1), "ceil_mode is 1"),
        (lambda g: g.input(1, 8, 16).op("MaxPool", kernel_shape=(2,), strides=(1,)), "of one dimension"),
        (lambda g: g.input(1, 8, 4, 4, 4).op("AveragePool", kernel_shape=(2, 2, 2)), "of three dimensions"),
        (lambda g: g.conv(3, 8).op("ArgMax", axis=1, keepdims=1), "keepdims is 1"),
        (lambda g: g.conv(3, 8).op("Pow", g.constant(np.float32(-2))), "the exponent is -2"),
        (lambda g: g.input(8).op("Softmax"), "the input has one dimension"),
    ],
)
def test_what_it_does_not_load(make: Build, says: str) -> None:
    report = checked(make)
    assert report.verdict == "rejected"
    assert any(says in finding.message for finding in report.findings), [f.message for f in report.findings]
    assert set(errors(report)) <= {"RKN190", "RKN191"}


def test_composites_are_loaded_though_their_parts_are_not() -> None:
    def gelu(g: GraphBuilder) -> GraphBuilder:
        x = g.conv(3, 8).current
        half = g.constant(np.float32(0.5))
        erf = g.op("Div", g.constant(np.float32(np.sqrt(2)))).op("Erf").op("Add", g.constant(np.float32(1))).current
        return g.at(x).op("Mul", erf).op("Mul", half)

    assert errors(checked(gelu)) == []


def test_opsets() -> None:
    assert [checked(lambda g: g.conv(3, 8), opset=n).verdict for n in (8, 12, 13, 17)] == [
        *("accepted", "accepted", "rejected", "rejected"),
    ]


def test_an_operator_that_the_table_does_not_have_is_not_known() -> None:
    report = checked(lambda g: g.conv(3, 8).op("Einsum", equation="abcd->abcd"))
    assert report.verdict == "unknown"
    assert any(entry.nodes for entry in report.not_checked)
