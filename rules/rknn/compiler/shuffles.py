"""Channel shuffles: Reshape, Transpose, Reshape that put the channels of a map in another order."""

from __future__ import annotations

from ..program import Layer, Program


def fold_shuffles(program: Program) -> None:
    """Behind a convolution, the order of its filters is changed instead."""
    for last in [layer for layer in program.layers if layer.kind == "Reshape"]:
        rows = _shuffle(program, last)
        if rows is None:
            continue
        source = rows[0].inputs[0]
        conv = program.producer(source)
        if conv is None or conv.kind != "Conv" or not program.constant(conv.inputs[1]):
            continue
        if program.sole_consumer(source) is not rows[0]:
            continue
        conv.outputs = list(last.outputs)
        for row in rows:
            conv.nodes = (*conv.nodes, *row.nodes)
            program.remove(row)


def _shuffle(program: Program, last: Layer) -> tuple[Layer, Layer, Layer] | None:
    """The three rows, when (n, c, h, w) becomes itself again by way of (n, g, c/g, ...) turned in those two axes."""
    turn = program.producer(last.inputs[0])
    first = program.producer(turn.inputs[0]) if turn is not None and turn.kind == "Transpose" else None
    if turn is None or first is None or first.kind != "Reshape":
        return None
    if program.sole_consumer(first.outputs[0]) is not turn or program.sole_consumer(turn.outputs[0]) is not last:
        return None
    shape, cut = program.shape(first.inputs[0]), program.shape(first.outputs[0])
    if len(shape) != 4 or shape != program.shape(last.outputs[0]):
        return None
    perm = tuple(int(p) for p in turn.attributes.get("perm", ()))
    at = 1 if cut[0] == shape[0] and len(cut) > 3 and cut[1] * cut[2] == shape[1] else 0
    if at == 0 and (shape[0] != 1 or cut[0] * cut[1] != shape[1]):
        return None
    swapped = list(range(len(cut)))
    swapped[at : at + 2] = [at + 1, at]
    return (first, turn, last) if list(perm) == swapped else None
