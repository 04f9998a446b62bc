"""Headers of compiled kmodels."""

from __future__ import annotations

import time
from pathlib import Path
from struct import pack, pack_into

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kmodel_writer import kmodel_3, kmodel_4, kmodel_5

from lintmodel.errors import UnreadableModel, UsageError
from lintmodel.frontends import read
from lintmodel.frontends.kmodel import read_kmodel
from lintmodel.ir import Document

ROOT = Path(__file__).resolve().parents[2]
SHARED = ROOT.parent / "shared" / "models" / "kmodel"
DIGITS = ROOT / "fixtures" / "digits" / "digits.kmodel"


def written(path: Path, data: bytes) -> Document:
    path.write_bytes(data)
    return read_kmodel(path)


def test_version_3(tmp_path: Path) -> None:
    found = written(tmp_path / "m.kmodel", kmodel_3())
    assert (found.kind, found.path, found.positions) == ("kmodel", str(tmp_path / "m.kmodel"), {})
    assert found.values == {
        "version": 3,
        "bytes": 28 + 8 + 16 + 256,
        "flags": 1,
        "architecture": 0,
        "layers": ("Conv", "Dequantize"),
        "main_memory": 400,
        "inputs": ({"shape": (1, 3, 240, 320), "dtype": "uint8", "bytes": 230400},),
        "outputs": ({"bytes": 40},),
    }


def test_version_3_without_a_convolution_states_no_input(tmp_path: Path) -> None:
    found = written(tmp_path / "m", kmodel_3(layers=(18, 15, 9999)))
    assert found.values["layers"] == ("FullyConnected", "Softmax", "layer type 9999")
    assert found.values["inputs"] == ()


def test_version_4(tmp_path: Path) -> None:
    found = written(tmp_path / "m", kmodel_4())
    assert found.values == {
        "version": 4,
        "bytes": 40 + 16 + 16 + 16 + 16 + 16 + 80,
        "flags": 0,
        "architecture": 1,
        "layers": ("KPUConv2D", "Dequantize"),
        "main_memory": 33600,
        "constants": 16,
        "inputs": ({"memory": "accelerator", "dtype": "uint8", "start": 0, "bytes": 3584, "shape": (1, 1, 28, 80)},),
        "outputs": ({"memory": "main", "dtype": "float32", "start": 7168, "bytes": 14336},),
    }


def test_version_5(tmp_path: Path) -> None:
    found = written(tmp_path / "m", kmodel_5())
    assert found.values["inputs"] == ({"dtype": "float32", "bytes": 4096, "shape": (1, 1, 32, 32)},)
    assert found.values["outputs"] == ({"dtype": "float32", "bytes": 40, "shape": (1, 10)},)
    assert (found.values["input_pool"], found.values["output_pool"]) == (4096, 40)
    cpu, accelerator = found.values["modules"]
    assert cpu["pools"] == {"rdata": 16, "data": 49152}
    assert cpu["sections"] == {".rdata": 16, ".text": 8}
    assert accelerator["pools"] == {"rdata": 16, "data": 0, "k210": 2097152}
    assert [(m["type"], m["functions"]) for m in found.values["modules"]] == [("stackvm", 1), ("k210", 0)]


def test_a_file_that_nncase_wrote() -> None:
    values = read_kmodel(DIGITS).values
    sizes = {"input": values["input_pool"], "output": values["output_pool"], "model": values["bytes"]}
    sizes["data"] = sum(module["pools"]["data"] for module in values["modules"])
    # The sums that nncase 1.9.0.20230322 printed when it made the file.
    assert sizes == {"input": 4096, "output": 40, "data": 49152, "model": 17848}


def test_what_it_says_of_itself(tmp_path: Path) -> None:
    assert written(tmp_path / "m", kmodel_4()).facts == (
        ("version", "4"),
        ("file", "200 bytes"),
        ("layers", "2"),
        ("working memory", "33,600 bytes"),
        ("constants", "16 bytes"),
        ("input", "1x1x28x80 uint8, 3,584 bytes"),
        ("output", "float32, 14,336 bytes"),
    )
    many = written(tmp_path / "m", kmodel_3(outputs=[(0, 4)] * 9)).facts
    assert [fact for fact in many if fact[0].startswith("output")] == [("output", "4 bytes")] * 4 + [
        ("outputs", "9 in all")
    ]


def test_real_files() -> None:
    if not SHARED.is_dir():
        pytest.skip("no folder 'shared/models/kmodel' beside the repository")
    found = {path.stem: read_kmodel(path).values for path in SHARED.glob("*/*.kmodel")}
    face = found["face_detect_detect"]
    assert (face["version"], len(face["layers"]), face["main_memory"]) == (3, 24, 45000)
    assert face["inputs"][0]["shape"] == (1, 3, 240, 320)
    assert face["outputs"] == ({"bytes": 36000},)
    asr = found["multimedia_speech_recognizer_maix_asr_2900k_0x500000"]
    assert (asr["version"], asr["bytes"], asr["main_memory"]) == (4, 1795264, 33600)
    assert asr["layers"][-3:] == ("Pad", "Transpose", "Dequantize")
    mobilenet = found["benchmark_models_cpu_mobilenet_v2"]
    assert mobilenet["version"] == 5
    assert mobilenet["modules"][0]["pools"] == {"rdata": 0, "data": 7322568}
    assert len(found) == 5


# ---- damaged files


def changed(data: bytes, offset: int, value: int) -> bytes:
    copy = bytearray(data)
    pack_into("<I", copy, offset, value)
    return bytes(copy)


DAMAGED = [
    ("no layers", kmodel_3()[:40], "the list of layers would end at byte 52 and the file has 40"),
    ("bodies cut", kmodel_3()[:-1], "the layers would end at byte 308 and the file has 307"),
    ("output outside", kmodel_3(memory=30), "output 0 lies outside the 30 bytes of working memory"),
    ("registers outside", changed(kmodel_3(), 52 + 8, 1 << 30), "the registers of the first convolution would end"),
    ("nodes cut", kmodel_4()[:-1], "the nodes would end at byte 200"),
    ("many inputs", changed(kmodel_4(), 28, 1 << 31), "2,147,483,648 inputs cannot be in a file of 200 bytes"),
    ("element type", changed(kmodel_4(), 44, 7), "input 0 has memory 2 and element type 7, which do not exist"),
    ("module cut", kmodel_5()[:-1], "module 1 would end at byte"),
    ("header size", changed(kmodel_5(), 8, 40), "the header says that it has 40 bytes, not 32"),
    ("entry", changed(kmodel_5(), 24, 5), "it starts with function 0 of module 5, which is not there"),
    ("module name", changed(kmodel_5(), 32, 0xFFFFFFFF), "the name of module 0 is not text"),
    ("inputs outside", changed(kmodel_5(), 32 + 48 + 16 + 16, 9), "the inputs of function 0 of module 0 would end"),
    ("module size", changed(kmodel_5(), 32 + 24, 0), "the header of module 0 says 48 bytes of 0"),
]


@pytest.mark.parametrize(("data", "why"), [row[1:] for row in DAMAGED], ids=[row[0] for row in DAMAGED])
def test_damaged(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(UnreadableModel) as caught:
        written(tmp_path / "m", data)
    assert f"is a kmodel that is cut short or damaged: {why}" in str(caught.value)
    assert caught.value.offset is not None


@pytest.mark.parametrize("version", [0, 1, 6, 7, 1 << 31])
def test_other_versions(tmp_path: Path, version: int) -> None:
    with pytest.raises(UnreadableModel, match=f"is a kmodel of version {version}; versions 3, 4 and 5 can be read"):
        written(tmp_path / "m", kmodel_5(version=version))


def test_version_3_behind_the_magic_number_of_later_ones(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="is a kmodel of version 3"):
        written(tmp_path / "m", b"LDMK" + pack("<8I", 3, 0, 0, 0, 0, 0, 0, 0))


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="cannot be opened"):
        read_kmodel(tmp_path / "missing.kmodel")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    base=st.sampled_from([kmodel_3(), kmodel_4(), kmodel_5()]),
    length=st.integers(0, 1000),
    changes=st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=4),
)
def test_cut_or_mutated_it_is_read_or_refused(
    tmp_path: Path, base: bytes, length: int, changes: list[tuple[int, int]]
) -> None:
    data = bytearray(base)
    for offset, value in changes:
        data[offset % len(data)] = value
    try:
        found = written(tmp_path / "m", bytes(data[:length]))
    except UnreadableModel as error:
        assert "\n" not in str(error)
    else:
        assert found.values["bytes"] == len(data[:length])
        assert found.facts


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_cut_is_refused(tmp_path: Path, data: st.DataObject) -> None:
    base = data.draw(st.sampled_from([kmodel_3(), kmodel_4(), kmodel_5()]))
    with pytest.raises(UnreadableModel):
        written(tmp_path / "m", base[: data.draw(st.integers(0, len(base) - 1))])


# ---- through the front door


def test_read_dispatches(tmp_path: Path) -> None:
    for number, data in enumerate((kmodel_3(), kmodel_4(), kmodel_5()), start=3):
        (tmp_path / "any name").write_bytes(data)
        found = read(tmp_path / "any name")
        assert isinstance(found, Document)
        assert found.values["version"] == number
    with pytest.raises(UsageError, match="a compiled model keeps its shapes"):
        read(tmp_path / "any name", {"x": (1, 3, 8, 8)})


def test_many_small_modules_take_no_time(tmp_path: Path) -> None:
    module = b"stackvm".ljust(16, b"\0") + pack("<8I", 1, 48, 48, 0, 0, 0, 0, 0)
    count = 40_000
    header = b"LDMK" + pack("<7I", 5, 32, 0, 8, count, 0, 0)
    begin = time.perf_counter()
    with pytest.raises(UnreadableModel, match="it starts with function 0 of module 0, which is not there"):
        written(tmp_path / "m", header + module * count)
    assert time.perf_counter() - begin < 3
