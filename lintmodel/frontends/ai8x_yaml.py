"""Reads the network descriptions of ai8x-synthesis: YAML with a list of layers.

The values become plain Python with keys as text, as a safe YAML loader makes them. A merge key ``<<`` also stays as a
key without a value, because izer does not read it. Nothing is given a default here and nothing is judged but the YAML
itself. Every value and key keeps its line and column.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from ..errors import UnreadableModel, UsageError
from ..ir.document import Document, Fact

INPUT = "input"
"""The name of the only input."""
_MOST_VALUES = 200_000
"""Of a file: aliases of aliases, all written out, would have no end."""
_MOST_DEPTH = 50
_PLAIN = ("tag:yaml.org,2002:seq", "tag:yaml.org,2002:map")
_MERGE = "tag:yaml.org,2002:merge"


def read_ai8x(
    path: str | os.PathLike[str],
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Document:
    """The document of a description. ``input_shapes`` has channels, height and width under the name ``input``.

    Raises UnreadableModel for text that is no YAML, or a checkpoint that cannot be read.
    """
    name = os.fspath(path)
    shape = _input_shape(name, input_shapes or {})
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UnreadableModel(name, f"cannot be opened: {error.strerror or error}") from None
    text = _decoded(name, content)
    reader = _Reader(name)
    values = reader.read(text)
    weights = None
    if checkpoint is not None:
        from .checkpoint import read_checkpoint

        weights = read_checkpoint(checkpoint)
    return Document(
        name,
        "ai8x",
        values,
        reader.positions,
        text,
        facts=tuple(_facts(values, shape)),
        duplicates=tuple(reader.duplicates),
        input_shape=shape,
        checkpoint=weights,
    )


def reread_ai8x(document: Document, text: str) -> Document:
    """The document with another text, and the same input and weights."""
    reader = _Reader(document.path)
    values = reader.read(text)
    return replace(
        document,
        values=values,
        positions=reader.positions,
        text=text,
        facts=tuple(_facts(values, document.input_shape)),
        duplicates=tuple(reader.duplicates),
    )


def _decoded(name: str, content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableModel(name, "is not UTF-8 text; save the YAML as UTF-8", error.start) from None


def _input_shape(path: str, shapes: Mapping[str, Sequence[int]]) -> tuple[int, int, int] | None:
    """Channels, height and width; a batch of 1 before them and a width of 1 behind them may be left in or out."""
    for name in shapes:
        if name not in ("", INPUT):
            raise UsageError(f"{path}: the description has no input '{name}'; its only input is called '{INPUT}'")
    for given in shapes.values():
        sizes = tuple(given)
        if len(sizes) == 4 and sizes[0] == 1:
            sizes = sizes[1:]
        if len(sizes) == 2:
            sizes = (*sizes, 1)
        whole = all(isinstance(size, int) and not isinstance(size, bool) and size > 0 for size in sizes)
        if len(sizes) != 3 or not whole:
            asked = "x".join(map(str, given))
            raise UsageError(f"{path}: the input is channels x height x width, as in 3x64x64, not {asked}")
        return sizes[0], sizes[1], sizes[2]
    return None


class _Reader:
    """Values, positions and duplicate keys of one text."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.positions: dict[str, tuple[int, int]] = {}
        self.duplicates: list[str] = []
        self._count = 0

    def read(self, text: str) -> dict[str, Any]:
        import yaml

        loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
        try:
            node = loader.get_single_node()
            if node is None or node.id != "mapping":
                self._wrong("must be a mapping with the keys arch, dataset and layers", 1)
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
        raise UnreadableModel(self.path, f"is not a readable ai8x description: {where}: {problem}")


def _facts(values: Mapping[str, Any], shape: Sequence[int] | None) -> list[Fact]:
    found = [(key, str(values[key])) for key in ("arch", "dataset") if key in values]
    layers = values.get("layers")
    if isinstance(layers, list):
        found.append(("layers", str(len(layers))))
    found.append(("input", "x".join(map(str, shape)) if shape else "not given"))
    return found
