"""Capability sheets: what a chip and its toolchain can do, as numbers with their sources.

A sheet is a YAML file, ours in ``targets/`` or the user's own (``--target ./myboard.yaml`` with ``extends: edge1``)::

    name: edge1
    family: edge
    title: Edge One (NPU)
    aliases: [edge-one-devkit]
    notes: What a user of this chip should know.
    toolchain:
      name: edgec
      default: "2.0"
      versions:
        "2.0": {}
        "1.4": {note: No transposed convolution., limits: {max_channels: {value: 256, source: "edgec 1.4, check.c"}}}
    limits:
      max_channels: {value: 1024, unit: channels, source: "edgec 2.0, check.c"}
    pools:
      sram: {bytes: 2097152, align: 64, source: "data sheet, section 3"}
    operators:
      onnx: {names: [Abs, Add], source: "edgec 2.0, ops.def"}
    options:
      ptq: {default: true, values: [true, false], help: Quantise to int8 after training.}
    quantized_option: ptq

``names`` is a list or words with spaces between. ``quantized_option`` names the option that ``check(quantized=...)``
sets (left out: one called ``quantized``). A version gives only what differs in it: limits, operator tables, a note.

A JSON file that the vendor's tools describe a chip with is a target too where a pack knows it.

A sheet that ``extends`` another (by name, or by a path relative to its own folder) says only what differs. It may
change values and add options and versions, and may not invent limits, memories or operator tables: no rule would
read them. Its own values hold for every version of the toolchain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import InvalidTarget, UnknownTarget, UsageError, did_you_mean

if TYPE_CHECKING:
    from importlib.abc import Traversable

    from .sheet import Limit, OperatorTable, Sheet


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory of the chip."""

    bytes: int | None
    align: int = 1
    source: str = ""


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of the target. ``values`` empty: anything of the default's type."""

    default: Any
    values: tuple[Any, ...] = ()
    help: str = ""


@dataclass(frozen=True)
class Target:
    """A chip with one version of its toolchain and the options in force."""

    name: str
    family: str
    title: str
    toolchain_name: str
    version: str
    """The toolchain version in force."""
    versions: tuple[str, ...]
    limits: Mapping[str, Any]
    """Plain values by name; their sources are in ``sources``."""
    sources: Mapping[str, str]
    """Source of every limit, pool and operator table, by name."""
    units: Mapping[str, str] = field(default_factory=dict)
    pools: Mapping[str, Memory] = field(default_factory=dict)
    operators: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Operator tables by name: ``onnx``, ``tflite``, ..."""
    option_specs: Mapping[str, OptionSpec] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options in force: the sheet's defaults and what the user set."""
    aliases: tuple[str, ...] = ()
    notes: str = ""
    path: str = ""
    extends: str = ""
    """The sheet this one builds on; empty for one that stands alone."""
    default_version: str = ""
    version_notes: Mapping[str, str] = field(default_factory=dict)
    quantized_option: str = ""
    """The option that chooses whether the model runs quantised; empty when the target leaves no choice."""

    @property
    def toolchain(self) -> str:
        """As reports print it: ``edgec 2.0``."""
        return f"{self.toolchain_name} {self.version}"

    def limit(self, name: str) -> Any:
        """A limit of the sheet. Raises KeyError: a rule asked for a number that its family's sheets do not have."""
        return self.limits[name]

    def with_options(self, options: Mapping[str, Any]) -> Target:
        """The same target with options set. Raises UsageError for one it does not have or cannot take."""
        for key, value in options.items():
            spec = self.option_specs.get(key)
            if spec is None:
                known = sorted(self.option_specs)
                raise UsageError(
                    f"target {self.name} has no option '{key}'"
                    + (did_you_mean(key, known) or (f"; it has {', '.join(known)}" if known else ""))
                )
            if spec.values and not any(_same(value, v) for v in spec.values):
                values = ", ".join(map(_word, spec.values))
                raise UsageError(f"target {self.name}: option {key} is one of {values}, not {_word(value)}")
            if not spec.values and spec.default is not None and _kind(value) != _kind(spec.default):
                raise UsageError(f"target {self.name}: option {key} is {_kind(spec.default)}, not {_word(value)}")
        return replace(self, options={**self.options, **options})


def load_target(word: str, toolchain: str | None = None, options: Mapping[str, Any] | None = None) -> Target:
    """The target of a name (``edge1``), an alias, a sheet's path, or one of these with a version (``edge1@1.4``).

    ``toolchain`` chooses the version too; ``options`` are set with :meth:`Target.with_options`. Raises UnknownTarget
    for a name or version that is not there, InvalidTarget for a sheet that breaks the schema, UsageError for options
    the target does not take.
    """
    name, version = _split(word)
    if toolchain and version and toolchain != version:
        raise UsageError(f"target '{word}' asks for version {version} of the toolchain and the option for {toolchain}")
    chain = _chain(_find(name))
    return _merged(chain, toolchain or version).with_options(options or {})


def target_names() -> list[str]:
    """Names of the sheets that come with lintmodel, without reading them."""
    return sorted(_bundled())


@cache
def sheets_of(family: str) -> tuple[str, ...]:
    """Names of the family's sheets that come with lintmodel, those that stand alone first, and of these the one that
    most others build on."""
    sheets = [_read(item) for item in _bundled().values()]
    named = {name: sheet for sheet in sheets for name in (sheet.name, *sheet.aliases)}

    def of_family(sheet: Sheet) -> bool:
        return sheet.family == family if sheet.extends is None else of_family(named[sheet.extends])

    found = [sheet for sheet in sheets if of_family(sheet)]
    built_on = [named[sheet.extends].name for sheet in found if sheet.extends is not None]
    order = sorted(found, key=lambda s: (s.extends is not None, -built_on.count(s.name), s.name))
    return tuple(sheet.name for sheet in order)


# ---- finding sheets


def _split(word: str) -> tuple[str, str | None]:
    """``edge1@1.4`` as name and version; a path that has an @ of its own stays whole."""
    name, at, version = word.rpartition("@")
    if not at or _is_path(version):
        return word, None
    return name, version


def _is_path(word: str) -> bool:
    return "/" in word or "\\" in word or word.lower().endswith((".yaml", ".yml", ".json"))


def _bundled() -> dict[str, Traversable]:
    # Not importlib.resources: importing it takes as long as reading a sheet.
    from importlib import import_module

    folder = Path(import_module("lintmodel.targets").__path__[0])
    return {item.name.removesuffix(".yaml"): item for item in folder.iterdir() if _is_sheet(item)}


def _is_sheet(item: Traversable) -> bool:
    return item.name.endswith(".yaml") and item.is_file()


def _find(word: str, folder: Path | None = None) -> Sheet:
    """The sheet of a name, alias or path. Relative paths start at ``folder``, else where the program runs."""
    if _is_path(word):
        return _read_path(folder / word if folder else Path(word), word)
    bundled = _bundled()
    for name in bundled:
        if name.casefold() == word.casefold():
            return _read(bundled[name])
    sheets = [_read(item) for item in bundled.values()]
    for sheet in sheets:
        if word.casefold() in (alias.casefold() for alias in sheet.aliases):
            return sheet
    described = _described(word, word)
    if described is not None:
        return described
    known = [name for sheet in sheets for name in (sheet.name, *sheet.aliases)]
    hint = did_you_mean(word, known) or (f"; there are {', '.join(sorted(bundled))}" if len(bundled) < 12 else "")
    raise UnknownTarget(f"no target '{word}'{hint or '; lintmodel targets lists them'}")


def _read(item: Traversable) -> Sheet:
    from .sheet import read_sheet

    return read_sheet(item.read_bytes(), str(item))


def _read_path(path: Path, word: str) -> Sheet:
    from .sheet import read_sheet

    try:
        content = path.read_bytes()
    except OSError as error:
        raise UnknownTarget(f"target sheet '{word}' cannot be read: {error.strerror}") from None
    return _read_json(content, str(path)) if path.suffix.lower() == ".json" else read_sheet(content, str(path))


def _read_json(content: bytes, path: str) -> Sheet:
    """A chip as the vendor's own tools describe it; a pack tells which one it is."""
    import json

    try:
        description = json.loads(content.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InvalidTarget(f"{path}: not valid JSON: {error}") from None
    found = _described(description, path) if isinstance(description, dict) else None
    if found is None:
        raise InvalidTarget(f"{path}: no installed rule pack knows a chip that is described like this")
    return found


def _described(description: Any, path: str) -> Sheet | None:
    """The sheet that a pack writes for the vendor's own description of a chip, or for a name it gives one."""
    from .registry import packs
    from .sheet import read_sheet

    for pack in packs().values():
        text = pack.target_sheet(description) if hasattr(pack, "target_sheet") else None
        if text is not None:
            return read_sheet(text.encode(), path)
    return None


def _chain(sheet: Sheet) -> list[Sheet]:
    """The sheet and those it extends, the one that stands alone first."""
    chain = [sheet]
    while (last := chain[0]).extends is not None:
        try:
            parent = _find(last.extends, Path(last.path).parent)
        except UnknownTarget as error:
            last.wrong("extends", str(error))
        if any(Path(parent.path).resolve() == Path(known.path).resolve() for known in chain):
            last.wrong("extends", f"{last.extends} extends this sheet in turn")
        chain.insert(0, parent)
    return chain


# ---- merging sheets


def _merged(chain: list[Sheet], version: str | None) -> Target:
    """One target from a sheet and those it extends, for one version of the toolchain."""
    base, leaf = chain[0], chain[-1]
    for sheet in chain[1:]:
        if sheet.family not in (None, base.family):
            sheet.wrong("family", f"{sheet.extends} is of the family {base.family}, and so is what extends it")
    versions = list(dict.fromkeys(v for sheet in chain for v in sheet.versions))
    default = _last(sheet.default_version for sheet in chain)
    versions = versions or [default]
    if default not in versions:
        leaf.wrong("toolchain.default", f"'{default}' is not one of the versions {', '.join(versions)}")
    chosen = version or default
    if chosen not in versions:
        near = did_you_mean(chosen, versions) or f"; it knows {', '.join(versions)}"
        toolchain = _last(sheet.toolchain_name for sheet in chain)
        raise UnknownTarget(f"target {leaf.name} has no version '{chosen}' of {toolchain}{near}")

    limits: dict[str, Limit] = {}
    tables: dict[str, OperatorTable] = {}
    pools: dict[str, dict[str, Any]] = {}
    options: dict[str, dict[str, Any]] = {}
    for sheet in chain:
        _merge_limits(limits, sheet, "limits", sheet.limits, new=sheet is base)
        _merge_tables(tables, sheet, "operators", sheet.operators, new=sheet is base)
        for name, changes in sheet.versions.items():
            # Every version is held against the schema, the chosen one is used.
            at = f"toolchain.versions.{name}"
            used = name == chosen
            _merge_limits(limits if used else dict(limits), sheet, f"{at}.limits", changes.limits)
            _merge_tables(tables if used else dict(tables), sheet, f"{at}.operators", changes.operators)
        for name, pool in sheet.pools.items():
            if sheet is not base and name not in pools:
                sheet.wrong(f"pools.{name}", _unknown("memory", sheet, name, list(pools)))
            pools[name] = {**pools.get(name, {}), "source": sheet.path, **pool}
        for name, option in sheet.options.items():
            options[name] = {**options.get(name, {}), **option}
            _check_option(sheet, name, options[name])

    quantized = _last((sheet.quantized_option for sheet in chain), "quantized" if "quantized" in options else "")
    if quantized and quantized not in options:
        leaf.wrong("quantized_option", f"there is no option '{quantized}'" + did_you_mean(quantized, list(options)))
    sources = {
        **{name: table.source or "" for name, table in tables.items()},
        **{name: pool["source"] for name, pool in pools.items()},
        **{name: limit.source or "" for name, limit in limits.items()},
    }
    return Target(
        name=leaf.name,
        family=base.family or "",
        title=_last(sheet.title for sheet in chain),
        toolchain_name=_last(sheet.toolchain_name for sheet in chain),
        version=chosen,
        versions=tuple(versions),
        limits={name: limit.value for name, limit in limits.items()},
        sources=sources,
        units={name: limit.unit for name, limit in limits.items() if limit.unit},
        pools={name: Memory(**{"bytes": None, **pool}) for name, pool in pools.items()},
        operators={name: table.names for name, table in tables.items()},
        option_specs={name: OptionSpec(**option) for name, option in options.items()},
        options={name: option["default"] for name, option in options.items()},
        aliases=leaf.aliases,
        notes=_last((sheet.notes for sheet in chain), ""),
        path=leaf.path,
        extends=leaf.extends or "",
        default_version=default,
        version_notes={n: v.note for sheet in chain for n, v in sheet.versions.items() if v.note},
        quantized_option=quantized,
    )


def _last(values: Iterator[str | None], default: str = "") -> str:
    """What the sheet says that was merged last."""
    return ([default] + [value for value in values if value is not None])[-1]


def _merge_limits(
    into: dict[str, Limit], sheet: Sheet, at: str, limits: Mapping[str, Limit], *, new: bool = False
) -> None:
    """Puts a sheet's limits over those merged so far. Only ``new`` ones may have names not seen yet."""
    for name, limit in limits.items():
        known = into.get(name)
        if known is None and not new:
            sheet.wrong(f"{at}.{name}", _unknown("limit", sheet, name, list(into)))
        if known is not None and _kind(limit.value) != _kind(known.value):
            sheet.wrong(f"{at}.{name}", f"must be {_kind(known.value)} like {known.value}, not {limit.value!r}")
        into[name] = replace(
            limit,
            unit=limit.unit or (known.unit if known else None),
            source=limit.source or sheet.path,
        )


def _merge_tables(
    into: dict[str, OperatorTable],
    sheet: Sheet,
    at: str,
    tables: Mapping[str, OperatorTable],
    *,
    new: bool = False,
) -> None:
    for name, table in tables.items():
        if name not in into and not new:
            sheet.wrong(f"{at}.{name}", _unknown("operator table", sheet, name, list(into)))
        names = into[name].names - table.without if table.without and name in into else table.names
        into[name] = replace(table, names=names, source=table.source or sheet.path, without=frozenset())


def _unknown(what: str, sheet: Sheet, name: str, known: list[str]) -> str:
    where = f"{sheet.extends}, which this sheet extends," if sheet.extends else "this sheet"
    return f"{where} has no such {what}" + did_you_mean(name, known)


def _check_option(sheet: Sheet, name: str, option: Mapping[str, Any]) -> None:
    if "default" not in option:
        sheet.wrong(f"options.{name}", "key 'default' missing")
    values = option.get("values")
    if values and not any(_same(option["default"], value) for value in values):
        sheet.wrong(f"options.{name}", f"default {_word(option['default'])} is not among its values")


def _same(a: Any, b: Any) -> bool:
    """Equal and of one kind: 1 is not true."""
    return _kind(a) == _kind(b) and bool(a == b)


def _kind(value: Any) -> str:
    kinds = {bool: "true or false", int: "a number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
    return kinds.get(type(value), type(value).__name__)


def _word(value: Any) -> str:
    """As it is written in YAML."""
    return str(value).lower() if isinstance(value, bool) else str(value)
