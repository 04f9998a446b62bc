"""auto_pad=SAME_UPPER -> pads=[0, 0, 1, 1]"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Conv, ConvTranspose, Graph, Pool
from ...ir.views import view
from ..change import Change, rewrite
from ..patterns import like, of_op, writable


@rewrite("explicit-pads", "safe")
def explicit_pads(graph: Graph) -> Iterator[Change]:
    """Padding that follows from the sizes (auto_pad) is written out as numbers."""
    for node in of_op(graph, "Conv", "ConvTranspose", "MaxPool", "AveragePool"):
        auto = str(node.attributes.get("auto_pad", "NOTSET"))
        seen = view(graph, node)
        if auto == "NOTSET" or not writable(node) or not isinstance(seen, Conv | ConvTranspose | Pool):
            continue
        if not seen.fixed or seen.rank > 2 or node.attributes.get("output_shape"):
            continue
        pads = seen.pads if seen.rank == 2 else (seen.pads[0], seen.pads[2])
        text = f"{auto} is written as pads {', '.join(map(str, pads))}"
        yield Change(node.name, text, (node.name,), (like(node, auto_pad=None, pads=pads),))
