"""Reads the network descriptions of ai8x-synthesis: YAML with a list of layers.

The values become plain Python with keys as text, as a safe YAML loader makes them. A merge key ``<<`` also stays as a
key without a value, because izer does not read it. Nothing is given a default here and nothing is judged but the YAML
itself. Every value and key keeps its line and column.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..errors import UsageError
from ..ir.document import Document, Fact
from .text import text_of
from .yaml_text import MOST_BYTES, YamlReader

INPUT = "input"
"""The name of the only input."""
_WHAT, _KEYS = "ai8x description", "the keys arch, dataset and layers"


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
    text = text_of(path, "YAML", MOST_BYTES)
    reader = YamlReader(name, _WHAT, _KEYS)
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
        syntax="yaml",
    )


def reread_ai8x(document: Document, text: str) -> Document:
    """The document with another text, and the same input and weights."""
    reader = YamlReader(document.path, _WHAT, _KEYS)
    values = reader.read(text)
    return replace(
        document,
        values=values,
        positions=reader.positions,
        text=text,
        facts=tuple(_facts(values, document.input_shape)),
        duplicates=tuple(reader.duplicates),
    )


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


def _facts(values: Mapping[str, Any], shape: Sequence[int] | None) -> list[Fact]:
    found = [(key, str(values[key])) for key in ("arch", "dataset") if key in values]
    layers = values.get("layers")
    if isinstance(layers, list):
        found.append(("layers", str(len(layers))))
    found.append(("input", "x".join(map(str, shape)) if shape else "not given"))
    return found
