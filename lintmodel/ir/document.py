"""A file that is not a network: a configuration, a compiled model. Its values, and where each stands in the text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from .checkpoint import Checkpoint

_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""Where YAML ends a line."""

Fact = tuple[str, str]
"""A name and what there is to say about it: ``("working memory", "33,600 bytes")``."""


@dataclass(frozen=True, slots=True)
class Document:
    """What a front end read from a file that is no network. Packs say which kinds they know, and check them."""

    path: str
    kind: str
    """``kmodel``, ``ai8x``, ..."""
    values: Mapping[str, Any]
    """Plain values by name, nested as in the file."""
    positions: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Line and column, both from 1, by the dotted path of a value (``layers.3.pad``). Those of its key are under the
    path and ``:key``, those of a key's second occurrence under the path and ``:again``. Empty for binary files."""
    text: str = ""
    """The whole text; empty for binary files."""
    syntax: Literal["", "yaml", "json"] = ""
    """The language of the text; empty for binary files."""
    facts: tuple[Fact, ...] = ()
    """What a report says of the file, in a few lines."""
    duplicates: tuple[str, ...] = ()
    """Dotted paths of keys that the text has more than once; ``values`` has the last."""
    input_shape: tuple[int, ...] | None = None
    """Channels, height and width of the input, where the user gave them and the text has none."""
    checkpoint: Checkpoint | None = None
    """The weights, where they are in a file of their own that the user gave."""


def line_starts(text: str) -> list[int]:
    """Where each line begins."""
    return [0, *(found.end() for found in _BREAK.finditer(text))]


def document(kind: str, path: str = "", **values: Any) -> Document:
    """A document in one line, for the examples that stand next to rules and for tests."""
    return Document(path or f"example.{kind}", kind, values)
