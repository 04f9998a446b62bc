"""Paths and lines as formats for other programs want them."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from ..api import Report
    from ..findings import Finding


def relative(path: str) -> str:
    """The path relative to where lintmodel runs, with slashes; unchanged when it is elsewhere."""
    if os.path.isabs(path):  # noqa: PTH117
        below = os.path.relpath(path)
        path = path if below.startswith("..") else below
    return os.path.normpath(path).replace(os.sep, "/")


def uri(path: str) -> str:
    """The path as a relative URI reference, or a ``file`` URI for one that is elsewhere."""
    found = relative(path)
    return f"file://{quote(found)}" if found.startswith("/") else quote(found)


def places_in(text: str) -> Callable[[int], tuple[int, int]]:
    """A function from the number of a character to its line and column, both from 1."""
    from bisect import bisect_right

    from ..ir import line_starts

    starts = line_starts(text)

    def place(at: int) -> tuple[int, int]:
        line = bisect_right(starts, at)
        return line, at - starts[line - 1] + 1

    return place


def file_of(report: Report, finding: Finding) -> str:
    """The user's own source where it is known, else the model."""
    return finding.location.file if finding.location else report.model


def line_of(finding: Finding) -> int:
    return (finding.location.line if finding.location else None) or 1
