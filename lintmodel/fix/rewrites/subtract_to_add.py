"""x - c -> x + (-c)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import FLOATS, constant, of_op


@rewrite("subtract-to-add", "safe")
def subtract_to_add(graph: Graph) -> Iterator[Change]:
    """Subtraction of constants becomes addition of their negatives."""
    for node in of_op(graph, "Sub"):
        value = constant(graph, node.inputs[1])
        if value is None or value.dtype.name not in FLOATS or graph.is_constant(node.inputs[0]):
            continue
        new = NewNode("Add", node.inputs, node.outputs, {}, node.name)
        yield Change(node.name, "Sub of a constant becomes Add", (node.name,), (new,), {node.inputs[1]: -value})
