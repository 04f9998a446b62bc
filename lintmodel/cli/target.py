"""``lintmodel target`` and ``lintmodel targets``: what the capability sheets say."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from .arguments import Parser
from .output import look, write

if TYPE_CHECKING:
    from ..report import Look
    from ..target import Target


def run_target(argv: Sequence[str]) -> int:
    parser = Parser("target [OPTIONS] TARGET", "Show what a target can do: limits, memories, options, operators")
    group = parser.add_argument_group("Arguments")
    group.add_argument("target", nargs="?", metavar="TARGET", help="A name, NAME@VERSION, or a sheet's path")
    parser.add_common()
    args = parser.parse(argv)
    if not args.target:
        raise UsageError("no target given: lintmodel targets lists them")

    from ..target import load_target

    target = load_target(args.target)
    if args.format == "json":
        write(json.dumps(_target_dict(target), indent=2) + "\n")
        return 0

    from ..report.console import to_text

    how = look(sys.stdout, color=args.color, wide=True)
    write(to_text(_shown(target, how), how))
    return 0


def run_targets(argv: Sequence[str]) -> int:
    parser = Parser("targets [OPTIONS]", "List all targets")
    parser.add_common()
    args = parser.parse(argv)

    from ..target import load_target, target_names

    targets = [load_target(name) for name in target_names()]
    if args.format == "json":
        write(json.dumps([_facts(target) for target in targets], indent=2) + "\n")
        return 0

    from ..report.console import table, to_text

    how = look(sys.stdout, color=args.color, wide=True)
    rows = table("name", "title", "family", "toolchain", "versions", look=how, whole=("name", "family", "toolchain"))
    for target in targets:
        rows.add_row(target.name, target.title, target.family, target.toolchain, ", ".join(target.versions))
    write(to_text([rows], how))
    return 0


def _facts(target: Target) -> dict[str, Any]:
    return {
        "name": target.name,
        "title": target.title,
        "family": target.family,
        "aliases": list(target.aliases),
        "extends": target.extends or None,
        "toolchain": {
            "name": target.toolchain_name,
            "version": target.version,
            "default": target.default_version,
            "versions": list(target.versions),
            "notes": dict(target.version_notes),
        },
    }


def _target_dict(target: Target) -> dict[str, Any]:
    return {
        **_facts(target),
        "notes": target.notes,
        "limits": {
            name: {"value": value, "unit": target.units.get(name), "source": target.sources.get(name, "")}
            for name, value in target.limits.items()
        },
        "pools": {
            name: {"bytes": pool.bytes, "align": pool.align, "source": pool.source}
            for name, pool in target.pools.items()
        },
        "options": {
            name: {"default": spec.default, "values": list(spec.values), "help": spec.help}
            for name, spec in target.option_specs.items()
        },
        "quantized_option": target.quantized_option or None,
        "operators": {
            name: {"names": sorted(names), "source": target.sources.get(name, "")}
            for name, names in target.operators.items()
        },
        "sheet": target.path,
    }


def _shown(target: Target, how: Look) -> Iterator[Any]:
    from rich.text import Text

    from ..report.console import table
    from ..report.text import size

    yield Text.assemble((target.name, "bold"), f"  {target.title}")
    others = [v for v in target.versions if v != target.version]
    yield Text(f"toolchain {target.toolchain}" + (f" (also {', '.join(others)})" if others else ""))
    for version, note in target.version_notes.items():
        yield Text(f"  {version}: {note}")
    if target.aliases:
        yield Text(f"also called {', '.join(target.aliases)}")
    if target.extends:
        yield Text(f"extends {target.extends}")
    if target.notes:
        yield Text(target.notes)

    def section(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[Any]:
        if rows:
            yield ""
            yield Text(title, style="bold")
            filled = table(*columns, look=how, whole=columns[:-1])
            for row in rows:
                filled.add_row(*(Text(cell) for cell in row))
            yield filled

    limits = [
        (name, _word(value), target.units.get(name, ""), target.sources.get(name, ""))
        for name, value in target.limits.items()
    ]
    yield from section("Limits", ("limit", "value", "unit", "source"), limits)
    pools = [
        (name, "not known" if pool.bytes is None else size(pool.bytes), f"{pool.align} B", pool.source)
        for name, pool in target.pools.items()
    ]
    yield from section("Memories", ("memory", "size", "alignment", "source"), pools)
    options = [
        (name, _word(spec.default), " ".join(map(_word, spec.values)), spec.help)
        for name, spec in target.option_specs.items()
    ]
    yield from section("Options (--option KEY=VALUE)", ("option", "default", "values", "meaning"), options)
    tables = [(name, str(len(names)), target.sources.get(name, "")) for name, names in target.operators.items()]
    yield from section("Operators (--format json lists them)", ("format", "number", "source"), tables)


def _word(value: Any) -> str:
    """As it is written in the sheet."""
    if isinstance(value, list | tuple):
        return " ".join(map(_word, value))
    return str(value).lower() if isinstance(value, bool) else str(value)
