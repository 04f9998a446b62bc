"""Layers that can do with a tensor as it is stored, because what they work along is an axis of it all the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from math import prod

from ..program import Layer
from .four_axes import four
from .join_slices import cut_of
from .settling import Work, bring, brought
from .softmax import CONVERTS
from .views import View, as_it_is, moves
from .wishes import LAYOUTS, TALL, WIDE, applied, channel_wish


def on_stored(work: Work, layer: Layer) -> bool:
    """True when the layer was put on the stored tensor; otherwise it needs the form it is read in."""
    able = ABLE.get(layer.kind)
    return able is not None and able(work, layer)


def _pointwise_on_rows(work: Work, layer: Layer) -> bool:
    """A 1x1 convolution or a normalisation over channels does not care how its pixels are arranged; True when it could
    be put on the stored tensor. What was made one row of pixels is made so."""
    program, source, result = work.program, layer.inputs[0], layer.outputs[0]
    view = work.views.get(source)
    if view is None or source in work.there or len(view.inner) != 4 or len(view.outer) != 4:
        return False
    if view.inner[1] != view.outer[1] or not _pointwise(layer) or len(program.features(layer)) != 1:
        return False
    if view.shape[2] == 1 and view.stored_shape[2] > 1:
        return False
    still = [a for axis in view.inner for a in axis] == [a for axis in view.outer for a in axis]
    if layer.kind == "Conv" and not (still and view.inner[0] == view.outer[0]) and not _saves(work, layer, view):
        return False
    channel = max(view.sizes, default=0) + 1
    channels = (channel,) if program.shape(result)[1] > 1 else ()
    made = program.fresh(
        f"{result}#1",
        (view.stored_shape[0], program.shape(result)[1], *view.stored_shape[2:]),
        program.values[result].dtype,
    )
    layer.inputs, layer.outputs = [view.stored, *layer.inputs[1:]], [made]
    work.rows.append(layer)
    work.views[result] = replace(
        view,
        stored=made,
        inner=(view.inner[0], channels, *view.inner[2:]),
        outer=(view.outer[0], channels, *view.outer[2:]),
        sizes={**view.sizes, channel: program.shape(result)[1]},
        history=(),
    )
    return True


def _saves(work: Work, layer: Layer, view: View) -> bool:
    """Fewer rows are owed behind the convolution than before and behind it."""
    program, name = work.program, layer.outputs[0]
    shape = program.shape(name)
    channel = (max(view.sizes, default=0) + 1,) if shape[1] > 1 else ()
    sizes = {**view.sizes, **dict.fromkeys(channel, shape[1])}
    inner, outer = (view.inner[0], channel, *view.inner[2:]), (view.outer[0], channel, *view.outer[2:])
    after: View | None = replace(view, inner=inner, outer=outer, sizes=sizes, history=())
    plain: View | None = as_it_is(name, shape)
    while after is not None and plain is not None and len(work.readers.get(name, ())) == 1:
        reader = work.readers[name][0]
        if reader.kind not in LAYOUTS:
            break
        name = reader.outputs[0]
        after, plain = (applied(one, reader, program.shape(name)) for one in (after, plain))
    if after is None or plain is None:
        return False
    return len(moves(after)) < len(moves(view)) + len(moves(plain))


def _apart(work: Work, view: View, name: str, axis: int) -> View | None:
    """The tensor with one of its axes as channels, what is stored before it as batch and what is stored behind it as
    width: one Reshape, where bringing it into the form it is read in takes more."""
    atoms = view.outer[axis]
    order = [a for own in view.inner for a in own]
    if not atoms or len(moves(view)) < 2:
        return None
    at = order.index(atoms[0])
    if tuple(order[at : at + len(atoms)]) != atoms:
        return None
    parts = (tuple(order[:at]), atoms, (), tuple(order[at + len(atoms) :]))
    stored = brought(work, replace(view, outer=parts, history=()), name)
    return replace(view, stored=stored, inner=parts, history=(), nodes=())


def _pointwise(layer: Layer) -> bool:
    if layer.kind != "Conv":
        return layer.kind == "exNorm"
    attributes = layer.attributes
    still = set(attributes["kernel_shape"]) == {1} and set(attributes["strides"]) == {1}
    return still and not any(attributes["pads"])


def _split(work: Work, layer: Layer) -> bool:
    """Cuts a tensor in the form that is the nearest to how it is stored; True when that is not how it is read."""
    program, source = work.program, layer.inputs[0]
    view = work.views.get(source)
    if view is None or source in work.there or len(view.outer) < 4:
        return False
    axis = int(layer.attributes.get("axis", 0)) % len(view.outer)
    forms = [(len(moves(form)), k, form) for k, form in enumerate(_forms(view)) if form is not None]
    usable = [(cost, k, form, at) for cost, k, form in forms if (at := _axis_in(view, form, axis)) is not None]
    if not usable:
        return False
    wishes = [channel_wish(program, name, lambda n: work.readers.get(n, ())) for name in layer.outputs]
    tall, wide = wishes.count(TALL), wishes.count(WIDE)
    against = (tall + wide, wide, tall)
    _, k, form, at = min(usable, key=lambda one: (one[0] + against[one[1]], against[one[1]], one[1]))
    stored = brought(work, form, source)
    parts = []
    for name in layer.outputs:
        shape = program.shape(name)
        cut = list(form.shape)
        cut[at] = cut[at] * shape[axis] // view.shape[axis]
        made = program.fresh(f"{name}#1", cut, program.values[name].dtype)
        owed = as_it_is(made, tuple(cut))
        back = owed.transposed((0, 3, 2, 1)) if k == 2 else owed
        read = back.reshaped(shape)
        if read is None:
            return False
        work.views[name] = read
        parts.append(made)
    layer.inputs, layer.outputs = [stored, *layer.inputs[1:]], parts
    layer.attributes = {**layer.attributes, "axis": at}
    work.rows.append(layer)
    return True


def _slice_channels(work: Work, layer: Layer) -> bool:
    """A part of what the channels are made of first, as queries are of a joint projection: cut from the channels."""
    program, source, result = work.program, layer.inputs[0], layer.outputs[0]
    view = work.views.get(source)
    cut = cut_of(program, layer)
    if view is None or source in work.there or cut is None or len(view.inner) != 4 or view.inner[0]:
        return False
    axis, start, end = cut
    atoms = view.outer[axis]
    if not atoms or view.inner[1][: len(atoms)] != atoms:
        return False
    part = max(view.sizes) + 1
    step = view.stored_shape[1] // view.shape[axis]
    shape = (1, (end - start) * step, *view.stored_shape[2:])
    made = program.fresh(f"{result}#1", shape, program.values[result].dtype)
    bounds = {"axes": (1,), "starts": (start * step,), "ends": (end * step,)}
    layer.inputs, layer.outputs = [view.stored, *layer.inputs[1:]], [made]
    layer.attributes = {**layer.attributes, **bounds}
    work.rows.append(layer)
    left = (part,) if end - start > 1 else ()
    owed = replace(
        view,
        stored=made,
        inner=(view.inner[0], (*left, *view.inner[1][len(atoms) :]), *view.inner[2:]),
        outer=tuple(left if k == axis else own for k, own in enumerate(view.outer)),
        sizes={**view.sizes, part: end - start},
        history=(),
    )
    work.views[result] = owed.reshaped(program.shape(result)) or owed
    return True


def _forms(view: View) -> list[View | None]:
    """Ways to read a tensor with four axes: what leads joined, then the last two as channels and width or the other
    way round."""
    *lead, tall, wide = view.shape
    rows = view.reshaped((prod(lead), tall, 1, wide))
    return [view.reshaped(four(view.shape)), rows, rows and rows.transposed((0, 3, 2, 1))]


def _axis_in(view: View, form: View, axis: int) -> int | None:
    """The axis of a form whose outermost part is an axis of the tensor; what is cut stays in one piece there."""
    atoms = view.outer[axis]
    size = view.shape[axis]
    for k, own in enumerate(form.outer):
        if own and atoms and prod(form.sizes[a] for a in own[: len(atoms)]) == size and _starts(view, form, axis, k):
            return k
    return None


def _starts(view: View, form: View, axis: int, k: int) -> bool:
    return form.outer[k][: len(view.outer[axis])] == view.outer[axis]


def softmax(work: Work, layer: Layer) -> None:
    """Runs over a stored axis where it is one, so that nothing is moved for it; its conversion to float16 with it."""
    program, source, result = work.program, layer.inputs[0], layer.outputs[0]
    view = work.view(source)
    axis = view.axis_of(int(layer.attributes["axis"]))
    waits = source in work.views and source not in work.there and len(view.inner) == 4
    if waits and axis is None:
        apart = _apart(work, view, source, int(layer.attributes["axis"]))
        view, axis = (apart, 1) if apart is not None else (view, None)
    owed = waits and axis is not None
    if not owed:
        bring(work, source)
    stored = view.stored if owed else source
    if layer.attributes.pop(CONVERTS, False):
        wide = program.fresh(f"{stored}__cvt_int8_float16", program.shape(stored), "float16")
        work.rows.append(Layer("exDataConvert", [stored], [wide], ()))
        stored = wide
    layer.inputs = [stored]
    work.rows.append(layer)
    if owed:
        layer.attributes["axis"] = axis
        layer.outputs = [program.fresh(f"{result}#1", view.stored_shape, program.values[result].dtype)]
        work.views[result] = replace(view, stored=layer.outputs[0], nodes=())


ABLE: dict[str, Callable[[Work, Layer], bool]] = {
    "Conv": _pointwise_on_rows,
    "Slice": _slice_channels,
    "Split": _split,
    "exNorm": _pointwise_on_rows,
}
