"""Allocators: where buffers of known size and lifetime end up, and how much memory that takes.

They are simulated on the plan, not summed: fragmentation is real, and a network whose live bytes fit may still not
be placed.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field


class OutOfMemory(Exception):
    """A buffer finds no room. In bytes: ``size`` it needs, ``free`` the largest gap, ``live`` what is in use."""

    def __init__(self, size: int, free: int, live: int) -> None:
        self.size, self.free, self.live = size, free, live
        super().__init__(f"{size} bytes needed, largest gap {free}, {live} in use")


@dataclass
class FirstFit:
    """Lowest gap that is large enough; neighbouring gaps merge; without a capacity the end grows.

    Buffers must be given in order of birth. Sizes are rounded up to ``align`` bytes. ``from_end``: a buffer takes the
    end of its gap.
    """

    align: int
    capacity: int | None = None
    peak: int = 0
    """Highest address used so far, or the size reached by growing; with a capacity and ``from_end``, how far the
    buffers reach down from the capacity."""
    from_end: bool = False
    _gaps: list[tuple[int, int]] = field(default_factory=list)
    _live: list[tuple[int, int, int]] = field(default_factory=list)
    """death, offset, size of every buffer in use, by death."""

    def __post_init__(self) -> None:
        if self.capacity is not None:
            self._gaps = [(0, self.capacity)]

    @property
    def live_bytes(self) -> int:
        return sum(size for _, _, size in self._live)

    def place(self, size: int, birth: int, death: int) -> int:
        """Offset of a buffer in bytes. Raises OutOfMemory when there is a capacity and no gap is large enough."""
        self._release(birth)
        size = -(-size // self.align) * self.align
        if size == 0:
            return 0
        index = next((k for k, (_, length) in enumerate(self._gaps) if length >= size), None)
        if index is None:
            index = self._grow(size)
        start, length = self._gaps.pop(index)
        offset = start + length - size if self.from_end else start
        if length > size:
            insort(self._gaps, (start if self.from_end else offset + size, length - size))
        insort(self._live, (death, offset, size))
        down = self.from_end and self.capacity is not None
        self.peak = max(self.peak, (self.capacity or 0) - offset if down else offset + size)
        return offset

    def _grow(self, size: int) -> int:
        """Makes a gap at the end and returns its index. Raises OutOfMemory when there is a capacity."""
        largest = max((length for _, length in self._gaps), default=0)
        if self.capacity is not None:
            raise OutOfMemory(size, largest, self.live_bytes)
        if self._gaps and sum(self._gaps[-1]) == self.peak:
            self._gaps[-1] = (self._gaps[-1][0], size)
        else:
            self._gaps.append((self.peak, size))
        return len(self._gaps) - 1

    def _release(self, now: int) -> None:
        freed = False
        while self._live and self._live[0][0] <= now:
            _, offset, size = self._live.pop(0)
            insort(self._gaps, (offset, size))
            freed = True
        if freed:
            merged = self._gaps[:1]
            for offset, length in self._gaps[1:]:
                last = merged[-1]
                if sum(last) == offset:
                    merged[-1] = (last[0], last[1] + length)
                else:
                    merged.append((offset, length))
            self._gaps = merged


@dataclass
class Linear:
    """Buffers one behind the other, never freed."""

    peak: int = 0

    def place(self, size: int, birth: int = 0, death: int = 0, *, align: int = 8) -> int:
        """Offset of a buffer in bytes, aligned; its size is rounded up to 8 bytes. Lifetimes do not matter."""
        offset = -(-self.peak // align) * align
        self.peak = offset + -(-size // 8) * 8
        return offset


@dataclass
class GreedyBySize:
    """The largest buffer first, each into the lowest gap left by those that are alive at the same time.

    All buffers must be known beforehand. Sizes are rounded up to ``align`` bytes. Of equally large buffers the one
    given last is placed first.
    """

    align: int
    peak: int = 0
    """Highest address used."""

    def place_all(self, requests: Sequence[tuple[int, int, int]]) -> list[int]:
        """Offsets in bytes of buffers given as size, birth and death, in the order given."""
        aligned = [(-(-size // self.align) * self.align, birth, death) for size, birth, death in requests]
        offsets = [0] * len(aligned)
        placed: list[tuple[int, int, int, int]] = []
        for index in sorted(range(len(aligned)), key=lambda k: (-aligned[k][0], -k)):
            size, birth, death = aligned[index]
            offset = 0
            for start, end, other_birth, other_death in placed:
                if other_birth < death and birth < other_death:
                    if start - offset >= size:
                        break
                    offset = max(offset, end)
            offsets[index] = offset
            # Among buffers at one address the order is that of placing.
            at = bisect_right(placed, offset, key=lambda entry: entry[0])
            placed.insert(at, (offset, offset + size, birth, death))
            self.peak = max(self.peak, offset + size)
        return offsets


@dataclass
class BestFit:
    """The smallest gap that is large enough, the lowest of equal ones; the end grows where there is none.

    Buffers must be given in order of birth. They begin at multiples of ``align`` bytes and are not rounded up
    themselves.
    """

    align: int
    peak: int = 0
    """Highest address used so far."""
    _live: list[tuple[int, int, int]] = field(default_factory=list)
    """offset, end and death of every buffer in use, by offset."""

    def place(self, size: int, birth: int, death: int) -> int:
        """Offset of a buffer in bytes."""
        self._live = [entry for entry in self._live if entry[2] > birth]
        start, best = 0, None
        for offset, end, _ in self._live:
            if offset - start >= size and (best is None or offset - start < best[0]):
                best = (offset - start, start)
            start = max(start, -(-end // self.align) * self.align)
        return self._put(start if best is None else best[1], size, death)

    def take_over(self, offset: int, size: int, death: int) -> int:
        """The place of the buffer at ``offset``, given up for one of ``size`` bytes, no more than it had."""
        self._live = [entry for entry in self._live if entry[0] != offset]
        return self._put(offset, size, death)

    def _put(self, offset: int, size: int, death: int) -> int:
        insort(self._live, (offset, offset + size, death))
        self.peak = max(self.peak, offset + size)
        return offset
