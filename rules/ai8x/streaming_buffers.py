"""Rolling buffers of streaming layers: how large they are, and what they must not touch.

A streaming layer keeps only the rows that its window needs. izer computes the size of that buffer for every layer
and refuses those that run into the layer's output, another buffer or the end of the data memory.
Source: izer/backend/max7800x.py 2127 to 2501.
"""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.planning import Refusal
from lintmodel.target import Target

from .network import Layer, Network, Pair, passes, set_bits
from .shapes import wrong

_INCREASE = 2
"""Words that izer adds to the start of every layer but the first, unless --increase-start says otherwise."""


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    if not network.has_flag("--fifo") or not network.known or network.has_flag("--ignore-streaming"):
        return
    overlap = network.has_flag("--overlap-data")
    buffers: list[tuple[Layer, int, int]] = []
    for number, layer in enumerate(network):
        if not layer.streaming:
            break
        words = buffer_words(network, number, target)
        yield from _own_output(layer, words, number == len(network) - 1, target)
        here = (layer, layer.in_offset, layer.in_offset + 4 * words)
        if not overlap:
            yield from _others(here, buffers)
        buffers.append(here)
        after = network.layers[number + 1] if number + 1 < len(network) else None
        if (after is None or not after.streaming) and not overlap:
            yield from _last_output(layer, buffers)


def buffer_words(network: Network, number: int, target: Target) -> int:
    """Words of the rolling buffer in front of a streaming layer."""
    layer = network.layers[number]
    turns = passes(layer.in_channels or 1)
    if target.limit("new_streaming"):
        return _new_buffer(layer, number, turns)
    pool = layer.pool or (1, 1)
    width = (layer.in_dim or (1, 1))[1]
    if number == 0:
        if layer.chw:
            return -(-12 // turns) * turns
        start = ((pool[0] - 1) * width + pool[1]) * pool[0]
    else:
        before = network.layers[number - 1]
        kernel, pad = _hardware(before)
        row = (before.pooled_dim or (1, 1))[1] + 2 * pad[1]
        start = row * (kernel[0] - 1 + pool[0] - 1) + kernel[1] - 1 + pool[1] + _INCREASE
    words = start + (pool[0] - 1) * width + max(layer.stride[1], layer.pool_stride[1], pool[1])
    return -(-words // turns) * turns


def _new_buffer(layer: Layer, number: int, turns: int) -> int:
    """Of the MAX78002."""
    pool, stride = layer.pool or (1, 1), layer.pool_stride
    width, pad = (layer.in_dim or (1, 1))[1], _hardware(layer)[1][1]
    rows = max(pool[0] * layer.pool_dilation[0], stride[0])
    columns = max(pool[1] * layer.pool_dilation[1], stride[1])
    row = width + 2 * pad
    window = (rows * row + pad + 2 * columns) * layer.operands + (stride[1] if layer.keys.get("readahead") else 0)
    if number == 0:
        start = columns if stride[0] == 1 and pool[0] == 1 else window
        words = start + columns + (stride[1] - 1) * row
        return words * stride[1] * 4 if layer.chw else words
    words = pad * row + window + (turns - 1) * (rows * width + pad + columns) + columns
    return -(-words // turns) * turns


def _hardware(layer: Layer) -> tuple[Pair, Pair]:
    """Kernel and padding as the chip has them: 1x1 is emulated by 3x3, and transposed padding is turned round."""
    if layer.op == "convtranspose2d":
        return layer.kernel, (layer.kernel[0] - 1 - layer.pad[0], layer.kernel[1] - 1 - layer.pad[1])
    if layer.op == "conv2d" and layer.kernel == (1, 1):
        return (3, 3), (1, 1)
    return layer.kernel, layer.pad


# ---- what a buffer must not touch


def _own_output(layer: Layer, words: int, last: bool, target: Target) -> Iterator[Refusal]:
    begin, end = layer.in_offset, layer.in_offset + 4 * words
    out = layer.out_offset
    said: str | None = None
    if layer.processors & (layer.output_processors or 0):
        height, width = layer.out_dim or (1, 1)
        turns = passes(layer.out_channels or 1)
        size = height * width * turns * 4
        if begin < out <= end:
            said = (
                f"{layer.prefix}Overlapping input and output: in_offset 0x{begin:08x} + rollover 0x{words:08x} * 4 >= "
                f"out_offset 0x{out:08x} - out_ignore 0x00000000."
            )
        elif begin >= out and out + 4 * words >= begin:
            said = (
                f"{layer.prefix}Overlapping input and output: out_offset 0x{out:08x} + rollover 0x{words:08x} * 4 >= "
                f"in_offset 0x{begin:08x}."
            )
        elif begin >= out and last and out + size >= begin:
            said = (
                f"{layer.prefix}Overlapping input and output: out_offset 0x{out:08x} + output of size "
                f"{height * width} ({height}x{width}) * {turns} * 4 >= in_offset 0x{begin:08x}."
            )
    if said is not None:
        says = f"the buffer of {4 * words:,} bytes at 0x{begin:04x} runs into the layer's own output at 0x{out:04x}"
        yield wrong(layer, "streaming-overlap", "out_offset", says, said)
    limit = int(target.limit("data_instance_bytes"))
    if end >= limit:
        said = (
            f"Input plus rollover exceeds instance size: in_offset 0x{begin:08x}, out_offset 0x{out:08x}, rollover "
            f"0x{words:08x}, instance size 0x{limit // 4:08x}."
        )
        says = f"the buffer of {4 * words:,} bytes at 0x{begin:04x} does not fit a data memory of {limit:,}"
        yield wrong(layer, "streaming-overlap", "in_offset", says, said)


def _others(here: tuple[Layer, int, int], buffers: list[tuple[Layer, int, int]]) -> Iterator[Refusal]:
    layer, begin, end = here
    for other, start, stop in buffers:
        if begin <= stop and start <= end and _instances(layer.processors) & _instances(other.processors):
            said = (
                f"{layer.prefix}Streaming buffer ({begin:04x}-{end:04x}, processors {layer.processors:016x}) overlaps "
                f"layer {other.label} ({start:04x}-{stop:04x}, processors {other.processors:016x})."
            )
            says = f"the buffer at 0x{begin:04x} to 0x{end:04x} overlaps that of {other.name}"
            yield wrong(layer, "streaming-overlap", "in_offset", says, said)


def _last_output(layer: Layer, buffers: list[tuple[Layer, int, int]]) -> Iterator[Refusal]:
    height, width = layer.out_dim or (1, 1)
    begin, size = layer.out_offset, height * width * 4 * layer.output_width // 8
    mask = layer.output_processors or 0
    for other, start, stop in buffers:
        if begin <= stop and start <= begin + size and _instances(mask) & _instances(other.processors):
            said = (
                f"{layer.prefix}The output ({begin:04x}-{begin + size:04x}, output processors {mask:016x}) overlaps "
                f"streaming buffer for layer {other.label} ({start:04x}-{stop:04x}, "
                f"processors {other.processors:016x})."
            )
            of = "its own" if other.index == layer.index else f"that of {other.name}"
            says = f"the output at 0x{begin:04x} to 0x{begin + size:04x} overlaps a streaming buffer: {of}"
            yield wrong(layer, "streaming-overlap", "out_offset", says, said)


def _instances(mask: int) -> set[int]:
    return {processor // 4 for processor in set_bits(mask)}
