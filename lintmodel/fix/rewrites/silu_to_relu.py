"""x * Sigmoid(x) -> Relu(x)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite

ACTIVATIONS = ("SiLU", "Mish", "Gelu", "HardSwish")


@rewrite("silu-to-relu", "unsafe", retrain=True)
def silu_to_relu(graph: Graph) -> Iterator[Change]:
    """SiLU, Mish, GELU and HardSwish, in one node or in several, become ReLU."""
    for composite in graph.composites:
        if composite.op in ACTIVATIONS:
            relu = NewNode("Relu", composite.inputs[:1], (composite.output,))
            yield Change(composite.members[-1], f"{composite.op} becomes Relu", composite.members, (relu,))
    inside = {name for composite in graph.composites for name in composite.members}
    for node in graph.nodes:
        if node.op in ACTIVATIONS and not node.domain and node.name not in inside:
            relu = NewNode("Relu", node.inputs[:1], node.outputs)
            yield Change(node.name, f"{node.op} becomes Relu", (node.name,), (relu,))
