"""One walk over a graph that works out shapes and small values together.

Shapes need values (Reshape reads its target) and values need shapes (Shape), each of nodes further up: so both are
worked out node by node in graph order, and one walk is enough however long the chain.
"""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node, Problem, Shape
from .folding import output_values
from .known import Known, Mismatch
from .shapes import output_dtype, output_shapes


def propagate(graph: Graph) -> Graph:
    """The graph with every shape and every small value that follows from what it states.

    A size the file states stands, even where the operators say otherwise: that is a problem, ``shape-conflict``.
    Inputs whose shapes do not go together are one too, ``invalid-graph``.
    """
    known = Known(graph)
    problems: list[Problem] = []
    # There the sizes left open are stated as 1, which contradicts everything; that is said once, by the front end.
    believable = not any(problem.kind == "dynamic-signature" for problem in graph.problems)
    for node in graph.nodes:
        try:
            shapes = output_shapes(node, known)
        except Mismatch as error:
            shapes = ()
            if believable:
                problems.append(Problem("invalid-graph", str(error), node.name))
        for index, (name, shape) in enumerate(zip(node.outputs, shapes, strict=False)):
            if name and not known.learn(name, shape, output_dtype(node, known, index)) and believable:
                problems.append(_conflict(node, known.tensors[name].shape, shape))
        for name, value in zip(node.outputs, output_values(node, known), strict=False):
            if name and value is not None and not graph.is_constant(name):
                known.values[name] = value
    nodes = graph.nodes
    if any(node.subgraphs for node in nodes):
        nodes = tuple(_with_bodies(node) for node in nodes)
    return graph.with_(
        nodes=nodes,
        tensors=known.tensors,
        values=known.values,
        problems=tuple(dict.fromkeys((*graph.problems, *problems))),
        subgraphs=tuple(propagate(g) for g in graph.subgraphs),
    )


def _with_bodies(node: Node) -> Node:
    return replace(node, subgraphs={name: propagate(body) for name, body in node.subgraphs.items()})


def _conflict(node: Node, stated: Shape | None, found: Shape | None) -> Problem:
    message = f"the file states that the result is {_spoken(stated)}; from its inputs it is {_spoken(found)}"
    return Problem("shape-conflict", message, node.name)


def _spoken(shape: Shape | None) -> str:
    if any(isinstance(size, str) for size in shape or ()):
        return f"[{', '.join(map(str, shape or ()))}]"
    return "x".join(map(str, shape or ())) or "a scalar"
