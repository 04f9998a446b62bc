"""Checkpoints: what is read of them, and that nothing in them runs."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import pytest
from checkpoint_writer import Optimizer, Stored, write_checkpoint, write_zip

from lintmodel.errors import UnreadableModel
from lintmodel.frontends.checkpoint import read_checkpoint

BOTH = pytest.mark.parametrize("legacy", [False, True], ids=["zip", "row"])


@BOTH
def test_names_shapes_types_and_values_are_read(tmp_path: Path, legacy: bool) -> None:
    tensors = {
        "conv1.op.weight": Stored([-3, 0, 2, 127], 2, 2, 1, 1),
        "conv1.op.bias": Stored([0, 0], 2),
        "conv1.weight_bits": Stored([4], 1, code="q"),
        "fc.op.weight": Stored([0.5], 1, 1, code="e"),
    }
    found = read_checkpoint(write_checkpoint(tmp_path / "q.pth.tar", tensors, legacy=legacy))
    assert list(found.tensors) == list(tensors)
    weight, bias, bits, half = found.tensors.values()
    assert (weight.shape, weight.dtype, weight.zero, weight.whole) == ((2, 2, 1, 1), "float32", False, True)
    assert (weight.least, weight.most, weight.values) == (-3, 127, (-3, 0, 2, 127))
    assert (bias.shape, bias.zero) == ((2,), True)
    assert (bits.dtype, bits.values) == ("int64", (4,))
    assert (half.dtype, half.whole) == ("float16", False)
    assert (found.entries["arch"], found.entries["epoch"], found.has_state) == ("example", 3, True)


def test_equal_values_have_equal_digests_and_others_not(tmp_path: Path) -> None:
    tensors = {"a": Stored([1, 2], 2), "b": Stored([1, 2], 2), "c": Stored([1, 3], 2)}
    found = read_checkpoint(write_checkpoint(tmp_path / "q.pth", tensors)).tensors
    assert found["a"].digest == found["b"].digest != found["c"].digest


def test_a_repeated_element_takes_no_room_and_stands_for_values_that_are_not_there(tmp_path: Path) -> None:
    tensors = {"w": Stored([1], 1000, 1000, 1000, 1000, stride=(0, 0, 0, 0))}
    found = read_checkpoint(write_checkpoint(tmp_path / "q.pth", tensors)).tensors["w"]
    assert found.shape == (1000, 1000, 1000, 1000)
    assert (found.zero, found.least, found.values, found.digest) == (False, 1, None, "")


def test_strides_are_followed(tmp_path: Path) -> None:
    tensors = {"w": Stored([1, 2, 3, 4, 5, 6], 3, 2, stride=(1, 3))}
    assert read_checkpoint(write_checkpoint(tmp_path / "q.pth", tensors)).tensors["w"].values == (1, 4, 2, 5, 3, 6)


def test_objects_of_other_classes_become_nothing(tmp_path: Path) -> None:
    path = write_checkpoint(tmp_path / "q.pth", {"w": Stored([1], 1)}, optimizer=Optimizer())
    found = read_checkpoint(path)
    assert found.entries["optimizer"] == "<SGD>"
    assert list(found.tensors) == ["w"]


def test_a_bare_state_dictionary_is_read_and_said_to_be_one(tmp_path: Path) -> None:
    found = read_checkpoint(write_checkpoint(tmp_path / "q.pth", {"w": Stored([1], 1)}, bare=True))
    assert list(found.tensors) == ["w"]
    assert not found.has_state


# ---- nothing runs


class Calls:
    def __init__(self, function: Any, *args: Any) -> None:
        self.function, self.args = function, args

    def __reduce__(self) -> Any:
        return self.function, self.args


@BOTH
def test_a_command_in_a_pickle_is_not_run(tmp_path: Path, legacy: bool) -> None:
    mark = tmp_path / "ran"
    bad = Calls(os.system, f"touch {mark}")
    path = write_checkpoint(tmp_path / "bad.pth.tar", {"w": Stored([1], 1)}, legacy=legacy, extra=bad)
    with pytest.raises(UnreadableModel, match=r"names (posix|nt)\.system, which .* nothing in it was run"):
        read_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize(
    ("function", "args"),
    [
        (eval, ("open({!r}, 'w').close()",)),
        (exec, ("open({!r}, 'w').close()",)),
        (open, ("{}", "w")),
        (getattr, ("", "join")),
        (__import__, ("os",)),
        (os.mkdir, ("{}",)),
        (pickle.loads, (b"cposix\nsystem\n(S'true'\ntR.",)),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_functions_that_run_code_are_refused(tmp_path: Path, function: Any, args: tuple[Any, ...]) -> None:
    mark = tmp_path / "ran"
    given = [arg.format(str(mark)) if isinstance(arg, str) else arg for arg in args]
    path = write_zip(tmp_path / "bad.pth", pickle.dumps({"state_dict": Calls(function, *given)}, protocol=2))
    with pytest.raises(UnreadableModel, match="which a file of weights has no need of"):
        read_checkpoint(path)
    assert not mark.exists()


@pytest.mark.parametrize("name", ["torch\nload", "torch.hub\nload", "numpy\nload", "some.module\nfunction"])
def test_any_other_function_is_named_and_not_called(tmp_path: Path, name: str) -> None:
    pickled = b"\x80\x02}X\x05\x00\x00\x00epochc" + name.encode() + b"\n(X\x01\x00\x00\x00atRs."
    found = read_checkpoint(write_zip(tmp_path / "odd.pth", pickled))
    assert found.entries["epoch"] == f"<{name.partition(chr(10))[2]}>"


@pytest.mark.parametrize("name", ["torch._utils\n_rebuild_tensor_v2", "collections\nOrderedDict", "torch\nSize"])
def test_what_a_file_does_to_a_name_ends_with_the_file(tmp_path: Path, name: str) -> None:
    """BUILD on the name itself would set attributes of a class that the next file is read with."""
    pickled = b"\x80\x02c" + name.encode() + b"\n(N}X\x07\x00\x00\x00__new__X\x01\x00\x00\x00xstb."
    with pytest.raises(UnreadableModel):
        read_checkpoint(write_zip(tmp_path / "odd.pth", pickled))
    assert read_checkpoint(write_checkpoint(tmp_path / "q.pth", {"w": Stored([1], 1)})).tensors["w"].values == (1,)


# ---- files that are something else


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\x93NUMPY\x01\0", "is no checkpoint of weights that torch.save wrote"),
        (b"name: x\n", "is no checkpoint of weights that torch.save wrote"),
        (b"\x80\x02}q\0.", "is no checkpoint of weights that torch.save wrote"),
    ],
)
def test_other_files_are_named(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    with pytest.raises(UnreadableModel, match=says):
        read_checkpoint(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="does not exist"):
        read_checkpoint(tmp_path / "none.pth")


@BOTH
def test_every_cut_is_an_error_and_never_a_traceback(tmp_path: Path, legacy: bool) -> None:
    whole = write_checkpoint(tmp_path / "q.pth", {"w": Stored([1, 2], 2)}, legacy=legacy).read_bytes()
    cut = tmp_path / "cut.pth"
    for length in range(1, len(whole), 3):
        cut.write_bytes(whole[:length])
        with pytest.raises(UnreadableModel):
            read_checkpoint(cut)


@pytest.mark.parametrize("shape", [(5,), (3, 2)])
def test_a_tensor_outside_its_storage_is_damage(tmp_path: Path, shape: tuple[int, ...]) -> None:
    path = write_checkpoint(tmp_path / "q.pth", {"w": Stored([1, 2, 3, 4], *shape)})
    with pytest.raises(UnreadableModel, match="lies outside its storage"):
        read_checkpoint(path)
