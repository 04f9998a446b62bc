"""A model as text, one node a line, so that findings in a binary file have a line to stand on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .text import printable, shape

if TYPE_CHECKING:
    from ..api import Report

HEAD = 2
"""Lines before the first node."""


@dataclass(frozen=True, slots=True)
class Listing:
    text: str
    lines: dict[str, int]
    """1-based line by node name; members of a composite and nodes of branches stand on a line as well."""

    def line(self, node: str | None) -> int:
        """The node's line; the first one for what concerns the whole model."""
        return self.lines.get(node or "", 1)


def listing(report: Report) -> Listing:
    """Every node in execution order: name, operator, what it reads and writes, where it runs."""
    graph = report.graph
    text = [f"{printable(report.model)} for {report.target.name} ({report.target.toolchain})", ""]
    lines: dict[str, int] = {}
    placements = {name: node.placement for node in report.nodes for name in (node.name, *node.members)}
    for _, node in graph.walk():
        if node.name in lines:
            continue
        lines[node.name] = len(text) + 1
        inputs = ", ".join(name for name in node.inputs if name and not graph.is_constant(name))
        sizes = shape(graph.tensor(node.outputs[0]).shape) if node.outputs and node.outputs[0] else ""
        where = placements.get(node.name)
        text.append(printable(f"{node.name}: {node.native_op}({inputs}) -> {sizes}  {where or ''}".rstrip()))
    for composite in graph.composites:
        lines.setdefault(composite.name, lines[composite.members[-1]])
    return Listing("\n".join(text) + "\n", lines)
