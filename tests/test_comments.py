"""Comments in the user's source that silence findings."""

from __future__ import annotations

from pathlib import Path

import pytest

from lintmodel.comments import ignored, without_commented
from lintmodel.findings import Finding, Level, Location


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("x = 1", {}),
        ("x = 1  # lintmodel: ignore", {}),
        ("x = 1  # lintmodel: ignore[KPU101]", {"KPU101": ""}),
        ("x = 1  # lintmodel: ignore[KPU101] the camera wants it", {"KPU101": "the camera wants it"}),
        ("x = 1  # noqa # lintmodel: ignore[KPU101, RKN] both # other", {"KPU101": "both", "RKN": "both"}),
        ("  pad: 1  #lintmodel:ignore[conv-kernel]: as trained", {"conv-kernel": "as trained"}),
    ],
)
def test_words_of_a_comment(line: str, found: dict[str, str]) -> None:
    assert ignored(line) == found


def finding(*places: Location, rule: str = "KPU101", name: str = "conv-kernel") -> Finding:
    return Finding(rule, name, Level.WARNING, "kernel is 5x5", "conv", places[0], related=tuple(places[1:]))


@pytest.mark.parametrize("word", ["KPU101", "KPU1", "kpu", "conv-kernel", "ALL"])
def test_finding_is_silenced_on_its_line(tmp_path: Path, word: str) -> None:
    file = tmp_path / "net.py"
    file.write_text(f"a\nb  # lintmodel: ignore[{word}] as trained\n")
    told, silenced = without_commented([finding(Location(str(file), 2)), finding(Location(str(file), 1))])
    assert [f.location for f in told] == [Location(str(file), 1)]
    assert [(s.by, s.why) for s in silenced] == [("comment", "as trained")]


def test_line_that_belongs_to_a_finding_silences_too(tmp_path: Path) -> None:
    file = tmp_path / "net.py"
    file.write_text("a\nb  # lintmodel: ignore[KPU101]\n")
    told, silenced = without_commented([finding(Location(str(file), 1), Location(str(file), 2))])
    assert not told
    assert silenced[0].why == f"{file}:2"


@pytest.mark.parametrize("word", ["KPU102", "RKN", "conv", ""])
def test_other_rules_are_told(tmp_path: Path, word: str) -> None:
    file = tmp_path / "net.py"
    file.write_text(f"a  # lintmodel: ignore[{word}]\n")
    assert without_commented([finding(Location(str(file), 1))])[1] == ()


@pytest.mark.parametrize("place", [Location("model.onnx"), Location("gone.py", 3), Location("model.onnx", 1)])
def test_places_without_a_text(place: Location) -> None:
    found = finding(place)
    assert without_commented([found]) == ((found,), ())
