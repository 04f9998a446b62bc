"""Configuration files: found, read, extended, laid over each other, and refused with a sentence."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lintmodel.config import load_settings, matches
from lintmodel.config.keys import KEYS
from lintmodel.config.schema import schema_text
from lintmodel.errors import InvalidConfiguration, UsageError


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def test_the_nearest_file_counts(tmp_path: Path) -> None:
    write(tmp_path / "lintmodel.toml", 'targets = ["far"]')
    write(tmp_path / "a/pyproject.toml", '[tool.lintmodel]\ntargets = ["near"]')
    (tmp_path / "a/b").mkdir()
    assert load_settings(folder=str(tmp_path / "a/b")).words("targets") == ("near",)


def test_a_pyproject_without_our_table_is_passed_by(tmp_path: Path) -> None:
    write(tmp_path / "lintmodel.toml", 'targets = ["far"]')
    write(tmp_path / "a/pyproject.toml", '[project]\nname = "x"')
    assert load_settings(folder=str(tmp_path / "a")).words("targets") == ("far",)


def test_lintmodel_toml_comes_before_pyproject(tmp_path: Path) -> None:
    write(tmp_path / "lintmodel.toml", 'fail-on = "note"')
    write(tmp_path / "pyproject.toml", '[tool.lintmodel]\nfail-on = "error"')
    assert load_settings(folder=str(tmp_path)).text("fail-on") == "note"


def test_extend_lays_this_file_over_the_other_and_keeps_its_paths(tmp_path: Path) -> None:
    write(
        tmp_path / "base/lintmodel.toml",
        'ignore = ["GRF901"]\nextend-ignore = ["KPU4"]\nbaseline = "known.json"\n[levels]\nKPU101 = "error"',
    )
    write(
        tmp_path / "lintmodel.toml",
        'extend = "base/lintmodel.toml"\nignore = ["GRF902"]\nextend-ignore = ["KPU9"]\n[levels]\nKPU102 = "note"',
    )
    found = load_settings(folder=str(tmp_path))
    assert found.words("ignore") == ("GRF902",)
    assert found.words("extend-ignore") == ("KPU4", "KPU9")
    assert found.table("levels") == {"KPU101": "error", "KPU102": "note"}
    assert found.text("baseline") == str(tmp_path / "base/known.json")


def test_entries_of_models_are_laid_over_for_the_models_they_match(tmp_path: Path) -> None:
    write(
        tmp_path / "lintmodel.toml",
        """targets = ["k210"]
[[models]]
path = "nets/*.onnx"
targets = ["generic"]
input-shapes = {images = [1, 3, 8, 8]}
[[models]]
path = "nets/big.onnx"
ignore = ["GRF9"]
""",
    )
    found = load_settings(folder=str(tmp_path))
    big = found.for_model(str(tmp_path / "nets/big.onnx"))
    assert (big.words("targets"), big.words("ignore")) == (("generic",), ("GRF9",))
    assert big.table("input-shapes") == {"images": [1, 3, 8, 8]}
    assert found.for_model(str(tmp_path / "other.onnx")).words("targets") == ("k210",)
    assert found.models() == [str(tmp_path / "nets/*.onnx"), str(tmp_path / "nets/big.onnx")]


def test_settings_of_the_command_line_stand_above_every_file(tmp_path: Path) -> None:
    write(tmp_path / "lintmodel.toml", 'fail-on = "error"\ntargets = ["k210"]')
    found = load_settings(["fail-on=note", "targets=generic,k210@0.2"], folder=str(tmp_path))
    assert (found.text("fail-on"), found.words("targets")) == ("note", ("generic", "k210@0.2"))
    assert load_settings(isolated=True, folder=str(tmp_path)).values == {}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('selct = ["KPU"]', "lintmodel.toml: selct: no such key; did you mean 'select'?"),
        ('select = "KPU"', 'lintmodel.toml: select takes a list of strings, not "KPU"'),
        ('fail-on = "eror"', "fail-on is one of error, warning, note, never, not \"eror\"; did you mean 'error'?"),
        ('[levels]\nKPU101 = "off"', "levels.KPU101 is one of error, warning, note"),
        ("[[models]]\ntargets = []", "models[0]: path is missing"),
        ('[[models]]\npath = "x"\ninput-shapes = {a = [0]}', "input-shapes.a takes a list of whole numbers"),
        ("select = [", "is not TOML: "),
        ('required-version = ">=99"', "required-version is '>=99', and this is lintmodel"),
        ('required-version = "new"', "'new' is no comparison such as >=0.1"),
        ('extend = "none.toml"', "none.toml: there is no such file (named by extend in "),
        ('extend = "lintmodel.toml"', "extend leads back to this file"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, sentence: str) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "lintmodel.toml", text)
    with pytest.raises(InvalidConfiguration) as caught:
        load_settings()
    assert sentence in str(caught.value)


@pytest.mark.parametrize("config", [["a.toml", "b.toml"], ["fail-on"], ["fail-on=never", "x.toml=1=2"]])
def test_config_takes_one_file_and_settings(config: list[str], tmp_path: Path) -> None:
    with pytest.raises((UsageError, InvalidConfiguration)):
        load_settings(config, folder=str(tmp_path))


@pytest.mark.parametrize(
    ("path", "glob", "expected"),
    [
        ("/a/b/c.onnx", "/a/**/c.onnx", True),
        ("/a/c.onnx", "/a/**/c.onnx", True),
        ("/a/b/c.onnx", "/a/*.onnx", False),
        ("/a/b/c.onnx", "/a/b", True),
        ("/a/bc/c.onnx", "/a/b", False),
        ("/a/[x].onnx", "/a/[x].onnx", True),
        ("/a/y1.onnx", "/a/y?.onnx", True),
    ],
)
def test_globs(path: str, glob: str, expected: bool) -> None:
    assert matches(path, glob) is expected


def test_the_schema_knows_every_key_and_no_other() -> None:
    schema = json.loads(schema_text())
    assert set(schema["properties"]) == set(KEYS)
    assert schema["additionalProperties"] is False
    assert schema["properties"]["models"]["items"]["required"] == ["path"]
