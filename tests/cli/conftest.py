from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from edge_target import edge_pack as edge_pack

from lintmodel.cli import main


class Done(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Done]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, edge_pack: None) -> Run:
    """Runs a command in this process, with nothing of the caller's environment that changes what is printed."""
    for name in ("LINTMODEL_OUTPUT_FORMAT", "LINTMODEL_TRACEBACK", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str | Path) -> Done:
        code = main([str(argument) for argument in arguments])
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where commands run: good.onnx has nothing to find, kernel.onnx a warning, softmax.onnx an error."""
    monkeypatch.chdir(tmp_path)
    write_model(tmp_path / "good.onnx")
    write_model(tmp_path / "kernel.onnx", kernel=5)
    write_model(tmp_path / "softmax.onnx", last="Softmax")
    return tmp_path


def write_model(path: Path, kernel: int = 3, last: str = "Relu", domain: str = "") -> Path:
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.ones((8, 3, kernel, kernel), "float32"), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], "conv", pads=[kernel // 2] * 4),
            helper.make_node(last, ["c"], ["y"], "last", domain=domain),
        ],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 8, 16, 16])],
        [weight],
    )
    opsets = [helper.make_opsetid("", 13)] + ([helper.make_opsetid(domain, 1)] if domain else [])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())
    return path
