"""Sums and means over axes, which are convolutions with the reduced axis as channels; maxima and minima, which stay.

A mean over H and W is a global pool. Everything here was measured with RKNN-Toolkit2 2.5.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..program import Layer, Program, Shape, Value
from .four_axes import four, four_axis, reshape, transpose
from .make import conv_layer

ROWS = 16
"""Rows whose sums are taken as a batch of pixels; more of them are laid along W for it. 16 and 64 were measured, what
lies between was not."""


def lower_reductions(program: Program) -> None:
    """Every ReduceMean, ReduceSum, ReduceL2, ReduceMax and ReduceMin; the other reductions stay as they are."""
    for layer in list(program.layers):
        lower = {
            "ReduceMean": _mean,
            "ReduceSum": _sum,
            "ReduceL2": _norm,
            "ReduceMax": _extreme,
            "ReduceMin": _extreme,
        }
        if layer.kind not in lower or program.constant(layer.inputs[0]):
            continue
        axes = _axes(program, layer)
        if axes:
            program.replace(layer, lower[layer.kind](program, layer, axes))


def _axes(program: Program, layer: Layer) -> tuple[int, ...] | None:
    rank = len(program.shape(layer.inputs[0]))
    axes = layer.attributes.get("axes")
    if axes is None and len(layer.inputs) > 1 and layer.inputs[1]:
        load = program.values[layer.inputs[1]].load
        value = load() if load is not None else None
        if value is None:
            return None
        axes = [int(axis) for axis in value.reshape(-1)]
    if not axes:
        return None if layer.attributes.get("noop_with_empty_axes") else tuple(range(rank))
    return tuple(sorted(int(axis) % rank for axis in axes))


def _mean(program: Program, layer: Layer, axes: tuple[int, ...]) -> list[Layer]:
    source = layer.inputs[0]
    shape = program.shape(source)
    if len(shape) == 4 and axes == (2, 3):
        pooled = program.fresh(f"{source}_gavg", (*shape[:2], 1, 1))
        pool = Layer("GlobalAveragePool", [source], [pooled], layer.nodes)
        return _finish(program, layer, [pool])
    return _product(program, layer, axes)


def _sum(program: Program, layer: Layer, axes: tuple[int, ...]) -> list[Layer]:
    """One axis is brought to the channels and back; several are one product."""
    source = layer.inputs[0]
    shape = program.shape(source)
    if len(axes) > 1 or len(shape) > 4 or len(shape) < 2:
        return _product(program, layer, axes)
    axis = four_axis(axes[0], len(shape))
    layers: list[Layer] = []
    if len(shape) != 4:
        layers.append(reshape(program, source, four(shape), ()))
        source = layers[-1].outputs[0]
    perm = {2: (0, 2, 1, 3), 3: (0, 3, 2, 1), 0: (1, 0, 2, 3)}.get(axis)
    if perm is not None:
        layers.append(transpose(program, source, perm, layer.nodes))
        source = layers[-1].outputs[0]
    layers.append(_convolution(program, layer, source))
    if perm is not None:
        layers.append(transpose(program, layers[-1].outputs[0], perm, layer.nodes))
    return _finish(program, layer, layers)


def _product(program: Program, layer: Layer, axes: tuple[int, ...]) -> list[Layer]:
    """The sum as a matrix product: what is summed over as channels, the rest as pixels."""
    source = layer.inputs[0]
    shape = program.shape(source)
    first, last = axes[0], axes[-1]
    before, summed, behind = prod(shape[:first]), prod(shape[a] for a in axes), prod(shape[last + 1 :])
    together = len(axes) == last - first + 1
    if not together:
        return _gathered(program, layer, axes)
    if before == 1 and behind == 1:
        layers = _as(program, source, (1, summed, 1, 1), layer.nodes)
    elif behind == 1 and len(shape) == 4 and len(axes) == 1:
        return _last_of_four(program, layer)
    elif behind == 1:
        layers = _as(program, source, (before, summed, 1, 1), layer.nodes)
        if before > ROWS:
            layers.append(transpose(program, layers[-1].outputs[0], (2, 1, 3, 0), layer.nodes))
    elif before == 1:
        layers = _as(program, source, (1, summed, *_pair(shape[last + 1 :])), layer.nodes)
    elif len(shape) == 4 and len(axes) == 1:
        layers = [transpose(program, source, (0, 2, 1, 3), layer.nodes)]
    else:
        return _gathered(program, layer, axes)
    layers.append(_convolution(program, layer, layers[-1].outputs[0] if layers else source))
    if len(shape) == 4 and behind > 1 and before > 1:
        layers.append(transpose(program, layers[-1].outputs[0], (0, 2, 1, 3), layer.nodes))
    return _finish(program, layer, layers)


def _last_of_four(program: Program, layer: Layer) -> list[Layer]:
    """The mean over W. Where a layer reads it, the rows are laid out first; for a network output they are not."""
    source = layer.inputs[0]
    batch, channels, height, width = program.shape(source)
    layers = [transpose(program, source, (0, 3, 1, 2), layer.nodes)]
    if layer.outputs[0] not in program.outputs:
        layers += _as(program, layers[-1].outputs[0], (batch, width, 1, channels * height), layer.nodes)
    layers.append(_convolution(program, layer, layers[-1].outputs[0]))
    if layer.outputs[0] in program.outputs:
        layers.append(transpose(program, layers[-1].outputs[0], (0, 2, 3, 1), layer.nodes))
    return _finish(program, layer, layers)


def _gathered(program: Program, layer: Layer, axes: tuple[int, ...]) -> list[Layer]:
    """Axes that do not stand together: a Transpose puts them in front."""
    source = layer.inputs[0]
    shape = program.shape(source)
    rest = [axis for axis in range(len(shape)) if axis not in axes]
    first = transpose(program, source, (*axes, *rest), layer.nodes)
    folded = (1, prod(shape[a] for a in axes), prod(shape[a] for a in rest), 1)
    layers = [first, *_as(program, first.outputs[0], folded, layer.nodes)]
    layers.append(_convolution(program, layer, layers[-1].outputs[0]))
    return _finish(program, layer, layers)


def _norm(program: Program, layer: Layer, axes: tuple[int, ...]) -> list[Layer]:
    """The root of the sum of squares."""
    source, result = layer.inputs[0], layer.outputs[0]
    shape = program.shape(source)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    square = program.fresh(f"{source}_pow", shape)
    total = program.fresh(f"{result}_rsum", kept)
    inner = Layer("ReduceSum", [square], [total], layer.nodes, {"axes": axes, "keepdims": 1})
    root = program.fresh(f"{result}_pow", kept)
    two, half = (program.fresh(f"{name}_i1", (1,), "float32", constant=True) for name in (square, root))
    for name, exponent in ((two, 2.0), (half, 0.5)):
        program.values[name] = _number(name, exponent)
    return [
        Layer("Pow", [source, two], [square], layer.nodes),
        *_sum(program, inner, axes),
        Layer("Pow", [total, half], [root], layer.nodes),
        Layer("Reshape", [root], [result], layer.nodes),
    ]


def _extreme(program: Program, layer: Layer, axes: tuple[int, ...]) -> list[Layer]:
    """A maximum or minimum on four axes that keeps them all, and a Reshape to the shape the network has."""
    source = layer.inputs[0]
    shape = program.shape(source)
    kept = tuple(1 if axis in axes else size for axis, size in enumerate(shape))
    before = _as(program, source, four(shape), ()) if len(shape) < 6 else []
    inner = program.fresh(f"{layer.outputs[0]}_4d", four(kept))
    vector = program.fresh(f"{layer.nodes[0]}_axes", (len(axes),), "int64", constant=True)
    moved = tuple(dict.fromkeys(four_axis(axis, len(shape)) for axis in axes))
    reduced = [before[-1].outputs[0] if before else source, vector]
    layer = Layer(layer.kind, reduced, [inner, *layer.outputs], layer.nodes, {"axes": moved, "keepdims": 1})
    result = layer.outputs.pop()
    return [*before, layer, Layer("Reshape", [inner], [result], layer.nodes)]


def _convolution(program: Program, layer: Layer, source: str) -> Layer:
    """The sum over the channels of ``source``."""
    batch, _, height, width = program.shape(source)
    result = program.fresh(f"{source}_mm", (batch, 1, height, width))
    return conv_layer(program, source, result, (1, 1), (1, 1), (0,) * 4, layer.nodes, biased=False)


def _finish(program: Program, layer: Layer, layers: list[Layer]) -> list[Layer]:
    """The last layer makes the network's own tensor, behind a Reshape where its shape is another."""
    made, result = layers[-1].outputs[0], layer.outputs[0]
    if program.shape(made) != program.shape(result):
        return [*layers, reshape(program, made, program.shape(result), layer.nodes, result)]
    layers[-1].outputs = [result]
    return layers


def _as(program: Program, source: str, shape: Shape, nodes: tuple[str, ...]) -> list[Layer]:
    return [] if program.shape(source) == shape else [reshape(program, source, shape, nodes)]


def _pair(shape: Sequence[int]) -> tuple[int, int]:
    return (prod(shape[:-1]), shape[-1]) if len(shape) > 1 else (1, shape[0])


def _number(name: str, value: float) -> Value:
    import numpy as np

    return Value(name, (1,), "float32", True, lambda: np.array([value], np.float32))
