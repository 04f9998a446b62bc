"""Normalisations that exporters spell in several nodes."""

from __future__ import annotations

from ..ir import Graph, Node
from .matching import Match, maker, only_reader, other, plus_scalar, scalar


def layer_normalization(graph: Graph, root: Node) -> Match | None:
    """(x - mean) / sqrt(mean((x - mean)^2) + epsilon), and scale and bias where they follow. Starts from the Sqrt."""
    variance = plus_scalar(graph, root.inputs[0])
    if variance is None:
        return None
    squares, epsilon, plus = variance
    mean_of_squares = maker(graph, squares, "ReduceMean")
    square = maker(graph, mean_of_squares.inputs[0], "Pow", "Mul") if mean_of_squares is not None else None
    centred = _squared(graph, square) if square is not None else None
    divide = only_reader(graph, root.outputs[0], "Div")
    if mean_of_squares is None or square is None or centred is None or divide is None:
        return None
    # Some exporters subtract the mean twice: once to square the result and once to divide it.
    first, second = maker(graph, centred, "Sub"), maker(graph, divide.inputs[0], "Sub")
    if first is None or second is None or first.inputs != second.inputs or divide.inputs[1] != root.outputs[0]:
        return None
    x = first.inputs[0]
    mean = maker(graph, first.inputs[1], "ReduceMean")
    if mean is None or mean.inputs[0] != x:
        return None
    axes = _axes(graph, mean)
    if axes is None or axes != _axes(graph, mean_of_squares) or not _keeps(mean, mean_of_squares):
        return None
    members = [mean, first, second, square, mean_of_squares, plus, root, divide]
    inputs = [x]
    for op in ("Mul", "Add"):
        parameter = _parameter(graph, members[-1].outputs[0], op, len(axes))
        if parameter is None:
            break
        inputs.append(parameter[0])
        members.append(parameter[1])
    unique = tuple({node.name: node for node in members}.values())
    return Match("LayerNormalization", unique, tuple(inputs), {"axis": axes[0], "epsilon": epsilon})


def _squared(graph: Graph, square: Node) -> str | None:
    """What is squared: ``d ** 2`` or ``d * d``."""
    left, right = (*square.inputs, "", "")[:2]
    if square.op == "Mul":
        return left if left == right else None
    return left if scalar(graph, right) == 2 else None


def _axes(graph: Graph, reduce: Node) -> tuple[int, ...] | None:
    """The axes, counted from the end and in order, when they are the last ones of the tensor; else None."""
    axes = reduce.attributes.get("axes")
    if axes is None and len(reduce.inputs) > 1:
        axes = graph.integers(reduce.inputs[1])
    if not axes:
        return None
    shape = graph.tensor(reduce.inputs[0]).shape
    if shape is None and any(a >= 0 for a in axes):
        return None
    counted = sorted(int(a) - len(shape) if shape is not None and a >= 0 else int(a) for a in axes)
    return tuple(counted) if counted == list(range(-len(counted), 0)) else None


def _keeps(*reductions: Node) -> bool:
    return all(node.attributes.get("keepdims", 1) for node in reductions)


def _parameter(graph: Graph, name: str, op: str, rank: int) -> tuple[str, Node] | None:
    """The constant a result is multiplied with or added to, when it is no larger than the normalised part."""
    node = only_reader(graph, name, op)
    constant = other(node, name) if node is not None else None
    if node is None or constant is None or not graph.is_constant(constant):
        return None
    shape = graph.tensor(constant).shape
    return (constant, node) if shape is not None and len(shape) <= rank else None
