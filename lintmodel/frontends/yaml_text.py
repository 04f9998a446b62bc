"""Reads a YAML document: plain values, and the line and column of every value and key.

The values become plain Python with keys as text, as a safe YAML loader makes them. A merge key ``<<`` also stays as a
key without a value, because not every tool reads it. What is in the text decides what it is: packs recognise the
kinds they know.
"""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, NoReturn

from ..errors import UnreadableModel
from ..ir.document import Document
from .text import text_of

KIND = "yaml"
"""Of a document that no pack has recognised yet."""
MOST_BYTES = 16 * 1024 * 1024
"""Of a file: a network that is written out by hand has a few kilobytes."""
_MOST_VALUES = 200_000
"""Of a file: aliases of aliases, all written out, would have no end."""
_MOST_DEPTH = 50
_PLAIN = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_MERGE = "tag:yaml.org,2002:merge"


def read_yaml(path: str | os.PathLike[str]) -> Document:
    """The document of a YAML text, of the kind ``yaml``. Raises UnreadableModel for text that is no YAML mapping."""
    return _document(Document(os.fspath(path), KIND, {}, syntax="yaml"), text_of(path, "YAML", MOST_BYTES))


def reread_yaml(document: Document, text: str) -> Document:
    """The document with another text, of the kind it was."""
    return _document(document, text)


def _document(document: Document, text: str) -> Document:
    reader = YamlReader(document.path, "YAML document")
    values = reader.read(text)
    return replace(document, values=values, positions=reader.positions, text=text, duplicates=tuple(reader.duplicates))


class YamlReader:
    """Values, positions and duplicate keys of one text. ``what`` it is and which ``keys`` it has are for the errors."""

    def __init__(self, path: str, what: str, keys: str = "words as keys") -> None:
        self.path = path
        self.what = what
        self.keys = keys
        self.positions: dict[str, tuple[int, int]] = {}
        self.duplicates: list[str] = []
        self._count = 0

    def read(self, text: str) -> dict[str, Any]:
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        try:
            node = loader.get_single_node()
            if node is None or node.id != "mapping":
                self._wrong(f"must be a mapping with {self.keys}", 1)
            values = self._value(loader, node, "", 0)
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            problem = getattr(error, "problem", None) or str(error).splitlines()[0]
            where = (mark.line + 1, mark.column + 1) if mark else (1,)
            self._wrong(f"{problem}; mend the YAML there", *where)
        except (ValueError, RecursionError) as error:
            reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            self._wrong(f"{reason}; mend the YAML", 1)
        finally:
            loader.dispose()
        return dict(values)

    def _value(self, loader: Any, node: Any, path: str, depth: int) -> Any:
        self._count += 1
        line = node.start_mark.line + 1
        if self._count > _MOST_VALUES or depth > _MOST_DEPTH:
            self._wrong("has more values than a network can; write the layers out without aliases", line)
        self.positions.setdefault(path, (line, node.start_mark.column + 1))
        if node.id != "scalar" and node.tag not in _PLAIN:
            self._wrong(f"has a {node.id} with the tag {node.tag}; write it without the tag", line)
        if node.id == "sequence":
            return [self._value(loader, item, f"{path}.{k}", depth + 1) for k, item in enumerate(node.value)]
        if node.id != "mapping":
            return loader.construct_object(node, deep=True)
        merges = [key for key, _ in node.value if key.tag == _MERGE]
        loader.flatten_mapping(node)
        found: dict[str, Any] = {}
        for key in merges:
            found[key.value] = None
            self.positions[f"{path}.{key.value}:key"] = (key.start_mark.line + 1, key.start_mark.column + 1)
        for key_node, value_node in node.value:
            self._key(loader, key_node, value_node, path, depth, found)
        return found

    def _key(self, loader: Any, key_node: Any, value_node: Any, path: str, depth: int, found: dict[str, Any]) -> None:
        line, column = key_node.start_mark.line + 1, key_node.start_mark.column + 1
        if key_node.id != "scalar":
            self._wrong("has a key that is a list or a mapping; keys are words", line, column)
        key = str(key_node.value)
        inside = f"{path}.{key}".lstrip(".")
        if key in found:
            self.duplicates.append(inside)
            self.positions[f"{inside}:again"] = (line, column)
        self.positions.setdefault(f"{inside}:key", (line, column))
        found[key] = self._value(loader, value_node, inside, depth + 1)

    def _wrong(self, problem: str, line: int, column: int | None = None) -> NoReturn:
        where = f"line {line}" + (f", column {column}" if column else "")
        raise UnreadableModel(self.path, f"is not a readable {self.what}: {where}: {problem}")
