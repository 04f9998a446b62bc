"""Which processors every layer uses and where its output lies, so that a network needs no streaming.

Processors: what lies in a data memory is read by the processors it belongs to, so a map fixes the mask of all layers
that read it. Maps that must share a mask (what goes into a sum, in and out of a layer without weights or a depthwise
one) or lie side by side (the parts of a concatenation) form a group, and every group takes the processors whose
kernel memories are emptiest. Offsets: every map goes to the lowest place that is free while it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from lintmodel.target import Target

from .cnn import is_chw
from .cnn_layers import CnnLayer, Lowered, instance_bytes
from .copies import with_copies
from .masks import Groups
from .network import Layer, Network, set_bits

ALIGN = 16
"""Of offsets, in bytes; the chip wants 4."""


class CannotPlace(Exception):
    """The network cannot be described. ``layer`` is the one where it stops, ``advice`` what to change."""

    def __init__(self, layer: str, problem: str, advice: str) -> None:
        super().__init__(f"layer '{layer}': {problem}; {advice}")
        self.layer = layer


@dataclass(frozen=True)
class Placed:
    """Everything that a description says besides the network itself."""

    layers: tuple[CnnLayer, ...]
    masks: Mapping[str, int]
    """Processors of every tensor."""
    offsets: Mapping[str, int]
    """Where every tensor begins, in bytes from the start of its data memories."""
    gaps: Mapping[str, int]
    """Words left free behind every word of a tensor."""
    concats: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    chw: bool = False

    def index(self, tensor: str) -> int:
        """Of the layer that writes it; -1 for the input."""
        return next((k for k, layer in enumerate(self.layers) if layer.writes == tensor), -1)


def place(found: Lowered, target: Target) -> Placed:
    """Masks and offsets. Raises CannotPlace."""
    layers = with_copies(found)
    most = target.limit("max_layers")
    if len(layers) > most:
        problem = f"the description would have {len(layers)} layers, copies for sums included, and the chip has {most}"
        raise CannotPlace(layers[most].name, problem, "leave out layers or sums")
    chw = is_chw(found, target)
    tensors = {**found.maps, **{layer.writes: layer.result for layer in layers}}
    groups = Groups(layers, found, tensors, chw=chw)
    if groups.problem:
        raise CannotPlace(*groups.problem)
    gaps = {name: layer.operands - 1 for layer in layers if layer.eltwise != "none" for name in layer.reads}
    first: CannotPlace | None = None
    for masks in groups.assignments(target):
        try:
            _kernels(layers, masks, target)
            offsets = _offsets(layers, found, masks, tensors, target, chw=chw)
        except CannotPlace as error:
            first = first or error
            continue
        return Placed(tuple(layers), masks, offsets, gaps, found.concats, found.outputs, chw)
    assert first is not None
    raise first


# ---- kernel memory


def _kernels(layers: Sequence[CnnLayer], masks: Mapping[str, int], target: Target) -> None:
    """Raises CannotPlace when a layer finds no room in the kernel memory."""
    from .kernel_memory import kernel_memory

    full = kernel_memory(Network(tuple(_resolved(layers, masks))), target).exhausted
    if full:
        largest = max(layers, key=lambda layer: layer.weights)
        advice = f"quantise '{largest.name}', which has most of the weights, to 4 bits, or give it fewer channels"
        problem = "its weights find no room beside the others' in the kernel memory"
        raise CannotPlace(full[0].layer.name, problem, advice)


def _resolved(layers: Sequence[CnnLayer], masks: Mapping[str, int]) -> Iterator[Layer]:
    """The layers as kernel memory sees them."""
    for index, layer in enumerate(layers):
        channels, height, width = layer.source
        yield Layer(
            index,
            layer.name,
            layer.op,
            in_channels=channels,
            out_channels=layer.result[0],
            in_dim=(height, width),
            pooled_dim=(height, width),
            out_dim=layer.result[1:],
            kernel=layer.kernel,
            dilation=(layer.dilation, 1),
            groups=layer.groups,
            flatten=layer.flatten,
            processors=masks[layer.reads[0]],
            output_processors=masks[layer.writes],
            weight_shape=weight_shape(layer) if layer.weighted else None,
        )


def weight_shape(layer: CnnLayer) -> tuple[int, ...]:
    """Of the layer's tensor in a checkpoint."""
    channels, height, width = layer.source
    if layer.op == "linear":
        return layer.result[0], channels * height * width
    if layer.op == "convtranspose2d":
        return channels, layer.result[0], *layer.kernel
    kernel = layer.kernel[:1] if layer.op == "conv1d" else layer.kernel
    return layer.result[0], channels // layer.groups, *kernel


# ---- data memory


@dataclass
class _Room:
    """Tensors that lie in one place: a map, interleaved operands, or the parts of a concatenation."""

    tensors: dict[str, int]
    """With the distance from the room's start, in bytes."""
    bytes: int
    instances: frozenset[int]
    birth: int
    death: int
    """First and last layer that uses it, both included; the input is there before layer 0."""
    offset: int = 0

    def meets(self, other: _Room) -> bool:
        at_once = self.birth <= other.death and other.birth <= self.death
        return at_once and not self.instances.isdisjoint(other.instances)


def _offsets(
    layers: Sequence[CnnLayer],
    found: Lowered,
    masks: Mapping[str, int],
    tensors: Mapping[str, tuple[int, int, int]],
    target: Target,
    *,
    chw: bool,
) -> dict[str, int]:
    capacity = int(target.limit("data_instance_bytes"))
    rooms = list(_rooms(layers, found, masks, tensors, chw=chw))
    fixed = [room for room in rooms if room.birth < 0]
    orders = (lambda room: (room.birth, -room.bytes), lambda room: (-room.bytes, room.birth))
    for order in orders:
        laid: list[_Room] = []
        for room in [*fixed, *sorted((r for r in rooms if r.birth >= 0), key=order)]:
            room.offset = _lowest(room, laid)
            laid.append(room)
        over = [room for room in laid if room.offset + room.bytes > capacity]
        if not over:
            return {name: room.offset + shift for room in laid for name, shift in room.tensors.items()}
    worst = min(over, key=lambda room: room.birth)
    name = layers[max(worst.birth, 0)].name
    if worst.bytes > capacity:
        problem = f"a map takes {worst.bytes:,} bytes of every data memory instance, which has {capacity:,}"
    else:
        problem = f"the maps that are needed at once take more than the {capacity:,} bytes of a data memory instance"
    raise CannotPlace(name, problem, "make the input smaller or pool earlier (streaming is not generated)")


def _lowest(room: _Room, laid: Sequence[_Room]) -> int:
    offset = 0
    for other in sorted((other for other in laid if room.meets(other)), key=lambda other: other.offset):
        if offset + room.bytes > other.offset and other.offset + other.bytes > offset:
            offset = -(-(other.offset + other.bytes) // ALIGN) * ALIGN
    return offset


def _rooms(
    layers: Sequence[CnnLayer],
    found: Lowered,
    masks: Mapping[str, int],
    tensors: Mapping[str, tuple[int, int, int]],
    *,
    chw: bool,
) -> Iterator[_Room]:
    written = {layer.writes: index for index, layer in enumerate(layers)}
    bundles: list[list[str]] = [[name] for name in (*found.inputs, *written)]
    interleaved: dict[str, int] = {}
    for layer in layers:
        if layer.eltwise != "none":
            bundles = [b for b in bundles if b[0] not in layer.reads] + [list(layer.reads)]
            interleaved |= {name: number for number, name in enumerate(layer.reads)}
    for parts in found.concats.values():
        joined = [b for b in bundles if not set(b).isdisjoint(parts)]
        bundles = [b for b in bundles if b not in joined] + [list(dict.fromkeys(n for b in joined for n in b))]
    for names in bundles:
        last = [_last_use(name, layers, found) for name in names]
        mask = 0
        for name in names:
            mask |= masks[name]
        sizes = [instance_bytes(tensors[name], chw=chw and name in found.inputs) for name in names]
        together = names[0] in interleaved
        yield _Room(
            {name: 4 * interleaved.get(name, 0) for name in names},
            sum(sizes) if together else max(sizes),
            frozenset(bit // 4 for bit in set_bits(mask)),
            min(written.get(name, -1) for name in names),
            max(last),
        )


def _last_use(name: str, layers: Sequence[CnnLayer], found: Lowered) -> int:
    if name in found.outputs or any(name in found.concats.get(out, ()) for out in found.outputs):
        return len(layers)
    names = {name, *(concat for concat, parts in found.concats.items() if name in parts)}
    written = next((index for index, layer in enumerate(layers) if layer.writes == name), 0)
    return max((index for index, layer in enumerate(layers) if names.intersection(layer.reads)), default=written)
