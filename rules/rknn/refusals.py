"""What stops the toolkit: errors of loading and building, and its crashes.

Every reason that is known is given, not the first alone: the toolkit stops at one, and shows the next one in the next
attempt.
"""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.ir import Graph
from lintmodel.planning import Refusal
from lintmodel.target import Target

from . import refused_crashes, refused_loading, refused_quantising, refused_values
from .subject import Subject


def refusals(graph: Graph, target: Target, *, quantized: bool) -> tuple[Refusal, ...]:
    """Everything known to stop the toolkit before or while it makes its layers."""
    return tuple(_refusals(Subject(graph, target, quantized)))


def _refusals(subject: Subject) -> Iterator[Refusal]:
    yield from refused_loading.refusals(subject)
    yield from refused_values.refusals(subject)
    yield from refused_quantising.refusals(subject)
    yield from refused_crashes.refusals(subject)
