"""What a network takes of a DPU: its banks, the board's memory, and the least time.

The compiler is closed, so that how it cuts maps into tiles is not known. What is said here follows from sizes alone:
what has to be in the banks at once, what has to be in the board's memory, and how long the engines need if nothing
keeps them waiting. Everything is int8, one byte a value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from lintmodel.ir import Conv, ConvTranspose, Gemm, Graph, Node, macs, view
from lintmodel.planning import Buffer, Fits, Pool
from lintmodel.target import Target

from .engines import Engines, engines
from .partition import Partition, Placed

ACTIVATIONS = frozenset({"relu", "relu6", "prelu", "leaky_relu", "hswish", "hsigmoid"})
CONVOLUTION = "convolution engine"
ELEMENTWISE = frozenset({"elemwise_add", "elemwise_mul"})


@dataclass(frozen=True, slots=True)
class Load:
    """Work and memory of a network on one DPU, for one run of the network with its batch."""

    conv_macs: int
    """On the convolution engine."""
    depthwise_macs: int
    """On the arithmetic unit or the depthwise engine, which has far fewer multipliers."""
    cpu_macs: int
    const_bytes: int
    """Weights and biases of layers on the DPU, in the board's memory."""
    workspace_bytes: int
    """The most bytes of maps that are needed at once; where they do not fit into the banks they are there too."""
    busiest: str
    """The engine that needs the most time."""
    cycles: int
    """Of that engine. A lower bound: engines wait for each other and for memory."""
    clock: int | None
    """Its clock in MHz, where that is known."""


def buffers(found: Partition, graph: Graph) -> Mapping[str, Buffer]:
    """The buffer of every map that the DPU reads or writes, by tensor; it lives while a step still reads it. The clock
    counts operations. What an activation is computed from, fused to the layer before it, is never stored: it has the
    buffer of the result."""
    end = len(found.placed)
    last = {name: k for k, placed in enumerate(found.placed) for name in placed.operation.inputs}
    last |= dict.fromkeys(graph.outputs, end - 1)
    born = {name: k for k, placed in enumerate(found.placed) for name in placed.operation.outputs}
    fused = _fused(found, born)
    for result, source in fused.items():
        born[result] = born[source]
    touched = [name for p in found.placed if p.on_dpu for name in (*p.operation.inputs, *p.operation.outputs)]
    made: dict[str, Buffer] = {}
    for name in dict.fromkeys(touched):
        tensor = graph.tensor(name)
        if tensor.known and name not in fused.values():
            birth = born.get(name, 0)
            made[name] = Buffer(name, tensor.elements, "feature", birth, max(last.get(name, birth), birth) + 1)
    return made | {source: made[result] for result, source in fused.items() if result in made}


def _fused(found: Partition, born: Mapping[str, int]) -> dict[str, str]:
    """Results of activations on the DPU, with the tensor of the layer that computes them on its way out."""
    readers: dict[str, int] = {}
    for placed in found.placed:
        for name in placed.operation.inputs:
            readers[name] = readers.get(name, 0) + 1
    fused: dict[str, str] = {}
    for placed in found.placed:
        operation = placed.operation
        if placed.on_dpu and operation.kind in ACTIVATIONS and len(operation.inputs) == len(operation.outputs) == 1:
            source = operation.inputs[0]
            if readers[source] == 1 and source in born and found.placed[born[source]].on_dpu:
                fused[operation.outputs[0]] = source
    return fused


def pools(found: Partition, graph: Graph, target: Target) -> dict[str, Pool]:
    """Use of the banks, and of the board's memory as ``xdputil xmodel`` lists it (CONST, WORKSPACE)."""
    dpu = engines(target)
    live = _live(found, graph)
    most = max(range(len(live)), key=lambda k: live[k], default=0)
    layers = [placed for placed in found.placed if placed.on_dpu and not placed.operation.inserted]
    slices = {placed.operation.node.name: _slice(placed, graph, dpu) for placed in layers}
    biases = {placed.operation.node.name: _channels(placed, graph) for placed in layers}
    weights = [_weights(placed, graph) for placed in layers]
    at = found.placed[most].operation.node.name if live else None
    return {
        "feature": Pool(max(live, default=0), target.pools["feature"].bytes, at, spills=True),
        "weights": _fullest(slices, target.pools["weights"].bytes),
        "bias": _fullest(biases, target.pools["bias"].bytes),
        "CONST": Pool(sum(weights) + sum(biases.values())),
        "WORKSPACE": Pool(max(live, default=0), at=at),
    }


def fits(memory: Mapping[str, Pool], target: Target, *, sized: bool) -> Fits:
    """Nothing in the banks is too large for layers on the DPU; of the board's memory a size is known that failed."""
    needed = memory["CONST"].peak + memory["WORKSPACE"].peak
    return "yes" if sized and needed < target.limit("failed_allocation") else "unknown"


def load(found: Partition, graph: Graph, target: Target) -> Load:
    """Work and memory of the network."""
    dpu = engines(target)
    conv = depthwise = on_cpu = elements = 0
    for placed in found.placed:
        work = _macs(placed, graph)
        if not placed.on_dpu:
            on_cpu += work
        elif placed.operation.kind.startswith("depthwise"):
            depthwise += work
        else:
            conv += work
            tensor = graph.tensor(placed.operation.outputs[0]) if placed.operation.outputs else None
            if placed.operation.kind in ELEMENTWISE and tensor is not None and tensor.known:
                elements += tensor.elements
    few, many = _rates(target)
    rates = {
        CONVOLUTION: (conv, many),
        "arithmetic unit" if dpu.alu else "depthwise engine": (depthwise, few),
        "element-wise engine": (elements, _lanes(target, "eltwise", "alu")),
    }
    cycles = {name: -(-work // rate) for name, (work, rate) in rates.items() if rate}
    kind = str(target.limit("dpu")).split("_")[0]
    fast = target.limit("clock_mhz").get(kind)
    slow = target.limit("other_clock_mhz").get(kind, fast)
    clocks = {name: fast if name == CONVOLUTION else slow for name in cycles}
    busiest = max(cycles, key=lambda name: cycles[name] / (clocks[name] or 1))
    memory = pools(found, graph, target)
    const, workspace = memory["CONST"].peak, memory["WORKSPACE"].peak
    return Load(conv, depthwise, on_cpu, const, workspace, busiest, cycles[busiest], clocks[busiest])


def facts(found: Load, target: Target) -> Iterator[tuple[str, str]]:
    """The load in words, with what was measured of other networks."""
    parts = [f"{_millions(found.conv_macs)} on the DPU's convolution engine"]
    if found.depthwise_macs:
        few, many = _rates(target)
        parts.append(f"{_millions(found.depthwise_macs)} depthwise at {few:,} a cycle instead of {many:,}")
    if found.cpu_macs:
        parts.append(f"{_millions(found.cpu_macs)} on the CPU")
    yield "multiply-accumulates", ", ".join(parts)
    yield (
        "board memory",
        f"{_mebibytes(found.const_bytes)} CONST, {_mebibytes(found.workspace_bytes)} maps at once (estimate)",
    )
    measured = target.limit("measured_efficiency")
    low, high = min(measured, key=measured.__getitem__), max(measured, key=measured.__getitem__)
    said = f"{found.cycles:,} cycles of the {found.busiest}"
    if found.clock:
        said = f"{found.cycles / found.clock / 1000:.2f} ms, {said} at {found.clock} MHz"
    yield (
        "time, lower bound",
        f"{said}; measured networks reach {measured[low]} % ({low}) to {measured[high]} % ({high}) of the peak",
    )


# ---- sizes


def _live(found: Partition, graph: Graph) -> list[int]:
    """Bytes of maps in use at every operation."""
    change = [0] * (len(found.placed) + 1)
    for buffer in dict.fromkeys(buffers(found, graph).values()):
        change[buffer.birth] += buffer.bytes
        change[buffer.death] -= buffer.bytes
    live, now = [], 0
    for step in change[:-1]:
        now += step
        live.append(now)
    return live


def _fullest(sizes: Mapping[str, int], capacity: int | None) -> Pool:
    at = max(sizes, key=lambda name: sizes[name], default=None)
    return Pool(sizes[at] if at else 0, capacity, at)


def _layer(graph: Graph, node: Node) -> Conv | ConvTranspose | Gemm | None:
    found = view(graph, node)
    return found if isinstance(found, Conv | ConvTranspose | Gemm) and found.fixed else None


def _first(placed: Placed, graph: Graph) -> Node:
    """The node that has the weights: what is folded into a layer stands behind it."""
    return graph.node(placed.operation.nodes[0]) if placed.operation.nodes else placed.operation.node


def _macs(placed: Placed, graph: Graph) -> int:
    return 0 if placed.operation.inserted else macs(graph, _first(placed, graph))


def _weights(placed: Placed, graph: Graph) -> int:
    """Bytes of a layer's weights."""
    if _layer(graph, _first(placed, graph)) is None:
        return 0
    names = [name for name in _first(placed, graph).inputs[1:2] if name]
    return sum(graph.tensor(name).elements for name in names if graph.tensor(name).known)


def _channels(placed: Placed, graph: Graph) -> int:
    """Bytes of a layer's bias, which every layer with weights gets: one for each output channel."""
    layer = _layer(graph, _first(placed, graph))
    if layer is None:
        return 0
    if isinstance(layer, Gemm):
        tensor = graph.tensor(placed.operation.outputs[0])
        return int(tensor.sizes[-1]) if tensor.known and tensor.sizes else 0
    return layer.out_channels


def _slice(placed: Placed, graph: Graph, dpu: Engines) -> int:
    """Bytes that the weights of the output channels computed together take of the bank, as the partition rules count
    them; 0 for layers whose weights are elsewhere."""
    layer = _layer(graph, _first(placed, graph))
    if layer is None or isinstance(layer, Gemm) or placed.operation.kind.startswith("depthwise"):
        return 0
    height, width = layer.kernel
    bank, inputs = dpu.weights, layer.in_channels // max(layer.groups, 1)
    words = height * width * -(-inputs // bank.width) * -(-dpu.output_channels // bank.count)
    return words * bank.width * bank.count


def _rates(target: Target) -> tuple[int, int]:
    """Multiply-accumulates in a cycle of depthwise and of other convolutions."""
    parallel = target.limit("parallelism")
    return _lanes(target, "alu", "dwconv"), int(
        parallel["pixels"] * parallel["input_channels"] * parallel["output_channels"]
    )


def _lanes(target: Target, *names: str) -> int:
    """Values that the first of these engines computes in a cycle; 0 where the DPU has none of them."""
    for name in names:
        engine = target.limit(name)
        if engine.get("channels"):
            return int(engine["channels"]) * int(engine.get("pixels", 1))
    return 0


# ---- words


def _millions(count: int) -> str:
    return f"{count / 1e9:.2f} G" if count >= 1e9 else f"{count / 1e6:.1f} M"


def _mebibytes(count: int) -> str:
    return f"{count / 2**20:.1f} MiB"
