"""arch.json as a document: does the board load what is compiled with it?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check

B4096 = {"2.0": "0x1000020f6014407", "2.5": "0x101000016010407", "3.5": "0x101000056010407"}
"""The fingerprints of a KV260 with the Vitis AI image."""


def checked(tmp_path: Path, values: dict[str, Any], target: str) -> Report:
    (tmp_path / "arch.json").write_text(json.dumps(values))
    return check(tmp_path / "arch.json", target)


@pytest.mark.parametrize("board", B4096)
@pytest.mark.parametrize("compiler", B4096)
def test_each_release_has_its_own_fingerprint(tmp_path: Path, compiler: str, board: str) -> None:
    report = checked(tmp_path, {"fingerprint": B4096[compiler]}, f"kv260@{board}")
    assert report.runtime == ("ok" if compiler == board else "fails")
    assert [f.rule for f in report.findings] == ([] if compiler == board else ["DPU622"])
    if compiler != board:
        assert report.findings[0].vendor_message == (
            f"CHECK fingerprint fail! model_fingerprint {B4096[compiler]} is un-matched with actual dpu_fingerprint "
            f"{B4096[board]}"
        )
        assert report.findings[0].location and report.findings[0].location.line == 1


def test_the_kria_applications_have_another_dpu(tmp_path: Path) -> None:
    assert checked(tmp_path, {"target": "DPUCZDX8G_ISA1_B4096"}, "kv260").runtime == "ok"
    assert checked(tmp_path, {"target": "DPUCZDX8G_ISA1_B4096"}, "kv260-kria").runtime == "fails"


@pytest.mark.parametrize(
    "values", [{"target": "B4096"}, {"target": "../x.yaml"}, {"target": 3}, {"fingerprint": "x"}, {"fingerprint": []}]
)
def test_what_no_release_registers_is_not_checked(tmp_path: Path, values: dict[str, Any]) -> None:
    report = checked(tmp_path, values, "kv260")
    assert (report.verdict, report.runtime, report.findings) == ("unknown", "unknown", ())
    assert report.not_checked
