"""Edits of a description's text: a key of a layer set, added or taken away, and nothing else touched.

Only what is written in the usual way can be edited: a layer in a block, a value on its key's line. For anything else
the edit comes out wrong or not at all, and the text read again shows it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from lintmodel.fixing import ABSENT, TextEdit
from lintmodel.ir import Document, line_starts

_PLAIN = re.compile(
    r"(?:\[[^\[\]\n]*\]|\"[^\"\n]*\"|'[^'\n]*'|[^\s#\[\]{}&*!|>'\"][^\n\r]*?)(?=\s*(?:$|[\r\n]| #|\t#))"
)
_REST = re.compile(r"[ \t]*(#[^\r\n]*)?(\r\n|[\r\n]|$)")

Change = tuple[int, str, Any, str]
"""Position of the layer in the list, key, new value or ABSENT, and how it is written."""


def edits(document: Document, changes: Sequence[Change]) -> tuple[TextEdit, ...]:
    """The edits of some changes; none where one of them cannot be made."""
    starts = line_starts(document.text)
    found: list[TextEdit] = []
    for layer, key, value, text in changes:
        made = list(_edit(document, starts, layer, key, value, text))
        if not made:
            return ()
        found += made
    return tuple(found)


def paths(changes: Sequence[Change]) -> tuple[tuple[str, Any], ...]:
    """Dotted paths and values."""
    return tuple((f"layers.{layer}.{key}", value) for layer, key, value, _ in changes)


def _edit(document: Document, starts: Sequence[int], layer: int, key: str, value: Any, text: str) -> Iterator[TextEdit]:
    path = f"layers.{layer}.{key}"
    written = path in document.positions
    if path in document.duplicates:
        return
    if value is ABSENT:
        if written:
            yield from _removed(document, starts, path)
    elif written:
        start = _at(document, starts, path)
        old = _PLAIN.match(document.text, start)
        if old:
            yield TextEdit(start, old.end(), text)
    else:
        yield from _inserted(document, starts, layer, f"{key}: {text}")


def _inserted(document: Document, starts: Sequence[int], layer: int, text: str) -> Iterator[TextEdit]:
    """A line before the layer's first key, which moves down; behind the name where that comes first."""
    path = f"layers.{layer}"
    if path not in document.positions:
        return
    place = document.positions[path]
    if place == document.positions.get(f"{path}.name:key"):
        keys = document.values["layers"][layer]
        others = [document.positions.get(f"{path}.{key}:key", place) for key in keys]
        place = min((other for other in others if other > place and other[1] == place[1]), default=place)
    at = starts[place[0] - 1] + place[1] - 1
    if document.text[at : at + 1] not in ("{", "&", "*", ""):
        newline = "\r\n" if "\r\n" in document.text else "\n"
        yield TextEdit(at, at, f"{text}{newline}{' ' * (place[1] - 1)}")


def _removed(document: Document, starts: Sequence[int], path: str) -> Iterator[TextEdit]:
    """The line of a key. A comment on it stays, on a line of its own."""
    key = _at(document, starts, f"{path}:key")
    value = _at(document, starts, path)
    line = document.positions[f"{path}:key"][0]
    old = _PLAIN.match(document.text, value)
    if not old or document.positions[path][0] != line:
        return
    rest = _REST.match(document.text, old.end())
    if not rest:
        return
    before = document.text[starts[line - 1] : key]
    if rest[1]:
        if not before.strip():
            yield TextEdit(key, rest.start(1), "")
        else:  # behind the dash of the list
            following = _next_key(document.text, rest.end(), key - starts[line - 1])
            if following is not None:
                yield TextEdit(key, rest.start(1), "")
    elif not before.strip():
        yield TextEdit(starts[line - 1], rest.end(), "")
    else:
        following = _next_key(document.text, rest.end(), key - starts[line - 1])
        if following is not None:
            yield TextEdit(key, following, "")


def _next_key(text: str, at: int, column: int) -> int | None:
    """Where the next line's key stands, if it is of the same layer."""
    found = re.compile(r" *").match(text, at)
    assert found
    return (
        found.end() if len(found[0]) == column and text[found.end() : found.end() + 1] not in ("-", "#", "") else None
    )


def _at(document: Document, starts: Sequence[int], path: str) -> int:
    line, column = document.positions[path]
    return starts[line - 1] + column - 1
