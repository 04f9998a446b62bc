"""What nncase makes of a network for the KPU: the steps in order, who runs them, and the memory they take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from lintmodel.ir import Graph
from lintmodel.planning import Buffer, NotChecked, Placement, Plan, Pool, Refusal, Step
from lintmodel.target import Target

from . import legacy
from .compiler.dialects import dialect
from .compiler.importer import Importer
from .compiler.pipeline import Compiled, compile_program
from .compiler.program import Op, Program
from .compiler.schedule import kpu_need
from .compiler.versions import Version
from .dataflow import DTYPES, dataflow
from .runtime_support import fits, runtime_of

STEP_NAMES = {
    "kpu_upload": "KPUUpload",
    "kpu_conv2d": "KPUConv2D",
    "kpu_download": "KPUDownload",
    "quantize": "Quantize",
    "dequantize": "Dequantize",
    "pad": "Pad",
    "copy": "Copy",
    "slice": "Slice",
    "transpose": "Transpose",
    "conv2d": "Conv2D",
    "conv2d_transpose": "Conv2DTranspose",
    "binary": "Binary",
    "unary": "Unary",
    "table_lookup": "TableLookup1D",
    "fused_unary": "FusedUnary",
    "reduce": "Reduce",
    "reduce_window2d": "ReduceWindow2D",
    "reduce_arg": "ReduceArg",
    "resize": "ResizeImage",
    "matmul": "MatMul",
    "layernorm": "LayerNormalization",
    "softmax": "Softmax",
    "convert": "Convert",
    "hardmax": "HardMax",
    "broadcast": "Broadcast",
    "clamp": "Clamp",
    "gather": "Gather",
    "ternary": "Ternary",
    "compare": "Compare",
}
"""The compiler's names of its operations, as its dumps print them."""

CONVERSIONS = frozenset({"Quantize", "Dequantize", "Requantize", "KPUUpload", "KPUDownload", "Upload"})
"""Steps that only bring a value from one unit to the other."""

PLANNED_TWICE = 1500
"""Networks of fewer nodes are planned a second time where their memory depends on the calibration data."""


def plan(graph: Graph, target: Target) -> Plan:
    """Compiles the graph as nncase would and reports the result. Raises nothing for a network nncase refuses."""
    if not Version.of(target.version).since(1, 0):
        return legacy.plan(graph, target)
    importer = Importer(graph, target, dialect(graph.format))
    program = importer.run()
    if not program.outputs:
        return _unplanned(graph, importer)
    compiled = _compiled(program, target)
    refusals = [*_dynamic_inputs(graph), *program.refusals, *_several_inputs(compiled, target), *_overflow(compiled)]
    steps = tuple(_steps(compiled))
    unsupported = importer.refused.keys() | importer.left_out | {r.node for r in refusals if r.node}
    placements = {node.name: _placement(node.name, steps, unsupported) for node in graph.nodes}
    # With a node in the network that could not be read the sizes would be those of another network.
    whole = not importer.refused and not importer.left_out
    memory = _with_least(_memory(compiled, target), graph, target, compiled.slices) if whole else {}
    overflow = whole and (compiled.pools.overflow is not None or _too_large(memory, target))
    return Plan(
        steps=steps,
        placements=_with_steps(placements, steps),
        refusals=tuple(refusals),
        memory=memory,
        segments=len(compiled.functions),
        not_checked=tuple(_not_checked(importer)),
        verdict="rejected" if refusals else "accepted",
        runtime="unknown" if refusals else runtime_of(int(target.limit("kmodel_version")), target),
        fits="no" if overflow else "unknown" if refusals else "yes",
        buffers=tuple(_buffers(compiled)) if whole else (),
    )


def _compiled(program: Program, target: Target, kept_slices: Sequence[int] = ()) -> Compiled:
    kpu = target.pools["kpu"]
    return compile_program(
        program,
        Version.of(target.version),
        ptq=bool(target.options.get("ptq", True)),
        kpu_bytes=kpu.bytes or 0,
        kpu_align=kpu.align,
        kept_slices=kept_slices,
    )


def _unplanned(graph: Graph, importer: Importer) -> Plan:
    """No output could be reached: what is refused is known, and nothing of steps and memory."""
    refusals = [*_dynamic_inputs(graph), *importer.program.refusals]
    names = tuple(node.name for node in graph.nodes)
    unknown = [name for name in graph.inputs if name not in importer.values]
    why = f"the shape of {', '.join(unknown)} is not fixed" if unknown else "no output can be reached"
    return Plan(
        placements=dict.fromkeys(names, Placement.UNSUPPORTED),
        refusals=tuple(refusals),
        not_checked=(NotChecked("placement, steps and memory", why, names),),
        verdict="rejected" if refusals else "unknown",
        runtime="unknown",
    )


def _dynamic_inputs(graph: Graph) -> Iterable[Refusal]:
    for name in graph.inputs:
        tensor = graph.tensor(name)
        if any(isinstance(d, str) for d in tensor.shape or ()):
            sizes = ",".join(str(d) if isinstance(d, int) else "18446744073709551615" for d in tensor.shape or ())
            message = f"{name}[Input] has shape mismatch: [{sizes}]"
            yield Refusal("symbolic-size", None, message, {"tensor": name, "declared": tensor.shape or ()})


def _several_inputs(compiled: Compiled, target: Target) -> Iterable[Refusal]:
    inputs = len(compiled.main.inputs)
    if inputs > 1 and target.options.get("ptq", True) and not Version.of(target.version).since(1, 6):
        message = "ValueError: Collect ranges only support models that have single 1 input"
        yield Refusal("several-inputs", None, message, {"inputs": inputs})


def _overflow(compiled: Compiled) -> Iterable[Refusal]:
    if compiled.pools.overflow:
        op, error = compiled.pools.overflow
        least, needed = kpu_need(compiled.pools)
        details = {"size": error.size, "free": error.free, "live": error.live, "least": least, "needed": needed}
        node = op.origin[0] if op.origin else None
        yield Refusal("kpu-memory-overflow", node, "RuntimeError: Allocator has ran out of memory", details)


def _steps(compiled: Compiled) -> Iterable[Step]:
    flow = dataflow(compiled)
    for op in compiled.scheduled.ops:
        if op.kind == "opaque":
            continue
        buffers = compiled.scheduled.buffers
        writes = []
        for value in op.outputs:
            buffer = buffers[id(value)]
            root = buffer.parent or buffer
            writes.append(Buffer(flow.name(value), buffer.size, root.place, buffer.birth, buffer.death, root.offset))
        yield Step(
            unit=op.unit,
            op=STEP_NAMES.get(op.kind, _spoken(op)),
            nodes=op.origin,
            reads=flow.read(op),
            writes=tuple(writes),
            shape=op.out.shape,
            details={
                "dtype": DTYPES.get(op.out.dtype, op.out.dtype),
                **{key: op.attrs[key] for key in ("kernel", "pool", "depthwise") if key in op.attrs},
            },
        )


def _buffers(compiled: Compiled) -> Iterable[Buffer]:
    """The buffers that have room of their own, those of constants left out. Inputs are there from the start and
    outputs to the end; those of the KPU's functions lie in their caller's memory."""
    found, flow = compiled.scheduled.buffers, dataflow(compiled)
    ends = [found[id(op.input())] for op in compiled.main.outputs] + [found[id(op.out)] for op in compiled.main.inputs]
    outer = {id((buffer.parent or buffer).value) for buffer in ends}
    last = max((buffer.death for buffer in found.values()), default=0)
    for buffer in found.values():
        place = buffer.place
        inner = place in ("input", "output") and id(buffer.value) not in outer
        if buffer.parent is not None or place == "rdata" or inner:
            continue
        birth = 0 if place == "input" else buffer.birth
        death = last if place == "output" else buffer.death
        yield Buffer(flow.name(buffer.value), buffer.size, place, birth, death, buffer.offset)


def _spoken(op: Op) -> str:
    return op.kind.title().replace("_", "")


def _placement(node: str, steps: Iterable[Step], unsupported: Iterable[str]) -> Placement:
    return Placement.UNSUPPORTED if node in unsupported else Placement.FREE


def _with_steps(placements: Mapping[str, Placement], steps: Iterable[Step]) -> dict[str, Placement]:
    """What the steps a node stands first in say: conversions between the units do not count."""
    units: dict[str, set[str]] = {}
    for step in steps:
        if step.nodes and step.op not in CONVERSIONS:
            units.setdefault(step.nodes[0], set()).add(step.unit)
    found = dict(placements)
    for node, on in units.items():
        if found.get(node) == Placement.FREE:
            if on == {"kpu"}:
                found[node] = Placement.ACCELERATED
            else:
                found[node] = Placement.PARTIAL if "kpu" in on else Placement.FALLBACK
    return found


def _memory(compiled: Compiled, target: Target) -> dict[str, Pool]:
    pools, main = compiled.pools, compiled.main
    inputs = sum(op.out.bytes for op in main.inputs)
    outputs = sum(op.input().bytes for op in main.outputs)
    data = pools.cpu_data.peak + pools.kpu_data.peak
    total = inputs + outputs + data + compiled.model_bytes
    parts = {"input": inputs, "output": outputs, "data": data, "model": compiled.model_bytes}
    last = pools.overflow[0] if pools.overflow else pools.kpu_peak_at
    peak = kpu_need(pools)[1] if pools.overflow else pools.kpu.peak
    kpu = Pool(peak, target.pools["kpu"].bytes, last.origin[0] if last and last.origin else None)
    return {
        "kpu": kpu,
        **{name: Pool(size) for name, size in parts.items()},
        "main": Pool(total, target.pools["main"].bytes, parts=parts),
    }


def _with_least(memory: dict[str, Pool], graph: Graph, target: Target, slices: int) -> dict[str, Pool]:
    """The memories with what they take when calibration finds that every Slice keeps its input's range, which saves
    a Dequantize and a Quantize and the map in float32 between them. That is planned too, not guessed."""
    if slices == 0 or len(graph.nodes) >= PLANNED_TWICE:
        return memory
    program = Importer(graph, target, dialect(graph.format)).run()
    kept = _memory(_compiled(program, target, range(slices)), target)
    return {
        name: replace(pool, least=kept[name].peak) if kept[name].peak < pool.peak else pool
        for name, pool in memory.items()
    }


def _too_large(memory: Mapping[str, Pool], target: Target) -> bool:
    over = any(pool.capacity is not None and pool.peak > pool.capacity for pool in memory.values())
    return over or ("main" in memory and not fits(memory["main"].peak, target))


def _not_checked(importer: Importer) -> Iterable[NotChecked]:
    if importer.left_out:
        names = tuple(node.name for node in importer.graph.nodes if node.name in importer.left_out)
        yield NotChecked("placement", "their shapes are not fixed", names)
    if importer.left_out or importer.refused:
        yield NotChecked("memory", "part of the network cannot be read")
