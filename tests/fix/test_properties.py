"""What must hold for every rewrite on every network, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from nets import read
from onnx import helper, numpy_helper, shape_inference

from lintmodel.fix.onnx_edit import apply_changes
from lintmodel.fix.rewrites import all_rewrites
from lintmodel.fix.verify import delta

SIZE, CHANNELS = 12, 4
DETAILS = {"convert-opset": [{"opset": 16}]}


@dataclass
class Net:
    """A network that grows at its end; feature maps have four channels throughout."""

    size: int = SIZE
    nodes: list[Any] = field(default_factory=list)
    weights: list[Any] = field(default_factory=list)
    end: str = "x"
    maps: dict[int, list[str]] = field(default_factory=dict)

    def weight(self, value: Any) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def random(self, *shape: int, positive: bool = False) -> str:
        values = np.random.default_rng(len(self.weights)).standard_normal(shape).astype("float32")
        return self.weight(np.abs(values) + np.float32(0.5) if positive else values)

    def op(self, op: str, *others: str, first: str = "", **attributes: Any) -> Net:
        out = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(op, [first or self.end, *others], [out], name=f"n{len(self.nodes)}", **attributes)
        )
        self.end = out
        if op not in ("Shape", "Reshape", "Transpose"):
            self.maps.setdefault(self.size, []).append(out)
        return self

    def model(self) -> onnx.ModelProto:
        self.op("Identity")
        self.nodes[-1].output[0] = "y"
        x = helper.make_tensor_value_info("x", 1, (1, CHANNELS, SIZE, SIZE))
        y = helper.make_tensor_value_info("y", 1, None)
        graph = helper.make_graph(self.nodes, "net", [x], [y], self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
        return shape_inference.infer_shapes(model)


Step = Callable[[Net], object]


def _conv(kernel: int, pads: Sequence[int], groups: int, bias: bool, transposed: bool) -> Step:
    def add(net: Net) -> None:
        grown = net.size + (1 if transposed else -1) * (kernel - 1) - (1 if transposed else -1) * sum(pads)
        if not 2 <= grown <= 2 * SIZE:
            return
        net.size = grown
        parameters = [net.random(CHANNELS, CHANNELS // groups, kernel, kernel)]
        parameters += [net.random(CHANNELS)] if bias else []
        net.op(
            "ConvTranspose" if transposed else "Conv",
            *parameters,
            pads=[pads[0], pads[0], pads[1], pads[1]],
            group=groups,
        )

    return add


def _norm(net: Net) -> None:
    values = [net.random(CHANNELS) for _ in range(3)]
    net.op("BatchNormalization", *values, net.random(CHANNELS, positive=True))


def _pool(op: str, kernel: int, stride: int, pad: int) -> Step:
    def add(net: Net) -> None:
        size = (net.size + 2 * pad - kernel) // stride + 1
        if net.size + 2 * pad < kernel or pad >= kernel or size < 2:
            return
        net.size = size
        net.op(op, kernel_shape=[kernel] * 2, strides=[stride] * 2, pads=[pad] * 4)

    return add


def _pad(low: int, high: int, value: float) -> Step:
    def add(net: Net) -> None:
        if net.size + low + high > 2 * SIZE:
            return
        net.size += low + high
        amounts = net.weight(np.array([0, 0, low, low, 0, 0, high, high]))
        net.op("Pad", amounts, net.weight(np.float32(value)))

    return add


def _constant(op: str, shape: Sequence[int], value: float | None) -> Step:
    def add(net: Net) -> None:
        fixed = net.random(*shape, positive=True) if value is None else net.weight(np.full(shape, value, "float32"))
        net.op(op, fixed)

    return add


def _joined(op: str, back: int) -> Step:
    """With an earlier map of the same size."""

    def add(net: Net) -> None:
        known = net.maps.get(net.size, [])
        if known:
            net.op(op, known[-1 - back % len(known)])

    return add


def _gated(op: str) -> Step:
    def add(net: Net) -> None:
        x = net.end
        net.op(op).op("Mul", x)

    return add


def _clip(low: float | None, high: float) -> Step:
    return lambda net: net.op("Clip", "" if low is None else net.weight(np.float32(low)), net.weight(np.float32(high)))


def _reshaped(net: Net) -> None:
    there, back = (net.weight(np.array(s)) for s in ((1, -1), (1, CHANNELS, net.size, net.size)))
    net.op("Reshape", there).op("Reshape", back)


def _transposed(order: Sequence[int]) -> Step:
    def add(net: Net) -> None:
        net.op("Transpose", perm=order).op("Relu").op("Transpose", perm=list(np.argsort(order)))
        net.maps[net.size].remove(net.nodes[-2].output[0])
        net.op("Transpose", perm=order).op("Transpose", perm=list(np.argsort(order)))

    return add


def _shape_arithmetic(net: Net) -> None:
    x, size = net.end, net.op("Shape").end
    net.op("Reshape", size, first=x)


def _twice(op: str) -> Step:
    def add(net: Net) -> None:
        x, a = net.end, net.op(op).end
        net.op(op, first=x).op("Add", a)

    return add


WIDTHS = st.sampled_from([(), (1,), (CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (1, 1, 1, 1)])
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(
        _conv,
        st.sampled_from([1, 2, 3, 5]),
        st.sampled_from([(0, 0), (1, 1), (0, 1)]),
        st.sampled_from([1, 2, CHANNELS]),
        st.booleans(),
        st.booleans(),
    ),
    st.just(_norm),
    st.builds(
        _pool,
        st.sampled_from(["MaxPool", "AveragePool"]),
        st.sampled_from([1, 2, 3, 5]),
        st.sampled_from([1, 2]),
        st.sampled_from([0, 1, 2]),
    ),
    st.builds(_pad, st.sampled_from([0, 1]), st.sampled_from([0, 1, 2]), st.sampled_from([0.0, 0.0, 1.0])),
    st.builds(
        _constant,
        st.sampled_from(["Add", "Sub", "Mul", "Div", "Min", "Max", "PRelu"]),
        WIDTHS,
        st.sampled_from([None, 0.25, 1.0]),
    ),
    st.builds(_joined, st.sampled_from(["Add", "Mul", "Max"]), st.integers(0, 3)),
    st.builds(_gated, st.sampled_from(["Sigmoid", "HardSigmoid"])),
    st.builds(_clip, st.sampled_from([None, 0.0, -1.0]), st.sampled_from([1.0, 6.0])),
    st.sampled_from(["Relu", "Sigmoid", "HardSwish", "Mish", "LeakyRelu", "Identity", "Dropout", "Tanh"]).map(
        lambda op: lambda net: net.op(op)
    ),
    st.just(_reshaped),
    st.just(_shape_arithmetic),
    st.sampled_from([(0, 2, 3, 1), (0, 1, 3, 2)]).map(_transposed),
    st.sampled_from(["Relu", "Sigmoid"]).map(_twice),
)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=2, max_size=8))
def test_every_rewrite(steps: list[Step]) -> None:
    net = Net()
    for step in steps:
        step(net)
    model = net.model()
    graph = read(model)
    for rewrite in all_rewrites().values():
        changes = list(rewrite.places(graph, DETAILS.get(rewrite.id, ())))
        if not changes:
            continue
        after = onnx.ModelProto()
        after.CopyFrom(model)
        try:
            done = apply_changes(after, graph, changes)
        except ValueError:  # the other opset has no such operator
            continue
        assert done.made, rewrite.id
        onnx.checker.check_model(after, full_check=True)
        assert [each.name for each in after.graph.output] == ["y"]
        if rewrite.safety == "safe":
            assert delta(model, after, None).same, rewrite.id
