"""Tensors of other ranks as N,C,H,W, which is what most layers work on, and the Reshape layers that make them so.

(c) is 1,c,1,1; (c,w) is 1,c,1,w; (n,c,w) is n,c,1,w; of more than four axes the first ones are one axis. Measured with
RKNN-Toolkit2 2.5.0.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from ..program import Layer, Program, Shape

WRAPPED = frozenset(
    {"Concat", "Split", "Slice", "Gather", "Pad", "Resize", "Tile", "Expand", "TopK", "ArgMax", "ArgMin", "Mean"}
    | {"ReduceMax", "ReduceMin", "CumSum", "BatchNormalization", "LRN", "LpNormalization", "LogSoftmax", "Hardmax"}
)
"""Layers that work on four axes only and are told of an axis, besides those that are lowered elsewhere."""


def four(shape: Shape) -> Shape:
    """The four axes of a tensor of any rank."""
    if len(shape) == 4:
        return shape
    if len(shape) < 2:
        return (1, prod(shape), 1, 1)
    if len(shape) == 2:
        return (1, shape[0], 1, shape[1])
    if len(shape) == 3:
        return (shape[0], shape[1], 1, shape[2])
    return (prod(shape[:-3]), *shape[-3:])


def four_axis(axis: int, rank: int) -> int:
    """Where an axis of a tensor of ``rank`` axes is among the four."""
    axis %= rank
    if rank == 4:
        return axis
    if rank < 2:
        return 1
    return {2: (1, 3), 3: (0, 1, 3)}[rank][axis] if rank < 4 else max(0, axis - rank + 4)


def reshape(program: Program, source: str, shape: Sequence[int], nodes: tuple[str, ...], result: str = "") -> Layer:
    """A Reshape of ``source`` into ``result``, or into a tensor of its own."""
    made = result or program.fresh(f"{source}_rs", tuple(shape), program.values[source].dtype)
    return Layer("Reshape", [source], [made], nodes)


def transpose(program: Program, source: str, perm: Sequence[int], nodes: tuple[str, ...], result: str = "") -> Layer:
    """A Transpose of ``source`` into ``result``, or into a tensor of its own."""
    shape = program.shape(source)
    made = result or program.fresh(f"{source}_tp", [shape[p] for p in perm], program.values[source].dtype)
    return Layer("Transpose", [source], [made], nodes, {"perm": tuple(perm)})


def give_four_axes(program: Program) -> None:
    """Reshape layers around those that take four axes only."""
    for layer in list(program.layers):
        if layer.kind in WRAPPED:
            wrap(program, layer)


def wrap(program: Program, layer: Layer) -> None:
    """The layer on four axes. Its ``axis``, counted from 0, moves along; so do its constants of the same rank."""
    names = [name for name in layer.inputs if name and not program.constant(name)]
    rank = max((len(program.shape(name)) for name in names), default=4)
    whole = rank == 4 and all(len(program.shape(name)) in (0, 4) for name in layer.outputs)
    if whole or rank > 5 or not names or not _joins(layer, program.shape(names[0])):
        return
    if layer.kind == "Gather" and program.constant(layer.inputs[0]):
        return  # a look-up in a table works on any shape
    if layer.kind == "Concat" and (_concat_rows(program, layer) or _concat_blocks(program, layer)):
        return
    before: list[Layer] = []
    after: list[Layer] = []
    for k, name in enumerate(layer.inputs):
        if not name:
            continue
        shape = program.shape(name)
        if not program.constant(name) and len(shape) != 4:
            before.append(reshape(program, name, four(shape), ()))
            layer.inputs[k] = before[-1].outputs[0]
        elif layer.kind in ("Concat", "Mean") and len(shape) == rank and len(shape) != 4:
            layer.inputs[k] = program.fresh(f"{name}_rs", four(shape), program.values[name].dtype, constant=True)
    if "axis" in layer.attributes:
        layer.attributes["axis"] = four_axis(int(layer.attributes["axis"]), rank)
    for k, name in enumerate(layer.outputs):
        shape = program.shape(name)
        if len(shape) == 4:
            continue
        inner = program.fresh(f"{name}_4d", _result(layer, shape, rank), program.values[name].dtype)
        layer.outputs[k] = inner
        after.insert(0, reshape(program, inner, shape, layer.nodes, name))
    program.replace(layer, [*before, layer, *after])


def _concat_rows(program: Program, layer: Layer) -> bool:
    """Flattened maps laid end to end are concatenated as rows of the first one's width, so that none of them moves."""
    shapes = [program.shape(name) for name in layer.inputs]
    if any(len(shape) != 3 for shape in shapes) or int(layer.attributes.get("axis", 0)) % 3 != 2:
        return False
    flat = program.producer(layer.inputs[0])
    source = program.shape(flat.inputs[0]) if flat is not None and flat.kind in ("Reshape", "Flatten") else ()
    if len(source) != 4 or source[:2] != shapes[0][:2]:
        return False
    width = source[3]
    if any(shape[2] % width for shape in shapes) or any(program.constant(name) for name in layer.inputs):
        return False
    before = [
        reshape(program, name, (*shape[:2], shape[2] // width, width), ())
        for name, shape in zip(layer.inputs, shapes, strict=True)
    ]
    result = layer.outputs[0]
    shape = program.shape(result)
    rows = program.fresh(f"{result}_4d", (*shape[:2], shape[2] // width, width))
    concat = Layer("Concat", [b.outputs[0] for b in before], [rows], layer.nodes, {"axis": 2})
    program.replace(layer, [*before, concat, reshape(program, rows, shape, (), result)])
    return True


def _concat_blocks(program: Program, layer: Layer) -> bool:
    """Maps (.., h, w, c) flattened to (1, n, c) and laid end to end are concatenated as batches of the first of their
    planes that divides all of them."""
    shapes = [program.shape(name) for name in layer.inputs]
    if any(len(shape) != 3 or shape[0] != 1 for shape in shapes) or int(layer.attributes.get("axis", 0)) % 3 != 1:
        return False
    makers = [program.producer(name) for name in layer.inputs]
    sources = [program.shape(made.inputs[0]) for made in makers if made is not None and made.kind == "Reshape"]
    if len(sources) < len(shapes) or any(len(source) not in (4, 5) for source in sources):
        return False
    if any(source[-1] != shape[2] for source, shape in zip(sources, shapes, strict=True)):
        return False
    planes = [source[-3:-1] for source in sources]
    plane = next((p for p in planes if all(shape[1] % prod(p) == 0 for shape in shapes)), None)
    if plane is None:
        return False
    before = [
        reshape(program, name, (shape[1] // prod(plane), *plane, shape[2]), ())
        for name, shape in zip(layer.inputs, shapes, strict=True)
    ]
    result = layer.outputs[0]
    shape = program.shape(result)
    blocks = program.fresh(f"{result}_4d", (shape[1] // prod(plane), *plane, shape[2]))
    concat = Layer("Concat", [b.outputs[0] for b in before], [blocks], layer.nodes, {"axis": 0})
    program.replace(layer, [*before, concat, reshape(program, blocks, shape, (), result)])
    return True


def _result(layer: Layer, shape: Shape, rank: int) -> Shape:
    """An output that has lost its axis (ArgMax without keepdims) still has it here."""
    if len(shape) == rank - 1 and layer.kind in ("ArgMax", "ArgMin"):
        axis = int(layer.attributes.get("axis", 0))
        at = next((k for k in range(rank) if four_axis(k, rank) == axis), 0)
        return four((*shape[:at], 1, *shape[at:]))
    return four(shape)


def _joins(layer: Layer, shape: Shape) -> bool:
    """Axes that become one may, as far as this layer is concerned: it leaves them alone, or only one is more than 1."""
    lead = shape[:-3]
    if len(shape) < 5 or sum(size > 1 for size in lead) < 2:
        return True
    return "axis" in layer.attributes and int(layer.attributes["axis"]) % len(shape) >= len(lead)
