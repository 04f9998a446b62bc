"""Operators that follow each other, or stand side by side, and are one layer to the toolkit: bounds, cuts, Focus.

Source: measured with rknn-toolkit2 2.5.0, which names the rules fuse_max_min_to_clip, fuse_two_slice and
fuse_focus_slice.
"""

from __future__ import annotations

from dataclasses import dataclass

from ..program import Layer, Program
from .join_slices import slice_numbers
from .make import conv_layer

QUARTERS = ((0, 0), (1, 0), (0, 1), (1, 1))
"""Where the slices of a Focus begin, row and column: this order alone is known."""


def join_bounds(program: Program) -> None:
    """A Min behind a Max, or a Max behind a Min, both with a single constant, is a Clip."""
    for second in [layer for layer in program.layers if layer.kind in ("Min", "Max")]:
        x, bound = _bound(program, second)
        first = program.producer(x)
        if first is None or {first.kind, second.kind} != {"Min", "Max"} or program.sole_consumer(x) is not second:
            continue
        source, other = _bound(program, first)
        if not bound or not other:
            continue
        bounds = [other, bound] if first.kind == "Max" else [bound, other]
        program.remove(first)
        nodes = (*first.nodes, *second.nodes)
        program.replace(second, [Layer("Clip", [source, *bounds], list(second.outputs), nodes)])


def _bound(program: Program, layer: Layer) -> tuple[str, str]:
    """What is bounded, and the single constant that bounds it; the latter empty where there is none."""
    constants = [name for name in layer.inputs if program.constant(name)]
    varying = program.features(layer)
    if len(layer.inputs) != 2 or len(varying) != 1:
        return (layer.inputs[0] if layer.inputs else ""), ""
    single = all(size == 1 for size in program.shape(constants[0]))
    return varying[0], constants[0] if single else ""


@dataclass(frozen=True, slots=True)
class _Cut:
    """What one axis keeps."""

    start: int
    end: int
    step: int


def join_cuts(program: Program) -> None:
    """A Slice behind a Slice over other axes, which alone reads it, is one Slice."""
    for second in [layer for layer in program.layers if layer.kind == "Slice"]:
        first = program.producer(second.inputs[0])
        if first is None or first.kind != "Slice" or program.sole_consumer(first.outputs[0]) is not second:
            continue
        before, after = _cuts(program, first), _cuts(program, second)
        if before is None or after is None or before.keys() & after.keys():
            continue
        cuts = dict(sorted({**before, **after}.items()))
        numbers = {
            "starts": tuple(cut.start for cut in cuts.values()),
            "ends": tuple(cut.end for cut in cuts.values()),
            "axes": tuple(cuts),
            "steps": tuple(cut.step for cut in cuts.values()),
        }
        given = [program.fresh(f"{second.outputs[0]}_{key}", (len(cuts),), "int64", constant=True) for key in numbers]
        program.remove(first)
        nodes = (*first.nodes, *second.nodes)
        program.replace(second, [Layer("Slice", [first.inputs[0], *given], list(second.outputs), nodes, dict(numbers))])


def _cuts(program: Program, layer: Layer) -> dict[int, _Cut] | None:
    """By axis; None where the numbers are not in the file."""
    starts, ends = slice_numbers(program, layer, "starts", 1), slice_numbers(program, layer, "ends", 2)
    if starts is None or ends is None:
        return None
    axes = slice_numbers(program, layer, "axes", 3)
    steps = slice_numbers(program, layer, "steps", 4) or (1,) * len(starts)
    if len(layer.inputs) > 3 and axes is None:
        return None
    rank = len(program.shape(layer.inputs[0]))
    rows = zip(axes or range(len(starts)), starts, ends, steps, strict=True)
    return {axis % rank: _Cut(start, end, step) for axis, start, end, step in rows}


def recognise_focus(program: Program) -> None:
    """Four Slices of every second pixel, joined in the order of YOLOv5, are a 2x2 convolution with stride 2."""
    for concat in [layer for layer in program.layers if layer.kind == "Concat" and len(layer.inputs) == 4]:
        makers = [program.producer(name) for name in concat.inputs]
        slices = [maker for maker in makers if maker is not None and maker.kind == "Slice" and maker.nodes]
        if len(slices) != 4 or len({layer.inputs[0] for layer in slices}) != 1 or concat.attributes.get("axis") != 1:
            continue
        source = slices[0].inputs[0]
        alone = all(program.sole_consumer(name) is concat for name in concat.inputs)
        flat = all(len(layer.nodes) == 1 for layer in slices)
        if not alone or not flat or tuple(_quarter(program, layer) for layer in slices) != QUARTERS:
            continue
        nodes = (*(name for layer in slices for name in layer.nodes), *concat.nodes)
        made = conv_layer(program, source, concat.outputs[0], (2, 2), (2, 2), (0, 0, 0, 0), nodes, biased=False)
        for layer in slices:
            program.remove(layer)
        program.replace(concat, [made])


def _quarter(program: Program, layer: Layer) -> tuple[int, int] | None:
    """Row and column of the first pixel, of every second one both ways; None for other slices."""
    cuts, shape = _cuts(program, layer), program.shape(layer.inputs[0])
    if cuts is None or set(cuts) != {2, 3} or len(shape) != 4 or any(cut.step != 2 for cut in cuts.values()):
        return None
    whole = all(cuts[axis].end >= shape[axis] for axis in (2, 3)) and shape[2] % 2 == 0 and shape[3] % 2 == 0
    return (cuts[2].start, cuts[3].start) if whole else None
