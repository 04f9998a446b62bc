"""Repairs of a description, for ``lintmodel fix``. Each is proven by the engine: the edited text is resolved, checked
and replayed again, and a repair after which more is wrong, or its own problem still there, is not proposed.

Safe are repairs that leave the network what it was. All others choose one of several ways to mend what the tool
refuses or the chip computes wrongly; whether it is the way that was meant, only the user knows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from lintmodel.fixing import ABSENT, Repair
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.target import Target

from .data_memory import called
from .edits import Change, edits, paths
from .memory_fixes import memory_fixes
from .network import Layer, Network, passes, processors_for
from .resolve import resolve
from .schema_values import OPERATOR_KEYS

_ONE = (1, 1)


def fixes(document: Document, plan: Plan, target: Target) -> Iterator[Repair]:
    """Every repair that can be thought of; of those with one ``problem``, the best first."""
    layers = document.values.get("layers")
    if not isinstance(layers, list) or not all(isinstance(layer, Mapping) for layer in layers):
        return
    network = resolve(document, target)
    if [layer.index for layer in network] != list(range(len(network))):
        return  # layers linked in another order
    for problem, rule, mends, node, text, changes in _unsafe(network, plan, target):
        made = edits(document, changes)
        if made:
            key = network.layers[node].key(_key_of(node, changes))
            yield Repair(rule, "unsafe", text, key, made, paths(changes), mends, problem)
    for rule, layer, text, change in _safe(network):
        made = edits(document, (change,))
        if made:
            yield Repair(rule, "safe", text, layer.key(change[1]), made, paths((change,)))


def same(before: Document, after: Document, target: Target) -> bool:
    """Two descriptions are one network, with the same numbers everywhere."""
    return _bare(resolve(before, target)) == _bare(resolve(after, target))


def _bare(network: Network) -> list[Layer]:
    """Layers without the words they were written in, and without a flatten that does nothing."""
    return [
        replace(layer, keys={}, flatten=layer.flatten and (layer.pooled_dim or layer.in_dim) != _ONE)
        for layer in network
    ]


def _key_of(node: int, changes: Sequence[Change]) -> str | None:
    return next((key for layer, key, *_ in changes if layer == node), None)


# ---- what leaves the network as it is


def _safe(network: Network) -> Iterator[tuple[str, Layer, str, Change]]:
    for layer in network:
        index, keys = layer.index, layer.keys
        if "out_offset" not in keys:
            text = f"0x{layer.out_offset:04x}"
            yield "AIX521", layer, f"out_offset: {text} written out", (index, "out_offset", layer.out_offset, text)
        if not any(key in keys for key in OPERATOR_KEYS):
            yield "AIX522", layer, "op: conv2d written out", (index, "op", "conv2d", "conv2d")
        pool = "max_pool" if "max_pool" in keys else "avg_pool"
        if pool in keys and "pool_stride" not in keys and keys[pool] not in (1, [1, 1]):
            yield "AIX524", layer, "pool_stride: 1 written out", (index, "pool_stride", 1, "1")
        if keys.get("flatten") is True and (layer.pooled_dim or layer.in_dim) == _ONE:
            yield "AIX574", layer, "flatten taken away, it does nothing on one pixel", (index, "flatten", ABSENT, "")


# ---- what chooses


Proposal = tuple[str, str, str, int, str, tuple[Change, ...]]
"""Problem, code of the rule, kind of refusal, layer, what is done, changes."""


def _unsafe(network: Network, plan: Plan, target: Target) -> Iterator[Proposal]:
    yield from memory_fixes(network, plan, target)
    names = {layer.name: layer for layer in network}
    for refusal in plan.refusals:
        layer = names.get(refusal.node or "")
        if layer is None:
            continue
        if refusal.kind == "pad-not-below-kernel" and layer.kernel == _ONE and "pad" not in layer.keys:
            text = "pad: 0 for the 1x1 kernel; without it pad is 1"
            yield f"pad {layer.index}", "AIX102", refusal.kind, layer.index, text, ((layer.index, "pad", 0, "0"),)
        elif refusal.kind == "pad-without-convolution" and "pad" in layer.keys:
            text = "pad: 0, as nothing is padded without a convolution"
            yield f"pad {layer.index}", "AIX102", refusal.kind, layer.index, text, ((layer.index, "pad", 0, "0"),)
        elif refusal.kind == "processor-count" and layer.in_channels:
            yield from _input_masks(network, layer)
        elif refusal.kind == "input-channels" and layer.weight_shape is None and "in_channels" not in layer.keys:
            yield from _source_mask(network, layer)
        elif refusal.kind == "output-processor-count" and layer.out_channels:
            yield from _output_masks(network, layer)


def mask_text(mask: int) -> str:
    return f"0x{mask:016x}"


def _input_masks(network: Network, layer: Layer) -> Iterator[Proposal]:
    """The processors that the source writes to, else as many as are needed from where they begin now."""
    channels = layer.in_channels or 0
    wanted = processors_for(channels)
    sources = [network.layers[source] for source in layer.sources if 0 <= source < len(network)]
    together = 0
    for source in sources:
        together |= (source.output_processors or 0) if "output_processors" in source.keys else 0
    for mask in dict.fromkeys((together, *_placed(layer.processors, wanted))):
        if mask.bit_count() != wanted or (layer.chw and mask.bit_count() > 1):
            continue
        text = f"processors: {mask_text(mask)}, {wanted} for {channels} channels" + _in_passes(channels)
        own: Change = (layer.index, "processors", mask, mask_text(mask))
        yield f"in {layer.index}", "AIX211", "processor-count", layer.index, text, (own,)
        if len(sources) == 1 and "output_processors" in sources[0].keys:
            both = (own, (sources[0].index, "output_processors", mask, mask_text(mask)))
            text += f", and output_processors of {called(network, sources[0].index)} the same"
            yield f"in {layer.index}", "AIX211", "processor-count", layer.index, text, both


def _source_mask(network: Network, layer: Layer) -> Iterator[Proposal]:
    """The number of processors stands for that of channels where nothing else says it."""
    sources = [network.layers[source] for source in layer.sources if 0 <= source < len(network)]
    mask = sources[0].output_processors if len(sources) == 1 else None
    if mask and mask != layer.processors:
        text = f"processors: {mask_text(mask)}, those that {called(network, sources[0].index)} writes to"
        own: Change = (layer.index, "processors", mask, mask_text(mask))
        yield f"in {layer.index}", "AIX201", "input-channels", layer.index, text, (own,)


def _output_masks(network: Network, layer: Layer) -> Iterator[Proposal]:
    """The processors that the readers read, else as many as are needed from where they begin now."""
    channels = layer.out_channels or 0
    wanted = processors_for(channels)
    readers = [other for other in network if layer.index in other.sources]
    for mask in dict.fromkeys((*(r.processors for r in readers), *_placed(layer.output_processors or 0, wanted))):
        if mask.bit_count() != wanted:
            continue
        text = f"output_processors: {mask_text(mask)}, {wanted} for {channels} channels" + _in_passes(channels)
        own: Change = (layer.index, "output_processors", mask, mask_text(mask))
        yield f"out {layer.index}", "AIX211", "output-processor-count", layer.index, text, (own,)
        theirs = tuple((r.index, "processors", mask, mask_text(mask)) for r in readers if r.processors != mask)
        if theirs:
            text += ", and processors of the layers that read it the same"
            yield f"out {layer.index}", "AIX211", "output-processor-count", layer.index, text, (own, *theirs)


def _placed(mask: int, wanted: int) -> Iterator[int]:
    """So many processors side by side from the lowest of a mask on, or from 0."""
    lowest = (mask & -mask).bit_length() - 1 if mask else 0
    for start in (lowest, 0):
        if start + wanted <= 64:
            yield (1 << wanted) - 1 << start


def _in_passes(channels: int) -> str:
    return f" in {passes(channels)} passes" if passes(channels) > 1 else ""
