"""What the recognisers of composites have in common: small questions about a node's surroundings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import isclose
from typing import Any

from ..ir import Graph, Node


@dataclass(frozen=True)
class Match:
    """Nodes found to be one operator. Their order does not matter; the one whose result leaves them is worked out."""

    op: str
    members: tuple[Node, ...]
    inputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


def close(a: float | None, b: float) -> bool:
    """Constants in exported models are rounded, often to four digits (0.7071, 0.7979)."""
    return a is not None and isclose(a, b, rel_tol=1e-3, abs_tol=1e-12)


def scalar(graph: Graph, name: str) -> float | None:
    """The value of a constant of one element. Larger constants are not loaded."""
    tensor = graph.tensor(name)
    if name not in graph.values and (tensor.constant is None or not tensor.known or tensor.elements != 1):
        return None
    value = graph.value(name)
    return float(value.reshape(-1)[0]) if value is not None and value.size == 1 and value.dtype.kind in "fiu" else None


def maker(graph: Graph, name: str, *ops: str) -> Node | None:
    """The node that makes a tensor, when it is one of these operators."""
    node = graph.producer(name)
    return node if node is not None and node.op in ops and is_plain(node) else None


def only_reader(graph: Graph, name: str, *ops: str) -> Node | None:
    """The one node that reads a tensor, when it is one of these operators and the tensor is no output."""
    readers = graph.consumers(name)
    if len(readers) != 1 or name in graph.outputs or readers[0].op not in ops or not is_plain(readers[0]):
        return None
    return readers[0]


def is_plain(node: Node) -> bool:
    """An operator as ONNX defines it: of no foreign domain, and with no activation fused into it as TFLite has."""
    return not node.domain and "activation" not in node.attributes


def other(node: Node, name: str) -> str | None:
    """The other operand of a node of two operands; None when both are the same."""
    if len(node.inputs) != 2 or node.inputs[0] == node.inputs[1] or name not in node.inputs:
        return None
    return node.inputs[1] if node.inputs[0] == name else node.inputs[0]


def plus_scalar(graph: Graph, name: str) -> tuple[str, float, Node] | None:
    """``x + c`` that makes this tensor: x, c and the Add."""
    node = maker(graph, name, "Add")
    for operand in node.inputs if node is not None and len(node.inputs) == 2 else ():
        rest = other(node, operand) if node is not None else None
        value = scalar(graph, operand)
        if node is not None and rest is not None and value is not None:
            return rest, value, node
    return None


def times_scalar(graph: Graph, name: str) -> tuple[str, float, Node] | None:
    """``x * c`` or ``x / c`` that makes this tensor: x, the factor, and the node."""
    node = maker(graph, name, "Mul", "Div")
    if node is None or len(node.inputs) != 2:
        return None
    left, right = node.inputs
    value = scalar(graph, right)
    if value is not None:
        if node.op == "Mul":
            return left, value, node
        return (left, 1 / value, node) if value else None
    value = scalar(graph, left) if node.op == "Mul" else None
    return (right, value, node) if value is not None else None


@dataclass(frozen=True)
class Product:
    """``factor`` times the tensors in ``leaves``, and the nodes that multiply them."""

    factor: float = 1.0
    leaves: tuple[str, ...] = ()
    nodes: tuple[Node, ...] = ()

    def times(self, more: Product) -> Product:
        return Product(self.factor * more.factor, self.leaves + more.leaves, self.nodes + more.nodes)


def product(graph: Graph, name: str, leaves: Collection[str], depth: int = 4) -> Product:
    """A tensor as a product: Mul, Div by a number and Pow are taken apart, tensors named in ``leaves`` are not."""
    value = scalar(graph, name)
    if value is not None:
        return Product(value)
    node = maker(graph, name, "Mul", "Div", "Pow") if name not in leaves and depth else None
    if node is None or len(node.inputs) != 2:
        return Product(leaves=(name,))
    left, right = node.inputs
    if node.op == "Mul":
        both = product(graph, left, leaves, depth - 1).times(product(graph, right, leaves, depth - 1))
        return Product(both.factor, both.leaves, (*both.nodes, node))
    value = scalar(graph, right)
    if node.op == "Div" and value:
        inner = product(graph, left, leaves, depth - 1)
        return Product(inner.factor / value, inner.leaves, (*inner.nodes, node))
    if node.op == "Pow" and value in (2.0, 3.0):
        return Product(1.0, (left,) * int(value), (node,))
    return Product(leaves=(name,))


def product_behind(graph: Graph, start: str, leaves: Mapping[str, int], factor: float) -> tuple[Node, ...] | None:
    """The nodes behind ``start`` that make ``factor`` times these tensors, each as often as its number says.

    The order in which an exporter wrote the multiplications does not matter: ``x * 0.5 * y``, ``(y * x) / 2``, ...
    """
    name = start
    for _ in range(3):
        node = only_reader(graph, name, "Mul", "Div")
        if node is None:
            return None
        name = node.outputs[0]
        found = product(graph, name, leaves)
        if close(found.factor, factor) and Counter(found.leaves) == Counter(leaves):
            return found.nodes
    return None


def limits(graph: Graph, clip: Node) -> tuple[float | None, float | None]:
    """Lower and upper bound of a Clip, from its attributes or its inputs; None where there is none, or not a number."""
    if len(clip.inputs) > 1:
        low, high = (*clip.inputs[1:], "")[:2]
        return scalar(graph, low), scalar(graph, high)
    return clip.attributes.get("min"), clip.attributes.get("max")
