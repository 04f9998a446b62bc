"""Normalisations as ``exNorm``: what is normalised over lies on the channel axis."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..program import Layer, Program, Shape
from ..units import constant_values


def lower_norms(program: Program) -> None:
    """LayerNormalization, InstanceNormalization and LpNormalization."""
    for layer in list(program.layers):
        if layer.kind == "LayerNormalization":
            _layer_norm(program, layer)
        elif layer.kind == "InstanceNormalization":
            _instance_norm(program, layer)
        elif layer.kind == "LpNormalization" and int(layer.attributes.get("p", 2)) == 2:
            _unit_length(program, layer)


def _layer_norm(program: Program, layer: Layer) -> None:
    source, result = layer.inputs[0], layer.outputs[0]
    shape = program.shape(source)
    axis = int(layer.attributes.get("axis", -1)) % len(shape)
    parameters = [name for name in layer.inputs[1:3] if name]
    if axis == len(shape) - 1:
        _take_parameters(program, layer, parameters)
        result = layer.outputs[0]
        four = _four(shape)
        perm, back = (0, 3, 1, 2), (0, 2, 3, 1)
        if len(shape) < 4:
            perm = back = (0, 3, 2, 1)
        _around(program, layer, four, perm, back, parameters)
        return
    if axis == 1 and len(shape) == 4:
        inner = program.fresh(f"{source}_norm", shape, program.values[source].dtype)
        layers = [Layer("exNorm", [source], [inner], layer.nodes)]
        _with_parameters(program, layers, inner, result, parameters, layer.nodes)
        program.replace(layer, layers)
        return
    rows = prod(shape[:axis])
    flat = program.fresh(f"{source}_rs", (rows, prod(shape[axis:]), 1, 1), program.values[source].dtype)
    inner = program.fresh(f"{result}_norm", program.shape(flat), program.values[source].dtype)
    norm = Layer("exNorm", [flat, *parameters], [inner], layer.nodes)
    before, after = Layer("Reshape", [source], [flat], layer.nodes), Layer("Reshape", [inner], [result], layer.nodes)
    program.replace(layer, [before, norm, after])


def _take_parameters(program: Program, layer: Layer, parameters: list[str]) -> None:
    """Scale and offset that follow as layers of their own."""
    length = program.shape(layer.inputs[0])[-1]
    for kind in ("Mul", "Add")[len(parameters) :]:
        reader = program.sole_consumer(layer.outputs[0])
        if reader is None or reader.kind != kind or len(reader.inputs) != 2:
            return
        other = reader.inputs[1] if reader.inputs[0] == layer.outputs[0] else reader.inputs[0]
        if (
            not program.constant(other)
            or program.shape(other)[-1:] != (length,)
            or prod(program.shape(other)) != length
        ):
            return
        parameters.append(other)
        layer.outputs, layer.nodes = list(reader.outputs), (*layer.nodes, *reader.nodes)
        program.remove(reader)


def _four(shape: Shape) -> Shape:
    if len(shape) == 1:
        return (1, 1, 1, *shape)
    if len(shape) == 2:
        return (1, shape[0], 1, shape[1])
    if len(shape) == 3:
        return (shape[0], shape[1], 1, shape[2])
    return (prod(shape[: len(shape) - 3]), *shape[-3:])


def _around(
    program: Program,
    layer: Layer,
    four: Shape,
    perm: Sequence[int],
    back: Sequence[int],
    parameters: Sequence[str],
) -> None:
    """Reshape to four axes, Transpose, exNorm, and both undone."""
    source, result = layer.inputs[0], layer.outputs[0]
    dtype = program.values[source].dtype
    layers: list[Layer] = []
    if program.shape(source) != four:
        wide = program.fresh(f"{source}_rs", four, dtype)
        layers.append(Layer("Reshape", [source], [wide], layer.nodes))
        source = wide
    turned = program.fresh(f"{source}_tp", tuple(four[p] for p in perm), dtype)
    layers.append(Layer("Transpose", [source], [turned], layer.nodes, {"perm": tuple(perm)}))
    inner = program.fresh(f"{result}_norm", program.shape(turned), dtype)
    layers.append(Layer("exNorm", [turned, *parameters], [inner], layer.nodes))
    flat = program.fresh(f"{result}_rs", four, dtype)
    layers.append(Layer("Transpose", [inner], [flat], layer.nodes, {"perm": tuple(back)}))
    layers.append(Layer("Reshape", [flat], [result], layer.nodes))
    program.replace(layer, layers)


def _instance_norm(program: Program, layer: Layer) -> None:
    """Every plane by itself. Scales other than one a layer of their own, and then the channels stay an axis."""
    source, result = layer.inputs[0], layer.outputs[0]
    shape, dtype = program.shape(source), program.values[source].dtype
    batch, channels, length = shape[0], shape[1], prod(shape[2:])
    parameters = [name for name in layer.inputs[1:3] if name]
    if batch == 1 and _plain(program, parameters):
        flat = program.fresh(f"{source}_rs", (channels, length, 1, 1), dtype)
        inner = program.fresh(f"{result}_norm", program.shape(flat), dtype)
        layers = [Layer("Reshape", [source], [flat], layer.nodes), Layer("exNorm", [flat], [inner], layer.nodes)]
        program.replace(layer, [*layers, Layer("Reshape", [inner], [result], layer.nodes)])
        return
    layers = []
    if len(shape) == 4 and batch == 1:
        turned = program.fresh(f"{source}_tp", (shape[2], shape[3], 1, channels), dtype)
        layers.append(Layer("Transpose", [source], [turned], layer.nodes, {"perm": (2, 3, 0, 1)}))
    else:
        wide = program.fresh(f"{source}_rs", (batch, channels, 1, length), dtype)
        turned = program.fresh(f"{source}_tp", (batch, length, 1, channels), dtype)
        layers.append(Layer("Reshape", [source], [wide], layer.nodes))
        layers.append(Layer("Transpose", [wide], [turned], layer.nodes, {"perm": (0, 3, 2, 1)}))
    flat = program.fresh(f"{turned}_rs", (batch, length, 1, channels), dtype)
    layers.append(Layer("Reshape", [turned], [flat], layer.nodes))
    inner = program.fresh(f"{flat}_norm", program.shape(flat), dtype)
    layers.append(Layer("exNorm", [flat], [inner], layer.nodes))
    made = program.fresh(f"{result}_mul_add", program.shape(flat), dtype)
    given = [] if _plain(program, parameters) else [_on_width(program, name) for name in parameters]
    _with_parameters(program, layers, inner, made, given, layer.nodes)
    if len(shape) == 4 and batch == 1:
        back = program.fresh(f"{result}_rs", (shape[2], shape[3], 1, channels), dtype)
        layers.append(Layer("Reshape", [made], [back], layer.nodes))
        layers.append(Layer("Transpose", [back], [result], layer.nodes, {"perm": (2, 3, 0, 1)}))
    else:
        back = program.fresh(f"{result}_tp", (batch, channels, 1, length), dtype)
        layers.append(Layer("Transpose", [made], [back], layer.nodes, {"perm": (0, 3, 2, 1)}))
        layers.append(Layer("Reshape", [back], [result], layer.nodes))
    program.replace(layer, layers)


def _plain(program: Program, parameters: Sequence[str]) -> bool:
    """Scales of one and no offsets; where the values are not there, an export's usual ones are taken for granted."""
    for name, still in zip(parameters, (1.0, 0.0), strict=False):
        values = constant_values(program, name)
        if values is not None and (values != still).any():
            return False
    return True


def _on_width(program: Program, name: str) -> str:
    made = program.fresh(f"{name}_rs", (1, 1, 1, prod(program.shape(name))), constant=True)
    program.values[made].load = program.values[name].load
    return made


def _with_parameters(
    program: Program, layers: list[Layer], source: str, result: str, parameters: Sequence[str], nodes: tuple[str, ...]
) -> None:
    """Scale and offset as layers of their own behind the normalisation, which ends in ``result``."""
    if not parameters:
        layers[-1].outputs = [result]
        return
    for kind, name in zip(("Mul", "Add"), parameters, strict=False):
        last = name == parameters[-1] or kind == "Add"
        made = result if last else program.fresh(f"{source}_mul", program.shape(source), program.values[source].dtype)
        layers.append(Layer(kind, [source, name], [made], nodes))
        source = made
        if last:
            return


def _unit_length(program: Program, layer: Layer) -> None:
    """x by its length along an axis."""
    shape = program.shape(layer.inputs[0])
    axis = int(layer.attributes.get("axis", -1)) % len(shape)
    if len(shape) == 4 and axis == 1:
        layer.kind, layer.attributes = "exNorm", {}
    elif axis == len(shape) - 1:
        perm, back = ((0, 3, 1, 2), (0, 2, 3, 1)) if len(shape) == 4 else ((0, 3, 2, 1), (0, 3, 2, 1))
        _around(program, layer, _four(shape), perm, back, ())


def recognise_lengths(program: Program) -> None:
    """x / Expand(Clip(ReduceL2(x))), as torch's normalize is exported, is LpNormalization."""
    for layer in [layer for layer in program.layers if layer.kind == "Div" and len(layer.inputs) == 2]:
        members, name = [layer], layer.inputs[1]
        for kinds in (("Expand",), ("Clip", "Max")):
            maker = program.producer(name)
            if maker is not None and maker.kind in kinds and program.sole_consumer(name) is members[-1]:
                members.append(maker)
                name = maker.inputs[0]
        reduce = program.producer(name)
        if reduce is None or reduce.kind != "ReduceL2" or program.sole_consumer(name) is not members[-1]:
            continue
        axes = _axes(program, reduce)
        if reduce.inputs[0] != layer.inputs[0] or axes is None or len(axes) != 1:
            continue
        layer.kind, layer.inputs = "LpNormalization", [reduce.inputs[0]]
        layer.attributes = {"axis": axes[0], "p": 2}
        layer.nodes = tuple(n for member in (*members, reduce)[::-1] for n in member.nodes)
        for member in (*members[1:], reduce):
            program.remove(member)


def _axes(program: Program, reduce: Layer) -> list[int] | None:
    axes = reduce.attributes.get("axes")
    if axes is None and len(reduce.inputs) > 1:
        values = constant_values(program, reduce.inputs[1])
        axes = None if values is None else values.reshape(-1)
    return None if axes is None else [int(axis) for axis in axes]
