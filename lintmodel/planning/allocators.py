"""Allocators: where buffers of known size and lifetime end up, and how much memory that takes.

They are simulated on the plan, not summed: fragmentation is real, and a network whose live bytes fit may still not
be placed.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field


class OutOfMemory(Exception):
    """A buffer finds no room. In bytes: ``size`` it needs, ``free`` the largest gap, ``live`` what is in use."""

    def __init__(self, size: int, free: int, live: int) -> None:
        self.size, self.free, self.live = size, free, live
        super().__init__(f"{size} bytes needed, largest gap {free}, {live} in use")


@dataclass
class FirstFit:
    """Lowest gap that is large enough; neighbouring gaps merge; without a capacity the end grows.

    Buffers must be given in order of birth. Sizes are rounded up to ``align`` bytes.
    """

    align: int
    capacity: int | None = None
    peak: int = 0
    """Highest address used so far, or the size reached by growing."""
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
        offset, length = self._gaps.pop(index)
        if length > size:
            insort(self._gaps, (offset + size, length - size))
        insort(self._live, (death, offset, size))
        self.peak = max(self.peak, offset + size)
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

    def place(self, size: int, align: int = 8) -> int:
        """Offset of a buffer in bytes, aligned; its size is rounded up to 8 bytes."""
        offset = -(-self.peak // align) * align
        self.peak = offset + -(-size // 8) * 8
        return offset
