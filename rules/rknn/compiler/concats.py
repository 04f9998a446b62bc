"""Concatenations over channels that do not line up, or cost more than sums: a convolution behind takes every member
by itself. Measured with RKNN-Toolkit2 2.5.0."""

from __future__ import annotations

from ..program import Layer, Program
from .make import conv_layer

ALIGNED = 8
"""Channels of a member that stay a Concat. Members of 8, 16 and 24 do, of 2, 4, 12, 20 and 36 do not (measured)."""


def take_concats_apart(program: Program) -> None:
    """A Concat whose sole reader is a dense convolution becomes one convolution a member, added up, when a member's
    channels are not aligned or when it pays."""
    for concat in list(program.layers):
        if concat.kind != "Concat" or int(concat.attributes.get("axis", 1)) % 4 != 1 or len(concat.inputs) < 2:
            continue
        shape = program.shape(concat.outputs[0])
        conv = program.sole_consumer(concat.outputs[0])
        if len(shape) != 4 or conv is None or conv.inputs[0] != concat.outputs[0]:
            continue
        if conv.kind != "Conv" or conv.attributes.get("group", 1) != 1:
            continue
        aligned = all(program.shape(name)[1] % ALIGNED == 0 for name in concat.inputs)
        if aligned and not _pays(shape[1], program.shape(conv.outputs[0])[1], len(concat.inputs)):
            continue
        if any(program.constant(name) for name in concat.inputs) or not program.constant(conv.inputs[1]):
            continue
        program.remove(concat)
        program.replace(conv, _members(program, concat, conv))


def _pays(channels: int, out: int, members: int) -> bool:
    """Adding moves fewer numbers than the Concat does: every sum is written and read again."""
    return channels > 2 * out * (members - 1)


def _members(program: Program, concat: Layer, conv: Layer) -> list[Layer]:
    """A convolution of every member and their sum; the second member's comes first."""
    shape, total = program.shape(conv.outputs[0]), ""
    nodes = (*concat.nodes, *conv.nodes)
    a = conv.attributes
    layers: list[Layer] = []
    for k, member in enumerate([concat.inputs[1], concat.inputs[0], *concat.inputs[2:]]):
        result = program.fresh(f"{member}_conv", shape)
        biased = program.quantized or (k == 1 and len(conv.inputs) > 2)
        layer = conv_layer(program, member, result, a["kernel_shape"], a["strides"], a["pads"], nodes, biased=biased)
        layer.attributes["dilations"] = a["dilations"]
        layers.append(layer)
        if k:
            last = k == len(concat.inputs) - 1
            added = conv.outputs[0] if last else program.fresh(f"{result}_add", shape)
            layers.append(Layer("Add", [result, total], [added], nodes))
            result = added
        total = result
    return layers
