"""Reshape, Reshape -> Reshape; Transpose, Transpose -> Transpose or nothing"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Node, Transpose
from ..change import Change, NewNode, rewrite
from ..patterns import can_skip, of_op, read_by

FLAT = ("Reshape", "Flatten", "Squeeze", "Unsqueeze")


@rewrite("merge-reshapes", "safe")
def merge_reshapes(graph: Graph) -> Iterator[Change]:
    """A Reshape behind a Reshape (Flatten, Squeeze, Unsqueeze) makes the first one superfluous."""
    import numpy as np

    for node in of_op(graph, *FLAT):
        first, y = _before(graph, node, FLAT), graph.tensor(node.outputs[0])
        if first is None or not y.known or y.elements == 0 or not graph.tensor(first.inputs[0]).known:
            continue
        remove = (first.name, node.name)
        if graph.tensor(first.inputs[0]).shape == y.shape and can_skip(graph, node) and _can_end(graph, first, node):
            text = f"{first.op} and {node.op} take each other back"
            yield Change(node.name, text, remove, redirect={node.outputs[0]: first.inputs[0]})
            continue
        sizes = f"{node.name}.shape"
        new = NewNode("Reshape", (first.inputs[0], sizes), node.outputs[:1])
        yield Change(
            node.name,
            f"{first.op} and {node.op} become one Reshape",
            remove,
            (new,),
            {sizes: np.array(y.sizes, "int64")},
        )


@rewrite("merge-transposes", "safe")
def merge_transposes(graph: Graph) -> Iterator[Change]:
    """Two Transposes in a row become one, or none where the second takes the first back."""
    for node in of_op(graph, "Transpose"):
        first = _before(graph, node, ("Transpose",))
        if first is None or graph.tensor(first.inputs[0]).shape is None or graph.tensor(node.inputs[0]).shape is None:
            continue
        one, two = (Transpose(graph, each).permutation for each in (first, node))
        both = tuple(one[k] for k in two)
        remove = (first.name, node.name)
        if both == tuple(range(len(both))) and _can_end(graph, first, node):
            text = "two Transposes that take each other back are taken out"
            yield Change(node.name, text, remove, redirect={node.outputs[0]: first.inputs[0]})
        else:
            new = NewNode("Transpose", first.inputs[:1], node.outputs, {"perm": both})
            yield Change(node.name, "two Transposes become one", remove, (new,))


def _before(graph: Graph, node: Node, ops: tuple[str, ...]) -> Node | None:
    maker = graph.producer(node.inputs[0])
    if maker is None or maker.op not in ops or maker.domain or read_by(graph, node.inputs[0]) is not node:
        return None
    return maker


def _can_end(graph: Graph, first: Node, last: Node) -> bool:
    """Readers of the last one's output can read the first one's input: of two fixed names one has to stay."""
    x, y = first.inputs[0], last.outputs[0]
    fixed = x in graph.inputs or x in graph.outputs or x in graph.captured or graph.is_constant(x)
    return y not in graph.captured and (y not in graph.outputs or not fixed)
