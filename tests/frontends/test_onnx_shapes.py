"""Shapes of ONNX files: what the file states, what inference adds, and what the user gives instead."""

from __future__ import annotations

import pytest
from onnx import helper
from onnx_models import graph_of, made, value

from lintmodel.errors import UsageError
from lintmodel.frontends.onnx import read_onnx


def test_dimensions_as_the_file_has_them() -> None:
    model = made([helper.make_node("Relu", ["x"], ["y"])], [value("x", [0, "N", None, 3])], [value("y", None)])
    model.graph.input[0].type.tensor_type.shape.dim.add(dim_value=-1)
    assert read_onnx(model).tensor("x").shape == (0, "N", "?", 3, "?")


def test_only_what_the_file_states_is_declared() -> None:
    graph = graph_of(
        """net (float[1,8] x) => (float[1,8] y) <float[1,8] a>
        { a = Relu(x) b = Sigmoid(a) y = Tanh(b) }"""
    )
    assert {n: (graph.tensor(n).shape, graph.tensor(n).declared) for n in ("x", "a", "b", "y")} == {
        "x": ((1, 8), True),
        "a": ((1, 8), True),
        "b": ((1, 8), False),
        "y": ((1, 8), True),
    }
    assert graph.tensor("b").dtype == "float32"


def test_a_value_info_without_a_shape_declares_none() -> None:
    model = made([helper.make_node("Relu", ["x"], ["y"])], [value("x", [1, 8])], [value("y", None)])
    tensor = read_onnx(model).tensor("y")
    assert (tensor.shape, tensor.declared, tensor.listed) == ((1, 8), False, True)


def test_symbols_survive_inference_and_made_up_ones_do_not() -> None:
    graph = graph_of(
        """net (float[N,8] x, bool[N] c) => (float[?,?] y, float[N,8] z)
        { y = Compress<axis=0>(x, c) z = Relu(x) }"""
    )
    assert graph.tensor("z").shape == ("N", 8)
    assert graph.tensor("y").shape == ("?", 8)


def test_a_stated_number_wins_over_inference() -> None:
    assert graph_of("net (float[1,8] x) => (float[1,9] y) { y = Relu(x) }").tensor("y").shape == (1, 9)


ZEROS = ",".join("0" * 8 * 3 * 3 * 3)
DYNAMIC = (
    "net (float[N,3,H,W] images, float[N,4] boxes) => (float[N,M] y, float[N,4] z) "
    "<float[N,8,H,W] a, float[8,3,3,3] w = {" + ZEROS + "}, int64[2] s = {0,-1}> { "
    "a = Conv<pads=[1,1,1,1]>(images, w) b = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a) y = Reshape(b, s) "
    "z = Relu(boxes) }"
)


def test_input_shapes_replace_symbols_everywhere() -> None:
    before = graph_of(DYNAMIC)
    assert before.tensor("a").shape == ("N", 8, "H", "W")
    assert before.tensor("y").shape == ("N", "M")
    graph = graph_of(DYNAMIC, input_shapes={"images": [2, 3, 32, 64]})
    shapes = {n: graph.tensor(n).shape for n in ("images", "boxes", "a", "b", "y", "z")}
    assert shapes == {
        "images": (2, 3, 32, 64),
        "boxes": (2, 4),
        "a": (2, 8, 32, 64),
        "b": (2, 8, 16, 32),
        "y": (2, 4096),
        "z": (2, 4),
    }
    assert [graph.tensor(n).declared for n in ("images", "a", "b", "y")] == [True, True, False, True]


def test_input_shapes_may_change_a_size_the_file_fixes() -> None:
    text = (
        "net (float[1,3,64,64] x) => (float[1,8,32,32] y) <float[1,8,64,64] a, float[8,3,3,3] w = {" + ZEROS + "}> "
        "{ a = Conv<pads=[1,1,1,1]>(x, w) y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a) }"
    )
    graph = graph_of(text, input_shapes={"x": (1, 3, 32, 32)})
    assert [graph.tensor(n).shape for n in ("x", "a", "y")] == [(1, 3, 32, 32), (1, 8, 32, 32), (1, 8, 16, 16)]
    assert graph.tensor("a").declared


def test_inputs_that_share_a_symbol_may_get_different_sizes() -> None:
    text = "net (float[N,4] a, float[N,4] b) => (float[N,4] y, float[N,4] z) { y = Relu(a) z = Relu(b) }"
    graph = graph_of(text, input_shapes={"a": (1, 4), "b": (2, 4)})
    assert (graph.tensor("y").shape, graph.tensor("z").shape) == ((1, 4), (2, 4))


@pytest.mark.parametrize(
    ("shapes", "sentence"),
    [
        (
            {"image": (1, 3, 8, 8)},
            "the model has no input 'image' (its inputs: images, boxes); did you mean 'images'?",
        ),
        ({"q": (1,)}, "the model has no input 'q' (its inputs: images, boxes)"),
        ({"w": (8, 3, 3, 3)}, "the model has no input 'w' (its inputs: images, boxes)"),
        (
            {"images": (3, 8, 8)},
            "input 'images' has 4 dimensions ([N, 3, H, W]), the shape given for it has 3 (3x8x8)",
        ),
        ({"boxes": (-1, 4)}, "the shape given for input 'boxes' has a negative size (-1x4)"),
    ],
)
def test_input_shapes_that_do_not_fit(shapes: dict[str, tuple[int, ...]], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        graph_of(DYNAMIC, input_shapes=shapes)
    assert str(raised.value) == sentence
