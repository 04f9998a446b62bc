"""Recognises operators that a file spells in several nodes. The nodes stay: a composite only names them together.

A new composite is one function ``(graph, node) -> Match | None`` and one line in the table below.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from ..ir import Composite, Graph, Node
from .activations import clipped_line, fused_relu6, gelu_erf, gelu_tanh, hard_swish, mish, prelu, silu
from .matching import Match
from .normalizations import layer_normalization
from .quantization import quantize_dequantize

# The operator a search starts from, and the search. Where two could take the same node, the earlier one has it.
PATTERNS: tuple[tuple[str, Callable[[Graph, Node], Match | None]], ...] = (
    ("Erf", gelu_erf),
    ("Tanh", gelu_tanh),
    ("Sqrt", layer_normalization),
    ("Clip", clipped_line),
    ("Add", fused_relu6),
    ("HardSigmoid", hard_swish),
    ("Sigmoid", silu),
    ("Softplus", mish),
    ("Relu", prelu),
    ("DequantizeLinear", quantize_dequantize),
)


def recognise(graph: Graph) -> Graph:
    """The graph with ``composites``, in the order of their last members. A node belongs to one at most."""
    position = {node.name: index for index, node in enumerate(graph.nodes)}
    by_op: dict[str, list[Node]] = {}
    for node in graph.nodes:
        if not node.domain and node.inputs and node.outputs:
            by_op.setdefault(node.op, []).append(node)
    found: list[Composite] = []
    claimed: set[str] = set()
    for op, pattern in PATTERNS:
        for node in by_op.get(op, ()):
            match = pattern(graph, node)
            composite = _composite(graph, match, position) if match is not None else None
            if composite is not None and claimed.isdisjoint(composite.members):
                claimed.update(composite.members)
                found.append(composite)
    found.sort(key=lambda composite: position[composite.name])
    return graph.with_(
        composites=tuple(found),
        nodes=tuple(_with_bodies(node) if node.subgraphs else node for node in graph.nodes),
        subgraphs=tuple(recognise(g) for g in graph.subgraphs),
    )


def _composite(graph: Graph, match: Match, position: Mapping[str, int]) -> Composite | None:
    """The match as a Composite, unless one of its inner values is used outside of it."""
    members = sorted(match.members, key=lambda node: position[node.name])
    names = tuple(node.name for node in members)
    for node in members[:-1]:
        for output in node.outputs:
            if output in graph.outputs or output in graph.captured:
                return None
            if any(reader.name not in names for reader in graph.consumers(output)):
                return None
    return Composite(names[-1], match.op, names, match.inputs, members[-1].outputs[0], match.attributes)


def _with_bodies(node: Node) -> Node:
    return replace(node, subgraphs={name: recognise(body) for name, body in node.subgraphs.items()})
