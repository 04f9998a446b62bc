"""Reads one capability sheet and holds it against the schema; :mod:`lintmodel.target` merges sheets into targets.

Every error is one sentence with file, line and key, because the reader is a person who edits YAML by hand.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, NoReturn

from .errors import InvalidTarget, did_you_mean


@dataclass(frozen=True, slots=True)
class Limit:
    """One number (or word, list, mapping) of a sheet. ``unit`` and ``source`` are None where the sheet is silent."""

    value: Any
    unit: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """Names of operators. ``without`` are names taken out of the table that a version or an extended sheet has."""

    names: frozenset[str]
    source: str | None = None
    without: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class SheetVersion:
    """What is different in one version of the toolchain."""

    limits: Mapping[str, Limit] = field(default_factory=dict)
    operators: Mapping[str, OperatorTable] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """One file as it stands, before what it extends is filled in. None is a key that is not there."""

    path: str
    name: str
    extends: str | None = None
    family: str | None = None
    title: str | None = None
    aliases: tuple[str, ...] = ()
    notes: str | None = None
    quantized_option: str | None = None
    toolchain_name: str | None = None
    default_version: str | None = None
    versions: Mapping[str, SheetVersion] = field(default_factory=dict)
    limits: Mapping[str, Limit] = field(default_factory=dict)
    pools: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Fields of :class:`~lintmodel.target.Memory` that the sheet gives."""
    operators: Mapping[str, OperatorTable] = field(default_factory=dict)
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Fields of :class:`~lintmodel.target.OptionSpec` that the sheet gives."""
    lines: Mapping[str, int] = field(default_factory=dict)
    """Line of every key by its dotted path (``limits.max_channels``), for errors found when sheets are merged."""

    def wrong(self, key: str, problem: str) -> NoReturn:
        """Raises InvalidTarget for a key of this sheet."""
        raise InvalidTarget(f"{self.path}:{self.lines.get(key, 1)}: {key}: {problem}")


def read_sheet(content: bytes, path: str) -> Sheet:
    """The sheet in a file's bytes. Raises InvalidTarget with file, line and key."""
    root = _parse(content, path)
    keys = _mapping(root, _SHEET_KEYS)
    extending = "extends" in keys
    if not extending:
        _require(root, keys, ("name", "family", "title", "toolchain"))
    toolchain = _mapping(keys["toolchain"], ("name", "default", "versions")) if "toolchain" in keys else {}
    if not extending:
        _require(keys["toolchain"], toolchain, ("name", "default"))
    versions = {
        name: _version(item, sourced=not extending) for name, item in _named(toolchain.get("versions"), allow_none=True)
    }
    default = _text(toolchain.get("default"))
    if versions and default is not None and default not in versions and not extending:
        toolchain["default"].wrong(f"'{default}' is not one of the versions {', '.join(versions)}")
    return Sheet(
        path=path,
        name=_text(keys.get("name")) or PurePath(path).stem,
        extends=_text(keys.get("extends")),
        family=_text(keys.get("family")),
        title=_text(keys.get("title")),
        aliases=tuple(_texts(keys["aliases"])) if "aliases" in keys else (),
        notes=_text(keys.get("notes")),
        quantized_option=_text(keys.get("quantized_option")),
        toolchain_name=_text(toolchain.get("name")),
        default_version=default,
        versions=versions,
        limits={name: _limit(item, sourced=not extending) for name, item in _named(keys.get("limits"))},
        pools={name: _pool(item, sourced=not extending) for name, item in _named(keys.get("pools"))},
        operators={name: _table(item, sourced=not extending) for name, item in _named(keys.get("operators"))},
        options={name: _option(item) for name, item in _named(keys.get("options"))},
        lines=dict(_lines(root)),
    )


_SHEET_KEYS = (
    *("name", "family", "title", "aliases", "extends", "notes", "quantized_option"),
    *("toolchain", "limits", "pools", "operators", "options"),
)


# ---- the parts of a sheet


def _version(item: _Item, *, sourced: bool) -> SheetVersion:
    keys = {} if item.is_null else _mapping(item, ("limits", "operators", "note"))
    return SheetVersion(
        limits={name: _limit(part, sourced=sourced) for name, part in _named(keys.get("limits"))},
        operators={name: _table(part, sourced=sourced) for name, part in _named(keys.get("operators"))},
        note=_text(keys.get("note")) or "",
    )


def _limit(item: _Item, *, sourced: bool) -> Limit:
    keys = _mapping(item, ("value", "unit", "source"))
    _require(item, keys, ("value", "source") if sourced else ("value",))
    value = keys["value"].value
    if value is None or not isinstance(value, bool | int | float | str | list | dict):
        keys["value"].wrong("a limit is a number, a word, true or false, or a list or mapping of those")
    return Limit(value, _text(keys.get("unit")), _text(keys.get("source")))


def _pool(item: _Item, *, sourced: bool) -> dict[str, Any]:
    keys = _mapping(item, ("bytes", "align", "source"))
    _require(item, keys, ("bytes", "source") if sourced else ())
    found: dict[str, Any] = {}
    if "bytes" in keys:
        found["bytes"] = None if keys["bytes"].is_null else _positive(keys["bytes"])
    if "align" in keys:
        found["align"] = _positive(keys["align"])
    if "source" in keys:
        found["source"] = _text(keys["source"])
    return found


def _table(item: _Item, *, sourced: bool) -> OperatorTable:
    keys = _mapping(item, ("names", "without", "source"))
    which = "without" if "without" in keys and "names" not in keys else "names"
    _require(item, keys, (which, "source") if sourced else (which,))
    source = _text(keys.get("source"))
    if which == "without":
        return OperatorTable(frozenset(), source, _words(keys["without"]))
    return OperatorTable(_words(keys["names"]), source)


def _words(item: _Item) -> frozenset[str]:
    """A list of words, or words separated by white space."""
    return frozenset(str(item.value).split() if isinstance(item.value, str) else _texts(item))


def _option(item: _Item) -> dict[str, Any]:
    keys = _mapping(item, ("default", "values", "help"))
    found: dict[str, Any] = {}
    if "default" in keys:
        found["default"] = keys["default"].value
    if "values" in keys:
        if not isinstance(keys["values"].value, list):
            keys["values"].wrong("must be a list of the values the option takes")
        found["values"] = tuple(keys["values"].value)
    if "help" in keys:
        found["help"] = _text(keys["help"])
    return found


# ---- YAML with marks


@dataclass(frozen=True, slots=True)
class _Item:
    """One YAML node, where it stands and what it is called. ``line`` is that of its key, where a person looks."""

    path: str
    key: str
    line: int
    node: Any
    loader: Any

    @property
    def value(self) -> Any:
        """As plain Python."""
        return self.loader.construct_object(self.node, deep=True)

    @property
    def text(self) -> str | None:
        """A scalar as it is written, so that version 1.10 does not become 1.1."""
        return str(self.node.value) if self.node.id == "scalar" else None

    @property
    def is_null(self) -> bool:
        return self.value is None

    @property
    def parts(self) -> Mapping[str, _Item]:
        """Of a mapping. Made when asked for: aliases of aliases, all written out, would have no end."""
        if self.node.id != "mapping":
            return {}
        found: dict[str, _Item] = {}
        for key_node, value_node in self.node.value:
            name, line = str(key_node.value), key_node.start_mark.line + 1
            part = _Item(self.path, f"{self.key}.{name}".lstrip("."), line, value_node, self.loader)
            if name in found:
                part.wrong(f"given twice (first in line {found[name].line})")
            found[name] = part
        return found

    @property
    def elements(self) -> Sequence[_Item]:
        """Of a list."""
        nodes = self.node.value if self.node.id == "sequence" else ()
        return [
            _Item(self.path, f"{self.key}[{k}]", node.start_mark.line + 1, node, self.loader)
            for k, node in enumerate(nodes, start=1)
        ]

    def wrong(self, problem: str) -> NoReturn:
        key = f"{self.key}: " if self.key else ""
        raise InvalidTarget(f"{self.path}:{self.line}: {key}{problem}")


def _parse(content: bytes, path: str) -> _Item:
    import yaml

    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidTarget(f"{path}: not a target sheet: byte {error.start} is not UTF-8 text") from None
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise InvalidTarget(f"{path}:1: the sheet is empty; it needs at least name, family, title and toolchain")
        loader.construct_object(node, deep=True)  # all that can go wrong does so here, and not when a value is read
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InvalidTarget(f"{path}:{mark.line + 1 if mark else 1}: not valid YAML: {problem}") from None
    except (ValueError, RecursionError) as error:
        reason = "nested too deeply" if isinstance(error, RecursionError) else str(error)
        raise InvalidTarget(f"{path}:1: not valid YAML: {reason}") from None
    return _Item(path, "", node.start_mark.line + 1, node, loader)


def _mapping(item: _Item, known: Sequence[str]) -> Mapping[str, _Item]:
    """The parts of a mapping with fixed keys."""
    if not isinstance(item.value, dict):
        item.wrong(f"must be a mapping with the keys {', '.join(known)}")
    for name, part in item.parts.items():
        if name not in known:
            near = did_you_mean(name, list(known))
            part.wrong("no such key" + (near or f"; the keys here are {', '.join(known)}"))
    return item.parts


def _named(item: _Item | None, *, allow_none: bool = False) -> Sequence[tuple[str, _Item]]:
    """The parts of a mapping whose keys are names of the sheet's own choosing."""
    if item is None:
        return ()
    if not isinstance(item.value, dict):
        item.wrong("must be a mapping by name")
    for part in item.parts.values():
        if part.is_null and not allow_none:
            part.wrong("has no value")
    return tuple(item.parts.items())


def _require(item: _Item, keys: Mapping[str, _Item], wanted: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in keys]
    if missing:
        item.wrong(f"key {' and '.join(repr(name) for name in missing)} missing")


def _text(item: _Item | None) -> str | None:
    """A scalar as written; None when the key is not there."""
    if item is None:
        return None
    if item.text is None or item.is_null or not item.text.strip():
        item.wrong("must be text")
    return item.text.strip()


def _texts(item: _Item) -> list[str]:
    if not isinstance(item.value, list):
        item.wrong("must be a list")
    return [_text(element) or "" for element in item.elements]


def _positive(item: _Item) -> int:
    if isinstance(item.value, bool) or not isinstance(item.value, int) or item.value < 1:
        item.wrong(f"must be a whole number of at least 1, not {item.text or item.value}")
    return item.value


_DEPTH = 6
"""Of the deepest key the schema has: toolchain.versions.1.9.limits.max_channels.value."""


def _lines(item: _Item, depth: int = 0) -> Iterator[tuple[str, int]]:
    yield item.key, item.line
    if depth < _DEPTH:
        for part in item.parts.values():
            yield from _lines(part, depth + 1)
