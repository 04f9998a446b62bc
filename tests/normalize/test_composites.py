"""Operators spelled in several nodes are recognised in every order exporters write them in, and in no other."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import pytest
from onnx import parser

from lintmodel.frontends.onnx import read_onnx
from lintmodel.ir import Composite, Graph, GraphBuilder, Quantization
from lintmodel.normalize import normalize

CONSTANTS = """float half = {0.5}, float one = {1}, float two = {2}, float three = {3}, float six = {6},
float sixth = {0.16666667}, float zero = {0}, float root = {1.4142135}, float inverse = {0.70710677},
float cubic = {0.044715}, float pi2 = {0.7978846}, float eps = {0.000001}, float minus = {-1},
int64[1] last = {-1}, float[8] gamma = {1,1,1,1,1,1,1,1}, float[8] beta = {0,0,0,0,0,0,0,0}, float[1] slope = {-0.25}"""


def recognised(nodes: str, outputs: str = "float[2,8] y", inputs: str = "float[2,8] x", opset: int = 13) -> Graph:
    header = f'<ir_version: 8, opset_import: ["" : {opset}]> net ({inputs}) => ({outputs}) <{CONSTANTS}> '
    return normalize(read_onnx(parser.parse_model(header + "{" + nodes + "}")))


def found(nodes: str, **options: str) -> list[tuple[str, tuple[str, ...], tuple[str, ...], str]]:
    """Operator, members, inputs and output of what is recognised. Nodes are named after their outputs here."""
    graph = recognised(nodes, **options)  # type: ignore[arg-type]
    written = {n.name: n.outputs[0] for n in graph.nodes}
    return [(c.op, tuple(written[m] for m in c.members), c.inputs, c.output) for c in graph.composites]


# ---- activations

MISH = ["s = Softplus(x) t = Tanh(s) y = Mul(x, t)", "s = Softplus(x) t = Tanh(s) y = Mul(t, x)"]
SILU = ["s = Sigmoid(x) y = Mul(x, s)", "s = Sigmoid(x) y = Mul(s, x)"]
HARD_SWISH = [
    "a = Add(x, three) c = Clip(a, zero, six) d = Div(c, six) y = Mul(x, d)",
    "a = Add(three, x) c = Clip(a, zero, six) d = Mul(x, c) y = Div(d, six)",
    "a = Add(x, three) c = Clip(a, zero, six) d = Mul(c, sixth) y = Mul(d, x)",
    "a = Add(x, three) c = Clip(a, zero, six) d = Mul(x, sixth) y = Mul(c, d)",
    "m = Mul(x, sixth) a = Add(m, half) c = Clip(a, zero, one) y = Mul(x, c)",
    "h = HardSigmoid<alpha=0.16666667, beta=0.5>(x) y = Mul(x, h)",
]
HARD_SIGMOID = [
    "a = Add(x, three) c = Clip(a, zero, six) y = Div(c, six)",
    "a = Add(x, three) c = Clip(a, zero, six) y = Mul(sixth, c)",
    "m = Mul(x, sixth) a = Add(m, half) y = Clip(a, zero, one)",
    "m = Div(x, six) a = Add(m, half) y = Clip(a, zero, one)",
]
GELU_HEADS = ["d = Div(x, root)", "d = Mul(x, inverse)", "d = Mul(inverse, x)"]
GELU_SUMS = ["e = Erf(d) a = Add(e, one)", "e = Erf(d) a = Add(one, e)"]
GELU_TAILS = [
    "m = Mul(x, a) y = Mul(m, half)",
    "m = Mul(a, x) y = Div(m, two)",
    "m = Mul(x, half) y = Mul(m, a)",
    "m = Mul(half, x) y = Mul(a, m)",
    "m = Mul(a, half) y = Mul(x, m)",
]
GELU = [" ".join(parts) for parts in itertools.product(GELU_HEADS, GELU_SUMS, GELU_TAILS)]
TANH_CUBES = ["p = Pow(x, three) q = Mul(p, cubic)", "p = Mul(x, x) r = Mul(x, p) q = Mul(cubic, r)"]
TANH_SUMS = ["u = Add(x, q)", "u = Add(q, x)"]
GELU_TANH = [
    f"{cube} {total} v = Mul(u, pi2) e = Tanh(v) a = Add(e, one) {tail}"
    for cube, total, tail in itertools.product(TANH_CUBES, TANH_SUMS, GELU_TAILS)
]
PRELU = [
    "p = Relu(x) n = Neg(x) r = Relu(n) m = Mul(slope, r) y = Add(p, m)",
    "p = Relu(x) n = Neg(x) r = Relu(n) m = Mul(r, gamma) y = Sub(p, m)",
    "p = Relu(x) b = Abs(x) d = Sub(x, b) m = Mul(gamma, d) h = Mul(m, half) y = Add(p, h)",
]
EVERY = [
    *(("SiLU", nodes) for nodes in SILU),
    *(("Mish", nodes) for nodes in MISH),
    *(("HardSwish", nodes) for nodes in HARD_SWISH),
    *(("HardSigmoid", nodes) for nodes in HARD_SIGMOID),
    *(("Gelu", nodes) for nodes in (*GELU, *GELU_TANH)),
    *(("PRelu", nodes) for nodes in PRELU),
]


@pytest.mark.parametrize(("op", "nodes"), EVERY)
def test_activations(op: str, nodes: str) -> None:
    """All nodes belong to it, in graph order, and it reads x and writes y."""
    members = tuple(part.split()[-1] for part in nodes.split(" =")[:-1])
    ((found_op, found_members, inputs, output),) = found(nodes)
    assert (found_op, found_members, inputs[0], output) == (op, members, "x", "y")


def test_attributes_of_activations() -> None:
    attributes = [recognised(nodes).composites[0].attributes for nodes in (GELU[0], GELU_TANH[0], HARD_SIGMOID[0])]
    assert attributes[:2] == [{"approximate": "none"}, {"approximate": "tanh"}]
    assert attributes[2] == {"alpha": pytest.approx(1 / 6), "beta": 0.5}
    (other,) = recognised("m = Mul(x, half) a = Add(m, sixth) y = Clip(a, zero, one)").composites
    assert (other.op, dict(other.attributes)) == ("HardSigmoid", pytest.approx({"alpha": 0.5, "beta": 1 / 6}))


def test_the_name_is_that_of_the_last_member() -> None:
    (composite,) = recognised("[gate] s = Sigmoid(x) [out] y = Mul(x, s)").composites
    assert composite == Composite("out", "SiLU", ("gate", "out"), ("x",), "y")


@pytest.mark.parametrize(
    "nodes",
    [
        "s = Sigmoid(x) y = Mul(s, s)",
        "s = Sigmoid(x) y = Mul(s, half)",
        "s = Sigmoid(x) y = Add(x, s)",
        "r = Relu(x) s = Sigmoid(x) y = Mul(r, s)",
        "a = Add(x, two) c = Clip(a, zero, six) d = Div(c, six) y = Mul(x, d)",
        "a = Add(x, three) c = Clip(a, zero, three) d = Div(c, six) y = Mul(x, d)",
        "a = Add(x, three) c = Clip(a, zero, six) y = Mul(x, c)",
        "a = Add(x, three) c = Clip(a, one, six) y = Div(c, six)",
        "h = HardSigmoid(x) y = Mul(x, h)",  # ONNX's default alpha is 0.2
        "d = Div(x, two) e = Erf(d) a = Add(e, one) m = Mul(x, a) y = Mul(m, half)",
        "d = Div(x, root) e = Erf(d) a = Add(e, one) m = Mul(x, a) y = Mul(m, two)",
        "d = Div(x, root) e = Erf(d) a = Add(e, half) m = Mul(x, a) y = Mul(m, half)",
        "d = Div(x, root) e = Erf(d) a = Add(e, one) r = Relu(x) m = Mul(r, a) y = Mul(m, half)",
        "p = Relu(x) n = Neg(x) r = Relu(n) y = Add(p, r)",
        "p = Relu(x) r = Neg(x) m = Mul(r, slope) y = Add(p, m)",
        "y = Erf(x)",
        "y = Tanh(x)",
    ],
)
def test_what_only_looks_alike(nodes: str) -> None:
    assert found(nodes) == []


@pytest.mark.parametrize(
    ("nodes", "outputs"),
    [
        ("s = Sigmoid(x) y = Mul(x, s) z = Neg(s)", "float[2,8] y, float[2,8] z"),
        ("s = Sigmoid(x) y = Mul(x, s)", "float[2,8] y, float[2,8] s"),
        (GELU[0] + " z = Neg(e)", "float[2,8] y, float[2,8] z"),
        (GELU[0] + " z = Neg(d)", "float[2,8] y, float[2,8] z"),
        (HARD_SWISH[0] + " z = Neg(a)", "float[2,8] y, float[2,8] z"),
    ],
)
def test_an_inner_value_that_is_used_elsewhere(nodes: str, outputs: str) -> None:
    assert [op for op, *_ in found(nodes, outputs=outputs)] == []


def test_an_inner_value_that_a_body_of_control_flow_uses() -> None:
    nodes = """s = Sigmoid(x) y = Mul(x, s)
    z = If (c) <then_branch = a () => (u) { u = Neg(s) }, else_branch = b () => (v) { v = Neg(x) }>"""
    assert found(nodes, inputs="float[2,8] x, bool c", outputs="float[2,8] y, float[2,8] z") == []


def test_a_hard_sigmoid_with_two_readers_is_one_still() -> None:
    nodes = HARD_SIGMOID[0] + " z = Mul(x, y) w = Neg(y)"
    assert [op for op, *_ in found(nodes, outputs="float[2,8] z, float[2,8] w")] == ["HardSigmoid"]


def test_a_node_belongs_to_one_composite_and_they_stand_in_graph_order() -> None:
    nodes = """s = Sigmoid(x) a = Mul(x, s) t = Sigmoid(a) b = Mul(a, t)
    g = Add(b, three) c = Clip(g, zero, six) d = Div(c, six) y = Mul(b, d)"""
    composites = recognised(nodes).composites
    assert [c.op for c in composites] == ["SiLU", "SiLU", "HardSwish"]
    members = [m for c in composites for m in c.members]
    assert len(set(members)) == len(members)


def test_relu6_fused_into_the_addition() -> None:
    """HardSwish as TFLite had it before it got an operator of its own."""
    g = GraphBuilder("NHWC").input(1, 4, 4, 8)
    g.op("Add", g.constant(np.float32(3)), activation="Relu6").op("Mul", g.constant(np.float32(1 / 6))).op("Mul", "x")
    (composite,) = normalize(g.graph()).composites
    assert (composite.op, composite.members, composite.inputs) == ("HardSwish", ("add_0", "mul_0", "mul_1"), ("x",))


def test_a_product_with_an_activation_fused_into_it_is_no_silu() -> None:
    g = GraphBuilder("NHWC").input(1, 4, 4, 8)
    g.sigmoid().op("Mul", "x", activation="Relu")
    assert normalize(g.graph()).composites == ()


# ---- layer normalisation

NORM = "m = ReduceMean<axes=[-1]>(x) d = Sub(x, m) {square} v = ReduceMean<axes=[-1]>(q) e = Add(v, eps) s = Sqrt(e) "


@pytest.mark.parametrize("square", ["q = Pow(d, two)", "q = Mul(d, d)", "d2 = Sub(x, m) q = Pow(d2, two)"])
@pytest.mark.parametrize(
    ("tail", "inputs"),
    [
        ("y = Div(d, s)", ("x",)),
        ("n = Div(d, s) y = Mul(n, gamma)", ("x", "gamma")),
        ("n = Div(d, s) g = Mul(gamma, n) y = Add(g, beta)", ("x", "gamma", "beta")),
    ],
)
def test_layer_normalization(square: str, tail: str, inputs: tuple[str, ...]) -> None:
    graph = recognised(NORM.format(square=square) + tail)
    (composite,) = graph.composites
    assert (composite.op, composite.inputs, composite.output) == ("LayerNormalization", inputs, "y")
    assert len(composite.members) == len(graph.nodes)
    assert composite.attributes == {"axis": -1, "epsilon": pytest.approx(1e-6)}


@pytest.mark.parametrize(
    "nodes",
    [
        NORM.format(square="q = Pow(d, three)") + "y = Div(d, s)",
        NORM.format(square="q = Pow(d, two)") + "y = Div(x, s)",
        (NORM.format(square="q = Pow(d, two)") + "y = Div(d, s)").replace("axes=[-1]", "axes=[0]"),
        (NORM.format(square="q = Pow(d, two)") + "y = Div(d, s)").replace("axes=[-1]>(q)", "axes=[0]>(q)"),
    ],
)
def test_what_is_no_layer_normalization(nodes: str) -> None:
    assert found(nodes) == []


def test_a_bias_of_another_size_is_left_out_of_the_normalisation() -> None:
    nodes = NORM.format(square="q = Pow(d, two)") + "n = Div(d, s) y = Mul(n, x)"
    ((_, members, inputs, output),) = found(nodes)
    assert (members[-1], inputs, output) == ("n", ("x",), "n")


def test_axes_counted_from_the_front_and_given_as_an_input() -> None:
    nodes = (NORM.format(square="q = Pow(d, two)") + "y = Div(d, s)").replace("<axes=[-1]>(x)", "(x, last)")
    assert [op for op, *_ in found(nodes.replace("<axes=[-1]>(q)", "(q, last)"), opset="18")] == ["LayerNormalization"]
    assert [op for op, *_ in found(nodes.replace("(x, last)", "<axes=[1]>(x)"))] == ["LayerNormalization"]


# ---- quantisation

QDQ = """q = QuantizeLinear(x, {scale}, {point}) y = DequantizeLinear(q, {scale}, {point})"""
PARAMETERS = "float scale = {0.5}, float other = {0.25}, uint8 point = {128}"


def quantized(nodes: str, parameters: str = PARAMETERS) -> Graph:
    header = f'<ir_version: 8, opset_import: ["" : 13]> net (float[2,8] x) => (float[2,8] y) <{parameters}> '
    return normalize(read_onnx(parser.parse_model(header + "{" + nodes + "}")))


def test_a_pair_of_quantize_and_dequantize() -> None:
    graph = quantized(QDQ.format(scale="scale", point="point"))
    (composite,) = graph.composites
    assert (composite.op, composite.inputs, composite.output) == ("QuantizeDequantize", ("x", "scale", "point"), "y")
    expected = Quantization((0.5,), (128,))
    assert [graph.tensor(n).quantization for n in ("x", "q", "y")] == [None, expected, expected]


def test_a_pair_with_another_scale_is_a_requantisation() -> None:
    graph = quantized("q = QuantizeLinear(x, scale, point) y = DequantizeLinear(q, other, point)")
    assert graph.composites == ()
    assert graph.tensor("y").quantization == Quantization((0.25,), (128,))


def test_quantised_weights_per_channel() -> None:
    nodes = "w = DequantizeLinear<axis=1>(stored, scales, points) y = Add(x, w)"
    parameters = """int8[1,8] stored = {1,2,3,4,5,6,7,8}, float[8] scales = {1,2,3,4,5,6,7,8},
    int8[8] points = {0,0,0,0,0,0,0,0}"""
    graph = quantized(nodes, parameters)
    expected = Quantization((1, 2, 3, 4, 5, 6, 7, 8), (0,) * 8, 1)
    assert graph.tensor("stored").quantization == expected
    assert graph.tensor("w").quantization == expected
    assert graph.composites == ()


def test_a_scale_that_is_not_constant_says_nothing() -> None:
    graph = quantized("s = ReduceMax<keepdims=0>(x) q = QuantizeLinear(x, s, point) y = DequantizeLinear(q, s, point)")
    assert graph.tensor("q").quantization is None
    assert [c.op for c in graph.composites] == ["QuantizeDequantize"]


# ---- the mechanism


@pytest.mark.parametrize("make", [lambda g: g.silu(), lambda g: g.relu()])
def test_nodes_and_tensors_stay_as_they_are(make: Callable[[GraphBuilder], GraphBuilder]) -> None:
    graph = make(GraphBuilder().conv(8, 16)).graph()
    assert normalize(graph).nodes == graph.nodes
    assert normalize(graph).tensors == graph.tensors


def test_time_is_linear_in_nodes() -> None:
    import time

    def seconds(count: int) -> float:
        g = GraphBuilder().input(1, 8)
        for _ in range(count):
            g.silu()
        graph = g.graph()
        started = time.process_time()
        assert len(normalize(graph).composites) == count
        return time.process_time() - started

    seconds(100)
    small, large = min(seconds(500) for _ in range(3)), min(seconds(2000) for _ in range(3))
    assert large < 8 * small + 0.05
