"""Values of shape arithmetic, held against onnx's own reference implementation."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, parser
from onnx.reference import ReferenceEvaluator

from lintmodel.frontends.onnx import read_onnx
from lintmodel.ir import Constant, GraphBuilder, Node, Source
from lintmodel.normalize import normalize, propagate

INT, F = np.int64, np.float32

CASES: list[tuple[str, list[Any], dict[str, Any]]] = [
    ("Add", [INT([1, 2]), INT(3)], {}),
    ("Sub", [INT([1, 2]), INT([3, 4])], {}),
    ("Mul", [F([1.5, 2]), F(2)], {}),
    ("Div", [INT([7, -7, 7, -7]), INT([2, 2, -2, -2])], {}),
    ("Div", [F([7, 1]), F([2, 4])], {}),
    ("Mod", [INT([7, -7, 7]), INT([3, 3, -3])], {}),
    ("Mod", [INT([7, -7, 7]), INT([3, 3, -3])], {"fmod": 1}),
    ("Pow", [F([2, 3]), F(2)], {}),
    ("Min", [INT([1, 5]), INT([3, 3]), INT([2, 2])], {}),
    ("Max", [INT([1, 5]), INT([3, 3])], {}),
    ("Neg", [INT([1, -2])], {}),
    ("Abs", [F([-1.5])], {}),
    ("Sqrt", [F([4, 2])], {}),
    ("Reciprocal", [F([4, 2])], {}),
    ("Exp", [F([0, 1])], {}),
    ("Log", [F([1, 2])], {}),
    ("Floor", [F([1.5, -1.5])], {}),
    ("Ceil", [F([1.5, -1.5])], {}),
    ("Round", [F([0.5, 1.5, 2.5])], {}),
    ("Not", [np.array([True, False])], {}),
    ("And", [np.array([True, False]), np.array(True)], {}),
    ("Equal", [INT([1, 2]), INT(2)], {}),
    ("Less", [INT([1, 2]), INT(2)], {}),
    ("GreaterOrEqual", [F([1, 2]), F(2)], {}),
    ("ReduceSum", [INT([[1, 2], [3, 4]]), INT([1])], {"keepdims": 0}),
    ("ReduceSum", [INT([1, 2])], {"noop_with_empty_axes": 1}),
    ("ReduceProd", [INT([2, 3, 4])], {"keepdims": 0}),
    ("ReduceMax", [F([[1, 2], [3, 4]])], {"axes": [0]}),
    ("ReduceMean", [F([[1, 2], [3, 5]])], {"axes": [-1]}),
    ("Cast", [F([1.9, -1.9])], {"to": TensorProto.INT64}),
    ("Cast", [INT([1, 0])], {"to": TensorProto.BOOL}),
    ("Identity", [INT([1])], {}),
    ("Concat", [INT([1]), INT([2, 3])], {"axis": 0}),
    ("Split", [INT([1, 2, 3]), INT([1, 2])], {"axis": 0}),
    ("Gather", [INT([5, 6, 7]), np.array(-1)], {}),
    ("Gather", [INT([[1, 2], [3, 4]]), INT([[0], [1]])], {"axis": 1}),
    ("Slice", [INT([1, 2, 3, 4]), INT([1]), INT([-1])], {}),
    ("Slice", [INT([1, 2, 3, 4]), INT([-1]), INT([-(2**63)]), INT([0]), INT([-2])], {}),
    ("Reshape", [INT([1, 2, 3, 4]), INT([2, -1])], {}),
    ("Flatten", [INT([[1, 2], [3, 4]])], {"axis": 0}),
    ("Squeeze", [INT([[1], [2]]), INT([1])], {}),
    ("Unsqueeze", [INT([1, 2]), INT([0, 2])], {}),
    ("Transpose", [INT([[1, 2], [3, 4]])], {}),
    ("Expand", [INT([[1], [2]]), INT([3, 1, 2])], {}),
    ("Tile", [INT([1, 2]), INT([2])], {}),
    ("Where", [np.array([True, False]), INT([1, 2]), INT(9)], {}),
    ("ConstantOfShape", [INT([2])], {"value": numpy_helper.from_array(INT([7]))}),
    ("ConstantOfShape", [INT([2, 1])], {}),
    ("Range", [INT(1), INT(8), INT(3)], {}),
    ("Range", [F(1), F(0), F(-0.25)], {}),
    ("NonZero", [INT([[1, 0], [0, 2]])], {}),
]


@pytest.mark.parametrize(("op", "values", "attributes"), CASES)
def test_values_agree_with_onnx(op: str, values: list[Any], attributes: dict[str, Any]) -> None:
    arrays = [np.asarray(v) for v in values]
    outputs = ["y", "y2"] if op == "Split" else ["y"]
    node = helper.make_node(op, [f"i{k}" for k in range(len(arrays))], outputs, **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [],
        [helper.make_tensor_value_info(name, TensorProto.UNDEFINED, None) for name in outputs],
        initializer=[numpy_helper.from_array(a, f"i{k}") for k, a in enumerate(arrays)],
    )
    opset = 13 if "axes" in attributes else 17
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    expected = ReferenceEvaluator(model).run(None, {})
    found = propagate(read_onnx(model)).values
    for name, theirs in zip(outputs, expected, strict=True):
        np.testing.assert_allclose(found[name], theirs, rtol=1e-6)
        assert found[name].dtype == np.asarray(theirs).dtype
        assert found[name].shape == np.asarray(theirs).shape


def test_a_chain_of_shape_arithmetic() -> None:
    """How PyTorch exports ``x.view(x.size(0), 2, x.size(1) // 2, -1)``, twice."""
    text = """<ir_version: 9, opset_import: ["" : 17]>
    net (float[2,8,4,5] x) => (float[?,?,?,?] y, float[?] z)
    <int64[1] two = {2}, int64[1] rest = {-1}, int64 zero = {0}, int64 one = {1}, int64[1] axis = {0},
    int64 half = {2}, int64[1] big = {100}>
    { s = Shape(x) n = Gather<axis=0>(s, zero) c = Gather<axis=0>(s, one) h = Div(c, half)
      n1 = Unsqueeze(n, axis) h1 = Unsqueeze(h, axis) t = Concat<axis=0>(n1, two, h1, rest) y = Reshape(x, t)
      s2 = Shape(y) last = Slice(s2, rest, big) p = Mul(last, two) z = ConstantOfShape(p) }"""
    model = parser.parse_model(text)
    graph = propagate(read_onnx(model))
    assert graph.integers("t") == (2, 2, 4, -1)
    assert graph.tensor("y").shape == (2, 2, 4, 20)
    assert graph.tensor("z").shape == (40,)
    assert set(graph.values) == {"s", "n", "c", "h", "n1", "h1", "t", "s2", "last", "p", "z"}
    assert "two" not in graph.values  # it stands in the file


def test_values_of_constants_in_the_file_are_not_repeated() -> None:
    g = GraphBuilder()
    g.current = g.constant(np.array([1, 2]))
    graph = propagate(g.op("Identity", shape=(2,), dtype="int64").graph())
    assert list(graph.values) == ["identity_0_out"]


def test_an_open_size_is_not_guessed() -> None:
    graph = propagate(GraphBuilder().input("N", 8).op("Shape", shape=(2,), dtype="int64").graph())
    assert graph.value("shape_0_out") is None


def test_large_results_are_left_alone() -> None:
    g = GraphBuilder()
    g.current = g.constant(np.array([1 << 40]))
    graph = propagate(g.op("ConstantOfShape", shape=("?",)).op("Identity", shape=("?",)).graph())
    assert graph.tensor("identity_0_out").shape == (1 << 40,)
    assert graph.values == {}


def test_weights_are_not_loaded() -> None:
    def load() -> Any:
        raise AssertionError("weights were loaded")

    g = GraphBuilder().conv(8, 16).relu()
    graph = g.graph()
    tensors = {
        n: t if t.constant is None or t.elements <= 1024 else type(t)(n, t.shape, t.dtype, Constant(load))
        for n, t in graph.tensors.items()
    }
    node = Node("n", "Transpose", (g.zeros(64, 64),), ("w",), {}, Source())
    tensors[node.inputs[0]] = type(graph.tensor("x"))(node.inputs[0], (64, 64), "float32", Constant(load))
    normalize(graph.with_(nodes=(node, *graph.nodes), tensors=tensors))


@pytest.mark.parametrize(
    ("op", "values", "attributes"),
    [
        ("Div", [INT([1]), INT([0])], {}),
        ("Mod", [INT([1]), INT([0])], {}),
        ("Gather", [INT([1, 2]), INT([7])], {}),
        ("Add", [INT([1, 2]), INT([1, 2, 3])], {}),
        ("Reshape", [INT([1, 2, 3]), INT([2, 2])], {}),
        ("Range", [INT(0), INT(5), INT(0)], {}),
        ("Concat", [INT([1]), INT([[1]])], {"axis": 0}),
    ],
)
def test_arithmetic_that_is_not_defined_has_no_value(op: str, values: list[Any], attributes: dict[str, Any]) -> None:
    g = GraphBuilder()
    names = [g.constant(v) for v in values]
    g.current = names[0]
    graph = propagate(g.op(op, *names[1:], shape=("?",), dtype="int64", **attributes).graph())
    assert graph.value(g.current) is None


def test_time_is_linear_in_a_chain_of_reshapes_and_shapes() -> None:
    """Every value depends on the shape before it and every shape on the value before it."""

    def seconds(count: int) -> float:
        g = GraphBuilder().input(4, 6)
        for _ in range(count):
            x = g.current
            g.op("Shape", shape=("?",), dtype="int64")
            target = g.current
            g.at(x).op("Reshape", target, shape=("?", "?"), dtype="float32")
        graph = g.graph()
        started = time.process_time()
        result = normalize(graph)
        spent = time.process_time() - started
        assert result.tensor(g.current).shape == (4, 6)
        return spent

    seconds(100)
    small, large = min(seconds(500) for _ in range(3)), min(seconds(2000) for _ in range(3))
    assert large < 8 * small + 0.05


def test_normalising_twice_changes_nothing() -> None:
    graph = normalize(GraphBuilder().conv(3, 8).silu().max_pool(2).op("Shape", shape=(4,), dtype="int64").graph())
    again = normalize(graph)
    assert again.composites == graph.composites
    assert again.tensors == graph.tensors
    assert {n: v.tolist() for n, v in again.values.items()} == {n: v.tolist() for n, v in graph.values.items()}
    assert again.problems == graph.problems
