"""ConvTranspose: output_padding, and 2x2 kernels"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import ConvTranspose, Graph, Node
from ..change import Change, rewrite
from ..making import Making, floats, standard


@rewrite("drop-output-padding", "safe")
def drop_output_padding(graph: Graph) -> Iterator[Change]:
    """A transposed convolution with output_padding becomes one without: less is cut off the end, and where nothing was,
    the kernel gets zeros."""
    import numpy as np

    for node, conv in _transposed(graph):
        weight = floats(graph, node.inputs[1])
        extra = conv.output_padding
        if weight is None or weight.ndim != 4 or extra == (0, 0) or conv.dilation != (1, 1):
            continue
        pads, more = list(conv.pads), []
        for axis in (0, 1):
            more.append(max(0, extra[axis] - pads[axis + 2]))
            pads[axis + 2] = max(0, pads[axis + 2] - extra[axis])
        make, given = Making(graph, node), node.inputs[1]
        if any(more):
            given = make.constant(np.pad(weight, ((0, 0), (0, 0), (0, more[0]), (0, more[1]))), "weight")
        attributes = {
            name: value for name, value in node.attributes.items() if name not in ("output_padding", "auto_pad")
        }
        attributes |= {"pads": tuple(pads), "kernel_shape": (weight.shape[2] + more[0], weight.shape[3] + more[1])}
        make.op("ConvTranspose", node.inputs[0], given, *node.inputs[2:], out=node.outputs[0], **attributes)
        yield make.change(f"output_padding {extra[0]}x{extra[1]} goes into padding and kernel")


@rewrite("conv-transpose-3x3", "safe")
def conv_transpose_3x3(graph: Graph) -> Iterator[Change]:
    """A transposed convolution with a 2x2 kernel and stride 2 becomes one with 3x3, zeros in its first row and column,
    padding 1 and output_padding 1."""
    import numpy as np

    for node, conv in _transposed(graph):
        weight = floats(graph, node.inputs[1])
        if weight is None or conv.kernel != (2, 2) or conv.stride != (2, 2) or conv.dilation != (1, 1):
            continue
        if weight.ndim != 4 or any(conv.pads) or any(conv.output_padding):
            continue
        make = Making(graph, node)
        larger = make.constant(np.pad(weight, ((0, 0), (0, 0), (1, 0), (1, 0))), "weight")
        attributes = {name: value for name, value in node.attributes.items() if name != "auto_pad"}
        attributes |= {"kernel_shape": (3, 3), "pads": (1, 1, 1, 1), "output_padding": (1, 1)}
        make.op("ConvTranspose", node.inputs[0], larger, *node.inputs[2:], out=node.outputs[0], **attributes)
        yield make.change("2x2 kernel becomes 3x3 with zeros, padding 1 and output_padding 1")


def _transposed(graph: Graph) -> Iterator[tuple[Node, ConvTranspose]]:
    for node in standard(graph, "ConvTranspose"):
        conv = ConvTranspose(graph, node)
        if conv.fixed and "output_shape" not in node.attributes:
            yield node, conv
