"""PRelu with equal slopes -> LeakyRelu"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import constant, of_op, same_shape


@rewrite("prelu-to-leaky-relu", "safe")
def prelu_to_leaky_relu(graph: Graph) -> Iterator[Change]:
    """PRelu whose slopes are all the same number becomes LeakyRelu, or Relu where that number is 0."""
    for node in of_op(graph, "PRelu"):
        slope = constant(graph, node.inputs[1])
        if slope is None or not slope.size or not (slope == slope.flat[0]).all():
            continue
        small = slope.size == 1 and slope.ndim <= len(graph.tensor(node.inputs[0]).shape or ())
        if not small and not same_shape(graph, node) and len(graph.tensor(node.inputs[0]).shape or ()) < slope.ndim:
            continue
        alpha = float(slope.flat[0])
        new = NewNode(
            "LeakyRelu" if alpha else "Relu", node.inputs[:1], node.outputs, {"alpha": alpha} if alpha else {}
        )
        yield Change(node.name, f"PRelu with slope {alpha:.4g} becomes {new.op}", (node.name,), (new,))
