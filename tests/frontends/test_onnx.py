"""ONNX files become graphs: names, attributes, constants, bodies, functions, and what is wrong with a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx_models import FLOAT, INT64, graph_of, made, model_of, problems, value

from lintmodel.frontends.onnx import read_onnx
from lintmodel.ir import Constant, Graph

# ---- nodes


def test_a_file_is_read_with_its_names_and_its_metadata(tmp_path: Path) -> None:
    model = made(
        [helper.make_node("Relu", ["x"], ["a"], name="act"), helper.make_node("Sigmoid", ["a"], ["y"])],
        [value("x", [1, 8])],
        [value("y", [1, 8])],
    )
    model.producer_name, model.producer_version, model.doc_string = "pytorch", "2.4.0", "a net"
    helper.set_model_props(model, {"stride": "32"})
    path = tmp_path / "net.onnx"
    onnx.save(model, path)
    graph = read_onnx(path)
    assert (graph.name, graph.format, graph.path) == ("net", "onnx", str(path))
    assert (graph.inputs, graph.outputs, graph.opsets) == (("x",), ("y",), {"": 17})
    assert [(n.name, n.op, n.inputs, n.outputs) for n in graph.nodes] == [
        ("act", "Relu", ("x",), ("a",)),
        ("Sigmoid_1", "Sigmoid", ("a",), ("y",)),
    ]
    assert [(n.source.file, n.source.native_op, n.source.index) for n in graph.nodes] == [
        (str(path), "Relu", 0),
        (str(path), "Sigmoid", 1),
    ]
    assert graph.metadata == {
        "stride": "32",
        "ir_version": "9",
        "producer_name": "pytorch",
        "producer_version": "2.4.0",
        "doc_string": "a net",
    }
    assert graph.problems == ()


def test_node_names_become_unique() -> None:
    graph = graph_of("net (float[1] x) => (float[1] y) { [n] a = Relu(x) [n] b = Relu(a) [n] y = Relu(b) }")
    assert [n.name for n in graph.nodes] == ["n", "n#2", "n#3"]


def test_domains() -> None:
    model = model_of(
        "net (float[1] x) => (float[1] y) { a = ai.onnx.Relu(x) b = com.microsoft.Gelu(a) y = my.ops.Foo(b) }",
        '<ir_version: 9, opset_import: ["ai.onnx" : 17, "com.microsoft" : 1, "my.ops" : 3]>',
    )
    graph = read_onnx(model)
    assert [(n.op, n.domain) for n in graph.nodes] == [("Relu", ""), ("Gelu", "com.microsoft"), ("Foo", "my.ops")]
    assert graph.opsets == {"": 17, "com.microsoft": 1, "my.ops": 3}
    assert problems(graph, "unknown-operator") == []


def test_an_operator_onnx_does_not_have() -> None:
    graph = graph_of("net (float[1] x) => (float[1] y) { [n] y = Swoosh(x) }")
    assert problems(graph, "unknown-operator") == [("ONNX has no operator 'Swoosh'", "n")]


def test_attributes_are_plain_python() -> None:
    tensor = numpy_helper.from_array(np.array([1.5, 2.5], np.float32))
    node = helper.make_node(
        "Foo",
        ["x"],
        ["y"],
        domain="d",
        i=3,
        f=0.5,
        s="nearest",
        ints=[1, 2],
        floats=[0.5, 0.25],
        strings=["a", "b"],
        t=tensor,
        ts=[tensor],
        tp=helper.make_tensor_type_proto(FLOAT, [2]),
    )
    attributes = dict(read_onnx(made([node], [value("x", [1])], [value("y", [1])])).nodes[0].attributes)
    single, several = attributes.pop("t"), attributes.pop("ts")
    assert attributes == {
        "i": 3,
        "f": 0.5,
        "s": "nearest",
        "ints": (1, 2),
        "floats": (0.5, 0.25),
        "strings": ("a", "b"),
        "tp": ("float32", (2,)),
    }
    assert all(type(v) in (int, float, str, tuple) for v in attributes.values())
    assert isinstance(single, Constant)
    assert single.load().tolist() == [1.5, 2.5]
    assert [c.load().tolist() for c in several] == [[1.5, 2.5]]


def test_attributes_without_a_type_as_in_the_first_versions_of_the_format() -> None:
    node = helper.make_node("LeakyRelu", ["x"], ["y"], alpha=0.25)
    node.attribute[0].ClearField("type")
    assert read_onnx(made([node], [value("x", [1])], [value("y", [1])])).nodes[0].attributes == {"alpha": 0.25}


@pytest.mark.parametrize(
    ("attributes", "shape", "dtype", "expected"),
    [
        ({"value": numpy_helper.from_array(np.array([[1, 2]], np.int32))}, (1, 2), "int32", [[1, 2]]),
        ({"value_int": 7}, (), "int64", 7),
        ({"value_ints": [1, -1]}, (2,), "int64", [1, -1]),
        ({"value_float": 0.5}, (), "float32", 0.5),
        ({"value_floats": [0.5, 0.25]}, (2,), "float32", [0.5, 0.25]),
        ({"value_string": "a"}, (), "string", b"a"),
    ],
)
def test_constant_nodes_stay_and_their_outputs_are_constants(
    attributes: dict[str, Any], shape: tuple[int, ...], dtype: str, expected: Any
) -> None:
    node = helper.make_node("Constant", [], ["c"], **attributes)
    graph = read_onnx(made([node, helper.make_node("Identity", ["c"], ["y"])], [], [value("y", None)]))
    tensor = graph.tensor("c")
    assert [n.op for n in graph.nodes] == ["Constant", "Identity"]
    assert (tensor.shape, tensor.dtype, tensor.declared) == (shape, dtype, False)
    found = graph.value("c")
    assert found is not None
    assert (found.tolist() if dtype != "string" else found.item().encode()) == expected


# ---- initialisers


def test_initialisers_are_no_inputs_and_are_read_when_asked() -> None:
    weight = np.arange(6, dtype=np.float32).reshape(2, 3)
    graph = read_onnx(
        made(
            [helper.make_node("MatMul", ["x", "w"], ["y"])],
            [value("x", [1, 2])],
            [value("y", [1, 3])],
            initializer=[numpy_helper.from_array(weight, "w")],
        )
    )
    assert graph.inputs == ("x",)
    assert graph.is_constant("w")
    assert (graph.tensor("w").shape, graph.tensor("w").dtype, graph.tensor("w").declared) == ((2, 3), "float32", True)
    assert np.array_equal(graph.value("w"), weight)


def test_weights_are_not_decoded_while_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    original = numpy_helper.to_array
    monkeypatch.setattr(numpy_helper, "to_array", lambda t, *rest: decoded.append(t.name) or original(t, *rest))
    weight = numpy_helper.from_array(np.zeros((64, 8, 3, 3), np.float32), "w")
    graph = read_onnx(
        made(
            [helper.make_node("Conv", ["x", "w"], ["y"])],
            [value("x", [1, 8, 8, 8])],
            [value("y", None)],
            initializer=[weight],
        )
    )
    assert graph.tensor("y").shape == (1, 64, 6, 6)  # from the weights' shape
    assert decoded == []


def test_initialisers_that_are_inputs_too() -> None:
    model = made(
        [helper.make_node("Add", ["x", "b"], ["y"])],
        [value("x", [2]), value("b", [2])],
        [value("y", [2])],
        initializer=[numpy_helper.from_array(np.ones(2, np.float32), "b")],
    )
    graph = read_onnx(model)
    assert graph.inputs == ("x",)
    assert problems(graph, "initializer-is-input") == [("1 initialiser is also a graph input ('b')", None)]
    model.ir_version = 3
    ((message, _),) = problems(read_onnx(model), "initializer-is-input")
    assert message.endswith("; IR version 3 demands it, 4 and newer do not")


def test_sparse_initialisers() -> None:
    values = numpy_helper.from_array(np.array([5.0, 7.0], np.float32), "w")
    flat = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([1, 5], np.int64)), [2, 3])
    graph = read_onnx(
        made(
            [helper.make_node("Add", ["x", "w"], ["y"])],
            [value("x", [2, 3])],
            [value("y", [2, 3])],
            sparse_initializer=[flat],
        )
    )
    assert (graph.inputs, graph.tensor("w").shape) == (("x",), (2, 3))
    assert graph.value("w").tolist() == [[0, 5, 0], [0, 0, 7]]


def test_a_sparse_tensor_that_claims_to_be_huge_is_not_made() -> None:
    values = numpy_helper.from_array(np.array([5.0], np.float32), "w")
    sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(np.array([1], np.int64)), [1 << 40])
    node = helper.make_node("Identity", ["w"], ["y"])
    assert read_onnx(made([node], [], [value("y", None)], sparse_initializer=[sparse])).value("w") is None


# ---- external data


def external(location: str, **entries: str) -> onnx.TensorProto:
    tensor = onnx.TensorProto(name="w", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, text in {"location": location, **entries}.items():
        tensor.external_data.add(key=key, value=text)
    return tensor


def saved_external(folder: Path, location: str, **entries: str) -> Graph:
    folder.mkdir(exist_ok=True)
    model = made(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        [value("x", [4])],
        [value("y", [4])],
        initializer=[external(location, **entries)],
    )
    path = folder / "net.onnx"
    path.write_bytes(model.SerializeToString())
    return read_onnx(path)


FOUR = np.array([1, 2, 3, 4], np.float32)


@pytest.mark.parametrize("entries", [{"offset": "8", "length": "16"}, {"offset": "8"}], ids=str)
def test_external_data_beside_the_model(tmp_path: Path, entries: dict[str, str]) -> None:
    (tmp_path / "w.bin").write_bytes(b"\0" * 8 + FOUR.tobytes() + b"\0" * 8)
    graph = saved_external(tmp_path, "w.bin", **entries)
    assert graph.value("w").tolist() == [1, 2, 3, 4]
    assert graph.problems == ()


def test_external_data_that_are_absent(tmp_path: Path) -> None:
    graph = saved_external(tmp_path, "w.bin")
    assert graph.value("w") is None
    assert graph.tensor("w").shape == (4,)
    message = "the values of 1 of 1 initialisers are not there (16 bytes): 'w.bin' is not beside the model"
    assert problems(graph, "missing-weights") == [(message, None)]


@pytest.mark.parametrize("entries", [{"length": "4"}, {"offset": "-1"}, {"offset": "x"}, {"offset": "4"}], ids=str)
def test_external_data_that_are_too_short_or_misplaced(tmp_path: Path, entries: dict[str, str]) -> None:
    (tmp_path / "w.bin").write_bytes(FOUR.tobytes())
    assert saved_external(tmp_path, "w.bin", **entries).value("w") is None


@pytest.mark.parametrize("location", ["../secret.bin", "sub/../../secret.bin", "{absolute}", "", "\0", "a" * 5000])
def test_external_data_outside_the_folder_are_never_read(tmp_path: Path, location: str) -> None:
    secret = tmp_path / "secret.bin"
    secret.write_bytes(FOUR.tobytes())
    graph = saved_external(tmp_path / "models", location.format(absolute=secret))
    assert graph.value("w") is None
    assert len(problems(graph, "missing-weights")) == 1


def test_a_link_that_leads_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(FOUR.tobytes())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "w.bin").symlink_to(tmp_path / "secret.bin")
    assert saved_external(tmp_path / "models", "w.bin").value("w") is None


def test_a_small_external_shape_takes_part_in_inference(tmp_path: Path) -> None:
    target = onnx.TensorProto(name="s", data_type=INT64, dims=[2], data_location=TensorProto.EXTERNAL)
    target.external_data.add(key="location", value="s.bin")
    (tmp_path / "s.bin").write_bytes(np.array([2, 6], np.int64).tobytes())
    node = helper.make_node("Reshape", ["x", "s"], ["y"])
    model = made([node], [value("x", [3, 4])], [value("y", None)], initializer=[target])
    (tmp_path / "net.onnx").write_bytes(model.SerializeToString())
    assert read_onnx(tmp_path / "net.onnx").tensor("y").shape == (2, 6)


# ---- bodies of control flow


CONDITIONAL = """net (bool c, float[1,8] x) => (float[1,8] y) <float[8] w = {0,0,0,0,0,0,0,0}> {
    r = Relu(x)
    [choice] y = If (c) <
        then_branch = yes () => (float[1,8] y1) { [inner] y1 = Add(r, w) },
        else_branch = no () => (float[1,8] y2) { t = Sigmoid(r) y2 = Neg(t) }
    >
}"""


def test_bodies_are_graphs_that_know_what_they_take_from_around_them() -> None:
    graph = graph_of(CONDITIONAL)
    node = graph.node("choice")
    assert sorted(node.subgraphs) == ["else_branch", "then_branch"]
    assert node.attributes == {}
    body = node.subgraphs["then_branch"]
    assert [n.name for n in body.nodes] == ["inner"]
    assert body.free == {"r", "w"}
    assert body.is_constant("w")
    assert body.tensor("r").shape == (1, 8)
    assert graph.captured == {"r", "w"}
    assert node.subgraphs["else_branch"].tensor("t").shape == (1, 8)
    assert [n.op for _, n in graph.walk()] == ["Relu", "If", "Add", "Sigmoid", "Neg"]
    assert graph.problems == ()


def test_a_body_that_reads_a_tensor_made_later_is_moved_behind_it() -> None:
    graph = graph_of(
        """net (bool c, float[1] x) => (float[1] y) {
        [choice] y = If (c) <then_branch = a () => (y1) { y1 = Neg(r) }, else_branch = b () => (y2) { y2 = Neg(x) }>
        [late] r = Relu(x) }"""
    )
    assert [n.name for n in graph.nodes] == ["late", "choice"]


def test_problems_of_a_body_are_told_of_its_node() -> None:
    graph = graph_of(
        """net (bool c, float[1] x) => (float[1] y) {
        [choice] y = If (c) <then_branch = a () => (u) { u = Neg(q) }, else_branch = b () => (v) { v = Neg(x) }> }"""
    )
    assert problems(graph, "invalid-graph") == [("in its then_branch: reads 'q', which nothing makes", "choice")]


# ---- model-local functions


FUNCTIONS = '<ir_version: 9, opset_import: ["" : 17, "local" : 1]>'
SILU = """<opset_import: ["" : %d], domain: "local">
silu (a) => (b) { [sig] s = Sigmoid(a) b = Mul(a, s) }"""


def test_local_functions_are_expanded_and_the_weights_stay() -> None:
    text = """net (float[1,8] x) => (float[1,8] y) <float[8] w = {1,2,3,4,5,6,7,8}>
    { a = local.silu(x) b = Add(a, w) y = local.silu(b) }"""
    graph = read_onnx(model_of(text + SILU % 17, FUNCTIONS))
    assert [n.op for n in graph.nodes] == ["Sigmoid", "Mul", "Add", "Sigmoid", "Mul"]
    assert {n.domain for n in graph.nodes} == {""}
    assert graph.nodes[0].name.startswith("sig")
    assert {n.source.index for n in graph.nodes} == {None}  # they do not stand in the file like this
    assert graph.value("w").tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert graph.tensor("y").shape == (1, 8)
    assert graph.problems == ()


def test_functions_nobody_calls_change_nothing() -> None:
    graph = read_onnx(model_of("net (float[1] x) => (float[1] y) { y = Relu(x) }" + SILU % 17, FUNCTIONS))
    assert [(n.op, n.source.index) for n in graph.nodes] == [("Relu", 0)]


def test_a_function_that_calls_itself() -> None:
    text = """net (float[1] x) => (float[1] y) { y = local.f(x) }
    <opset_import: ["" : 17, "local" : 1], domain: "local"> f (a) => (b) { b = local.f(a) }"""
    graph = read_onnx(model_of(text, FUNCTIONS))
    assert problems(graph, "invalid-graph") == [("a model-local function calls itself", None)]
    assert [(n.op, n.domain) for n in graph.nodes] == [("f", "local")]


def test_functions_that_double_forty_times_are_not_expanded() -> None:
    doubling = "".join(
        f'<opset_import: ["" : 17, "local" : 1], domain: "local"> '
        f"f{k} (a) => (c) {{ b = local.f{k + 1}(a) c = local.f{k + 1}(b) }}"
        for k in range(40)
    )
    last = '<opset_import: ["" : 17], domain: "local"> f40 (a) => (b) { b = Relu(a) }'
    graph = read_onnx(model_of("net (float[1] x) => (float[1] y) { y = local.f0(x) }" + doubling + last, FUNCTIONS))
    ((message, _),) = problems(graph, "invalid-graph")
    assert message == ("its model-local functions stand for 1099511627776 nodes; more than 200000 are not expanded")


# ---- graphs that break the rules


def test_unsorted_nodes_are_sorted_and_otherwise_keep_their_order() -> None:
    graph = graph_of("net (float[1] x) => (float[1] y) { y = Neg(b) b = Abs(a) a = Relu(x) z = Exp(x) }")
    assert [n.op for n in graph.nodes] == ["Relu", "Abs", "Neg", "Exp"]
    assert problems(graph, "not-sorted") == [("nodes are not in execution order: 2 of 4 had to be moved", None)]


@pytest.mark.parametrize(
    ("nodes", "message", "node"),
    [
        ("[n] y = Add(x, q)", "reads 'q', which nothing makes", "n"),
        ("[n] a = Relu(x)", "graph output 'y' is made by no node", None),
        ("[m] y = Relu(x) [n] y = Neg(x)", "writes 'y', which another node writes too", "n"),
        ("[n] x = Relu(x) [m] y = Neg(x)", "writes 'x', which the graph already has (an input or initialiser)", "n"),
        ("[n] a = Add(x, y) [m] y = Neg(a)", "2 nodes depend on their own results (a cycle)", "n"),
    ],
)
def test_invalid_graphs_are_read_all_the_same(nodes: str, message: str, node: str | None) -> None:
    graph = graph_of("net (float[1] x) => (float[1] y) { " + nodes + " }")
    assert (message, node) in problems(graph, "invalid-graph")
    assert len(graph.nodes) == nodes.count("[")


def test_a_model_without_a_graph() -> None:
    model = onnx.ModelProto(ir_version=9, opset_import=[helper.make_opsetid("", 17)])
    graph = read_onnx(model)
    assert graph.nodes == ()
    assert problems(graph, "invalid-graph") == [("the file holds no graph", None)]


# ---- operator sets


@pytest.mark.parametrize("opset", [6, 7, 11, 13, 17, onnx.defs.onnx_opset_version()])
def test_operator_sets(opset: int) -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    graph = read_onnx(made([node], [value("x", [1, 8])], [value("y", None)], opset=opset))
    assert graph.opsets == {"": opset}
    assert graph.tensor("y").shape == (1, 8)
