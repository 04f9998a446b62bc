"""nncase 0.1 (rc5): the whole network becomes layers that its kmodel has, or the conversion stops.

The work is done as the compiler does it: read (``v01_importer``), rewritten by patterns (``v01_transforms``),
scheduled and placed (``v01_memory``), written (``v01_file``).
Source: nncase v0.1.0-rc5, the C# compiler; there is no package of it to measure.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from lintmodel.ir import Graph
from lintmodel.planning import Buffer, NotChecked, Placement, Plan, Pool, Step, Verdict
from lintmodel.target import Target

from ..runtime_support import fits, runtime_of
from .v01_convolutions import PADS
from .v01_file import model_bytes
from .v01_importer import Importer
from .v01_layers import REFUSED, Layer, Net
from .v01_memory import IN_PLACE, ROW, Memory, Placed, Schedule, order, schedule
from .v01_operators import importer
from .v01_reasons import reasons
from .v01_runtime import first_refused, without_code
from .v01_transforms import transforms

LAYERS = {
    "Add": "Add",
    "QuantizedAdd": "QuantizedAdd",
    "GlobalAveragePool": "GlobalAveragePool2D",
    "MaxPool2d": "MaxPool2D",
    "QuantizedMaxPool2d": "QuantizedMaxPool2D",
    "AveragePool2d": "AveragePool2D",
    "Quantize": "Quantize",
    "Dequantize": "Dequantize",
    "Requantize": "Requantize",
    "L2Normalization": "L2Normalization",
    "Softmax": "Softmax",
    "Concatenation": "Concat",
    "QuantizedConcatenation": "QuantizedConcat",
    "FullyConnected": "FullyConnected",
    "TensorflowFlatten": "TensorflowFlatten",
    "ResizeNearestNeighbor": "ResizeNearestNeighbor",
    "QuantizedResizeNearestNeighbor": "QuantizedResizeNearestNeighbor",
    "Logistic": "Logistic",
    "K210Conv2d": "Conv",
    "K210AddPadding": "AddPadding",
    "K210RemovePadding": "RemovePadding",
    "K210Upload": "Upload",
}
"""What the compiler can write, by the name of its class, as the kmodel's header calls it. Source: the classes with
the attribute LayerConverter; kendryte-standalone-sdk 02576ba, kpu.h."""
SILENT = frozenset({"InputLayer", "OutputLayer", "Reshape", *IN_PLACE})
"""Layers that leave nothing in the file."""
CONVERSIONS = frozenset({"Quantize", "Dequantize", "Requantize", "K210Upload"})
"""Layers that only bring a value from one unit to the other."""
TRIED, UNBOUNDED = 4, 1024
"""Where the KPU's memory overflows, how many times as much is tried to say how much would do, and what is enough for
any network."""
FORMATS = "Fatal: input-format"


def plan(graph: Graph, target: Target) -> Plan:
    """What the compiler makes of the network. Raises nothing for one it refuses."""
    reader = importer(graph, target)
    net = reader.run()
    read = graph.format == "tflite"
    if not read:
        net.refuse(None, "format-not-read", FORMATS, {"format": graph.format})
    net.rewrite(transforms(quantized=bool(target.options.get("ptq", True))))
    layers = net.layers()
    _left_over(net, layers)
    placements = _placements(graph, layers)
    if reader.left_out or net.refusals or not net.outputs:
        return _refused(net, reader, placements, read)
    placed = schedule(net, target.pools["kpu"].bytes or 0)
    if placed.failed:
        _overflow(net, placed, target)
        return _refused(net, reader, placements, read)
    written = [layer for layer in placed.order if layer.kind not in SILENT]
    memory = _memory(placed, written, len(net.outputs), target)
    steps = tuple(_steps(written, placed))
    return Plan(
        steps=steps,
        placements=placements,
        memory=memory,
        segments=_segments(written),
        verdict="miscompiled" if any(layer.ignored for layer in written) else "accepted",
        runtime="fails" if without_code(steps, target) or first_refused(steps, target) else runtime_of(3, target),
        fits="yes" if fits(memory["main"].peak, target) else "no",
        buffers=tuple(_buffer(found, placed) for found in placed.placed if found.pool),
    )


# ---- what the board's runtime makes of it


# ---- refusals


def _left_over(net: Net, layers: Iterable[Layer]) -> None:
    """Layers that no kmodel has. Padding before a convolution that is left over is not the cause."""
    for layer in layers:
        if layer.kind in LAYERS or layer.kind in SILENT or layer.kind == REFUSED:
            continue
        if layer.kind in PADS and any(_is_cause(reader) for reader, _ in layer.readers):
            continue
        message = f"Fatal: Layer {layer.kind} is not supported"
        if layer.kind in ("Conv2d", "DepthwiseConv2d"):
            for kind, details in reasons(layer):
                net.refuse(layer.origin[0], kind, message, details)
        else:
            net.refuse(layer.origin[0] if layer.origin else None, "layer-left-over", message, {"layer": layer.kind})


def _is_cause(reader: Layer) -> bool:
    return reader.kind in ("Conv2d", "DepthwiseConv2d", REFUSED)


def _refused(net: Net, reader: Importer, placements: dict[str, Placement], read: bool) -> Plan:
    why = "the conversion stops before it is known" if read else "it depends on the TFLite file the network becomes"
    notes = [NotChecked("memory", why)]
    if reader.left_out:
        notes.append(NotChecked("placement", "their shapes are not fixed", tuple(reader.left_out)))
    verdict: Verdict = "rejected" if net.refusals else "unknown"
    fits_not = any(refusal.kind == "kpu-memory-overflow" for refusal in net.refusals)
    known = [layer for layer in order(net) if layer.kind in LAYERS]
    return Plan(
        steps=tuple(_steps(known, Schedule(Memory()))),
        placements=placements,
        refusals=tuple(net.refusals),
        not_checked=tuple(notes),
        verdict=verdict,
        runtime="unknown",
        fits="no" if fits_not else "unknown",
    )


def _overflow(net: Net, placed: Schedule, target: Target) -> None:
    assert placed.failed is not None
    layer, error = placed.failed
    capacity = target.pools["kpu"].bytes or 0
    least = schedule(net, capacity * UNBOUNDED).kpu.most * ROW
    start = max(least, capacity)
    needed = next((size for size in range(start, TRIED * start, start // 32) if not schedule(net, size).failed), start)
    details = {
        "size": error.size * ROW,
        "free": error.free * ROW,
        "live": error.live * ROW,
        "least": least,
        "needed": needed,
    }
    node = next((found.origin[0] for found in (layer, *(r for r, _ in layer.readers)) if found.origin), None)
    net.refuse(node, "kpu-memory-overflow", "Fatal: KPU ran out of memory.", details)


# ---- placement


def _placements(graph: Graph, layers: Iterable[Layer]) -> dict[str, Placement]:
    """The node a layer stands for is where the layer runs; what was fused into it costs nothing."""
    units: dict[str, set[str]] = {}
    for layer in layers:
        if layer.kind not in LAYERS and layer.kind not in SILENT:
            for node in layer.origin:
                units.setdefault(node, set()).add("none")
        elif layer.origin and layer.kind in LAYERS and layer.kind not in CONVERSIONS:
            units.setdefault(layer.origin[0], set()).add(_unit(layer))
    return {node.name: _placement(units.get(node.name, set())) for node in graph.nodes}


def _placement(units: set[str]) -> Placement:
    if "none" in units:
        return Placement.UNSUPPORTED
    if not units:
        return Placement.FREE
    if units == {"kpu"}:
        return Placement.ACCELERATED
    return Placement.PARTIAL if "kpu" in units else Placement.FALLBACK


def _unit(layer: Layer) -> str:
    return "kpu" if layer.kind == "K210Conv2d" else "cpu"


# ---- steps and memory


def _steps(written: Iterable[Layer], placed: Schedule) -> Iterator[Step]:
    homes: dict[int, list[Placed]] = {}
    for found in placed.placed:
        homes.setdefault(id(found.layer), []).append(found)
    for layer in written:
        details: dict[str, object] = {"pool": layer.pool} if layer.pool else {}
        if layer.kind == "K210Conv2d" and layer.window:
            details |= {"kernel": layer.window.kernel, "depthwise": layer.depthwise, "map": layer.wants[0][2:]}
        if layer.ignored:
            details["ignored"] = layer.ignored
        if layer.shifted:
            details["shifted"] = True
        yield Step(
            unit=_unit(layer),
            op=LAYERS[layer.kind],
            nodes=layer.origin,
            reads=tuple(source.tensor for source in layer.inputs if source is not None),
            writes=tuple(_buffer(found, placed) for found in homes.get(id(layer), ())),
            shape=layer.dims,
            details=details,
        )


def _buffer(found: Placed, placed: Schedule) -> Buffer:
    death = found.death or len(placed.order)
    return Buffer(found.layer.tensor, found.size, found.pool or "data", found.birth, death, found.offset)


def _memory(placed: Schedule, written: list[Layer], outputs: int, target: Target) -> dict[str, Pool]:
    """The KPU's memory as its maps fill it at the worst moment. The compiler prints another number: the distance of
    the lowest address from the end, which its second allocation, from the beginning, makes 2 MiB."""
    at = placed.peak_at.origin[0] if placed.peak_at and placed.peak_at.origin else None
    parts = {"data": placed.main_bytes, "model": model_bytes(written, outputs)}
    return {
        "kpu": Pool(placed.kpu.most * ROW, target.pools["kpu"].bytes, at),
        **{name: Pool(size) for name, size in parts.items()},
        "main": Pool(sum(parts.values()), target.pools["main"].bytes, parts=parts),
    }


def _segments(written: Iterable[Layer]) -> int:
    """Runs of convolutions without anything between them."""
    found, before = 0, ""
    for layer in written:
        found += _unit(layer) == "kpu" and before != "kpu"
        before = _unit(layer)
    return found
