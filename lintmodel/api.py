"""The Python interface: ``check`` takes a model and a target and gives a :class:`Report`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .findings import Finding
from .ir import Graph
from .planning import NotChecked, Placement, Plan
from .target import Target


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


@dataclass(frozen=True)
class Report:
    """Everything lintmodel has to say about one model on one target."""

    model: str
    graph: Graph
    target: Target
    plan: Plan
    nodes: tuple[NodeReport, ...]
    findings: tuple[Finding, ...]
    not_checked: tuple[NotChecked, ...] = ()

    @property
    def verdict(self) -> str:
        return self.plan.verdict

    @property
    def runtime(self) -> str:
        return self.plan.runtime

    @property
    def fits(self) -> str:
        return self.plan.fits

    @property
    def counts(self) -> dict[str, int]:
        """Number of listed nodes by placement, every placement present."""
        found = {p.value: 0 for p in Placement}
        for node in self.nodes:
            found[node.placement.value] += 1
        return found

    def to_dict(self) -> dict[str, Any]:
        """The report as DESIGN's ``lintmodel-report/1`` objects have it."""
        raise NotImplementedError


def check(
    model: Any,
    target: str,
    *,
    toolchain: str | None = None,
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    checkpoint: Any = None,
    quantized: bool | None = None,
    options: Mapping[str, Any] | None = None,
) -> Report:
    """See helper H2."""
    raise NotImplementedError
