"""Exported PyTorch programs. ``fixtures/torch`` has programs of torch 2.13 and the ONNX files of the same modules;
other layouts of archives are made of these here. Nothing needs torch."""

from __future__ import annotations

import contextlib
import io
import json
import os
import pickle
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from checkpoint_writer import Stored, write_checkpoint

import lintmodel
from lintmodel.api import check_graph
from lintmodel.errors import UnreadableModel, UsageError
from lintmodel.frontends.onnx import read_onnx
from lintmodel.frontends.pt2 import read_pt2
from lintmodel.frontends.pt2_program import evaluated
from lintmodel.ir import Graph
from lintmodel.normalize import normalize
from lintmodel.target import load_target, target_names

TORCH = Path(__file__).parents[2] / "fixtures" / "torch"
MODELS = pytest.mark.parametrize("name", ["arithmetic", "shapes", "layers", "yolo", "gesture"])
Program = dict[str, Any]


def program_in(path: Path) -> Program:
    with zipfile.ZipFile(path) as archive:
        member = next(name for name in archive.namelist() if name.endswith("models/model.json"))
        found: Program = json.loads(archive.read(member))
        return found


def changed(name: str, change: Callable[[Program], None], target: Path) -> Path:
    """A fixture with another program in it."""
    with zipfile.ZipFile(TORCH / f"{name}.pt2") as before, zipfile.ZipFile(target, "w") as after:
        for info in before.infolist():
            content = before.read(info)
            if info.filename.endswith("models/model.json"):
                program = json.loads(content)
                change(program)
                content = json.dumps(program).encode()
            after.writestr(info.filename, content)
    return target


def operators(graph: Graph) -> Counter[Any]:
    return Counter((node.op, graph.tensor(node.outputs[0]).shape) for node in graph.nodes)


# ---- the same as the ONNX file of the module


@MODELS
def test_the_nodes_are_those_of_the_exported_onnx_file(name: str) -> None:
    ours, theirs = normalize(read_pt2(TORCH / f"{name}.pt2")), normalize(read_onnx(TORCH / f"{name}.onnx"))
    assert operators(ours) == operators(theirs)
    assert Counter(c.op for c in ours.composites) == Counter(c.op for c in theirs.composites)
    assert ours.problems == ()  # no operator unknown, no shape other than the program states


@MODELS
@pytest.mark.parametrize("target", target_names())
def test_placements_and_verdicts_are_those_of_the_exported_onnx_file(name: str, target: str) -> None:
    # The file is of operator set 20, which some toolchains refuse; a program has none yet.
    exported = normalize(read_onnx(TORCH / f"{name}.onnx").with_(format="pt2"))
    graphs = (normalize(read_pt2(TORCH / f"{name}.pt2")), exported)
    reports = [check_graph(graph, load_target(target)) for graph in graphs]
    ours, theirs = (Counter((n.op, n.shape, n.placement.value) for n in r.nodes) for r in reports)
    assert ours == theirs
    assert len({(r.verdict, r.runtime, r.fits) for r in reports}) == 1


def test_composites_are_recognised() -> None:
    assert {c.op for c in normalize(read_pt2(TORCH / "yolo.pt2")).composites} == {"SiLU"}
    assert {"Gelu", "HardSwish", "HardSigmoid", "Mish"} <= {n.op for n in read_pt2(TORCH / "arithmetic.pt2").nodes}


def test_every_node_has_calls_and_modules() -> None:
    graph = read_pt2(TORCH / "yolo.pt2")
    first = graph.nodes[0]
    assert (first.op, first.source.index) == ("Conv", 0)
    assert first.source.frames[-1].function == "forward"
    assert [scope.path for scope in first.source.scopes][-1] == "stem.0.conv"
    assert first.source.scopes[-1].kind == "torch.nn.modules.conv.Conv2d"


def test_a_batch_normalisation_behind_a_convolution_is_in_it() -> None:
    graph = read_pt2(TORCH / "yolo.pt2")
    assert not any(node.op == "BatchNormalization" for node in graph.nodes)
    assert graph.tensor(graph.nodes[0].outputs[0]).shape == (1, 8, 32, 32)
    onnx = read_onnx(TORCH / "yolo.onnx").nodes[0]
    ours, theirs = graph.value(graph.nodes[0].inputs[1]), read_onnx(TORCH / "yolo.onnx").value(onnx.inputs[1])
    assert ours is not None and theirs is not None
    np.testing.assert_allclose(ours, theirs, rtol=1e-5)


# ---- weights


def test_values_are_those_in_the_archive() -> None:
    graph, onnx = read_pt2(TORCH / "layers.pt2"), read_onnx(TORCH / "layers.onnx")
    ours = graph.value("p_dense_weight")
    assert ours is not None and ours.shape == (4, 8) and ours.dtype == np.float32
    found = next(n for n in onnx.nodes if n.op == "Gemm")
    np.testing.assert_array_equal(onnx.value(found.inputs[1]), ours)


def test_shapes_of_weights_that_lie_are_no_values(tmp_path: Path) -> None:
    def larger(content: Any) -> None:
        content["sizes"], content["strides"] = [{"as_int": 1 << 40}], [{"as_int": 0}]

    path = tmp_path / "m.pt2"
    with zipfile.ZipFile(TORCH / "yolo.pt2") as before, zipfile.ZipFile(path, "w") as after:
        for info in before.infolist():
            content = before.read(info)
            if info.filename.endswith("weights_config.json"):
                config = json.loads(content)
                for entry in config["config"].values():
                    larger(entry["tensor_meta"])
                content = json.dumps(config).encode()
            after.writestr(info.filename, content)
    graph = read_pt2(path)
    assert graph.value(graph.nodes[0].inputs[1]) is None


# ---- other layouts


def older(path: Path, program: Program, weights: bytes, *, json_weights: bool = False) -> Path:
    """An archive of torch 2.1 to 2.7."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("serialized_exported_program.json", json.dumps(program))
        archive.writestr("serialized_state_dict.json" if json_weights else "serialized_state_dict.pt", weights)
        archive.writestr("serialized_constants.pt", b"")
        archive.writestr("version", "8.2")
    return path


def weights_of(tmp_path: Path) -> bytes:
    stored = {"head.weight": Stored([float(k) for k in range(224)], 7, 32, 1, 1)}
    return write_checkpoint(tmp_path / "w.pt", stored, bare=True).read_bytes()


def test_archives_up_to_torch_2_7(tmp_path: Path) -> None:
    program = program_in(TORCH / "yolo.pt2")
    program["schema_version"] = {"major": 8, "minor": 2}
    for node in program["graph_module"]["graph"]["nodes"]:
        del node["name"], node["is_hop_single_tensor_return"]
    graph = read_pt2(older(tmp_path / "m.pt2", program, weights_of(tmp_path)))
    assert operators(graph) == operators(read_pt2(TORCH / "yolo.pt2"))
    assert graph.metadata["schema_version"] == "8.2"
    value = graph.value(graph.nodes[-1].inputs[1])
    assert value is not None and value.reshape(-1).tolist() == list(range(224))


def test_archives_of_torch_2_1(tmp_path: Path) -> None:
    """The signature had dictionaries, tensors their description one level further in."""
    program = program_in(TORCH / "yolo.pt2")
    specs = program["graph_module"]["signature"]
    parameters, buffers, inputs = {}, {}, []
    for spec in specs["input_specs"]:
        ((kind, value),) = spec.items()
        if kind == "user_input":
            inputs.append(value["arg"]["as_tensor"]["name"])
        else:
            (parameters if kind == "parameter" else buffers)[value["arg"]["name"]] = value[f"{kind}_name"]
    program["graph_module"]["signature"] = {
        "inputs_to_parameters": parameters,
        "inputs_to_buffers": buffers,
        "user_inputs": inputs,
        "user_outputs": [s["user_output"]["arg"]["as_tensor"]["name"] for s in specs["output_specs"]],
        "buffers_to_mutate": {},
        "backward_signature": None,
    }
    graph = program["graph_module"]["graph"]
    graph["tensor_values"] = {name: {"meta": meta} for name, meta in graph["tensor_values"].items()}
    program["schema_version"] = 1
    found = read_pt2(older(tmp_path / "m.pt2", program, weights_of(tmp_path), json_weights=True))
    assert operators(found) == operators(read_pt2(TORCH / "yolo.pt2"))


def test_decomposed_programs(tmp_path: Path) -> None:
    """Before torch 2.5 exports held core operators: a convolution, a normalisation with three results."""

    def decomposed(program: Program) -> None:
        graph = program["graph_module"]["graph"]
        for node in graph["nodes"]:
            if "conv2d" in node["target"]:
                node["target"] = "torch.ops.aten.convolution.default"
                flags = {"transposed": {"as_bool": False}, "output_padding": {"as_ints": [0, 0]}}
                node["inputs"] += [{"name": k, "arg": v, "kind": 1} for k, v in flags.items()]
            if "batch_norm" in node["target"]:
                node["target"] = "torch.ops.aten._native_batch_norm_legit_no_training.default"
                kept = ("input", "weight", "bias", "running_mean", "running_var", "momentum", "eps")
                node["inputs"] = [i for i in node["inputs"] if i["name"] in kept]
                for extra in ("_mean", "_rstd"):
                    name = node["outputs"][0]["as_tensor"]["name"] + extra
                    node["outputs"].append({"as_tensor": {"name": name}})
                    graph["tensor_values"][name] = {**graph["tensor_values"]["x"], "sizes": [{"as_int": 0}]}

    found = read_pt2(changed("yolo", decomposed, tmp_path / "m.pt2"))
    assert operators(found) == operators(read_pt2(TORCH / "yolo.pt2"))


# ---- open sizes


def open_batch(program: Program) -> None:
    values = program["graph_module"]["graph"]["tensor_values"]
    for name, meta in values.items():
        if not name.startswith(("p_", "b_")) and meta["sizes"]:
            meta["sizes"][0] = {"as_expr": {"expr_str": "s0", "hint": {"as_int": 1}}}


def test_open_sizes_are_symbols_until_they_are_given(tmp_path: Path) -> None:
    path = changed("yolo", open_batch, tmp_path / "m.pt2")
    graph = read_pt2(path)
    assert graph.tensor("x").shape == ("s0", 3, 64, 64)
    fixed = read_pt2(path, {"x": (4, 3, 64, 64)})
    assert fixed.tensor("x").shape == (4, 3, 64, 64)
    assert fixed.tensor(fixed.outputs[0]).shape == (4, 7, 16, 16)


@pytest.mark.parametrize(
    ("shapes", "why"),
    [({"x": (1, 3, 32, 32)}, "is 1x3x64x64 in the file"), ({"y": (1,)}, "no input 'y'"), ({"x": (1,)}, "not 1;")],
)
def test_sizes_that_the_export_fixed(shapes: dict[str, tuple[int, ...]], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_pt2(TORCH / "yolo.pt2", shapes)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(("s0", 6), ("2*s0 + 1", 13), ("s0//4", 1), ("Mod(s0, 4)", 2), ("Max(1, s0)", 6), ("s0**2", 36), ("-s0", -6)),
        *(("s1", "s1"), ("s0*s1", "s0*s1"), ("__import__('os')", "__import__('os')")),
        *(("s0//0", "s0//0"), ("9**9**9", "9**9**9"), ("(", "(")),
    ],
)
def test_expressions_of_sizes(text: str, value: int | str) -> None:
    assert evaluated(text, {"s0": 6}) == value


# ---- what cannot be read


def test_an_operator_without_a_translation_is_named(tmp_path: Path) -> None:
    def strange(program: Program) -> None:
        node = next(n for n in program["graph_module"]["graph"]["nodes"] if "silu" in n["target"])
        node["target"] = "torch.ops.mylib.strange.default"

    graph = read_pt2(changed("yolo", strange, tmp_path / "m.pt2"))
    (problem,) = graph.problems
    assert problem.kind == "unknown-operator" and "mylib.strange.default" in problem.message
    assert graph.node(problem.node or "").domain == "mylib"


@pytest.mark.parametrize("part", [{}, [], {"graph_module": {}}, {"graph_module": {"graph": {"nodes": 3}}}])
def test_a_program_that_is_none(tmp_path: Path, part: Any) -> None:
    with pytest.raises(UnreadableModel):
        read_pt2(older(tmp_path / "m.pt2", part, b""))


def test_damaged_archives(tmp_path: Path) -> None:
    content = (TORCH / "gesture.pt2").read_bytes()
    for end in (0, 10, len(content) // 2, len(content) - 30):
        (tmp_path / "m.pt2").write_bytes(content[:end])
        with pytest.raises(UnreadableModel):
            read_pt2(tmp_path / "m.pt2")
    for at in range(100, len(content), len(content) // 40):
        (tmp_path / "m.pt2").write_bytes(content[:at] + b"\xff\0\xff" + content[at + 3 :])
        try:
            read_pt2(tmp_path / "m.pt2")
        except UnreadableModel as error:
            assert "\n" not in str(error)


def test_programs_that_contradict_themselves(tmp_path: Path) -> None:
    """Whatever one value of the JSON is replaced with, there is a graph or a reason."""
    program = program_in(TORCH / "gesture.pt2")
    nodes = program["graph_module"]["graph"]["nodes"]
    for index, node in enumerate(nodes):
        for key in ("inputs", "outputs", "target", "metadata"):
            for value in (None, [], {}, 3, "x", [{"name": "input", "arg": {"as_int": -1}}]):
                nodes[index] = {**node, key: value}
                with contextlib.suppress(UnreadableModel):
                    normalize(read_pt2(older(tmp_path / "m.pt2", program, b"")))
        nodes[index] = node


# ---- nothing runs


class _Runs:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.marker}",)


def saved(value: Any) -> bytes:
    """As torch.save writes it: an archive with the pickle in it."""
    found = io.BytesIO()
    with zipfile.ZipFile(found, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(value, protocol=2))
        archive.writestr("archive/version", "3")
    return found.getvalue()


@pytest.mark.parametrize(
    "member",
    ["m/data/sample_inputs/model.pt", "m/data/weights/weight_0", "m/data/constants/custom_obj_0", "extra/other.pkl"],
)
@pytest.mark.parametrize("archived", [True, False], ids=["saved", "pickle"])
def test_a_program_made_to_run_code_is_refused(tmp_path: Path, member: str, archived: bool) -> None:
    marker = tmp_path / "ran"
    evil = saved(_Runs(marker)) if archived else pickle.dumps({"x": _Runs(marker)}, protocol=4)
    path = tmp_path / "m.pt2"
    with zipfile.ZipFile(TORCH / "yolo.pt2") as before, zipfile.ZipFile(path, "w") as after:
        for info in before.infolist():
            after.writestr(info.filename, before.read(info))
        after.writestr(member, evil)
    with pytest.raises(UnreadableModel, match=r"system.*nothing in it was run"):
        lintmodel.check(str(path), "generic")
    assert not marker.exists()
    with pytest.raises(UnreadableModel, match="system"):
        read_pt2(older(tmp_path / "old.pt2", program_in(TORCH / "yolo.pt2"), evil))
    assert not marker.exists()


def test_a_checkpoint_made_to_run_code_is_refused(tmp_path: Path) -> None:
    marker, path = tmp_path / "ran", tmp_path / "m.pth"
    path.write_bytes(saved({"state_dict": _Runs(marker)}))
    with pytest.raises(UnreadableModel, match=r"names \w+\.system.*nothing in it was run"):
        lintmodel.check(str(path), "generic")
    assert not marker.exists()


class Network:
    """Stands for a class of the user's."""


def test_a_pickled_network_names_its_class_and_the_way_out(tmp_path: Path) -> None:
    path = tmp_path / "best.pt"
    path.write_bytes(saved({"model": Network(), "epoch": 3}))
    with pytest.raises(UnreadableModel) as caught:
        lintmodel.check(str(path), "generic")
    assert f"{Network.__module__}.Network" in str(caught.value)
    assert "torch.export.export(model.eval()" in str(caught.value) and "torch.export.save(" in str(caught.value)


def test_a_dictionary_of_weights_says_how_to_make_a_program(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "w.pth", {"a": Stored([1.0], 1)})
    with pytest.raises(UnreadableModel, match=r"weights without the network.*torch\.export\.save"):
        lintmodel.check(str(path), "generic")


def test_torch_is_not_imported() -> None:
    code = (
        f"import sys, lintmodel; lintmodel.check({str(TORCH / 'yolo.pt2')!r}, 'generic'); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
