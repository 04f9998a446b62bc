"""x / c -> x * (1 / c)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import FLOATS, constant, of_op


@rewrite("divide-to-multiply", "safe")
def divide_to_multiply(graph: Graph) -> Iterator[Change]:
    """Division by constants becomes multiplication with their reciprocals."""
    import numpy as np

    for node in of_op(graph, "Div"):
        value = constant(graph, node.inputs[1])
        if value is None or value.dtype.name not in FLOATS or not value.all() or graph.is_constant(node.inputs[0]):
            continue
        reciprocal = np.asarray(1 / value.astype("float64"), value.dtype)
        if not np.isfinite(reciprocal).all():
            continue
        name = node.inputs[1]
        new = NewNode("Mul", (node.inputs[0], name), node.outputs, {}, node.name)
        yield Change(node.name, "Div by a constant becomes Mul", (node.name,), (new,), {name: reciprocal})
