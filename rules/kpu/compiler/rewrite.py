"""Runs the transforms of one pass over a program until none of them matches.

The compiler visits the operations in post-order for the first transform of the list, applies it at the first match,
cleans up and starts again with the first transform. The same is done here with a queue for each transform that holds
only operations whose surroundings changed, so that the cost stays linear.

Source: nncase v1.9.0, src/transforms/pass.cpp.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import count

from .program import Op, Program, Value

ANY = "*"
NEAR = 2
"""How far from a change operations are looked at again. Transforms that look further say so with ``far``."""


@dataclass(frozen=True, eq=False)
class Transform:
    """A rewrite tried on every operation of some kinds. ``apply`` answers whether it changed anything.

    ``kinds`` of ``("*",)`` are all; such a transform says with ``wants`` which operations it can match at all.
    """

    name: str
    kinds: tuple[str, ...]
    apply: Callable[[Program, Op], bool]
    wants: Callable[[Op], bool] | None = None
    far: bool = False

    def __call__(self, program: Program, op: Op) -> bool:
        return self.apply(program, op)


def transform(
    *kinds: str, wants: Callable[[Op], bool] | None = None, far: bool = False
) -> Callable[[Callable[[Program, Op], bool]], Transform]:
    """Makes a transform of a function ``(program, op) -> bool``."""
    return lambda function: Transform(function.__name__, kinds, function, wants, far)


def run(program: Program, transforms: Sequence[Transform]) -> None:
    """Applies the transforms to a fixed point, then merges equal operations."""
    queues = _Queues(transforms)
    if not queues.concern(program.ops):
        return
    program.touched.clear()
    order = program.prune()
    _note_changes(program)
    ever = False
    while queues.fill(program, order):
        changed = False
        while (item := queues.pop()) is not None:
            candidate, op = item
            if not op.dead and _apply(program, candidate, op):
                changed = True
                for near in _note_changes(program):
                    queues.push(near)
        for candidate in transforms:
            program.tried[candidate] = program.clock
        ever = ever or changed
        if not changed:
            break
        order = program.prune()
    if ever or not program.merged:
        program.touched.clear()
        program.merge_equal()
        program.merged = True
        _note_changes(program)


def _note_changes(program: Program) -> list[Op]:
    """Marks the surroundings of what was touched as changed now, and returns them in visiting order."""
    if not program.touched:
        return []
    program.clock += 1
    near = _surroundings(program.touched)
    program.touched.clear()
    for op in near:
        op.changed = program.clock
    return near


class _Queues:
    """For every transform, operations to try it on, earliest in the visiting order first.

    Each is a sweep over all operations of its kinds and a heap of those whose surroundings changed behind the sweep.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = transforms
        self.sweeps: list[list[Op]] = [[] for _ in transforms]
        """Remaining operations of the sweep, last first."""
        self.heaps: list[list[tuple[float, int, Op]]] = [[] for _ in transforms]
        self.waiting: list[set[Op]] = [set() for _ in transforms]
        """What is in the sweep or in the heap."""
        self.serial = count()
        self.first = 0
        """No transform before this one has anything waiting."""
        self.of_kind: dict[str, tuple[int, ...]] = {}
        self.by_kind: dict[str, list[int]] = {}
        for index, candidate in enumerate(transforms):
            for kind in candidate.kinds:
                self.by_kind.setdefault(kind, []).append(index)

    def concern(self, ops: Iterable[Op]) -> bool:
        """Any of the operations is of a kind that a transform is tried on."""
        return ANY in self.by_kind or any(op.kind in self.by_kind for op in ops)

    def fill(self, program: Program, order: Sequence[Op]) -> bool:
        """Starts a sweep over the operations that changed since each transform was last tried on all of them.
        Answers whether there is anything to try."""
        of_kind: dict[str, list[Op]] = {}
        for position, op in enumerate(order):
            op.order = float(position)
            of_kind.setdefault(op.kind, []).append(op)
        for index, candidate in enumerate(self.transforms):
            since = -1 if candidate.far else program.tried.get(candidate, -1)
            if candidate.wants is not None:
                found = [op for op in order if op.changed > since and candidate.wants(op)]
            else:
                found = [op for kind in candidate.kinds for op in of_kind.get(kind, ()) if op.changed > since]
                if len(candidate.kinds) > 1:
                    found.sort(key=lambda op: op.order)
            found.reverse()
            self.sweeps[index] = found
            self.waiting[index] = set(found)
        self.first = 0
        return any(self.sweeps)

    def push(self, op: Op) -> None:
        for index in self._indices(op.kind):
            wants = self.transforms[index].wants
            if op not in self.waiting[index] and (wants is None or wants(op)):
                self.waiting[index].add(op)
                self.first = min(self.first, index)
                heapq.heappush(self.heaps[index], (op.order, next(self.serial), op))

    def _indices(self, kind: str) -> tuple[int, ...]:
        found = self.of_kind.get(kind)
        if found is None:
            found = self.of_kind[kind] = (*self.by_kind.get(kind, ()), *self.by_kind.get(ANY, ()))
        return found

    def pop(self) -> tuple[Transform, Op] | None:
        for index in range(self.first, len(self.heaps)):
            self.first = index
            heap, sweep = self.heaps[index], self.sweeps[index]
            if heap and (not sweep or heap[0][0] <= sweep[-1].order):
                op = heapq.heappop(heap)[2]
            elif sweep:
                op = sweep.pop()
            else:
                continue
            self.waiting[index].discard(op)
            return self.transforms[index], op
        return None


def _apply(program: Program, candidate: Transform, op: Op) -> bool:
    if not any(value.uses for value in op.outputs):
        return False
    program.matched = op
    matched = candidate(program, op)
    program.matched = None
    if not matched:
        program.touched.clear()
    for changed in list(program.touched):
        program.drop_unused(changed)
    return matched


def _surroundings(changed: Iterable[Op]) -> list[Op]:
    """The changed operations and those within NEAR steps of them, in visiting order. No transform is tried on a
    constant, so constants are left out."""
    # Dictionaries are sets that keep their order, so that every run does the same.
    found = dict.fromkeys(op for op in changed if not op.dead and op.kind != "constant")
    edge = list(found)
    for _ in range(NEAR):
        following: dict[Op, None] = {}
        for op in edge:
            for slot in op.inputs:
                maker = slot.value.op
                if maker not in found and maker.kind != "constant":
                    following[maker] = None
            for value in op.outputs:
                for use in value.uses:
                    if use.op not in found:
                        following[use.op] = None
        found |= following
        edge = list(following)
    return sorted(found, key=_by_order)


def _by_order(op: Op) -> float:
    return op.order


def self_contained(ops: Sequence[Op], inputs: Sequence[Value], outputs: Sequence[Value]) -> bool:
    """No operation of the pattern is used, or reads, outside it but through its inputs and outputs."""
    inside = {id(op) for op in ops}
    entering, leaving = {id(v) for v in inputs}, {id(v) for v in outputs}
    for op in ops:
        if any(id(s.value) not in entering and id(s.value.op) not in inside for s in op.inputs):
            return False
        for value in op.outputs:
            if id(value) not in leaving and any(id(use.op) not in inside for use in value.uses):
                return False
    return True
