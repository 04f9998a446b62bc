"""Where RKNN moves data: Reshape and Transpose rows, attention, normalisation, and what of it runs on the CPU."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lintmodel.api import check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target
from rules.rknn.compiler.views import Move, View, as_it_is, moves

Build = Callable[[GraphBuilder], GraphBuilder]
Row = tuple[str, str, tuple[int, ...]]


def rows(build: Build, chip: str = "rk3588", *, quantized: bool = False) -> list[Row]:
    target = load_target(chip, options={"quantized": quantized})
    report = check_graph(normalize(build(GraphBuilder()).graph()), target)
    return [(step.op, step.unit, tuple(int(size) for size in step.shape)) for step in report.plan.steps]


def view(shape: tuple[int, ...], *asked: Move) -> View:
    result: View | None = as_it_is("x", shape)
    for kind, argument in asked:
        assert result is not None
        result = result.transposed(argument) if kind == "Transpose" else result.reshaped(argument)
    assert result is not None
    return result


@pytest.mark.parametrize(
    ("shape", "asked", "done"),
    [
        ((1, 16, 8, 8), [("Transpose", (0, 2, 3, 1)), ("Transpose", (0, 3, 1, 2))], []),
        ((1, 16, 8, 8), [("Reshape", (1, 16, 64)), ("Reshape", (1, 16, 8, 8))], []),
        ((1, 8, 64, 196), [("Reshape", (8, 64, 1, 196))], [("Transpose", (1, 2, 0, 3))]),
        (
            (1, 255, 20, 20),
            [("Reshape", (1, 3, 85, 20, 20)), ("Transpose", (0, 1, 3, 4, 2))],
            [("Reshape", (3, 85, 20, 20)), ("Transpose", (0, 2, 3, 1)), ("Reshape", (1, 3, 20, 20, 85))],
        ),
        (
            (1, 64, 16, 16),
            [
                ("Reshape", (512, 2, 8, 2)),
                ("Transpose", (0, 2, 1, 3)),
                ("Reshape", (1, 64, 64, 4)),
                ("Transpose", (0, 3, 2, 1)),
                ("Reshape", (4, 64, 64)),
                ("Transpose", (0, 2, 1)),
                ("Reshape", (4, 64, 1, 64)),
            ],
            [("Reshape", (512, 2, 8, 2)), ("Transpose", (1, 3, 0, 2)), ("Reshape", (4, 64, 1, 64))],
        ),
    ],
)
def test_what_is_owed_is_done_with_the_fewest_rows(shape: tuple[int, ...], asked: list[Move], done: list[Move]) -> None:
    assert moves(view(shape, *asked)) == done


def test_axes_that_cut_across_one_another_are_no_view() -> None:
    assert as_it_is("x", (3, 4)).reshaped((2, 6)) is None


def test_one_tensor_stored_like_another_needs_what_differs() -> None:
    turned, plain = view((1, 8, 1, 16), ("Transpose", (0, 3, 2, 1))), as_it_is("y", (1, 16, 1, 8))
    like = plain.stored_like(turned)
    assert like is not None
    assert moves(like) == [("Transpose", (0, 3, 2, 1))]
    assert not turned.same_layout(plain)


def attention(g: GraphBuilder) -> GraphBuilder:
    g = g.input(1, 8, 196, 64)
    query = g.current
    g = g.op("Transpose", perm=(0, 1, 3, 2), shape=(1, 8, 64, 196))
    key = g.current
    g = (
        g.at(query)
        .op("MatMul", key, shape=(1, 8, 196, 196))
        .op("Mul", g.constant(np.float32(0.125)), shape=(1, 8, 196, 196))
    )
    return g.op("Softmax", axis=-1, shape=(1, 8, 196, 196)).op("MatMul", query, shape=(1, 8, 196, 64))


def test_attention_is_one_layer_where_the_npu_has_it() -> None:
    ops = [op for op, _, _ in rows(attention)]
    assert "exSDPAttention" in ops
    assert not {"exMatMul", "exSoftmax13", "Mul"} & set(ops)


def test_attention_in_parts_has_its_softmax_on_the_cpu_of_rk3566() -> None:
    made = rows(attention, "rk3566")
    assert [(op, unit) for op, unit, _ in made if op.startswith("ex")] == [
        ("exMatMul", "npu"),
        ("exSoftmax13", "cpu"),
        ("exMatMul", "npu"),
    ]


def layer_norm(g: GraphBuilder) -> GraphBuilder:
    g = g.input(1, 50, 100)
    scale, offset = g.zeros(100), g.zeros(100)
    return g.op("LayerNormalization", scale, offset, axis=-1, epsilon=1e-5, shape=(1, 50, 100))


def test_layer_norm_brings_its_axis_to_the_channels_and_back() -> None:
    assert rows(layer_norm) == [
        ("Reshape", "cpu", (1, 50, 1, 100)),
        ("Transpose", "npu", (1, 100, 1, 50)),
        ("exNorm", "npu", (1, 100, 1, 50)),
        ("Transpose", "npu", (1, 50, 1, 100)),
        ("Reshape", "cpu", (1, 50, 100)),
    ]


def test_what_a_cpu_row_reads_and_writes_is_relabelled_for_nothing() -> None:
    made = rows(layer_norm, "rk3566")
    assert [(op, unit) for op, unit, _ in made] == [
        ("Reshape", "npu"),
        ("Transpose", "cpu"),
        ("exNorm", "npu"),
        ("Transpose", "cpu"),
        ("Reshape", "npu"),
    ]


def test_a_classifier_ends_in_float16() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        return g.conv(3, 16).global_average_pool().flatten().gemm(16, 10).op("Softmax", axis=-1, shape=(1, 10))

    assert [op for op, _, _ in rows(build, quantized=True)][-3:] == ["exDataConvert", "exSoftmax13", "Reshape"]
    assert [op for op, _, _ in rows(build)][-2:] == ["exSoftmax13", "Reshape"]


def test_operators_the_toolkit_does_not_know_keep_their_rank() -> None:
    made = rows(lambda g: g.input(1, 16, 32).op("Round", shape=(1, 16, 32)).relu())
    assert [(op, unit) for op, unit, _ in made] == [
        ("Round", "cpu"),
        ("Reshape", "npu"),
        ("Relu", "npu"),
        ("Reshape", "npu"),
    ]


@pytest.mark.parametrize(("rows_of", "unit"), [(4, "cpu"), (8, "npu"), (20, "cpu")])
def test_rows_become_width_on_the_npu_in_blocks(rows_of: int, unit: str) -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        g = g.input(512, 100)
        right = g.current
        return g.input(rows_of, 512).op("Gemm", right, shape=(rows_of, 100))

    assert ("Transpose", unit, (1, 512, 1, rows_of)) in rows(build)


def test_a_softmax_over_part_of_the_channels_needs_no_transpose() -> None:
    def build(g: GraphBuilder) -> GraphBuilder:
        g = g.input(1, 3, 32, 32).conv(3, 64).op("Reshape", g.constant([1, 4, 16, 1024]), shape=(1, 4, 16, 1024))
        g = g.op("Transpose", perm=(0, 2, 1, 3), shape=(1, 16, 4, 1024)).op("Softmax", axis=1, shape=(1, 16, 4, 1024))
        g = g.op("Conv", g.zeros(1, 16, 1, 1), kernel_shape=(1, 1), shape=(1, 1, 4, 1024))
        return g.op("Reshape", g.constant([1, 4, 1024]), shape=(1, 4, 1024))

    assert [(op, shape) for op, _, shape in rows(build)[1:4]] == [
        ("Reshape", (4, 16, 1, 1024)),
        ("exSoftmax13", (4, 16, 1, 1024)),
        ("Conv", (4, 1, 1, 1024)),
    ]
    assert not [op for op, _, _ in rows(build) if op == "Transpose"]
