"""Words that several rules of this pack share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lintmodel.findings import Fix, Found
from lintmodel.ir import Conv
from lintmodel.planning import Plan, Step
from lintmodel.target import Target

from .plan import CONVERSIONS

Words = Callable[[Mapping[str, Any]], str]


def refused(plan: Plan, kind: str, words: Words, fix: Fix | None = None) -> Iterator[Found]:
    """A finding for every refusal of this kind, in the plan's own numbers."""
    for refusal in plan.refused(kind):
        yield Found(words(refusal.details), refusal.vendor_message or None, refusal.node, fix)


def quantized(kpu: Target) -> bool:
    """The network is quantised, so that the KPU is used at all; otherwise one finding says so for all layers."""
    return bool(kpu.options.get("ptq", True))


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


def shape_is_known(conv: Conv) -> bool:
    """Two spatial dimensions, all sizes known."""
    return conv.fixed and conv.rank == 2
