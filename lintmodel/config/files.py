"""Finding and reading configuration files: ``lintmodel.toml``, or ``[tool.lintmodel]`` in ``pyproject.toml``."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidConfiguration
from .keys import KEYS, Key, checked

FILE = "lintmodel.toml"
PROJECT = "pyproject.toml"


def find_file(folder: Path) -> Path | None:
    """The nearest configuration file, from ``folder`` upward. In one folder ``lintmodel.toml`` comes before
    ``pyproject.toml``; a ``pyproject.toml`` without ``[tool.lintmodel]`` is none."""
    for place in (folder, *folder.parents):
        own, project = place / FILE, place / PROJECT
        if own.is_file():
            return own
        if project.is_file() and "lintmodel" in _tools(project):
            return project
    return None


def read_file(file: Path) -> dict[str, Any]:
    """The keys of a configuration file, checked, those of the files it extends below its own. Paths in it are made
    absolute. Raises InvalidConfiguration."""
    return _read(file.resolve(), ())


def _read(file: Path, extending: tuple[Path, ...]) -> dict[str, Any]:
    shown = _shown(file)
    if file in extending:
        raise InvalidConfiguration(shown, "extend leads back to this file")
    if not file.is_file():
        who = f" (named by extend in {_shown(extending[-1])})" if extending else ""
        raise InvalidConfiguration(shown, f"there is no such file{who}")
    if file.name == PROJECT:
        values = _tools(file).get("lintmodel", {})
        where = "tool.lintmodel"
    else:
        values, where = _toml(file), ""
    if not isinstance(values, dict):
        raise InvalidConfiguration(shown, f"{where} takes a table")
    checked(values, shown, where)
    found = rooted(values, file.parent)
    if "extend" in found:
        found = merged(_read(Path(found.pop("extend")), (*extending, file)), found)
    return found


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """``above`` laid over ``below``: tables key by key, ``extend-...`` lists and ``models`` one behind the other,
    everything else replaced."""
    found = dict(below)
    for name, value in above.items():
        old = found.get(name)
        if isinstance(old, dict) and isinstance(value, dict):
            found[name] = merged(old, value)
        elif isinstance(old, list) and (name.startswith("extend-") or name == "models"):
            found[name] = [*old, *value]
        else:
            found[name] = value
    return found


def rooted(values: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The values with paths, relative to ``folder``, made absolute."""
    return _rooted(values, KEYS, folder)


def _rooted(values: Mapping[str, Any], keys: Mapping[str, Key], folder: Path) -> dict[str, Any]:
    """The values with paths made absolute; a glob under ``models`` too, so that it means the same wherever read."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        key = keys[name]
        if key.path:
            found[name] = os.path.normpath(folder / Path(value).expanduser())
        elif key.kind == "tables":
            found[name] = [_entry(entry, key.keys, folder) for entry in value]
        elif name == "targets":
            found[name] = [_target(word, folder) for word in value]
        elif name in ("per-file-ignores", "exclude"):
            found[name] = (
                {_glob(g, folder): v for g, v in value.items()}
                if isinstance(value, dict)
                else [_glob(g, folder) for g in value]
            )
        else:
            found[name] = value
    return found


def _entry(entry: Mapping[str, Any], keys: Mapping[str, Key], folder: Path) -> dict[str, Any]:
    found = _rooted(entry, keys, folder)
    return {**found, "path": os.path.normpath(folder / found["path"])}


def _target(word: str, folder: Path) -> str:
    """A sheet's path is relative to the configuration; a name is a name."""
    return os.path.normpath(folder / word) if word.startswith(("./", "../")) else word


def _glob(pattern: str, folder: Path) -> str:
    """A bare name means a file of that name anywhere below, as in .gitignore; one with a slash starts at the folder."""
    return os.path.normpath(folder / pattern) if "/" in pattern else os.path.normpath(folder / "**" / pattern)


def _tools(project: Path) -> Mapping[str, Any]:
    tools = _toml(project).get("tool", {})
    return tools if isinstance(tools, dict) else {}


def _toml(file: Path) -> dict[str, Any]:
    try:
        return parse(file.read_text(encoding="utf-8"))
    except ValueError as error:  # of TOML or of UTF-8
        raise InvalidConfiguration(_shown(file), f"is not TOML: {error}") from None
    except OSError as error:
        raise InvalidConfiguration(_shown(file), f"cannot be read: {error.strerror or error}") from None


def parse(text: str) -> dict[str, Any]:
    """Raises ValueError for what is not TOML."""
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    found: dict[str, Any] = tomllib.loads(text)
    return found


def _shown(file: Path) -> str:
    """Relative to where the user stands, when it is below."""
    try:
        return str(file.relative_to(Path.cwd()))
    except ValueError:
        return str(file)
