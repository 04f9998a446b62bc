"""LSTM and GRU, which are layers of the NPU on most chips."""

from __future__ import annotations

from ..program import Layer, Program, Shape

BATCHES = 4
"""Batches other than one are a multiple of this; the toolkit fills smaller ones up (measured)."""


def lower_recurrent(program: Program) -> None:
    """The layers under the toolkit's names. GRU is float16 in int8 networks too."""
    for layer in list(program.layers):
        if layer.kind in ("LSTM", "GRU"):
            layer.kind = f"ex{layer.kind}"
        if layer.kind == "exGRU":
            for name in (layer.inputs[0], *layer.outputs):
                program.values[name].dtype = "float16"
        if layer.kind in ("exLSTM", "exGRU", "RNN"):
            read = [name for name in layer.outputs if program.consumers(name) or name in program.outputs]
            layer.outputs = read or layer.outputs[:1]
        if layer.kind in ("exLSTM", "exGRU"):
            _fill_batches(program, layer)


def _fill_batches(program: Program, layer: Layer) -> None:
    """Input and states are padded, outputs cut."""
    shape = program.shape(layer.inputs[0])
    batch = shape[1] if len(shape) == 3 else 1
    if batch == 1 or batch % BATCHES == 0:
        return
    full = batch + -batch % BATCHES
    before: list[Layer] = []
    for k in (5, 6, 0):
        name = layer.inputs[k] if k < len(layer.inputs) else ""
        if not name or program.constant(name):
            continue
        first, _, length = program.shape(name)
        four, padded = ((1, first, batch, length), (1, first, full, length))
        if k:
            four, padded = (first, batch, 1, length), (first, full, 1, length)
        names = [_fresh(program, f"{name}_pad", one, name) for one in (four, padded, (first, full, length))]
        pads = (0, 0, 0, 0, *(after - size for after, size in zip(padded, four, strict=True)))
        before.append(Layer("Reshape", [name], [names[0]], ()))
        before.append(Layer("Pad", [names[0]], [names[1]], (), {"pads": pads, "mode": "constant"}))
        before.append(Layer("Reshape", [names[1]], [names[2]], ()))
        layer.inputs[k] = names[2]
    after = []
    for k, name in enumerate(layer.outputs):
        wide = tuple(full if axis == len(program.shape(name)) - 2 else n for axis, n in enumerate(program.shape(name)))
        made = layer.outputs[k] = _fresh(program, f"{name}_full", wide, name)
        after += _cut(program, made, name, batch)
    program.replace(layer, [*before, layer, *after])


def _cut(program: Program, made: str, name: str, batch: int) -> list[Layer]:
    shape, wide = program.shape(name), program.shape(made)
    if len(shape) == 4:
        return [Layer("Slice", [made], [name], (), {"axes": (2,), "starts": (0,), "ends": (batch,)})]
    rows = _fresh(program, f"{made}_rs", (wide[0], wide[1], 1, wide[2]), name)
    part = _fresh(program, f"{name}-slice", (shape[0], batch, 1, shape[2]), name)
    return [
        Layer("Reshape", [made], [rows], ()),
        Layer("Slice", [rows], [part], (), {"axes": (1,), "starts": (0,), "ends": (batch,)}),
        Layer("Reshape", [part], [name], ()),
    ]


def _fresh(program: Program, stem: str, shape: Shape, like: str) -> str:
    return program.fresh(stem, shape, program.values[like].dtype)
