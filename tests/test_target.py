"""The loader of capability sheets: names, versions, inheritance, and one sentence for every mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from lintmodel.errors import InvalidTarget, UnknownTarget, UsageError
from lintmodel.target import Memory, OptionSpec, load_target, target_names

EDGE = """\
name: edge
family: edgy
title: Edge One
aliases: [edge-devkit]
notes: Mind the gap.
quantized_option: ptq
toolchain:
  name: edgec
  default: 2.0
  versions:
    2.0:
    1.10:
      note: No Sub.
      limits:
        max_channels: {value: 256, source: "edgec 1.10"}
      operators:
        onnx: {names: [Add], source: "edgec 1.10"}
limits:
  max_channels: {value: 1024, unit: channels, source: "edgec 2.0"}
  kernels: {value: [1, 3], source: "edgec 2.0"}
pools:
  sram: {bytes: 2097152, align: 64, source: "data sheet"}
operators:
  onnx: {names: Add Sub
    Mul, source: "edgec 2.0"}
options:
  ptq: {default: true, values: [true, false], help: Quantise after training.}
  threads: {default: 1}
"""


def sheet(folder: Path, text: str, name: str = "edge.yaml") -> str:
    path = folder / name
    path.write_text(text)
    return str(path)


def test_a_sheet_that_stands_alone(tmp_path: Path) -> None:
    target = load_target(sheet(tmp_path, EDGE))
    assert (target.name, target.family, target.title) == ("edge", "edgy", "Edge One")
    assert target.toolchain == "edgec 2.0"
    assert target.versions == ("2.0", "1.10")
    assert target.limits == {"max_channels": 1024, "kernels": [1, 3]}
    assert target.units == {"max_channels": "channels"}
    assert target.sources == {
        "max_channels": "edgec 2.0",
        "kernels": "edgec 2.0",
        "sram": "data sheet",
        "onnx": "edgec 2.0",
    }
    assert target.pools == {"sram": Memory(2097152, 64, "data sheet")}
    assert target.operators == {"onnx": {"Add", "Sub", "Mul"}}
    assert target.option_specs["ptq"] == OptionSpec(True, (True, False), "Quantise after training.")
    assert target.options == {"ptq": True, "threads": 1}
    assert target.aliases == ("edge-devkit",)
    assert target.notes == "Mind the gap."
    assert target.quantized_option == "ptq"
    assert target.version_notes == {"1.10": "No Sub."}
    assert target.limit("max_channels") == 1024


@pytest.mark.parametrize("how", ["toolchain", "at"])
def test_a_version_gives_what_differs_in_it(tmp_path: Path, how: str) -> None:
    path = sheet(tmp_path, EDGE)
    target = load_target(path, toolchain="1.10") if how == "toolchain" else load_target(f"{path}@1.10")
    assert target.toolchain == "edgec 1.10"
    assert target.default_version == "2.0"
    assert target.limits == {"max_channels": 256, "kernels": [1, 3]}
    assert target.units == {"max_channels": "channels"}
    assert target.operators == {"onnx": {"Add"}}
    assert target.sources["max_channels"] == "edgec 1.10"


BOARD = """\
extends: edge.yaml
title: My board
limits:
  max_channels: {value: 512}
pools:
  sram: {bytes: 1000000}
operators:
  onnx: {names: [Add, Mul]}
options:
  threads: {default: 2}
  fan: {default: "off", values: ["on", "off"]}
"""


def test_a_sheet_says_only_what_differs_from_the_one_it_extends(tmp_path: Path) -> None:
    sheet(tmp_path, EDGE)
    path = sheet(tmp_path, BOARD, "board.yaml")
    target = load_target(path)
    assert (target.name, target.family, target.title) == ("board", "edgy", "My board")
    assert target.toolchain == "edgec 2.0"
    assert target.limits == {"max_channels": 512, "kernels": [1, 3]}
    assert target.units == {"max_channels": "channels"}
    assert target.sources["max_channels"] == path
    assert target.sources["kernels"] == "edgec 2.0"
    assert target.pools["sram"].bytes == 1000000
    assert target.pools["sram"].align == 64
    assert target.operators == {"onnx": {"Add", "Mul"}}
    assert target.options == {"ptq": True, "threads": 2, "fan": "off"}
    assert target.quantized_option == "ptq"
    assert target.aliases == ()


def test_a_boards_own_values_hold_for_every_version(tmp_path: Path) -> None:
    sheet(tmp_path, EDGE)
    target = load_target(sheet(tmp_path, BOARD, "board.yaml"), toolchain="1.10")
    assert target.limits["max_channels"] == 512
    assert target.operators == {"onnx": {"Add", "Mul"}}


def test_a_board_may_choose_another_default_version(tmp_path: Path) -> None:
    sheet(tmp_path, EDGE)
    target = load_target(sheet(tmp_path, "extends: ./edge.yaml\ntoolchain: {default: 1.10}\n", "board.yaml"))
    assert (target.version, target.limits["max_channels"]) == ("1.10", 256)


MISTAKES = {
    "wrong key": ("\nlimits:", "\nlimit:", ":18: limit: no such key; did you mean 'limits'?"),
    "wrong key of a limit": ("unit: channels", "units: channels", ":19: limits.max_channels.units: no such key"),
    "far key": ("title: Edge One", "title: Edge One\nzzz: 1", ":4: zzz: no such key; the keys here are name, family"),
    "missing keys": ("family: edgy\ntitle: Edge One\n", "", ":1: key 'family' and 'title' missing"),
    "missing toolchain name": ("  name: edgec\n", "", ":7: toolchain: key 'name' missing"),
    "missing value": ("value: 1024, ", "", ":19: limits.max_channels: key 'value' missing"),
    "missing source": (', source: "data sheet"', "", ":22: pools.sram: key 'source' missing"),
    "missing default": ("default: 1}", "help: n}", ":28: options.threads: key 'default' missing"),
    "limit without mapping": ('{value: [1, 3], source: "edgec 2.0"}', "3", ":20: limits.kernels: must be a mapping"),
    "limit without value": ("value: [1, 3]", "value: null", ":20: limits.kernels.value: a limit is a number, a word"),
    "bytes in words": ("2097152", "2MB", ":22: pools.sram.bytes: must be a whole number of at least 1, not 2MB"),
    "bytes below one": ("2097152", "0", ":22: pools.sram.bytes: must be a whole number of at least 1, not 0"),
    "aliases in words": ("[edge-devkit]", "edge-devkit", ":4: aliases: must be a list"),
    "title is a list": ("Edge One", "[Edge, One]", ":3: title: must be text"),
    "given twice": ("title: Edge One", "title: Edge One\ntitle: Edge", ":4: title: given twice (first in line 3)"),
    "default version": ("default: 2.0", "default: 3.0", ":9: toolchain.default: '3.0' is not one of the versions"),
    "default option": ("default: true", "default: 1", ":27: options.ptq: default 1 is not among its values"),
    "quantised option": ("quantized_option: ptq", "quantized_option: ptc", ":6: quantized_option: there is no option"),
    "limit of one version": (
        "max_channels: {value: 256",
        "max_chanels: {value: 256",
        ":15: toolchain.versions.1.10.limits.max_chanels: this sheet has no such limit",
    ),
    "kind of a version's limit": (
        "value: 256",
        "value: many",
        ":15: toolchain.versions.1.10.limits.max_channels: must be a number like 1024, not 'many'",
    ),
    "broken YAML": ("[edge-devkit]", "[edge-devkit", ":5: not valid YAML: "),
    "python tags": ("Edge One", "!!python/object/apply:os.system [ls]", ":3: not valid YAML: could not determine a"),
    "two documents": ("notes:", "---\nnotes:", "not valid YAML: but found another document"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_in_a_sheet_is_one_sentence_with_file_line_and_key(tmp_path: Path, case: str) -> None:
    old, new, sentence = MISTAKES[case]
    assert old in EDGE
    path = sheet(tmp_path, EDGE.replace(old, new, 1))
    with pytest.raises(InvalidTarget) as caught:
        load_target(path)
    message = str(caught.value)
    assert message.startswith(path)
    assert sentence in message
    assert "\n" not in message


BOARD_MISTAKES = {
    "unknown limit": (
        "limits: {max_chanels: {value: 1}}",
        ":2: limits.max_chanels: edge.yaml, which this sheet extends, has no such limit; did you mean 'max_channels'?",
    ),
    "unknown memory": (
        "pools: {ram: {bytes: 1}}",
        ":2: pools.ram: edge.yaml, which this sheet extends, has no such mem",
    ),
    "unknown table": ("operators: {tf: {names: [A]}}", ":2: operators.tf: edge.yaml, which this sheet extends, has no"),
    "other kind": ("limits: {kernels: {value: 3}}", ":2: limits.kernels: must be a list like [1, 3], not 3"),
    "other family": ("family: other", ":2: family: edge.yaml is of the family edgy, and so is what extends it"),
    "unknown default version": ("toolchain: {default: 9.9}", ":2: toolchain.default: '9.9' is not one of the versions"),
}


@pytest.mark.parametrize("case", BOARD_MISTAKES)
def test_a_sheet_may_not_invent_what_no_rule_reads(tmp_path: Path, case: str) -> None:
    text, sentence = BOARD_MISTAKES[case]
    sheet(tmp_path, EDGE)
    path = sheet(tmp_path, f"extends: edge.yaml\n{text}\n", "board.yaml")
    with pytest.raises(InvalidTarget) as caught:
        load_target(path)
    assert str(caught.value).startswith(path)
    assert sentence in str(caught.value)


def test_extends_of_a_sheet_that_is_not_there(tmp_path: Path) -> None:
    path = sheet(tmp_path, "extends: nowhere-at-all\n")
    with pytest.raises(InvalidTarget, match=r"edge\.yaml:1: extends: no target 'nowhere-at-all'"):
        load_target(path)
    path = sheet(tmp_path, "extends: ./nowhere.yaml\n")
    with pytest.raises(InvalidTarget, match=r"extends: target sheet './nowhere\.yaml' cannot be read: No such file"):
        load_target(path)


def test_extends_in_a_circle(tmp_path: Path) -> None:
    path = sheet(tmp_path, "extends: b.yaml\n", "a.yaml")
    sheet(tmp_path, "extends: a.yaml\n", "b.yaml")
    with pytest.raises(InvalidTarget, match=r"b\.yaml:1: extends: a\.yaml extends this sheet in turn"):
        load_target(path)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", ":1: the sheet is empty"),
        (b"\x89PNG\r\n", "not a target sheet: byte 0 is not UTF-8 text"),
        (b"just words", "must be a mapping with the keys name, family"),
        (b"[" * 5000, "not valid YAML"),
    ],
)
def test_a_file_that_is_no_sheet(tmp_path: Path, content: bytes, sentence: str) -> None:
    path = tmp_path / "edge.yaml"
    path.write_bytes(content)
    with pytest.raises(InvalidTarget) as caught:
        load_target(str(path))
    assert sentence in str(caught.value)


def test_aliases_of_aliases_do_not_hang(tmp_path: Path) -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    with pytest.raises(InvalidTarget, match="a0: no such key"):
        load_target(sheet(tmp_path, "\n".join(lines)))


def test_unknown_names_and_versions(tmp_path: Path) -> None:
    with pytest.raises(UnknownTarget, match="no target 'nowhere-at-all'"):
        load_target("nowhere-at-all")
    with pytest.raises(UnknownTarget, match="cannot be read: No such file"):
        load_target("./nowhere.yaml")
    path = sheet(tmp_path, EDGE)
    with pytest.raises(UnknownTarget, match=r"target edge has no version '1\.11' of edgec; did you mean '1\.10'\?"):
        load_target(path, toolchain="1.11")
    with pytest.raises(UsageError, match=r"asks for version 2\.0 of the toolchain and the option for 1\.10"):
        load_target(f"{path}@2.0", toolchain="1.10")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"ptk": True}, "target edge has no option 'ptk'; did you mean 'ptq'?"),
        ({"zzzz": True}, "target edge has no option 'zzzz'; it has ptq, threads"),
        ({"ptq": 1}, "target edge: option ptq is one of true, false, not 1"),
        ({"ptq": "yes"}, "target edge: option ptq is one of true, false, not yes"),
        ({"threads": "many"}, "target edge: option threads is a number, not many"),
    ],
)
def test_options_the_target_does_not_take(tmp_path: Path, options: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_target(sheet(tmp_path, EDGE), options=options)
    assert str(caught.value) == sentence


def test_options_are_set(tmp_path: Path) -> None:
    target = load_target(sheet(tmp_path, EDGE), options={"ptq": False, "threads": 4})
    assert target.options == {"ptq": False, "threads": 4}


@pytest.mark.parametrize("name", target_names() or [pytest.param("", marks=pytest.mark.skip("no sheets yet"))])
def test_our_own_sheets(name: str) -> None:
    target = load_target(name)
    assert target.name == name
    for version in target.versions:
        assert load_target(f"{name}@{version}").version == version
    for alias in target.aliases:
        assert load_target(alias).name == name
