"""A finding: one rule, one place, one sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .ir import Graph


class Level(IntEnum):
    """How bad: the toolchain rejects or computes wrongly; falls back or costs much; advice."""

    NOTE = 1
    WARNING = 2
    ERROR = 3

    def __str__(self) -> str:
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Location:
    """A place in the user's own text, or in the model file."""

    file: str
    line: int | None = None
    column: int | None = None


@dataclass(frozen=True, slots=True)
class TextEdit:
    """Characters ``start`` to ``end`` of a text become ``replacement``; nothing is replaced where they are equal."""

    start: int
    end: int
    replacement: str


@dataclass(frozen=True, slots=True)
class Fix:
    """A change that mends the finding. ``safety``: ``safe`` keeps the function, ``unsafe`` does not, ``display`` is
    advice that nobody applies automatically."""

    id: str
    safety: str
    text: str = ""
    """What is done, in words."""
    edits: tuple[TextEdit, ...] = ()
    """Of the document's text, where that is what the fix changes."""


@dataclass(frozen=True, slots=True)
class Finding:
    rule: str
    name: str
    level: Level
    message: str
    node: str | None = None
    location: Location | None = None
    vendor_message: str | None = None
    fix: Fix | None = None
    fingerprint: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)
    related: tuple[Location, ...] = ()
    """Other lines that belong to it: the call in ``forward`` of the layer that ``location`` makes."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a rule yields: the message, and what only this occurrence knows. The engine adds rule, place and
    fingerprint. ``node`` overrides the node the rule was called for; ``level`` overrides the rule's level. ``key`` is
    the dotted path of the value in a document that it is about, which gives line and column. ``nodes`` are those that
    a finding on the whole model is about: it stands on their lines, where they have any."""

    message: str
    vendor_message: str | None = None
    node: str | None = None
    fix: Fix | None = None
    level: Level | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    nodes: Sequence[str] = ()


def offering(found: Found, graph: Graph, fix: Fix | None, **details: object) -> Found:
    """The finding with a fix of the network, and what its rewrite has to know. Only ONNX files are offered one."""
    if fix is None or graph.format != "onnx":
        return found
    return replace(found, fix=fix, details={**found.details, **details})
