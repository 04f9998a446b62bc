"""A tensor as later layers read it and as it is stored: what Reshape and Transpose do, without doing it yet.

The toolkit moves no data as long as a layer can work on a tensor as it is stored; what is left to do when one cannot
is the shortest chain of Reshape and Transpose. An axis is a run of *atoms*, the factors that no Reshape on the way
splits; every atom is a number with a size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import prod

from ..program import Shape

Axes = tuple[tuple[int, ...], ...]
Move = tuple[str, tuple[int, ...]]
"""A row to put in: ``Reshape`` to a shape, ``Transpose`` by a permutation, ``Gather`` of the first axis to a shape."""


@dataclass(frozen=True, slots=True)
class View:
    """A stored tensor and how it is read."""

    stored: str
    """The tensor that is there."""
    inner: Axes
    """Atoms of every axis of the stored tensor."""
    outer: Axes
    """Atoms of every axis as read."""
    sizes: dict[int, int] = field(default_factory=dict)
    nodes: tuple[str, ...] = ()
    """The user's nodes whose work is waiting."""
    history: tuple[Move, ...] = ()
    """What was asked for, neighbours of one kind made one."""

    @property
    def shape(self) -> Shape:
        return tuple(prod(self.sizes[a] for a in axis) for axis in self.outer)

    @property
    def stored_shape(self) -> Shape:
        return tuple(prod(self.sizes[a] for a in axis) for axis in self.inner)

    def transposed(self, perm: Sequence[int]) -> View:
        move = ("Transpose", tuple(perm))
        earlier = self.history
        if earlier and earlier[-1][0] == "Transpose":
            move = ("Transpose", tuple(earlier[-1][1][p] for p in perm))
            earlier = earlier[:-1]
        return replace(self, outer=tuple(self.outer[p] for p in perm), history=(*earlier, move))

    def reshaped(self, shape: Shape) -> View | None:
        """None where the new axes cut across the old ones (3,4 as 2,6)."""
        waiting = [atom for axis in self.outer for atom in axis]
        if prod(self.sizes[a] for a in waiting) != prod(shape) or 0 in shape:
            return None
        sizes, parts, outer = dict(self.sizes), dict[int, tuple[int, int]](), []
        for length in shape:
            axis: list[int] = []
            while length > 1:
                atom = waiting.pop(0)
                size = sizes[atom]
                if length % size and size % length:
                    return None
                if length % size:
                    first, rest = max(sizes) + 1, max(sizes) + 2
                    sizes[first], sizes[rest] = length, size // length
                    parts[atom] = (first, rest)
                    waiting.insert(0, rest)
                    atom, size = first, length
                axis.append(atom)
                length //= size
            outer.append(tuple(axis))
        earlier = self.history[:-1] if self.history and self.history[-1][0] == "Reshape" else self.history
        history = (*earlier, ("Reshape", tuple(shape)))
        return replace(self, inner=_split(self.inner, parts), outer=tuple(outer), sizes=sizes, history=history)

    def same_layout(self, other: View) -> bool:
        """Both are stored alike and read alike."""
        return self.pattern() == other.pattern()

    def pattern(self) -> tuple[object, ...]:
        """Both sides by atoms, those that stay neighbours within one axis on both sides taken as one."""
        followed = {a: b for axis in self.outer for a, b in pairwise(axis)}
        number: dict[int, tuple[int, int]] = {}
        joined: set[int] = set()
        inner = []
        for axis in self.inner:
            runs: list[list[int]] = []
            for atom in axis:
                if runs and followed.get(runs[-1][-1]) == atom:
                    runs[-1].append(atom)
                    joined.add(atom)
                else:
                    runs.append([atom])
            for run in runs:
                number[run[0]] = (len(number), prod(self.sizes[a] for a in run))
            inner.append(tuple(number[run[0]] for run in runs))
        return tuple(inner), tuple(tuple(number[a] for a in axis if a not in joined) for axis in self.outer)

    def stored_like(self, other: View) -> View | None:
        """This tensor as ``other`` is stored; both read with the same shape."""
        atoms = [a for axis in other.outer for a in axis]
        apart = self.reshaped(tuple(other.sizes[a] for a in atoms))
        if apart is None:
            return None
        order = [atoms.index(a) for axis in other.inner for a in axis]
        return apart.transposed(order).reshaped(other.stored_shape)

    def axis_of(self, axis: int) -> int | None:
        """The stored axis that is all of an axis as read, and nothing else; None when there is none."""
        return next((k for k, atoms in enumerate(self.inner) if atoms and atoms == self.outer[axis]), None)


def as_it_is(name: str, shape: Shape) -> View:
    axes = tuple((k,) if size != 1 else () for k, size in enumerate(shape))
    return View(name, axes, axes, dict(enumerate(shape)))


def _split(axes: Axes, parts: dict[int, tuple[int, int]]) -> Axes:
    while any(atom in parts for axis in axes for atom in axis):
        axes = tuple(tuple(p for atom in axis for p in parts.get(atom, (atom,))) for axis in axes)
    return axes


def moves(view: View) -> list[Move]:
    """The rows that bring a tensor from how it is stored to how it is read."""
    inner = [a for axis in view.inner for a in axis]
    outer = [a for axis in view.outer for a in axis]
    before, after = view.stored_shape, view.shape
    if before == after and inner == outer:
        return []
    if len(before) == 4 and len(after) == 4:
        perm = _whole(view.inner, view.outer)
        if perm is not None:
            return [("Transpose", perm)]
    if inner == outer:
        return [("Reshape", after)]
    shortest = _swap(view, inner, outer) or _around(view, inner, outer)
    return list(view.history) if _as_asked(view, len(shortest)) else shortest


def _as_asked(view: View, length: int) -> bool:
    """What was asked for is no longer than need be, and has four axes on the way."""
    fours = all(len(argument) == 4 for _, argument in view.history[:-1])
    last, argument = view.history[-1] if view.history else ("Reshape", ())
    return fours and 0 < len(view.history) <= length and (last == "Reshape" or len(argument) == 4)


def _whole(source: Axes, result: Axes) -> tuple[int, ...] | None:
    """The permutation of whole axes, axes of one element staying where they are if they can."""
    free = [k for k, atoms in enumerate(source) if not atoms]
    perm: list[int] = []
    for k, atoms in enumerate(result):
        if not atoms and k in free:
            perm.append(k)
            free.remove(k)
        elif not atoms:
            perm.append(-1)
        elif atoms in source:
            perm.append(source.index(atoms))
        else:
            return None
    if perm.count(-1) != len(free):
        return None
    return tuple(p if p >= 0 else free.pop(0) for p in perm)


def _swap(view: View, inner: list[int], outer: list[int]) -> list[Move] | None:
    """Only what the first axis is made of changes places: Gather takes it in the new order."""
    if len(view.outer) != 4 or len(view.outer[0]) < 2:
        return None
    count = len(view.outer[0])
    if sorted(inner[:count]) != sorted(outer[:count]) or inner[count:] != outer[count:]:
        return None
    first: list[Move] = [("Reshape", view.shape)] if view.stored_shape != view.shape else []
    return [*first, ("Gather", view.shape)]


def _around(view: View, inner: list[int], outer: list[int]) -> list[Move]:
    """Reshape, Transpose, Reshape, of which either Reshape may not be needed."""
    before, after = view.stored_shape, view.shape
    if len(before) == 4:
        groups = _in_order([axis for axis in view.inner if axis], outer)
        if groups is not None:
            middle = _four(groups)
            perm = _whole(view.inner, middle)
            if perm is not None:
                return _chain(view, view.inner, perm, after)
    if len(after) == 4:
        groups = _in_order([axis for axis in view.outer if axis], inner)
        if groups is not None:
            middle = _four(groups)
            perm = _whole(middle, view.outer)
            if perm is not None:
                return _chain(view, middle, perm, after)
    runs = _runs(inner, outer)
    source = _four(runs)
    result = _four(sorted(runs, key=lambda run: outer.index(run[0])))
    return _chain(view, source, _whole(source, result) or (0, 1, 2, 3), after)


def _chain(view: View, middle: Axes, perm: tuple[int, ...], after: Shape) -> list[Move]:
    shape = tuple(prod(view.sizes[a] for a in axis) for axis in middle)
    chain: list[Move] = [] if shape == view.stored_shape else [("Reshape", shape)]
    chain.append(("Transpose", perm))
    return chain if tuple(shape[p] for p in perm) == after else [*chain, ("Reshape", after)]


def _in_order(axes: list[tuple[int, ...]], order: list[int]) -> list[tuple[int, ...]] | None:
    """Whole axes in the order of atoms; None when the order splits one."""
    result: list[tuple[int, ...]] = []
    at = 0
    while at < len(order):
        axis = next((axis for axis in axes if axis[0] == order[at]), None)
        if axis is None or tuple(order[at : at + len(axis)]) != axis:
            return None
        result.append(axis)
        at += len(axis)
    return result


def _runs(inner: list[int], outer: list[int]) -> list[tuple[int, ...]]:
    """Atoms of the stored order, neighbours that stay neighbours joined from the left until four are left."""
    runs: list[tuple[int, ...]] = [(atom,) for atom in inner]
    while len(runs) > 4:
        for k in range(len(runs) - 1):
            last, following = runs[k][-1], runs[k + 1][0]
            if outer.index(following) == outer.index(last) + 1:
                runs[k : k + 2] = [runs[k] + runs[k + 1]]
                break
        else:
            break
    return runs


def _four(groups: Sequence[tuple[int, ...]]) -> Axes:
    """Up to four axes as N,C,H,W: (n,c,w) is n,c,1,w and (c,w) is 1,c,1,w."""
    if len(groups) >= 4:
        return tuple(groups)
    if len(groups) == 3:
        return (groups[0], groups[1], (), groups[2])
    if len(groups) == 2:
        return ((), groups[0], (), groups[1])
    return ((), *groups, (), ())[:4]
