"""What Vitis AI makes of a network: a device for every operation, and the DPU subgraphs that the compiler cuts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.ir import Graph
from lintmodel.planning import Buffer, NotChecked, Placement, Plan, Step
from lintmodel.target import Target

from .engines import engines
from .memory import buffers, facts, fits, load, pools
from .network import network
from .partition import Partition, Placed, partition
from .reasons import Reason
from .runtime import missing_kernel, runtime_of
from .verdicts import LATER


def plan(graph: Graph, target: Target) -> Plan:
    """Raises nothing for a network the toolchain refuses."""
    later = target.version in LATER
    found = partition(network(graph, later=later), graph, engines(target), target)
    maps = buffers(found, graph)
    memory = pools(found, graph, target)
    not_checked = tuple(_not_checked(graph, found, target))
    sized = not any(check.nodes for check in not_checked)
    return Plan(
        steps=tuple(_step(k, placed, graph, found, target, maps) for k, placed in enumerate(found.placed)),
        placements=_placements(graph, found, target),
        memory=memory,
        segments=found.segments,
        not_checked=not_checked,
        runtime=runtime_of(found, target),
        fits=fits(memory, target, sized=sized),
        facts=(_compiled_for(target), *(facts(load(found, graph, target), target) if sized else ())),
        buffers=tuple(dict.fromkeys(maps.values())),
    )


def _compiled_for(target: Target) -> tuple[str, str]:
    return "compiled for", f"{target.limit('dpu')}, fingerprint {target.limit('fingerprint')}"


def _step(
    position: int, placed: Placed, graph: Graph, found: Partition, target: Target, maps: Mapping[str, Buffer]
) -> Step:
    operation = placed.operation
    details: dict[str, Any] = {}
    if placed.segment is not None:
        details["segment"] = placed.segment
    if placed.reasons:
        details["reasons"] = [_plain(reason) for reason in placed.reasons]
    if operation.inserted:
        details["at"] = operation.node.name
    if position in found.splits:
        details["splits"] = found.splits[position]
    missing = missing_kernel(placed, target)
    if missing is not None:
        details["missing_kernel"] = missing
    tensor = graph.tensor(operation.outputs[0] if operation.outputs else "")
    return Step(
        unit="dpu" if placed.on_dpu else "cpu",
        op=operation.kind,
        nodes=operation.nodes,
        reads=operation.inputs,
        writes=tuple(maps[name] for name in operation.outputs if name in maps),
        shape=tensor.sizes if tensor.known else (),
        details=details,
    )


def _plain(reason: Reason) -> dict[str, Any]:
    return {
        "kind": reason.kind,
        "vendor_message": reason.vendor_message,
        "overlooked": reason.overlooked,
        "advisory": reason.advisory,
        **reason.numbers,
    }


def _placements(graph: Graph, found: Partition, target: Target) -> dict[str, Placement]:
    """Nodes of no operation are constants, copies, or folded into a layer: they cost nothing. What the board has no
    kernel for is supported nowhere."""
    placements = {node.name: Placement.FREE for node in graph.nodes}
    for placed in found.placed:
        on_cpu = Placement.UNSUPPORTED if missing_kernel(placed, target) else Placement.FALLBACK
        for name in placed.operation.own:
            placements[name] = Placement.ACCELERATED if placed.on_dpu else on_cpu
    return placements


def _not_checked(graph: Graph, found: Partition, target: Target) -> Iterator[NotChecked]:
    if target.version in LATER:
        why = f"{target.toolchain} asks its closed compiler; the rules of 2.5 and AMD's tables stand in for it"
        yield NotChecked("the compiler's own partition", why)
    unsized = [
        placed.operation.node.name
        for placed in found.placed
        if not all(graph.tensor(name).known for name in placed.operation.node.outputs if name)
    ]
    if unsized:
        yield NotChecked("limits of the engines and layouts", "their shapes are not fixed", tuple(unsized))
