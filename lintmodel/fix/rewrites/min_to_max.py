"""Min(a, b) -> -Max(-a, -b)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import FLOATS, of_op


@rewrite("min-to-max", "safe")
def min_to_max(graph: Graph) -> Iterator[Change]:
    """The smaller of two maps becomes the negative of the larger of their negatives."""
    for node in of_op(graph, "Min"):
        fixed = any(graph.is_constant(name) for name in node.inputs)
        if len(node.inputs) != 2 or fixed or graph.tensor(node.outputs[0]).dtype not in FLOATS:
            continue
        y = node.outputs[0]
        signs = [NewNode("Neg", (name,), (f"{y}_minus_{k}",)) for k, name in enumerate(node.inputs)]
        larger = NewNode("Max", tuple(each.outputs[0] for each in signs), (f"{y}_max",))
        new = (*signs, larger, NewNode("Neg", (f"{y}_max",), (y,)))
        yield Change(node.name, "Min becomes Max of the negatives", (node.name,), new)
