"""YAML documents: values as a safe loader makes them, places of values and keys, errors with their line."""

from __future__ import annotations

from pathlib import Path

import pytest

from lintmodel.errors import UnreadableModel
from lintmodel.frontends import read, reread
from lintmodel.ir import Document

TEXT = """\
config:
  target: [a, 1]   # a comment
  base: &base {x: 1}
again: *base
config2: {<<: *base, y: null}
twice: 1
twice: 2
"""


def document(tmp_path: Path, text: str = TEXT) -> Document:
    path = tmp_path / "any.txt"
    path.write_text(text)
    found = read(path)
    assert isinstance(found, Document)
    return found


def test_values_and_places(tmp_path: Path) -> None:
    found = document(tmp_path)
    assert (found.kind, found.syntax, found.text) == ("yaml", "yaml", TEXT)
    assert found.values["config"] == {"target": ["a", 1], "base": {"x": 1}}
    assert found.values["again"] == {"x": 1}
    assert found.values["config2"] == {"<<": None, "x": 1, "y": None}
    assert found.positions["config.target:key"] == (2, 3)
    assert found.positions["config.target"] == (2, 11)
    assert found.positions["config.target.1"] == (2, 15)
    assert (found.duplicates, found.positions["twice:again"]) == (("twice",), (7, 1))


def test_another_text(tmp_path: Path) -> None:
    found = reread(document(tmp_path), "a: 1\n")
    assert (found.values, found.kind, found.text) == ({"a": 1}, "yaml", "a: 1\n")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("a: 1\nb: [1\n", "is not a readable YAML document: line"),
        ("a: 1\nb: !!python/object:os.system x\n", "line 2"),
        ("a: &a [*a]\n", "more values than a network can"),
        ("a: 1\n--- \nb: 2\n", "is not a readable YAML document"),
        ("- a: 1\n- b\n", "must be a mapping"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(UnreadableModel, match=says):
        document(tmp_path, text)
