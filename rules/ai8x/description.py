"""What izer makes of a description: a step for every layer, four memories, everything it refuses, and a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from lintmodel.ir import Document
from lintmodel.planning import Buffer, NotChecked, Plan, Pool, Refusal, Step
from lintmodel.planning.plan import Fits, Verdict
from lintmodel.target import Target

from . import (
    bias_memory,
    channel_masks,
    checkpoint_fit,
    hardware,
    kernel_memory,
    schema,
    shapes,
    streaming,
    streaming_buffers,
)
from .data_memory import data_memory
from .network import INPUT, Layer, Network, passes, set_bits
from .resolve import resolve

Axis = Literal["in", "out"]
_FULL = ("input-too-large", "output-too-large", "kernel-memory-exhausted", "bias-memory-exhausted")
"""Refusals that say that a memory is too small."""


def check_document(document: Document, target: Target) -> Plan:
    """The plan of a network description. All refusals, not only the first that izer would stop at."""
    network = resolve(document, target)
    words = kernel_memory.kernel_memory(network, target)
    biases = bias_memory.bias_memory(network, target)
    refused: list[Refusal] = [*schema.refusals(document, target), *checkpoint_fit.refusals(network, document, target)]
    for module in (shapes, hardware, channel_masks, streaming, streaming_buffers, kernel_memory, bias_memory):
        refused += module.refusals(network, target)
    placed, unplaced = data_memory(network, target)
    refused += placed
    return Plan(
        steps=tuple(_step(layer, words, network) for layer in network),
        refusals=tuple(refused),
        memory=_pools(network, words, biases, target),
        not_checked=(*_not_checked(network), *unplaced),
        verdict=_verdict(refused, network),
        fits=_fits(refused, network),
        facts=tuple(_facts(network)),
    )


def _verdict(refused: Sequence[Refusal], network: Network) -> Verdict:
    wrong = [refusal for refusal in refused if refusal.details.get("grade") == "miscompiles"]
    if len(wrong) < len(refused):
        return "rejected"
    if wrong:
        return "miscompiled"
    return "accepted" if network.known and not network.unknown else "unknown"


def _fits(refused: Sequence[Refusal], network: Network) -> Fits:
    if any(refusal.kind in _FULL for refusal in refused):
        return "no"
    return "yes" if network.known and not network.unknown else "unknown"


def _not_checked(network: Network) -> Iterator[NotChecked]:
    """What could not be said, once for each reason."""
    for why in network.unknown:
        what = "data memory and dimensions" if "shape" in why else "kernel memory, bias memory and channels"
        names = tuple(layer.name for layer in network if "shape" in why or layer.weighted)
        yield NotChecked(what, why, names)
    open_layers = tuple(layer.name for layer in network if not layer.out_dim or not layer.out_channels)
    if open_layers and not network.unknown:
        why = "their channels or dimensions do not follow from what is before them"
        yield NotChecked("memory and limits of layers", why, open_layers)


def _facts(network: Network) -> Iterator[tuple[str, str]]:
    streamed = sum(layer.streaming for layer in network)
    if streamed:
        yield "streaming layers", str(streamed)
    if network.args:
        yield "izer's options", " ".join(network.args)


# ---- steps


def _step(layer: Layer, words: kernel_memory.KernelMemory, network: Network) -> Step:
    names = {other.index: other.name for other in network}
    readers = [other.index for other in network if layer.index in other.sources]
    writes: tuple[Buffer, ...] = ()
    shape: tuple[int, ...] = ()
    if layer.out_channels and layer.out_dim:
        shape = (layer.out_channels, *layer.out_dim)
        size = extent(layer, "out")
        writes = (Buffer(layer.name, size, "data", layer.index, max([layer.index, *readers]) + 1, layer.out_offset),)
    details = {
        "kernel_words": words.words.get(layer.index, 0),
        "kernel_offset": words.offsets.get(layer.index),
        "weight_bytes": words.bytes.get(layer.index, 0),
    }
    reads = tuple(names.get(source, "input") for source in layer.sources)
    return Step("cnn", layer.op, (layer.name,), reads, writes, shape, details)


# ---- memories


def extent(layer: Layer, side: Axis) -> int:
    """Bytes in every memory instance that the layer's input or output uses; 0 where they are not known."""
    if side == "in":
        if not layer.in_channels or not layer.in_dim or layer.streaming:
            return 0
        pixels = layer.in_dim[0] * layer.in_dim[1]
        return pixels * passes(layer.in_channels) * layer.operands * (1 if layer.chw else 4)
    if not layer.out_channels or not layer.out_dim or min(layer.out_dim) < 1:
        return 0
    pixels = layer.out_dim[0] * layer.out_dim[1]
    return pixels * passes(layer.out_channels) * 4 * layer.output_width // 8 * (layer.write_gap + 1)


def _pools(
    network: Network, words: kernel_memory.KernelMemory, biases: bias_memory.BiasMemory, target: Target
) -> dict[str, Pool]:
    found = {"data": _data(network, target)}
    if not any("checkpoint" in why for why in network.unknown):
        found["kernel"] = _kernel(network, words, target)
        found["weights"] = Pool(sum(words.bytes.values()), target.pools["weights"].bytes)
        worst = max(range(len(biases.used)), key=lambda quadrant: biases.used[quadrant])
        parts = {f"quadrant {quadrant}": used for quadrant, used in enumerate(biases.used)}
        found["bias"] = Pool(biases.used[worst], int(target.limit("bias_bytes_per_quadrant")), parts=parts)
    return found


def _data(network: Network, target: Target) -> Pool:
    """Where the highest byte of every memory instance lies that some layer uses."""
    parts: dict[int, int] = {}
    at: str | None = None
    for layer in network:
        sides = [(layer.processors, layer.in_offset, extent(layer, "in"))]
        if not _streams_on(layer, network):
            sides.append((layer.output_processors or 0, layer.out_offset, extent(layer, "out")))
        for mask, offset, size in sides:
            for instance in {processor // 4 for processor in set_bits(mask)} if size else ():
                if offset + size > max(parts.values(), default=0):
                    at = layer.name
                parts[instance] = max(parts.get(instance, 0), offset + size)
    named = {f"instance {instance}": parts[instance] for instance in sorted(parts)}
    return Pool(max(parts.values(), default=0), int(target.limit("data_instance_bytes")), at, named)


def _streams_on(layer: Layer, network: Network) -> bool:
    """The output goes to the next layer as it is made, and is never whole in memory."""
    return any(INPUT < layer.index == other.index - 1 and other.streaming for other in network)


def _kernel(network: Network, words: kernel_memory.KernelMemory, target: Target) -> Pool:
    """Words used of every processor; the fullest one stands for all."""
    used = {processor: count for processor, count in enumerate(words.used) if count}
    if not used:
        return Pool(0, int(target.limit("kernel_words")))
    worst = max(used, key=lambda processor: used[processor] / kernel_memory.capacity(processor, target))
    last = next((layer.name for layer in reversed(network.layers) if layer.processors >> worst & 1), None)
    parts = {f"processor {processor}": count for processor, count in used.items()}
    return Pool(used[worst], kernel_memory.capacity(worst, target), last, parts)
