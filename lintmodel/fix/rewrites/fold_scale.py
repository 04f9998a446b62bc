"""Conv, Mul, Add -> Conv"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..affine import WEIGHTED, behind, folded_behind
from ..change import Change, rewrite
from ..patterns import of_op


@rewrite("fold-scale", "safe")
def fold_scale(graph: Graph) -> Iterator[Change]:
    """Sums and products with a constant per channel go into the weights and the bias of the Conv, ConvTranspose or
    Gemm before them."""
    for layer in of_op(graph, *WEIGHTED):
        row = behind(graph, layer)
        if row is not None and not any(node.op == "BatchNormalization" for node in row.nodes):
            text = f"{', '.join(node.op for node in row.nodes)} goes into the weights of the {layer.op} before it"
            change = folded_behind(graph, layer, row, text, row.nodes[0].name)
            if change is not None:
                yield change
