"""Settings: what configuration files say, and for which model.

The nearest file counts, found from the model's own folder upward, so that a repository may hold several. What the
command line says goes above it.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from ..errors import InvalidConfiguration, UsageError
from .files import find_file, merged, parse, read_file, rooted

__all__ = ["Settings", "load_settings", "settings_near"]


@dataclass(frozen=True, slots=True)
class Settings:
    """What is set for one model, or, before a model is known, by one file."""

    file: str | None = None
    """The configuration file; None when there is none."""
    values: Mapping[str, Any] = field(default_factory=dict)
    """By key, as in the file; paths absolute."""

    @property
    def root(self) -> str:
        """The folder of the file, to which reports make paths relative."""
        return os.path.dirname(self.file) if self.file else os.getcwd()  # noqa: PTH109, PTH120

    def words(self, key: str) -> tuple[str, ...]:
        return tuple(self.values.get(key, ()))

    def text(self, key: str) -> str | None:
        found = self.values.get(key)
        return None if found is None else str(found)

    def table(self, key: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = self.values.get(key, {})
        return found

    def models(self) -> list[str]:
        """Globs of the models that are checked when none is named."""
        return [entry["path"] for entry in self.values.get("models", ())]

    def for_model(self, path: str) -> Settings:
        """With the entries of ``models`` whose glob the path matches laid over, in the order of the file."""
        values = {key: value for key, value in self.values.items() if key != "models"}
        for entry in self.values.get("models", ()):
            if matches(path, entry["path"]):
                values = merged(values, {key: value for key, value in entry.items() if key != "path"})
        return replace(self, values=values)

    def file_ignores(self, path: str) -> tuple[str, ...]:
        """Rules that say nothing of this model."""
        table = self.table("per-file-ignores")
        return tuple(word for glob, words in table.items() if matches(path, glob) for word in words)

    def excludes(self, path: str) -> bool:
        return any(matches(path, glob) for glob in self.words("exclude"))


def load_settings(config: Sequence[str] = (), *, isolated: bool = False, folder: str | None = None) -> Settings:
    """The settings in force in a folder (where the user stands, when None).

    ``config``: each a file that counts in place of those found, or ``key=value`` in TOML that goes above every file.
    ``isolated``: files are left alone. Raises InvalidConfiguration, UsageError.
    """
    files = [word for word in config if not _inline(word)]
    if len(files) > 1:
        raise UsageError(f"--config takes one file, not {' and '.join(files)}")
    if isolated and files:
        raise UsageError("--isolated leaves configuration files alone, and --config names one")
    above: dict[str, Any] = {}
    for word in config:
        if _inline(word):
            above = merged(above, _parsed(word))
    file = None if isolated else Path(files[0]).resolve() if files else find_file(_absolute(folder))
    below = read_file(file) if file else {}
    found = Settings(str(file) if file else None, merged(below, above))
    _check_version(found)
    return found


@cache
def settings_near(folder: str, config: tuple[str, ...] = (), isolated: bool = False) -> Settings:
    """:func:`load_settings`, remembered for the other models of the folder."""
    return load_settings(config, isolated=isolated, folder=folder)


def matches(path: str, glob: str) -> bool:
    """``**`` stands for any number of folders, ``*`` for anything within one name. A folder means all that is in it."""
    return bool(_pattern(glob.replace(os.sep, "/")).match(os.path.abspath(path).replace(os.sep, "/")))  # noqa: PTH100


@cache
def _pattern(glob: str) -> Any:
    import re

    parts = []
    for part in glob.split("/"):
        if part == "**":
            parts.append("(?:[^/]+/)*")
        else:
            text = "".join({"*": "[^/]*", "?": "[^/]"}.get(c, re.escape(c)) for c in part)
            parts.append(text + "/")
    return re.compile("".join(parts).removesuffix("/") + "(?:/.*)?$")


def _absolute(folder: str | None) -> Path:
    return Path(folder or ".").resolve()


def _inline(word: str) -> bool:
    return "=" in word and not Path(word).is_file()


def _parsed(word: str) -> dict[str, Any]:
    """``key = value`` in TOML; a bare word is taken for a string, and words with commas for a list where one goes."""
    from .keys import KEYS, checked

    key, _, value = word.partition("=")
    for text in (word, f'{key}="{value}"'):
        try:
            values = parse(text)
        except ValueError:
            continue
        for name, found in values.items():
            if name in KEYS and KEYS[name].kind == "strings" and isinstance(found, str):
                values[name] = [part.strip() for part in found.split(",")]
        checked(values, "--config")
        return rooted(values, Path.cwd())
    raise UsageError(f"--config takes a file or KEY=VALUE in TOML, not '{word}'")


def _check_version(settings: Settings) -> None:
    wanted = settings.text("required-version")
    if wanted is None:
        return

    from .. import __version__

    if not _satisfies(__version__, wanted, settings.file or "--config"):
        raise InvalidConfiguration(
            settings.file or "--config", f"required-version is '{wanted}', and this is lintmodel {__version__}"
        )


def _satisfies(version: str, wanted: str, file: str) -> bool:
    """Comparisons joined by commas: ``>=0.1,<1``; a bare version is that one."""
    import re

    def numbers(text: str) -> tuple[int, ...]:
        return tuple(int(part) for part in re.findall(r"\d+", text)[:3])

    have = numbers(version)
    for part in wanted.split(","):
        match = re.fullmatch(r"\s*(>=|<=|==|!=|>|<|)\s*(\d+(?:\.\d+)*)\s*", part)
        if match is None:
            raise InvalidConfiguration(file, f"required-version: '{part.strip()}' is no comparison such as >=0.1")
        sign, least = match[1] or "==", numbers(match[2])
        width = max(len(have), len(least))
        a, b = have + (0,) * (width - len(have)), least + (0,) * (width - len(least))
        if not {">=": a >= b, "<=": a <= b, "==": a == b, "!=": a != b, ">": a > b, "<": a < b}[sign]:
            return False
    return True
