"""Where feature maps lie in data memory: the addresses that a layer reads and writes.

Channel ``c`` of a map is worked on in pass ``c // share`` by the processor of the ``c % share``-th bit of the mask.
Four processors share a memory instance and have one byte each of its words, one word for a pixel and pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .network import Layer, Network, passes, processors_for, set_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[Any]

WORD = 4
"""Bytes of a word of data memory: one for each of the processors that share the memory instance."""


@dataclass(frozen=True, slots=True)
class Map:
    """The addresses of a feature map: arrays of channels x pixels."""

    at: Bytes
    """Index into the memory; -1 beyond the end of the instance."""
    offsets: Bytes
    """Byte offset in the instance."""


def sized(network: Network) -> bool:
    """Every feature map has channels and pixels, so that its addresses are known."""
    return network.known and all(min(*(layer.in_dim or (0,)), *(layer.out_dim or (0,))) > 0 for layer in network)


def pixels(dim: Any) -> int:
    return int(dim[0] * dim[1])


def feature_map(
    size: int, mask: int, channels: int, count: int, base: int, *, step: int = 1, first: int = 0, wide: bool = False
) -> Map | None:
    """Addresses of a map of so many pixels: ``step`` words from one word of a processor to its next one, beginning
    with word ``first``. ``wide`` values have 32 bits (the first of their bytes is given). None where the mask does
    not have the processors that the channels need."""
    import numpy as np

    processors, share = set_bits(mask), processors_for(channels)
    if len(processors) != share:
        return None
    channel = np.arange(channels)
    processor = np.array(processors)[channel % share]
    word = np.arange(count)[None, :] * passes(channels) + (channel // share)[:, None]
    if wide:
        offsets = base // WORD * WORD + word * step * WORD * WORD + (processor % WORD)[:, None] * WORD
    else:
        offsets = (base // WORD + word * step + first) * WORD + (processor % WORD)[:, None]
    instance = (processor // WORD)[:, None]
    return Map(np.where(offsets < size, instance * size + offsets, -1), offsets)


def planes(size: int, mask: int, channels: int, count: int, base: int) -> Map | None:
    """Addresses of an input in CHW: every channel in an instance of its own, four pixels to a word."""
    import numpy as np

    processors = set_bits(mask)
    if len(processors) != channels or len({processor // WORD for processor in processors}) < channels:
        return None
    offsets = np.broadcast_to(base + np.arange(count)[None, :], (channels, count))
    instance = (np.array(processors) // WORD)[:, None]
    return Map(np.where(offsets < size, instance * size + offsets, -1), offsets)


def written(layer: Layer, size: int) -> Map | None:
    """Where a layer's output goes."""
    assert layer.out_channels and layer.out_dim and layer.output_processors
    return feature_map(
        size,
        layer.output_processors,
        layer.out_channels,
        pixels(layer.out_dim),
        layer.out_offset,
        step=layer.write_gap + 1,
        wide=layer.output_width == 32,
    )


def read(layer: Layer, size: int, operand: int) -> Map | None:
    """Where a layer looks for an operand."""
    assert layer.in_channels and layer.in_dim
    count = pixels(layer.in_dim)
    if layer.chw:
        return planes(size, layer.processors, layer.in_channels, count, layer.in_offset)
    step = layer.operands * (layer.read_gap + 1)
    first = operand * (layer.read_gap + 1)
    return feature_map(size, layer.processors, layer.in_channels, count, layer.in_offset, step=step, first=first)


def used_pixels(layer: Layer) -> Bytes:
    """Which pixels the pool in flight looks at; the rest are stepped over. All of them without a pool."""
    import numpy as np

    assert layer.in_dim
    if layer.pool is None or layer.pooled_dim is None or not layer.pool_first:
        return np.ones(pixels(layer.in_dim), bool)
    axes = []
    for size, pooled, window, stride, dilation in zip(
        layer.in_dim, layer.pooled_dim, layer.pool, layer.pool_stride, layer.pool_dilation, strict=True
    ):
        axis = np.zeros(size, bool)
        looked = np.arange(pooled)[:, None] * stride + np.arange(window)[None, :] * dilation
        axis[looked[looked < size]] = True
        axes.append(axis)
    return np.logical_and.outer(axes[0], axes[1]).ravel()
