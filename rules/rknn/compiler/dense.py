"""Dense layers: products with a constant matrix, which are 1x1 convolutions to the toolkit."""

from __future__ import annotations

from math import prod

from ..program import Layer, Program
from .make import conv_layer

WINDOW = 8192
"""Numbers that a dense layer may take of a feature map without it being flattened first. 768 is done as a convolution
of the map's size, 18432 behind a Reshape (measured); where between the border is has not been measured."""


def lower_dense(program: Program) -> None:
    """Gemm, and MatMul with a constant on either side, become convolutions with the layout changes around them."""
    for layer in list(program.layers):
        if layer.kind == "Gemm" and program.constant(layer.inputs[1]) and not program.constant(layer.inputs[0]):
            if not layer.attributes.get("transA", 0) and len(program.shape(layer.inputs[0])) == 2:
                rows = 0 if layer.attributes.get("transB", 0) else 1
                _lower_matrix(program, layer, outputs=program.shape(layer.inputs[1])[rows])
        elif layer.kind == "MatMul" and len(program.shape(layer.inputs[1])) == 2 and program.constant(layer.inputs[1]):
            _take_bias(program, layer)
            shape = program.shape(layer.inputs[0])
            if len(shape) == 2 and shape[0] == 1:
                _lower_matrix(program, layer, outputs=program.shape(layer.inputs[1])[1])
            elif len(shape) in (2, 3, 4):
                _lower_last_axis(program, layer)
        elif layer.kind == "MatMul" and program.constant(layer.inputs[0]):
            _lower_left(program, layer)


def _take_bias(program: Program, layer: Layer) -> None:
    """A vector added to the product is its bias."""
    add = program.sole_consumer(layer.outputs[0])
    if add is None or add.kind != "Add" or len(add.inputs) != 2:
        return
    other = add.inputs[1] if add.inputs[0] == layer.outputs[0] else add.inputs[0]
    outputs = program.shape(layer.inputs[1])[-1]
    if not program.constant(other) or prod(program.shape(other)) != outputs or program.shape(other)[-1] != outputs:
        return
    layer.inputs = [*layer.inputs[:2], other]
    layer.nodes = (*layer.nodes, *add.nodes)
    layer.outputs = list(add.outputs)
    program.remove(add)


def _lower_matrix(program: Program, layer: Layer, *, outputs: int) -> None:
    """(n, k) times (k, m): over the feature map it was flattened from, or over (n, k, 1, 1)."""
    source = layer.inputs[0]
    batch, length = program.shape(source)
    before, window = [], (1, 1)
    flatten = program.producer(source)
    if flatten is not None and flatten.kind in ("Flatten", "Reshape", "Squeeze") and _is_map(program, flatten):
        source = flatten.inputs[0]
        if len(program.shape(source)) == 3:
            before.append(_on_four_axes(program, source))
            source = before[0].outputs[0]
        window = (program.shape(source)[2], program.shape(source)[3])
        if program.sole_consumer(layer.inputs[0]) is not None:
            layer.nodes = (*flatten.nodes, *layer.nodes)
            program.remove(flatten)
    else:
        flat = program.fresh(f"{source}_tp_rs", (batch, length, 1, 1))
        before = [Layer("Reshape", [source], [flat], ())]
        source = flat
    result = program.fresh(f"{layer.outputs[0]}_mm_tp", (batch, outputs, 1, 1))
    shape = (outputs, length // prod(window), *window)
    conv = _conv(program, layer, source, result, shape)
    program.replace(layer, [*before, conv, Layer("Reshape", [result], [layer.outputs[0]], ())])


def _is_map(program: Program, flatten: Layer) -> bool:
    """(n, c, h, w) or (n, c, w) made to (n, c*h*w), small enough to be read as it is."""
    source, result = program.shape(flatten.inputs[0]), program.shape(flatten.outputs[0])
    if len(source) not in (3, 4) or len(result) != 2 or source[0] != result[0]:
        return False
    return source[2:] == (1, 1) or (prod(source[1:]) <= WINDOW and max(source[2:]) <= 16)


def _on_four_axes(program: Program, source: str) -> Layer:
    batch, channels, width = program.shape(source)
    wide = program.fresh(f"{source}_rs", (batch, channels, 1, width))
    return Layer("Reshape", [source], [wide], ())


def _lower_last_axis(program: Program, layer: Layer) -> None:
    """(s, k), (a, s, k) or (a, b, s, k) times (k, m): the last axis is brought to the channels and back."""
    source, result = layer.inputs[0], layer.outputs[0]
    shape, outputs = program.shape(source), program.shape(layer.inputs[1])[1]
    four = shape if len(shape) == 4 else (*(1,) * (3 - len(shape)), *shape[:-1], 1, shape[-1])
    turn, back_turn = ((0, 3, 1, 2), (0, 2, 3, 1)) if len(shape) == 4 else ((0, 3, 2, 1), (0, 3, 2, 1))
    before, after = [], []
    if four != shape:
        rows = program.fresh(f"{source}_rs", four)
        before.append(Layer("Reshape", [source], [rows], ()))
        source = rows
    wide = tuple(four[p] for p in turn)
    turned = program.fresh(f"{source}_tp", wide)
    before.append(Layer("Transpose", [source], [turned], (), {"perm": turn}))
    product = program.fresh(f"{result}_mm", (wide[0], outputs, *wide[2:]))
    conv = _conv(program, layer, turned, product, (outputs, four[3], 1, 1))
    back = result if four == shape else program.fresh(f"{result}_mm_tp", (*four[:3], outputs))
    after.append(Layer("Transpose", [product], [back], (), {"perm": back_turn}))
    if four != shape:
        after.append(Layer("Reshape", [back], [result], ()))
    program.replace(layer, [*before, conv, *after])


def _lower_left(program: Program, layer: Layer) -> None:
    """(m, k) times (b, k, s): what is behind the sum runs along the width."""
    matrix, source = layer.inputs
    shape = program.shape(source)
    if len(program.shape(matrix)) != 2 or len(shape) != 3:
        return
    outputs = program.shape(matrix)[0]
    wide = program.fresh(f"{source}_rs", (shape[0], shape[1], 1, shape[2]))
    product = program.fresh(f"{layer.outputs[0]}_mm", (shape[0], outputs, 1, shape[2]))
    layer.inputs = [source, matrix]
    conv = _conv(program, layer, wide, product, (outputs, shape[1], 1, 1))
    before, after = Layer("Reshape", [source], [wide], ()), Layer("Reshape", [product], [layer.outputs[0]], ())
    program.replace(layer, [before, conv, after])


def _conv(program: Program, layer: Layer, source: str, result: str, weight: tuple[int, ...]) -> Layer:
    """The product as a convolution; its weights keep their values, in the shape a convolution has them."""
    name = program.fresh(f"{layer.inputs[1]}_conv", weight, constant=True)
    program.values[name].load = program.values[layer.inputs[1]].load
    conv = conv_layer(program, source, result, weight[2:], (1, 1), (0, 0, 0, 0), layer.nodes, biased=False, weight=name)
    bias = layer.inputs[2] if len(layer.inputs) > 2 else ""
    conv.inputs += [bias] if bias else []
    return conv
