"""Order of execution, lifetimes and addresses as nncase 0.2 has them.

The compiler asks a solver for the addresses, for a minute at most, and takes the first-fit method below when that
finds none. What the solver finds depends on the machine's speed. Bytes in use are the least it can need.

Source: nncase v0.2.0-beta4, src/scheduler/scheduler.cpp, memory_allocator.cpp, freelist.cpp.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Sequence
from dataclasses import dataclass, field

from ..compiler.program import Op, Program, Value
from ..compiler.schedule import map_bytes

CONSTANT = "rdata"
POOLS = {"kpu": 64, "data": 8}
"""Alignment of each memory in bytes."""


@dataclass
class Placed:
    """One buffer: ``birth`` and ``death`` count visited operations."""

    value: Value
    pool: str
    size: int
    birth: int
    death: int
    offset: int = 0


@dataclass
class TailFit:
    """The end of the lowest gap that is large enough; neighbouring gaps merge; the memory grows without a bound."""

    end: int = 0
    gaps: list[tuple[int, int]] = field(default_factory=list)

    def allocate(self, size: int) -> int:
        index = next((k for k, (_, length) in enumerate(self.gaps) if length >= size), None)
        if index is None:
            index = self._grow(size)
        start, length = self.gaps.pop(index)
        if length > size:
            self.gaps.insert(index, (start, length - size))
        return start + length - size

    def _grow(self, size: int) -> int:
        if self.gaps and sum(self.gaps[-1]) == self.end:
            start, length = self.gaps[-1]
            self.end += size - length
            self.gaps[-1] = (start, size)
        else:
            self.gaps.append((self.end, size))
            self.end += size
        return len(self.gaps) - 1

    def free(self, start: int, size: int) -> None:
        insort(self.gaps, (start, size))
        merged = self.gaps[:1]
        for gap in self.gaps[1:]:
            if sum(merged[-1]) == gap[0]:
                merged[-1] = (merged[-1][0], merged[-1][1] + gap[1])
            else:
                merged.append(gap)
        self.gaps = merged


@dataclass(frozen=True)
class Use:
    """Of one memory, in bytes."""

    peak: int
    """With the first-fit method."""
    least: int
    """The most that is in use at once."""
    at: Op | None
    """The operation that reaches it."""


@dataclass(frozen=True)
class Overflow:
    """The first buffer that the first-fit method puts beyond the end of the memory."""

    op: Op
    size: int
    free: int
    """The largest gap below the end."""
    live: int


@dataclass
class Schedule:
    """Operations in execution order and their buffers."""

    ops: list[Op]
    buffers: list[Placed]

    def of(self, pool: str) -> list[Placed]:
        return [buffer for buffer in self.buffers if buffer.pool == pool]


def scheduled(program: Program) -> Schedule:
    """Visits the operations in the compiler's order and places every buffer."""
    buffers: dict[int, Placed] = {}
    between: list[Placed] = []
    uses: dict[int, int] = {}
    now, ops = 0, []
    for op in program.postorder():
        if op.kind == "bitcast":
            continue
        if op.kind == "clamp":
            # Two operations: a maximum, and a minimum of what that makes.
            between.append(Placed(op.out, "data", _size(op.out), now, now + 2))
            now += 1
        for value in op.outputs:
            count = readers(value)
            if count == 0 and value.place != "kpu":
                continue
            uses[id(value)] = max(count, 1)
            buffers[id(value)] = Placed(value, _pool(value), _size(value), now, 0)
        if op.kind not in ("input", "output", "constant"):
            ops.append(op)
        for slot in op.inputs if op.kind != "output" else ():
            _release(root(slot.value), buffers, uses, now + (op.kind != "clamp"))
        now += 1
        # What a convolution leaves unread in the KPU's memory is thrown away by an operation of its own.
        unread = [value for value in op.outputs if value.place == "kpu" and not value.uses]
        now += bool(unread)
        for value in unread:
            _release(value, buffers, uses, now)
    placed = [buffer for buffer in buffers.values() if buffer.pool != CONSTANT]
    for buffer in placed:
        buffer.death = buffer.death or now
    return Schedule(ops, sorted([*placed, *between], key=lambda buffer: buffer.birth))


def root(value: Value) -> Value:
    """The value itself, behind operations that only give it another shape."""
    while value.op.kind == "bitcast":
        value = value.op.input()
    return value


def readers(value: Value) -> int:
    """How many inputs read a value, through changes of shape too."""
    return sum(readers(use.op.out) if use.op.kind == "bitcast" else 1 for use in value.uses)


def _pool(value: Value) -> str:
    if value.op.kind == "constant":
        return CONSTANT
    return "kpu" if value.place == "kpu" else "data"


def _size(value: Value) -> int:
    return map_bytes(value.shape) if value.place == "kpu" else value.bytes


def _release(value: Value, buffers: dict[int, Placed], uses: dict[int, int], now: int) -> None:
    uses[id(value)] -= 1
    if uses[id(value)] == 0:
        buffers[id(value)].death = now


def place(buffers: Sequence[Placed], align: int, capacity: int | None = None) -> tuple[Use, Overflow | None]:
    """Gives every buffer its address, in the order they are made. Says where the memory ends, what is in use at the
    worst moment, and which buffer is the first to lie beyond the capacity."""
    memory, live = TailFit(), 0
    least, at, overflow = 0, None, None
    waiting: list[tuple[int, int, Placed]] = []
    for index, buffer in enumerate(buffers):
        while waiting and waiting[0][0] <= buffer.birth:
            gone = waiting.pop(0)[2]
            memory.free(gone.offset, _aligned(gone.size, align))
            live -= _aligned(gone.size, align)
        size = _aligned(buffer.size, align)
        before, gap = live, _largest_gap(memory, capacity)
        buffer.offset = memory.allocate(size)
        live += size
        if live > least:
            least, at = live, buffer.value.op
        if capacity is not None and overflow is None and memory.end > capacity:
            overflow = Overflow(buffer.value.op, buffer.size, gap, before)
        insort(waiting, (buffer.death, index, buffer), key=_by_death)
    return Use(memory.end, least, at), overflow


def _by_death(entry: tuple[int, int, Placed]) -> tuple[int, int]:
    return entry[:2]


def _largest_gap(memory: TailFit, capacity: int | None) -> int:
    gaps = dict(memory.gaps)
    if capacity is not None and memory.end < capacity:
        last = memory.gaps[-1] if memory.gaps and sum(memory.gaps[-1]) == memory.end else (memory.end, 0)
        gaps[last[0]] = capacity - last[0]
    return max(gaps.values(), default=0)


def _aligned(size: int, align: int) -> int:
    return -(-size // align) * align


def weight_bytes(program: Program) -> int:
    """Bytes of weights, biases and tables in the model file: it is larger than that by its headers."""
    total = 0
    for op in program.postorder():
        if op.kind == "kpu_conv2d":
            total += sum(slot.value.bytes for slot in op.inputs[1:])
        elif op.kind in ("conv2d", "matmul", "conv2d_transpose"):
            total += sum(slot.value.bytes for slot in op.inputs[1:] if slot.value.op.kind == "constant")
        elif op.kind == "quantized_conv2d":
            out, *rest = op.attrs["weights"]
            total += out * (rest[0] * rest[1] * rest[2] + 4)
        else:
            total += sum(slot.value.bytes for slot in op.inputs if slot.value.op.kind == "constant")
    return total
