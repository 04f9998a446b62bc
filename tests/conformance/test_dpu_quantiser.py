"""lintmodel against what vai_q_pytorch said of the same configurations.

``dpu_quantiser.json`` holds the first message of the quantiser's own checks, or None where it took the file: those of
quant_config.py on the branches 2.5 and 3.0 and on master (3.5) of Xilinx/Vitis-AI, commit b2b2279. Nothing in it was
computed by lintmodel.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import check

RECORDED: dict[str, list[dict[str, Any]]] = json.loads((Path(__file__).parent / "dpu_quantiser.json").read_text())
CASES = [
    pytest.param(release, case, id=f"{release}-{k}")
    for release, all_ in RECORDED.items()
    for k, case in enumerate(all_)
]


@pytest.mark.parametrize(("release", "case"), CASES)
def test_the_same_verdict_and_message(release: str, case: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "quant.json"
    path.write_text(json.dumps(case["config"]))
    if not case["config"]:
        pytest.skip("an empty mapping is no configuration that could be recognised")
    report = check(path, "DPUCZDX8G_ISA1_B4096", toolchain=release)
    assert report.verdict == ("accepted" if case["says"] is None else "rejected")
    if case["says"] is not None:
        said = [
            (finding.vendor_message or "").partition("]: ")[2] or finding.vendor_message for finding in report.findings
        ]
        assert case["says"] in said
