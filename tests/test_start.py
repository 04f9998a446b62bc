"""``lintmodel --version`` starts as fast as Python does: it loads nothing it does not need."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"google", "networkx", "numpy", "onnx", "rich", "tflite", "yaml", "torch"}


def test_version_imports_nothing_heavy() -> None:
    code = "import sys; sys.argv = ['lintmodel', '--version']; from lintmodel.cli import main; main()"
    done = subprocess.run([sys.executable, "-X", "importtime", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("lintmodel ")
    imported = {line.rsplit("|", 1)[1].strip().split(".")[0] for line in done.stderr.splitlines() if "|" in line}
    assert "lintmodel" in imported
    assert imported.isdisjoint(HEAVY)
