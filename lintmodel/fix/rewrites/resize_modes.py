"""Resize: other coordinates, nearest neighbours, whole factors"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...ir import Graph, Node, Resize
from ..change import Change, rewrite
from ..making import Making, sizes
from ..patterns import like, of_op, opset, writable

COORDINATES = "half_pixel"
"""What align_corners becomes where no finding says another mode."""


@rewrite("resize-coordinates", "unsafe", detailed=True)
def resize_coordinates(graph: Graph, details: Sequence[Mapping[str, Any]] = ()) -> Iterator[Change]:
    """A Resize that aligns corners takes its pixels from the places that the chip takes them from."""
    wanted = next((str(each["coordinates"]) for each in details if "coordinates" in each), COORDINATES)
    for node in _resizes(graph):
        mode = node.attributes.get("coordinate_transformation_mode", "half_pixel")
        stated = any("coordinates" in each for each in details)
        if mode != wanted and (stated or mode == "align_corners") and mode != "tf_crop_and_resize":
            new = like(node, coordinate_transformation_mode=wanted)
            yield Change(node.name, f"{mode} becomes {wanted}", (node.name,), (new,))


@rewrite("resize-nearest", "unsafe")
def resize_nearest(graph: Graph) -> Iterator[Change]:
    """A linear or cubic Resize takes the nearest pixel instead."""
    for node in _resizes(graph):
        mode = str(node.attributes.get("mode", "nearest"))
        if mode != "nearest" and "antialias" not in node.attributes:
            asymmetric = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
            new = like(node, mode="nearest", cubic_coeff_a=None, exclude_outside=None, **asymmetric)
            yield Change(node.name, f"{mode} becomes nearest", (node.name,), (new,))


@rewrite("resize-linear", "unsafe")
def resize_linear(graph: Graph) -> Iterator[Change]:
    """A cubic Resize becomes a linear one."""
    for node in _resizes(graph):
        if node.attributes.get("mode") == "cubic":
            new = like(node, mode="linear", cubic_coeff_a=None, exclude_outside=None)
            yield Change(node.name, "cubic becomes linear", (node.name,), (new,))


@rewrite("resize-integer", "unsafe")
def resize_integer(graph: Graph) -> Iterator[Change]:
    """A Resize by a factor that is not whole becomes one by the next whole factor, of which the surplus is cut off."""
    import numpy as np

    for node in _resizes(graph):
        x, y = sizes(graph, node.inputs[0], 4), sizes(graph, node.outputs[0], 4)
        resize = Resize(graph, node)
        if x is None or y is None or x[:2] != y[:2] or not all(y[2:]) or "axes" in node.attributes:
            continue
        factors = [-(-resize.out_height // resize.height), -(-resize.out_width // resize.width)]
        surplus = [factor * size - out for factor, size, out in zip(factors, x[2:], y[2:], strict=True)]
        if not any(surplus) or any(n >= factor for n, factor in zip(surplus, factors, strict=True)):
            continue
        make = Making(graph, node)
        scales = make.constant(np.array([1, 1, *factors], "float32"), "scales")
        roi = node.inputs[1] if len(node.inputs) > 1 else ""
        larger = make.op("Resize", node.inputs[0], roi, scales, heir=True, **node.attributes)
        make.crop(larger, {2: (0, y[2]), 3: (0, y[3])}, out=node.outputs[0])
        yield make.change(f"factor becomes {factors[0]}x{factors[1]}, and the surplus is cut off")


def _resizes(graph: Graph) -> Iterator[Node]:
    if opset(graph) >= 11:
        yield from (node for node in of_op(graph, "Resize") if writable(node))
