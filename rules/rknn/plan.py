"""What RKNN-Toolkit2 makes of a network: rows on the NPU and on the CPU, refusals, memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lintmodel.ir import Graph
from lintmodel.planning import Buffer, NotChecked, Placement, Plan, Pool, Refusal, Step
from lintmodel.planning.plan import Runtime
from lintmodel.target import Target

from .compiler import compile_graph
from .memory import lay_out
from .owners import HELPS, helped
from .program import Layer, Program
from .refusals import refusals
from .subject import Subject
from .suspects import suspects
from .units import decide_units, no_kernel

PLANNED_ALL_THE_SAME = frozenset(
    {"opset-not-loaded", "no-float16", "pad-before-conv", "gather-one-channel", "negative-pad", "image-width"}
)
"""Refusals that leave the rest of the network as it is: the rows are those it would have without them."""


def plan(graph: Graph, target: Target) -> Plan:
    """Raises nothing for a network the toolkit refuses."""
    quantized = bool(target.options["quantized"])
    refused = refusals(graph, target, quantized=quantized)
    opened = _without_size(Subject(graph, target, quantized))
    if opened or any(refusal.kind not in PLANNED_ALL_THE_SAME for refusal in refused):
        return _unplanned(graph, refused, opened)
    program = compile_graph(graph, target, quantized=quantized)
    decide_units(program)
    memory = lay_out(program)
    owners = helped(program)
    wrong = () if refused else suspects(graph, target, quantized=quantized)
    return Plan(
        steps=tuple(
            _step(program, layer, node, memory.buffers) for layer, node in zip(program.layers, owners, strict=True)
        ),
        placements=_placements(graph, program, owners, {refusal.node for refusal in refused}),
        refusals=(*refused, *wrong),
        memory={"internal": Pool(memory.internal, at=memory.at), "weight": Pool(memory.weight)},
        buffers=tuple(memory.buffers.values()),
        verdict="rejected" if refused else "miscompiled" if wrong else "accepted",
        runtime=_runtime(program, refused),
    )


def _without_size(subject: Subject) -> tuple[str, ...]:
    """Nodes that take part and have a tensor whose shape or type is not known."""
    graph = subject.graph

    def is_open(name: str) -> bool:
        tensor = graph.tensor(name)
        return bool(name) and name not in subject.constant and (not tensor.known or tensor.dtype == "unknown")

    opened = [node.name for node in subject.live if any(map(is_open, (*node.inputs, *node.outputs)))]
    # Operators of TFLite that only change a variable; what the toolkit makes of these is not known.
    return (*opened, *(node.name for node in graph.nodes if not node.outputs))


def _unplanned(graph: Graph, refused: tuple[Refusal, ...], opened: tuple[str, ...]) -> Plan:
    """What is refused is known, and nothing of rows and memory."""
    names = tuple(node.name for node in graph.nodes)
    why = "their shapes are not known" if opened else "the toolkit stops before it makes its layers"
    return Plan(
        placements=dict.fromkeys(names, Placement.UNSUPPORTED),
        refusals=refused,
        not_checked=(NotChecked("layers, placement and memory", why, opened or names),),
        verdict="rejected" if refused else "unknown",
        runtime="unknown",
    )


def _step(program: Program, layer: Layer, node: str | None, buffers: Mapping[str, Buffer]) -> Step:
    writes = tuple(buffers[name] for name in layer.outputs if name in buffers)
    value = program.values[layer.outputs[0]] if layer.outputs else None
    return Step(
        unit=layer.unit,
        op=layer.kind,
        nodes=layer.nodes,
        reads=tuple(program.features(layer)),
        writes=writes,
        shape=value.shape if value else (),
        details={**({"dtype": value.dtype} if value else {}), **({HELPS: node} if node and not layer.nodes else {})},
    )


def _runtime(program: Program, refused: tuple[Refusal, ...]) -> Runtime:
    if refused:
        return "unknown"
    return "fails" if any(no_kernel(program, layer) for layer in program.layers) else "ok"


def _placements(
    graph: Graph, program: Program, owners: Sequence[str | None], refused: set[str | None]
) -> dict[str, Placement]:
    """By the rows a node stands for. What it is fused into costs nothing of its own; a helper row that the toolkit put
    in belongs to the node it helps, the one that reads it or else the one before."""
    own: dict[str, set[str]] = {}
    helpers: dict[str, set[str]] = {}
    for layer, node in zip(program.layers, owners, strict=True):
        if node is not None:
            (own if layer.nodes else helpers).setdefault(node, set()).add(layer.unit)
    return {
        node.name: Placement.UNSUPPORTED
        if node.name in refused
        else _placement(own.get(node.name, set()), helpers.get(node.name, set()))
        for node in graph.nodes
    }


def _placement(own: set[str], helpers: set[str]) -> Placement:
    if own == {"cpu"}:
        return Placement.FALLBACK
    if "cpu" in own | helpers:
        return Placement.PARTIAL
    return Placement.ACCELERATED if own else Placement.FREE
