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

from .program import NOTHING, Op, Program, Value

ANY = "*"
NEAR = 2
"""How far from a change operations are looked at again at once; a last sweep looks at all of them."""


@dataclass(frozen=True, eq=False)
class Transform:
    """A rewrite tried on every operation of some kinds. ``apply`` answers whether it changed anything.

    ``kinds`` of ``("*",)`` are all; such a transform says with ``wants`` which operations it can match at all.
    """

    name: str
    kinds: tuple[str, ...]
    apply: Callable[[Program, Op], bool]
    wants: Callable[[Op], bool] | None = None

    def __call__(self, program: Program, op: Op) -> bool:
        return self.apply(program, op)


def transform(
    *kinds: str, wants: Callable[[Op], bool] | None = None
) -> Callable[[Callable[[Program, Op], bool]], Transform]:
    """Makes a transform of a function ``(program, op) -> bool``."""
    return lambda function: Transform(function.__name__, kinds, function, wants)


def run(program: Program, transforms: Sequence[Transform]) -> None:
    """Applies the transforms to a fixed point, then merges equal operations."""
    order = program.prune()
    queues = _Queues(transforms)
    if not queues.fill(order):
        return
    changed = True
    while changed:
        changed = False
        while (item := queues.pop()) is not None:
            candidate, op = item
            if not op.dead and _apply(program, candidate, op):
                changed = True
                for near in _surroundings(program.touched):
                    queues.push(near)
        if changed:
            order = program.prune()
            queues.fill(order)
    program.merge_equal()


class _Queues:
    """For every transform, operations to try it on, earliest in the visiting order first.

    Each is a sweep over all operations of its kinds and a heap of those whose surroundings changed behind the sweep.
    """

    def __init__(self, transforms: Sequence[Transform]) -> None:
        self.transforms = transforms
        self.sweeps: list[list[Op]] = [[] for _ in transforms]
        """Remaining operations of the sweep, last first."""
        self.heaps: list[list[tuple[float, int, Op]]] = [[] for _ in transforms]
        self.waiting: list[set[int]] = [set() for _ in transforms]
        self.serial = count()
        self.first = 0
        """No transform before this one has anything waiting."""
        self.by_kind: dict[str, list[int]] = {}
        for index, candidate in enumerate(transforms):
            for kind in candidate.kinds:
                self.by_kind.setdefault(kind, []).append(index)

    def fill(self, order: Sequence[Op]) -> bool:
        """Starts a sweep over all operations. Answers whether there is anything to try."""
        of_kind: dict[str, list[Op]] = {}
        for position, op in enumerate(order):
            op.order = float(position)
            of_kind.setdefault(op.kind, []).append(op)
        for index, candidate in enumerate(self.transforms):
            if candidate.wants is not None:
                found = [op for op in order if candidate.wants(op)]
            else:
                found = [op for kind in candidate.kinds for op in of_kind.get(kind, ())]
                if len(candidate.kinds) > 1:
                    found.sort(key=lambda op: op.order)
            found.reverse()
            self.sweeps[index] = found
        self.first = 0
        return any(self.sweeps)

    def push(self, op: Op) -> None:
        for index in (*self.by_kind.get(op.kind, ()), *self.by_kind.get(ANY, ())):
            wants = self.transforms[index].wants
            if id(op) not in self.waiting[index] and (wants is None or wants(op)):
                self.waiting[index].add(id(op))
                self.first = min(self.first, index)
                heapq.heappush(self.heaps[index], (op.order, next(self.serial), op))

    def pop(self) -> tuple[Transform, Op] | None:
        for index in range(self.first, len(self.heaps)):
            self.first = index
            heap, sweep = self.heaps[index], self.sweeps[index]
            if heap and (not sweep or heap[0][0] <= sweep[-1].order):
                op = heapq.heappop(heap)[2]
                self.waiting[index].discard(id(op))
                return self.transforms[index], op
            if sweep:
                return self.transforms[index], sweep.pop()
        return None


def _apply(program: Program, candidate: Transform, op: Op) -> bool:
    if not any(value.uses for value in op.outputs):
        return False
    program.touched.clear()
    program.matched = op
    matched = candidate(program, op)
    program.matched = None
    if matched:
        for changed in list(program.touched):
            program.drop_unused(changed)
    return matched


def _surroundings(changed: Iterable[Op]) -> list[Op]:
    """The changed operations and those within NEAR steps of them, in visiting order."""
    found: dict[int, Op] = {}
    edge = [op for op in dict.fromkeys(changed) if not op.dead]
    for _ in range(NEAR + 1):
        following: list[Op] = []
        for op in edge:
            if id(op) in found:
                continue
            found[id(op)] = op
            if op.kind != "constant":
                following.extend(slot.value.op for slot in op.inputs if slot.value is not NOTHING)
                following.extend(use.op for value in op.outputs for use in value.uses)
        edge = following
    return sorted(found.values(), key=lambda op: op.order)


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
