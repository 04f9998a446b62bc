"""Activations that exporters spell in several nodes. Every function takes the graph and one node to start from."""

from __future__ import annotations

from math import pi, sqrt

from ..ir import Graph, Node
from .matching import (
    Match,
    close,
    limits,
    maker,
    only_reader,
    other,
    plus_scalar,
    product,
    product_behind,
    scalar,
    times_scalar,
)


def silu(graph: Graph, sigmoid: Node) -> Match | None:
    """x * sigmoid(x)"""
    x, gate = sigmoid.inputs[0], sigmoid.outputs[0]
    times = only_reader(graph, gate, "Mul")
    if times is None or other(times, gate) != x:
        return None
    return Match("SiLU", (sigmoid, times), (x,))


def mish(graph: Graph, softplus: Node) -> Match | None:
    """x * tanh(softplus(x))"""
    tanh = only_reader(graph, softplus.outputs[0], "Tanh")
    times = only_reader(graph, tanh.outputs[0], "Mul") if tanh is not None else None
    x = softplus.inputs[0]
    if tanh is None or times is None or other(times, tanh.outputs[0]) != x:
        return None
    return Match("Mish", (softplus, tanh, times), (x,))


def hard_swish(graph: Graph, hard_sigmoid: Node) -> Match | None:
    """x * hard_sigmoid(x), with the operator HardSigmoid"""
    if not (close(hard_sigmoid.attributes.get("alpha", 0.2), 1 / 6) and _half(hard_sigmoid)):
        return None
    x, gate = hard_sigmoid.inputs[0], hard_sigmoid.outputs[0]
    times = only_reader(graph, gate, "Mul")
    if times is None or other(times, gate) != x:
        return None
    return Match("HardSwish", (hard_sigmoid, times), (x,))


def _half(hard_sigmoid: Node) -> bool:
    return close(hard_sigmoid.attributes.get("beta", 0.5), 0.5)


def clipped_line(graph: Graph, clip: Node) -> Match | None:
    """HardSwish and HardSigmoid as ``relu6(x + 3) / 6``, or as ``clip(a * x + b, 0, 1)``"""
    low, high = limits(graph, clip)
    line = plus_scalar(graph, clip.inputs[0])
    if low != 0 or line is None:
        return None
    x, offset, add = line
    if high == 6 and offset == 3:
        return _sixth(graph, x, (add, clip))
    scaled = times_scalar(graph, x)
    if high != 1 or scaled is None:
        return None
    x, alpha, times = scaled
    head, gate = (times, add, clip), clip.outputs[0]
    tail = product_behind(graph, gate, {x: 1, gate: 1}, 1.0) if close(alpha, 1 / 6) and close(offset, 0.5) else None
    if tail is not None:
        return Match("HardSwish", head + tail, (x,))
    return Match("HardSigmoid", head, (x,), {"alpha": alpha, "beta": offset})


def fused_relu6(graph: Graph, add: Node) -> Match | None:
    """The same where ``relu6`` is fused into the addition, as TFLite does"""
    if add.attributes.get("activation") != "Relu6" or len(add.inputs) != 2:
        return None
    x = next((x for x, three in (add.inputs, reversed(add.inputs)) if scalar(graph, three) == 3), None)
    return _sixth(graph, x, (add,)) if x is not None else None


def _sixth(graph: Graph, x: str, head: tuple[Node, ...]) -> Match | None:
    """What follows ``relu6(x + 3)``: a sixth of it, and that times x for HardSwish."""
    gate = head[-1].outputs[0]
    tail = product_behind(graph, gate, {x: 1, gate: 1}, 1 / 6)
    if tail is not None:
        return Match("HardSwish", head + tail, (x,))
    tail = product_behind(graph, gate, {gate: 1}, 1 / 6)
    return Match("HardSigmoid", head + tail, (x,), {"alpha": 1 / 6, "beta": 0.5}) if tail is not None else None


def gelu_erf(graph: Graph, erf: Node) -> Match | None:
    """0.5 * x * (1 + erf(x / sqrt(2)))"""
    scaled = times_scalar(graph, erf.inputs[0])
    if scaled is None or not close(scaled[1], 1 / sqrt(2)):
        return None
    x, _, times = scaled
    tail = _gelu_tail(graph, x, erf)
    return Match("Gelu", (times, erf, *tail), (x,), {"approximate": "none"}) if tail else None


def gelu_tanh(graph: Graph, tanh: Node) -> Match | None:
    """0.5 * x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3)))"""
    scaled = times_scalar(graph, tanh.inputs[0])
    if scaled is None or not close(scaled[1], sqrt(2 / pi)):
        return None
    inner, _, times = scaled
    add = maker(graph, inner, "Add")
    for x in add.inputs if add is not None else ():
        rest = other(add, x) if add is not None else None
        cubic = product(graph, rest, (x,)) if rest is not None else None
        if add is None or cubic is None or cubic.leaves != (x, x, x) or not close(cubic.factor, 0.044715):
            continue
        tail = _gelu_tail(graph, x, tanh)
        if tail:
            return Match("Gelu", (*cubic.nodes, add, times, tanh, *tail), (x,), {"approximate": "tanh"})
    return None


def _gelu_tail(graph: Graph, x: str, curve: Node) -> tuple[Node, ...] | None:
    """0.5 * x * (1 + curve), in whatever order it is multiplied."""
    add = only_reader(graph, curve.outputs[0], "Add")
    one = other(add, curve.outputs[0]) if add is not None else None
    if add is None or one is None or scalar(graph, one) != 1:
        return None
    gate = add.outputs[0]
    tail = product_behind(graph, gate, {x: 1, gate: 1}, 0.5)
    return (add, *tail) if tail is not None else None


def prelu(graph: Graph, relu: Node) -> Match | None:
    """relu(x) plus a slope times the negative part, which TensorFlow writes as relu(-x) or as (x - abs(x)) / 2"""
    x, positive = relu.inputs[0], relu.outputs[0]
    join = only_reader(graph, positive, "Add", "Sub")
    rest = other(join, positive) if join is not None else None
    if join is None or rest is None or (join.op == "Sub" and join.inputs[0] != positive):
        return None
    scaled = product(graph, rest, ())
    slopes = [name for name in scaled.leaves if graph.is_constant(name)]
    halves = [name for name in scaled.leaves if not graph.is_constant(name)]
    negative = _negative_part(graph, halves[0], x) if len(halves) == 1 and scaled.nodes else None
    if negative is None:
        return None
    constants = [name for node in scaled.nodes for name in node.inputs if scalar(graph, name) is not None]
    return Match("PRelu", (relu, *negative, *scaled.nodes, join), (x, *slopes, *constants))


def _negative_part(graph: Graph, name: str, x: str) -> tuple[Node, ...] | None:
    """The nodes that make relu(-x) or x - abs(x)."""
    relu = maker(graph, name, "Relu")
    if relu is not None:
        neg = maker(graph, relu.inputs[0], "Neg")
        return (neg, relu) if neg is not None and neg.inputs[0] == x else None
    sub = maker(graph, name, "Sub")
    absolute = maker(graph, sub.inputs[1], "Abs") if sub is not None and sub.inputs[0] == x else None
    if sub is None or absolute is None or absolute.inputs[0] != x:
        return None
    return absolute, sub
