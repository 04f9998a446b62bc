"""Nodes no output needs -> nothing"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Node
from ..change import Change, rewrite


@rewrite("drop-dead-nodes", "safe")
def drop_dead_nodes(graph: Graph) -> Iterator[Change]:
    """Nodes whose results no output of the model needs are taken out."""
    needed = {*graph.outputs, *graph.captured}
    dead: list[Node] = []
    for node in reversed(graph.nodes):
        if not node.outputs or needed.intersection(node.outputs):
            needed.update(node.inputs, *(body.free for body in node.subgraphs.values()))
        else:
            dead.append(node)
    ends = [node for node in dead if not any(graph.consumers(name) for name in node.outputs)]
    gone: set[str] = set()
    for end in ends:
        names = _feeding(graph, end, {node.name for node in dead} - gone)
        gone |= names
        text = f"{end.native_op} is taken out" + (f", and {len(names) - 1} before it" if len(names) > 1 else "")
        yield Change(end.name, text, (end.name, *sorted(names - {end.name})))


def _feeding(graph: Graph, end: Node, dead: set[str]) -> set[str]:
    """The node and the dead ones before it."""
    names, open_nodes = {end.name}, [end]
    while open_nodes:
        for name in open_nodes.pop().inputs:
            maker = graph.producer(name)
            if maker is not None and maker.name in dead - names:
                names.add(maker.name)
                open_nodes.append(maker)
    return names
