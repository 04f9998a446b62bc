"""Cutting a feature map into square windows, as Swin transformers do: ``exWindow``."""

from __future__ import annotations

from ..program import Layer, Program


def recognise_windows(program: Program) -> None:
    """(b,h,w,c) to (b, h/s, s, w/s, s, c), turned, and put together again."""
    for turn in [layer for layer in program.layers if layer.kind == "Transpose"]:
        if tuple(turn.attributes.get("perm", ())) != (0, 1, 3, 2, 4, 5):
            continue
        cut, join = program.producer(turn.inputs[0]), program.sole_consumer(turn.outputs[0])
        if cut is None or cut.kind != "Reshape" or join is None or join.kind != "Reshape":
            continue
        batch, rows, size, columns, other, channels = program.shape(turn.inputs[0])
        whole = program.shape(cut.inputs[0])
        if size != other or whole != (batch, rows * size, columns * other, channels):
            continue
        if program.sole_consumer(cut.outputs[0]) is not turn:
            continue
        _replace(program, cut, turn, join)


def _replace(program: Program, cut: Layer, turn: Layer, join: Layer) -> None:
    batch, rows, size, columns, _, channels = program.shape(turn.inputs[0])
    source, dtype = cut.inputs[0], program.values[cut.inputs[0]].dtype
    nodes = (*cut.nodes, *turn.nodes, *join.nodes)
    names = [
        program.fresh(f"{source}_tp", (batch, channels, rows * size, columns * size), dtype),
        program.fresh(f"{source}_win", (batch, channels, rows * columns, size * size), dtype),
        program.fresh(f"{source}_win_tp", (batch, rows * columns, size * size, channels), dtype),
    ]
    layers = [
        Layer("Transpose", [source], [names[0]], nodes, {"perm": (0, 3, 1, 2)}),
        Layer("exWindow", [names[0]], [names[1]], nodes),
        Layer("Transpose", [names[1]], [names[2]], nodes, {"perm": (0, 2, 3, 1)}),
        Layer("Reshape", [names[2]], list(join.outputs), join.nodes),
    ]
    program.replace(join, layers)
    program.remove(cut)
    program.remove(turn)
