"""0.5 * x * (1 + Erf(x / sqrt(2))) <-> Gelu(x)"""

from __future__ import annotations

from collections.abc import Iterator
from math import pi, sqrt
from typing import TYPE_CHECKING

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import FLOATS, of_op
from ..single import composed

if TYPE_CHECKING:
    import numpy as np


@rewrite("compose-gelu", "safe")
def compose_gelu(graph: Graph) -> Iterator[Change]:
    """GELU spelled in several nodes becomes the operator Gelu (opset 20)."""
    yield from composed(graph, "Gelu", 20)


@rewrite("decompose-gelu", "safe")
def decompose_gelu(graph: Graph) -> Iterator[Change]:
    """Gelu becomes Div, Erf, Add and Mul; with approximate=tanh, what that formula has."""
    import numpy as np

    for node in of_op(graph, "Gelu"):
        dtype = graph.tensor(node.outputs[0]).dtype
        if dtype not in FLOATS:
            continue
        x, (y,) = node.inputs[0], node.outputs
        tanh = node.attributes.get("approximate", "none") == "tanh"
        constants: dict[str, np.ndarray] = {}

        def fixed(key: str, value: float) -> str:
            name = f"{node.name}.{key}"  # noqa: B023
            constants[name] = np.array(value, dtype)  # noqa: B023
            return name

        if tanh:
            head = [
                NewNode("Mul", (x, x), (f"{y}_square",)),
                NewNode("Mul", (f"{y}_square", x), (f"{y}_cube",)),
                NewNode("Mul", (f"{y}_cube", fixed("cubic", 0.044715)), (f"{y}_cubic",)),
                NewNode("Add", (x, f"{y}_cubic"), (f"{y}_sum",)),
                NewNode("Mul", (f"{y}_sum", fixed("scale", sqrt(2 / pi))), (f"{y}_scaled",)),
                NewNode("Tanh", (f"{y}_scaled",), (f"{y}_curve",)),
            ]
        else:
            head = [
                NewNode("Div", (x, fixed("root", sqrt(2))), (f"{y}_scaled",)),
                NewNode("Erf", (f"{y}_scaled",), (f"{y}_curve",)),
            ]
        tail = [
            NewNode("Add", (f"{y}_curve", fixed("one", 1.0)), (f"{y}_gate",)),
            NewNode("Mul", (x, f"{y}_gate"), (f"{y}_double",)),
            NewNode("Mul", (f"{y}_double", fixed("half", 0.5)), (y,)),
        ]
        text = f"Gelu becomes {', '.join(dict.fromkeys(each.op for each in head + tail))}"
        yield Change(node.name, text, (node.name,), (*head, *tail), constants)
