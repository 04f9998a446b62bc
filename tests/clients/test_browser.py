"""The HTML report in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from lintmodel.cli import main

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")

MEASURE = "<script>document.body.dataset.over = document.documentElement.scrollWidth > innerWidth</script></body>"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("html") / "report.html"
    models = [str(FIXTURES / "digits/digits.onnx"), str(FIXTURES / "models/yolo_head.onnx")]
    main(["check", *models, "-t", "k210,generic", "--format", "html", "-o", str(path)])
    path.write_text(path.read_text().replace("</body>", MEASURE))
    return path


def loaded(page: Path, width: int, folder: Path) -> tuple[str, str]:
    """The document after its script ran, and what the browser complained of."""
    done = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--dump-dom"),
            *(f"--user-data-dir={folder}", f"--window-size={width},900", page.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout, "\n".join(line for line in done.stderr.splitlines() if "CONSOLE" in line)


@pytest.mark.parametrize("width", [500, 1280])
def test_the_page_fits_its_window_and_its_script_runs(page: Path, width: int, tmp_path: Path) -> None:
    text, complaints = loaded(page, width, tmp_path)
    assert complaints == ""
    assert 'data-over="false"' in text
    assert text.count("<th><button>") + text.count('<th class="number"><button>') == 9 * text.count('"sortable"')


def test_the_page_asks_for_nothing(page: Path) -> None:
    text = page.read_text()
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', text) == []
    assert "@import" not in text
    assert "url(" not in text
