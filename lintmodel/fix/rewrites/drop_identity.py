"""Identity(x) -> x, Dropout(x) -> x"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, rewrite
from ..patterns import can_skip, of_op


@rewrite("drop-identity", "safe")
def drop_identity(graph: Graph) -> Iterator[Change]:
    """Identity, and Dropout in inference, taken out: readers read what went in."""
    for node in of_op(graph, "Identity", "Dropout"):
        training = len(node.inputs) > 2 and node.inputs[2]
        if can_skip(graph, node) and not training:
            text = f"{node.native_op} taken out"
            yield Change(node.name, text, (node.name,), redirect={node.outputs[0]: node.inputs[0]})
