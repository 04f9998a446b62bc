"""SARIF held against Microsoft's own validator, with the rules of the format and those of GitHub."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from lintmodel.cli import main

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
MULTITOOL = shutil.which("Sarif.Multitool")

pytestmark = pytest.mark.skipif(
    MULTITOOL is None, reason="Sarif.Multitool is not on the path (npm install @microsoft/sarif-multitool)"
)


@pytest.mark.parametrize(
    ("targets", "models", "options"),
    [
        ("k210,generic", ["models/yolo_head.onnx", "digits/digits.onnx", "models/dynamic_batch.onnx"], []),
        ("k210", ["models/truncated.onnx"], []),
        ("k210", ["models/yolo_head.onnx"], ["--config", 'per-node-ignores."up"=["KPU"]']),
        ("max78000", ["ai8x"], []),
        ("max78000", ["ai8x"], ["--input-shape", "4x16x16"]),
    ],
)
def test_no_error_and_no_warning(tmp_path: Path, targets: str, models: list[str], options: list[str]) -> None:
    log, answer = tmp_path / "log.sarif", tmp_path / "answer.sarif"
    files = [str(FIXTURES / model) for model in models]
    main(["check", *files, "-t", targets, "--format", "sarif", "-o", str(log), *options])
    done = subprocess.run(
        [str(MULTITOOL), "validate", str(log), "--rule-kind", "Sarif;Ghas", "--output", str(answer)],
        env={**os.environ, "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.exists(), done.stdout + done.stderr
    results = [result for run in json.loads(answer.read_text())["runs"] for result in run.get("results", ())]
    assert [result["message"] for result in results if result.get("level", "warning") in ("error", "warning")] == []
