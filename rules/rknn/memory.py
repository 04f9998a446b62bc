"""Internal and weight memory of a program, in bytes.

The toolkit places tensors in the order of its rows, the best fit first: a row's workspaces, then its outputs, while
its inputs are still there. Measured on the addresses in the log of rknn-toolkit2 2.5.0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lintmodel.planning import Buffer
from lintmodel.planning.allocators import BestFit

from .layout import Wiring, tensor_bytes, wire
from .program import Layer, Program
from .weights import weight_bytes
from .workspaces import output_copy, workspaces

COPY = "_exSecondary"
"""What the log puts behind the name of a tensor whose copy or workspace it is."""


@dataclass(frozen=True, slots=True)
class Memory:
    internal: int
    weight: int
    buffers: dict[str, Buffer]
    """By tensor name, with offsets; birth and death on the clock of rows."""
    at: str | None
    """The user's node at whose row the peak is reached."""


@dataclass(frozen=True, slots=True)
class _Room:
    """Bytes that are asked for at one row and given back after another."""

    name: str
    bytes: int
    birth: int
    death: int
    reuses: str = ""
    """Name of the room whose place it takes over."""


def lay_out(program: Program) -> Memory:
    """Sizes and addresses of every tensor. ``program`` has its units decided."""
    heap = BestFit(program.target.pools["internal"].align)
    buffers: dict[str, Buffer] = {}
    peak, at = 0, 0
    for room in _rooms(program):
        if room.reuses in buffers:
            offset = heap.take_over(buffers[room.reuses].offset or 0, room.bytes, room.death)
        else:
            offset = heap.place(room.bytes, room.birth, room.death)
        buffers[room.name] = Buffer(room.name, room.bytes, "internal", room.birth, room.death, offset)
        if heap.peak > peak:
            peak, at = heap.peak, room.birth
    return Memory(peak, sum(weight_bytes(program).values()), buffers, _node(program, at - 1))


def _rooms(program: Program) -> Iterator[_Room]:
    """Every room in the order in which the toolkit asks for it. Row 0 holds the inputs, row ``k`` is the k-th layer."""
    wiring = wire(program)
    rows = {id(layer): index for index, layer in enumerate(program.layers, 1)}
    end = len(program.layers) + 1
    outputs = set(program.outputs)
    last = {name: max(rows[id(reader)] for reader in readers) for name, readers in wiring.readers.items()}

    def death(name: str, birth: int) -> int:
        return end + 1 if name in outputs else max(last.get(name, birth), birth) + 1

    for name in program.inputs:
        if name in last or name in outputs:
            yield _Room(name, tensor_bytes(program, program.values[name], wiring), 0, death(name, 0))
    for row, layer in enumerate(program.layers, 1):
        for number, size in enumerate(workspaces(program, layer, wiring)):
            stem = next(iter(program.features(layer)), layer.outputs[0])
            yield _Room(f"{stem}{COPY}@{row}.{number}", size, row, row + 1)
        for name in layer.outputs:
            size = tensor_bytes(program, program.values[name], wiring)
            reuses = _in_place(program, layer, row, last, outputs, wiring, size)
            yield _Room(name, size, row, death(name, row), reuses)
    for name in dict.fromkeys(program.outputs):
        size = output_copy(program, name, wiring.writer.get(name))
        if size:
            yield _Room(f"{name}{COPY}", size, end, end + 1)


def _in_place(
    program: Program, layer: Layer, row: int, last: dict[str, int], outputs: set[str], wiring: Wiring, size: int
) -> str:
    """The input whose place a Relu of its own takes over."""
    features = program.features(layer)
    if layer.kind != "Relu" or len(layer.outputs) != 1 or not features:
        return ""
    name = features[0]
    dies = last.get(name) == row and name not in outputs
    return name if dies and tensor_bytes(program, program.values[name], wiring) >= size else ""


def _node(program: Program, index: int) -> str | None:
    """The user's node of a row, or of the nearest row before it that has one."""
    for layer in reversed(program.layers[: max(index, 0) + 1]):
        if layer.nodes:
            return layer.nodes[0]
    return next((layer.nodes[0] for layer in program.layers if layer.nodes), None)
