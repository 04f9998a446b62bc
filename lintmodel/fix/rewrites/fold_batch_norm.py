"""Conv, BatchNormalization -> Conv"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Node
from ..affine import WEIGHTED, Affine, before, behind, folded_before, folded_behind, unpadded
from ..change import Change, rewrite
from ..patterns import of_op, plain, read_by


@rewrite("fold-batch-norm", "safe")
def fold_batch_norm(graph: Graph) -> Iterator[Change]:
    """BatchNormalization, and sums and products around it, go into the weights of the Conv, ConvTranspose or Gemm
    before it; into the one behind it where that has no padding."""
    for layer in of_op(graph, *WEIGHTED):
        row = behind(graph, layer)
        norm = _norm(row)
        if row is not None and norm:
            text = f"goes into the weights of the {layer.op} before it"
            change = folded_behind(graph, layer, row, text, norm)
            if change is not None:
                yield change
                continue
        for row in before(graph, layer):
            norm = _norm(row)
            if norm:
                text = f"goes into the weights of the {layer.op} behind it"
                change = folded_before(graph, layer, row, text, norm)
                if change is not None:
                    yield change
                    break


def _norm(row: Affine | None) -> str:
    nodes = row.nodes if row is not None else ()
    return next((node.name for node in nodes if node.op == "BatchNormalization"), "")


def folds(graph: Graph, norm: Node) -> bool:
    """There is a layer beside it to fold it into. Asks no weights, so it may be asked of every node."""
    maker, reader = graph.producer(norm.inputs[0]), read_by(graph, norm.outputs[0])
    if maker is not None and maker.op in WEIGHTED and read_by(graph, norm.inputs[0]) is not None:
        return plain(maker) and graph.is_constant(maker.inputs[1])
    open_border = reader is not None and plain(reader) and reader.op in ("Conv", "Gemm") and unpadded(reader)
    return reader is not None and open_border and graph.is_constant(reader.inputs[1])
