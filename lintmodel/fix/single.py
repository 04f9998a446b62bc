"""From several nodes to the operator they stand for."""

from __future__ import annotations

from collections.abc import Iterator

from ..ir import Graph
from .change import Change, NewNode
from .patterns import opset


def composed(graph: Graph, op: str, least: int) -> Iterator[Change]:
    """Every composite of this operator as one node, where the file's operators have it: from version ``least``."""
    if opset(graph) < least:
        return
    for found in graph.composites:
        if found.op == op and len(found.members) > 1:
            new = NewNode(op, found.inputs[:1], (found.output,), dict(found.attributes))
            text = f"{len(found.members)} nodes become {op}"
            yield Change(found.members[-1], text, found.members, (new,), opset=least)
