"""Edits of a JSON text: a value set, a key added, renamed or taken away, and nothing else touched."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from lintmodel.fixing import TextEdit
from lintmodel.ir import Document, line_starts

_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def set_value(document: Document, path: str, value: Any) -> tuple[TextEdit, ...]:
    """The value at a path becomes another; a key that is not there is added to its mapping. None where the mapping
    is not there either."""
    if path in document.duplicates:
        return ()
    if path in document.positions:
        start = _at(document, path)
        return (TextEdit(start, _end(document, start), json.dumps(value)),)
    inside, _, key = path.rpartition(".")
    if inside not in document.positions or document.text[_at(document, inside)] != "{":
        return ()
    return (_added(document, inside, key, value),)


def rename_key(document: Document, path: str, name: str) -> tuple[TextEdit, ...]:
    start = _at(document, f"{path}:key")
    return (TextEdit(start, _end(document, start), json.dumps(name)),)


def _added(document: Document, inside: str, key: str, value: Any) -> TextEdit:
    """Behind the last member of a mapping, written as that one is: on its own line where it is."""
    text, start = document.text, _at(document, inside)
    members = [path for path in document.positions if _is_member(path, inside)]
    if not members:
        return TextEdit(start + 1, start + 1, f"{json.dumps(key)}: {json.dumps(value)}")
    last = max(members, key=lambda path: document.positions[path])
    end = _end(document, _at(document, last))
    line = text[: _at(document, f"{last}:key")]
    before = line[len(line.rstrip(" \t\r\n")) :]
    indent = before.rpartition("\n")[2]
    if "\n" not in before:
        return TextEdit(end, end, f", {json.dumps(key)}: {json.dumps(value)}")
    newline = "\r\n" if "\r\n" in before else "\n"
    outer = text[:start][text[:start].rfind("\n") + 1 :]
    step = indent.removeprefix(_SPACE.match(outer)[0])  # type: ignore[index]
    written = json.dumps(value, indent=step or None).replace("\n", f"\n{indent}").replace("\n", newline)
    return TextEdit(end, end, f",{newline}{indent}{json.dumps(key)}: {written}")


def _is_member(path: str, inside: str) -> bool:
    head, _, key = path.rpartition(".")
    return head == inside and bool(key) and ":" not in key


def _at(document: Document, path: str) -> int:
    line, column = document.positions[path]
    return line_starts(document.text)[line - 1] + column - 1


def _end(document: Document, start: int) -> int:
    return int(_DECODER.raw_decode(document.text, start)[1])


def change(document: Document, path: str, value: Any) -> tuple[str, Any] | None:
    """Path and value with which the edited text is compared: of the outermost mapping that is new. None where a value
    that is no mapping is in the way."""
    *way, last = path.split(".")
    inside: Any = document.values
    for depth, word in enumerate(way):
        if isinstance(inside, list) and not word.isdigit():
            return None
        if isinstance(inside, Mapping) and word not in inside:
            for inner in reversed([*way[depth + 1 :], last]):
                value = {inner: value}
            return ".".join(way[: depth + 1]), value
        inside = inside[int(word)] if isinstance(inside, list) else inside[word]
        if not isinstance(inside, Mapping | list):
            return None
    return (path, value) if isinstance(inside, Mapping) else None
