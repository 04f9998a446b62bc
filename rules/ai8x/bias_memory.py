"""Bias memory: which quadrant holds each layer's bias, and how full the quadrants are.

A layer's bias lies in one quadrant, the emptiest at that moment, the largest layers first; a depthwise layer's lies
in the quadrants of its own channels. Source: izer/kbias.py, load(); measured.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lintmodel.planning import Refusal
from lintmodel.target import Target

from .network import Layer, Network, passes
from .wording import problem

_QUADRANTS = 4
_QUADRANT = 16
"""Processors of a quadrant."""


@dataclass(frozen=True, slots=True)
class BiasMemory:
    used: tuple[int, ...]
    """Bytes of every quadrant."""
    refused: tuple[Refusal, ...]


def bias_memory(network: Network, target: Target) -> BiasMemory:
    """Where the biases go. Biases that are all zero take nothing."""
    used = [0] * _QUADRANTS
    refused: list[Refusal] = []
    biased = [layer for layer in network if _stored(layer) and "weight_source" not in layer.keys]
    for layer in biased:
        if layer.groups > 1:
            _place_depthwise(layer, used)
    groups = quadrants_used(network)
    regular = [layer for layer in biased if layer.groups == 1]
    limit = int(target.limit("bias_bytes_per_quadrant"))
    for layer in sorted(regular, key=lambda found: _rank(found, groups, target)):
        size = bias_bytes(layer, target)
        allowed = own_quadrants(layer) or groups
        best = min(allowed, key=lambda quadrant: used[quadrant])
        if used[best] + size > limit:
            refused.append(_exhausted(layer, allowed, used, size, best, limit))
            continue
        used[best] += size
    for quadrant, taken in enumerate(used):
        if taken > limit and not refused:
            layer = next(found for found in biased if found.groups > 1)
            message = f"{layer.prefix}Bias memory capacity for group {quadrant} exhausted, used so far: {limit}."
            says = f"the biases of depthwise layers take {taken:,} bytes of quadrant {quadrant}, which has {limit:,}"
            refused.append(problem("bias-memory-exhausted", layer.key(), says, message, layer.name))
    return BiasMemory(tuple(used), tuple(refused))


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    yield from bias_memory(network, target).refused
    for layer in network:
        if layer.bias_count is not None and layer.weighted and layer.out_channels not in (None, layer.bias_count):
            said = (
                f"{layer.prefix}Output channel count {layer.out_channels} does not match the number of bias values "
                f"{layer.bias_count}."
            )
            says = f"{layer.out_channels} output channels and {layer.bias_count} bias values"
            yield problem("bias-count-mismatch", layer.key("out_channels"), says, said, layer.name)


def bias_bytes(layer: Layer, target: Target) -> int:
    """Of a layer that is not depthwise."""
    channels, mask = layer.out_channels or 0, layer.output_processors or 1
    first = (mask & -mask).bit_length() - 1
    extra = layer.index == 0 and layer.streaming and not target.limit("streaming_bias_reliable")
    return channels + first % 4 * passes(channels) + extra


def quadrants_used(network: Network) -> list[int]:
    """Quadrants with a processor that some layer, or the output of the last, uses."""
    mask = 0
    for layer in network:
        mask |= layer.processors
    if len(network):
        mask |= network.layers[-1].output_processors or 0
    return [quadrant for quadrant in range(_QUADRANTS) if mask >> quadrant * _QUADRANT & 0xFFFF]


def own_quadrants(layer: Layer) -> list[int]:
    """``bias_quadrant``, as a list; empty where it is not given."""
    value = layer.keys.get("bias_quadrant", layer.keys.get("bias_group"))
    items = value if isinstance(value, list) else [value]
    return [item for item in items if isinstance(item, int) and 0 <= item < _QUADRANTS]


def _stored(layer: Layer) -> bool:
    return layer.has_bias and layer.weighted and bool(layer.out_channels and layer.processors)


def _rank(layer: Layer, groups: list[int], target: Target) -> int:
    """What is placed first: with flatten where the device asks for it, then what has no choice, then by size."""
    if target.limit("flatten_bias_first") and layer.flatten:
        return -1
    if len(own_quadrants(layer) or groups) == 1:
        return 0
    return int(target.limit("bias_bytes_per_quadrant")) - bias_bytes(layer, target)


def _place_depthwise(layer: Layer, used: list[int]) -> None:
    """A byte per pass for every processor between the first and the last of each quadrant."""
    mask, turns = layer.processors, passes(layer.out_channels or 1)
    broadcast = mask == layer.output_processors
    quadrants = [q for q in range(_QUADRANTS) if mask >> q * _QUADRANT & 0xFFFF]
    for quadrant in quadrants:
        part = mask >> quadrant * _QUADRANT & 0xFFFF
        first = 0 if broadcast or len(quadrants) > 1 else (part & -part).bit_length() - 1
        if broadcast:
            used[quadrant] = (used[quadrant] + 3) & ~3
        used[quadrant] += (_highest(part, broadcast) - first) * turns


def _highest(part: int, broadcast: bool) -> int:
    """One past the last place in a quadrant's bias memory. In broadcast mode, where four processors with the same
    place in their memory instance stand side by side."""
    if not broadcast:
        return part.bit_length()
    places = [(bit % 4) * 4 + bit // 4 for bit in range(_QUADRANT) if part >> bit & 1]
    return max(places) + 1


def _exhausted(layer: Layer, groups: list[int], used: list[int], size: int, best: int, limit: int) -> Refusal:
    message = (
        f"{layer.prefix}bias memory capacity exhausted - available groups: {groups}, used so far: {used}, "
        f"needed: {size} bytes, best available: group {best} with {limit - used[best]} bytes available."
    )
    free = limit - used[best]
    says = f"the bias takes {size:,} bytes of one quadrant; the emptiest, {best}, has {free:,} of {limit:,} left"
    return problem("bias-memory-exhausted", layer.key(), says, message, layer.name, bytes=size, limit=limit)
