"""Operators that the toolkit spells as others: differences with constants, negation, sums of many, pixel shuffles."""

from __future__ import annotations

from collections.abc import Callable

from ..program import Layer, Program, Value
from .four_axes import four, reshape, transpose
from .make import conv_layer

PLACEHOLDER = "empty_placeholder_0"


def lower_operators(program: Program) -> None:
    """Every operator that has another spelling. Layers keep their results' names."""
    for layer in list(program.layers):
        lower = LOWERED.get(layer.kind)
        made = lower(program, layer) if lower is not None and layer.inputs and layer.inputs[0] else None
        if made is not None:
            program.replace(layer, made)
    _drop_casts_of_numbers(program)


def _difference(program: Program, layer: Layer) -> list[Layer] | None:
    """x - c is x + (-c), x / c is x * (1/c); the other way round they stay."""
    if not program.constant(layer.inputs[1]) or program.constant(layer.inputs[0]):
        return None
    layer.kind = "Add" if layer.kind == "Sub" else "Mul"
    return [layer]


def _negation(program: Program, layer: Layer) -> list[Layer]:
    factor = _scalar(program, f"{layer.outputs[0]}_i1")
    return [Layer("Mul", [layer.inputs[0], factor], layer.outputs, layer.nodes)]


def _reciprocal(program: Program, layer: Layer) -> list[Layer]:
    one = _scalar(program, f"{layer.outputs[0]}_i0")
    return [Layer("Div", [one, layer.inputs[0]], layer.outputs, layer.nodes)]


def _absolute(_: Program, layer: Layer) -> list[Layer]:
    return [Layer("LeakyRelu", layer.inputs, layer.outputs, layer.nodes, {"alpha": -1.0})]


def _sum(program: Program, layer: Layer) -> list[Layer]:
    """Two at a time."""
    total, made = layer.inputs[0], []
    for k, name in enumerate(layer.inputs[1:], 1):
        last = k == len(layer.inputs) - 1
        result = (
            layer.outputs[0] if last else program.fresh(f"{layer.outputs[0]}_add{k}", program.shape(layer.outputs[0]))
        )
        made.append(Layer("Add", [total, name], [result], layer.nodes))
        total = result
    return made


def _conjunction(program: Program, layer: Layer) -> list[Layer]:
    """And is the product of both as numbers."""
    made, factors = [], []
    for name in layer.inputs:
        if program.constant(name) or program.values[name].dtype == program.dtype:
            factors.append(name)
            continue
        factors.append(program.fresh(f"{name}_cast", program.shape(name)))
        made.append(Layer("Cast", [name], [factors[-1]], layer.nodes))
    program.values[layer.outputs[0]].dtype = program.dtype
    return [*made, Layer("Mul", factors, layer.outputs, layer.nodes)]


def _resize(program: Program, layer: Layer) -> list[Layer]:
    """Inputs left out are one empty number."""
    layer.kind = "Resize"
    if "" in layer.inputs:
        if PLACEHOLDER not in program.values:
            program.values[PLACEHOLDER] = Value(PLACEHOLDER, (1,), "float32", True)
        layer.inputs = [name or PLACEHOLDER for name in layer.inputs]
    return [layer]


def _pixel_shuffle(program: Program, layer: Layer) -> list[Layer] | None:
    """DepthToSpace is a ConvTranspose with one weight of 1 a pixel, where its stride is one that the NPU has."""
    block = int(layer.attributes.get("blocksize", 1))
    source, result = layer.inputs[0], layer.outputs[0]
    if block not in program.target.limit("transposed_strides") or len(program.shape(source)) != 4:
        return None
    weight = program.fresh(
        f"{result}_i1", (program.shape(source)[1], program.shape(result)[1], block, block), constant=True
    )
    window = {
        "kernel_shape": (block, block),
        "strides": (block, block),
        "dilations": (1, 1),
        "pads": (0,) * 4,
        "group": 1,
    }
    return [Layer("ConvTranspose", [source, weight], [result], layer.nodes, window)]


def _running_sum(program: Program, layer: Layer) -> list[Layer] | None:
    """CumSum is a 1x1 convolution over the axis, which becomes the channels for it."""
    source, result = layer.inputs[0], layer.outputs[0]
    load = program.values[layer.inputs[1]].load if len(layer.inputs) > 1 else None
    value = load() if load is not None else None
    shape = program.shape(source)
    if value is None or len(shape) != 4:
        return None
    axis = int(value.reshape(-1)[0]) % 4
    if axis == 0:
        return None
    if axis == 1:
        return [conv_layer(program, source, result, (1, 1), (1, 1), (0,) * 4, layer.nodes, biased=program.quantized)]
    perm, back = ((0, 2, 1, 3), (0, 2, 1, 3)) if axis == 2 else ((0, 3, 1, 2), (0, 2, 3, 1))
    first = transpose(program, source, perm, layer.nodes)
    middle = program.fresh(f"{first.outputs[0]}_conv", program.shape(first.outputs[0]))
    conv = conv_layer(
        program, first.outputs[0], middle, (1, 1), (1, 1), (0,) * 4, layer.nodes, biased=program.quantized
    )
    return [first, conv, transpose(program, middle, back, layer.nodes, result)]


def _picked_elements(program: Program, layer: Layer) -> list[Layer] | None:
    """GatherElements with known indices along the last axis is a product with a matrix of zeros and ones."""
    source, result = layer.inputs[0], layer.outputs[0]
    shape, picked = program.shape(source), program.shape(result)
    if not program.constant(layer.inputs[1]) or int(layer.attributes.get("axis", 0)) % len(shape) != len(shape) - 1:
        return None
    rows = 1
    for size in shape[:-1]:
        rows *= size
    first = reshape(program, source, (rows, shape[-1], 1, 1), layer.nodes)
    matrix = program.fresh(f"{result}_i1", (rows, shape[-1], 1, picked[-1]), constant=True)
    product = program.fresh(f"{result}_mm", (rows, 1, 1, picked[-1]))
    multiply = Layer("exMatMul", [first.outputs[0], matrix], [product], layer.nodes)
    return [first, multiply, reshape(program, product, picked, layer.nodes, result)]


def _reversed(program: Program, layer: Layer) -> list[Layer] | None:
    """ReverseSequence over the first axis with known lengths is a 1x1 convolution over it."""
    source, result = layer.inputs[0], layer.outputs[0]
    shape = program.shape(source)
    if not program.constant(layer.inputs[1]) or layer.attributes.get("time_axis", 0) != 0 or len(shape) != 3:
        return None
    first = reshape(program, source, (shape[1], shape[0], 1, shape[2]), layer.nodes)
    turned = program.fresh(f"{result}_conv", program.shape(first.outputs[0]))
    conv = conv_layer(
        program, first.outputs[0], turned, (1, 1), (1, 1), (0,) * 4, layer.nodes, biased=program.quantized
    )
    return [first, conv, reshape(program, turned, shape, layer.nodes, result)]


def _comparison(program: Program, layer: Layer) -> list[Layer]:
    """Comparisons that only the CPU does have their constant in full."""
    shape = program.shape(layer.outputs[0])
    for k, name in enumerate(layer.inputs):
        if program.constant(name) and program.shape(name) != shape:
            layer.inputs[k] = program.fresh(f"{name}_full", shape, "float32", constant=True)
    return [layer]


def _pad(program: Program, layer: Layer) -> list[Layer]:
    """The value of a border that has none in the file is a constant of its own."""
    constant = str(layer.attributes.get("mode", "constant")).strip("b'") == "constant"
    if constant and len(layer.inputs) == 2:
        layer.inputs.append(program.fresh(f"{layer.nodes[0]}_constant_value", (1,), "float32", constant=True))
    return [layer]


def _tile(program: Program, layer: Layer) -> list[Layer] | None:
    """A Tile of axes of one element, or of the batch alone, is an Expand."""
    before, after = four(program.shape(layer.inputs[0])), four(program.shape(layer.outputs[0]))
    if any(size > 1 and size != result for size, result in zip(before[1:], after[1:], strict=True)):
        return None
    layer.kind = "Expand"
    return [layer]


def _drop_casts_of_numbers(program: Program) -> None:
    """A Cast of what turned out to be a number already, to a number."""
    for layer in list(program.layers):
        if layer.kind != "Cast":
            continue
        source, result = layer.inputs[0], layer.outputs[0]
        made = program.producer(source)
        if made is None or made.kind != "Mul" or program.values[source].dtype != program.values[result].dtype:
            continue
        if program.sole_consumer(source) is layer:
            made.outputs, made.nodes = [result], (*made.nodes, *layer.nodes)
            program.remove(layer)


def _scalar(program: Program, stem: str) -> str:
    name = program.fresh(stem, (1, 1, 1, 1), "float32", constant=True)
    program.values[name] = Value(name, (1, 1, 1, 1), "float32", True)
    return name


LOWERED: dict[str, Callable[[Program, Layer], list[Layer] | None]] = {
    "Sub": _difference,
    "Div": _difference,
    "Neg": _negation,
    "Reciprocal": _reciprocal,
    "Abs": _absolute,
    "Sum": _sum,
    "And": _conjunction,
    "Upsample": _resize,
    "Resize": _resize,
    "DepthToSpace": _pixel_shuffle,
    "CumSum": _running_sum,
    "Equal": _comparison,
    "GreaterOrEqual": _comparison,
    "LessOrEqual": _comparison,
    "Pad": _pad,
    "GatherElements": _picked_elements,
    "ReverseSequence": _reversed,
    "Tile": _tile,
}
