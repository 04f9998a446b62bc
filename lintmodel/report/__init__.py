"""Reports as text, one module per format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from ..errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from ..api import Report
    from ..baseline import Compared

TEXTS = ("rich", "concise")
"""Formats whose look depends on where they go."""
FORMATS = (
    *(*TEXTS, "json", "sarif", "github", "gitlab", "junit", "rdjson"),
    *("markdown", "html", "csv", "model-explorer"),
)
"""Every format is the module of its name."""


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
    if format not in FORMATS:
        raise UsageError(f"no format '{format}'" + did_you_mean(format, list(FORMATS)))
    module = import_module(f".{format.replace('-', '_')}", __name__)
    text: str = (
        module.render(reports, failures, look, compared)
        if format in TEXTS
        else module.render(reports, failures, compared)
    )
    return text
