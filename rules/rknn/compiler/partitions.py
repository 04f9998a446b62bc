"""Work that several layers share: Gathers that together take an axis apart, and the same layout made twice."""

from __future__ import annotations

from ..program import Layer, Program
from .four_axes import reshape

Part = tuple[int, int, int]
"""Axis, first index and the index behind the last."""


def merge_gathers(program: Program) -> None:
    """Gathers of one index each that leave none of an axis out are one Split."""
    groups: dict[tuple[str, int], dict[tuple[int, int], Layer]] = {}
    for layer in program.layers:
        part = _part(program, layer)
        if part is not None:
            groups.setdefault((layer.inputs[0], part[0]), {}).setdefault(part[1:], layer)
    for (source, axis), found in groups.items():
        bounds = sorted(found)
        ends = [0, *(end for _, end in bounds)]
        whole = ends[:-1] == [start for start, _ in bounds] and ends[-1] == program.shape(source)[axis]
        if whole and len(bounds) > 1:
            _split(program, source, axis, [(found[bound], bound[1] - bound[0]) for bound in bounds])


def _split(program: Program, source: str, axis: int, parts: list[tuple[Layer, int]]) -> None:
    shape, dtype = program.shape(source), program.values[source].dtype
    sizes = program.fresh(f"{source}_split_i1", (len(parts),), "int64", constant=True)
    nodes = tuple(node for layer, _ in parts for node in layer.nodes)
    split = Layer("Split", [source, sizes], [], nodes, {"axis": axis})
    program.insert_before(min((layer for layer, _ in parts), key=program.layers.index), split)
    for layer, size in parts:
        part, result = (*shape[:axis], size, *shape[axis + 1 :]), layer.outputs[0]
        if program.shape(result) == part:
            split.outputs.append(result)
            program.remove(layer)
        else:
            split.outputs.append(program.fresh(f"{result}_part", part, dtype))
            program.replace(layer, [reshape(program, split.outputs[-1], program.shape(result), (), result)])


def _part(program: Program, layer: Layer) -> Part | None:
    """The one index a Gather takes of an axis; None when it is not known, or takes several."""
    if layer.kind != "Gather" or program.constant(layer.inputs[0]) or not program.constant(layer.inputs[1]):
        return None
    shape = program.shape(layer.inputs[0])
    load = program.values[layer.inputs[1]].load
    value = load() if load is not None else None
    if value is None or value.ndim > 0 or not 1 < len(shape) < 5:
        return None
    axis = int(layer.attributes.get("axis", 0)) % len(shape)
    first = int(value) % shape[axis]
    return axis, first, first + 1


def share_equal_layouts(program: Program) -> None:
    """Rows that bring the same tensor into the same form are one."""
    seen: dict[tuple[object, ...], Layer] = {}
    for layer in list(program.layers):
        if layer.kind not in ("Reshape", "Transpose") or layer.outputs[0] in program.outputs:
            continue
        key = (layer.kind, layer.inputs[0], program.shape(layer.outputs[0]), layer.attributes.get("perm"))
        first = seen.setdefault(key, layer)
        if first is not layer:
            first.nodes = (*first.nodes, *(node for node in layer.nodes if node not in first.nodes))
            program.redirect(layer.outputs[0], first.outputs[0])
            program.remove(layer)
