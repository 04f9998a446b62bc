"""The third-party pack and sheet of ``thirdparty/``, installed for a test as pip would: on the path, with metadata."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lintmodel import registry
from lintmodel.target import Target, load_target

FOLDER = Path(__file__).with_name("thirdparty")
SHEET = str(FOLDER / "edge.yaml")


@pytest.fixture
def edge_pack(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(str(FOLDER))
    registry.packs.cache_clear()
    yield
    registry.packs.cache_clear()


def edge(**options: object) -> Target:
    return load_target(SHEET, options=options)
