"""Max(Min(x, 6), 0) -> Clip(x, 0, 6), and back"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Node
from ..change import Change, NewNode, rewrite
from ..patterns import number, of_op, opset, plain, read_by

NO_LIMIT = 3.4e38
"""float32's largest number, which exporters write for no limit."""

Bounds = tuple[float | None, float | None]


@rewrite("min-max-to-clip", "safe")
def min_max_to_clip(graph: Graph) -> Iterator[Change]:
    """Min and Max with a number, alone or in a row, become one Clip; Max with 0 alone becomes Relu."""
    import numpy as np

    for node in of_op(graph, "Min", "Max"):
        found = _bound(graph, node)
        if found is None or (_row_goes_on(graph, node)):
            continue
        x, (low, high) = found
        nodes = [node]
        maker = graph.producer(x)
        inner = _bound(graph, maker) if maker is not None and read_by(graph, x) is node else None
        if maker is not None and inner is not None:
            both = _together(inner[1], (low, high))
            if both is not None:
                nodes, x, (low, high) = [maker, node], inner[0], both
        if all(each.op == "Relu" for each in nodes):
            continue
        constants = {}
        if (low, high) == (0, None):
            new = NewNode("Relu", (x,), node.outputs)
        elif opset(graph) >= 11:
            names = [f"{node.name}.{which}" if v is not None else "" for which, v in (("min", low), ("max", high))]
            pairs = zip(names, (low, high), strict=True)
            constants = {name: np.array(v, "float32") for name, v in pairs if name}
            new = NewNode("Clip", (x, *(names if high is not None else names[:1])), node.outputs)
        else:
            limits = {"min": low, "max": high}
            new = NewNode("Clip", (x,), node.outputs, {k: v for k, v in limits.items() if v is not None})
        text = f"{', '.join(each.op for each in nodes)} becomes {new.op}"
        yield Change(node.name, text, tuple(each.name for each in nodes), (new,), constants)


@rewrite("clip-to-min-max", "safe")
def clip_to_min_max(graph: Graph) -> Iterator[Change]:
    """Clip becomes Max with its lower and Min with its upper bound."""
    import numpy as np

    for node in of_op(graph, "Clip"):
        low, high = node.attributes.get("min"), node.attributes.get("max")
        if len(node.inputs) > 1:
            names = (*node.inputs[1:], "")[:2]
            low, high = (number(graph, name) for name in names)
            if any(name and v is None for name, v in zip(names, (low, high), strict=True)):
                continue
        limits = [(op, v) for op, v in (("Max", low), ("Min", high)) if v is not None and abs(v) < NO_LIMIT]
        crossed = len(limits) == 2 and limits[0][1] > limits[1][1]
        if opset(graph) < 8 or not limits or crossed or graph.tensor(node.outputs[0]).dtype != "float32":
            continue
        new, constants, x = [], {}, node.inputs[0]
        for k, (op, v) in enumerate(limits):
            y = node.outputs[0] if k == len(limits) - 1 else f"{node.outputs[0]}_{op}"
            name = f"{node.name}.{op}"
            constants[name] = np.array(v, "float32")
            new.append(NewNode(op, (x, name), (y,)))
            x = y
        yield Change(
            node.name, f"Clip becomes {' and '.join(op for op, _ in limits)}", (node.name,), tuple(new), constants
        )


def _bound(graph: Graph, node: Node | None) -> tuple[str, Bounds] | None:
    """What a Min, Max or Relu bounds, and by what."""
    if node is None or not plain(node) or graph.tensor(node.outputs[0]).dtype != "float32":
        return None
    if node.op == "Relu":
        return node.inputs[0], (0.0, None)
    if node.op not in ("Min", "Max") or len(node.inputs) != 2:
        return None
    for x, bound in (node.inputs, reversed(node.inputs)):
        value = number(graph, bound)
        small = len(graph.tensor(bound).shape or ()) <= len(graph.tensor(x).shape or ())
        if value is not None and not graph.is_constant(x) and small:
            return x, ((value, None) if node.op == "Max" else (None, value))
    return None


def _together(inner: Bounds, outer: Bounds) -> Bounds | None:
    """Two bounds as one Clip; None where they are of the same side, or leave nothing between them."""
    low, high = ((a if a is not None else b) for a, b in zip(inner, outer, strict=True))
    one_each = (inner[0] is None) == (outer[1] is None) and (inner[1] is None) == (outer[0] is None)
    return (low, high) if one_each and low is not None and high is not None and low <= high else None


def _row_goes_on(graph: Graph, node: Node) -> bool:
    """The node behind takes this one with it."""
    reader = read_by(graph, node.outputs[0])
    mine, other = _bound(graph, node), _bound(graph, reader)
    together = mine is not None and other is not None and reader is not None and reader.op != "Relu"
    return together and _together(mine[1], other[1]) is not None if mine and other else False
