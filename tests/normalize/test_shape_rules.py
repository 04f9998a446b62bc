"""Shapes of outputs from shapes of inputs: by table, against onnx on random graphs, and never against the file."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from lintmodel.ir import Constant, Graph, GraphBuilder, Layout, Node, Shape, Source, Tensor
from lintmodel.normalize import propagate

Input = Shape | list[Any] | None
"""A shape; a list is a constant's value; None an input whose rank is unknown."""


def one_node(
    op: str, inputs: list[Input], attributes: dict[str, Any], outputs: int, layout: Layout, native: str
) -> Graph:
    """A graph of one node, nothing stated about its outputs."""
    tensors = {}
    for index, given_as in enumerate(inputs):
        name = f"i{index}"
        if isinstance(given_as, list):
            array = np.array(given_as, np.float32 if any(isinstance(v, float) for v in given_as) else np.int64)
            tensors[name] = Tensor(name, array.shape, str(array.dtype), Constant.of(array))
        else:
            tensors[name] = Tensor(name, given_as, "float32")
    names = tuple(f"o{index}" for index in range(outputs))
    node = Node("n", op, tuple(tensors), names, attributes, Source(native_op=native or op), layout=layout)
    return Graph("g", "onnx", ("i0",), names, (node,), tensors)


def shapes_of(
    op: str,
    inputs: list[Input],
    attributes: dict[str, Any] | None = None,
    outputs: int = 1,
    layout: Layout = "NCHW",
    native: str = "",
) -> list[Shape | None]:
    graph = propagate(one_node(op, inputs, attributes or {}, outputs, layout, native))
    assert graph.problems == ()
    return [graph.tensor(f"o{index}").shape for index in range(outputs)]


IMAGE: Shape = (1, 8, 32, 32)
OPEN: Shape = ("N", 8, "H", "W")
K3: dict[str, Any] = {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1)}

TABLE: list[tuple[str, list[Input], dict[str, Any], list[Shape | None]]] = [
    # value by value
    ("Relu", [OPEN], {}, [OPEN]),
    ("Relu", [None], {}, [None]),
    ("Add", [(1, 8, 1, 1), OPEN], {}, [OPEN]),
    ("Add", [("N", 8), ("M", 8)], {}, [("?", 8)]),
    ("Add", [("?", 8), (4, 8)], {}, [(4, 8)]),
    ("Add", [(1, 8, 4, 4), (8,)], {"broadcast": 1, "axis": 1}, [(1, 8, 4, 4)]),
    ("Where", [(4, 1), (1, 3), (2, 1, 1)], {}, [(2, 4, 3)]),
    ("Sum", [(4, 1), (1, 3), (1,)], {}, [(4, 3)]),
    # windows
    ("Conv", [IMAGE, (16, 8, 3, 3)], {"strides": (2, 2), **K3}, [(1, 16, 16, 16)]),
    ("Conv", [OPEN, (16, 8, 3, 3)], K3, [("N", 16, "H", "W")]),
    ("Conv", [OPEN, (16, 8, 3, 3)], {**K3, "strides": (2, 1)}, [("N", 16, "?", "W")]),
    ("Conv", [IMAGE, (16, 8, 3, 3)], {"auto_pad": "SAME_UPPER", "strides": (3, 3)}, [(1, 16, 11, 11)]),
    ("Conv", [IMAGE, (16, 8, 3, 3)], {"auto_pad": "VALID", "dilations": (2, 2)}, [(1, 16, 28, 28)]),
    ("Conv", [(1, 8, 100), (16, 8, 5)], {"pads": (2, 2), "strides": (2,)}, [(1, 16, 50)]),
    ("Conv", [IMAGE, None], {}, [None]),
    ("QLinearConv", [IMAGE, [1.0], [0], (16, 8, 3, 3), [1.0], [0], [1.0], [0]], K3, [(1, 16, 32, 32)]),
    ("ConvTranspose", [IMAGE, (8, 4, 2, 2)], {"strides": (2, 2)}, [(1, 4, 64, 64)]),
    ("ConvTranspose", [IMAGE, (8, 4, 3, 3)], {"strides": (2, 2), "auto_pad": "SAME_UPPER"}, [(1, 4, 64, 64)]),
    (
        "ConvTranspose",
        [IMAGE, (8, 4, 3, 3)],
        {"strides": (2, 2), "pads": (1, 1, 1, 1), "output_padding": (1, 1), "group": 2},
        [(1, 8, 64, 64)],
    ),
    ("ConvTranspose", [IMAGE, (8, 4, 3, 3)], {"strides": (2, 2), "output_shape": (65, 66)}, [(1, 4, 65, 66)]),
    ("MaxPool", [(1, 8, 7, 7)], {"kernel_shape": (3, 3), "strides": (2, 2)}, [(1, 8, 3, 3)]),
    ("MaxPool", [(1, 8, 8, 8)], {"kernel_shape": (3, 3), "strides": (2, 2), "ceil_mode": 1}, [(1, 8, 4, 4)]),
    # a third window would begin in the padding
    (
        "MaxPool",
        [(1, 8, 3, 3)],
        {"kernel_shape": (1, 1), "strides": (2, 2), "pads": (0, 0, 1, 1), "ceil_mode": 1},
        [(1, 8, 2, 2)],
    ),
    ("GlobalAveragePool", [OPEN], {}, [("N", 8, 1, 1)]),
    ("Resize", [IMAGE, [], [1.0, 1.0, 2.0, 2.0]], {}, [(1, 8, 64, 64)]),
    ("Resize", [(1, 8, 13, 13), [], [1.0, 1.0, 2.0000001, 2.0]], {}, [(1, 8, 26, 26)]),
    ("Resize", [OPEN, [], [1.0, 1.0, 2.0, 2.0]], {}, [("N", 8, "?", "?")]),
    ("Resize", [OPEN, [], [], [1, 8, 40, 40]], {}, [(1, 8, 40, 40)]),
    ("Resize", [OPEN, [], [], [40, 40]], {"axes": (2, 3)}, [("N", 8, 40, 40)]),
    (
        "Resize",
        [OPEN, [], [], [40, 50]],
        {"axes": (2, 3), "keep_aspect_ratio_policy": "not_larger"},
        [("N", 8, "?", "?")],
    ),
    ("Resize", [IMAGE, [1.0, 1.0, 0.5, 0.5]], {}, [(1, 8, 16, 16)]),
    ("Upsample", [IMAGE], {"scales": (1.0, 1.0, 2.0, 2.0)}, [(1, 8, 64, 64)]),
    ("DepthToSpace", [IMAGE], {"blocksize": 2}, [(1, 2, 64, 64)]),
    ("SpaceToDepth", [IMAGE], {"blocksize": 2}, [(1, 32, 16, 16)]),
    # products
    ("Gemm", [("N", 8), (16, 8)], {"transB": 1}, [("N", 16)]),
    ("Gemm", [(8, 4), (8, 16)], {"transA": 1}, [(4, 16)]),
    ("MatMul", [(2, 1, 4, 8), (3, 8, 5)], {}, [(2, 3, 4, 5)]),
    ("MatMul", [(8,), (8, 5)], {}, [(5,)]),
    ("MatMul", [("N", 4, 8), (8,)], {}, [("N", 4)]),
    ("MatMul", [(8,), (8,)], {}, [()]),
    # the same elements in another order
    ("Reshape", [("N", 8, 4, 4), [0, -1]], {}, [("N", 128)]),
    ("Reshape", [("N", 8, 4, 4), [-1, 128]], {}, [("?", 128)]),
    ("Reshape", [("N", 8, 1, 1), [-1, 8]], {}, [("?", 8)]),
    ("Reshape", [("N", 1, 1), [1, -1]], {}, [(1, "N")]),
    ("Reshape", [(2, 8, 4, 4), [-1, 64]], {}, [(4, 64)]),
    ("Reshape", [(0, 3), [0, 3]], {"allowzero": 1}, [(0, 3)]),
    ("Reshape", [(2, 8), (3,)], {}, [("?", "?", "?")]),
    ("Reshape", [(2, 8)], {"shape": (4, 4)}, [(4, 4)]),
    ("Flatten", [("N", 8, 4, 4)], {}, [("N", 128)]),
    ("Flatten", [(2, 8, 4)], {"axis": -1}, [(16, 4)]),
    ("Flatten", [(2, 8, 4)], {"axis": 0}, [(1, 64)]),
    ("Transpose", [OPEN], {"perm": (0, 2, 3, 1)}, [("N", "H", "W", 8)]),
    ("Transpose", [(2, 3, 4)], {}, [(4, 3, 2)]),
    ("Squeeze", [(1, 8, 1, "W"), [0, -2]], {}, [(8, "W")]),
    ("Squeeze", [(1, 8, 1)], {}, [(8,)]),
    ("Squeeze", [("N", 8, 1)], {}, [None]),
    ("Unsqueeze", [("N", 8)], {"axes": (0, -1)}, [(1, "N", 8, 1)]),
    # parts and joins
    ("Concat", [(1, 8, 4), (1, 3, 4)], {"axis": -2}, [(1, 11, 4)]),
    ("Concat", [("N", 8), ("?", 3)], {"axis": 1}, [("N", 11)]),
    ("Concat", [("N", 8), (2, 8)], {"axis": 0}, [("?", 8)]),
    ("Concat", [None, ("N", 8)], {"axis": 1}, [("N", "?")]),
    ("Split", [(1, 9), [4, 5]], {"axis": 1}, [(1, 4), (1, 5)]),
    ("Split", [(1, 9)], {"axis": -1, "num_outputs": 2}, [(1, 5), (1, 4)]),
    ("Split", [(1, 9)], {"axis": 1, "split": (2, 7)}, [(1, 2), (1, 7)]),
    ("Slice", [(1, 8, 9), [0, 1], [-1, 100], [1, 2], [1, 2]], {}, [(1, 7, 4)]),
    ("Slice", [(1, 8), [-1], [-100], [1], [-1]], {}, [(1, 8)]),
    ("Slice", [(1, 8), [-9], [-100], [1], [-1]], {}, [(1, 1)]),
    ("Slice", [("N", 8), [0], [2**63 - 1], [0]], {}, [("N", 8)]),
    ("Slice", [("N", 8), [1], [2**63 - 1], [0]], {}, [("?", 8)]),
    ("Slice", [("N", 8), (1,), (1,), [1]], {}, [("N", "?")]),
    ("Slice", [("N", 8), (1,), (1,), (1,)], {}, [("?", "?")]),
    ("Slice", [(1, 8)], {"starts": (2,), "ends": (5,), "axes": (1,)}, [(1, 3)]),
    ("Pad", [("N", 8, 4), [0, 1, 2, 0, 3, 4]], {}, [("N", 12, 10)]),
    ("Pad", [("N", 8), [1, 1], [], [1]], {}, [("N", 10)]),
    ("Pad", [(1, 8)], {"pads": (0, -1, 0, -2)}, [(1, 5)]),
    ("Pad", [("N", 8), (4,)], {}, [("?", "?")]),
    ("Gather", [(5, "M", 7), (2, 3)], {"axis": 1}, [(5, 2, 3, 7)]),
    ("Gather", [(5, 6), [2]], {}, [(1, 6)]),
    ("GatherND", [(2, 3, 4), (5, 2)], {}, [(5, 4)]),
    ("GatherElements", [(2, 3), (2, 1)], {"axis": 1}, [(2, 1)]),
    ("Expand", [(8, 1), [2, 1, 6]], {}, [(2, 8, 6)]),
    ("Tile", [("N", 8), [1, 3]], {}, [("N", 24)]),
    # fewer or more elements
    ("ReduceMean", [OPEN], {"axes": (2, 3)}, [("N", 8, 1, 1)]),
    ("ReduceMean", [OPEN, [-1, 2]], {"keepdims": 0}, [("N", 8)]),
    ("ReduceSum", [OPEN], {"keepdims": 0}, [()]),
    ("ReduceSum", [OPEN], {"noop_with_empty_axes": 1}, [OPEN]),
    ("ReduceMax", [OPEN, (1,)], {}, [("?", "?", "?", "?")]),
    ("ArgMax", [(2, 3, 4)], {"axis": -1, "keepdims": 0}, [(2, 3)]),
    ("TopK", [(2, 30), [5]], {}, [(2, 5), (2, 5)]),
    ("OneHot", [("N", 3), [10], [0, 1]], {"axis": 1}, [("N", 10, 3)]),
    # shapes as values
    ("Shape", [OPEN], {}, [(4,)]),
    ("Shape", [OPEN], {"start": 1, "end": -1}, [(2,)]),
    ("ConstantOfShape", [[2, 3]], {}, [(2, 3)]),
    ("ConstantOfShape", [(3,)], {}, [("?", "?", "?")]),
    ("NonZero", [(2, 3)], {}, [(2, "?")]),
    ("NonMaxSuppression", [(1, 100, 4), (1, 80, 100)], {}, [("?", 3)]),
    ("GridSample", [IMAGE, (1, 5, 6, 2)], {}, [(1, 8, 5, 6)]),
]


@pytest.mark.parametrize(("op", "inputs", "attributes", "expected"), TABLE)
def test_shapes(op: str, inputs: list[Input], attributes: dict[str, Any], expected: list[Shape | None]) -> None:
    assert shapes_of(op, inputs, attributes, len(expected)) == expected


@pytest.mark.parametrize(
    ("op", "inputs", "attributes", "message"),
    [
        ("Add", [(3, 8), (4, 8)], {}, "its inputs have 3 and 4 elements along one axis"),
        ("Conv", [IMAGE, (16, 4, 3, 3)], {}, "its input has 8 channels, its weights are for 4"),
        ("Conv", [(1, 8, 2, 2), (16, 8, 5, 5)], {}, "its window spans 5 pixels, its input has 2"),
        (
            "MaxPool",
            [(1, 8, 2, 2)],
            {"kernel_shape": (4, 4), "pads": (1, 0, 0, 0)},
            "its window spans 4 pixels, its input has 2 and 1 of padding",
        ),
        ("MatMul", [(4, 8), (9, 5)], {}, "its first input has 8 columns, its second 9 rows; a product needs as many"),
    ],
)
def test_inputs_that_do_not_go_together(op: str, inputs: list[Input], attributes: dict[str, Any], message: str) -> None:
    graph = propagate(one_node(op, inputs, attributes, 1, "NCHW", ""))
    assert graph.tensor("o0").shape is None
    assert [(p.kind, p.message, p.node) for p in graph.problems] == [("invalid-graph", message, "n")]
    assert propagate(graph).problems == graph.problems


@pytest.mark.parametrize(("bounds", "expected"), [((0, 10, 3), 4), ((5, 0, -2), 3), ((0, -3, 1), 0)])
def test_range(bounds: tuple[int, int, int], expected: int) -> None:
    g = GraphBuilder()
    g.current = g.constant(np.int64(bounds[0]))
    g.op("Range", g.constant(np.int64(bounds[1])), g.constant(np.int64(bounds[2])), shape=("?",))
    graph = propagate(g.graph())
    assert graph.tensor(g.current).shape == (expected,)
    assert graph.integers(g.current) == tuple(range(*bounds))


NHWC: list[tuple[str, list[Input], dict[str, Any], str, list[Shape | None]]] = [
    ("Conv", [(1, 32, 32, 8), (16, 3, 3, 8)], {"auto_pad": "SAME_UPPER", "strides": (2, 2)}, "", [(1, 16, 16, 16)]),
    (
        "Conv",
        [(1, 32, 30, 8), (1, 3, 3, 16)],
        {"auto_pad": "VALID", "group": 8, "depth_multiplier": 2},
        "DEPTHWISE_CONV_2D",
        [(1, 30, 28, 16)],
    ),
    (
        "Conv",
        [(1, 32, 32, 1), (1, 3, 3, 4)],
        {"auto_pad": "SAME_UPPER", "group": 1, "depth_multiplier": 4},
        "DEPTHWISE_CONV_2D",
        [(1, 32, 32, 4)],
    ),
    ("MaxPool", [("N", 8, 6, 3)], {"kernel_shape": (2, 2), "strides": (2, 2)}, "", [("N", 4, 3, 3)]),
    ("GlobalAveragePool", [(1, 8, 6, 3)], {}, "", [(1, 1, 1, 3)]),
    ("DepthToSpace", [(1, 8, 6, 12)], {"blocksize": 2}, "", [(1, 16, 12, 3)]),
    ("Resize", [(1, 8, 6, 3), [16, 12]], {"mode": "linear"}, "RESIZE_BILINEAR", [(1, 16, 12, 3)]),
    (
        "ConvTranspose",
        [(1, 8, 8, 4), (6, 3, 3, 4), (6,), [1, 16, 16, 6]],
        {"strides": (2, 2)},
        "TRANSPOSE_CONV",
        [(1, 16, 16, 6)],
    ),
    ("Gemm", [(2, 16), (8, 32)], {"transB": 1}, "FULLY_CONNECTED", [None]),  # a row of 32 is two rows of the input
    ("MatMul", [(2, 8, 4), (2, 5, 8)], {"adj_x": 1, "adj_y": 1}, "BATCH_MATMUL", [(2, 4, 5)]),
    ("Transpose", [(2, 3, 4), [2, 0, 1]], {}, "TRANSPOSE", [(4, 2, 3)]),
    ("Stack", [(2, 3), (2, 3)], {"axis": -1}, "PACK", [(2, 3, 2)]),
    ("Unstack", [(2, 3)], {"axis": 1}, "UNPACK", [(2,), (2,), (2,)]),
    ("Slice", [(2, 3), [0], [1]], {}, "SLICE", [("?", "?")]),
    ("Slice", [(2, 3)], {"starts": (0,), "ends": (1,), "axes": (0,), "shrink_axis_mask": 1}, "STRIDED_SLICE", [None]),
    ("Gather", [(2, 5, 3), (2, 4)], {"axis": 1, "batch_dims": 1}, "GATHER", [(2, 4, 3)]),
    ("Where", [(2,), (2, 3), (2, 3)], {}, "SELECT", [(2, 3)]),
    ("ReduceMean", [(1, 8, 6, 3), [1, 2]], {"keepdims": 0}, "MEAN", [(1, 3)]),
]


@pytest.mark.parametrize(("op", "inputs", "attributes", "native", "expected"), NHWC)
def test_shapes_of_operators_as_tflite_has_them(
    op: str, inputs: list[Input], attributes: dict[str, Any], native: str, expected: list[Shape | None]
) -> None:
    assert shapes_of(op, inputs, attributes, len(expected), "NHWC", native) == expected


@pytest.mark.parametrize("op", [name for name, *_ in TABLE if name not in ("Sum",)])
def test_nodes_without_inputs_or_attributes_are_no_trouble(op: str) -> None:
    graph = one_node(op, [], {}, 1, "NCHW", "")
    assert propagate(graph).tensor("o0").shape in (None, (), ("?", 3))


# ---- the whole walk


def test_a_stated_size_stands_and_the_contradiction_is_told() -> None:
    graph = propagate(GraphBuilder().conv(8, 16).op("Relu", shape=(1, 16, 31, 32)).op("Sigmoid").graph())
    assert graph.tensor("relu_0_out").shape == (1, 16, 31, 32)
    assert graph.tensor("sigmoid_0_out").shape == (1, 16, 31, 32)
    message = "the file states that the result is 1x16x31x32; from its inputs it is 1x16x32x32"
    assert [(p.kind, p.message, p.node) for p in graph.problems] == [("shape-conflict", message, "relu_0")]


def test_a_stated_symbol_is_no_contradiction_and_gives_way_to_a_number() -> None:
    graph = propagate(GraphBuilder().input(1, 8).op("Relu", shape=("N", 8)).graph())
    assert graph.tensor("relu_0_out").shape == (1, 8)
    assert graph.problems == ()


def test_what_was_only_inferred_gives_way() -> None:
    """onnx's inference counts pooling windows that begin in the padding, which no runtime makes."""
    g = GraphBuilder().input(1, 1, 3, 3)
    g.op("MaxPool", shape=(1, 1, 3, 3), kernel_shape=(1, 1), strides=(2, 2), pads=(0, 0, 1, 1), ceil_mode=1)
    graph = propagate(g.relu().without_value_info().graph())
    assert graph.tensor("maxpool_0_out").shape == (1, 1, 2, 2)
    assert [p.kind for p in graph.problems] == ["shape-conflict"]  # with the stated shape of the output


def test_contradictions_are_not_told_where_a_signature_leaves_sizes_open() -> None:
    g = GraphBuilder().input(1, 8).op("Relu", shape=(1, 9)).problem("dynamic-signature", "open")
    assert [p.kind for p in propagate(g.graph()).problems] == ["dynamic-signature"]


def test_inferred_shapes_are_not_declared_and_have_a_type() -> None:
    graph = one_node("Greater", [(1, 8), (8,)], {}, 1, "NCHW", "")
    tensor = propagate(graph).tensor("o0")
    assert (tensor.shape, tensor.declared, tensor.dtype) == ((1, 8), False, "bool")


def test_operators_of_other_domains_are_not_taken_for_onnx_s() -> None:
    g = GraphBuilder().input(1, 8).op("Relu", shape=("?", "?"), domain="my.ops")
    assert propagate(g.graph()).tensor(g.current).shape == ("?", "?")


def test_bodies_of_control_flow_are_walked_too() -> None:
    from onnx import parser

    from lintmodel.frontends.onnx import read_onnx
    from lintmodel.normalize import normalize

    model = parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 17]> net (bool c, float[1,8] x) => (y) { y = If (c) <
            then_branch = a () => (u) { t = Sigmoid(x) u = Mul(x, t) },
            else_branch = b () => (v) { v = Neg(x) }
        > }"""
    )
    body = normalize(read_onnx(model)).nodes[0].subgraphs["then_branch"]
    assert body.tensor("u").shape == (1, 8)
    assert [c.op for c in body.composites] == ["SiLU"]


# ---- against onnx


@st.composite
def chains(draw: st.DrawFn) -> onnx.ModelProto:
    """A chain of operators behind one input, with weights and parameters that mostly fit."""
    shape = [
        draw(st.integers(1, 3)),
        draw(st.sampled_from([2, 4, 8])),
        draw(st.integers(4, 12)),
        draw(st.integers(4, 12)),
    ]
    symbolic = draw(st.booleans())
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    rank, channels, current = 4, shape[1], "x"

    def constant(value: Any) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value), f"c{len(constants)}"))
        return constants[-1].name

    def add(op: str, *others: str, outputs: int = 1, **attributes: Any) -> None:
        nonlocal current
        made = [f"t{len(nodes)}_{k}" for k in range(outputs)]
        nodes.append(helper.make_node(op, [current, *others], made, **attributes))
        current = made[0]

    small = st.integers(1, 3)
    for _ in range(draw(st.integers(1, 6))):
        axis = draw(st.integers(-rank, rank - 1))
        choice = draw(st.integers(0, 15))
        if choice == 0 and rank == 4 and channels:
            kernel, filters = draw(small), draw(st.sampled_from([2, 4]))
            weight = constant(np.zeros((filters, channels, kernel, kernel), np.float32))
            pads = draw(st.lists(st.integers(0, 2), min_size=4, max_size=4))
            add("Conv", weight, strides=[draw(small)] * 2, pads=pads, dilations=[draw(st.integers(1, 2))] * 2)
            channels = filters
        elif choice == 1 and rank == 4:
            kernel = draw(st.integers(1, 3))
            pads = draw(st.lists(st.integers(0, kernel - 1), min_size=4, max_size=4))
            stride = draw(small)
            # onnx also counts windows that begin behind the input; onnxruntime and PyTorch do not.
            ceil = 0 if any(pads[2:]) or stride > kernel else draw(st.integers(0, 1))
            add("MaxPool", kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=pads, ceil_mode=ceil)
        elif choice == 2 and rank == 4 and channels:
            filters, kernel = draw(st.sampled_from([2, 4])), draw(small)
            weight = constant(np.zeros((channels, filters, kernel, kernel), np.float32))
            stride = draw(st.integers(1, 3))
            add("ConvTranspose", weight, strides=[stride] * 2, output_padding=[draw(st.integers(0, stride - 1))] * 2)
            channels = filters
        elif choice == 3 and rank == 4:
            scales = constant(np.array([1, 1, draw(st.sampled_from([0.5, 1, 1.5, 2])), 2], np.float32))
            nodes.append(helper.make_node("Resize", [current, "", scales], [f"t{len(nodes)}_0"], mode="nearest"))
            current = nodes[-1].output[0]
        elif choice == 4:
            add("Reshape", constant(np.array([0, -1], np.int64)))
            rank = 2
        elif choice == 5:
            add("Transpose", perm=draw(st.permutations(range(rank))))
        elif choice == 6:
            start, end = draw(st.integers(-4, 4)), draw(st.integers(-4, 8))
            step = draw(st.sampled_from([1, 2, -1]))
            add("Slice", *(constant(np.array([v], np.int64)) for v in (start, end, axis, step)))
        elif choice == 7:
            pads = draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank))
            add("Pad", constant(np.array(pads, np.int64)))
        elif choice == 8:
            keep = draw(st.integers(0, 1))
            add("ReduceMean", axes=[axis], keepdims=keep)
            rank -= 1 - keep
        elif choice == 9:
            add("Unsqueeze", constant(np.array([axis], np.int64)))
            rank += 1
        elif choice == 10:
            add("Concat", current, axis=axis)
        elif choice == 11:
            index = constant(np.zeros(draw(st.sampled_from([(), (1,), (2, 2)])), np.int64))
            add("Gather", index, axis=axis)
            rank += len(constants[-1].dims) - 1
        elif choice == 12:
            add("Flatten", axis=draw(st.integers(0, rank)))
            rank = 2
        elif choice == 13:
            add("Add", constant(np.zeros((1,) * draw(st.integers(0, 5)), np.float32)))
            rank = max(rank, len(constants[-1].dims))
        elif choice == 14:
            add("Tile", constant(np.array(draw(st.lists(small, min_size=rank, max_size=rank)), np.int64)))
        else:
            add("Sigmoid")
        if choice in (5, 6, 7, 10, 11, 13, 14):
            channels = 0  # no longer known here: a convolution behind it may not fit, and onnx leaves it open
        if rank == 0:
            break
    dims: list[Any] = ["N", *shape[1:]] if symbolic else list(shape)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, dims)],
        [helper.make_tensor_value_info(current, TensorProto.FLOAT, None)],
        initializer=constants,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@settings(max_examples=150, deadline=None)
@given(model=chains())
def test_shapes_agree_with_onnx(model: onnx.ModelProto) -> None:
    from lintmodel.frontends.onnx import read_onnx

    try:
        theirs = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except onnx.shape_inference.InferenceError:
        return  # the parameters drawn do not fit
    read = read_onnx(theirs)
    bare = read.with_(tensors={n: t for n, t in read.tensors.items() if n in read.inputs or t.constant is not None})
    found = propagate(bare)
    for node in read.nodes:
        for name in node.outputs:
            ours, expected = found.tensor(name).shape, read.tensor(name).shape
            if ours is None:  # a window that is larger than its input, which onnx does not mind
                assert node.op in ("Conv", "MaxPool"), node
                return
            if expected is None:
                continue
            assert len(ours) == len(expected), (node, ours, expected)
            for a, b in zip(ours, expected, strict=True):
                assert a == b or isinstance(a, str) or isinstance(b, str), (node, ours, expected)
                assert isinstance(a, int) or isinstance(b, str), (node, "onnx knows more", ours, expected)
            assert found.tensor(name).dtype == read.tensor(name).dtype
