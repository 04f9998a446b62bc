"""Why a layer reads the wrong bytes: what would have to be changed so that it reads the right ones.

The layer is tried again on a memory in which only the layers it means to read have written. If it is right there,
some other layer has overwritten them; if not, its settings are changed one by one, then two and three at a time,
until it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations
from typing import TYPE_CHECKING, Any

from .addresses import written
from .network import INPUT, Layer, Network
from .replay import Held, Memory, put

if TYPE_CHECKING:
    from .replay import Run

MOST_SOURCES = 4
"""Of a concatenation whose orders are all tried."""


def cause_of(run: Run, layer: Layer, holds: Held | None) -> tuple[tuple[str, ...], int]:
    """What is wrong, and with which layer:

    - ``overwritten`` by a layer in between;
    - ``past-end``: the source writes beyond the end of its memory instances;
    - ``stray-gap``: the source has a write_gap that no reader wants;
    - ``gapped-copy``: the source is a copy, spread out for another reader;
    - ``gap``: the source is spread out for another reader;
    - ``operand-gap``: a source of an element-wise layer is not spread out, or not by its number of operands;
    - ``offset``: in_offset is not where the source writes;
    - ``processors``: the source writes to other processors;
    - ``order``: in_sequences names the sources in another order than they lie in.
    """
    network = run.network
    sources = [source for source in layer.sources if source != INPUT]
    by = sources[0] if sources else INPUT
    clean = Memory(run.size, run.instances)
    for source in sorted(set(layer.sources)):
        if source == INPUT:
            run.load(clean)
            continue
        there = written(network.layers[source], run.size)
        assert there is not None
        put(clean, there, run.tags(source), source)
        if (there.at < 0).any():
            return ("past-end",), source
    if _right(run, clean, layer, layer.sources):
        return ("overwritten",), holds.layer if holds else by
    if layer.operands > 1:
        for source in sources:
            if network.layers[source].write_gap != layer.operands * (layer.read_gap + 1) - 1:
                return ("operand-gap",), source
    changes = dict(_changes(network, layer))
    for count in range(1, len(changes) + 1):
        for chosen in combinations(changes, count):
            trial = layer
            for name in chosen:
                trial = replace(trial, **changes[name])
            if _right(run, clean, trial, layer.sources):
                return tuple(_gap(network, layer, by) if name == "gap" else name for name in chosen), by
    for order in permutations(layer.sources) if 1 < len(layer.sources) <= MOST_SOURCES else ():
        if layer.operands == 1 and _right(run, clean, layer, order):
            return ("order",), by
    return (), by


def _right(run: Run, memory: Memory, layer: Layer, sources: tuple[int, ...]) -> bool:
    return not any(differs.any() for *_, differs in run.mismatch(memory, layer, sources))


def _changes(network: Network, layer: Layer) -> Iterator[tuple[str, dict[str, Any]]]:
    """Settings of the layer as they would have to be, by cause."""
    sources = [network.layers[source] for source in layer.sources if source != INPUT]
    if not sources:
        first = network.layers[0]
        if layer.in_offset != first.in_offset:
            yield "offset", {"in_offset": first.in_offset}
        if layer.processors != first.processors:
            yield "processors", {"processors": first.processors}
        return
    if layer.operands == 1 and layer.read_gap != sources[0].write_gap:
        yield "gap", {"read_gap": sources[0].write_gap}
    offset = min(source.out_offset for source in sources)
    if layer.in_offset != offset:
        yield "offset", {"in_offset": offset}
    masks = [source.output_processors or 0 for source in sources]
    together = 0
    for mask in masks:
        together |= mask
    if together != layer.processors:
        yield "processors", {"processors": together}


def _gap(network: Network, layer: Layer, source: int) -> str:
    """Which of the three a gap is that this reader does not want."""
    gap = network.layers[source].write_gap
    wanted = [
        other
        for other in readers(network, source)
        if other.index != layer.index and other.operands * (other.read_gap + 1) == gap + 1
    ]
    if not wanted:
        return "stray-gap"
    maker = network.layers[source]
    copy = maker.op == "passthrough" and maker.eltwise == "none" and maker.pool in (None, (1, 1))
    return "gapped-copy" if copy and len(maker.sources) == 1 else "gap"


def readers(network: Network, source: int) -> list[Layer]:
    """The layers that read a layer's output."""
    return [layer for layer in network if source in layer.sources]
