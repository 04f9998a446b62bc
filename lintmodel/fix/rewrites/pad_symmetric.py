"""pads 0,0,1,1 -> 1,1,1,1"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Conv, Graph, Node, Pad
from ..change import Change, rewrite
from ..making import sizes, standard
from ..patterns import like, read_by, writable
from .pad_into_conv import pads_zeros


@rewrite("pad-symmetric", "unsafe", retrain=True)
def pad_symmetric(graph: Graph) -> Iterator[Change]:
    """A convolution that pads one side more than the other (TensorFlow's SAME) pads all sides as much as the one with
    most, where its result keeps its size: it sees pixels that lie one further up and left."""
    for node in standard(graph, "Conv"):
        conv = Conv(graph, node)
        if not conv.fixed or conv.rank != 2 or not writable(node):
            continue
        x, removed, pads = node.inputs[0], [node.name], conv.pads
        maker = graph.producer(x)
        if maker is not None and (border := _border(graph, maker)):
            if str(node.attributes.get("auto_pad", "NOTSET")) not in ("NOTSET", "VALID"):
                continue
            x, removed = maker.inputs[0], [maker.name, node.name]
            pads = (pads[0] + border[0], pads[1] + border[1], pads[2] + border[2], pads[3] + border[3])
        most = max(pads)
        shape = sizes(graph, x, 4)
        if shape and len(set(pads)) > 1 and _out(conv, shape[2:], most) == (conv.out_height, conv.out_width):
            new = like(node, (x, *node.inputs[1:]), pads=(most,) * 4, auto_pad=None)
            yield Change(node.name, f"padding {pads} becomes {most} on every side", tuple(removed), (new,))


def _border(graph: Graph, node: Node) -> tuple[int, ...] | None:
    """What a Pad that only the convolution reads puts around its map: top, left, bottom, right."""
    if node.op != "Pad" or node.domain or not read_by(graph, node.outputs[0]) or not pads_zeros(graph, node):
        return None
    amounts = Pad(graph, node).amounts
    if amounts is None or len(amounts) != 4 or any(amounts[0] + amounts[1]) or min(map(min, amounts)) < 0:
        return None
    (top, bottom), (left, right) = amounts[2:]
    return top, left, bottom, right


def _out(conv: Conv, sizes: tuple[int, ...], pad: int) -> tuple[int, int]:
    """Height and width of the result with this padding on every side of a map of these sizes."""
    height, width = (
        (size + 2 * pad - (conv.kernel[axis] - 1) * conv.dilation[axis] - 1) // conv.stride[axis] + 1
        for axis, size in enumerate(sizes)
    )
    return height, width
