"""Kernel memory: how many words of each processor a layer's weights take, and where izer puts them.

A word has 9 bytes. A layer takes the same words of every processor that is enabled for it, so one processor that
has no room left is enough to refuse the network, whatever the total says. Source: izer/kernels.py, load();
measured: words of 1,792 layers without a difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod

from lintmodel.planning import Refusal
from lintmodel.target import Target

from .network import Layer, Network, Pair, passes, processors_for, set_bits
from .wording import problem

_PROCESSORS = 64
_STEP = 4
"""Layers begin at multiples of this many words."""
_WORD_BITS = 72
_FULL = 2**_PROCESSORS - 1


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Where the search for room for a layer ended."""

    layer: Layer
    processor: int
    offset: int
    words: int


@dataclass(frozen=True, slots=True)
class KernelMemory:
    """What the layers take, by index in the network, and how full every processor is."""

    words: dict[int, int]
    """0 for a layer without weights or whose weights another layer has already."""
    bytes: dict[int, int]
    """As izer adds weights up: the tensors' bits, nothing for gaps and rounding."""
    offsets: dict[int, int]
    used: tuple[int, ...]
    """Words taken of every processor."""
    exhausted: tuple[Exhausted, ...]


def kernel_memory(network: Network, target: Target) -> KernelMemory:
    """Words and places of all layers whose weights are known."""
    shared = duplicates(network)
    words: dict[int, int] = {}
    size: dict[int, int] = {}
    for number, layer in enumerate(network):
        own = layer.weighted and layer.index not in shared and layer.weight_shape is not None
        kernel = hardware_kernel(network, number, target)
        words[layer.index] = kernel_words(layer, kernel, network) if own and _sized(layer) else 0
        size[layer.index] = weight_bytes(layer, kernel) if own else 0
    offsets, used, exhausted = _placed(network, words, target)
    return KernelMemory(words, size, offsets, used, exhausted)


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    for full in kernel_memory(network, target).exhausted:
        layer, room = full.layer, capacity(full.processor, target)
        said = (
            f"{layer.prefix}Kernel memory exhausted at processor {full.processor}; "
            f"offset: {full.offset} (0x{full.offset:04x}), needed: {full.words}."
        )
        says = (
            f"the weights take {full.words:,} words of every processor they are on; processor {full.processor} has "
            f"{room:,}, free from {full.offset:,} on"
        )
        if full.words + full.offset <= room:
            says = f"no {full.words:,} words in a row are free on all its processors"
        key = layer.key("processors")
        yield problem("kernel-memory-exhausted", key, says, said, layer.name, words=full.words, capacity=room)


def capacity(processor: int, target: Target) -> int:
    """Words of a processor: the first of each quadrant may have more."""
    return int(target.limit("kernel_words" if processor % 16 else "kernel_words_first"))


# ---- sizes


def duplicates(network: Network) -> set[int]:
    """Layers whose weights are those of an earlier layer, with the same width and processors: stored once."""
    found: set[int] = set()
    if network.has_flag("--no-deduplicate-weights"):
        return found
    first: dict[object, int] = {}
    for layer in network:
        if not layer.weighted or layer.weight_shape is None:
            continue
        source = layer.keys.get("weight_source")
        source = source if isinstance(source, int | str) else None
        if layer.digest:
            identity: object = (layer.digest, layer.weight_shape, layer.bits, layer.processors)
        else:
            identity = (layer.index if source is None else _named(network, source), layer.bits, layer.processors)
        if first.setdefault(identity, layer.index) != layer.index:
            found.add(layer.index)
    return found


def _named(network: Network, source: object) -> object:
    """The index of a layer given by name or index."""
    word = str(source).lower()
    return next((layer.index for layer in network if layer.name.lower() == word), source)


def hardware_kernel(network: Network, number: int, target: Target) -> Pair:
    """The kernel as it is stored: a 1x1 kernel in or right behind a streaming layer becomes 3x3, and that of a
    dilated conv1d is stretched or laid into 3x3."""
    layer = network.layers[number]
    streams = layer.streaming or (number > 0 and network.layers[number - 1].streaming)
    if number <= int(target.limit("max_streaming_layers")) and streams and layer.kernel == (1, 1):
        return (3, 3) if layer.op in ("conv2d", "convtranspose2d") else layer.kernel
    if layer.op == "conv1d" and layer.dilation[0] > 1:
        reach = (layer.kernel[0] - 1) * layer.dilation[0]
        return (reach + 1, 1) if reach < 9 else (3, 3)
    return layer.kernel


def weight_bytes(layer: Layer, kernel: Pair) -> int:
    """Of one layer's weights, in izer's own sum."""
    shape = layer.weight_shape or ()
    count = prod(shape)
    if len(shape) > 2 and layer.kernel != kernel:
        count = count // prod(layer.kernel) * prod(kernel)
    return count * abs(layer.bits) // 8


def kernel_words(layer: Layer, kernel: Pair, network: Network) -> int:
    """Words of every enabled processor. Gaps in the output mask cost as much as processors do."""
    mask, out = layer.output_processors or 0, layer.out_channels or 0
    channels = layer.in_channels or 0
    per_word = 8 // abs(layer.bits)
    elements = prod(kernel)
    first = _lowest(mask)
    if passes(out) > 1:
        first -= first % _STEP
    columns = (mask.bit_length() - first) * passes(out)
    if layer.groups > 1:
        columns = passes(channels)
    elif layer.flatten:
        columns = (columns - (passes(out) * mask.bit_count() - out)) * pixels_of(layer)
    else:
        columns *= passes(channels)
    spare = columns % per_word * elements * (per_word - 1)
    words = (columns * elements * abs(layer.bits) + spare + _WORD_BITS - 1) // _WORD_BITS
    if layer.index == 0 and network.has_flag("--fast-fifo-quad"):
        words = (words + 3) // 4
    return _flatten_words(layer, words, pixels_of(layer)) if layer.flatten else words


def pixels_of(layer: Layer) -> int:
    """Weights of one output channel on every processor of a layer that flattens."""
    channels = layer.in_channels or 1
    return channels * prod(layer.pooled_dim or (1, 1)) // processors_for(channels)


def _flatten_words(layer: Layer, words: int, maps: int) -> int:
    """Flattened layers are packed byte by byte, but every gap in the output mask begins a new word, and what the
    mask's first processor is away from a multiple of 4 is added again for each processor."""
    mask, out, per_word = layer.output_processors or 0, layer.out_channels or 0, 8 // abs(layer.bits)
    start = _lowest(mask) % _STEP
    column, fill = divmod(start * prod(layer.kernel), _WORD_BITS // 8)
    fill //= per_word
    group = 2**per_word - 1
    stored = 0
    for _ in range(passes(out)):
        left = mask >> _lowest(mask)
        for _ in range(processors_for(out)):
            while left and not left & group:
                column, left = column + 1, left >> per_word
            left >>= per_word
            kernels = min(per_word, max(0, out - stored))
            stored += kernels
            more, fill = divmod(fill + -(-kernels * maps // per_word), _WORD_BITS // 8)
            column += more
    column += bool(fill)
    for _ in set_bits(layer.processors):
        words = max(column, start + words)
    return words


def _sized(layer: Layer) -> bool:
    """All that the number of words depends on is known and makes sense."""
    return bool(layer.in_channels and layer.out_channels and layer.output_processors and layer.processors)


def _lowest(mask: int) -> int:
    return (mask & -mask).bit_length() - 1


# ---- places


def _placed(
    network: Network, words: dict[int, int], target: Target
) -> tuple[dict[int, int], tuple[int, ...], tuple[Exhausted, ...]]:
    """Layers with all processors first, the others in order; each in the first gap it fits in."""
    taken = [bytearray(capacity(processor, target)) for processor in range(_PROCESSORS)]
    offsets: dict[int, int] = {}
    exhausted: list[Exhausted] = []
    for layer in sorted(network, key=lambda found: found.processors != _FULL):
        count = words[layer.index]
        if not count:
            continue
        at_end = _search_end(layer, count, taken, target)
        found = _search(layer, count, taken, target) if at_end is None else at_end
        if isinstance(found, Exhausted):
            exhausted.append(found)
            continue
        first, last = found + _skipped(layer, count), max(_processors(network, layer))
        if first + count > capacity(last, target):
            exhausted.append(Exhausted(layer, last, found, count))
            continue
        offsets[layer.index] = found
        for processor in _processors(network, layer):
            taken[processor][first : first + count] = b"\1" * count
    return offsets, tuple(sum(memory) for memory in taken), tuple(exhausted)


def _skipped(layer: Layer, count: int) -> int:
    """Words left free in front because the output mask does not begin at a multiple of 4."""
    if layer.groups > 1 or count == 0:
        return 0
    turns = 1 if layer.flatten else passes(layer.in_channels or 1)
    return _lowest(layer.output_processors or 1) % _STEP * prod(layer.kernel) * turns // (_WORD_BITS // 8)


def _processors(network: Network, layer: Layer) -> list[int]:
    found = set_bits(layer.processors)
    if layer.index == 0 and network.has_flag("--fast-fifo-quad"):
        return [first + quadrant for quadrant in range(0, _PROCESSORS, 16) for first in found if first < 16]
    return found


def _search(layer: Layer, count: int, taken: Sequence[bytearray], target: Target) -> int | Exhausted:
    """The lowest multiple of 4 at which every enabled processor has room."""
    processors = set_bits(layer.processors)
    offset, k = 0, 0
    while k < len(processors):
        processor = processors[k]
        memory = taken[processor]
        if layer.groups > 1:
            offset = _one_instance(offset, count, target)
        if offset + count > len(memory):
            return Exhausted(layer, processor, offset, count)
        busy = memory.find(1, offset, offset + count)
        if busy < 0:
            k += 1
            continue
        offset, k = (busy + _STEP) // _STEP * _STEP, 0
    return offset


def _one_instance(offset: int, count: int, target: Target) -> int:
    """A depthwise layer's words lie in one memory instance, so that it may begin only in the next one. The first
    instance begins one word early."""
    if target.limit("kernel_words_first") == target.limit("kernel_words"):
        return offset
    for _ in range(2):
        large = offset + 2 < int(target.limit("kernel_words"))
        size = int(target.limit("kernel_instance" if large else "kernel_instance_small"))
        if (offset + 1) // size != (offset + count) // size:
            offset = (offset + size - 1) // size * size - 1
    return offset


def _search_end(layer: Layer, count: int, taken: Sequence[bytearray], target: Target) -> int | None:
    """A layer that uses only processors with the larger memory is put at its end, where the others have none."""
    processors = set_bits(layer.processors)
    large, small = int(target.limit("kernel_words_first")), int(target.limit("kernel_words"))
    if large == small or any(processor % 16 for processor in processors):
        return None
    if layer.groups > 1 and count > int(target.limit("kernel_instance_small")):
        return None
    last = large - 1
    while last - count + 1 >= 0:
        busy = max(taken[processor].rfind(1, last - count + 1, last + 1) for processor in processors)
        if busy < 0:
            return (last - count + 1) // _STEP * _STEP
        last = (busy - 1) // _STEP * _STEP if busy else -1
    return None
