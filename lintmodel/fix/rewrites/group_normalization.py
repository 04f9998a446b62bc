"""Reshape, InstanceNormalization, Reshape, Mul, Add <-> GroupNormalization"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Node
from ..change import Change, NewNode, rewrite
from ..patterns import FLOATS, constant, of_op, opset, read_by


@rewrite("compose-group-norm", "safe")
def compose_group_norm(graph: Graph) -> Iterator[Change]:
    """A group normalisation as PyTorch exports it becomes the operator GroupNormalization (opset 21)."""
    import numpy as np

    for norm in of_op(graph, "InstanceNormalization"):
        first, back = graph.producer(norm.inputs[0]), read_by(graph, norm.outputs[0])
        if opset(graph) < 21 or first is None or back is None or first.op != "Reshape" or back.op != "Reshape":
            continue
        x, groups = graph.tensor(first.inputs[0]), graph.tensor(norm.inputs[0])
        same = x.known and groups.known and graph.tensor(back.outputs[0]).shape == x.shape
        if not same or read_by(graph, norm.inputs[0]) is not norm or groups.sizes[0] != x.sizes[0]:
            continue
        scale, bias = (constant(graph, name) for name in norm.inputs[1:3])
        if len(groups.sizes) != 3 or scale is None or bias is None or x.sizes[1] % groups.sizes[1]:
            continue
        if not (scale == 1).all() or bias.any():
            continue
        members, values, last = [first, norm, back], {}, back
        for op, neutral in (("Mul", 1.0), ("Add", 0.0)):
            found = _parameter(graph, last, op, x.sizes)
            if found is not None:
                members.append(found[0])
                last = found[0]
            value = found[1] if found is not None else np.full(x.sizes[1], neutral)
            values[f"{norm.name}.{'scale' if op == 'Mul' else 'bias'}"] = np.asarray(value, x.dtype)
        attributes = {"num_groups": groups.sizes[1], "epsilon": norm.attributes.get("epsilon", 1e-5)}
        new = NewNode("GroupNormalization", (x.name, *values), last.outputs, attributes)
        names = tuple(node.name for node in members)
        yield Change(names[-1], f"{len(names)} nodes become GroupNormalization", names, (new,), values, opset=21)


@rewrite("decompose-group-norm", "safe")
def decompose_group_norm(graph: Graph) -> Iterator[Change]:
    """GroupNormalization becomes Reshape, InstanceNormalization, Reshape, Mul and Add."""
    import numpy as np

    for node in of_op(graph, "GroupNormalization"):
        x, y, groups = graph.tensor(node.inputs[0]), node.outputs[0], int(node.attributes.get("num_groups", 0))
        scale, bias = (constant(graph, name) for name in node.inputs[1:3])
        if not x.known or x.dtype not in FLOATS or len(x.sizes) < 3 or scale is None or bias is None:
            continue
        batch, channels, *_ = x.sizes
        if groups < 1 or channels % groups:
            continue
        # opset 18 has one scale per group, 21 and newer one per channel
        each = channels // scale.size
        wide = (channels, *(1,) * (len(x.sizes) - 2))
        values = {
            "grouped": np.array([batch, groups, -1], "int64"),
            "ones": np.ones(groups, x.dtype),
            "zeros": np.zeros(groups, x.dtype),
            "shape": np.array(x.sizes, "int64"),
            "scale": np.repeat(scale, each).reshape(wide),
            "bias": np.repeat(bias, each).reshape(wide),
        }
        names = {key: f"{node.name}.{key}" for key in values}
        epsilon = {"epsilon": node.attributes.get("epsilon", 1e-5)}
        new = (
            NewNode("Reshape", (x.name, names["grouped"]), (f"{y}_grouped",)),
            NewNode(
                "InstanceNormalization", (f"{y}_grouped", names["ones"], names["zeros"]), (f"{y}_normal",), epsilon
            ),
            NewNode("Reshape", (f"{y}_normal", names["shape"]), (f"{y}_back",)),
            NewNode("Mul", (f"{y}_back", names["scale"]), (f"{y}_scaled",)),
            NewNode("Add", (f"{y}_scaled", names["bias"]), (y,)),
        )
        text = "GroupNormalization becomes Reshape, InstanceNormalization, Reshape, Mul and Add"
        yield Change(node.name, text, (node.name,), new, {names[k]: v for k, v in values.items()})


def _parameter(graph: Graph, node: Node, op: str, sizes: tuple[int, ...]) -> tuple[Node, object] | None:
    """The node behind that multiplies with, or adds, one value per channel, and these values."""
    import numpy as np

    reader = read_by(graph, node.outputs[0])
    if reader is None or reader.op != op or len(reader.inputs) != 2 or reader.domain:
        return None
    name = reader.inputs[1] if reader.inputs[0] == node.outputs[0] else reader.inputs[0]
    value = constant(graph, name)
    if value is None or value.ndim > len(sizes):
        return None
    wide = value.reshape((1,) * (len(sizes) - value.ndim) + value.shape)
    if wide.shape[1] not in (1, sizes[1]) or any(n != 1 for k, n in enumerate(wide.shape) if k != 1):
        return None
    return reader, np.broadcast_to(wide.reshape(-1), (sizes[1],))
