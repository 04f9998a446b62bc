"""Which device runs each operation, and how many separate DPU subgraphs that makes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lintmodel.ir import Concat, Graph
from lintmodel.target import Target

from .engines import Engines
from .network import Operation
from .reasons import Reason
from .verdicts import FUSED_WITH, LATER, verdict

ALONE = frozenset({"hsigmoid", "hswish"})
"""Activations that the arithmetic unit computes; a DPU without one takes them only behind a convolution."""
RESHAPES = frozenset({"reshape", "flatten"})
TO_CHANNELS_FIRST = (0, 3, 1, 2)


@dataclass(frozen=True, slots=True)
class Placed:
    """An operation with its device."""

    operation: Operation
    on_dpu: bool
    reasons: tuple[Reason, ...] = ()
    level: int = 0
    """The largest number of changes from the CPU to the DPU on a path to it."""
    segment: int | None = None
    """Its DPU subgraph, counted from 1; None on the CPU."""


@dataclass(frozen=True, slots=True)
class Partition:
    placed: tuple[Placed, ...]
    segments: int
    splits: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    """By the position of an operation on the CPU: the subgraphs that begin behind it."""


def partition(operations: Sequence[Operation], graph: Graph, dpu: Engines, target: Target) -> Partition:
    """Every operation's device and subgraph. Operations are in order of execution."""
    made = {name: k for k, operation in enumerate(operations) for name in operation.outputs}
    parents = [[made[name] for name in operation.inputs if name in made] for operation in operations]
    children: list[list[int]] = [[] for _ in operations]
    for k, found in enumerate(parents):
        for parent in found:
            children[parent].append(k)
    reasons = _reasons(operations, graph, dpu, target, children)
    on_dpu = [not any(not r.advisory for r in found) for found in reasons]
    _merge_permutes(operations, children, on_dpu, reasons)
    _reshapes_at_the_border(operations, graph, parents, children, on_dpu, reasons)
    if target.version in LATER:
        _joined_at_the_border(operations, graph, parents, on_dpu, reasons)
    levels = _levels(parents, on_dpu)
    segments = _segments(parents, on_dpu, levels)
    placed = tuple(
        Placed(operation, on_dpu[k], tuple(reasons[k]), levels[k], segments.get(k))
        for k, operation in enumerate(operations)
    )
    return Partition(placed, max(segments.values(), default=0), _splits(operations, parents, on_dpu, segments))


def _reasons(
    operations: Sequence[Operation], graph: Graph, dpu: Engines, target: Target, children: Sequence[Sequence[int]]
) -> list[list[Reason]]:
    """What speaks against the DPU, operation by operation."""
    found: list[list[Reason]] = []
    taken: set[int] = set()
    for k, operation in enumerate(operations):
        if operation.kind in ALONE and not dpu.alu and k not in taken:
            said = "This target does not support single hard-sigmoid."
            found.append([Reason("hard-activation-alone", said, {"op": operation.op, "dpu": dpu.name})])
            continue
        found.append(verdict(operation, graph, dpu, target))
        named = [r for r in found[-1] if not r.overlooked]
        behind = children[k]
        if not named and len(behind) == 1 and operations[behind[0]].kind in FUSED_WITH.get(operation.kind, ()):
            taken.add(behind[0])
    return found


def _merge_permutes(
    operations: Sequence[Operation],
    children: Sequence[Sequence[int]],
    on_dpu: list[bool],
    reasons: list[list[Reason]],
) -> None:
    """A change of layout in front of flatten and a dense layer goes into the order of that layer's weights."""
    for k, operation in enumerate(operations):
        if operation.kind != "permute" or operation.order != TO_CHANNELS_FIRST:
            continue
        flat = [c for c in children[k] if operations[c].kind in RESHAPES]
        dense = [d for c in flat for d in children[c] if operations[d].kind == "dense"]
        if dense and on_dpu[dense[0]]:
            on_dpu[k] = True
            reasons[k] = []


def _reshapes_at_the_border(
    operations: Sequence[Operation],
    graph: Graph,
    parents: Sequence[Sequence[int]],
    children: Sequence[Sequence[int]],
    on_dpu: list[bool],
    reasons: list[list[Reason]],
) -> None:
    """A reshape between the devices may not change the batch."""
    for k, operation in enumerate(operations):
        if operation.kind not in RESHAPES or not on_dpu[k]:
            continue
        if all(on_dpu[p] for p in parents[k]) and all(on_dpu[c] for c in children[k]):
            continue
        before, after = graph.tensor(operation.node.inputs[0]), graph.tensor(operation.outputs[0])
        if before.shape and after.shape and before.shape[0] != after.shape[0]:
            on_dpu[k] = False
            numbers = {"before": before.shape[0], "after": after.shape[0]}
            reasons[k] = [Reason("batch-changed", "First dimension is changed.", numbers)]


def _joined_at_the_border(
    operations: Sequence[Operation],
    graph: Graph,
    parents: Sequence[Sequence[int]],
    on_dpu: list[bool],
    reasons: list[list[Reason]],
) -> None:
    """Releases 3.x leave what only rearranges maps from the CPU on the CPU."""
    for k, operation in enumerate(operations):
        from_cpu = [not on_dpu[p] for p in parents[k]]
        if not on_dpu[k] or not any(from_cpu):
            continue
        said = ""
        if operation.kind in RESHAPES:
            said = "The input of reshape is not on DPU."
        elif operation.kind == "concat" and all(from_cpu):
            said = "All input of concat are on CPU."
        elif operation.kind == "concat" and not _joins_channels(operation, graph):
            axis = operation.node.attributes.get("axis", 1)
            said = (
                f"One of the input is from non-DPU device. And output is not 4d. And axis == {axis} is not supported."
            )
        if said:
            on_dpu[k] = False
            reasons[k] = [Reason("border-operator", said, {"op": operation.op})]


def _joins_channels(operation: Operation, graph: Graph) -> bool:
    view = Concat(graph, operation.node)
    last = 3 if operation.node.layout == "NHWC" else 1
    return view.fixed and len(view.y.sizes) == 4 and view.axis == last


def _levels(parents: Sequence[Sequence[int]], on_dpu: Sequence[bool]) -> list[int]:
    levels: list[int] = []
    for k, found in enumerate(parents):
        levels.append(max((levels[p] + (on_dpu[k] and not on_dpu[p]) for p in found), default=0))
    return levels


def _segments(parents: Sequence[Sequence[int]], on_dpu: Sequence[bool], levels: Sequence[int]) -> dict[int, int]:
    """The subgraph of every operation on the DPU: connected ones of one level, numbered as they begin."""
    root = list(range(len(parents)))

    def find(k: int) -> int:
        while root[k] != k:
            root[k] = root[root[k]]
            k = root[k]
        return k

    for k, found in enumerate(parents):
        for p in found:
            if on_dpu[k] and on_dpu[p] and levels[k] == levels[p]:
                root[find(k)] = find(p)
    numbers: dict[int, int] = {}
    return {k: numbers.setdefault(find(k), len(numbers) + 1) for k in range(len(parents)) if on_dpu[k]}


def _splits(
    operations: Sequence[Operation],
    parents: Sequence[Sequence[int]],
    on_dpu: Sequence[bool],
    segments: Mapping[int, int],
) -> dict[int, tuple[int, ...]]:
    """Which operation on the CPU each subgraph comes behind, but for those that only begin the network."""
    found: dict[int, set[int]] = {}
    for k, segment in segments.items():
        for p in parents[k]:
            for cause in _causes(operations, parents, on_dpu, p) if not on_dpu[p] else ():
                found.setdefault(cause, set()).add(segment)
    return {cause: tuple(sorted(numbers)) for cause, numbers in found.items()}


def _causes(
    operations: Sequence[Operation], parents: Sequence[Sequence[int]], on_dpu: Sequence[bool], last: int
) -> Iterator[int]:
    """The operations a run on the CPU is there for: inserted changes of layout only where there is nothing else."""
    run, seen = [last], {last}
    for k in run:
        for p in parents[k]:
            if not on_dpu[p] and p not in seen:
                seen.add(p)
                run.append(p)
    after_dpu = any(on_dpu[p] for k in run for p in parents[k])
    if after_dpu:
        own = [k for k in run if not operations[k].inserted]
        yield from own or run[:1]
