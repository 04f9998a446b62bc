"""Turns what front ends and the normaliser noticed (``Graph.problems``) into findings."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found
from lintmodel.registry import Model


def told(model: Model, *kinds: str) -> Iterator[Found]:
    """One finding for every problem of these kinds, in the words of whoever noticed it."""
    for problem in model.graph.problems:
        if problem.kind in kinds:
            yield Found(problem.message, node=problem.node)
