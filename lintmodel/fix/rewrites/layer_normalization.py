"""(x - mean) / sqrt(variance + epsilon) * scale + bias <-> LayerNormalization(x)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import FLOATS, of_op, one_output, opset


@rewrite("compose-layer-norm", "safe")
def compose_layer_norm(graph: Graph) -> Iterator[Change]:
    """A layer normalisation spelled in several nodes becomes the operator LayerNormalization (opset 17)."""
    import numpy as np

    for found in graph.composites:
        if found.op != "LayerNormalization" or opset(graph) < 17:
            continue
        x, axis = graph.tensor(found.inputs[0]), int(found.attributes["axis"])
        last = (x.shape or ())[axis:]
        if not last or not all(isinstance(size, int) for size in last):
            continue
        inputs, constants = found.inputs, {}
        if len(inputs) == 1:  # the operator has no form without a scale
            scale = f"{found.name}.scale"
            inputs, constants = (*inputs, scale), {scale: np.ones([int(size) for size in last], x.dtype)}
        new = NewNode("LayerNormalization", inputs, (found.output,), dict(found.attributes))
        text = f"{len(found.members)} nodes become LayerNormalization"
        yield Change(found.members[-1], text, found.members, (new,), constants, opset=17)


@rewrite("decompose-layer-norm", "safe")
def decompose_layer_norm(graph: Graph) -> Iterator[Change]:
    """LayerNormalization becomes ReduceMean, Sub, Mul, Add, Sqrt and Div."""
    import numpy as np

    for node in of_op(graph, "LayerNormalization"):
        x, y = graph.tensor(node.inputs[0]), node.outputs[0]
        if x.shape is None or x.dtype not in FLOATS or not one_output(graph, node):
            continue
        rank = len(x.shape)
        axes = tuple(range(int(node.attributes.get("axis", -1)) % rank - rank, 0))
        epsilon = f"{node.name}.epsilon"
        constants = {epsilon: np.array(node.attributes.get("epsilon", 1e-5), x.dtype)}
        by_input = opset(graph) >= 18
        names = (f"{node.name}.axes",) if by_input else ()
        constants |= {name: np.array(axes, "int64") for name in names}
        reduce = {"keepdims": 1} if by_input else {"keepdims": 1, "axes": axes}
        parts = [
            NewNode("ReduceMean", (x.name, *names), (f"{y}_mean",), reduce),
            NewNode("Sub", (x.name, f"{y}_mean"), (f"{y}_centred",)),
            NewNode("Mul", (f"{y}_centred", f"{y}_centred"), (f"{y}_squares",)),
            NewNode("ReduceMean", (f"{y}_squares", *names), (f"{y}_variance",), reduce),
            NewNode("Add", (f"{y}_variance", epsilon), (f"{y}_shifted",)),
            NewNode("Sqrt", (f"{y}_shifted",), (f"{y}_deviation",)),
            NewNode("Div", (f"{y}_centred", f"{y}_deviation"), (f"{y}_normal",)),
        ]
        last = f"{y}_normal"
        for op, name in zip(("Mul", "Add"), node.inputs[1:], strict=False):
            if name:
                parts.append(NewNode(op, (last, name), (f"{y}_{op}",)))
                last = f"{y}_{op}"
        end = parts[-1]
        parts[-1] = NewNode(end.op, end.inputs, (y,), end.attributes)
        text = f"LayerNormalization becomes {len(parts)} nodes"
        yield Change(node.name, text, (node.name,), tuple(parts), constants)
