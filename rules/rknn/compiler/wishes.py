"""Which axis of a tensor the layers behind it take for channels, looked up through all that is only layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..program import Layer, Program
from .views import View, as_it_is

LAYOUTS = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose"})
ELEMENTWISE = frozenset({"Add", "Mul", "Div", "Sub", "Relu", "exGelu", "exSwish", "Clip"})
OVER_CHANNELS = frozenset({"exMatMul", "exSDPAttention", "exNorm", "Conv"})

TALL, WIDE = "tall", "wide"
"""The axis before the last, and the last."""


def channel_wish(program: Program, name: str, readers: Callable[[str], Iterable[Layer]]) -> str:
    """TALL or WIDE for a tensor of two axes or more; empty when its readers ask for neither."""
    return _wish(program, as_it_is(name, program.shape(name)), name, readers, 12)


def _wish(program: Program, view: View, name: str, readers: Callable[[str], Iterable[Layer]], steps: int) -> str:
    for reader in readers(name):
        wish = _of(program, view, name, reader, readers, steps)
        if wish:
            return wish
    return ""


def _of(
    program: Program, view: View, name: str, reader: Layer, readers: Callable[[str], Iterable[Layer]], steps: int
) -> str:
    if reader.kind in LAYOUTS or reader.kind in ELEMENTWISE:
        result = reader.outputs[0]
        shape = program.shape(result)
        owed = applied(view, reader, shape) if reader.kind in LAYOUTS else view if view.shape == shape else None
        return _wish(program, owed, result, readers, steps - 1) if owed is not None and steps else ""
    if reader.kind in ("Softmax", "exSoftmax13"):
        axis = int(reader.attributes.get("axis", -1)) % len(view.outer)
        return _which(view, view.outer[axis])
    if reader.kind in OVER_CHANNELS and len(view.outer) == 4 and not program.constant(name):
        return _which(view, view.outer[1])
    return ""


def _which(view: View, atoms: tuple[int, ...]) -> str:
    tall, wide = view.inner[-2], view.inner[-1]
    if wide and atoms[-len(wide) :] == wide:
        return WIDE
    return TALL if tall and atoms[-len(tall) :] == tall else ""


def applied(view: View, layer: Layer, shape: tuple[int, ...]) -> View | None:
    """What a Reshape or Transpose makes of a view; None where its axes cut across the old ones or are others."""
    if layer.kind != "Transpose":
        return view.reshaped(shape)
    rank = len(view.outer)
    perm = tuple(layer.attributes.get("perm") or range(rank)[::-1])
    return view.transposed(perm) if len(perm) == rank else None
