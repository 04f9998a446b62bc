"""Where nncase 0.1 puts the maps: the order of the layers, and its two allocators with their reference counts.

Source: nncase v0.1.0-rc5, src/NnCase.Converter.K210/Converters/Stages/Inference.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from lintmodel.planning.allocators import OutOfMemory

from .v01_layers import Dims, Layer, Net

ROW = 64
"""Bytes of a row of the KPU's memory; its allocator counts rows."""
BYTES = frozenset({"K210Conv2d", "K210AddPadding", "K210RemovePadding", "K210Upload", "Quantize", "Requantize"})
"""Layers that write bytes; those called Quantized... do too, all others write float32."""
IN_PLACE = ("ExclusiveConcatenation", "QuantizedExclusiveConcatenation")


def kpu_rows(dims: Dims) -> int:
    """Rows a map takes there. Narrow maps share rows, four or two channels in each."""
    _, channels, high, wide = dims
    shared, length = (4, 1) if wide <= 16 else (2, 1) if wide <= 32 else (1, -(-wide // ROW))
    return length * high * -(-channels // min(channels, shared))


def element_size(layer: Layer) -> int:
    return 1 if layer.kind in BYTES or layer.kind.startswith("Quantized") else 4


@dataclass(eq=False)
class Region:
    """Part of a memory; free while nobody uses it."""

    start: int
    size: int
    users: int = 0


@dataclass
class Memory:
    """Takes the last free region that is large enough. The KPU's (with a capacity) takes from its end and from its
    beginning in turn; main memory takes from the end, and grows."""

    capacity: int | None = None
    end: int = 0
    live: int = 0
    most: int = 0
    """The largest ``live`` so far."""
    regions: list[Region] = field(default_factory=list)
    _from_end: bool = True

    def __post_init__(self) -> None:
        if self.capacity is not None:
            self.regions = [Region(0, self.capacity)]

    def allocate(self, size: int) -> Region:
        """Raises OutOfMemory, in this memory's units."""
        index = self._free(size)
        if index is None:
            index = self._grow(size)
        region = self.regions[index]
        if region.size > size:
            taken = Region(region.start + region.size - size if self._from_end else region.start, size)
            region.start += 0 if self._from_end else size
            region.size -= size
            self.regions.insert(index + (1 if self._from_end else 0), taken)
            region = taken
            self._from_end = self.capacity is None or not self._from_end
        region.users = 1
        self.live += size
        self.most = max(self.most, self.live)
        return region

    def release(self, region: Region) -> None:
        region.users -= 1
        if region.users == 0:
            self.live -= region.size
            self._merge(self.regions.index(region))

    def _free(self, size: int) -> int | None:
        found = (k for k in range(len(self.regions) - 1, -1, -1) if not self.regions[k].users)
        return next((k for k in found if self.regions[k].size >= size), None)

    def _grow(self, size: int) -> int:
        if self.capacity is not None:
            free = max((region.size for region in self.regions if not region.users), default=0)
            raise OutOfMemory(size, free, self.live)
        if not self.regions or self.regions[-1].users:
            self.regions.append(Region(self.end, 0))
        last = self.regions[-1]
        self.end += size - last.size
        last.size = size
        return len(self.regions) - 1

    def _merge(self, index: int) -> None:
        for first in (index, index - 1):
            if 0 <= first < len(self.regions) - 1 and not (self.regions[first].users or self.regions[first + 1].users):
                self.regions[first].size += self.regions.pop(first + 1).size


@dataclass(eq=False)
class Placed:
    """A map in a memory, from the layer at which it is made to the last that reads it."""

    layer: Layer
    pool: str
    region: Region
    size: int
    offset: int
    birth: int
    death: int = 0


@dataclass
class Schedule:
    """The layers in order, and what is where. With ``failed`` the work ends at that layer."""

    kpu: Memory
    main: Memory = field(default_factory=Memory)
    order: list[Layer] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    peak_at: Layer | None = None
    failed: tuple[Layer, OutOfMemory] | None = None
    _kpu_map: dict[int, Placed] = field(default_factory=dict)
    _main_map: dict[int, Placed] = field(default_factory=dict)

    @property
    def main_bytes(self) -> int:
        return self.main.end


def schedule(net: Net, kpu_bytes: int) -> Schedule:
    """Runs through the layers as the compiler does, allocating what each writes and releasing what it has read."""
    found = Schedule(Memory(kpu_bytes // ROW))
    layer = None
    try:
        for layer in order(net):
            _step(found, layer)
    except OutOfMemory as error:
        assert layer is not None
        found.failed = layer, error
    return found


def order(net: Net) -> list[Layer]:
    """What a layer reads comes before it; outputs in order."""
    found: list[Layer] = []
    seen: set[int] = set()
    waiting = [(layer, False) for layer in reversed(net.outputs)]
    while waiting:
        layer, ready = waiting.pop()
        if ready:
            found.append(layer)
        elif id(layer) not in seen:
            seen.add(id(layer))
            waiting.append((layer, True))
            waiting += [(source, False) for source in reversed(layer.inputs) if source is not None]
    return found


def _step(at: Schedule, layer: Layer) -> None:
    most = at.kpu.most
    now = len(at.order)
    for reader, _ in layer.readers:
        if reader.kind == "K210Conv2d":
            _in_kpu(at, layer, now)
        elif reader.kind in IN_PLACE:
            _in_place(at, reader, now)
        elif reader.kind == "Reshape":
            at._main_map.setdefault(id(reader), _in_main(at, layer, now))
        else:
            _in_main(at, layer, now)
    if layer.kind == "K210Conv2d" and id(layer) in at._main_map:
        _in_kpu(at, layer, now)
    if at.kpu.most > most:
        at.peak_at = layer
    at.order.append(layer)
    if layer.kind != "OutputLayer":
        for source in layer.inputs:
            _read(at, source, layer, now)


def _read(at: Schedule, source: Layer | None, reader: Layer, now: int) -> None:
    in_kpu, in_main = at._kpu_map.get(id(source)), at._main_map.get(id(source))
    if in_kpu is not None and in_kpu.region.users:
        at.kpu.release(in_kpu.region)
        in_kpu.death = now
    if in_main is not None and reader.kind != "K210Conv2d":
        at.main.release(in_main.region)
        in_main.death = now


def _in_kpu(at: Schedule, layer: Layer, now: int) -> Placed:
    known = at._kpu_map.get(id(layer))
    if known is not None:
        known.region.users += 1
        return known
    region = at.kpu.allocate(kpu_rows(layer.dims))
    return _keep(at, at._kpu_map, Placed(layer, "kpu", region, region.size * ROW, region.start * ROW, now))


def _in_main(at: Schedule, layer: Layer, now: int) -> Placed:
    known = at._main_map.get(id(layer))
    if known is not None:
        known.region.users += 1
        return known
    region = at.main.allocate(-(-layer.elements * element_size(layer) // 8) * 8)
    return _keep(at, at._main_map, Placed(layer, "data", region, region.size, region.start, now))


def _in_place(at: Schedule, concat: Layer, now: int) -> None:
    """The inputs of a concatenation lie in its output, one behind the other."""
    whole = _in_main(at, concat, now)
    offset = 0
    for source in concat.inputs:
        if source is None or id(source) in at._main_map:
            return
        size = source.elements * element_size(concat)
        _keep(at, at._main_map, Placed(source, "", whole.region, size, whole.offset + offset, now))
        offset += size


def _keep(at: Schedule, where: dict[int, Placed], placed: Placed) -> Placed:
    where[id(placed.layer)] = placed
    at.placed.append(placed)
    return placed
