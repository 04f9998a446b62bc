"""The text of a document, whatever is written in it."""

from __future__ import annotations

import os
from pathlib import Path

from ..errors import UnreadableModel


def text_of(path: str | os.PathLike[str], syntax: str, most: int, instead: str = "") -> str:
    """The text of a file of at most ``most`` bytes. ``syntax`` (``"JSON"``) and what to give ``instead`` are for the
    errors. Raises UnreadableModel for one that cannot be opened, is no UTF-8 or too long."""
    name = os.fspath(path)
    try:
        with Path(path).open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise UnreadableModel(name, f"cannot be opened: {error.strerror or error}") from None
    if len(content) > most:
        raise UnreadableModel(name, f"is a {syntax} document of more than {most >> 20} MiB{instead}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableModel(name, f"is not UTF-8 text; save the {syntax} as UTF-8", error.start) from None
