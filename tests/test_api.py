"""Checking a graph: what the engine adds to a plan and to what rules find."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from edge_target import SHEET, edge
from edge_target import edge_pack as edge_pack

import lintmodel
from lintmodel.api import Report, check, check_graph, read_model
from lintmodel.errors import LintmodelError, UnknownTarget, UnreadableModel, UsageError
from lintmodel.findings import Found, Level, Location
from lintmodel.ir import Composite, Frame, Graph, GraphBuilder, Source
from lintmodel.planning import NotChecked, Placement, Plan
from lintmodel.registry import Model, rule, selector
from lintmodel.target import Target

pytestmark = pytest.mark.usefixtures("edge_pack")


def edge_findings(report: Report) -> list[tuple[str, str | None, str]]:
    return [(f.rule, f.node, f.message) for f in report.findings if f.rule.startswith("EDG")]


def with_source(graph: Graph, name: str, source: Source) -> Graph:
    return graph.with_(nodes=tuple(replace(n, source=source) if n.name == name else n for n in graph.nodes))


def test_findings_have_rule_place_and_fingerprint() -> None:
    graph = GraphBuilder().conv(3, 8, kernel=5, size=32).conv(8, 8, kernel=3).graph("net")
    report = check_graph(graph, edge())
    (found,) = [f for f in report.findings if f.rule.startswith("EDG")]
    assert (found.rule, found.name, found.level, found.node) == ("EDG101", "edge-kernel", Level.WARNING, "conv_0")
    assert (found.message, found.vendor_message) == ("kernel is 5x5", "bad kernel")
    assert found.location == Location("net.onnx")
    assert len(found.fingerprint) == 16
    assert report.model == "net.onnx"
    assert report.verdict == "accepted"


def test_findings_stand_in_the_order_of_nodes_those_on_the_model_first() -> None:
    builder = GraphBuilder().conv(3, 8, kernel=5, stride=2, size=32)
    for _ in range(4):
        builder.relu()
    graph = builder.conv(8, 8, kernel=5).op("Softmax").graph()
    assert edge_findings(check_graph(graph, edge())) == [
        ("EDG301", None, "7 nodes; at most 6 are quick"),
        ("EDG101", "conv_0", "kernel is 5x5"),
        ("EDG103", "conv_0", "stride down is 2"),
        ("EDG103", "conv_0", "stride across is 2"),
        ("EDG101", "conv_1", "kernel is 5x5"),
        ("EDG102", "softmax_0", "Softmax has no kernel"),
    ]


def test_a_finding_may_raise_or_lower_the_level_of_its_rule() -> None:
    builder = GraphBuilder().conv(3, 8, size=32)
    for _ in range(6):
        builder.relu()
    (found,) = [f for f in check_graph(builder.graph(), edge()).findings if f.rule == "EDG301"]
    assert found.level is Level.WARNING


def test_fingerprints_do_not_depend_on_lines_or_on_other_nodes() -> None:
    def prints(graph: Graph, target: Any = None) -> list[str]:
        found = check_graph(graph, target or edge()).findings
        return [f.fingerprint for f in found if f.node == "conv_0" and f.rule.startswith("EDG")]

    graph = GraphBuilder().conv(3, 8, kernel=5, stride=2, size=32).graph()
    before = prints(graph)
    assert len(set(before)) == 3  # the kernel, and both axes of the stride
    assert prints(with_source(graph, "conv_0", Source("net.py", 12))) == before
    assert prints(GraphBuilder().conv(3, 8, kernel=5, stride=2, size=32).relu().conv(8, 8, kernel=5).graph()) == before
    assert set(prints(graph, replace(edge(), name="edge2"))).isdisjoint(before)


def test_finding_on_the_model_stands_on_the_lines_of_the_nodes_it_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    def all_of_them(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
        yield Found("three layers", nodes=[node.name for node in model.graph.nodes])

    made = rule("EDG900", "edge-all", Level.NOTE, on=Model)(all_of_them)
    monkeypatch.setattr("lintmodel.api.rules_for", lambda family: [made])
    graph = GraphBuilder().conv(3, 8, size=32).relu().relu().graph("net")
    called = Source("net.py", 12, calls=(Frame("net.py", 30),))
    for name, source in {"conv_0": called, "relu_0": Source("net.py", 14), "relu_1": Source("net.py", 14)}.items():
        graph = with_source(graph, name, source)
    (found,) = check_graph(graph, edge()).findings
    assert (found.node, found.location) == (None, Location("net.py", 12))
    assert found.related == (Location("net.py", 14), Location("net.py", 30))
    (untraced,) = check_graph(GraphBuilder().conv(3, 8, size=32).graph("net"), edge()).findings
    assert (untraced.location, untraced.related) == (Location("net.onnx"), ())


def test_a_line_the_front_end_knows_is_the_place() -> None:
    graph = GraphBuilder().conv(3, 8, kernel=5, size=32).graph("net")
    report = check_graph(with_source(graph, "conv_0", Source("net.py", 12, 4)), edge())
    (found,) = [f for f in report.findings if f.rule == "EDG101"]
    assert found.location == Location("net.py", 12, 4)
    assert (report.nodes[0].file, report.nodes[0].line) == ("net.py", 12)


def test_nodes() -> None:
    graph = GraphBuilder().conv(3, 8, kernel=5, size=32).relu().flatten().gemm(8192, 10).op("Softmax").graph("net")
    report = check_graph(graph, edge())
    rows = [(n.name, n.op, n.placement.value, n.shape, n.macs, n.weight_bytes) for n in report.nodes]
    assert rows == [
        ("conv_0", "Conv", "accelerated", (1, 8, 32, 32), 8 * 32 * 32 * 3 * 25, (8 * 3 * 25 + 8) * 4),
        ("relu_0", "Relu", "free", (1, 8, 32, 32), 0, 0),
        ("flatten_0", "Flatten", "accelerated", (1, 8192), 0, 0),
        ("gemm_0", "Gemm", "accelerated", (1, 10), 81920, 81920 * 4 + 40),
        ("softmax_0", "Softmax", "unsupported", (1, 10), 0, 0),
    ]
    assert report.nodes[0].rules[:1] == ("EDG101",)
    assert report.counts == {"accelerated": 3, "partial": 0, "fallback": 0, "unsupported": 1, "free": 1}
    assert report.verdict == "rejected"


def test_weights_of_four_bits() -> None:
    builder = GraphBuilder().input(1, 8)
    weight = builder.zeros(5, 3, name="w")
    graph = builder.op("MatMul", weight, shape=(1, 3)).graph()
    graph = graph.with_(tensors={**graph.tensors, "w": replace(graph.tensors["w"], dtype="int4")})
    assert check_graph(graph, edge()).nodes[0].weight_bytes == 8


def silu() -> Graph:
    graph = GraphBuilder().conv(3, 8, size=32).silu().relu().graph()
    composite = Composite("silu_0", "SiLU", ("sigmoid_0", "mul_0"), ("conv_0_out",), "mul_0_out")
    return graph.with_(composites=(composite,))


def test_a_composite_is_listed_once() -> None:
    report = check_graph(silu(), edge())
    assert [n.name for n in report.nodes] == ["conv_0", "silu_0", "relu_0"]
    listed = report.nodes[1]
    assert (listed.op, listed.native_op, listed.members) == ("SiLU", "Mul", ("sigmoid_0", "mul_0"))
    assert listed.placement is Placement.FALLBACK  # Sigmoid is, Mul is not
    assert listed.rules == ("EDG301",)
    assert listed.shape == (1, 8, 32, 32)


def test_of_two_composites_that_overlap_the_larger_is_listed() -> None:
    graph = silu()
    whole = Composite("all", "Block", ("conv_0", "sigmoid_0", "mul_0"), ("x",), "mul_0_out")
    report = check_graph(graph.with_(composites=(*graph.composites, whole)), edge())
    assert [n.name for n in report.nodes] == ["all", "relu_0"]
    assert report.nodes[0].macs == 8 * 32 * 32 * 3 * 9


def test_an_all_free_composite_is_free() -> None:
    graph = GraphBuilder().conv(3, 8, size=32).relu().relu().graph()
    twice = Composite("twice", "Relu", ("relu_0", "relu_1"), ("conv_0_out",), "relu_1_out")
    report = check_graph(graph.with_(composites=(twice,)), edge())
    assert report.nodes[1].placement is Placement.FREE


def open_conv(builder: GraphBuilder, batch: int | str, kernel: int = 5) -> GraphBuilder:
    weight = builder.zeros(8, 3, kernel, kernel)
    return builder.op("Conv", weight, shape=(batch, 8, 32, 32), pads=(2, 2, 2, 2))


def test_rules_that_need_numbers_are_not_asked_and_the_report_says_so_once() -> None:
    builder = GraphBuilder().input("batch", 3, 32, 32, name="images")
    graph = open_conv(open_conv(builder, "batch").at("images"), "batch").op("Softmax").graph()
    report = check_graph(graph, edge())
    assert [f.rule for f in report.findings if f.rule.startswith("EDG")] == ["EDG102"]  # asked: it needs no numbers
    assert report.not_checked == (
        NotChecked(
            "checks of shapes and limits", "dimension 'batch' of input 'images' is symbolic", ("conv_0", "conv_1")
        ),
    )


@pytest.mark.parametrize(
    ("shape", "after", "why"),
    [
        (("n", 3, "h", "w"), ("n", 8, "h", "w"), "dimensions 'h', 'n', 'w' of input 'x' are symbolic"),
        (("n", 3, "h", 32), (1, 8, "h", 32), "dimensions 'h', 'n' of input 'x' are symbolic"),
        (("n", 3, 32, 32), ("unk__7", 8, 32, 32), "dimension 'n' of input 'x' is symbolic"),
        (("?", 3, 32, 32), ("?", 8, 32, 32), "the shape of 'x' is not fixed in the file"),
        (
            (1, 3, 32, 32),
            ("?", 8, 32, 32),
            "the file does not state these shapes and they do not follow from the inputs",
        ),
    ],
)
def test_why_a_size_is_open(shape: tuple[Any, ...], after: tuple[Any, ...], why: str) -> None:
    builder = GraphBuilder().input(*shape)
    graph = builder.op("Conv", builder.zeros(8, 3, 3, 3), shape=after).graph()
    assert [item.why for item in check_graph(graph, edge()).not_checked] == [why]


def test_what_the_plan_could_not_check_is_kept() -> None:
    report = check_graph(GraphBuilder().conv(3, 8).graph(), edge(threads=9))
    assert report.not_checked == (NotChecked("memory", "nobody measured it"),)


def test_select_chooses_rules_and_leaves_the_verdict() -> None:
    graph = GraphBuilder().conv(3, 8, kernel=5, size=32).op("Softmax").graph()
    report = check_graph(graph, edge(), select=selector(["EDG101"]))
    assert [f.rule for f in report.findings] == ["EDG101"]
    assert report.verdict == "rejected"


def test_bodies_of_control_flow_are_not_asked_about() -> None:
    body = GraphBuilder().conv(3, 8, kernel=5, size=32).graph("body")
    graph = GraphBuilder().input(1, 3, 32, 32).op("If").graph()
    graph = graph.with_(nodes=(replace(graph.nodes[0], subgraphs={"then_branch": body}),))
    report = check_graph(graph, edge())
    assert edge_findings(report) == []
    assert [n.name for n in report.nodes] == ["if_0"]


@pytest.mark.parametrize(
    ("op", "sentence"),
    [
        ("FaultyRule", "rule EDG901 edge-faulty at node 'faultyrule_0' failed (KeyError: 'threads'); this is a bug"),
        ("FaultyPlan", "planning example.onnx for edge failed (RuntimeError: no such thing); this is a bug"),
        ("Forgotten", "the plan places every node but 'forgotten_0'; this is a bug in the rule pack"),
    ],
)
def test_a_bug_in_a_pack_is_one_sentence(op: str, sentence: str) -> None:
    with pytest.raises(LintmodelError) as caught:
        check_graph(GraphBuilder().conv(3, 8).op(op).graph(), edge())
    assert str(caught.value).startswith(sentence)


# ---- check: from a file


def conv_model(batch: int | str = 1, kernel: int = 5) -> Any:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.zeros((8, 3, kernel, kernel), "float32"), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], "conv", pads=[kernel // 2] * 4)],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 8, 16, 16])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    path = tmp_path / "net.onnx"
    path.write_bytes(conv_model().SerializeToString())
    return path


def test_check_of_a_file(model: Path) -> None:
    report = check(model, SHEET)
    assert report.model == str(model)
    assert [f.rule for f in report.findings if f.rule.startswith("EDG")] == ["EDG101"]
    assert report.target.toolchain == "edgec 2.0"
    assert lintmodel.check is check


def test_check_of_a_model_in_memory(model: Path) -> None:
    report = check(conv_model(), SHEET)
    assert edge_findings(report) == edge_findings(check(model, SHEET))
    assert report.model


def test_toolchain_options_and_quantized(model: Path) -> None:
    report = check(model, SHEET, toolchain="1.0", quantized=False, options={"threads": 4})
    assert report.target.toolchain == "edgec 1.0"
    assert report.target.options == {"ptq": False, "threads": 4, "flags": ""}
    assert check(model, SHEET).target.options["ptq"] is True


def test_input_shapes(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(conv_model("n").SerializeToString())
    assert [item.why for item in check(path, SHEET).not_checked] == ["dimension 'n' of input 'x' is symbolic"]
    for shapes in ({"x": (1, 3, 16, 16)}, {"": (1, 3, 16, 16)}):
        report = check(path, SHEET, input_shapes=shapes)
        assert report.not_checked == ()
        assert report.nodes[0].shape == (1, 8, 16, 16)


def test_the_json_object(model: Path) -> None:
    data = json.loads(json.dumps(check(model, SHEET).to_dict()))
    assert data == {
        "model": str(model),
        "format": "onnx",
        "target": "edge",
        "toolchain": "edgec 2.0",
        "verdict": "accepted",
        "runtime": "ok",
        "fits": "unknown",
        "segments": None,
        "counts": {"accelerated": 1, "partial": 0, "fallback": 0, "unsupported": 0, "free": 0},
        "nodes": [
            {
                "name": "conv",
                "op": "Conv",
                "native_op": "Conv",
                "placement": "accelerated",
                "rules": ["EDG101"],
                "shape": [1, 8, 16, 16],
                "macs": 8 * 16 * 16 * 3 * 25,
                "weight_bytes": 8 * 3 * 25 * 4,
                "source": {"file": str(model), "line": None},
            }
        ],
        "plan": [{"unit": "npu", "op": "Conv", "nodes": ["conv"], "writes": []}],
        "memory": {"sram": {"capacity": 65536, "peak": 1024, "at": None}},
        "findings": [
            {
                "rule": "EDG101",
                "name": "edge-kernel",
                "level": "warning",
                "message": "kernel is 5x5",
                "node": "conv",
                "location": {"file": str(model), "line": None, "column": None},
                "related": [],
                "vendor_message": "bad kernel",
                "fix": {"id": "split", "safety": "safe", "text": data["findings"][0]["fix"]["text"]},
                "fingerprint": data["findings"][0]["fingerprint"],
            }
        ],
        "suppressed": [],
        "not_checked": [],
    }


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        ({"target": "nowhere-at-all"}, UnknownTarget, "no target 'nowhere-at-all'"),
        ({"toolchain": "3.0"}, UnknownTarget, "target edge has no version '3.0' of edgec"),
        ({"options": {"thread": 1}}, UsageError, "target edge has no option 'thread'; did you mean 'threads'?"),
        ({"input_shapes": {"": (1, 3)}}, UsageError, ""),
        ({"input_shapes": {"y": (1, 3)}}, UsageError, ""),
        ({"checkpoint": "weights.pt"}, UsageError, ""),
        ({"model": 3}, UsageError, "a model is a path, an onnx.ModelProto or a torch.nn.Module, not builtins.int"),
        ({"model": "nowhere.onnx"}, UnreadableModel, "nowhere.onnx: "),
    ],
)
def test_what_makes_no_sense(
    model: Path, arguments: dict[str, Any], error: type[LintmodelError], sentence: str
) -> None:
    with pytest.raises(error) as caught:
        check(**{"model": model, "target": SHEET, **arguments})
    assert str(caught.value).startswith(sentence)
    assert "\n" not in str(caught.value)


def test_quantized_where_there_is_no_choice(model: Path, tmp_path: Path) -> None:
    sheet = tmp_path / "edge.yaml"
    sheet.write_text(Path(SHEET).read_text().replace("quantized_option: ptq\n", ""))
    with pytest.raises(UsageError, match="target edge leaves no choice whether a model runs quantised"):
        check(model, str(sheet), quantized=True)


def test_the_shape_of_the_only_input_where_there_are_two(tmp_path: Path) -> None:
    from onnx import TensorProto, helper

    inputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 4]) for name in "ab"]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])]
    graph = helper.make_graph([helper.make_node("Add", ["a", "b"], ["y"], "add")], "net", inputs, outputs)
    with pytest.raises(UsageError, match="which input has the shape 1x4\\? The model has a, b"):
        read_model(helper.make_model(graph), {"": (1, 4)})


def test_importing_lintmodel_loads_no_heavy_module() -> None:
    code = "import sys, lintmodel; print(sorted({'onnx', 'numpy', 'yaml', 'rich', 'networkx'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
