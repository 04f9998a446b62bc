"""Detection heads of three axes whose channels are taken apart by a Softmax and summed up again (distribution focal
loss): the toolkit lays all tensors around out with one channel, (n,c,w) as c,1,1,w, and no Transpose is needed."""

from __future__ import annotations

from ..program import Layer, Program, Shape
from .four_axes import reshape
from .settle import MANY, UNARY
from .wishes import LAYOUTS

CUTS = frozenset({"Split", "Concat"})


def spread_heads(program: Program) -> None:
    """Split and Concat of the tensors that hang together with such a sum; measured on YOLOv8, RKNN-Toolkit2 2.5.0."""
    readers: dict[str, list[Layer]] = {}
    writers: dict[str, Layer] = {}
    for layer in program.layers:
        writers.update(dict.fromkeys(layer.outputs, layer))
        for name in layer.inputs:
            readers.setdefault(name, []).append(layer)
    for layer in list(program.layers):
        if layer.kind == "Reshape" and _sums_softmax(program, layer, writers):
            for cut in _around(program, layer.outputs[0], readers, writers):
                _spread(program, cut)


def _sums_softmax(program: Program, reshape: Layer, writers: dict[str, Layer]) -> bool:
    """(1,1,c,w) to (1,c,w), behind a convolution of a Softmax to one channel."""
    shape, result = program.shape(reshape.inputs[0]), program.shape(reshape.outputs[0])
    conv = writers.get(reshape.inputs[0])
    if len(shape) != 4 or shape[:2] != (1, 1) or result != shape[1:] or conv is None or conv.kind != "Conv":
        return False
    maker = writers.get(conv.inputs[0])
    while maker is not None and maker.kind in LAYOUTS:
        maker = writers.get(maker.inputs[0])
    return maker is not None and maker.kind == "exSoftmax13"


def _around(program: Program, start: str, readers: dict[str, list[Layer]], writers: dict[str, Layer]) -> list[Layer]:
    """What cuts and joins the channels of tensors that reach ``start`` through such layers and elementwise ones."""
    waiting, seen = [start], {start}
    found: list[Layer] = []
    while waiting:
        name = waiting.pop()
        for layer in (*readers.get(name, ()), *([writers[name]] if name in writers else ())):
            if layer.kind not in CUTS and layer.kind not in UNARY and layer.kind not in MANY:
                continue
            names = [n for n in (*layer.inputs, *layer.outputs) if n and not program.constant(n)]
            if not all(_row(program.shape(n)) for n in names):
                continue
            if layer.kind in CUTS:
                if int(layer.attributes.get("axis", 0)) % 3 != 1:
                    continue
                if not any(layer is other for other in found):
                    found.append(layer)
            fresh = [n for n in names if n not in seen]
            waiting += fresh
            seen.update(fresh)
    return found


def _row(shape: Shape) -> bool:
    return len(shape) == 3 and shape[0] == 1


def _spread(program: Program, layer: Layer) -> None:
    if any(program.constant(name) for name in layer.inputs[: None if layer.kind == "Concat" else 1]):
        return
    before, after = [], []
    for k, name in enumerate(layer.inputs):
        if name and not program.constant(name):
            before.append(reshape(program, name, _apart(program.shape(name)), ()))
            layer.inputs[k] = before[-1].outputs[0]
    for k, name in enumerate(layer.outputs):
        layer.outputs[k] = program.fresh(f"{name}_4d", _apart(program.shape(name)), program.values[name].dtype)
        after.append(reshape(program, layer.outputs[k], program.shape(name), layer.nodes, name))
    layer.attributes["axis"] = 0
    program.replace(layer, [*before, layer, *after])


def _apart(shape: Shape) -> Shape:
    return (shape[1], 1, 1, shape[2])
