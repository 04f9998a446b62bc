"""Words that several rules of this pack share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lintmodel.findings import Fix, Found
from lintmodel.ir import Conv, Graph, Pad
from lintmodel.planning import Plan, Step
from lintmodel.target import Target

from .plan import CONVERSIONS
from .runtime_support import available, firmware_of

Words = Callable[[Mapping[str, Any]], str]


def refused(
    plan: Plan, kind: str, words: Words, fix: Fix | Callable[[str], Fix | None] | None = None
) -> Iterator[Found]:
    """A finding for every refusal of this kind, in the plan's own numbers. ``fix`` may be a function of the node."""
    for refusal in plan.refused(kind):
        offered = fix(refusal.node or "") if callable(fix) else fix
        yield Found(words(refusal.details), refusal.vendor_message or None, refusal.node, offered)


def activation_first(graph: Graph, node: str) -> Fix | None:
    """What is offered for a function of single values that should stand before what makes its map."""
    maker = graph.producer(graph.node(node).inputs[0])
    known = {"MaxPool": "pool", "GlobalMaxPool": "pool", "Concat": "concat", "Slice": "slice"}
    where = known.get(maker.op) if maker is not None else None
    return Fix(f"activation-before-{where}", "safe", f"put it before the {maker.op}") if where and maker else None


def quantized(kpu: Target) -> bool:
    """The network is quantised, so that the KPU is used at all; otherwise one finding says so for all layers."""
    return bool(kpu.options.get("ptq", True))


def folded_pads(plan: Plan, conv: Conv) -> tuple[int, int, int, int]:
    """Padding in pixels (top, left, bottom, right), with that of a Pad before the convolution that the compiler took
    into it."""
    maker = conv.graph.producer(conv.node.inputs[0])
    amounts = Pad(conv.graph, maker).amounts if maker is not None and maker.op == "Pad" else None
    if maker is None or amounts is None or len(amounts) != 4 or own_steps(plan, maker.name):
        return conv.pads
    (top, bottom), (left, right) = amounts[1:3] if conv.node.layout == "NHWC" else amounts[2:4]
    return conv.pads[0] + top, conv.pads[1] + left, conv.pads[2] + bottom, conv.pads[3] + right


def own_steps(plan: Plan, node: str) -> list[Step]:
    """Steps that stand for the node itself, conversions between the units left out."""
    return [step for step in plan.steps_of(node) if step.nodes[0] == node and step.op not in CONVERSIONS]


def cpu_work(plan: Plan, node: str) -> Counter[str]:
    """How often each operation runs on the CPU for the node."""
    return Counter(step.op for step in own_steps(plan, node) if step.unit == "cpu")


def on_kpu(plan: Plan, node: str) -> bool:
    """Some of the node's own work runs on the KPU."""
    return any(step.unit == "kpu" for step in own_steps(plan, node))


def work(operations: Mapping[str, int]) -> str:
    """``Pad, 2x Copy``"""
    return ", ".join(op if times == 1 else f"{times}x {op}" for op, times in operations.items())


def size(pair: Sequence[int]) -> str:
    """``5x5``"""
    return "x".join(map(str, pair))


def shape(sizes: Sequence[int | str]) -> str:
    """``1x3x224x224``"""
    return "x".join(map(str, sizes)) or "a single value"


def kilobytes(count: int) -> str:
    """Bytes for people: exact below 10 KiB, KiB above."""
    return f"{count:,} bytes" if count < 10_240 else f"{count / 1024:,.0f} KiB"


def room(kpu: Target) -> str:
    """How much main memory there is, or what the firmware leaves of it: ``maixpy-full leaves 3,584 KiB``."""
    left, firmware = kilobytes(available(kpu) or 0), firmware_of(kpu)
    return f"{firmware} leaves {left}" if firmware else f"the chip has {left}"


def shape_is_known(conv: Conv) -> bool:
    """Two spatial dimensions, all sizes known."""
    return conv.fixed and conv.rank == 2
