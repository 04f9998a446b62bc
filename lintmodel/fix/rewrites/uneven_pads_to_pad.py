"""Conv with uneven pads -> Pad, Conv with even pads"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, NewNode, rewrite
from ..patterns import like, of_op, opset, writable


@rewrite("uneven-pads-to-pad", "safe")
def uneven_pads_to_pad(graph: Graph) -> Iterator[Change]:
    """What a Conv pads more on one side than on the other is padded by a Pad before it."""
    import numpy as np

    for node in of_op(graph, "Conv"):
        pads = tuple(node.attributes.get("pads") or ())
        half = len(pads) // 2
        if str(node.attributes.get("auto_pad", "NOTSET")) != "NOTSET" or not writable(node) or opset(graph) < 2:
            continue
        low, high = pads[:half], pads[half:]
        if low == high:
            continue
        even = tuple(min(pair) for pair in zip(low, high, strict=True))
        more = [(0, 0, *(n - m for n, m in zip(side, even, strict=True))) for side in (low, high)]
        amounts = (*more[0], *more[1])
        padded, name = f"{node.inputs[0]}_padded", f"{node.name}.pads"
        if opset(graph) >= 11:
            pad, constants = NewNode("Pad", (node.inputs[0], name), (padded,)), {name: np.array(amounts, "int64")}
        else:
            pad, constants = NewNode("Pad", node.inputs[:1], (padded,), {"pads": amounts}), {}
        conv = like(node, (padded, *node.inputs[1:]), None, pads=(*even, *even))
        text = f"pads {', '.join(map(str, pads))} become a Pad and even ones"
        yield Change(node.name, text, (node.name,), (pad, conv), constants)
