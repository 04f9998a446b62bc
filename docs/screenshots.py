"""Takes the picture of the HTML report that the README shows, with Chromium.

python docs/screenshots.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lintmodel.cli import main as lintmodel

ROOT = Path(__file__).resolve().parents[1]
SIZE = "1000,1150"


def main() -> int:
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("Chromium is not installed", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        model = "fixtures/digits/digits.onnx"
        lintmodel(["check", model, "--target", "k210", "--isolated", "--format", "html", "-o", str(page)])
        subprocess.run(
            [
                *(browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
                *(f"--user-data-dir={folder}/profile", f"--window-size={SIZE}"),
                *(f"--screenshot={ROOT / 'docs' / 'report.png'}", page.as_uri()),
            ],
            check=True,
            capture_output=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
