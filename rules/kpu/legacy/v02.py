"""nncase 0.2 (beta4): what the KPU cannot do runs on the CPU, and the only word about it is a warning that may name
the wrong cause.

Source: nncase v0.2.0-beta4, src; there is no package to measure with.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lintmodel.ir import Graph, unique_names
from lintmodel.planning import Buffer, NotChecked, Placement, Plan, Pool, Refusal, Step
from lintmodel.planning.plan import Fits, Verdict
from lintmodel.target import Target

from ..compiler.program import Op, Value
from ..runtime_support import fits, runtime_of
from . import v02_memory
from .v02_importer import LegacyImporter
from .v02_memory import Overflow, Schedule, Use
from .v02_onnx import ONNX
from .v02_passes import run_passes
from .v02_tflite import TFLITE

STEP_NAMES = {
    "bitcast": "MemoryCopy",
    "binary": "Binary",
    "clamp": "Binary",
    "concat": "Concat",
    "conv2d": "Conv2D",
    "conv2d_transpose": "Conv2DTranspose",
    "dequantize": "Dequantize",
    "fused_unary": "NNILUnaryMethod",
    "kpu_conv2d": "KPUConv2D",
    "kpu_upload": "KPUUpload",
    "matmul": "MatMul",
    "pad": "Pad",
    "quantize": "Quantize",
    "quantized_binary": "QuantizedBinary",
    "quantized_conv2d": "QuantizedConv2D",
    "quantized_matmul": "QuantizedMatMul",
    "reduce": "Reduce",
    "reduce_window2d": "ReduceWindow2D",
    "resize": "ResizeImage",
    "slice": "StridedSlice",
    "table_lookup": "TableLookup1D",
    "transpose": "Transpose",
    "unary": "Unary",
}
"""The runtime's names of its operations."""
CONVERSIONS = frozenset({"Quantize", "Dequantize", "KPUUpload"})
KPU_MESSAGE = "Fatal: KPU allocator cannot allocate more memory."


@dataclass(frozen=True)
class Memory:
    """What the schedule needs; empty for a network of which part could not be read."""

    pools: dict[str, Pool]
    refusals: tuple[Refusal, ...] = ()
    not_checked: tuple[NotChecked, ...] = ()
    fits: Fits = "unknown"


def plan(graph: Graph, target: Target) -> Plan:
    """Compiles the graph as nncase would and reports the result. Raises nothing for a network nncase refuses."""
    importer = LegacyImporter(graph, target, TFLITE if graph.format == "tflite" else ONNX)
    program = importer.program
    importer.run()
    refusals = [*_symbolic(graph), *program.refusals]
    if not program.outputs:
        return _unplanned(graph, refusals)
    run_passes(
        program,
        ptq=bool(target.options.get("ptq", True)),
        byte_input=target.options.get("input_type") == "uint8",
    )
    schedule = v02_memory.scheduled(program)
    whole = not importer.refused and not importer.left_out
    memory = _memory(importer, schedule, target) if whole else Memory({})
    refusals = [*_symbolic(graph), *program.refusals, *memory.refusals]
    steps = tuple(_steps(schedule))
    unsupported = importer.refused.keys() | importer.left_out | {r.node for r in refusals if r.node}
    uncertain = any(missing.what == "KPU memory" for missing in memory.not_checked)
    return Plan(
        steps=steps,
        placements=_placements(graph, steps, unsupported),
        refusals=tuple(refusals),
        memory=memory.pools,
        segments=_segments(steps),
        not_checked=(*_not_checked(importer), *memory.not_checked),
        verdict=_verdict(refusals, importer.misread, uncertain),
        runtime="unknown" if refusals else runtime_of(int(target.limit("kmodel_version")), target),
        fits=memory.fits,
        buffers=tuple(_buffers(schedule)) if whole else (),
    )


def _verdict(refusals: Sequence[Refusal], misread: Sequence[str], uncertain: bool) -> Verdict:
    if refusals:
        return "rejected"
    return "miscompiled" if misread else "unknown" if uncertain else "accepted"


def _unplanned(graph: Graph, refusals: Sequence[Refusal]) -> Plan:
    names = tuple(node.name for node in graph.nodes)
    return Plan(
        placements=dict.fromkeys(names, Placement.UNSUPPORTED),
        refusals=tuple(refusals),
        not_checked=(NotChecked("placement, steps and memory", "no output can be reached", names),),
        verdict="rejected" if refusals else "unknown",
        runtime="unknown",
    )


def _symbolic(graph: Graph) -> Iterator[Refusal]:
    """A symbolic size is read as -1; where that ends is not determined, but no file comes out of it."""
    for name in graph.inputs:
        sizes = graph.tensor(name).shape or ()
        if any(isinstance(size, str) for size in sizes):
            yield Refusal("symbolic-size", None, None, {"tensor": name, "declared": sizes})


# ---- steps


def _steps(schedule: Schedule) -> Iterator[Step]:
    names, placed = _names(schedule), {id(buffer.value): buffer for buffer in schedule.buffers}
    for op in schedule.ops:
        if op.kind == "opaque":
            continue
        written = [placed[id(value)] for value in op.outputs if id(value) in placed]
        step = Step(
            unit=op.unit,
            op=STEP_NAMES.get(op.kind, op.kind.title().replace("_", "")),
            nodes=op.origin,
            reads=tuple(dict.fromkeys(_read(op, names))),
            writes=tuple(
                Buffer(names[id(b.value)], b.size, b.pool, b.birth, b.death, b.offset if b.size else None)
                for b in written
            ),
            shape=op.out.shape,
            details=_details(op),
        )
        yield from (step, step) if op.kind == "clamp" else (step,)


def _names(schedule: Schedule) -> dict[int, str]:
    values = list({id(buffer.value): buffer.value for buffer in schedule.buffers}.values())
    found = unique_names([value.op.name or value.op.kind for value in values])
    return {id(value): name for value, name in zip(values, found, strict=True)}


def _read(op: Op, names: dict[int, str]) -> Iterator[str]:
    for slot in op.inputs:
        source: Value = v02_memory.root(slot.value)
        if id(source) in names:
            yield names[id(source)]


def _details(op: Op) -> dict[str, object]:
    """The figures of a convolution; for one in float32 also what kept it from being quantised."""
    found: dict[str, object] = {key: op.attrs[key] for key in ("kernel", "pool", "depthwise") if key in op.attrs}
    if op.kind in ("conv2d", "matmul") and "float" in op.attrs:
        reason, figure = op.attrs["float"]
        found[reason] = figure
    return {"dtype": {"f32": "float32", "u8": "uint8"}.get(op.out.dtype, op.out.dtype), **found}


def _placements(graph: Graph, steps: Sequence[Step], unsupported: set[str]) -> dict[str, Placement]:
    """What the steps a node stands first in say; conversions between the units do not count."""
    units: dict[str, set[str]] = {}
    for step in steps:
        if step.nodes and step.op not in CONVERSIONS:
            units.setdefault(step.nodes[0], set()).add(step.unit)
    return {
        node.name: Placement.UNSUPPORTED if node.name in unsupported else _placement(units.get(node.name, set()))
        for node in graph.nodes
    }


def _placement(on: set[str]) -> Placement:
    if not on:
        return Placement.FREE
    if on == {"kpu"}:
        return Placement.ACCELERATED
    return Placement.PARTIAL if "kpu" in on else Placement.FALLBACK


def _segments(steps: Sequence[Step]) -> int:
    """Runs of the KPU without CPU work between them."""
    units = [step.unit for step in steps]
    return sum(unit == "kpu" and (k == 0 or units[k - 1] != "kpu") for k, unit in enumerate(units))


# ---- memory


def _memory(importer: LegacyImporter, schedule: Schedule, target: Target) -> Memory:
    capacity = target.pools["kpu"].bytes
    kpu, overflow = v02_memory.place(schedule.of("kpu"), target.pools["kpu"].align, capacity)
    data, _ = v02_memory.place(schedule.of("data"), target.pools["main"].align)
    weights = v02_memory.weight_bytes(importer.program)
    refusals, not_checked = _overflow(overflow, kpu, capacity or 0)
    # Between the least and what first-fit needs, the solver decides.
    undecided = fits(data.least + weights, target) and not fits(data.peak + weights, target)
    if undecided:
        why = f"working memory takes {data.least:,} bytes at least and {data.peak:,} with the first-fit method"
        not_checked = (*not_checked, NotChecked("main memory", why))
    shown = data.least if undecided else data.peak
    pools = {
        "kpu": _pool(kpu, capacity),
        "data": _pool(data, None),
        "model": Pool(weights),
        "main": Pool(shown + weights, target.pools["main"].bytes, parts={"data": shown, "model": weights}),
    }
    if refusals or not fits(data.least + weights, target):
        return Memory(pools, refusals, not_checked, "no")
    return Memory(pools, refusals, not_checked, "unknown" if not_checked else "yes")


def _pool(use: Use, capacity: int | None) -> Pool:
    at = use.at.origin[0] if use.at is not None and use.at.origin else None
    return Pool(use.peak, capacity, at, least=use.least if use.least < use.peak else None)


def _overflow(overflow: Overflow | None, kpu: Use, capacity: int) -> tuple[tuple[Refusal, ...], tuple[NotChecked, ...]]:
    """A refusal where no placement can do; where only the first-fit method cannot, the solver decides."""
    if overflow is None:
        return (), ()
    if kpu.least <= capacity:
        why = (
            f"the maps in use take {kpu.least:,} bytes at most and first-fit needs {kpu.peak:,} of {capacity:,}; the "
            "compiler first lets a solver look for a placement for a minute"
        )
        return (), (NotChecked("KPU memory", why),)
    details = {"size": overflow.size, "free": overflow.free, "live": overflow.live}
    details |= {"least": kpu.least, "needed": kpu.peak}
    node = overflow.op.origin[0] if overflow.op.origin else None
    return (Refusal("kpu-memory-overflow", node, KPU_MESSAGE, details),), ()


def _buffers(schedule: Schedule) -> Iterator[Buffer]:
    names = _names(schedule)
    for b in schedule.buffers:
        yield Buffer(names[id(b.value)], b.size, b.pool, b.birth, b.death, b.offset)


def _not_checked(importer: LegacyImporter) -> Iterator[NotChecked]:
    if importer.left_out:
        names = tuple(node.name for node in importer.graph.nodes if node.name in importer.left_out)
        yield NotChecked("placement", "their shapes are not fixed", names)
    if importer.left_out or importer.refused:
        yield NotChecked("memory", "part of the network cannot be read")
    if importer.unmeasured:
        why = "their values are not in the file; they are taken to be within the limit"
        yield NotChecked("range of weights", why, tuple(importer.unmeasured))
