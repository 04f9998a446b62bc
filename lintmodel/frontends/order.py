"""Puts nodes in an order in which every input is made before it is used, and says what is wrong with a graph."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from heapq import heappop, heappush

from ..ir import Node, Problem


def ordered(
    nodes: Sequence[Node], given: Collection[str], outputs: Sequence[str]
) -> tuple[tuple[Node, ...], list[Problem]]:
    """The nodes in execution order, and the problems found on the way.

    ``given`` are the tensors that exist before the first node: inputs, initialisers and, for a body of control flow,
    the tensors around it. The order of the file is kept as far as it can be. Nodes of a cycle stand last, in the
    file's order. Kinds of problems: ``not-sorted`` (once) and ``invalid-graph`` (one per fault).
    """
    made, problems = _producers(nodes, given)
    reads = [_reads(node) for node in nodes]
    for node, names in zip(nodes, reads, strict=True):
        problems += [_invalid(f"reads '{n}', which nothing makes", node) for n in names if n not in made]
    problems += [_invalid(f"graph output '{name}' is made by no node") for name in outputs if name not in made]
    if _is_sorted(nodes, reads, made):
        return tuple(nodes), problems
    order = _sort(nodes, reads, made)
    if len(order) < len(nodes):
        placed = set(order)
        cyclic = [i for i in range(len(nodes)) if i not in placed]
        problems.append(_invalid(f"{len(cyclic)} nodes depend on their own results (a cycle)", nodes[cyclic[0]]))
        order += cyclic
    else:
        late = sum(order[k] != k for k in range(len(order)))
        message = f"nodes are not in execution order: {late} of {len(nodes)} had to be moved"
        problems.append(Problem("not-sorted", message))
    return tuple(nodes[i] for i in order), problems


_GIVEN = -1


def _invalid(message: str, node: Node | None = None) -> Problem:
    return Problem("invalid-graph", message, node.name if node else None)


def _producers(nodes: Sequence[Node], given: Collection[str]) -> tuple[dict[str, int], list[Problem]]:
    """Index of the node that makes each tensor; a tensor made twice is a problem."""
    made: dict[str, int] = dict.fromkeys(given, _GIVEN)
    problems = []
    for index, node in enumerate(nodes):
        for name in node.outputs:
            if not name:
                continue
            if name in made:
                other = made[name]
                by = "the graph already has (an input or initialiser)" if other == _GIVEN else "another node writes too"
                problems.append(_invalid(f"writes '{name}', which {by}", node))
            made[name] = index
    return made, problems


def _reads(node: Node) -> list[str]:
    """Every tensor the node needs, those that its bodies take from around them included."""
    names = dict.fromkeys(name for name in node.inputs if name)
    for body in node.subgraphs.values():
        names.update(dict.fromkeys(sorted(body.free)))
    return list(names)


def _is_sorted(nodes: Sequence[Node], reads: Sequence[Sequence[str]], made: dict[str, int]) -> bool:
    return all(made.get(name, _GIVEN) < index for index in range(len(nodes)) for name in reads[index])


def _sort(nodes: Sequence[Node], reads: Sequence[Sequence[str]], made: dict[str, int]) -> list[int]:
    """Kahn's algorithm; of the nodes that are ready, the one that comes first in the file is next."""
    waiting = [0] * len(nodes)
    readers: dict[int, list[int]] = {}
    for index, names in enumerate(reads):
        for producer in {made.get(name, _GIVEN) for name in names} - {_GIVEN}:
            waiting[index] += 1
            readers.setdefault(producer, []).append(index)
    ready = [index for index in range(len(nodes)) if not waiting[index]]
    order = []
    while ready:
        index = heappop(ready)
        order.append(index)
        for reader in readers.get(index, ()):
            waiting[reader] -= 1
            if not waiting[reader]:
                heappush(ready, reader)
    return order
