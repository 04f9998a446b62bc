"""Liveness: which bytes are in use at every step of a plan, whatever addresses the allocator chose.

The most that is in use at once is a lower bound: no allocator needs less. What one needs above it is lost between
buffers and to alignment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from .plan import Buffer, Plan, Pool, Step


@dataclass(frozen=True, slots=True)
class Liveness:
    """Bytes in use in one memory, step by step, sizes not rounded to any alignment."""

    live: tuple[int, ...]
    """One number for every step of the plan: the most in use since the step before, up to and with this one."""

    @property
    def lower_bound(self) -> int:
        """The most that is in use at once."""
        return max(self.live)

    @property
    def at(self) -> int:
        """Index of the first step where that is reached."""
        return self.live.index(self.lower_bound)


def liveness(plan: Plan) -> dict[str, Liveness]:
    """Bytes in use in every memory whose buffers' lifetimes are known; none for a plan without steps.

    A memory that is the sum of others (``parts``) is in use where they are; what has no lifetimes, such as the model
    file, always is.
    """
    clock = _clock(plan.steps)
    pools: dict[str, list[Buffer]] = {}
    for buffer in buffers(plan):
        pools.setdefault(buffer.pool, []).append(buffer)
    if not clock or not any(buffer.death for found in pools.values() for buffer in found):
        return {}
    known = {pool: Liveness(_live(found, clock)) for pool, found in pools.items()}
    whole = {
        name: _sum(pool, known)
        for name, pool in plan.memory.items()
        if name not in known and any(part in known for part in pool.parts)
    }
    return {name: found for name, found in {**known, **whole}.items() if found.lower_bound}


def buffers(plan: Plan) -> tuple[Buffer, ...]:
    """Every buffer of the plan once: as the plan lists them, else those its steps write; tensors that lie in one place
    for one time are one."""
    written = (buffer for step in plan.steps for buffer in step.writes)
    if plan.buffers:
        return plan.buffers
    return tuple({(b.pool, b.offset, b.birth, b.death, b.tensor * (b.offset is None)): b for b in written}.values())


def _clock(steps: Sequence[Step]) -> list[int]:
    """The time of every step, on the clock of its buffers; a step that writes nothing has that of the one before."""
    return list(accumulate((max((b.birth for b in step.writes), default=0) for step in steps), max))


def _live(found: Sequence[Buffer], clock: Sequence[int]) -> tuple[int, ...]:
    changes: dict[int, int] = {}
    for buffer in found:
        changes[buffer.birth] = changes.get(buffer.birth, 0) + buffer.bytes
        changes[buffer.death] = changes.get(buffer.death, 0) - buffer.bytes
    times = sorted(changes)
    levels = [0, *accumulate(changes[time] for time in times)]
    live = []
    seen = 0
    for k, now in enumerate(clock):
        here = bisect_right(times, now)
        until = here if k + 1 < len(clock) else len(times)
        live.append(max(levels[min(seen + 1, here) : until + 1]))
        seen = here
    return tuple(live)


def _sum(pool: Pool, known: Mapping[str, Liveness]) -> Liveness:
    always = sum(size for part, size in pool.parts.items() if part not in known)
    columns = zip(*(known[part].live for part in pool.parts if part in known), strict=True)
    return Liveness(tuple(always + sum(column) for column in columns))
