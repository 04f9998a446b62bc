"""Softmax as ``exSoftmax13``: four axes, and float16 where it is the end of an int8 network."""

from __future__ import annotations

from math import prod
from typing import Any

from ..program import Layer, Program, Shape

# In operator sets before 13 Softmax flattens its input at the axis; the importer says so in this attribute.
FLATTENS = "flattens"

CONVERTS = "converts"
"""An ``exDataConvert`` stands in front; where, is settled with the layout."""


def lower_softmax(program: Program) -> None:
    """Every Softmax and what stands around it."""
    for layer in [layer for layer in program.layers if layer.kind == "Softmax"]:
        _lower(program, layer)


def _lower(program: Program, layer: Layer) -> None:
    source, result = layer.inputs[0], layer.outputs[0]
    shape = program.shape(source)
    flattens = bool(layer.attributes.get(FLATTENS))
    axis = int(layer.attributes.get("axis", 1 if flattens else -1)) % max(1, len(shape))
    whole, axis = _four(shape, axis, flattens=flattens)
    layers: list[Layer] = []
    if whole != shape:
        source = program.fresh(f"{source}_rs", whole, program.values[source].dtype)
        layers.append(Layer("Reshape", [layer.inputs[0]], [source], layer.nodes))
    attributes: dict[str, Any] = {"axis": axis}
    dtype = program.values[source].dtype
    if _ends_int8(program, layer):
        attributes[CONVERTS] = True
        dtype = "float16"
    inner = result if whole == shape else program.fresh(f"{result}_ex", whole, dtype)
    program.values[result].dtype = program.values[inner].dtype = dtype
    layers.append(Layer("exSoftmax13", [source], [inner], layer.nodes, attributes))
    if inner != result:
        layers.append(Layer("Reshape", [inner], [result], layer.nodes))
    program.replace(layer, layers)


def _four(shape: Shape, axis: int, *, flattens: bool) -> tuple[Shape, int]:
    if flattens and prod(shape[axis + 1 :]) > 1:
        return (1, 1, prod(shape[:axis]), prod(shape[axis:])), 3
    if len(shape) == 4:
        return shape, axis
    if len(shape) == 3:
        return (shape[0], shape[1], 1, shape[2]), (0, 1, 3)[axis]
    if len(shape) < 3:
        return (1,) * (4 - len(shape)) + shape, axis + 4 - len(shape)
    join = len(shape) - 3
    return (prod(shape[:join]), *shape[join:]), max(0, axis - join + 1)


def _ends_int8(program: Program, layer: Layer) -> bool:
    """The result leaves the network, which then has it in float16; the chips that compute it in int8 do without."""
    result = layer.outputs[0]
    if not program.quantized or result not in program.outputs or program.target.limit("npu_softmax") == "channels":
        return False
    if layer.inputs[0] in program.inputs and len(program.shape(layer.inputs[0])) == 4:
        program.values[layer.inputs[0]].dtype = "float16"
        return False
    return True
