"""Activations that a chip does not have -> ones that are near"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...ir import Graph, Node
from ..change import Change, NewNode, rewrite
from ..making import Making
from ..patterns import like, number, of_op, opset

SMOOTH = ("SiLU", "Mish", "Gelu", "HardSwish")
KINKED = ("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Softplus", "ThresholdedRelu")
SLOPE = 26 / 256
"""The slope of a LeakyRelu where no finding says another one: the DPU's, PG338 (DPUCZDX8G), LeakyReLU."""


@rewrite("silu-to-relu6", "unsafe", retrain=True)
def silu_to_relu6(graph: Graph) -> Iterator[Change]:
    """SiLU, Mish, GELU and HardSwish, in one node or in several, become ReLU6."""
    import numpy as np

    for make, op, members, x, y in _smooth(graph, SMOOTH):
        if opset(graph) < 11:
            make.op("Clip", x, out=y, min=0.0, max=6.0)
        else:
            dtype = graph.tensor(x).dtype
            limits = [make.constant(np.array(limit, dtype), what) for limit, what in ((0, "min"), (6, "max"))]
            make.op("Clip", x, *limits, out=y)
        yield make.change(f"{op} becomes ReLU6", *members)


@rewrite("silu-to-hardswish", "unsafe", retrain=True)
def silu_to_hardswish(graph: Graph) -> Iterator[Change]:
    """SiLU, Mish and GELU become HardSwish."""
    for make, op, members, x, y in _smooth(graph, SMOOTH[:3]):
        if opset(graph) < 14:
            gate = make.op("HardSigmoid", x, alpha=1 / 6, beta=0.5)
            make.op("Mul", x, gate, out=y)
        else:
            make.op("HardSwish", x, out=y)
        yield make.change(f"{op} becomes HardSwish", *members)


@rewrite("sigmoid-to-hardsigmoid", "unsafe", retrain=True)
def sigmoid_to_hardsigmoid(graph: Graph) -> Iterator[Change]:
    """Sigmoid that is not part of a SiLU becomes HardSigmoid, x / 6 + 0.5 between 0 and 1."""
    inside = {name for composite in graph.composites for name in composite.members}
    for node in of_op(graph, "Sigmoid"):
        if node.name not in inside:
            hard = NewNode("HardSigmoid", node.inputs, node.outputs, {"alpha": 1 / 6, "beta": 0.5})
            yield Change(node.name, "Sigmoid becomes HardSigmoid", (node.name,), (hard,))


@rewrite("leaky-relu-to-relu", "unsafe", retrain=True)
def leaky_relu_to_relu(graph: Graph) -> Iterator[Change]:
    """LeakyReLU, PReLU, ELU and their kind become ReLU."""
    for node in of_op(graph, *KINKED):
        relu = NewNode("Relu", node.inputs[:1], node.outputs)
        yield Change(node.name, f"{node.op} becomes Relu", (node.name,), (relu,))


@rewrite("leaky-relu-slope", "unsafe", retrain=True, detailed=True)
def leaky_relu_slope(graph: Graph, details: Sequence[Mapping[str, Any]] = ()) -> Iterator[Change]:
    """LeakyReLU gets the slope that the chip has."""
    slope = next((float(each["slope"]) for each in details if "slope" in each), SLOPE)
    for node in of_op(graph, "LeakyRelu"):
        old = float(node.attributes.get("alpha", 0.01))
        if abs(old - slope) > 1e-6:
            text = f"slope {old:g} becomes {slope:g}"
            yield Change(node.name, text, (node.name,), (like(node, alpha=slope),))


@rewrite("relu6-to-relu", "unsafe", retrain=True)
def relu6_to_relu(graph: Graph) -> Iterator[Change]:
    """A Clip from 0 to any upper limit (ReLU6) becomes ReLU, without one."""
    for node in of_op(graph, "Clip"):
        low, high = (_limit(graph, node, k, name) for k, name in ((1, "min"), (2, "max")))
        if low == 0 and high is not None and high > 0:
            relu = NewNode("Relu", node.inputs[:1], node.outputs)
            yield Change(node.name, f"Clip to 0..{high:g} becomes Relu", (node.name,), (relu,))


def _limit(graph: Graph, node: Node, index: int, name: str) -> float | None:
    if len(node.inputs) > index:
        return number(graph, node.inputs[index])
    value = node.attributes.get(name)
    return None if value is None else float(value)


def _smooth(graph: Graph, ops: Sequence[str]) -> Iterator[tuple[Making, str, tuple[str, ...], str, str]]:
    """Each such activation: what makes the new one, its kind, its nodes, what it reads and what it writes."""
    inside = {name for composite in graph.composites for name in composite.members}
    for composite in graph.composites:
        if composite.op in ops:
            last = graph.node(composite.members[-1])
            yield Making(graph, last), composite.op, composite.members, composite.inputs[0], composite.output
    for node in of_op(graph, *ops):
        if node.name not in inside:
            yield Making(graph, node), node.op, (node.name,), node.inputs[0], node.outputs[0]
