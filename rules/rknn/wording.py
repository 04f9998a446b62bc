"""Words that several rules of this pack share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lintmodel.findings import Found
from lintmodel.planning import Plan

Words = Callable[[Mapping[str, Any]], str]


def refused(plan: Plan, kind: str, words: Words) -> Iterator[Found]:
    """A finding for every refusal of this kind, in the plan's own numbers."""
    for refusal in plan.refused(kind):
        yield Found(words(refusal.details), refusal.vendor_message, refusal.node)


def times(sizes: Sequence[object]) -> str:
    """``3x224x224``"""
    return "x".join(map(str, sizes))
