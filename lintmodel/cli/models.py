"""Which models the words of a command line mean."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from glob import glob, has_magic

from ..errors import UnreadableModel

SUFFIXES = (".onnx", ".pt2", ".tflite")
"""Of the files that are taken from a directory. A file named outright is read whatever its name."""

TEXTS = (".yaml", ".yml")
"""Of the files that are taken from a directory if they describe a network; most YAML is something else."""

SKIPPED = frozenset({"node_modules", "site-packages", "venv", "__pypackages__"})
"""Directories, besides hidden ones, that hold other people's models."""


def find_models(words: Sequence[str]) -> Iterator[str | UnreadableModel]:
    """Paths in the order of the words, sorted inside directories and globs, each once. A word that means no model
    gives the sentence that says so."""
    seen = set()
    for word in words:
        for found in _meant(word):
            key = os.path.normpath(found) if isinstance(found, str) else str(found)
            if key not in seen:
                seen.add(key)
                yield found


def _meant(word: str) -> Sequence[str | UnreadableModel]:
    if _is_folder(word):
        return _inside(word) or [UnreadableModel(word, f"no model in this directory ({', '.join(SUFFIXES)})")]
    if has_magic(word) and not os.path.lexists(word):
        matches = sorted(glob(word, recursive=True))  # noqa: PTH207 - the shell's own rules, absolute paths too
        files = [file for match in matches for file in (_inside(match) if _is_folder(match) else [match])]
        return files or [UnreadableModel(word, "no file matches")]
    return [word]


def _inside(folder: str) -> list[str]:
    found = []
    for place, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if not f.startswith(".") and f not in SKIPPED]
        found += [os.path.normpath(f"{place}/{file}") for file in files if _is_model(place, file)]
    return sorted(found)


def _is_model(place: str, file: str) -> bool:
    if not file.lower().endswith(TEXTS):
        return file.lower().endswith(SUFFIXES)

    from ..frontends.sniff import sniff

    return sniff(f"{place}/{file}").format == "ai8x"


def _is_folder(word: str) -> bool:
    return os.path.isdir(word)  # noqa: PTH112 - pathlib's raises for names too long for the file system
