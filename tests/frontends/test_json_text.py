"""JSON documents: values, where they stand, and what is said of text that is none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lintmodel.api import read_model
from lintmodel.errors import UnreadableModel, UsageError
from lintmodel.frontends import read, reread
from lintmodel.ir import Document

TEXT = """\
{
  "a": 1, "b": {"c": [true, {"d": "x\\u0041"}]},
\t"a": NaN
}
"""


def document(tmp_path: Path, text: str | bytes) -> Document:
    path = tmp_path / "conf"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read(path)
    assert isinstance(found, Document)
    return found


def test_values_and_places(tmp_path: Path) -> None:
    found = document(tmp_path, TEXT)
    assert (found.kind, found.syntax, found.text) == ("json", "json", TEXT)
    assert found.values["b"] == {"c": [True, {"d": "xA"}]}
    assert found.values["a"] != found.values["a"], "NaN, as the last of the two says"
    assert found.duplicates == ("a",)
    assert found.positions == {
        "": (1, 1),
        "a:key": (2, 3),
        "a": (3, 7),
        "a:again": (3, 2),
        "b:key": (2, 11),
        "b": (2, 16),
        "b.c:key": (2, 17),
        "b.c": (2, 22),
        "b.c.0": (2, 23),
        "b.c.1": (2, 29),
        "b.c.1.d:key": (2, 30),
        "b.c.1.d": (2, 35),
    }


@pytest.mark.parametrize("break_", ["\r\n", "\r", "\n"])
def test_lines_whatever_ends_them(tmp_path: Path, break_: str) -> None:
    found = document(tmp_path, f'\ufeff{{{break_}"a":{break_} 1}}'.encode())
    assert found.positions["a:key"] == (2, 1)
    assert found.positions["a"] == (3, 2)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('{"a": 1,}', "is not JSON: line 1, column"),
        ('{\n "a" 1}', "is not JSON: line 2, column 6: Expecting ':' delimiter"),
        ('{"a": ' + "[" * 60 + "]" * 60 + "}", "nested more than 50 deep"),
        ('{"a": ' + "[" * 100_000, "nested too deeply"),
        ('["a"]', "is a JSON list"),
        (b'{"a": "\xff"}', "is of no known format"),
        (b'{"a": "' + b"x" * 9000 + b'\xff"}', "is not UTF-8 text"),
        ('{"a": "' + "x" * (5 << 20) + '"}', "more than 4 MiB"),
        ('{"a": ' + "9" * 5000 + "}", "is not readable JSON"),
    ],
)
def test_text_that_is_none(tmp_path: Path, text: str | bytes, reason: str) -> None:
    with pytest.raises(UnreadableModel, match=reason):
        document(tmp_path, text)


def test_a_document_that_no_pack_knows(tmp_path: Path) -> None:
    (tmp_path / "conf.json").write_text(json.dumps({"name": "x"}))
    with pytest.raises(UnreadableModel, match="is a JSON document that no rule pack knows"):
        read_model(tmp_path / "conf.json")


def test_what_a_document_cannot_take(tmp_path: Path) -> None:
    (tmp_path / "conf.json").write_text("{}")
    with pytest.raises(UsageError, match="takes no checkpoint"):
        read(tmp_path / "conf.json", checkpoint=tmp_path / "w.pt")
    with pytest.raises(UsageError, match="has no inputs"):
        read(tmp_path / "conf.json", {"x": (1, 3)})


def test_read_again_with_another_text(tmp_path: Path) -> None:
    found = document(tmp_path, '{"a": 1}')
    again = reread(found, '{"b": 2}')
    assert (again.path, again.kind, again.values, again.positions["b"]) == (found.path, "json", {"b": 2}, (1, 7))
    with pytest.raises(UnreadableModel, match="is not JSON"):
        reread(found, "{")
