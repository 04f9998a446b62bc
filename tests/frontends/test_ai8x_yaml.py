"""ai8x descriptions: values, where they stand, and what is said of text that is none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from checkpoint_writer import Stored, write_checkpoint

from lintmodel.api import read_model
from lintmodel.errors import UnreadableModel, UsageError
from lintmodel.ir import Document

TEXT = """\
# a network
arch: net
dataset: mnist

layers:
  # first
  - out_offset: 0x2000
    processors: 0x0000.0000.0000.0001
    max_pool: [2, 1]
  - {name: last, op: linear, flatten: true}
"""


def read(tmp_path: Path, text: str | bytes, **given: Any) -> Document:
    path = tmp_path / "net.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    found = read_model(path, **given)
    assert isinstance(found, Document)
    return found


def test_values_are_those_of_the_text(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT)
    first, last = found.values["layers"]
    assert (found.kind, found.values["arch"], found.text) == ("ai8x", "net", TEXT)
    assert first == {"out_offset": 0x2000, "processors": "0x0000.0000.0000.0001", "max_pool": [2, 1]}
    assert last == {"name": "last", "op": "linear", "flatten": True}
    assert ("layers", "2") in found.facts


@pytest.mark.parametrize(
    ("path", "position"),
    [
        ("arch", (2, 7)),
        ("arch:key", (2, 1)),
        ("layers:key", (5, 1)),
        ("layers.0", (7, 5)),
        ("layers.0.processors", (8, 17)),
        ("layers.0.max_pool.1", (9, 19)),
        ("layers.1.op", (10, 22)),
        ("layers.1.op:key", (10, 18)),
    ],
)
def test_every_value_and_key_has_its_place(tmp_path: Path, path: str, position: tuple[int, int]) -> None:
    assert read(tmp_path, TEXT).positions[path] == position


def test_a_key_that_is_there_twice_is_kept_with_both_places(tmp_path: Path) -> None:
    found = read(tmp_path, TEXT.replace("    max_pool: [2, 1]", "    out_offset: 0"))
    assert found.duplicates == ("layers.0.out_offset",)
    assert found.positions["layers.0.out_offset:key"] == (7, 5)
    assert found.positions["layers.0.out_offset:again"] == (9, 5)
    assert found.values["layers"][0]["out_offset"] == 0


@pytest.mark.parametrize("given", [(3, 8, 6), (1, 3, 8, 6)])
@pytest.mark.parametrize("name", ["input", ""])
def test_the_input_is_channels_height_and_width(tmp_path: Path, name: str, given: tuple[int, ...]) -> None:
    assert read(tmp_path, TEXT, input_shapes={name: given}).input_shape == (3, 8, 6)


def test_one_dimension_is_a_width_of_one(tmp_path: Path) -> None:
    assert read(tmp_path, TEXT, input_shapes={"input": (128, 77)}).input_shape == (128, 77, 1)
    assert read(tmp_path, TEXT).input_shape is None


@pytest.mark.parametrize(
    ("shapes", "says"),
    [
        ({"input": (3,)}, "the input is channels x height x width, as in 3x64x64, not 3"),
        ({"input": (2, 3, 8, 8)}, "not 2x3x8x8"),
        ({"x": (3, 8, 8)}, "has no input 'x'; its only input is called 'input'"),
    ],
)
def test_other_shapes_are_refused(tmp_path: Path, shapes: dict[str, tuple[int, ...]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        read(tmp_path, TEXT, input_shapes=shapes)


def test_the_checkpoint_comes_with_the_document(tmp_path: Path) -> None:
    weights = write_checkpoint(tmp_path / "q.pth.tar", {"c.op.weight": Stored([1], 1, 1, 1, 1)})
    found = read(tmp_path, TEXT, checkpoint=weights).checkpoint
    assert found is not None
    assert found.tensors["c.op.weight"].shape == (1, 1, 1, 1)
    assert read(tmp_path, TEXT).checkpoint is None


HEAD = "arch: a\ndataset: b\nlayers:\n"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HEAD + "  - pad: 1\n    op: [\n", r"line \d+, column \d+: .*; mend the YAML there"),
        (HEAD + "  - pad: 1\n   op: x\n", r"line 5, column \d+: "),
        (HEAD + "  - pad: *nowhere\n", "line 4, column 10: found undefined alias"),
        (
            HEAD + "  - pad: !!python/object/apply:os.system [ls]\n",
            "line 4: has a sequence with the tag tag:yaml.org,2002:python/object/apply:os.system",
        ),
        (HEAD + "  - [1, 2]: 3\n", "line 4, column 5: has a key that is a list or a mapping"),
        (HEAD + "  - &a [*a]\n", "has more values than a network can"),
        (HEAD.encode() + b"  - name: \xff\n", "cut short|is not UTF-8 text; save the YAML as UTF-8|of no known format"),
    ],
)
def test_text_that_is_no_yaml_is_one_sentence_with_its_line(tmp_path: Path, text: str | bytes, says: str) -> None:
    with pytest.raises(UnreadableModel, match=says) as caught:
        read(tmp_path, text)
    assert "net.yaml: " in str(caught.value)
    assert "\n" not in str(caught.value)


def test_aliases_of_aliases_are_not_written_out(tmp_path: Path) -> None:
    lines = ["  - &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"  - &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]" for k in range(1, 12)]
    with pytest.raises(UnreadableModel, match="write the layers out without aliases"):
        read(tmp_path, HEAD + "\n".join(lines) + "\n")


def test_a_few_aliases_are_read(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + "  - &conv {pad: 1, op: conv2d}\n  - *conv\n")
    assert found.values["layers"] == [{"pad": 1, "op": "conv2d"}] * 2


def test_a_merge_is_read_and_stays_to_be_seen(tmp_path: Path) -> None:
    found = read(tmp_path, HEAD + "  - &conv {pad: 1, op: conv2d}\n  - {<<: *conv, pad: 0}\n")
    assert found.values["layers"][1] == {"<<": None, "pad": 0, "op": "conv2d"}
    assert found.positions["layers.1.<<:key"] == (5, 6)
