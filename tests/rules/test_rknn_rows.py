"""Operators in a row that the toolkit makes one layer of. Expected layers as recorded with rknn-toolkit2 2.5.0."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from lintmodel.api import check_graph
from lintmodel.ir import Graph, GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.rules.rknn.compiler import compile_graph
from lintmodel.target import load_target

YOLO = ((0, 0), (1, 0), (0, 1), (1, 1))


def kinds(g: GraphBuilder) -> list[str]:
    return [layer.kind for layer in compile_graph(normalize(g.graph()), load_target("rk3588"), quantized=True).layers]


def _cut(g: GraphBuilder, source: str, starts: Sequence[int], axes: Sequence[int], shape: Sequence[int]) -> str:
    numbers = (g.constant(list(each)) for each in (starts, [2**31 - 1] * len(axes), axes, [2] * len(axes)))
    return g.at(source).op("Slice", *numbers, shape=tuple(shape)).current


def _focus(order: Sequence[tuple[int, int]], *, chained: bool = False) -> GraphBuilder:
    g = GraphBuilder().input(1, 3, 64, 64)
    image, parts = g.current, []
    for row, column in order:
        if chained:
            rows = _cut(g, image, [row], [2], (1, 3, 32, 64))
            parts.append(_cut(g, rows, [column], [3], (1, 3, 32, 32)))
        else:
            parts.append(_cut(g, image, [row, column], [2, 3], (1, 3, 32, 32)))
    return g.at(parts[0]).op("Concat", *parts[1:], shape=(1, 12, 32, 32), axis=1).conv(12, 16)


@pytest.mark.parametrize(("first", "second"), [("Max", "Min"), ("Min", "Max")])
def test_two_bounds_are_a_clip(first: str, second: str) -> None:
    g = GraphBuilder().conv(8, 16)
    bounds = {"Max": -1.0, "Min": 6.0}
    g.op(first, g.constant(bounds[first])).op(second, g.constant(bounds[second]))
    assert kinds(g) == ["ConvClip"]


def test_one_bound_stays() -> None:
    g = GraphBuilder().conv(8, 16)
    assert kinds(g.op("Min", g.constant(6.0))) == ["Conv", "Min"]


def test_focus_of_flat_slices_is_a_convolution() -> None:
    assert kinds(_focus(YOLO)) == ["Conv", "Conv"]


def test_in_another_order_the_slices_stay() -> None:
    assert kinds(_focus(((0, 0), (0, 1), (1, 0), (1, 1)))).count("Slice") == 4


def test_two_slices_in_a_row_are_one() -> None:
    assert kinds(_focus(YOLO, chained=True)).count("Slice") == 4


def _fixes(graph: Graph) -> dict[str, str]:
    report = check_graph(normalize(graph), load_target("rk3588"))
    return {finding.rule: finding.fix.id for finding in report.findings if finding.fix is not None}


def test_focus_is_said_where_it_runs_on_the_cpu() -> None:
    assert _fixes(_focus(YOLO, chained=True).graph()) == {"RKN155": "focus-to-conv", "RKN902": "focus-to-conv"}
    assert "RKN902" not in _fixes(_focus(YOLO).graph())


def test_other_formats_get_no_rewrite() -> None:
    g = GraphBuilder().conv(8, 16)
    graph = g.op("Min", g.constant(6.0)).graph()
    assert _fixes(graph)["RKN904"] == "min-max-to-clip"
    assert "RKN904" not in _fixes(graph.with_(format="tflite"))
