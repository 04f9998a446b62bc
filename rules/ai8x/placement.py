"""What ai8x-synthesis itself sees of data memory: outputs over inputs, word by word.

Its simulation keeps, for one layer at a time, the words that the layer before it wrote and those of layers marked
``output``. It knows nothing of older maps that are still needed; see :mod:`.replay` for these.
Source: izer/unload.py verify(), izer/load.py, izer/datamem.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lintmodel.target import Target

from .addresses import WORD, pixels, sized
from .network import INPUT, Layer, Network, passes, processors_for, set_bits
from .replay import FIFOS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Words = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Placed:
    """Words of a map: an array of groups of four processors x pixels."""

    layer: int
    words: Words
    processors: tuple[int, ...]
    """The first processor of each group."""
    channels: tuple[int, ...]
    """The first channel in each group."""
    dim: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Overwrite:
    """The first word of a layer's output that was taken."""

    layer: int
    processor: int
    channel: int
    pixel: tuple[int, int]
    address: int
    """As the tool prints it, in the chip's address space."""
    offset: int
    """In the processor's memory instance."""
    before: int
    """Whose word it was: :data:`INPUT` for the input, the layer itself for its own output."""
    before_channel: int
    before_pixel: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Space:
    """Where the tool puts memory instances in the chip's address space, in bytes."""

    base: int
    group: int
    instance: int
    per_group: int
    """Processors."""

    def of(self, processor: int) -> int:
        """Of the instance of a processor, from the base on."""
        group, inside = divmod(processor, self.per_group)
        return group * self.group + inside // WORD * self.instance


def overwrites(network: Network, target: Target) -> list[Overwrite]:
    """Every layer whose output the tool refuses because its words are taken. Empty with ``--overlap-data``."""
    if not sized(network) or network.has_flag("--overlap-data"):
        return []
    space = Space(
        int(target.limit("data_base")),
        int(target.limit("data_quadrant_step")),
        int(target.limit("data_instance_step")),
        int(target.limit("processors_per_quadrant")),
    )
    return list(_overwrites(network, space))


def _overwrites(network: Network, space: Space) -> Iterator[Overwrite]:
    outputs: list[Placed] = []
    before = [placed] if (placed := _loaded(network, space)) is not None else []
    for layer in network:
        placed = None if layer.streaming else placed_output(layer, space)
        if placed is not None:
            taken = [*_first(placed, before, space)] or [*(_own(placed, space) if layer.write_gap else ())]
            yield from taken
        if layer.keys.get("output") and placed is not None:
            outputs.append(placed)
        following = network.layers[layer.index + 1] if layer.index + 1 < len(network) else None
        if following is not None and following.streaming:
            before = [*before, *([placed] if placed is not None else [])]
        else:
            before = [*outputs, *([placed] if placed is not None and placed not in outputs else [])]


# ---- maps


def _groups(mask: int, channels: int) -> list[tuple[int, int, int, int]]:
    """For every group of four processors and pass: its first processor, the pass, its first channel and how many."""
    found, share, processors = [], processors_for(channels), set_bits(mask)
    for turn in range(passes(channels)):
        channel = turn * share
        for group in sorted({processor // WORD for processor in processors}):
            count = sum(processor // WORD == group for processor in processors)
            if channel < channels:
                found.append((group * WORD, turn, channel, min(count, channels - channel)))
            channel += count
    return found


def placed_output(layer: Layer, space: Space) -> Placed | None:
    """The words a layer's output takes; None where its mask and channels do not go together."""
    import numpy as np

    mask, channels = layer.output_processors, layer.out_channels
    if not mask or not channels or not layer.out_dim or len(set_bits(mask)) != processors_for(channels):
        return None
    wide = layer.output_width // 8
    rows: list[Words] = []
    processors, firsts = [], []
    count = np.arange(pixels(layer.out_dim))
    for processor, turn, first, inside in _groups(mask, channels):
        words = (count * passes(channels) + turn) * wide * (layer.write_gap + 1)
        start = (space.of(processor) + layer.out_offset) // WORD
        for extra in range(min(inside, wide) if wide > 1 else 1):
            rows.append(start + words + extra)
            processors.append(processor)
            firsts.append(first)
    return Placed(layer.index, np.array(rows), tuple(processors), tuple(firsts), layer.out_dim)


def _loaded(network: Network, space: Space) -> Placed | None:
    """The words the input takes. Source: izer/load.py."""
    import numpy as np

    layer = network.layers[0]
    if any(network.has_flag(flag) for flag in FIFOS) or not layer.in_channels or not layer.in_dim:
        return None
    if len(set_bits(layer.processors)) != processors_for(layer.in_channels):
        return None
    count = np.arange(pixels(layer.in_dim))
    rows, processors, firsts = [], [], []
    turns = passes(layer.in_channels)
    for processor, turn, first, _ in _groups(layer.processors, layer.in_channels):
        for operand in range(1 if layer.chw else layer.operands):
            words = count // WORD if layer.chw else (count * turns + turn) * layer.operands + operand
            start = (space.of(processor) + layer.in_offset) // WORD
            rows.append(start + words)
            processors.append(processor)
            firsts.append(first)
    return Placed(INPUT, np.array(rows), tuple(processors), tuple(firsts), layer.in_dim)


# ---- collisions


def _first(placed: Placed, before: list[Placed], space: Space) -> Iterator[Overwrite]:
    """The first word, in the order of writing, that another map has."""
    taken: tuple[int, Placed] | None = None
    for other in before:
        hits = _hits(placed.words, other.words).T.ravel()
        if hits.any() and (taken is None or int(hits.argmax()) < taken[0]):
            taken = int(hits.argmax()), other
    if taken is not None:
        yield _overwrite(placed, taken[0], taken[1], space)


def _hits(words: Words, others: Words) -> Words:
    """Which of the words are among the others. The rows of both ascend, and few of them meet."""
    import numpy as np

    hits = np.zeros(words.shape, bool)
    meet = (words[:, :1] <= others[None, :, -1]) & (others[None, :, 0] <= words[:, -1:])
    for row, other in np.argwhere(meet):
        at = np.searchsorted(others[other], words[row]).clip(max=others.shape[1] - 1)
        hits[row] |= others[other][at] == words[row]
    return hits


def _own(placed: Placed, space: Space) -> Iterator[Overwrite]:
    """The first word that the map itself has twice: where it grows out of one instance into the next. Without gaps
    the tool's check of sizes has refused it before."""
    import numpy as np

    ends = [(space.of(processor) + space.instance) // WORD for processor in placed.processors]
    if (placed.words[:, -1] < np.array(ends)).all():
        return
    order = placed.words.T.ravel()
    _, first = np.unique(order, return_index=True)
    if len(first) < len(order):
        again = np.ones(len(order), bool)
        again[first] = False
        yield _overwrite(placed, int(again.argmax()), placed, space)


def _overwrite(placed: Placed, at: int, other: Placed, space: Space) -> Overwrite:
    pixel, row = divmod(at, len(placed.processors))
    word = int(placed.words[row, pixel])
    where = (other.words.T.ravel() == word).argmax()
    before_pixel, before_row = divmod(int(where), len(other.processors))
    return Overwrite(
        layer=placed.layer,
        processor=placed.processors[row],
        channel=placed.channels[row],
        pixel=divmod(pixel, placed.dim[1]),
        address=space.base + word * WORD,
        offset=word * WORD - space.of(placed.processors[row]),
        before=other.layer,
        before_channel=other.channels[before_row],
        before_pixel=divmod(before_pixel, other.dim[1]),
    )
