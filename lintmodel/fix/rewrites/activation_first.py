"""MaxPool, Relu -> Relu, MaxPool; the same with Concat and Slice"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...ir import Graph, Node
from ..change import Change, NewNode, rewrite
from ..making import Making, standard
from ..patterns import like, number, of_op, read_by, writable

RISING = frozenset(
    {"Relu", "Sigmoid", "Tanh", "HardSigmoid", "LeakyRelu", "Elu", "Selu", "Softplus", "Softsign", "Clip"}
)
"""They never fall, with the attributes that :func:`_rises` asks for."""
OF_ONE_VALUE = RISING | {"HardSwish", "Abs", "Neg", "Exp", "Sqrt", "Mish", "Gelu", "Celu", "Erf", "ThresholdedRelu"}


@rewrite("activation-before-pool", "safe")
def activation_before_pool(graph: Graph) -> Iterator[Change]:
    """A function that never falls, behind a maximum pool, changes places with it."""
    for node in standard(graph, *sorted(RISING)):
        pool = graph.producer(node.inputs[0])
        if pool is None or pool.op not in ("MaxPool", "GlobalMaxPool") or pool.domain or not _rises(graph, node):
            continue
        if read_by(graph, node.inputs[0]) and len(pool.outputs) == 1 and _exchangeable(graph, node, pool):
            make = Making(graph, node)
            between = f"{node.outputs[0]}_before"
            first = like(node, (pool.inputs[0], *node.inputs[1:]), (between,))
            make.nodes += [first, like(pool, (between,), node.outputs)]
            yield make.change(f"{node.op} goes before the pool", node.name, pool.name)


@rewrite("activation-before-concat", "safe")
def activation_before_concat(graph: Graph) -> Iterator[Change]:
    """A function of single values behind a Concat is computed of each part instead."""
    for node, concat in _behind(graph, "Concat"):
        make, parts = Making(graph, node), []
        for k, name in enumerate(concat.inputs):
            parts.append(f"{node.outputs[0]}_{k}")
            branch = like(node, (name, *node.inputs[1:]), (parts[-1],))
            make.nodes.append(
                NewNode(branch.op, branch.inputs, branch.outputs, branch.attributes, "" if k else node.name)
            )
        make.nodes.append(like(concat, parts, node.outputs))
        yield make.change(f"{node.op} goes before the Concat", node.name, concat.name)


@rewrite("activation-before-slice", "safe")
def activation_before_slice(graph: Graph) -> Iterator[Change]:
    """A function of single values behind a Slice is computed before it, of everything."""
    for node, part in _behind(graph, "Slice"):
        make = Making(graph, node)
        between = f"{node.outputs[0]}_before"
        make.nodes.append(like(node, (part.inputs[0], *node.inputs[1:]), (between,)))
        make.nodes.append(like(part, (between, *part.inputs[1:]), node.outputs))
        yield make.change(f"{node.op} goes before the Slice", node.name, part.name)


def _behind(graph: Graph, op: str) -> Iterator[tuple[Node, Node]]:
    """Functions of single values whose map comes from such an operator, and nobody else reads it."""
    inside = {name for composite in graph.composites for name in composite.members}
    for node in of_op(graph, *sorted(OF_ONE_VALUE)):
        maker = graph.producer(node.inputs[0])
        if maker is None or maker.op != op or maker.domain or node.name in inside:
            continue
        if read_by(graph, node.inputs[0]) and _exchangeable(graph, node, maker):
            yield node, maker


def _exchangeable(graph: Graph, node: Node, maker: Node) -> bool:
    others: Sequence[str] = [name for name in node.inputs[1:] if name]
    return all(number(graph, name) is not None for name in others) and writable(node) and writable(maker)


def _rises(graph: Graph, node: Node) -> bool:
    if node.op in ("LeakyRelu", "Elu", "HardSigmoid"):
        return float(node.attributes.get("alpha", 1.0)) >= 0
    if node.op == "Selu":
        return float(node.attributes.get("alpha", 1.0)) >= 0 and float(node.attributes.get("gamma", 1.0)) >= 0
    return True
