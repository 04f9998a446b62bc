"""Parts of tensors: Gather with known indices, and Split, where they are Slices or convolutions to the toolkit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..program import Layer, Program
from .four_axes import four, four_axis, reshape
from .make import conv_layer

if TYPE_CHECKING:
    from collections.abc import Sequence


PICKS = "picks"
"""Set on a convolution that only picks channels, in an order of its own."""


def lower_gathers(program: Program) -> None:
    """A known index, or a run of them, is a Slice; known channels are a 1x1 convolution; the others stay."""
    for layer in list(program.layers):
        if layer.kind != "Gather" or program.constant(layer.inputs[0]) or not program.constant(layer.inputs[1]):
            continue
        load = program.values[layer.inputs[1]].load
        value = load() if load is not None else None
        if value is None or len(program.shape(layer.inputs[0])) > 5:
            continue
        rank = len(program.shape(layer.inputs[0]))
        axis = int(layer.attributes.get("axis", 0)) % rank
        size = program.shape(layer.inputs[0])[axis]
        indices = [int(index) % size for index in value.reshape(-1)]
        if value.ndim < 2:
            program.replace(layer, _pick(program, layer, axis, indices))


def _pick(program: Program, layer: Layer, axis: int, indices: list[int]) -> list[Layer]:
    source, result = layer.inputs[0], layer.outputs[0]
    shape = program.shape(source)
    layers: list[Layer] = []
    if len(shape) != 4:
        layers.append(reshape(program, source, four(shape), ()))
        source = layers[0].outputs[0]
    at = four_axis(axis, len(shape))
    taken = list(program.shape(source))
    taken[at] = taken[at] // shape[axis] * len(indices)
    inner = program.fresh(f"{result}_2sl", taken, program.values[result].dtype)
    run = indices == list(range(indices[0], indices[0] + len(indices)))
    if at == 1 and len(indices) > 1 and not (run and not _made_by_conv(program, source)):
        layers.append(
            conv_layer(program, source, inner, (1, 1), (1, 1), (0,) * 4, layer.nodes, biased=program.quantized)
        )
        layers[-1].attributes[PICKS] = True
    elif run and taken[at] == len(indices):
        layers.append(_slice(program, source, inner, at, indices, layer.nodes))
    else:
        layers.append(Layer("Gather", [source, layer.inputs[1]], [inner], layer.nodes, {"axis": at}))
    if program.shape(inner) == program.shape(result):
        layers[-1].outputs = [result]
        return layers
    return [*layers, reshape(program, inner, program.shape(result), layer.nodes, result)]


def _slice(
    program: Program, source: str, result: str, axis: int, indices: Sequence[int], nodes: tuple[str, ...]
) -> Layer:
    bounds = [program.fresh(f"{result}_i{k}", (1,), "int64", constant=True) for k in (1, 2, 3)]
    attributes = {"starts": (indices[0],), "ends": (indices[-1] + 1,), "axes": (axis,)}
    return Layer("Slice", [source, *bounds], [result], nodes, attributes)


def _made_by_conv(program: Program, name: str) -> bool:
    made = program.producer(name)
    return made is not None and made.kind == "Conv"


def fold_picks(program: Program) -> None:
    """Channels are picked among the weights of the convolution before."""
    for pick in [layer for layer in program.layers if PICKS in layer.attributes]:
        conv = program.producer(pick.inputs[0])
        if conv is None or conv.kind != "Conv" or conv.attributes.get("group", 1) != 1:
            continue
        if program.sole_consumer(pick.inputs[0]) is not pick or not program.constant(conv.inputs[1]):
            continue
        channels = program.shape(pick.outputs[0])[1]
        conv.outputs, conv.nodes = list(pick.outputs), (*conv.nodes, *pick.nodes)
        weight = (channels, *program.shape(conv.inputs[1])[1:])
        conv.inputs[1] = program.fresh(
            f"{conv.inputs[1]}_picked", weight, program.values[conv.inputs[1]].dtype, constant=True
        )
        if len(conv.inputs) > 2 and conv.inputs[2]:
            conv.inputs[2] = program.fresh(f"{conv.inputs[2]}_picked", (channels,), constant=True)
        program.remove(pick)


def slice_convolutions(program: Program) -> None:
    """Parts of the result of a dense convolution without an activation are convolutions of their own, each with its
    part of the weights. It is not done when the whole result is read otherwise too, nor along another axis."""
    for split in list(program.layers):
        if split.kind == "Split" and _over_channels(program, split):
            conv = program.producer(split.inputs[0])
            if conv is None or conv.kind != "Conv" or conv.attributes.get("group", 1) != 1:
                continue
            if program.sole_consumer(split.inputs[0]) is split and program.constant(conv.inputs[1]):
                program.replace(split, _parts(program, split, conv))
                program.remove(conv)


def _parts(program: Program, split: Layer, conv: Layer) -> list[Layer]:
    a, nodes = conv.attributes, (*conv.nodes, *split.nodes)
    biased = program.quantized or len(conv.inputs) > 2
    layers = []
    for name in split.outputs:
        if not program.consumers(name) and name not in program.outputs:
            continue
        layers.append(
            conv_layer(program, conv.inputs[0], name, a["kernel_shape"], a["strides"], a["pads"], nodes, biased=biased)
        )
        layers[-1].attributes["dilations"] = a["dilations"]
    return layers


def _over_channels(program: Program, split: Layer) -> bool:
    shape = program.shape(split.inputs[0])
    return len(shape) == 4 and int(split.attributes.get("axis", 0)) % 4 == 1
