"""Which node a layer works for: the one it stands for, or the one it was put in to help."""

from __future__ import annotations

from lintmodel.planning import Step

from .program import Layer, Program

HELPS = "helps"
"""Detail of a step that the toolkit put in of its own: the node it helps."""


def owner(step: Step) -> str | None:
    return step.nodes[0] if step.nodes else step.details.get(HELPS)


def helped(program: Program) -> list[str | None]:
    """For every layer the node it works for. A layer without a node of its own helps the one that reads its result,
    through others of its kind; else the one whose result it reads. None when there is neither."""
    layers = program.layers
    found = [layer.nodes[0] if layer.nodes else None for layer in layers]
    rows: dict[int, int] = {id(layer): index for index, layer in enumerate(layers)}
    readers: dict[str, list[Layer]] = {}
    makers: dict[str, Layer] = {}
    for layer in layers:
        makers.update(dict.fromkeys(layer.outputs, layer))
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    for index in reversed(range(len(layers))):
        if found[index] is None:
            behind = (found[rows[id(layer)]] for name in layers[index].outputs for layer in readers.get(name, ()))
            found[index] = next(filter(None, behind), None)
    for index, layer in enumerate(layers):
        if found[index] is None:
            before = (found[rows[id(makers[name])]] for name in layer.inputs if name in makers)
            found[index] = next(filter(None, before), None)
    return found
