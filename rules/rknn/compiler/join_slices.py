"""Slices that cut a tensor into all its parts along an axis are one Split to the toolkit."""

from __future__ import annotations

from collections.abc import Callable

from ..program import Layer, Program
from ..units import constant_integers


def join_slices(program: Program) -> None:
    """Only of parts that lie one behind the other and leave nothing out."""
    _join_where(program, lambda source: True)


def join_slices_of_convolutions(program: Program) -> None:
    """The same once the layout is settled, for what comes from a convolution and can become part of it."""
    made = {name for layer in program.layers if layer.kind == "Conv" for name in layer.outputs}
    _join_where(program, lambda source: source in made)


def _join_where(program: Program, wanted: Callable[[str], bool]) -> None:
    groups: dict[tuple[str, int], list[tuple[int, int, Layer]]] = {}
    for layer in program.layers:
        cut = cut_of(program, layer) if layer.kind == "Slice" and wanted(layer.inputs[0]) else None
        if cut is not None:
            axis, start, end = cut
            groups.setdefault((layer.inputs[0], axis), []).append((start, end, layer))
    for (source, axis), parts in groups.items():
        parts.sort(key=lambda part: part[:2])
        edges = [0, *(end for _, end, _ in parts)]
        if (
            len(parts) > 1
            and [start for start, _, _ in parts] == edges[:-1]
            and edges[-1] == program.shape(source)[axis]
        ):
            _join(program, source, axis, [layer for _, _, layer in parts])


def cut_of(program: Program, layer: Layer) -> tuple[int, int, int] | None:
    """Axis, start and end; None where more than one axis is cut, in steps, or by unknown numbers."""
    shape = program.shape(layer.inputs[0])
    starts, ends = slice_numbers(program, layer, "starts", 1), slice_numbers(program, layer, "ends", 2)
    if starts is None or ends is None or len(starts) != 1 or len(ends) != 1:
        return None
    axes = slice_numbers(program, layer, "axes", 3)
    steps = slice_numbers(program, layer, "steps", 4)
    if (steps or (1,)) != (1,) or (len(layer.inputs) > 3 and axes is None):
        return None
    axis = (axes or (0,))[0] % len(shape)
    size = shape[axis]
    start, end = (max(0, n + size) if n < 0 else min(n, size) for n in (starts[0], ends[0]))
    return axis, start, end


def slice_numbers(program: Program, layer: Layer, name: str, index: int) -> tuple[int, ...] | None:
    given = layer.attributes.get(name)
    if given is not None:
        return tuple(int(x) for x in given)
    return constant_integers(program, layer.inputs[index]) if len(layer.inputs) > index else None


def _join(program: Program, source: str, axis: int, parts: list[Layer]) -> None:
    sizes = program.fresh(f"{source}_2sp_i1", (len(parts),), "int64", constant=True)
    outputs = [part.outputs[0] for part in parts]
    nodes = tuple(name for part in parts for name in part.nodes)
    first = next(layer for layer in program.layers if any(layer is part for part in parts))
    program.insert_before(first, Layer("Split", [source, sizes], outputs, nodes, {"axis": axis}))
    for part in parts:
        program.remove(part)
