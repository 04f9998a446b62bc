"""TFLite files become graphs in ONNX's words."""

from __future__ import annotations

import re
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tflite_writer import Op, Subgraph, T, ints, tflite_model

from lintmodel.frontends.tflite import read_tflite
from lintmodel.ir import (
    Conv,
    ConvTranspose,
    Gemm,
    Graph,
    GraphBuilder,
    Node,
    Pad,
    Quantization,
    Reduce,
    Slice,
    Transpose,
    view,
    view_as,
)

SHARED = Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture
def graph_of(tmp_path: Path) -> Any:
    def read(*arguments: Any, **options: Any) -> Graph:
        path = tmp_path / "m.tflite"
        path.write_bytes(tflite_model(*arguments, **options))
        return read_tflite(path)

    return read


def kinds(graph: Graph) -> list[str]:
    return [problem.kind for problem in graph.problems]


# ---- operators: (operator, further inputs as constants, canonical operator, inputs, attributes)

X = T("x", (1, 8, 6, 4))
RELU6, TANH = 3, 4
WINDOW = {"StrideW": 2, "StrideH": 1, "Padding": 1}
AS_ONNX = {"strides": (1, 2), "auto_pad": "VALID"}
LAST = 2**31 - 1


OPERATORS: list[tuple[str, Op, list[T], str, str, dict[str, Any]]] = [
    (
        "conv",
        Op("CONV_2D", "x w b", "y", "Conv2DOptions", **WINDOW, DilationHFactor=3, FusedActivationFunction=RELU6),
        [T("w", (5, 3, 3, 4)), T("b", (5,))],
        "Conv",
        "x w b",
        AS_ONNX | {"dilations": (3, 1), "group": 1, "activation": "Relu6"},
    ),
    (
        "grouped conv",
        Op("CONV_2D", "x w -", "y", "Conv2DOptions", StrideW=1, StrideH=1),
        [T("w", (8, 3, 3, 2))],
        "Conv",
        "x w -",
        {"strides": (1, 1), "auto_pad": "SAME_UPPER", "dilations": (1, 1), "group": 2},
    ),
    (
        "depthwise",
        Op("DEPTHWISE_CONV_2D", "x w", "y", "DepthwiseConv2DOptions", **WINDOW, DepthMultiplier=2),
        [T("w", (1, 3, 3, 8))],
        "Conv",
        "x w",
        AS_ONNX | {"dilations": (1, 1), "group": 4, "depth_multiplier": 2},
    ),
    (
        "transposed conv",
        Op("TRANSPOSE_CONV", "s w x", "y", "TransposeConvOptions", **WINDOW),
        [ints("s", 1, 8, 12, 5), T("w", (5, 3, 3, 4))],
        "ConvTranspose",
        "x w - s",
        AS_ONNX | {"group": 1},
    ),
    (
        "pool",
        Op("MAX_POOL_2D", "x", "y", "Pool2DOptions", **WINDOW, FilterWidth=2, FilterHeight=3),
        [],
        "MaxPool",
        "x",
        AS_ONNX | {"kernel_shape": (3, 2)},
    ),
    (
        "dense",
        Op("FULLY_CONNECTED", "x w -", "y", "FullyConnectedOptions", KeepNumDims=True, FusedActivationFunction=TANH),
        [T("w", (5, 4))],
        "Gemm",
        "x w -",
        {"transB": 1, "keep_num_dims": 1, "weights_format": 0, "activation": "Tanh"},
    ),
    (
        "matmul",
        Op("BATCH_MATMUL", "x x", "y", "BatchMatMulOptions", AdjY=True),
        [],
        "MatMul",
        "x x",
        {"adj_x": 0, "adj_y": 1},
    ),
    ("add", Op("ADD", "x x", "y", "AddOptions", FusedActivationFunction=1), [], "Add", "x x", {"activation": "Relu"}),
    ("mul without options", Op("MUL", "x x", "y"), [], "Mul", "x x", {}),
    ("relu6", Op("RELU6", "x", "y"), [], "Clip", "x", {"min": 0.0, "max": 6.0}),
    ("relu1", Op("RELU_N1_TO_1", "x", "y"), [], "Clip", "x", {"min": -1.0, "max": 1.0}),
    ("leaky", Op("LEAKY_RELU", "x", "y", "LeakyReluOptions", Alpha=0.25), [], "LeakyRelu", "x", {"alpha": 0.25}),
    ("softmax", Op("SOFTMAX", "x", "y", "SoftmaxOptions", Beta=2.0), [], "Softmax", "x", {"axis": -1, "beta": 2.0}),
    ("logistic", Op("LOGISTIC", "x", "y"), [], "Sigmoid", "x", {}),
    ("gelu", Op("GELU", "x", "y", "GeluOptions", Approximate=True), [], "Gelu", "x", {"approximate": "tanh"}),
    (
        "response normalisation",
        Op(
            "LOCAL_RESPONSE_NORMALIZATION", "x", "y", "LocalResponseNormalizationOptions", Radius=2, Alpha=0.5, Beta=1.5
        ),
        [],
        "LRN",
        "x",
        {"size": 5, "alpha": 2.5, "beta": 1.5, "bias": 0.0},
    ),
    (
        "mean",
        Op("MEAN", "x a", "y", "ReducerOptions", KeepDims=True),
        [ints("a", 1, 2)],
        "ReduceMean",
        "x a",
        {"keepdims": 1},
    ),
    ("arg max", Op("ARG_MAX", "x a", "y"), [ints("a", -1, shape=())], "ArgMax", "x a", {"keepdims": 0, "axis": -1}),
    (
        "reshape",
        Op("RESHAPE", "x s", "y", "ReshapeOptions", NewShape=[1, -1]),
        [ints("s", 1, -1)],
        "Reshape",
        "x s",
        {"new_shape": (1, -1)},
    ),
    ("squeeze", Op("SQUEEZE", "x", "y", "SqueezeOptions", SqueezeDims=[0]), [], "Squeeze", "x", {"axes": (0,)}),
    ("expand", Op("EXPAND_DIMS", "x a", "y"), [ints("a", -1, shape=())], "Unsqueeze", "x a", {"axes": (-1,)}),
    ("transpose", Op("TRANSPOSE", "x p", "y"), [ints("p", 0, 3, 1, -2)], "Transpose", "x p", {"perm": (0, 3, 1, 2)}),
    ("concat", Op("CONCATENATION", "x x", "y", "ConcatenationOptions", Axis=-1), [], "Concat", "x x", {"axis": -1}),
    ("pack", Op("PACK", "x x", "y", "PackOptions", Axis=1, ValuesCount=2), [], "Stack", "x x", {"axis": 1}),
    ("unpack", Op("UNPACK", "x", "y", "UnpackOptions", Axis=3, Num=4), [], "Unstack", "x", {"axis": 3, "num": 4}),
    (
        "split",
        Op("SPLIT", "a x", "y z", "SplitOptions", NumSplits=2),
        [ints("a", 3, shape=()), T("z", (1, 8, 6, 2))],
        "Split",
        "x - a",
        {"axis": 3, "num_outputs": 2},
    ),
    (
        "split by sizes",
        Op("SPLIT_V", "x s a", "y z", "SplitVOptions", NumSplits=2),
        [ints("s", 1, 3), ints("a", 3, shape=()), T("z", (1, 8, 6, 3))],
        "Split",
        "x s a",
        {"axis": 3, "num_outputs": 2},
    ),
    (
        "pad",
        Op("PAD", "x p", "y"),
        [ints("p", 0, 0, 1, 2, 3, 4, 0, 0, shape=(4, 2))],
        "Pad",
        "x p",
        {"mode": "constant", "pads": (0, 1, 3, 0, 0, 2, 4, 0)},
    ),
    (
        "mirror pad",
        Op("MIRROR_PAD", "x p", "y", "MirrorPadOptions", Mode=1),
        [ints("p", *[1] * 8, shape=(4, 2))],
        "Pad",
        "x p",
        {"mode": "symmetric", "pads": (1,) * 8},
    ),
    ("pad by the graph", Op("PAD", "x p", "y"), [T("p", (4, 2), "INT32")], "Pad", "x p", {"mode": "constant"}),
    (
        "slice",
        Op("SLICE", "x b s", "y"),
        [ints("b", 0, 1, 2, 0), ints("s", 1, -1, 3, 4)],
        "Slice",
        "x b s",
        {"starts": (0, 1, 2, 0), "ends": (1, LAST, 5, 4), "axes": (0, 1, 2, 3), "steps": (1, 1, 1, 1)},
    ),
    (
        "resize",
        Op("RESIZE_BILINEAR", "x s", "y", "ResizeBilinearOptions", HalfPixelCenters=True),
        [ints("s", 16, 12)],
        "Resize",
        "x s",
        {"mode": "linear", "align_corners": 0, "half_pixel_centers": 1},
    ),
    (
        "depth to space",
        Op("DEPTH_TO_SPACE", "x", "y", "DepthToSpaceOptions", BlockSize=2),
        [],
        "DepthToSpace",
        "x",
        {"blocksize": 2},
    ),
    (
        "gather",
        Op("GATHER", "x i", "y", "GatherOptions", Axis=1),
        [ints("i", 2)],
        "Gather",
        "x i",
        {"axis": 1, "batch_dims": 0},
    ),
    ("quantize", Op("QUANTIZE", "x", "y"), [], "QuantizeLinear", "x", {}),
    ("no counterpart", Op("SQUARED_DIFFERENCE", "x x", "y"), [], "SQUARED_DIFFERENCE", "x x", {}),
    ("newer version", Op("RELU", "x", "y", version=2), [], "Relu", "x", {"version": 2}),
]


@pytest.mark.parametrize(
    ("op", "more", "canonical", "inputs", "attributes"), [r[1:] for r in OPERATORS], ids=[r[0] for r in OPERATORS]
)
def test_operator(
    graph_of: Any, op: Op, more: list[T], canonical: str, inputs: str, attributes: dict[str, Any]
) -> None:
    given_by_caller = " ".join(t.name for t in more if t.data is None and t.name in op.inputs.split())
    graph = graph_of([X, *more, T("y", (1, 8, 6, 4))], [op], f"x {given_by_caller}", "y")
    (node,) = graph.nodes
    assert node.op == canonical
    assert node.inputs == tuple("" if n == "-" else n for n in inputs.split())
    assert dict(node.attributes) == attributes
    assert (node.name, node.layout, node.domain, node.source.native_op) == ("y", "NHWC", "", op.code)
    assert graph.problems == ()


MASKED: list[tuple[list[int], list[int], list[int], dict[str, int], Any]] = [
    ([0, 1, 0, 0], [1, 5, 6, 4], [1, 2, 1, 1], {}, np.s_[0:1, 1:5:2, 0:6, 0:4]),
    ([1, 1, 1, 1], [2, 2, 2, 2], [1, 1, 1, 1], {"BeginMask": 5, "EndMask": 2}, np.s_[:2, 1:, :2, 1:2]),
    ([0, 7, 0], [0, -9, 0], [1, -2, 1], {"EllipsisMask": 1, "EndMask": 2, "BeginMask": 4}, np.s_[..., 7::-2, :0]),
    ([0, 2], [0, 3], [1, 1], {"EllipsisMask": 1, "ShrinkAxisMask": 2}, np.s_[..., 2]),
    ([0, -1], [0, 0], [1, 1], {"EndMask": 1, "ShrinkAxisMask": 2}, np.s_[:, -1]),
    ([9, 0, 1], [9, 9, 4], [1, 1, 1], {"NewAxisMask": 1, "ShrinkAxisMask": 2}, np.s_[None, 0, 1:4]),
    ([0, 0, 1], [0, 0, 3], [1, 1, 1], {"EllipsisMask": 1, "NewAxisMask": 2}, np.s_[..., None, 1:3]),
]


@pytest.mark.parametrize(("begin", "end", "step", "masks", "index"), MASKED)
def test_strided_slice_is_numpys(
    graph_of: Any, begin: list[int], end: list[int], step: list[int], masks: dict[str, int], index: Any
) -> None:
    x = np.arange(8 * 6 * 4).reshape(1, 8, 6, 4)
    parameters = [ints("b", *begin), ints("e", *end), ints("s", *step)]
    op = Op("STRIDED_SLICE", "x b e s", "y", "StridedSliceOptions", **masks)
    graph = graph_of([X, *parameters, T("y", x[index].shape)], [op], "x", "y")
    found = view_as(Slice, graph, graph.node("y"))
    assert found is not None and found.bounds is not None
    ours = x[tuple(slice(b, e if e >= 0 else None, s) for b, e, s in found.bounds)]
    assert ours.reshape(-1).tolist() == x[index].reshape(-1).tolist()
    names = {"begin_mask", "end_mask", "ellipsis_mask", "new_axis_mask", "shrink_axis_mask"}
    assert names <= set(graph.node("y").attributes)


def test_slice_by_the_graph_has_no_bounds(graph_of: Any) -> None:
    tensors = [X, T("b", (4,), "INT32"), ints("s", 1, 1, 1, 1), T("y", (1, 1, 1, 1))]
    graph = graph_of(tensors, [Op("SLICE", "x b s", "y")], "x b", "y")
    found = view_as(Slice, graph, graph.node("y"))
    assert found is not None and found.bounds is None


# ---- views


def test_views_of_windows(graph_of: Any) -> None:
    tensors = [
        T("x", (1, 9, 7, 4)),
        T("w", (6, 3, 5, 4), zeros=True),
        T("y", (1, 5, 4, 6)),
        T("d", (1, 3, 3, 6), zeros=True),
        T("z", (1, 5, 4, 6)),
        T("t", (2, 3, 3, 6), zeros=True),
        ints("s", 1, 10, 8, 2),
        T("u", (1, 10, 8, 2)),
    ]
    ops = [
        Op("CONV_2D", "x w", "y", "Conv2DOptions", StrideW=2, StrideH=2),
        Op("DEPTHWISE_CONV_2D", "y d", "z", "DepthwiseConv2DOptions", StrideW=1, StrideH=1, DepthMultiplier=1),
        Op("TRANSPOSE_CONV", "s t z", "u", "TransposeConvOptions", StrideW=2, StrideH=2),
    ]
    graph = graph_of(tensors, ops, "x", "u")

    def of(node: Node) -> Any:
        found = view(graph, node)
        assert isinstance(found, Conv) and found.fixed
        return found

    conv, depthwise, transposed = map(of, graph.nodes)
    assert (conv.in_channels, conv.out_channels, conv.height, conv.width) == (4, 6, 9, 7)
    assert (conv.kernel, conv.stride, conv.pads, conv.groups) == ((3, 5), (2, 2), (1, 2, 1, 2), 1)
    assert conv.macs == 5 * 4 * 6 * 4 * 15
    assert (depthwise.kernel, depthwise.pads, depthwise.depthwise) == ((3, 3), (1, 1, 1, 1), True)
    assert isinstance(transposed, ConvTranspose)
    assert (transposed.in_channels, transposed.out_channels, transposed.kernel) == (6, 2, (3, 3))
    assert (transposed.pads, transposed.bias) == ((0, 0, 1, 1), None)


def test_views_of_matrices_and_axes(graph_of: Any) -> None:
    tensors = [
        T("x", (2, 3, 4)),
        T("b", (2, 5, 4)),
        T("y", (2, 3, 5)),
        ints("p", 1, 0, 2),
        T("t", (3, 2, 5)),
        ints("a", -1),
        T("m", (3, 2)),
        ints("pads", 0, 1, 2, 0, shape=(2, 2)),
        T("padded", (4, 4)),
    ]
    ops = [
        Op("BATCH_MATMUL", "x b", "y", "BatchMatMulOptions", AdjY=True),
        Op("TRANSPOSE", "y p", "t"),
        Op("SUM", "t a", "m", "ReducerOptions"),
        Op("PADV2", "m pads a", "padded"),
    ]
    graph = graph_of(tensors, ops, "x b", "padded")
    matmul, transpose, reduce, pad = (view(graph, node) for node in graph.nodes)
    assert isinstance(matmul, Gemm) and (matmul.in_features, matmul.out_features, matmul.macs) == (4, 5, 120)
    assert isinstance(transpose, Transpose) and transpose.permutation == (1, 0, 2)
    assert isinstance(reduce, Reduce) and reduce.axes == (2,)
    assert isinstance(pad, Pad) and pad.amounts == ((0, 1), (2, 0))


def test_conv_1d_in_nhwc_has_width_1() -> None:
    graph = GraphBuilder("NHWC").input(1, 20, 4).op("Conv", strides=(1,)).graph()
    conv = view_as(Conv, graph, graph.nodes[0])
    assert conv is not None and (conv.height, conv.width, conv.in_channels) == (20, 1, 4)


# ---- tensors


def test_quantization(graph_of: Any) -> None:
    tensors = [
        T("x", (1, 2), "INT8", scales=[0.5], zero_points=[-128]),
        T("w", (3, 2), "INT8", zeros=True, scales=[0.5, 0.25, 2.0], axis=0),
        T("y", (1, 3), "INT8"),
    ]
    graph = graph_of(tensors, [Op("FULLY_CONNECTED", "x w -", "y")], "x", "y")
    assert graph.tensor("x").quantization == Quantization((0.5,), (-128,), None)
    assert graph.tensor("w").quantization == Quantization((0.5, 0.25, 2.0), (0, 0, 0), 0)
    assert graph.tensor("y").quantization is None


CONSTANTS: list[tuple[str, T, str, list[float]]] = [
    ("float", T("c", (2,), data=[1.5, -2.0]), "float32", [1.5, -2.0]),
    ("half", T("c", (2,), "FLOAT16", data=[1.5, -2.0]), "float16", [1.5, -2.0]),
    ("int64", T("c", (1, 2), "INT64", data=[[2**40, -1]]), "int64", [2**40, -1]),
    ("bool", T("c", (2,), "BOOL", data=[True, False]), "bool", [True, False]),
    ("int4", T("c", (3,), "INT4", data=b"\x7f\x08"), "int4", [-1, 7, -8]),
    ("bfloat16", T("c", (2,), "BFLOAT16", data=b"\xc0\x3f\x00\xc0"), "bfloat16", [1.5, -2.0]),
]


@pytest.mark.parametrize("external", [False, True])
@pytest.mark.parametrize(
    ("tensor", "dtype", "values"), [row[1:] for row in CONSTANTS], ids=[row[0] for row in CONSTANTS]
)
def test_constants(graph_of: Any, tensor: T, dtype: str, values: list[float], external: bool) -> None:
    graph = graph_of([X, tensor, T("y", (1,))], [Op("ADD", "x c", "y")], "x", "y", external=external)
    assert graph.tensor("c").dtype == dtype
    value = graph.value("c")
    assert value.shape == tensor.shape
    assert value.reshape(-1).tolist() == values


def test_strings_are_constant_without_values(graph_of: Any) -> None:
    text = T("c", (1,), "STRING", data=struct.pack("<III", 1, 12, 14) + b"hi")
    graph = graph_of([text, T("y", (1,))], [Op("tftext:Lower", "c", "y")], "", "y")
    assert (graph.tensor("c").dtype, graph.is_constant("c"), graph.value("c")) == ("string", True, None)


def test_no_elements_need_no_bytes(graph_of: Any) -> None:
    graph = graph_of([T("x", (1, 1)), T("s", (0,), "INT32"), T("y", ())], [Op("RESHAPE", "x s", "y")], "x", "y")
    assert (graph.integers("s"), graph.problems) == ((), ())


def test_shape_is_what_the_file_was_converted_with(graph_of: Any) -> None:
    x = T("x", (1, 8, 8, 3), fields={"ShapeSignature": [-1, 8, -1, 3]})
    y = T("y", (1, 8, 8, 3), fields={"ShapeSignature": [-1, 8, -1, 3]})
    graph = graph_of([x, y], [Op("RELU", "x", "y")], "x", "y")
    assert graph.tensor("x").shape == (1, 8, 8, 3)
    (problem,) = graph.problems
    assert problem.kind == "dynamic-signature"
    assert "'x' is ?x8x?x3, its shape 1x8x8x3" in problem.message and "'y'" not in problem.message


def test_an_open_batch_alone_is_no_problem(graph_of: Any) -> None:
    x = T("x", (1, 8), fields={"ShapeSignature": [-1, 8]})
    y = T("y", (1, 8), fields={"ShapeSignature": [-1, 8]})
    assert graph_of([x, y], [Op("RELU", "x", "y")], "x", "y").problems == ()


def test_symbolic_only_where_the_shape_itself_is_open(graph_of: Any) -> None:
    tensors = [
        T("x", (-1, 4)),
        T("scalar", (), fields={"HasRank": True}),
        T("no_rank", ()),
        T("c", (), data=[1.0]),
        T("y", (2,)),
    ]
    graph = graph_of(tensors, [Op("custom", "x scalar no_rank c", "y")], "x scalar no_rank", "y")
    shapes = {name: graph.tensor(name).shape for name in ("x", "scalar", "no_rank", "c")}
    assert shapes == {"x": ("?", 4), "scalar": (), "no_rank": None, "c": ()}
    # A writer that never fills in has_rank says nothing by leaving it out.
    assert graph_of([T("x", ())], [], "x", "x").tensor("x").shape == ()


# ---- graphs


def test_names_are_unique_and_never_empty(graph_of: Any) -> None:
    tensors = [T("x", (1,)), T("a", (1,)), T("", (1,))]
    ops = [Op("RELU", "x", "a"), Op("ABS", "a", ""), Op("ASSIGN_VARIABLE", "x a", "")]
    ops[1].outputs = ""
    graph = graph_of(tensors, ops, "x", "a")
    assert [node.name for node in graph.nodes] == ["a", "Abs_1", "ASSIGN_VARIABLE_2"]
    assert set(graph.tensors) == {"x", "a", "tensor_2"}


def test_two_tensors_of_one_name(tmp_path: Path) -> None:
    data = tflite_model(
        [T("x", (1,)), T("aa", (1,)), T("ab", (1,))], [Op("RELU", "x", "aa"), Op("ABS", "aa", "ab")], "x", "ab"
    )
    path = tmp_path / "m.tflite"
    path.write_bytes(data.replace(b"ab\0", b"aa\0"))
    graph = read_tflite(path)
    assert [(n.name, n.inputs) for n in graph.nodes] == [("aa", ("x",)), ("aa#2", ("aa",))]


def test_custom_and_flex(graph_of: Any) -> None:
    ops = [Op("TFLite_Detection_PostProcess", "x", "a"), Op("FlexErf", "a", "b"), Op(9999, "b", "y")]
    graph = graph_of([T(name, (1,)) for name in "xaby"], ops, "x", "y")
    assert [(n.op, n.native_op, n.domain) for n in graph.nodes] == [
        ("TFLite_Detection_PostProcess", "TFLite_Detection_PostProcess", "tflite.custom"),
        ("FlexErf", "FlexErf", "tflite.flex"),
        ("BUILTIN_9999", "BUILTIN_9999", ""),
    ]
    assert [(p.kind, p.node) for p in graph.problems] == [("unknown-operator", "y")]


COMPILED = [
    ("edgetpu-custom-op", {}, "Edge TPU"),
    ("ethos-u", {}, "Ethos-U"),
    ("DISPATCH_OP", {"LiteRtStamp": b"Qualcomm\0\0"}, r"LiteRT \(Qualcomm\)"),
]


@pytest.mark.parametrize(("code", "metadata", "who"), COMPILED)
def test_already_compiled(graph_of: Any, code: str, metadata: dict[str, bytes], who: str) -> None:
    tensors = [T("x", (1,)), T("commands", (4,), "UINT8", zeros=True), T("scratch", (4,), "UINT8"), T("y", (1,))]
    graph = graph_of(tensors, [Op(code, "x commands scratch", "y")], "x", "y", metadata=metadata)
    (problem,) = graph.problems
    assert (problem.kind, problem.node) == ("already-compiled", "y")
    assert problem.message.startswith("already compiled for ")
    assert re.search(who, problem.message)


def test_subgraphs_and_control_flow(graph_of: Any) -> None:
    branch = [T("p", (1,)), T("q", (1,))]
    more = [
        Subgraph(branch, [Op("RELU", "p", "q")], "p", "q", "branch"),
        Subgraph(branch, [Op("ABS", "p", "q")], "p", "q", "branch"),
        Subgraph(branch, [Op("NEG", "p", "q")], "p", "q", ""),
    ]
    ops = [
        Op("IF", "c x", "a", "IfOptions", ThenSubgraphIndex=1, ElseSubgraphIndex=2),
        Op("WHILE", "a", "y", "WhileOptions", CondSubgraphIndex=3, BodySubgraphIndex=1),
        Op("CALL_ONCE", "", "", "CallOnceOptions", InitSubgraphIndex=3),
        Op("STABLEHLO_COMPOSITE", "y", "z", "StableHLOCompositeOptions", DecompositionSubgraphIndex=2),
    ]
    tensors = [T("c", (1,), "BOOL"), *(T(name, (1,)) for name in "xayz")]
    graph = graph_of(tensors, ops, "c x", "z", more=more)
    assert [g.name for g in graph.subgraphs] == ["branch", "branch#2", "subgraph_3"]
    assert [(n.op, dict(n.attributes)) for n in graph.nodes] == [
        ("If", {"then_branch": "branch", "else_branch": "branch#2"}),
        ("WHILE", {"cond": "subgraph_3", "body": "branch"}),
        ("CALL_ONCE", {"init": "subgraph_3"}),
        ("STABLEHLO_COMPOSITE", {"decomposition": "branch#2"}),
    ]
    assert [node.op for _, node in graph.walk()][4:] == ["Relu", "Abs", "Neg"]


def test_nodes_are_put_in_order(graph_of: Any) -> None:
    graph = graph_of([T(n, (1,)) for n in "xay"], [Op("ABS", "a", "y"), Op("RELU", "x", "a")], "x", "y")
    assert [(n.name, n.source.index) for n in graph.nodes] == [("a", 1), ("y", 0)]
    assert kinds(graph) == ["not-sorted"]


def test_variables_and_sparse_weights(graph_of: Any) -> None:
    sparse = T("w", (4, 4), data=bytes(8), fields={"Sparsity": ("SparsityParameters", {"TraversalOrder": [0, 1]})})
    tensors = [T("x", (1, 4)), T("state", (1, 4), fields={"IsVariable": True}), sparse, T("y", (1, 4))]
    graph = graph_of(tensors, [Op("SVDF", "x w state", "y", "SVDFOptions", Rank=1)], "x", "y")
    assert kinds(graph) == ["variable-tensor", "sparse-tensor"]
    assert graph.is_constant("w") and graph.value("w") is None and not graph.is_constant("state")


def test_metadata(graph_of: Any) -> None:
    metadata = {"min_runtime_version": b"2.3.0\0\0\0", "TFLITE_METADATA": b"\x1c\0\0\0M001"}
    graph = graph_of([T("x", (1,))], [], "x", "x", metadata=metadata)
    assert graph.metadata == {
        "description": "written by a test",
        "schema_version": "3",
        "min_runtime_version": "2.3.0",
        "TFLITE_METADATA": "",
    }
    assert (graph.format, graph.name, graph.inputs, graph.outputs) == ("tflite", "main", ("x",), ("x",))
