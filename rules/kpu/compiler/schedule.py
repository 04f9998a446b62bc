"""Order of execution, lifetimes and addresses of every buffer.

Source: nncase v1.9.0, src/schedule/liveness_analysis.cpp, function_schedule_context.cpp, buffer_allocator.cpp;
measured with nncase 1.9.0 (all 739 recorded addresses).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from lintmodel.planning.allocators import FirstFit, Linear, OutOfMemory

from .buffers import IS_SLICE
from .program import Op, Program, Value

RDATA_ALIGN = 8
INTROSORT_THRESHOLD = 16
"""libstdc++'s std::sort finishes runs of this length by insertion."""


def map_bytes(shape: tuple[int, ...]) -> int:
    """Bytes of a feature map N,C,H,W in the KPU's memory.

    A row of 64 bytes holds one row of one map; narrow maps share it: four up to width 16, two up to width 32
    (nncase v1.9.0, runtime_op_utility.h; checked on 329 recorded buffers).
    """
    batch, channels, height, width = shape
    if channels == 0:
        return 0
    maps, rows = (4, 1) if width <= 16 else (2, 1) if width <= 32 else (1, -(-width // 64))
    return batch * rows * height * -(-channels // min(channels, maps)) * 64


@dataclass
class PlacedBuffer:
    """One buffer: ``birth`` and ``death`` count visited operations."""

    value: Value
    birth: int
    uses_left: int
    size: int
    place: str
    age: int = 0
    parent: PlacedBuffer | None = None
    offset: int | None = None

    @property
    def death(self) -> int:
        return self.birth + self.age


@dataclass
class Pools:
    """The memories of one compilation. The functions of a module share theirs."""

    kpu: FirstFit
    cpu_data: FirstFit = field(default_factory=lambda: FirstFit(8))
    kpu_data: FirstFit | Linear = field(default_factory=lambda: FirstFit(8))
    rdata: dict[str, Linear] = field(default_factory=lambda: {"cpu": Linear(), "kpu": Linear()})
    overflow: tuple[Op, OutOfMemory] | None = None
    """The first buffer of the KPU's memory that found no room."""
    kpu_peak_at: Op | None = None
    """The operation whose buffer reaches the highest address of the KPU's memory."""
    kpu_buffers: list[tuple[int, int, int]] = field(default_factory=list)
    """Size, birth and death of every buffer of the KPU's memory, in the order they ask for room."""

    def data(self, unit: str) -> FirstFit | Linear:
        return self.cpu_data if unit == "cpu" else self.kpu_data


@dataclass
class Scheduled:
    """Operations in execution order, functions' in place of their calls, and the buffer of every value."""

    ops: list[Op] = field(default_factory=list)
    buffers: dict[int, PlacedBuffer] = field(default_factory=dict)


def schedule(main: Program, pools: Pools) -> Scheduled:
    """Schedules the main function and all it calls, and places every buffer."""
    result = Scheduled()
    _function(main, 0, pools, "cpu", result)
    return result


def _function(program: Program, now: int, pools: Pools, unit: str, result: Scheduled) -> int:
    buffers: dict[int, PlacedBuffer] = {}
    order = program.postorder()
    in_use: dict[int, PlacedBuffer] = {}
    for op in order:
        for value in op.outputs:
            buffer = PlacedBuffer(value, now, len(value.uses), _size(value), _place(op, value))
            buffers[id(value)] = buffer
            if value.uses:
                in_use[id(value)] = buffer
        before = now
        now += 1
        if op.kind == "call" and op.body is not None:
            now = _function(op.body, now, pools, "kpu", result)
        elif op.acting and op.kind not in ("input", "output", "constant"):
            result.ops.append(op)
        for buffer in in_use.values():
            buffer.age += now - before
        for slot in op.inputs:
            buffer = buffers[id(slot.value)]
            buffer.uses_left -= 1
            if buffer.uses_left == 0:
                del in_use[id(slot.value)]
    _share(order, buffers)
    _allocate([b for b in buffers.values() if b.parent is None], pools, unit)
    result.buffers.update(buffers)
    return now


def _size(value: Value) -> int:
    return map_bytes(value.shape) if value.place == "kpu" else value.bytes


def _place(op: Op, value: Value) -> str:
    leaves = any(use.op.kind == "output" for use in value.uses)
    return "output" if leaves and op.kind not in ("input", "constant") else value.place


def _share(order: list[Op], buffers: dict[int, PlacedBuffer]) -> None:
    """Views lie inside the buffer they view; lifetimes merge. Slices first, then Bitcasts, Concats, Bitcasts."""

    def bitcasts() -> None:
        for op in order:
            if op.kind != "bitcast" or op.acting:
                continue
            source, view = buffers[id(op.input())], buffers[id(op.out)]
            inside = source.parent is not None and source.parent is not view
            if source.place in ("input", "rdata", "output") or IS_SLICE in op.input().flags or inside:
                view.parent = source
            else:
                source.parent = view

    for op in order:
        if op.kind == "slice" and not op.acting:
            buffers[id(op.out)].parent = buffers[id(op.input())]
            buffers[id(op.out)].place = buffers[id(op.input())].place
    bitcasts()
    for op in order:
        if op.kind == "concat" and not op.acting:
            whole = buffers[id(op.out)]
            for slot in op.inputs:
                part = buffers[id(slot.value)]
                part.parent, part.place = whole, whole.place
    bitcasts()
    for buffer in buffers.values():
        if buffer.parent is not None:
            buffer.parent = _root(buffer.parent)
    for buffer in buffers.values():
        root = buffer.parent
        if root is not None:
            birth, death = min(buffer.birth, root.birth), max(buffer.death, root.death)
            root.birth, root.age = birth, death - birth


def _root(buffer: PlacedBuffer) -> PlacedBuffer:
    seen = {id(buffer)}
    while buffer.parent is not None and id(buffer.parent) not in seen:
        buffer = buffer.parent
        seen.add(id(buffer))
    return buffer


def _allocate(roots: list[PlacedBuffer], pools: Pools, unit: str) -> None:
    introsort(roots, lambda buffer: buffer.birth)
    for buffer in roots:
        op = buffer.value.op
        if buffer.place == "rdata":
            buffer.offset = pools.rdata[unit].place(buffer.size, align=op.attrs.get("align", RDATA_ALIGN))
        elif buffer.place == "data":
            buffer.offset = pools.data(unit).place(buffer.size, buffer.birth, buffer.death)
        elif buffer.place == "kpu":
            before = pools.kpu.peak
            pools.kpu_buffers.append((buffer.size, buffer.birth, buffer.death))
            try:
                buffer.offset = pools.kpu.place(buffer.size, buffer.birth, buffer.death)
                if pools.kpu.peak > before:
                    pools.kpu_peak_at = op
            except OutOfMemory as error:
                pools.overflow = pools.overflow or (op, error)


def kpu_need(pools: Pools) -> tuple[int, int]:
    """What the maps in use take at the worst moment, and what the allocator would need to place them, in bytes.

    No order of placement needs less than the first. Where only the second is more than there is, the memory would be
    enough and is in pieces.
    """
    unbounded = FirstFit(pools.kpu.align, 1 << 48, from_end=pools.kpu.from_end)
    changes = []
    for size, birth, death in pools.kpu_buffers:
        unbounded.place(size, birth, death)
        aligned = -(-size // pools.kpu.align) * pools.kpu.align
        changes += [(birth, aligned), (death, -aligned)]
    live = least = 0
    for _, change in sorted(changes):
        live += change
        least = max(least, live)
    return least, unbounded.peak


def introsort(items: list[PlacedBuffer], key: Callable[[PlacedBuffer], int]) -> None:
    """Sorts in place as libstdc++'s std::sort does: buffers born together do not keep their order, and the
    allocator's result depends on it."""
    keys = [key(item) for item in items]

    def swap(i: int, j: int) -> None:
        items[i], items[j] = items[j], items[i]
        keys[i], keys[j] = keys[j], keys[i]

    def median_to(first: int, x: int, y: int, z: int) -> None:
        low, high = (x, y) if keys[x] < keys[y] else (y, x)
        if keys[x] < keys[y]:
            swap(first, high if keys[y] < keys[z] else z if keys[x] < keys[z] else low)
        else:
            swap(first, x if keys[x] < keys[z] else z if keys[y] < keys[z] else y)

    def partition_run(low: int, high: int) -> None:
        while high - low > INTROSORT_THRESHOLD:
            median_to(low, low + 1, low + (high - low) // 2, high - 1)
            left, right = low + 1, high
            while True:
                while keys[left] < keys[low]:
                    left += 1
                right -= 1
                while keys[low] < keys[right]:
                    right -= 1
                if left >= right:
                    break
                swap(left, right)
                left += 1
            partition_run(left, high)
            high = left

    def insert(index: int, at: int) -> None:
        item, value = items.pop(index), keys.pop(index)
        items.insert(at, item)
        keys.insert(at, value)

    partition_run(0, len(items))
    for index in range(1, len(items)):
        at = index
        if index < INTROSORT_THRESHOLD and keys[index] < keys[0]:
            at = 0
        else:
            while keys[index] < keys[at - 1]:
                at -= 1
        if at != index:
            insert(index, at)
