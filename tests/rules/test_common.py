"""What the rules for any target say, word for word, about graphs larger than their own examples."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import parser

from lintmodel.findings import Found
from lintmodel.frontends.onnx import read_onnx
from lintmodel.ir import Graph, GraphBuilder, Operator
from lintmodel.normalize import normalize
from lintmodel.planning import Plan
from lintmodel.registry import Model, find_rule
from lintmodel.target import Target, load_target

TARGET = load_target("k210")


def found(code: str, graph: Graph, target: Target = TARGET) -> list[Found]:
    """What a rule finds, with the node it was called for."""
    rule, graph = find_rule(code), normalize(graph)
    if rule.on is Model:
        return list(rule(Model(graph), Plan(), target))
    asked = [(node.name, each) for node in graph.nodes for each in rule(Operator(graph, node), Plan(), target)]
    return [replace(each, node=each.node or name) for name, each in asked]


def messages(code: str, graph: Graph, target: Target = TARGET) -> list[tuple[str, str | None]]:
    return [(each.message, each.node) for each in found(code, graph, target)]


def onnx_graph(text: str, header: str = '<ir_version: 9, opset_import: ["" : 17, "my.ops" : 1]>') -> Graph:
    return read_onnx(parser.parse_model(f"{header} {text}"))


DYNAMIC = onnx_graph(
    """net (float[N,3,H,W] image, float[N,M] mask, float[1,8] z) => (y, v, w)
    { y = Relu(image) v = Relu(mask) w = Relu(z) }"""
)


def test_all_open_batches_are_one_finding() -> None:
    (finding,) = found("GRF201", DYNAMIC)
    assert finding.message == "the batch size (N) of inputs 'image', 'mask' is open: [N, 3, H, W], [N, M]"
    assert finding.details == {"inputs": ["image", "mask"], "dims": ["N"]}
    assert finding.fix is not None
    assert finding.fix.text == (
        "export with fixed sizes; to check one size: --input-shape image=1x3xNxN --input-shape mask=1xN"
    )


def test_all_open_sizes_are_one_finding() -> None:
    (finding,) = found("GRF202", DYNAMIC)
    assert finding.message == "the shape (H, W, M) of inputs 'image', 'mask' is open: [N, 3, H, W], [N, M]"


def test_an_input_without_any_shape() -> None:
    model = parser.parse_model('<ir_version: 9, opset_import: ["" : 17]> net (float[1] x) => (float y) { y = Relu(x) }')
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert messages("GRF202", read_onnx(model)) == [("the shape of input 'x' is open: of unknown rank", None)]
    assert messages("GRF201", read_onnx(model)) == []


def test_shapes_that_depend_on_values_are_told_where_they_begin() -> None:
    graph = onnx_graph(
        """net (float[4,8] x, float[4,8] z) => (y, w)
        { [a] n = NonZero(x) [b] t = Transpose(n) y = GatherND(x, t) [c] w = NonZero(z) }"""
    )
    message = "the shape of NonZero's result is known only as [2, ?], although its inputs' shapes are (2 such nodes)"
    assert messages("GRF204", graph) == [(message, "a")]


def test_control_flow_says_how_much_is_inside() -> None:
    graph = onnx_graph(
        """net (float[1] x, bool c) => (y, z) <bool always = {1}> {
        [a] y = If (c) <then_branch = t () => (u) { p = Neg(x) u = Neg(p) }, else_branch = e () => (v) { v = Neg(x) }>
        [b] z = If (always) <then_branch = t () => (u) { u = Neg(x) }, else_branch = e () => (v) { v = Neg(x) }> }"""
    )
    one = "If is control flow with then_branch (1 node), else_branch (1 node)"
    assert messages("GRF101", graph) == [
        ("If is control flow with then_branch (2 nodes), else_branch (1 node)", "a"),
        (one + "; its condition is always true, so only one branch is needed", "b"),
    ]


def test_custom_operators_are_told_once_a_kind() -> None:
    graph = onnx_graph("net (float[1] x) => (y) { [p] a = my.ops.Foo(x) [q] b = my.ops.Foo(a) [r] y = Bar(b) }")
    assert messages("GRF102", graph) == [
        ("Foo comes from the operator set 'my.ops', 2 times in this model", "p"),
        ("Bar is no operator of the model's format", "r"),
    ]


@pytest.mark.parametrize(
    ("domain", "message"),
    [
        ("tflite.flex", "FlexErf is a TensorFlow operator that TFLite runs through its Flex delegate"),
        ("tflite.custom", "FlexErf is a custom operator: its code is not part of TFLite"),
    ],
)
def test_custom_operators_of_tflite(domain: str, message: str) -> None:
    g = GraphBuilder("NHWC").input(1, 8).op("FlexErf", domain=domain)
    graph = g.graph()
    nodes = tuple(replace(n, source=replace(n.source, native_op="FlexErf")) for n in graph.nodes)
    assert messages("GRF102", graph.with_(nodes=nodes)) == [(message, "flexerf_0")]


def test_what_was_compiled_is_not_called_a_custom_operator_too() -> None:
    g = GraphBuilder("NHWC").input(1, 8).op("edgetpu-custom-op", domain="tflite.custom")
    g.problem("already-compiled", "already compiled for the Coral Edge TPU")
    assert messages("GRF102", g.graph()) == []


def test_batch_normalization_in_training() -> None:
    text = """net (float[1,2,4,4] x) => (y%s) <float[2] p = {1,1}>
    { [bn] y, m, v = BatchNormalization<training_mode=%d>(x, p, p, p, p) }"""
    said = "BatchNormalization has training_mode=1: mean and variance come from the input itself"
    assert messages("GRF103", onnx_graph(text % ("", 1))) == [(said, "bn")]
    assert messages("GRF103", onnx_graph(text % ("", 0))) == []
    said = "BatchNormalization gives out its running statistics (1 output in use)"
    assert messages("GRF103", onnx_graph(text % (", m", 0))) == [(said, "bn")]


def test_shapes_that_do_not_fit_are_an_invalid_graph() -> None:
    graph = onnx_graph("net (float[3] x, float[4] z) => (float[4] y) { [n] y = Add(x, z) }")
    assert messages("GRF105", graph) == [("its inputs have 3 and 4 elements along one axis", "n")]


def test_a_dead_end_is_told_once_with_what_only_feeds_it() -> None:
    graph = onnx_graph(
        """net (float[1] x) => (float[1] y)
        { [a] p = Neg(x) [b] q = Abs(p) [c] r = Exp(q) [d] s = Log(x) [e] y = Relu(x) c = Constant<value_int=1>() }"""
    )
    assert messages("GRF901", graph) == [
        ("no output of the model needs the result of this Exp, nor of 2 nodes before it", "c"),
        ("no output of the model needs the result of this Log", "d"),
    ]


def test_what_a_body_of_control_flow_needs_is_not_dead_or_unused() -> None:
    graph = onnx_graph(
        """net (float[1] x, float[1] z, bool c) => (y) { r = Relu(x)
        y = If (c) <then_branch = t () => (u) { u = Neg(r) }, else_branch = e () => (v) { v = Neg(z) }> }"""
    )
    assert messages("GRF901", graph) == []
    assert messages("GRF903", graph) == []


def test_nodes_that_compute_the_same() -> None:
    graph = onnx_graph(
        """net (float[1,8,4,4] x) => (a, b, c, s, t, r, q)
        { [p] a = LeakyRelu<alpha=0.5>(x) [q] b = LeakyRelu<alpha=0.5>(x) [r] c = LeakyRelu<alpha=0.25>(x)
          s = Shape(x) t = Shape(x) r = RandomNormalLike(x) q = RandomNormalLike(x) }"""
    )
    assert messages("GRF902", graph) == [("computes the same as 'p': LeakyRelu of the same inputs", "q")]


def test_double_precision_is_told_where_it_begins() -> None:
    graph = onnx_graph(
        """net (float[8] x, double[8] z) => (y, w) <double half = {0.5}>
        { [a] d = Cast<to=11>(x) [b] e = Mul(d, half) y = Cast<to=1>(e) w = Add(z, half)
          s = Shape(x) t = Cast<to=11>(s) }"""
    )
    assert messages("GRF401", graph) == [
        ("input 'z' in float64, and 3 nodes behind carry them on", None),
        ("Cast makes float64 values, and 2 nodes behind carry them on", "a"),
    ]


def test_limits_of_the_sheet_decide_about_the_operator_set() -> None:
    target = replace(TARGET, limits={**TARGET.limits, "min_opset": 9, "max_opset": 12})
    graphs = {n: GraphBuilder(opset=n).input(1, 8).relu().graph() for n in (8, 9, 12, 13)}
    assert {n: messages("GRF601", g, target) for n, g in graphs.items()} == {
        8: [(f"the model uses opset 8; {target.toolchain} reads 9 and newer", None)],
        9: [],
        12: [],
        13: [],
    }
    assert {n: messages("GRF602", g, target) for n, g in graphs.items()} == {
        8: [],
        9: [],
        12: [],
        13: [(f"the model uses opset 13; {target.toolchain} knows up to 12", None)],
    }


def test_a_tflite_file_has_no_operator_set() -> None:
    graph = GraphBuilder("NHWC").input(1, 8).relu().graph()
    assert messages("GRF601", graph) == messages("GRF602", graph) == []


def test_initialisers_among_the_inputs_and_absent_weights_are_told() -> None:
    model = parser.parse_model(
        """<ir_version: 9, opset_import: ["" : 17]> net (float[2] x, float[2] w) => (float[2] y)
        <float[2] w = {1,2}> { y = Add(x, w) }"""
    )
    assert messages("GRF904", read_onnx(model)) == [("1 initialiser is also a graph input ('w')", None)]
    weight = model.graph.initializer[0]
    weight.CopyFrom(onnx.TensorProto(name="w", data_type=1, dims=[2]))
    assert messages("GRF905", read_onnx(model)) == [("the values of 1 of 1 initialisers are not there (8 bytes)", None)]
    weight.CopyFrom(onnx.numpy_helper.from_array(np.ones(2, np.float32), "w"))
    assert messages("GRF905", read_onnx(model)) == []
