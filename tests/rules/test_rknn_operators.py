"""What RKNN-Toolkit2 makes of elementwise operators, reductions, slices and concatenations: the rows of its log."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.rules.rknn.compiler import compile_graph
from lintmodel.target import load_target

Build = Callable[[GraphBuilder], GraphBuilder]


def rows(build: Build, target: str = "rk3588") -> list[tuple[str, tuple[int, ...]]]:
    """Kind and first output's shape of every row."""
    graph = normalize(build(GraphBuilder()).graph())
    program = compile_graph(graph, load_target(target), quantized=target != "rk2118")
    return [(layer.kind, program.shape(layer.outputs[0])) for layer in program.layers]


def kinds(build: Build, target: str = "rk3588") -> list[str]:
    return [kind for kind, _ in rows(build, target)]


def with_constant(op: str, value: object, *, shape: Sequence[int] = (1, 16, 32, 32)) -> Build:
    return lambda g: (lambda x: x.op(op, x.constant(np.asarray(value, np.float32))))(g.input(*shape))


def reduced(op: str, axes: Sequence[int], source: Sequence[int], result: Sequence[int]) -> Build:
    return lambda g: g.input(*source).op(op, shape=tuple(result), axes=tuple(axes), keepdims=len(source) == len(result))


@pytest.mark.parametrize(
    ("op", "value", "kind"),
    [
        ("Sub", 1.5, "Add"),
        ("Div", 1.5, "Mul"),
        ("Max", 1.5, "Max"),
        ("Neg", None, "Mul"),
        ("Abs", None, "LeakyRelu"),
        ("Reciprocal", None, "Div"),
    ],
)
def test_operators_with_another_spelling(op: str, value: float | None, kind: str) -> None:
    build = with_constant(op, value) if value is not None else lambda g: g.input(1, 16, 32, 32).op(op)
    assert kinds(build) == [kind]


def test_other_ranks_are_four_axes_between_reshapes() -> None:
    assert rows(lambda g: g.input(1, 197, 768).op("Relu")) == [
        ("Reshape", (1, 197, 1, 768)),
        ("Relu", (1, 197, 1, 768)),
        ("Reshape", (1, 197, 768)),
    ]
    assert rows(lambda g: g.input(4, 64).op("Relu"))[1] == ("Relu", (1, 4, 1, 64))


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        (reduced("ReduceMean", (2, 3), (1, 16, 14, 14), (1, 16, 1, 1)), ["Conv", "Conv"]),
        (reduced("ReduceMean", (1,), (1, 16, 32, 32), (1, 1, 32, 32)), ["Conv"]),
        (reduced("ReduceMean", (2,), (1, 16, 32, 32), (1, 16, 1, 32)), ["Transpose", "Conv", "Transpose"]),
        (reduced("ReduceMean", (2,), (1, 197, 768), (1, 197, 1)), ["Reshape", "Transpose", "Conv", "Reshape"]),
        (reduced("ReduceSum", (1,), (1, 197, 768), (1, 768)), ["Reshape", "Conv", "Reshape"]),
        (reduced("ReduceL2", (1,), (1, 16, 32, 32), (1, 1, 32, 32)), ["Pow", "Conv", "Pow"]),
        (reduced("ReduceMax", (2, 3), (1, 16, 32, 32), (1, 16)), ["ReduceMax", "Reshape"]),
        (reduced("ReduceProd", (2, 3), (1, 16, 32, 32), (1, 16, 1, 1)), ["ReduceProd"]),
    ],
)
def test_reductions(build: Build, expected: list[str]) -> None:
    assert kinds(build) == expected


def test_a_known_index_is_a_slice_and_known_channels_a_convolution() -> None:
    def gather(index: object, axis: int, shape: tuple[int, ...]) -> Build:
        def build(g: GraphBuilder) -> GraphBuilder:
            g.input(1, 16, 32, 32)
            return g.op("Gather", g.constant(np.asarray(index, np.int64)), shape=shape, axis=axis)

        return build

    assert kinds(gather(3, 3, (1, 16, 32))) == ["Slice", "Reshape"]
    assert kinds(gather([4, 5, 6], 3, (1, 16, 32, 3))) == ["Slice"]
    assert kinds(gather([0, 3, 5], 3, (1, 16, 32, 3))) == ["Gather"]
    assert kinds(gather([9, 3, 5], 1, (1, 3, 32, 32))) == ["Conv"]


def test_slices_that_take_a_tensor_apart_are_one_split() -> None:
    def part(start: int) -> Build:
        return lambda g: g.op("Slice", shape=(1, 8, 32, 32), starts=(start,), ends=(start + 8,), axes=(1,)).relu()

    def build(g: GraphBuilder) -> GraphBuilder:
        return g.input(1, 16, 32, 32).branch(part(0), part(8), join="Mul")

    assert kinds(build) == ["Split", "Relu", "Relu", "Mul"]


def conv(g: GraphBuilder, out: int, kernel: int) -> GraphBuilder:
    """A convolution with weights that are not zero."""
    batch, channels, height, width = g.shape
    weight = g.constant(np.full((out, int(channels), kernel, kernel), 0.5, np.float32))
    return g.op("Conv", weight, shape=(batch, out, height, width), pads=(kernel // 2,) * 4)


def parts(channels: Sequence[int], out: int) -> Build:
    """Convolutions of one tensor, concatenated, with a 1x1 convolution behind."""

    def member(count: int) -> Build:
        return lambda g: conv(g, count, 3).op("Tanh")

    def build(g: GraphBuilder) -> GraphBuilder:
        joined = g.input(1, 16, 32, 32).branch(*map(member, channels), join="Concat")
        return conv(joined, out, 1)

    return build


@pytest.mark.parametrize(
    ("channels", "out", "apart"),
    [
        ((20, 12), 16, True),  # not aligned
        ((8, 24), 16, False),
        ((16, 16), 16, False),
        ((16, 32), 16, True),  # fewer numbers moved
        ((32, 32), 32, False),
        ((32, 32, 32), 16, True),
        ((128, 128, 128, 128), 256, False),
    ],
)
def test_concatenations_before_a_convolution(channels: tuple[int, ...], out: int, apart: bool) -> None:
    found = kinds(parts(channels, out))
    assert ("Concat" not in found) is apart
    assert found.count("ConvAdd") == (len(channels) - 1 if apart else 0)


def test_an_image_that_no_convolution_reads_is_copied() -> None:
    assert kinds(lambda g: g.input(1, 3, 64, 64).op("SpaceToDepth", shape=(1, 12, 32, 32), blocksize=2)) == [
        "Conv",
        "SpaceToDepth",
    ]
    assert kinds(lambda g: conv(g.input(1, 3, 64, 64), 16, 3)) == ["Conv"]


def test_pixel_shuffles_and_borders() -> None:
    shuffle: Build = lambda g: g.input(1, 64, 16, 16).op("DepthToSpace", shape=(1, 16, 32, 32), blocksize=2)  # noqa: E731
    assert kinds(shuffle) == ["ConvTranspose"]
    pad: Build = lambda g: g.input(1, 16, 32, 32).op("Pad", shape=(1, 16, 34, 34), pads=(0, 0, 1, 1, 0, 0, 1, 1))  # noqa: E731
    assert kinds(pad) == ["Pad"]
    assert kinds(lambda g: pad(g).max_pool(3, 2)) == ["MaxPool"]
