"""The report's list of nodes: where each one runs and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from .errors import LintmodelError
from .findings import Finding
from .ir import Composite, Graph, Node, macs
from .ir.dtypes import bits
from .planning import Placement, Plan


@dataclass(frozen=True)
class NodeReport:
    """One line of the report's node list: a node, or a composite of several."""

    name: str
    op: str
    native_op: str
    placement: Placement
    rules: tuple[str, ...]
    shape: tuple[int | str, ...] | None
    macs: int
    weight_bytes: int
    file: str
    line: int | None
    members: tuple[str, ...] = ()


_WORST_FIRST = (
    Placement.UNSUPPORTED,
    Placement.FALLBACK,
    Placement.PARTIAL,
    Placement.ACCELERATED,
    Placement.FREE,
)


def node_reports(graph: Graph, plan: Plan, findings: Sequence[Finding]) -> Iterator[NodeReport]:
    """Every node once, the members of a composite as one, where its last member stands."""
    rules: dict[str, set[str]] = {}
    for finding in findings:
        rules.setdefault(finding.node or "", set()).add(finding.rule)
    composites = _disjoint(graph.composites)
    inside = {name for composite in composites.values() for name in composite.members}
    for node in graph.nodes:
        whole = composites.get(node.name)
        if whole is None and node.name in inside:
            continue
        members = [graph.node(name) for name in whole.members] if whole else [node]
        names = [member.name for member in members] + ([whole.name] if whole else [])
        placements = {_placement(plan, member.name) for member in members}
        yield NodeReport(
            name=whole.name if whole else node.name,
            op=whole.op if whole else node.op,
            native_op=node.native_op,
            placement=next(p for p in _WORST_FIRST if p in placements),
            rules=tuple(sorted({code for name in names for code in rules.get(name, ())})),
            shape=graph.tensor(whole.output if whole else _first(node.outputs)).shape,
            macs=sum(macs(graph, member) for member in members),
            weight_bytes=sum(_weight_bytes(graph, member) for member in members),
            file=node.source.file or graph.path,
            line=node.source.line,
            members=whole.members if whole else (),
        )


def _disjoint(composites: Sequence[Composite]) -> dict[str, Composite]:
    """The composites by their last member; of those that share a node, the largest."""
    chosen: dict[str, Composite] = {}
    inside: set[str] = set()
    for composite in sorted(composites, key=lambda c: -len(c.members)):
        if inside.isdisjoint(composite.members):
            inside.update(composite.members)
            chosen[composite.members[-1]] = composite
    return chosen


def _placement(plan: Plan, node: str) -> Placement:
    if node not in plan.placements:
        raise LintmodelError(
            f"the plan places every node but '{node}'; this is a bug in the rule pack, please report it"
        )
    return plan.placements[node]


def _first(names: Sequence[str]) -> str:
    return next((name for name in names if name), "")


def _weight_bytes(graph: Graph, node: Node) -> int:
    """Bytes of the node's constant inputs as the file stores them, without reading them."""
    found = 0
    for name in dict.fromkeys(node.inputs):
        tensor = graph.tensor(name)
        if tensor.constant is not None and tensor.known and tensor.dtype not in ("string", "unknown"):
            found += -(-tensor.elements * bits(tensor.dtype) // 8)
    return found
