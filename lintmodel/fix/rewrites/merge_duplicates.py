"""f(x), f(x) -> f(x) once"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Constant, Graph, Node
from ..change import Change, rewrite
from ..patterns import plain

RANDOM = frozenset(
    {"RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
LEFT_ALONE = RANDOM | {"Dropout", "QuantizeLinear", "DequantizeLinear"}
"""What differs each time it is run, and what toolchains want at every reader."""


@rewrite("merge-duplicates", "safe")
def merge_duplicates(graph: Graph) -> Iterator[Change]:
    """Of nodes that compute the same from the same inputs the first stays, and all read its result."""
    groups: dict[object, list[Node]] = {}
    for node in graph.nodes:
        if not plain(node) or node.op in LEFT_ALONE or any(isinstance(v, Constant) for v in node.attributes.values()):
            continue
        attributes = tuple(sorted((key, repr(value)) for key, value in node.attributes.items()))
        groups.setdefault((node.op, node.inputs, len(node.outputs), attributes), []).append(node)
    fixed = {*graph.outputs, *graph.captured}
    for first, *others in groups.values():
        same = [node for node in others if fixed.isdisjoint(node.outputs) and _alike(first, node)]
        if same:
            redirect = {a: b for node in same for a, b in zip(node.outputs, first.outputs, strict=True) if a}
            names = tuple(node.name for node in same)
            yield Change(names[0], f"its readers read what '{first.name}' computes", names, redirect=redirect)


def _alike(a: Node, b: Node) -> bool:
    """The same of their outputs are left out."""
    return [bool(name) for name in a.outputs] == [bool(name) for name in b.outputs]
