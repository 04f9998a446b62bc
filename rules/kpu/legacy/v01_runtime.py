"""What the board's runtime makes of the layers that nncase 0.1 writes."""

from __future__ import annotations

from collections.abc import Iterable

from lintmodel.planning import Step
from lintmodel.target import Target

from ..kmodel import ANY_FIRST_LAYER, FIRST_LAYERS
from ..runtime_support import chosen_runtime


def without_code(steps: Iterable[Step], target: Target) -> list[Step]:
    """Layers that the compiler writes and the runtime has no code for."""
    return [step for step in steps if step.op not in target.operators["kmodel3"]]


def first_refused(steps: Iterable[Step], target: Target) -> Step | None:
    """The first layer, when it is not of a kind that the runtime hands its input to."""
    first = next(iter(steps), None)
    allowed = FIRST_LAYERS.get(chosen_runtime(target) or "", ANY_FIRST_LAYER)
    return first if first is not None and first.op not in allowed else None
