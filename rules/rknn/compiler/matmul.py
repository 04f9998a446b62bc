"""Matrix products of two feature maps: ``exMatMul``.

It wants what is summed over on the channel axis: (b,k,1,m) and (b,k,1,n) give (b,m,1,n) or (b,n,1,m), whichever the
layer behind reads without a Transpose.
"""

from __future__ import annotations

from math import prod

from ..layout import channel_unit
from ..program import Layer, Program, Shape
from .make import conv_layer
from .wishes import WIDE, channel_wish

SCALES = ("Mul", "Div")


def lower_matmuls(program: Program) -> None:
    """MatMul and Gemm of two feature maps; those with a constant matrix become convolutions."""
    for layer in [layer for layer in program.layers if layer.kind in ("MatMul", "Gemm")]:
        weights = [n for n in layer.inputs[:2] if program.constant(n) and len(program.shape(n)) < 3]
        if not weights and not all(program.constant(n) for n in layer.inputs[:2]):
            _of_features(program, layer)


def _of_features(program: Program, layer: Layer) -> None:
    left, right, result = layer.inputs[0], layer.inputs[1], layer.outputs[0]
    if layer.attributes.get("transA"):
        left = _moved(program, layer, left, "Transpose", program.shape(left)[::-1], (1, 0))
    if layer.attributes.get("transB"):
        right = _moved(program, layer, right, "Transpose", program.shape(right)[::-1], (1, 0))
    before, after = program.shape(left), program.shape(right)
    before = (1, *before) if len(before) == 1 else before
    after = (*after, 1) if len(after) == 1 else after
    tall, shared, wide = before[-2], before[-1], after[-1]
    if shared == 1 and len(before) == len(after) == 4:
        _outer_product(program, layer, left, right)
        return
    batch = max(prod(before[:-2]), prod(after[:-2]))
    second = matrix(program, layer, right, after, rows=False)
    first = matrix(program, layer, left, before, rows=True)
    row = len(program.shape(left)) == 2 and tall == 1
    wide_first = row or _wide_first(program, result, wide)
    shape = (batch, wide, 1, tall) if wide_first else (batch, tall, 1, wide)
    out = program.fresh(f"{result}_mm", shape)
    program.insert_before(layer, Layer("exMatMul", [first, second], [out], layer.nodes))
    if len(layer.inputs) > 2 and layer.inputs[2]:
        summed = program.fresh(f"{result}_gemm", program.shape(result))
        program.insert_before(layer, Layer("Add", [summed, layer.inputs[2]], [result], layer.nodes))
        result = summed
    if wide_first:
        out = _moved(program, layer, out, "Transpose", (batch, tall, 1, wide), (0, 3, 2, 1))
    rows = Layer("Reshape", [out], [result], layer.nodes)
    at = next(k for k, other in enumerate(program.layers) if other is layer)
    if result != layer.outputs[0]:
        program.layers[at - 1 : at + 1] = [rows, program.layers[at - 1]]
    else:
        program.replace(layer, [rows])


def _wide_first(program: Program, result: str, wide: int) -> bool:
    """The product's last axis becomes its channels: for a Softmax, or when it fills blocks of channels for what follows
    (20 channels were turned afterwards, 16 and 24 were not; measured on RK3566)."""
    if channel_wish(program, result, program.consumers) != WIDE:
        return False
    reader = program.sole_consumer(result)
    softmax = reader is not None and reader.kind in ("Softmax", "exSoftmax13")
    return softmax or wide % channel_unit(program.target, program.dtype) == 0


def matrix(program: Program, layer: Layer, name: str, shape: Shape, *, rows: bool) -> str:
    """A factor as (b,k,1,m), from (..,m,k) where ``rows`` says so and from (..,k,m) otherwise."""
    batch, last = prod(shape[:-2]), shape[-2:]
    if rows and len(shape) == len(program.shape(name)) == 2 and shape[0] > 1:
        name = _moved(program, layer, name, "Reshape", (*shape, 1, 1))
        return _moved(program, layer, name, "Transpose", (1, shape[1], 1, shape[0]), (3, 1, 2, 0))
    if rows:
        rank = len(shape)
        perm = (*range(rank - 2), rank - 1, rank - 2)
        if len(program.shape(name)) == len(shape):
            name = _moved(program, layer, name, "Transpose", (*shape[:-2], last[1], last[0]), perm)
        last = (last[1], last[0])
    return _moved(program, layer, name, "Reshape", (batch, last[0], 1, last[1]))


def _moved(
    program: Program, layer: Layer, name: str, kind: str, shape: Shape, perm: tuple[int, ...] | None = None
) -> str:
    """The tensor behind a Reshape or Transpose put in front of the layer; itself where that changes nothing."""
    if program.shape(name) == shape and (perm is None or _stays(program.shape(name), perm)):
        return name
    moved = program.fresh(f"{name}_{'rs' if perm is None else 'tp'}", shape, program.values[name].dtype)
    if program.constant(name):
        program.values[moved].constant = True
        return moved
    attributes = {"perm": perm} if perm is not None else {}
    program.insert_before(layer, Layer(kind, [name], [moved], layer.nodes, attributes))
    return moved


def _stays(shape: Shape, perm: tuple[int, ...]) -> bool:
    moving = [p for p in perm if shape[p] != 1]
    return moving == sorted(moving)


def _outer_product(program: Program, layer: Layer, left: str, right: str) -> None:
    """Nothing to sum over: a product of a column by a row."""
    copies = []
    for name in (left, right):
        copy = program.fresh(f"{name}_conv", program.shape(name))
        kernel = (1, 1)
        program.insert_before(
            layer, conv_layer(program, name, copy, kernel, (1, 1), (0, 0, 0, 0), layer.nodes, biased=False)
        )
        copies.append(copy)
    program.replace(layer, [Layer("Mul", copies, list(layer.outputs), layer.nodes)])


def fold_scales(program: Program) -> None:
    """Constant numbers that a product or its factors are scaled by go into the product."""
    for layer in [layer for layer in program.layers if layer.kind == "MatMul"]:
        if any(program.constant(name) for name in layer.inputs[:2]):
            continue
        reader = program.sole_consumer(layer.outputs[0])
        if reader is not None and _scaled(program, reader) == layer.outputs[0]:
            layer.outputs = list(reader.outputs)
            _drop(program, reader, layer)
        for k, name in enumerate(layer.inputs):
            maker = program.producer(name)
            source = _scaled(program, maker) if maker is not None and program.sole_consumer(name) is layer else None
            if maker is not None and source is not None:
                layer.inputs[k] = source
                _drop(program, maker, layer)


def _scaled(program: Program, layer: Layer) -> str | None:
    """The tensor that the layer multiplies with, or divides by, a constant number."""
    if layer.kind not in SCALES or len(layer.inputs) != 2:
        return None
    left, right = layer.inputs
    if not program.constant(left) and _number(program, right):
        return left
    return right if layer.kind == "Mul" and not program.constant(right) and _number(program, left) else None


def _number(program: Program, name: str) -> bool:
    """One number for a whole matrix."""
    return program.constant(name) and prod(program.shape(name)[-2:]) == 1


def _drop(program: Program, scale: Layer, into: Layer) -> None:
    program.folded |= dict.fromkeys(scale.nodes, into.nodes)
    program.remove(scale)
