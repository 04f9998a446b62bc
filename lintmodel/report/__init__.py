"""Reports as text, one module per format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared

FORMATS = ("rich", "concise", "json")


@dataclass(frozen=True, slots=True)
class Failure:
    """A model that could not be read, and the sentence that says why."""

    model: str
    error: str


@dataclass(frozen=True, slots=True)
class Look:
    """What the place the text goes to can show."""

    width: int = 100
    """In columns."""
    color: bool = False
    unicode: bool = True
    """Bars and marks beyond ASCII."""
    quiet: bool = False
    """Findings and nothing else."""


def render(
    reports: Sequence[Report],
    failures: Sequence[Failure] = (),
    format: str = "concise",
    look: Look = Look(),
    compared: Compared | None = None,
) -> str:
    """The reports in one of :data:`FORMATS`, ending in a line break. Raises UsageError for another format."""
    if format == "json":
        from . import json

        return json.render(reports, failures, compared)
    if format == "concise":
        from . import concise

        return concise.render(reports, failures, look, compared)
    if format == "rich":
        from . import rich

        return rich.render(reports, failures, look, compared)
    raise UsageError(f"no format '{format}'" + did_you_mean(format, list(FORMATS)))
