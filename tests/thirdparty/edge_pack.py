"""A rule pack as a third party would write one, for a chip that does not exist.

Operators of the domain ``faulty`` make it fail in the ways a pack can: a rule that raises, a plan that raises, a plan
that forgets a node.
"""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Conv, Graph, Operator
from lintmodel.planning import NotChecked, Placement, Plan, Pool, Refusal, Step
from lintmodel.registry import Model, rule
from lintmodel.target import Target

PREFIX = "EDG"
FAMILY = "edge"

PLACEMENTS = {"Softmax": Placement.UNSUPPORTED, "Sigmoid": Placement.FALLBACK, "Relu": Placement.FREE}


def plan(graph: Graph, target: Target) -> Plan:
    if any(node.op == "FaultyPlan" for node in graph.nodes):
        raise RuntimeError("no such thing")
    refused = [node for node in graph.nodes if node.op == "Softmax"]
    return Plan(
        steps=tuple(Step("npu", node.op, (node.name,)) for node in graph.nodes),
        placements={
            node.name: PLACEMENTS.get(node.op, Placement.ACCELERATED) for node in graph.nodes if node.op != "Forgotten"
        },
        refusals=tuple(Refusal("softmax", node.name, "unknown operator Softmax") for node in refused),
        memory={"sram": Pool(1024, target.pools["sram"].bytes)},
        verdict="rejected" if refused else "accepted",
        not_checked=(NotChecked("memory", "nobody measured it"),) if target.options["threads"] > 8 else (),
    )


@rule("EDG101", "edge-kernel", Level.WARNING, on=Conv, confidence="measured")
def kernel(conv: Conv, plan: Plan, target: Target) -> Iterator[Found]:
    """Convolution kernel is not one of {kernels}.

    What it does: looks at the kernel of every convolution.
    """
    if conv.kernel[0] not in target.limit("kernels"):
        yield Found(
            f"kernel is {conv.kernel[0]}x{conv.kernel[1]}", vendor_message="bad kernel", fix=Fix("split", "safe")
        )


kernel.bad(lambda g: g.conv(8, 16, kernel=5, size=32))
kernel.good(lambda g: g.conv(8, 16, kernel=3, size=32).relu())


@rule("EDG102", "edge-unsupported", Level.ERROR, on=Operator)
def unsupported(node: Operator, plan: Plan, target: Target) -> Iterator[Found]:
    """Operator has no kernel."""
    for refusal in plan.refused("softmax"):
        if refusal.node == node.node.name:
            yield Found("Softmax has no kernel", refusal.vendor_message)


@rule("EDG103", "edge-stride", Level.NOTE, on=Conv)
def stride(conv: Conv, plan: Plan, target: Target) -> Iterator[Found]:
    """Convolution with a stride: each axis is a finding of its own."""
    for axis, step in zip(("down", "across"), conv.stride, strict=True):
        if step > 1:
            yield Found(f"stride {axis} is {step}")


@rule("EDG301", "edge-size", Level.NOTE, on=Model)
def size(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """More nodes than {max_nodes}."""
    most = target.limit("max_nodes")
    if len(model.graph.nodes) > most:
        yield Found(f"{len(model.graph.nodes)} nodes; at most {most} are quick", level=Level.WARNING)
    for composite in model.graph.composites:
        yield Found(f"{composite.op} is slow", node=composite.name)


@rule("EDG901", "edge-faulty", Level.NOTE, on=Operator, status="preview")
def faulty(node: Operator, plan: Plan, target: Target) -> Iterator[Found]:
    """Raises on purpose."""
    if node.node.op == "FaultyRule":
        raise KeyError("threads")
    yield from ()


@faulty.good
def _two_lines(g):  # type: ignore[no-untyped-def]
    """Not part of what is shown."""
    g = g.conv(1, 1)
    return g.relu()


RULES = (kernel, unsupported, stride, size, faulty)
