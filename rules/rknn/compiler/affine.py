"""Layers that scale and shift every channel by a constant, which a convolution beside them can take in."""

from __future__ import annotations

import numpy as np

from ..program import Layer, Program


def per_channel(program: Program, layer: Layer, x: str) -> bool:
    """``layer`` computes scale * x + shift with one constant pair a channel."""
    shape = program.shape(x)
    if layer.kind == "BatchNormalization":
        return layer.inputs[0] == x and program.shape(layer.outputs[0]) == shape
    if layer.kind not in ("Add", "Mul", "Sub", "Div") or len(layer.inputs) != 2 or x not in layer.inputs:
        return False
    if layer.kind in ("Sub", "Div") and layer.inputs[0] != x:
        return False
    other = layer.inputs[1] if layer.inputs[0] == x else layer.inputs[0]
    if other == x or not program.constant(other) or program.shape(layer.outputs[0]) != shape:
        return False
    return _one_a_channel(program, other, len(shape))


def _one_a_channel(program: Program, name: str, rank: int) -> bool:
    """The constant, spread over a tensor of ``rank`` axes, does not change but from channel to channel."""
    shape = (1,) * (rank - len(program.shape(name))) + tuple(program.shape(name))
    if all(size == 1 for axis, size in enumerate(shape) if axis != 1):
        return True
    load = program.values[name].load
    value = load() if load is not None else None
    if value is None or value.size == 0 or rank < 2:
        return False
    spread = value.reshape(shape)
    corner = (slice(0, 1), slice(None), *[slice(0, 1)] * (rank - 2))
    return bool(np.all(spread == spread[corner]))


def join_affine(program: Program) -> None:
    """A factor and then a sum, both with a constant a channel, are one BatchNormalization."""
    for scale in [layer for layer in program.layers if layer.kind == "Mul" and len(layer.inputs) == 2]:
        shift = program.sole_consumer(scale.outputs[0])
        source = next((name for name in scale.inputs if not program.constant(name)), None)
        if source is None or shift is None or shift.kind != "Add" or len(program.shape(source)) != 4:
            continue
        if not (per_channel(program, scale, source) and per_channel(program, shift, scale.outputs[0])):
            continue
        factor = next(name for name in scale.inputs if name != source)
        term = next(name for name in shift.inputs if name != scale.outputs[0])
        if max(program.shape(factor), default=1) == 1 or max(program.shape(term), default=1) == 1:
            continue
        nodes = (*scale.nodes, *shift.nodes)
        program.replace(shift, [Layer("BatchNormalization", [source, factor, term], list(shift.outputs), nodes)])
        program.remove(scale)


def scales_only(program: Program) -> list[Layer]:
    """The batch normalisations that shift nothing and turn no sign. One whose values are not at hand is taken to be
    like the others of the model."""
    layers = [layer for layer in program.layers if layer.kind == "BatchNormalization"]
    found = {id(layer): _scales(program, layer) for layer in layers}
    known = [answer for answer in found.values() if answer is not None]
    others = bool(known) and all(known)
    return [layer for layer in layers if (others if found[id(layer)] is None else found[id(layer)])]


def _scales(program: Program, layer: Layer) -> bool | None:
    """None when the values are not at hand."""
    if len(layer.inputs) < 4:
        return False
    if len(layer.inputs) < 5:
        return False
    loads = [program.values[name].load for name in layer.inputs[1:4]]
    scale, bias, mean = (load() if load is not None else None for load in loads)
    if scale is None or bias is None or mean is None:
        return None
    return bool(np.all(scale > 0) and not np.any(bias) and not np.any(mean))
