"""A network as converters write it from TensorFlow, fixed for the K210: the counts are those of nncase 1.9.0, which
compiled the file before and after."""

from __future__ import annotations

from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from lintmodel.api import Report
from lintmodel.fix.network import fix_network
from lintmodel.target import load_target

COMPILED = {
    "as it is": (8, {"Binary": 24, "Dequantize": 11, "Quantize": 10, "Pad": 8, "TableLookup1D": 5}),
    "safe fixes": (8, {"Pad": 6, "Quantize": 7, "Dequantize": 7}),
    "unsafe fixes too": (8, {"Quantize": 2, "Dequantize": 3}),
}
"""Convolutions on the KPU, and the steps of the CPU."""


class _Network:
    """Convolutions with SAME padding, batch normalisation in nodes of its own, and a sum of two branches."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.shapes = {"x": (1, 3, 96, 96)}
        self.random = np.random.default_rng(0)

    def add(self, op: str, x: str, channels: int, size: int, *given: np.ndarray, **attributes: object) -> str:
        name = f"{op.lower()}_{len(self.nodes)}"
        others = [f"{name}_{k}" for k in range(len(given))]
        self.constants += [numpy_helper.from_array(v.astype("float32"), n) for n, v in zip(others, given, strict=True)]
        self.nodes.append(helper.make_node(op, [x, *others], [f"{name}_out"], name, **attributes))
        self.shapes[f"{name}_out"] = (1, channels, size, size)
        return f"{name}_out"

    def block(self, x: str, channels: int, *, stride: int = 1, kernel: int = 3, relu: bool = True) -> str:
        _, before, size, _ = self.shapes[x]
        size //= stride
        pads = [0, 0, 1, 1] if stride == 2 else [kernel // 2] * 4
        weight = self.random.standard_normal((channels, before, kernel, kernel)) / (before * kernel * kernel) ** 0.5
        y = self.add("Conv", x, channels, size, weight, strides=[stride] * 2, pads=pads, kernel_shape=[kernel] * 2)
        norms = [self.random.random(channels) + 0.5 for _ in range(4)]
        y = self.add("BatchNormalization", y, channels, size, *norms, epsilon=1e-3)
        return self.add("Relu", y, channels, size) if relu else y

    def model(self) -> onnx.ModelProto:
        x = self.block(self.block("x", 16, stride=2), 32, stride=2)
        y = self.block(self.block(x, 32), 32, relu=False)
        total = self.add("Add", y, 32, 24)
        self.nodes[-1].input.append(x)
        z = self.block(self.block(self.add("Relu", total, 32, 24), 64, stride=2), 64, stride=2)
        weight = self.random.standard_normal((10, 64, 1, 1)) / 8
        self.add("Conv", z, 10, 6, weight, strides=[1, 1], pads=[0] * 4, kernel_shape=[1, 1])
        infos = [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in self.shapes.items()]
        graph = helper.make_graph(self.nodes, "net", infos[:1], infos[-1:], self.constants, value_info=infos[1:-1])
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 12)], ir_version=7)


@pytest.mark.parametrize("which", COMPILED)
def test_counts_are_those_of_the_compiler(which: str) -> None:
    k210 = load_target("k210")
    unsafe = which == "unsafe fixes too"
    select = (lambda rule: False) if which == "as it is" else None
    found = fix_network(_Network().model(), "", [k210], unsafe=unsafe, select=select)
    assert _counts(found.reports[0]) == COMPILED[which]
    for applied in found.applied:
        assert applied.delta is not None
        assert applied.delta.same == (applied.rewrite.safety == "safe")


def _counts(report: Report) -> tuple[int, dict[str, int]]:
    steps = Counter((step.unit, step.op) for step in report.plan.steps)
    return steps["kpu", "KPUConv2D"], {op: times for (unit, op), times in steps.items() if unit == "cpu"}
