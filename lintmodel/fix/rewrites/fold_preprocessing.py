"""(x - mean) / deviation, Conv -> Conv"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from ...ir import Graph
from ..affine import before, folded_before
from ..change import Change, rewrite
from ..patterns import of_op

MOVES = ("Cast", "Transpose", "Identity", "Slice")
"""What may stand between the input and its scaling."""


@rewrite("fold-preprocessing", "safe")
def fold_preprocessing(graph: Graph) -> Iterator[Change]:
    """Scaling of the input goes into the first layer's weights. Where that layer has padding only products do: what is
    padded is 0 behind the mean's subtraction, which no bias can say."""
    for layer in of_op(graph, "Conv", "Gemm"):
        for row in before(graph, layer):
            scaling = all(node.op != "BatchNormalization" for node in row.nodes)
            if scaling and _from_input(graph, row.x):
                text = f"{', '.join(node.op for node in row.nodes)} goes into the weights of the first {layer.op}"
                change = folded_before(graph, layer, row, text, row.nodes[0].name)
                if change is not None:
                    yield replace(change, also=tuple(_makers(graph, row.x)))
                    break


def _makers(graph: Graph, name: str) -> Iterator[str]:
    """What stands between the input and the scaling, other scaling that stays among it."""
    while (maker := graph.producer(name)) is not None:
        yield maker.name
        name = maker.inputs[0]


def _from_input(graph: Graph, name: str) -> bool:
    """The tensor is an input, or an input moved, or scaled in ways that stay."""
    while (maker := graph.producer(name)) is not None:
        constants = [each for each in maker.inputs[1:] if each and not graph.is_constant(each)]
        if maker.op not in (*MOVES, "Add", "Sub", "Mul", "Div") or constants:
            return False
        name = maker.inputs[0]
    return name in graph.inputs
