"""The state in which layout is settled: how tensors are stored, what is owed, and the rows made so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from ..program import Layer, Program
from .views import View, as_it_is, moves


@dataclass(slots=True)
class Work:
    program: Program
    rows: list[Layer] = field(default_factory=list)
    readers: dict[str, list[Layer]] = field(default_factory=dict)
    """Readers of every tensor before anything was moved."""
    views: dict[str, View] = field(default_factory=dict)
    """Tensors that are stored otherwise than they are read."""
    there: set[str] = field(default_factory=set)
    """Those of them that have been brought into the form they are read in."""
    places: dict[str, Layer] = field(default_factory=dict)
    """Where the network asked for a form: stand-ins among the rows."""
    brought: dict[tuple[object, ...], str] = field(default_factory=dict)
    """Forms made of a stored tensor, so that a second reader finds them."""

    def view(self, name: str) -> View:
        return self.views.get(name) or as_it_is(name, self.program.shape(name))


def bring(work: Work, name: str) -> None:
    """The tensor in the form it is read in, under its own name."""
    if name in work.views and name not in work.there:
        view = work.views[name]
        work.there.add(name)
        _emit(work, view, name)
        work.brought.setdefault((view.stored, view.pattern()), name)


def _emit(work: Work, view: View, result: str) -> None:
    program, source = work.program, view.stored
    chain = moves(view)
    rows: list[Layer] = []
    if not chain:
        _rename(work, source, result)
        return
    dtype = program.values[source].dtype
    for k, (kind, argument) in enumerate(chain):
        shape = program.shape(source)
        after = tuple(shape[p] for p in argument) if kind == "Transpose" else argument
        target = (
            result
            if k == len(chain) - 1
            else program.fresh(f"{result}_{'tp' if kind == 'Transpose' else 'rs'}", after, dtype)
        )
        program.values[target] = replace(program.values[target], shape=after, dtype=dtype)
        inputs = [source]
        if kind == "Gather":
            inputs.append(program.fresh(f"{target}_i1", (after[0],), "int64", constant=True))
        attributes = {"perm": argument} if kind == "Transpose" else {"axis": 0} if kind == "Gather" else {}
        rows.append(Layer(kind, inputs, [target], view.nodes, attributes))
        source = target
    place = work.places.get(result)
    at = next((k for k, row in enumerate(work.rows) if row is place), len(work.rows))
    work.rows[at:at] = rows


def _rename(work: Work, source: str, result: str) -> None:
    """Nothing is owed after all: who reads the result reads the tensor itself."""
    program = work.program
    if result in program.outputs and source not in program.inputs and source not in program.outputs:
        for row in work.rows:
            row.inputs = [result if name == source else name for name in row.inputs]
            row.outputs = [result if name == source else name for name in row.outputs]
        program.values[result] = replace(program.values[source], name=result)
        for name, view in work.views.items():
            if view.stored == source:
                work.views[name] = replace(view, stored=result)
    elif result in program.outputs:
        program.outputs = [source if name == result else name for name in program.outputs]
    program.redirect(result, source if result not in program.outputs else result)


def brought(work: Work, view: View, name: str) -> str:
    """A tensor brought into another form than it is read in by the network."""
    key = (view.stored, view.pattern())
    if key not in work.brought:
        program = work.program
        result = program.fresh(f"{name}_rs", view.shape, program.values[view.stored].dtype)
        if moves(view):
            _emit(work, view, result)
        else:
            result = view.stored
        work.brought[key] = result
    return work.brought[key]


def run_stored(work: Work, layer: Layer, inputs: Sequence[str], pivot: View) -> None:
    """The layer on stored tensors; its result is stored like ``pivot``."""
    program, result = work.program, layer.outputs[0]
    stored = program.fresh(f"{result}#1", pivot.stored_shape, program.values[result].dtype)
    layer.inputs, layer.outputs = list(inputs), [stored]
    work.rows.append(layer)
    work.views[result] = replace(pivot, stored=stored, nodes=())
