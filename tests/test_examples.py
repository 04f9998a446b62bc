"""The source text of examples, wherever and however they are written."""

from __future__ import annotations

from typing import Any

from lintmodel.examples import example_source

one_line = [lambda g: g.conv(8, 16, kernel=5, size=32)]
chained = [
    lambda g: g.conv(3, 8)
    .relu()
    .branch(lambda b: b.conv(8, 8), lambda b: b)
    .flatten(),
]  # fmt: skip
other_name = [lambda graph: graph.input(1, 3).op("Erf")]


def named(g: Any) -> Any:
    """Not shown."""
    x = g.conv(3, 8)
    return x.relu()


def returning(g: Any) -> Any:
    return g.conv(3, 8).relu()


def test_text() -> None:
    assert example_source(one_line[0]) == "conv(8, 16, kernel=5, size=32)"
    assert example_source(chained[0]) == "conv(3, 8).relu().branch(lambda b: b.conv(8, 8), lambda b: b).flatten()"
    assert example_source(other_name[0]) == "input(1, 3).op('Erf')"
    assert example_source(named) == "x = g.conv(3, 8)\nreturn x.relu()"
    assert example_source(returning) == "conv(3, 8).relu()"


def test_source_that_is_not_there() -> None:
    assert example_source(eval("lambda g: g.relu()")) == ""
