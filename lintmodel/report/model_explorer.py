"""Node data for Google's Model Explorer: an overlay that colours the graph by where each node runs.

Source of the form: ai-edge-model-explorer, the guide to custom node data.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared
    from . import Failure

COLORS = {
    "accelerated": "#4caf50",
    "partial": "#ffc107",
    "fallback": "#ab47bc",
    "unsupported": "#e53935",
    "free": "#bdbdbd",
}


def render(reports: Sequence[Report], failures: Sequence[Failure] = (), compared: Compared | None = None) -> str:
    """The overlay of every graph and target, keyed by the names of output tensors."""
    return (
        json.dumps({_name(report, reports): _graph(report) for report in reports if not report.document}, indent=1)
        + "\n"
    )


def _name(report: Report, reports: Sequence[Report]) -> str:
    """The graph's own name, by which the viewer finds it; with model and target where one name would not do."""
    name = report.graph.name or "main"
    alike = [other for other in reports if (other.graph.name or "main") == name]
    return name if len(alike) == 1 else f"{name} ({report.model}, {report.target.name})"


def _graph(report: Report) -> dict[str, Any]:
    results: dict[str, Any] = {}
    written = {node.name: node.outputs for node in report.graph.nodes}
    for node in report.nodes:
        words = f"{node.placement.value} {' '.join(node.rules)}".strip()
        for member in node.members or (node.name,):
            for tensor in written.get(member, ()):
                if tensor:
                    results[tensor] = {"value": words, "bgColor": COLORS[node.placement.value]}
    return {"results": results}
