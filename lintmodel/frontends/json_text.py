"""Reads a JSON document: plain values, and the line and column of every value and key.

What is in it decides what it is: packs recognise the kinds they know. The text is held to JSON as Python's own reader
understands it, NaN and Infinity included, because that is what the tools that take such files read them with.
"""

from __future__ import annotations

import json
import os
import re
from bisect import bisect_right
from dataclasses import replace
from json.decoder import JSONDecodeError

from ..errors import UnreadableModel
from ..ir.document import Document, line_starts
from .text import text_of

KIND = "json"
"""Of a document that no pack has recognised yet."""
MOST_BYTES = 4 * 1024 * 1024
"""Of a file: configurations have a few kilobytes, and a network written as JSON is no document."""
_MOST_DEPTH = 50
_SPACE = re.compile(r"[ \t\n\r]*")


def read_json(path: str | os.PathLike[str]) -> Document:
    """The document of a JSON text, of the kind ``json``. Raises UnreadableModel for text that is no JSON mapping."""
    text = text_of(path, "JSON", MOST_BYTES, "; give the .onnx model")
    return _document(Document(os.fspath(path), KIND, {}, syntax="json"), text)


def reread_json(document: Document, text: str) -> Document:
    """The document with another text, of the kind it was."""
    return _document(document, text)


_DECODER = json.JSONDecoder()


def _document(document: Document, text: str) -> Document:
    try:
        values = json.loads(text)
    except JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise UnreadableModel(document.path, f"is not JSON: {where}: {error.msg}; mend it there") from None
    except (RecursionError, ValueError) as error:
        why = "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise UnreadableModel(document.path, f"is not readable JSON: {why}") from None
    if not isinstance(values, dict):
        what = "list" if isinstance(values, list) else "single value"
        raise UnreadableModel(document.path, f"is a JSON {what}, which says nothing of a model; give the .onnx model")
    places = _Places(text, document.path)
    places.value(_SPACE.match(text).end(), "", 0)  # type: ignore[union-attr]
    return replace(document, values=values, positions=places.positions, text=text, duplicates=tuple(places.duplicates))


class _Places:
    """Positions and duplicate keys of a text that is JSON."""

    def __init__(self, text: str, path: str) -> None:
        self.text = text
        self.path = path
        self.positions: dict[str, tuple[int, int]] = {}
        self.duplicates: list[str] = []
        self._starts = line_starts(text)

    def value(self, at: int, path: str, depth: int) -> int:
        """Notes where the value at a place and those inside it stand; where it ends."""
        if depth > _MOST_DEPTH:
            raise UnreadableModel(self.path, f"is JSON nested more than {_MOST_DEPTH} deep, as no configuration is")
        self.positions[path] = self._place(at)
        if self.text[at] == "{":
            return self._inside(at, path, depth, named=True)
        if self.text[at] == "[":
            return self._inside(at, path, depth, named=False)
        return int(_DECODER.raw_decode(self.text, at)[1])

    def _inside(self, at: int, path: str, depth: int, *, named: bool) -> int:
        seen: set[str] = set()
        index, close = 0, "}" if named else "]"
        at = self._skip(at + 1)
        while self.text[at] != close:
            word = str(index)
            if named:
                word, end = _DECODER.raw_decode(self.text, at)
                self._key(f"{path}.{word}".lstrip("."), at, again=word in seen)
                at = self._skip(self._skip(end) + 1)
            seen.add(word)
            at = self._skip(self.value(at, f"{path}.{word}".lstrip("."), depth + 1))
            index += 1
            if self.text[at] == ",":
                at = self._skip(at + 1)
        return at + 1

    def _key(self, path: str, at: int, *, again: bool) -> None:
        if again:
            self.duplicates.append(path)
            self.positions[f"{path}:again"] = self._place(at)
        else:
            self.positions[f"{path}:key"] = self._place(at)

    def _skip(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        assert found
        return found.end()

    def _place(self, at: int) -> tuple[int, int]:
        line = bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1
