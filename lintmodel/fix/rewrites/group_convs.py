"""Conv with groups -> Conv, or one Conv for each group"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Conv, Graph
from ..change import Change, rewrite
from ..making import Making, floats, standard

MOST = 64
"""Groups up to which a convolution is taken apart."""


@rewrite("dense-groups", "safe")
def dense_groups(graph: Graph) -> Iterator[Change]:
    """A grouped convolution becomes an ordinary one with zeros between the groups. Depthwise ones become ordinary too,
    where a finding asks for that."""
    import numpy as np

    for conv in _grouped(graph):
        node, weight = conv.node, floats(graph, conv.node.inputs[1])
        if weight is None:
            continue
        outputs, inputs = weight.shape[0] // conv.groups, weight.shape[1]
        whole = np.zeros((weight.shape[0], inputs * conv.groups, *weight.shape[2:]), weight.dtype)
        for k in range(conv.groups):
            rows = slice(k * outputs, (k + 1) * outputs)
            whole[rows, k * inputs : (k + 1) * inputs] = weight[rows]
        make = Making(graph, node)
        attributes = {**node.attributes, "group": 1}
        given = (make.constant(whole, "weight"), *node.inputs[2:])
        make.op("Conv", node.inputs[0], *given, out=node.outputs[0], **attributes)
        yield make.change(f"convolution of {conv.groups} groups becomes one of all channels, with zeros")


@rewrite("split-groups", "safe")
def split_groups(graph: Graph) -> Iterator[Change]:
    """A grouped convolution, unless it is depthwise, becomes one for each group: slices, the convolutions, Concat."""
    import numpy as np

    for conv in _grouped(graph):
        node, weight = conv.node, floats(graph, conv.node.inputs[1])
        bias = floats(graph, node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else None
        if weight is None or conv.depthwise or conv.groups > MOST or (bias is None and any(node.inputs[2:])):
            continue
        make, ends = Making(graph, node), []
        inputs, outputs = weight.shape[1], weight.shape[0] // conv.groups
        attributes = {**node.attributes, "group": 1}
        for k in range(conv.groups):
            part = make.crop(node.inputs[0], {1: (k * inputs, (k + 1) * inputs)})
            rows = slice(k * outputs, (k + 1) * outputs)
            given = [make.constant(np.ascontiguousarray(weight[rows]), "weight")]
            given += [make.constant(np.ascontiguousarray(bias[rows]), "bias")] if bias is not None else []
            ends.append(make.op("Conv", part, *given, **attributes))
        make.op("Concat", *ends, out=node.outputs[0], axis=1)
        yield make.change(f"convolution of {conv.groups} groups becomes {conv.groups} convolutions")


def _grouped(graph: Graph) -> Iterator[Conv]:
    for node in standard(graph, "Conv"):
        conv = Conv(graph, node)
        if conv.fixed and conv.groups > 1:
            yield conv
