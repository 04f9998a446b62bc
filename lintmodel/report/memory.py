"""``lintmodel-memory/1``: what every layer and every memory of a model takes, as JSON and CSV.

It changes only by adding. The form for people is in :mod:`lintmodel.report.memory_text`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ir import Conv, view_as
from ..ir.dtypes import bits
from ..planning import Liveness, Placement, Step, liveness
from .text import folded

if TYPE_CHECKING:
    from ..api import Report
    from ..node_report import NodeReport

SCHEMA = "lintmodel-memory/1"


@dataclass(frozen=True, slots=True)
class Layer:
    """What one layer reads, writes and needs meanwhile, in bytes."""

    name: str
    placement: Placement
    unit: str
    """Units of its steps in the order they are first used: ``npu+cpu``."""
    op: str
    """Its steps: ``Pad, Copy x2``; the operator where it has none."""
    shape: tuple[int | str, ...] | None
    dtype: str | None
    """Element type of what its last step writes, where the plan says so."""
    inputs: int
    outputs: int
    weights: int
    """As the file stores them."""
    scratch: int
    """Written and read by the layer itself."""
    im2col: int | None = None
    """Workspace in which a convolution on the CPU would lay out its input to multiply matrices."""
    note: str = ""


def layers(report: Report) -> tuple[Layer, ...]:
    """One layer for every line of the report's nodes that has steps or should have, in order of execution."""
    of_line = {name: node for node in report.nodes for name in (node.name, *node.members)}
    steps: dict[str, list[Step]] = {}
    for step in report.plan.steps:
        steps.setdefault(_line(report, of_line, step), []).append(step)
    readers = _readers(report, of_line)
    sizes = {buffer.tensor: buffer.bytes for buffer in report.plan.buffers}
    sizes |= {buffer.tensor: buffer.bytes for step in report.plan.steps for buffer in step.writes}
    by_name = {node.name: node for node in report.nodes}
    order = [*steps, *(n.name for n in report.nodes if n.name not in steps and n.placement != Placement.FREE)]
    return tuple(_layer(report, by_name.get(name), steps.get(name, []), readers, sizes) for name in order)


def memory_dict(report: Report) -> dict[str, Any]:
    """The whole of ``lintmodel-memory/1`` as plain lists and dictionaries."""
    live = liveness(report.plan)
    return {
        "schema": SCHEMA,
        "model": report.model,
        "target": report.target.name,
        "toolchain": report.target.toolchain,
        "verdict": report.verdict,
        "fits": report.fits,
        "layers": [_layer_dict(layer) for layer in layers(report)],
        "free": [node.name for node in report.nodes if node.placement == Placement.FREE],
        "memory": {name: _pool_dict(report, name, live.get(name)) for name in report.plan.memory},
        "timeline": {name: _timeline(report, found) for name, found in live.items()},
        "not_checked": [{"what": item.what, "why": item.why, "nodes": list(item.nodes)} for item in report.not_checked],
    }


def render_json(report: Report) -> str:
    return json.dumps(memory_dict(report), indent=1) + "\n"


def render_csv(report: Report) -> str:
    """The layers, a line each."""
    import csv
    from io import StringIO

    text = StringIO()
    rows = [_layer_dict(layer) for layer in layers(report)]
    columns = [field for field in Layer.__dataclass_fields__ if field != "note"]
    writer = csv.DictWriter(text, columns, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows({**row, "shape": "x".join(map(str, row["shape"] or ()))} for row in rows)
    return text.getvalue()


def overflows(report: Report) -> bool:
    """A memory is too small for the model."""
    return report.fits == "no" or any(
        pool.capacity is not None and pool.peak > pool.capacity and not pool.spills
        for pool in report.plan.memory.values()
    )


def peak_node(report: Report, pool: str, live: Liveness | None) -> str | None:
    """The node where a memory is fullest: as the plan says, else where most is in use."""
    if (at := report.plan.memory[pool].at) is not None:
        return at
    nodes = report.plan.steps[live.at].nodes if live else ()
    return nodes[0] if nodes else None


# ---- layers


def _readers(report: Report, of_line: Mapping[str, NodeReport]) -> dict[str, set[str]]:
    """The lines that read a tensor, by tensor."""
    found: dict[str, set[str]] = {}
    for step in report.plan.steps:
        for tensor in step.reads:
            found.setdefault(tensor, set()).add(_line(report, of_line, step))
    return found


def _line(report: Report, of_line: Mapping[str, NodeReport], step: Step) -> str:
    """The line of the report's nodes that a step belongs to. A document has no nodes: its layers are those of the
    steps."""
    line = of_line.get(step.nodes[0]) if step.nodes else None
    return line.name if line else step.nodes[0] if step.nodes and report.document is not None else ""


def _layer(
    report: Report,
    node: NodeReport | None,
    steps: Sequence[Step],
    readers: Mapping[str, set[str]],
    sizes: Mapping[str, int],
) -> Layer:
    name = node.name if node else _line(report, {}, steps[-1]) if steps else ""
    written = {buffer.tensor: buffer.bytes for step in steps for buffer in step.writes}
    own = {tensor for tensor in written if readers.get(tensor) == {name}}
    read = {tensor for step in steps for tensor in step.reads} - written.keys()
    last = steps[-1] if steps else None
    im2col = _im2col(report, node, steps)
    return Layer(
        name=name,
        placement=node.placement if node else Placement.FREE,
        unit="+".join(dict.fromkeys(step.unit for step in steps)),
        op=folded(step.op for step in steps) or (node.op if node else ""),
        shape=node.shape if node else last.shape if last else None,
        dtype=last.details.get("dtype") if last else None,
        inputs=sum(sizes.get(tensor, 0) for tensor in read),
        outputs=sum(size for tensor, size in written.items() if tensor not in own),
        weights=node.weight_bytes if node else sum(step.details.get("weight_bytes", 0) for step in steps),
        scratch=sum(written[tensor] for tensor in own),
        im2col=im2col,
        note="" if im2col is None else _im2col_note(report, im2col),
    )


def _im2col(report: Report, node: NodeReport | None, steps: Sequence[Step]) -> int | None:
    """Bytes of every window of the input, written out: kernel height x width x input channels of a group for every
    pixel of the output. None without a convolution on the CPU; a depthwise or 1x1 one needs no such workspace."""
    if node is None or not any(step.unit == "cpu" and "conv" in step.op.lower() for step in steps):
        return None
    for name in node.members or (node.name,):
        conv = view_as(Conv, report.graph, report.graph.node(name))
        if conv is None or not conv.fixed or conv.depthwise or conv.kernel == (1, 1):
            continue
        said = next((step.details["dtype"] for step in steps if "dtype" in step.details), "float32")
        window = conv.kernel[0] * conv.kernel[1] * conv.in_channels // conv.groups
        return int(window * conv.out_height * conv.out_width * bits(said) // 8)
    return None


def _im2col_note(report: Report, needed: int) -> str:
    does = report.target.limits.get("im2col")
    told = "" if does is None else f"; that of {report.target.toolchain} does" + ("" if does else " not")
    return f"would need {needed:,} bytes if the CPU kernel used im2col{told}"


def _layer_dict(layer: Layer) -> dict[str, Any]:
    found = {field: getattr(layer, field) for field in Layer.__dataclass_fields__}
    return {
        **found,
        "placement": layer.placement.value,
        "unit": layer.unit or None,
        "shape": None if layer.shape is None else list(layer.shape),
        "note": layer.note or None,
    }


# ---- memories


def _pool_dict(report: Report, name: str, live: Liveness | None) -> dict[str, Any]:
    pool = report.plan.memory[name]
    found = {
        "capacity": pool.capacity,
        "peak": pool.peak,
        "lower_bound": live.lower_bound if live else None,
        "at": peak_node(report, name, live),
    }
    return {**found, "parts": dict(pool.parts)} if pool.parts else found


def _timeline(report: Report, live: Liveness) -> list[dict[str, Any]]:
    def entries() -> Iterator[dict[str, Any]]:
        for number, (step, used) in enumerate(zip(report.plan.steps, live.live, strict=True), start=1):
            yield {"step": number, "op": step.op, "node": step.nodes[0] if step.nodes else None, "live": used}

    return list(entries())
