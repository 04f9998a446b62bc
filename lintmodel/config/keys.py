"""Every key of a configuration file: what it takes, and what it is for.

One table, read three ways: files are checked against it, ``lintmodel.schema.json`` is generated from it, and so is
the page of documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ..errors import InvalidConfiguration, did_you_mean

Kind = Literal["string", "strings", "boolean", "scalar", "sizes", "table", "tables"]


@dataclass(frozen=True, slots=True)
class Key:
    """One key. A ``table`` has either fixed ``keys`` or, under names of the user's own, ``values``; ``tables`` is a
    list of tables with fixed keys."""

    kind: Kind
    help: str
    choices: tuple[str, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    values: Key | None = None
    names: str = ""
    """What the names of a table with ``values`` are."""
    path: bool = False
    """A path, relative to the folder of the file it stands in."""
    required: bool = False


_RULES = "Codes, prefixes of codes, names, or ALL"
_IGNORES = Key("strings", _RULES)
LEVELS = ("error", "warning", "note")
FAIL_ON = (*LEVELS, "never")

_PER_MODEL = {
    "targets": Key("strings", "Targets, as --target takes them: a name, NAME@VERSION, or the path of a sheet"),
    "select": Key("strings", f"The only rules that are asked. {_RULES} [default: ALL]"),
    "ignore": Key("strings", f"Rules that are not asked. {_RULES}; the more exact of select and ignore wins"),
    "extend-select": Key("strings", f"Rules asked as well. {_RULES}"),
    "extend-ignore": Key("strings", f"Rules not asked either. {_RULES}"),
    "levels": Key(
        "table", "The level of a rule's findings", names="rule", values=Key("string", "A level", choices=LEVELS)
    ),
    "options": Key(
        "table",
        "Options of targets (lintmodel target NAME lists them)",
        names="target",
        values=Key("table", "Options by name", names="option", values=Key("scalar", "Its value")),
    ),
    "per-node-ignores": Key(
        "table", "Rules that say nothing of the nodes of this name", names="glob of node names", values=_IGNORES
    ),
}
"""Keys that one entry of ``models`` may set for its own models."""

KEYS: Mapping[str, Key] = {
    "extend": Key("string", "Another configuration file on which this one builds", path=True),
    "required-version": Key("string", "The lintmodel this configuration is for, as in '>=0.1'"),
    **_PER_MODEL,
    "per-file-ignores": Key(
        "table", "Rules that say nothing of the models of this path", names="glob of paths", values=_IGNORES
    ),
    "rules": Key(
        "table",
        "Options of rules (lintmodel rule CODE lists them)",
        names="rule",
        values=Key("table", "Options by name", names="option", values=Key("scalar", "Its value")),
    ),
    "exclude": Key("strings", "Globs of paths that are left out, also when named (pre-commit names files)"),
    "fail-on": Key("string", "Exit with 1 for findings of this level or worse", choices=FAIL_ON),
    "output-format": Key("string", "The format of reports, as --format takes it"),
    "baseline": Key("string", "A file of findings that are known (lintmodel baseline write)", path=True),
    "models": Key(
        "tables",
        "Models that are checked when none is named, and what is different for them",
        keys={
            "path": Key("string", "Glob of paths, relative to this file", required=True),
            **_PER_MODEL,
            "input-shapes": Key(
                "table", "Shapes of inputs, batch included", names="input", values=Key("sizes", "[1, 3, 224, 224]")
            ),
            "checkpoint": Key("string", "The weights of a description that has none of its own", path=True),
        },
    ),
}
"""Keys of ``[tool.lintmodel]``, and the top level of ``lintmodel.toml``."""


def checked(values: Mapping[str, Any], file: str, where: str = "") -> None:
    """Raises InvalidConfiguration for the first key that is not there or holds what it does not take. ``where`` is
    the table in the file that the values are."""
    _check_table(values, KEYS, file, where)


def _check_table(values: Mapping[str, Any], keys: Mapping[str, Key], file: str, where: str) -> None:
    for name, value in values.items():
        at = f"{where}.{name}" if where else name
        if name not in keys:
            hint = did_you_mean(name.replace("_", "-"), list(keys)) or f"; there are {', '.join(keys)}"
            raise InvalidConfiguration(file, f"{at}: no such key{hint}")
        _check(value, keys[name], file, at)
    for name, key in keys.items():
        if key.required and name not in values:
            raise InvalidConfiguration(file, f"{where}: {name} is missing")


def _check(value: Any, key: Key, file: str, at: str) -> None:
    if not _fits(value, key.kind):
        raise InvalidConfiguration(file, f"{at} takes {_TAKES[key.kind]}, not {_spelled(value)}")
    if key.choices and value not in key.choices:
        hint = did_you_mean(str(value), list(key.choices))
        raise InvalidConfiguration(file, f"{at} is one of {', '.join(key.choices)}, not {_spelled(value)}{hint}")
    if key.kind == "tables":
        for number, entry in enumerate(value):
            _check_table(entry, key.keys, file, f"{at}[{number}]")
    elif key.kind == "table" and key.values is not None:
        for name, entry in value.items():
            _check(entry, key.values, file, f"{at}.{_quoted(name)}")


_TAKES = {
    "string": "a string",
    "strings": "a list of strings",
    "boolean": "true or false",
    "scalar": "a string, a number, true or false",
    "sizes": "a list of whole numbers of at least 1",
    "table": "a table",
    "tables": "tables, each under [[...]]",
}


def _fits(value: Any, kind: Kind) -> bool:
    if kind == "string":
        return isinstance(value, str)
    if kind == "strings":
        return isinstance(value, list) and all(isinstance(item, str) for item in value)
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "scalar":
        return isinstance(value, str | int | float | bool)
    if kind == "sizes":
        sizes = isinstance(value, list) and all(isinstance(item, int) and not isinstance(item, bool) for item in value)
        return sizes and all(item >= 1 for item in value)
    if kind == "table":
        return isinstance(value, dict)
    return isinstance(value, list) and all(isinstance(item, dict) for item in value)


def _spelled(value: Any) -> str:
    """As TOML writes it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, dict):
        return "a table"
    text = str(value)
    return text if len(text) <= 60 else "a list"


def _quoted(name: str) -> str:
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
