"""Puts Reshape and Transpose rows where a layer cannot work on a tensor as it is stored, and nowhere else.

The passes before write every Reshape and Transpose that the network and the NPU's own forms ask for. Here they are
put off: elementwise layers work on tensors as they are stored, and what is still owed when a layer needs its own form,
or at an output of the network, is done with the fewest rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod

from ..program import Layer, Program, Shape, Value
from .four_axes import four
from .on_stored import on_stored, softmax
from .settling import Work, bring, brought, run_stored
from .views import View, as_it_is, moves
from .wishes import LAYOUTS, applied

UNARY = frozenset(
    {"Relu", "LeakyRelu", "Clip", "Sigmoid", "Tanh", "HardSwish", "Elu", "Softplus", "exSwish", "exGelu", "exMish"}
    | {"Abs", "Neg", "Exp", "Log", "Sqrt", "Reciprocal", "Erf", "Sin", "Cos", "Atan", "Floor", "ThresholdedRelu", "Not"}
)
MANY = frozenset(
    {"Add", "Sub", "Mul", "Div", "Pow", "PRelu", "Where", "AddRelu", "MulRelu", "Less", "Greater", "Equal", "And", "Or"}
)
"""Elementwise layers of several tensors. Ceil, Celu, HardSigmoid, Max, Min, Mish, Mod, Round, Selu, Sign and Softsign
are computed in whatever rank the network has (measured)."""

FACTORS = frozenset({"exMatMul", "exSDPAttention"})
"""Layers whose second tensor is brought into its form before the first."""


def settle_layouts(program: Program) -> None:
    """Rewrites the whole program, in order."""
    work = Work(program)
    for layer in program.layers:
        for name in layer.inputs:
            work.readers.setdefault(name, []).append(layer)
    for layer in program.layers:
        results = layer.outputs
        if layer.kind in LAYOUTS and layer.inputs and not program.constant(layer.inputs[0]):
            _put_off(work, layer)
        elif layer.kind in UNARY or layer.kind in MANY:
            _elementwise(work, layer)
        elif layer.kind == "exSoftmax13":
            softmax(work, layer)
        elif on_stored(work, layer):
            pass
        elif layer.kind == "BatchNormalization" and len(program.shape(layer.inputs[0])) != 4:
            _in_four(work, layer, program.features(layer), program.shape(layer.outputs[0]))
        else:
            names = program.features(layer)
            for name in [names[1], names[0], *names[2:]] if layer.kind in FACTORS and len(names) > 1 else names:
                bring(work, name)
            work.rows.append(layer)
        for name in results:
            if name in program.outputs:
                bring(work, name)
    program.layers = [row for row in work.rows if row.kind]


def _put_off(work: Work, layer: Layer) -> None:
    program, source, result = work.program, layer.inputs[0], layer.outputs[0]
    shape = program.shape(result)
    view = work.view(source)
    owed = applied(view, layer, shape)
    if owed is None:
        bring(work, source)
        owed = applied(as_it_is(source, program.shape(source)), layer, shape)
    if owed is None:
        work.rows.append(Layer("Reshape", [source], [result], layer.nodes))
        return
    work.places[result] = Layer("", [], [], ())
    work.rows.append(work.places[result])
    work.views[result] = replace(owed, nodes=(*owed.nodes, *(n for n in layer.nodes if n not in owed.nodes)))


def _elementwise(work: Work, layer: Layer) -> None:
    """Runs on the tensors as they are stored when all of them are stored alike, or can be had so."""
    program = work.program
    features = program.features(layer)
    views = [work.view(name) for name in features]
    plain = [name not in work.views or name in work.there for name in features]
    result = layer.outputs[0]
    shape = program.shape(result)
    if all(plain) and _as_they_are(shape):
        work.rows.append(layer)
        return
    shapes = {view.shape for view in views}
    pivot = _pivot(work, views)
    native = any(p and len(program.shape(n)) == 4 for p, n in zip(plain, features, strict=True))
    if pivot is None or native or shapes != {shape}:
        _in_four(work, layer, features, shape)
        return
    constants = {n: _constant_like(program, n, shape, pivot) for n in layer.inputs if n and n not in features}
    others = [view if view.same_layout(pivot) else view.stored_like(pivot) for view in views]
    if any(view is None for view in others) or any(made is None for made in constants.values()):
        _in_four(work, layer, features, shape)
        return
    names = dict(constants)
    for name, view in zip(features, others, strict=True):
        if view is not None:
            names[name] = view.stored if view.same_layout(pivot) else brought(work, view, name)
    run_stored(work, layer, [names.get(name, name) or "" for name in layer.inputs], pivot)


def _pivot(work: Work, views: Sequence[View]) -> View | None:
    """The tensor whose storage the others follow with the fewest rows: one with four axes, made by a layer if any."""
    able = [view for view in views if len(view.inner) == 4 and view.shape == views[0].shape]
    able.sort(key=lambda view: (view.stored in work.program.inputs, _cost(work, view, views)))
    return able[0] if able else None


def _cost(work: Work, pivot: View, views: Sequence[View]) -> int:
    """Rows to put in for all tensors to be stored like one of them."""
    rows = 0
    for view in views:
        if view.shape == pivot.shape and not view.same_layout(pivot):
            like = view.stored_like(pivot)
            known = like is not None and (like.stored, like.pattern()) in work.brought
            rows += 0 if known else len(moves(like)) if like is not None else 4
    return rows


def _as_they_are(shape: Shape) -> bool:
    """Four axes, six, or five of which the first two cannot be one."""
    return len(shape) in (0, 4, 6) or (len(shape) == 5 and min(shape[:2]) > 1)


def _in_four(work: Work, layer: Layer, features: Sequence[str], shape: Shape) -> None:
    """The layer on four axes, every tensor in the form it is read in."""
    program, result = work.program, layer.outputs[0]
    if _as_they_are(shape):
        for name in features:
            bring(work, name)
        work.rows.append(layer)
        return
    names: dict[str, str] = {}
    for name in layer.inputs:
        if name in features:
            view = work.view(name).reshaped(four(_of_rank(program.shape(name), len(shape))))
            if view is None:
                bring(work, name)
                view = as_it_is(name, program.shape(name)).reshaped(four(_of_rank(program.shape(name), len(shape))))
            names[name] = brought(work, view, name) if view is not None else name
        elif layer.kind in MANY and name and prod(program.shape(name)) > 1:
            names[name] = _with_shape(program, name, four(_of_rank(program.shape(name), len(shape))))
    pivot = as_it_is(result, four(shape)).reshaped(shape)
    if pivot is None:  # a Reshape that joins whole axes never cuts one
        raise AssertionError(shape)
    run_stored(work, layer, [names.get(name, name) for name in layer.inputs], pivot)


def _of_rank(shape: Shape, rank: int) -> Shape:
    return (1,) * (rank - len(shape)) + shape


def _constant_like(program: Program, name: str, shape: Shape, pivot: View) -> str | None:
    """A constant as the tensors beside it are stored; None when it stands still along part of a stored axis only."""
    own = program.shape(name)
    if prod(own) <= 1:
        return name
    full = (1,) * (len(shape) - len(own)) + own
    if len(full) != len(shape):
        return None
    whole = {atom for axis, size in zip(pivot.outer, full, strict=True) if size != 1 for atom in axis}
    stored = []
    for axis in pivot.inner:
        moved = [atom in whole for atom in axis]
        if any(moved) and not all(moved):
            return None
        stored.append(prod(pivot.sizes[a] for a in axis) if any(moved) else 1)
    return _with_shape(program, name, tuple(stored))


def _with_shape(program: Program, name: str, shape: Shape) -> str:
    """The constant with other axes. Its values come in an order of their own, so they are kept only for a vector."""
    if program.shape(name) == shape:
        return name
    value = program.values[name]
    load = value.load if max(value.shape, default=1) == prod(value.shape) else None
    made = program.fresh(f"{name}_rs", shape, value.dtype, constant=True)
    program.values[made] = Value(made, shape, value.dtype, True, load)
    return made
