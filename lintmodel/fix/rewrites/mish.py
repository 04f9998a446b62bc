"""x * Tanh(Softplus(x)) <-> Mish(x)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import of_op, opset, read_by


@rewrite("compose-mish", "safe")
def compose_mish(graph: Graph) -> Iterator[Change]:
    """Softplus, Tanh and Mul become the operator Mish (opset 18)."""
    for softplus in of_op(graph, "Softplus"):
        x, tanh = softplus.inputs[0], read_by(graph, softplus.outputs[0])
        times = read_by(graph, tanh.outputs[0]) if tanh is not None and tanh.op == "Tanh" else None
        if tanh is None or times is None or times.op != "Mul" or times.domain or opset(graph) < 18:
            continue
        if {*times.inputs} == {x, tanh.outputs[0]}:
            new = NewNode("Mish", (x,), times.outputs)
            text = "Softplus, Tanh and Mul become Mish"
            yield Change(times.name, text, (softplus.name, tanh.name, times.name), (new,), opset=18)


@rewrite("decompose-mish", "safe")
def decompose_mish(graph: Graph) -> Iterator[Change]:
    """Mish becomes Softplus, Tanh and Mul."""
    for node in of_op(graph, "Mish"):
        x, soft, gate = node.inputs[0], f"{node.outputs[0]}_softplus", f"{node.outputs[0]}_tanh"
        new = (
            NewNode("Softplus", (x,), (soft,)),
            NewNode("Tanh", (soft,), (gate,)),
            NewNode("Mul", (x, gate), node.outputs),
        )
        yield Change(node.name, "Mish becomes Softplus, Tanh and Mul", (node.name,), new)
