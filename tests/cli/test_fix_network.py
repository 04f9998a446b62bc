"""``lintmodel fix`` and ``check --fix`` on ONNX and TFLite files."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lintmodel import api, registry
from lintmodel.findings import Fix, Found, Level
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

if TYPE_CHECKING:
    from conftest import Run

TARGETS = ("--target", "k210", "--select", "TST")


@rule("TST901", "idle-node", Level.NOTE, on=Model, confidence="documented")
def idle_node(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """A node that does nothing."""
    for node in model.graph.nodes:
        if node.op == "Identity":
            yield Found("does nothing", node=node.name, fix=Fix("drop-identity", "safe", "take it away"))


@rule("TST902", "curved-activation", Level.NOTE, on=Model, confidence="documented")
def curved_activation(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """An activation that is not straight."""
    if model.graph.composites or any(node.op in ("HardSwish", "Gelu") for node in model.graph.nodes):
        yield Found("it is curved", fix=Fix("silu-to-relu", "unsafe", "ReLU instead"))
    for node in model.graph.nodes:
        if node.attributes.get("activation") == "Relu6":
            yield Found("it is bent", node=node.name, fix=Fix("relu6-to-relu", "unsafe", "ReLU instead"))


@pytest.fixture(autouse=True)
def pack(monkeypatch: pytest.MonkeyPatch, edge_pack: None) -> None:
    known, every = registry.rules_for, registry.all_rules
    more = [idle_node, curved_activation]
    monkeypatch.setattr(api, "rules_for", lambda family: [*known(family), *more])
    monkeypatch.setattr(registry, "all_rules", lambda: [*every(), *more])


def network(path: Path, external: bool = False, blocks: int = 2) -> Path:
    """Convolutions with SiLU and an Identity behind each."""
    rng = np.random.default_rng(0)
    nodes, weights, x = [], [], "x"
    for k in range(blocks):
        weights.append(
            numpy_helper.from_array(rng.standard_normal((8, 3 if k == 0 else 8, 3, 3)).astype("f4"), f"w{k}")
        )
        nodes += [
            helper.make_node("Conv", [x, f"w{k}"], [f"c{k}"], f"conv{k}", pads=[1] * 4),
            helper.make_node("Sigmoid", [f"c{k}"], [f"s{k}"], f"sigmoid{k}"),
            helper.make_node("Mul", [f"c{k}", f"s{k}"], [f"m{k}"], f"mul{k}"),
            helper.make_node("Identity", [f"m{k}"], [f"i{k}"], f"idle{k}"),
        ]
        x = f"i{k}"
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, 8, 16, 16])],
            weights,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=8,
    )
    helper.set_model_props(model, {"made": "by hand"})
    path.parent.mkdir(parents=True, exist_ok=True)
    if external:
        onnx.save(model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0)
    else:
        onnx.save(model, path)
    return path


def ops(path: Path) -> list[str]:
    return [node.op_type for node in onnx.load(path).graph.node]


def test_a_new_file_with_safe_fixes(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    before = path.read_bytes()
    done = run("fix", path, *TARGETS)
    fixed = tmp_path / "net.fixed.onnx"
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines() == [
        "  drop-identity (TST901): 2 places, the same is computed",
        f"2 places fixed in {fixed}; 1 more with --unsafe-fixes.",
    ]
    assert path.read_bytes() == before
    assert ops(fixed) == ["Conv", "Sigmoid", "Mul"] * 2
    onnx.checker.check_model(onnx.load(fixed), full_check=True)
    assert onnx.load(fixed).metadata_props[0].value == "by hand"
    assert [node.name for node in onnx.load(fixed).graph.node] == [
        "conv0",
        "sigmoid0",
        "mul0",
        "conv1",
        "sigmoid1",
        "mul1",
    ]
    again = run("fix", fixed, *TARGETS)
    assert again.out == "nothing fixed; 1 more with --unsafe-fixes.\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["net.fixed.onnx", "net.onnx"]


def test_unsafe_fixes_are_measured_and_listed(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    done = run("fix", path, *TARGETS, "--unsafe-fixes", "--show-fixes", "-o", tmp_path / "out.onnx")
    assert done.code == 0 and ops(tmp_path / "out.onnx") == ["Conv", "Relu"] * 2
    line = next(line for line in done.out.splitlines() if "silu-to-relu" in line)
    assert "unsafe: on random inputs the outputs change by up to" in line and line.endswith("train the network again")
    assert "    mul1: SiLU becomes Relu" in done.out


def test_57_of_them(run: Run, tmp_path: Path) -> None:
    """As many as YOLOv8n has: one run of each version of the model for all."""
    path = network(tmp_path / "net.onnx", blocks=57)
    begin = time.monotonic()
    done = run("fix", path, *TARGETS, "--unsafe-fixes")
    assert time.monotonic() - begin < 20, "less than 2 s on a machine that does nothing else"
    fixed = onnx.load(tmp_path / "net.fixed.onnx")
    assert "silu-to-relu (TST902): 57 places, unsafe" in done.out
    assert [node.op_type for node in fixed.graph.node] == ["Conv", "Relu"] * 57
    assert [node.name for node in fixed.graph.node][:4] == ["conv0", "mul0", "conv1", "mul1"]
    assert fixed.metadata_props[0].value == "by hand" and fixed.graph.output[0].name == "i56"
    onnx.checker.check_model(fixed, full_check=True)


def test_the_diff_writes_nothing(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    for command in ("fix", "check"):
        done = run(command, path, *TARGETS, "--diff")
        assert done.code == 1 and "2 places would be fixed" in done.err
        assert "- idle0: Identity(m0) -> i0" in done.out and "+ mul1: Mul(c1, s1) -> i1" in done.out
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_select_and_ignore(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    given = ("fix", path, "--target", "k210", "--unsafe-fixes", "--diff")
    assert "Relu" not in run(*given, "--select", "TST901").out
    assert "- idle0" not in run(*given, "--select", "TST", "--ignore", "idle-node").out
    (tmp_path / "lintmodel.toml").write_text('[per-node-ignores]\n"idle0" = ["TST901"]\n')
    shown = run(*given, "--select", "TST901").out
    assert "- idle1" in shown and "- idle0" not in shown


def test_several_targets(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    done = run("fix", path, "--target", "k210,generic", "--select", "TST", "-o", tmp_path / "out.onnx")
    assert done.code == 0 and "Identity" not in ops(tmp_path / "out.onnx")


def test_check_fix(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    done = run("check", path, *TARGETS, "--fix", "--format", "json")
    assert done.code == 0 and f"{path}: 2 places fixed" in done.err
    assert [finding["rule"] for finding in json.loads(done.out)["reports"][0]["findings"]] == ["TST902"]
    assert ops(path) == ["Conv", "Sigmoid", "Mul"] * 2
    assert run("check", path, *TARGETS, "--fix", "--exit-non-zero-on-fix").code == 0
    done = run("check", tmp_path, *TARGETS, "--fix", "--unsafe-fixes", "--exit-non-zero-on-fix", "--quiet")
    assert (done.code, done.out, done.err) == (1, "", "") and ops(path) == ["Conv", "Relu"] * 2


def test_check_fix_leaves_alone_what_cannot_be_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "bad.onnx").write_bytes(b"\x08\x08")
    network(tmp_path / "net.onnx")
    done = run("check", tmp_path, *TARGETS, "--fix")
    assert done.code == 2 and "bad.onnx" in done.err and done.err.count("bad.onnx") == 1
    assert "Identity" not in ops(tmp_path / "net.onnx")
    assert run("check", "-", *TARGETS, "--fix").code == 2


def test_external_data_stay_where_they_are(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", external=True)
    data = (tmp_path / "net.onnx.data").read_bytes()
    assert run("fix", path, *TARGETS).code == 0
    fixed = onnx.load(tmp_path / "net.fixed.onnx", load_external_data=False)
    assert {tensor.data_location for tensor in fixed.graph.initializer} == {TensorProto.EXTERNAL}
    there = tmp_path / "there" / "out.onnx"
    there.parent.mkdir()
    assert run("fix", path, *TARGETS, "-o", there).code == 0
    assert (there.parent / "net.onnx.data").read_bytes() == data == (tmp_path / "net.onnx.data").read_bytes()
    onnx.checker.check_model(str(there))
    (there.parent / "net.onnx.data").write_bytes(b"others")
    assert run("fix", path, *TARGETS, "-o", there).code == 2


def test_the_shape_of_the_only_input(run: Run, tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx")
    model = onnx.load(path)
    for k in (0, 2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[k].dim_param = f"d{k}"
    onnx.save(model, path)
    assert run("fix", path, *TARGETS, "--input-shape", "1x3x24x24").code == 0
    assert run("fix", path, *TARGETS, "--input-shape", "nothing=1x3x24x24").code == 2


# ---- TFLite


def tflite_file(path: Path, signature: tuple[int, ...] = (-1, -1, 8, 3)) -> Path:
    from tflite_writer import Op, T, tflite_model

    tensors = [
        T("x", (1, 8, 8, 3), fields={"ShapeSignature": list(signature)}),
        T("w", (4, 3, 3, 3), zeros=True),
        T("b", (4,), zeros=True),
        T("y", (1, 8, 8, 4)),
        T("z", (1, 8, 8, 4)),
    ]
    conv = Op("CONV_2D", "x w b", "y", "Conv2DOptions", StrideW=1, StrideH=1, FusedActivationFunction=3)
    path.write_bytes(tflite_model(tensors, [conv, Op("HARD_SWISH", "y", "z")], inputs="x", outputs="z"))
    return path


def test_tflite_bytes_change_where_they_stand(run: Run, tmp_path: Path) -> None:
    path = tflite_file(tmp_path / "net.tflite")
    before = path.read_bytes()
    done = run("fix", path, "--target", "k210", "--select", "GRF203,TST", "--show-fixes")
    assert "freeze-signature (GRF203): 1 place, the same is computed" in done.out
    after = (tmp_path / "net.fixed.tflite").read_bytes()
    changed = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    assert len(before) == len(after) and len(changed) == 8  # two numbers of four bytes, -1 to 1 and to 8
    done = run("fix", path, "--target", "k210", "--select", "GRF203,TST", "--unsafe-fixes", "--in-place")
    assert "relu6-to-relu (TST902): 1 place, unsafe" in done.out and "silu-to-relu (TST902): 1 place" in done.out
    from lintmodel.frontends.tflite import read_tflite

    graph = read_tflite(path)
    assert [(node.op, node.attributes.get("activation")) for node in graph.nodes] == [("Conv", "Relu"), ("Relu", None)]
    again = run("fix", path, "--target", "k210", "--select", "GRF203,TST", "--unsafe-fixes", "--diff")
    assert (again.code, again.out) == (0, "")


def test_a_size_that_was_filled_in_is_not_frozen(run: Run, tmp_path: Path) -> None:
    from tflite_writer import Op, T, tflite_model

    tensors = [T("x", (1, 1, 1, 3), fields={"ShapeSignature": [-1, -1, -1, 3]}), T("y", (1, 1, 1, 3))]
    path = tmp_path / "net.tflite"
    path.write_bytes(tflite_model(tensors, [Op("RELU", "x", "y")], inputs="x", outputs="y"))
    done = run("fix", path, "--target", "k210", "--select", "GRF203", "--diff")
    assert (done.code, done.out) == (0, "")


# ---- interruptions


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot write a file that has no name yet")
@pytest.mark.parametrize("in_place", [False, True])
def test_killed_while_it_writes(tmp_path: Path, in_place: bool) -> None:
    """The input is as it was or as it should be, and no part of a file lies about."""
    path = network(tmp_path / "net.onnx", blocks=4)
    before = path.read_bytes()
    fixed = path if in_place else tmp_path / "net.fixed.onnx"
    program = (
        "import lintmodel.cli.output as output\n"
        "print('ready', flush=True)\n"
        f"while True: output.write_bytes({str(fixed)!r}, b'x' * 4_000_000)\n"
    )
    rng = random.Random(0)
    for _ in range(12):
        path.write_bytes(before)
        process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        time.sleep(rng.random() * 0.05)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        left = {p.name: p.stat().st_size for p in tmp_path.iterdir()}
        assert left.pop("net.onnx") in ((len(before), 4_000_000) if in_place else (len(before),))
        assert set(left.values()) <= {4_000_000}, left
        for p in tmp_path.iterdir():
            p.unlink()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems cannot write a file that has no name yet")
def test_the_command_killed_at_any_moment(tmp_path: Path) -> None:
    path = network(tmp_path / "net.onnx", blocks=4)
    before = path.read_bytes()
    command = [sys.executable, "-m", "lintmodel", "fix", str(path), "--target", "k210", "--unsafe-fixes"]
    begin = time.monotonic()
    whole = subprocess.run(command, capture_output=True, check=False)
    took = time.monotonic() - begin
    assert whole.returncode in (0, 1), whole.stderr
    fixed = tmp_path / "net.fixed.onnx"
    result = fixed.read_bytes() if fixed.exists() else b""
    rng = random.Random(1)
    for _ in range(6):
        fixed.unlink(missing_ok=True)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(took * (0.5 + 0.6 * rng.random()))
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert path.read_bytes() == before
        assert [p.name for p in tmp_path.iterdir() if p not in (path, fixed)] == []
        assert not fixed.exists() or fixed.read_bytes() == result


def test_a_diff_of_shapes_constants_and_versions() -> None:
    from lintmodel.fix.graph_diff import graph_diff

    def model(opset: int, size: int, weight: str) -> onnx.ModelProto:
        value = helper.make_tensor_value_info
        return helper.make_model(
            helper.make_graph(
                [helper.make_node("Mul", ["x", weight], ["m"], "mul"), helper.make_node("Relu", ["m"], ["y"], "relu")],
                "net",
                [value("x", TensorProto.FLOAT, ["N" if size == 0 else size, 4])],
                [value("y", TensorProto.FLOAT, [1, 4])],
                [numpy_helper.from_array(np.ones(4, "f4"), weight)],
                value_info=[] if size == 0 else [value("m", TensorProto.FLOAT, [1, 4])],
            ),
            opset_imports=[helper.make_opsetid("", opset)],
        )

    assert graph_diff("a.onnx", model(17, 1, "w"), model(17, 1, "w")) == ""
    assert graph_diff("a.onnx", model(17, 0, "w"), model(18, 1, "v")).splitlines() == [
        "--- a.onnx",
        "+++ a.onnx (fixed)",
        "- input x: Nx4",
        "+ input x: 1x4",
        "- constant w: 4",
        "+ constant v: 4",
        "@@ -1,2 +1,2 @@",
        "- mul: Mul(x, w) -> m",
        "+ mul: Mul(x, v) -> m",
        "  relu: Relu(m) -> y",
        "+ shape of m: 1x4",
        "- opset ai.onnx: 17",
        "+ opset ai.onnx: 18",
    ]
