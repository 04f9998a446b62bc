"""What nncase 0.2 reads wrongly without an error: the file converts, and the results are those of another network.

Source: nncase v0.2.0-beta4, src/importer.
"""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.ir import Conv, ConvTranspose, Graph, Node

Sides = tuple[tuple[int, int], tuple[int, int]]


def read_pads(view: Conv | ConvTranspose) -> Sides:
    """Padding of height and width as ONNX's is read: top and left for the height, bottom and right for the width.
    What follows from ``auto_pad`` is right."""
    top, left, bottom, right = view.pads
    if str(view.node.attributes.get("auto_pad", "NOTSET")).startswith("SAME"):
        return (top, bottom), (left, right)
    return (top, left), (bottom, right)


def misread_parameters(graph: Graph, node: Node) -> Iterator[str]:
    """Parameters of a convolution that are taken for something else, in words."""
    if graph.format == "tflite":
        yield from _first_scale(graph, node)
        return
    view = Conv(graph, node) if node.op in Conv.ops else ConvTranspose(graph, node)
    top, left, bottom, right = view.pads
    if read_pads(view) != ((top, bottom), (left, right)):
        yield (
            f"padding is {view.pads} (top, left, bottom, right); {(top, left)} is read for top and bottom, "
            f"{(bottom, right)} for left and right"
        )
    if node.op in ConvTranspose.ops and graph.tensor(node.inputs[1]).elements > 1:
        yield "weights are stored by input channels first and read by output channels first"


def _first_scale(graph: Graph, node: Node) -> Iterator[str]:
    weights = graph.tensor(node.inputs[1]) if len(node.inputs) > 1 else None
    quantization = weights.quantization if weights is not None and weights.dtype == "int8" else None
    if quantization is not None and len(set(quantization.scales)) > 1:
        yield f"int8 weights have {len(quantization.scales)} scales; the first is taken for all channels"


def misread_pool(graph: Graph, node: Node) -> bool:
    """A maximum from an ONNX file starts at the largest number there is, and stays there."""
    return node.op == "MaxPool" and graph.format != "tflite"
