"""x * HardSigmoid(x) <-> HardSwish(x)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import of_op, opset
from ..single import composed


@rewrite("compose-hard-swish", "safe")
def compose_hard_swish(graph: Graph) -> Iterator[Change]:
    """HardSwish spelled in several nodes becomes the operator HardSwish (opset 14)."""
    yield from composed(graph, "HardSwish", 14)


@rewrite("compose-hard-sigmoid", "safe")
def compose_hard_sigmoid(graph: Graph) -> Iterator[Change]:
    """HardSigmoid spelled as a clipped line becomes the operator HardSigmoid."""
    yield from composed(graph, "HardSigmoid", 6)


@rewrite("decompose-hard-swish", "safe")
def decompose_hard_swish(graph: Graph) -> Iterator[Change]:
    """HardSwish becomes HardSigmoid and Mul."""
    for node in of_op(graph, "HardSwish"):
        x, gate = node.inputs[0], f"{node.outputs[0]}_gate"
        new = (
            NewNode("HardSigmoid", (x,), (gate,), {"alpha": 1 / 6, "beta": 0.5}),
            NewNode("Mul", (x, gate), node.outputs),
        )
        yield Change(node.name, "HardSwish becomes HardSigmoid and Mul", (node.name,), new)


@rewrite("decompose-hard-sigmoid", "safe")
def decompose_hard_sigmoid(graph: Graph) -> Iterator[Change]:
    """HardSigmoid becomes Mul, Add and Clip."""
    import numpy as np

    for node in of_op(graph, "HardSigmoid"):
        if graph.tensor(node.outputs[0]).dtype != "float32":
            continue
        numbers = {
            "alpha": node.attributes.get("alpha", 0.2),
            "beta": node.attributes.get("beta", 0.5),
            "min": 0.0,
            "max": 1.0,
        }
        names = {key: f"{node.name}.{key}" for key in numbers}
        by_input = opset(graph) >= 11
        scaled, line = f"{node.outputs[0]}_scaled", f"{node.outputs[0]}_line"
        limits = {} if by_input else {"min": 0.0, "max": 1.0}
        new = (
            NewNode("Mul", (node.inputs[0], names["alpha"]), (scaled,)),
            NewNode("Add", (scaled, names["beta"]), (line,)),
            NewNode("Clip", (line, names["min"], names["max"]) if by_input else (line,), node.outputs, limits),
        )
        used = {names[k]: np.array(v, "float32") for k, v in numbers.items() if by_input or k in ("alpha", "beta")}
        yield Change(node.name, "HardSigmoid becomes Mul, Add and Clip", (node.name,), new, used)
