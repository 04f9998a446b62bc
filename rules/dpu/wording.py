"""Words that several rules of this pack share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from lintmodel.findings import Found
from lintmodel.planning import Plan, Step

Words = Callable[[Mapping[str, Any]], str]
Mended = Callable[[Found, Step, Mapping[str, Any]], Found]
"""The finding with a fix, where there is one for the step and what speaks against it."""
OVERLOOKED = "AMD's 2.5 inspector reports the DPU here"


def broken(plan: Plan, kind: str, words: Words, mended: Mended | None = None) -> Iterator[Found]:
    """A finding for every operation that breaks this limit, in the plan's own numbers. ``mended`` gives it its fix."""
    for step in plan.steps:
        for reason in reasons(step, kind):
            message = words(reason)
            if reason["overlooked"]:
                message += f"; {OVERLOOKED}"
            found = Found(message + begins(step), reason["vendor_message"], node_of(step))
            yield mended(found, step, reason) if mended is not None else found


def reasons(step: Step, kind: str) -> Iterator[Mapping[str, Any]]:
    """What speaks against the DPU, of one kind."""
    return (reason for reason in step.details.get("reasons", ()) if reason["kind"] == kind)


def begins(step: Step) -> str:
    """Which DPU subgraphs an operation on the CPU splits off."""
    numbers = [str(number) for number in step.details.get("splits", ())]
    if len(numbers) == 1:
        return f"; DPU subgraph {numbers[0]} begins behind it"
    return f"; DPU subgraphs {', '.join(numbers)} begin behind it" if numbers else ""


def node_of(step: Step) -> str:
    """The node a step stands for; for an inserted change of layout the one it is inserted at."""
    return str(step.nodes[0] if step.nodes else step.details["at"])


def size(pair: Sequence[int]) -> str:
    """``5x5``"""
    return "x".join(map(str, pair))


def counted(count: int, word: str) -> str:
    """``2 subgraphs``, ``1 subgraph``"""
    return f"{count} {word}{'s' * (count != 1)}"
