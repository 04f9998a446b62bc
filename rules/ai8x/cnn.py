"""What becomes of a plain network on the ai8x CNN accelerator.

The vendor's tool takes no network file: somebody describes the network to it, layer by layer. So the plan is that of
the best description there is: every operator as a layer of its own or folded into one, with 8-bit weights. What has
no form is refused here, with the tool's own message where it has one.
"""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.ir import Graph
from lintmodel.planning import Buffer, Fits, Placement, Plan, Pool, Refusal, Step
from lintmodel.target import Target

from .cnn_layers import CnnLayer, Lowered, bias_bytes, instance_bytes, kernel_words
from .lowering import lower
from .network import passes

STREAMS = frozenset({"conv2d", "conv1d", "convtranspose2d", "passthrough"})
"""Operations that a layer can do while its input is still coming in."""


def plan(graph: Graph, target: Target) -> Plan:
    """Raises nothing for a network that has no form on the chip."""
    found = lower(graph, target)
    streaming = streaming_layers(found, target)
    refusals = (*found.refusals, *refused_by_limits(found, target, streaming))
    placements = dict(found.placements)
    for refusal in refusals:
        if refusal.node is not None and refusal.kind in _UNSUPPORTED:
            placements[refusal.node] = Placement.UNSUPPORTED
    too_big = any(refusal.kind in _TOO_BIG for refusal in refusals)
    return Plan(
        steps=tuple(_step(layer, streams=index in streaming) for index, layer in enumerate(found.layers)),
        placements=placements,
        refusals=refusals,
        memory=_memory(found, target),
        not_checked=tuple(found.not_checked),
        verdict="rejected" if refusals else "unknown" if found.not_checked else "accepted",
        fits="no" if too_big else _fits(found, target, streaming, refused=bool(refusals)),
    )


_UNSUPPORTED = frozenset({"cnn-wide-pool", "cnn-map-size", "cnn-data-memory"})
_TOO_BIG = frozenset({"cnn-data-memory", "cnn-kernel-memory", "cnn-bias-memory"})


def refused_by_limits(found: Lowered, target: Target, streaming: frozenset[int]) -> Iterator[Refusal]:
    """What is wrong with layers that have a form: sizes and numbers."""
    yield from _count(found, target)
    for index, layer in enumerate(found.layers):
        yield from _sizes(layer, target)
        if index in streaming and not _can_stream(found, index, target):
            source, result = instance_bytes(layer.source), instance_bytes(layer.result)
            details = {
                "bytes": max(source, result),
                "capacity": target.limit("data_instance_bytes"),
                "output": result > source,
                "size": (layer.result if result > source else layer.source)[1:],
            }
            yield Refusal("cnn-data-memory", layer.name, None, details)
    yield from _weights(found, target)
    yield from _bias(found, target)


def _count(found: Lowered, target: Target) -> Iterator[Refusal]:
    most = target.limit("max_layers")
    if len(found.layers) > most:
        message = f"This device supports up to {most} layers (found in layer sequence {most} in YAML configuration)."
        details = {"layers": len(found.layers), "most": most}
        yield Refusal("cnn-layers", found.layers[most].name, message, details)


def _sizes(layer: CnnLayer, target: Target) -> Iterator[Refusal]:
    channels, height, width = layer.source
    count, most = passes(channels), target.limit("max_pool_passes")
    if layer.op == "passthrough" and layer.pool and count > most and layer.result[1:] != (1, 1):
        details = {"channels": channels, "most": 64 * most}
        yield Refusal("cnn-wide-pool", layer.name, "Pooling in a pass-through layer with multiple passes.", details)
    longest = target.limit("max_row_col")
    if max(height, width, *layer.result[1:]) + 2 * layer.pad > longest:
        details = {"size": (height, width), "output": layer.result[1:], "pad": layer.pad, "most": longest}
        yield Refusal("cnn-map-size", layer.name, None, details)
    elif height * width * count >= target.limit("frame_size_limit"):
        details = {"size": (height, width), "channels": channels, "pixels": height * width * count}
        yield Refusal("cnn-map-size", layer.name, None, {**details, "most_pixels": target.limit("frame_size_limit")})


def _weights(found: Lowered, target: Target) -> Iterator[Refusal]:
    total, capacity = sum(layer.weights for layer in found.layers), target.pools["weights"].bytes or 0
    if total <= capacity:
        return
    most = max(found.layers, key=lambda layer: layer.weights)
    bits = [bits for bits in target.limit("weight_bits") if total * bits / 8 <= capacity]
    message = "Kernel memory exhausted"
    details = {"bytes": total, "capacity": capacity, "most": most.weights, "bits": max(bits, default=0)}
    yield Refusal("cnn-kernel-memory", most.name, message, details)


def _bias(found: Lowered, target: Target) -> Iterator[Refusal]:
    quadrant, total = target.limit("bias_bytes_per_quadrant"), target.pools["bias"].bytes or 0
    for layer in found.layers:
        if bias_bytes(layer) > quadrant:
            details = {"bytes": bias_bytes(layer), "capacity": quadrant}
            yield Refusal("cnn-bias-memory", layer.name, "bias memory capacity exhausted", details)
    everything = sum(map(bias_bytes, found.layers))
    if everything > total:
        details = {"bytes": everything, "capacity": total, "all": True}
        yield Refusal("cnn-bias-memory", None, "bias memory capacity exhausted", details)


# ---- data memory


def streaming_layers(found: Lowered, target: Target) -> frozenset[int]:
    """Indexes of layers that cannot keep a whole map in the data memory, and of all before them."""
    capacity = target.limit("data_instance_bytes")
    last = -1
    for index, layer in enumerate(found.layers):
        source = instance_bytes(layer.source) * layer.operands
        if index == 0 and is_chw(found, target):
            source = instance_bytes(layer.source, chw=True)
        if source > capacity or instance_bytes(layer.result) > capacity:
            last = index
    return frozenset(range(last + 1))


def is_chw(found: Lowered, target: Target) -> bool:
    """The input fits into the data memory only as whole planes, one in every data memory instance."""
    shape = found.maps.get(found.inputs[0]) if found.inputs else None
    capacity = target.limit("data_instance_bytes")
    if shape is None or instance_bytes(shape) <= capacity or len(found.readers(found.inputs[0])) != 1:
        return False
    return shape[0] <= int(target.limit("data_instances")) and instance_bytes(shape, chw=True) <= int(capacity)


def _can_stream(found: Lowered, index: int, target: Target) -> bool:
    layer = found.layers[index]
    passthrough = layer.op == "passthrough" and not target.limit("streaming_passthrough")
    # A layer that streams reads the layer just before it, and nothing else reads that.
    before = found.inputs[:1] if index == 0 else (found.layers[index - 1].writes,)
    chained = layer.reads == before and len(found.readers(before[0])) == 1 if before else False
    chained = chained and layer.eltwise == "none" and layer.op in STREAMS and not passthrough
    fifo = index > 0 or layer.source[0] <= target.limit("max_fifo_hwc_channels")
    return bool(chained and fifo and index < target.limit("max_streaming_layers"))


# ---- figures


def _step(layer: CnnLayer, *, streams: bool) -> Step:
    alone = layer.op == "passthrough" and layer.eltwise != "none"
    details = {"kernel_words": kernel_words(layer)} if layer.weighted else {}
    return Step(
        unit="cnn",
        op=layer.eltwise if alone else layer.op,
        nodes=tuple(dict.fromkeys(layer.nodes)),
        reads=layer.reads,
        writes=(Buffer(layer.writes, instance_bytes(layer.result), "data"),),
        shape=layer.result,
        details={**details, **({"streaming": True} if streams else {})},
    )


def _memory(found: Lowered, target: Target) -> dict[str, Pool]:
    if not found.layers:
        return {}
    weights, bias = target.pools["weights"].bytes, target.pools["bias"].bytes
    largest = max(found.layers, key=lambda layer: instance_bytes(layer.result))
    return {
        "data": Pool(instance_bytes(largest.result), target.limit("data_instance_bytes"), largest.name),
        "weights": Pool(sum(layer.weights for layer in found.layers), weights),
        "bias": Pool(sum(map(bias_bytes, found.layers)), bias),
    }


def _fits(found: Lowered, target: Target, streaming: frozenset[int], *, refused: bool) -> Fits:
    """Yes when a place was found for everything; that none was found does not say that there is none."""
    if refused or found.not_checked or streaming or not found.layers:
        return "unknown"
    from .placing import CannotPlace, place

    try:
        place(found, target)
    except CannotPlace:
        return "unknown"
    return "yes"
