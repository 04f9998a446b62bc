"""The sheets of DPUs: generated from one table, found by name, board, fingerprint and arch.json."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from lintmodel.errors import LintmodelError
from lintmodel.rules.dpu.engines import Bank, Range, engines
from lintmodel.target import load_target, sheets_of

ROOT = Path(__file__).resolve().parents[2]


def arch_json(folder: Path, **values: object) -> str:
    path = folder / "arch.json"
    path.write_text(json.dumps(values))
    return str(path)


def test_sheets_are_those_of_the_table() -> None:
    found = subprocess.run([sys.executable, ROOT / "targets" / "build.py", "--check"], capture_output=True, text=True)
    assert found.returncode == 0, found.stderr


def test_every_sheet_has_engines() -> None:
    names = sheets_of("dpu")
    assert names[0] == "DPUCZDX8G_ISA1_B4096"
    assert len(names) == 72
    for name in names:
        dpu = engines(load_target(name))
        assert dpu.conv.kernel and dpu.weights.bytes and dpu.name.startswith(dpu.kind), name


def test_the_engines_of_a_dpu_with_an_arithmetic_unit() -> None:
    dpu = engines(load_target("DPUCZDX8G_ISA1_B4096"))
    assert dpu.weights == Bank(16, 16, 2048)
    assert dpu.average_pool is not None
    assert 256 in dpu.average_pool.kernel and 257 not in dpu.average_pool.kernel
    assert dpu.depthwise is not None
    assert dpu.depthwise.pads[0] == Range("0-15")
    assert dpu.eltwise == {"add", "mult"}


def test_the_engines_of_a_dpu_with_separate_ones() -> None:
    dpu = engines(load_target("DPUCAHX8H_ISA2_DWC"))
    assert dpu.depthwise is not None
    assert [k for k in range(9) if k in dpu.depthwise.kernel] == [1, 2, 3, 5, 7]
    assert dpu.eltwise == {"add"}
    assert engines(load_target("DPUCAHX8H_ISA2")).depthwise is None


def test_versal_edge_names_its_operations_by_template() -> None:
    dpu = engines(load_target("vek280"))
    assert dpu.depthwise is not None
    assert dpu.average_pool is not None
    assert dpu.eltwise == {"add", "mult"}


def test_a_range_lists_its_sizes_as_amd_prints_them() -> None:
    assert Range("1-3,7").listed() == "[1, 2, 3, 7]"
    assert str(Range("1-3,7")) == "1-3, 7"


@pytest.mark.parametrize(
    ("word", "dpu"),
    [
        ("kv260", "DPUCZDX8G_ISA1_B4096"),
        ("kv260@2.0", "DPUCZDX8G_ISA0_B4096_MAX_BG2"),
        ("kv260-kria", "DPUCZDX8G_ISA1_B3136"),
        ("0x1000020f6014407", "DPUCZDX8G_ISA0_B4096_MAX_BG2"),
        ("0X101000056010200", "DPUCZDX8G_ISA1_B512"),
    ],
)
def test_boards_and_fingerprints(word: str, dpu: str) -> None:
    assert load_target(word).limit("dpu") == dpu


def test_the_fingerprint_of_a_release() -> None:
    assert load_target("kv260@2.5").limit("fingerprint") == "0x101000016010407"
    assert load_target("kv260@3.5").limit("fingerprint") == "0x101000056010407"
    assert load_target("kv260@2.0").limit("fingerprint") == "0x1000020f6014407"


def test_arch_json_with_a_fingerprint_chooses_its_release(tmp_path: Path) -> None:
    target = load_target(arch_json(tmp_path, fingerprint="0x101000016010407"))
    assert (target.name, target.version) == ("DPUCZDX8G_ISA1_B4096", "2.5")
    target = load_target(arch_json(tmp_path, fingerprint="0x101000056010407"))
    assert target.limit("fingerprint") == "0x101000056010407"
    assert target.name == "DPUCZDX8G_ISA1_B4096"


def test_arch_json_with_a_name(tmp_path: Path) -> None:
    assert load_target(arch_json(tmp_path, target="DPUCAHX8L_ISA0")).limit("dpu") == "DPUCAHX8L_ISA0"


def test_a_fingerprint_that_nobody_registered_is_read_bit_by_bit() -> None:
    # Bit 29 is LeakyReLU behind the arithmetic unit, bits 25 to 24 are the groups of banks.
    dpu = engines(load_target("0x101000077010407"))
    assert dpu.depthwise is not None
    assert "leaky" in dpu.depthwise.activations
    assert [name for name in dpu.banks if name.startswith("VB")] == ["VB0", "VB1", "VB2"]
    assert load_target("0x101000077010407").pools["feature"].bytes == 3 * 262144


def test_an_older_fingerprint_that_nobody_registered() -> None:
    target = load_target("0x1000030f6014404")
    assert engines(target).eltwise == {"add", "mult"}
    assert engines(target).weights == engines(load_target("DPUCZDX8G_ISA0_B1600_MAX")).weights


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"fingerprint": "0x100000000000000"}, "no release of Vitis AI registers"),
        ({"fingerprint": "0x10100005601040f"}, "architectures go from 0 to 7"),
        ({"fingerprint": "0x101000056810407"}, "have no known meaning"),
        ({"fingerprint": "0x500000000000001"}, "its bits say DPUCVDX8H"),
        ({"fingerprint": "many"}, "is no fingerprint"),
        ({"fingerprint": [1]}, "is no fingerprint"),
        ({"target": "DPUCZDX8G_ISA1_B9999"}, "no target 'DPUCZDX8G_ISA1_B9999'"),
        ({"target": 7}, "no installed rule pack knows a chip"),
        ({"chip": "x"}, "no installed rule pack knows a chip"),
    ],
)
def test_what_arch_json_cannot_be(tmp_path: Path, values: dict[str, object], why: str) -> None:
    with pytest.raises(LintmodelError, match=why):
        load_target(arch_json(tmp_path, **values))


def test_arch_json_that_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "arch.json"
    path.write_text("{")
    with pytest.raises(LintmodelError, match="not valid JSON"):
        load_target(str(path))
    path.write_text("[]")
    with pytest.raises(LintmodelError, match="no installed rule pack knows"):
        load_target(str(path))
    with pytest.raises(LintmodelError, match="cannot be read"):
        load_target(str(tmp_path / "none.json"))
