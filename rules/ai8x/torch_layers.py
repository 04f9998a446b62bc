"""Models written with ai8x-training's layers, as PyTorch traced them: what of it is the chip's, what its simulation.

Every layer of ai8x.py scales, rounds and clamps as the chip will. In a traced graph these are operators like any
other, though nothing of them is left in a network description.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from lintmodel.ir import Graph, Node, Scope

TORCH_MODULE = "ai8x"
"""The Python module with the layers: ai8x-training's ai8x.py."""

SUMS = {"Add": "Add", "Sub": "Sub", "BitwiseOr": "BitwiseOr", "BitwiseXor": "BitwiseXor"}
"""Classes of element-wise layers, and the operator that each stands for."""
_WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul"})
_KEPT = _WEIGHTED | {"MaxPool", "AveragePool", "GlobalAveragePool", "BatchNormalization", "Relu", "Abs"}
"""What a layer does on the chip. The rest of its operators are simulation."""


def layer_of(node: Node) -> Scope | None:
    """The layer of ai8x.py that a node belongs to."""
    return next((s for s in node.source.scopes if TORCH_MODULE in s.kind.split(".")[:-1]), None)


def kind_of(scope: Scope) -> str:
    """``Conv2d`` of ``ai8x.Conv2d``."""
    return scope.kind.rpartition(".")[2]


def is_ai8x_model(graph: Graph) -> bool:
    return any(layer_of(node) is not None for node in graph.nodes)


@dataclass(frozen=True, slots=True)
class OnChip:
    """A network as a description would have it."""

    graph: Graph
    simulation: frozenset[str]
    """Nodes that were left out, by name: they cost nothing on the chip."""


def on_chip(graph: Graph) -> OnChip:
    """The graph without the simulation inside layers of ai8x.py; the graph itself when it has none of these."""
    if not is_ai8x_model(graph):
        return OnChip(graph, frozenset())
    derived = _derived(graph)
    alias: dict[str, str] = {}
    kept: list[Node] = []
    left_out: set[str] = set()
    for node in graph.nodes:
        scope = layer_of(node)
        inputs = tuple(alias.get(name, name) for name in node.inputs)
        if scope is None:
            kept.append(replace(node, inputs=inputs))
            continue
        data = [name for name in inputs if name and name not in derived]
        if node.op == "Clip" and data and _lower_bound(graph, node) == 0:
            # Exporters make one operator of ReLU and the clamp behind it.
            kept.append(replace(node, op="Relu", inputs=(data[0],), attributes={}))
            continue
        if _is_layer(node, scope, data):
            if kind_of(scope) in SUMS:
                node, inputs = replace(node, op=SUMS[kind_of(scope)]), tuple(data)
            elif node.op in _WEIGHTED:
                inputs = (inputs[0], *(_parameter(graph, name) for name in inputs[1:]))
            kept.append(replace(node, inputs=inputs))
            continue
        left_out.add(node.name)
        if data:
            alias |= dict.fromkeys(node.outputs, data[0])
    return OnChip(
        graph.with_(
            nodes=tuple(kept),
            outputs=tuple(alias.get(name, name) for name in graph.outputs),
            composites=tuple(c for c in graph.composites if left_out.isdisjoint(c.members)),
        ),
        frozenset(left_out),
    )


def _is_layer(node: Node, scope: Scope, data: list[str]) -> bool:
    """The node that stands for a layer, or for a part of it that the chip has."""
    kind = kind_of(scope)
    if kind in SUMS:
        # A difference is traced as the sum with a negative; bits are combined between conversions.
        return len(data) > 1 and node.op in (SUMS[kind], "Add", "Sub")
    if node.op == "Add":
        return "Linear" in kind and len(data) == 1 and node.inputs[0] == data[0]
    return node.op in _KEPT


def _lower_bound(graph: Graph, node: Node) -> float | None:
    value = graph.value(node.inputs[1]) if len(node.inputs) > 1 and node.inputs[1] else None
    return float(value.reshape(-1)[0]) if value is not None and value.size else node.attributes.get("min")


def _derived(graph: Graph) -> frozenset[str]:
    """What follows from parameters alone."""
    found = {name for name in graph.tensors if graph.is_constant(name)} | set(graph.values)
    for node in graph.nodes:
        if all(name in found for name in node.inputs if name):
            found.update(node.outputs)
    return frozenset(found)


def _parameter(graph: Graph, name: str) -> str:
    """The parameter of the same shape that a scaled, rounded and clamped tensor comes from."""
    wanted, shape, seen = [name], graph.tensor(name).shape, set()
    producers: Mapping[str, Node] = {out: node for node in graph.nodes for out in node.outputs}
    while wanted:
        each = wanted.pop(0)
        if graph.is_constant(each) and graph.tensor(each).shape == shape:
            return each
        producer = producers.get(each)
        if producer is not None and each not in seen:
            seen.add(each)
            wanted += [other for other in producer.inputs if other]
    return name
