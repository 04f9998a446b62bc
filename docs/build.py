"""Writes what is generated: pages of documentation from the rules, the capability sheets and the table of settings, and
the JSON schema of configuration files.

python docs/build.py            writes them
python docs/build.py --check    exits with 1 when a committed page differs from what would be written
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lintmodel.config.keys import KEYS, Key
from lintmodel.config.schema import schema_text
from lintmodel.examples import example_source
from lintmodel.registry import Rule, packs
from lintmodel.report.text import SECTIONS
from lintmodel.target import Target, load_target, sheets_of, target_names

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {
    "1": "operators",
    "2": "shapes and feature maps",
    "3": "memory",
    "4": "quantisation and element types",
    "5": "configuration files",
    "6": "toolchain versions and runtimes",
    "7": "the model's source code",
    "9": "advice",
}


def main() -> int:
    pages = {
        "docs/rules.md": "\n".join(rules_page()),
        "docs/targets.md": "\n".join(targets_page()),
        "docs/settings.md": "\n".join(settings_page()),
        "lintmodel/config/schema.json": schema_text(),
    }
    stale = [name for name, text in pages.items() if not _same(ROOT / name, text)]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name} is not current: run python docs/build.py", file=sys.stderr)
        return 1 if stale else 0
    for name in stale:
        (ROOT / name).write_text(pages[name], encoding="utf-8")
    print(f"wrote {', '.join(stale)}" if stale else "nothing to do")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def rules_page() -> Iterator[str]:
    yield "# Rules"
    yield ""
    yield "Written by `docs/build.py` from the rules themselves; `lintmodel rule CODE` prints the same text."
    for pack in packs().values():
        family = getattr(pack, "FAMILY", None)
        target = load_target(sheets_of(family)[0]) if family else None
        title = f"{pack.PREFIX}: {target.title}" if target else f"{pack.PREFIX}: any target"
        yield from ("", f"## {title}")
        yield from _table(pack.RULES)
        for rule in sorted(pack.RULES, key=lambda rule: rule.code):
            yield from _rule(rule, load_target(rule.target) if rule.target else target)
    yield ""


def settings_page() -> Iterator[str]:
    yield "# Settings"
    yield ""
    yield "Written by `docs/build.py`. Every key of `lintmodel.toml`, and of `[tool.lintmodel]` in `pyproject.toml`;"
    yield "[configuration.md](configuration.md) says how files are found and put together."
    yield from ("", "| key | takes | for |", "|---|---|---|")
    yield from _settings(KEYS, "")
    yield ""


def _settings(keys: Mapping[str, Key], above: str) -> Iterator[str]:
    for name, key in keys.items():
        if above and KEYS.get(name) is key:  # said once, at the top
            continue
        yield f"| `{above}{name}` | {_takes(key)} | {key.help.replace('|', '&#124;')} |"
        if key.keys:
            yield from _settings(key.keys, f"{name}.")
    if above:
        shared = ", ".join(f"`{name}`" for name, key in keys.items() if KEYS.get(name) is key)
        yield f"| {shared} | | as above, for these models |"


def _takes(key: Key) -> str:
    if key.values is not None:
        return f"table of {key.names} = {_takes(key.values)}"
    words = {"strings": "list of strings", "tables": "tables", "sizes": "list of sizes", "scalar": "value"}
    return " or ".join(f"`{choice}`" for choice in key.choices) or words.get(key.kind, key.kind)


def _table(rules: list[Rule]) -> Iterator[str]:
    group = ""
    for rule in sorted(rules, key=lambda rule: rule.code):
        digit = rule.code.removeprefix(rule.pack)[0]
        if digit != group:
            group = digit
            yield from ("", f"### {digit}xx: {GROUPS[digit]}", "", "| rule | level | finds |", "|---|---|---|")
        yield f"| [{rule.code}](#{rule.code.lower()}-{rule.name}) `{rule.name}` | {rule.level} | {rule.summary} |"


def _rule(rule: Rule, target: Target | None) -> Iterator[str]:
    yield from ("", f"### {rule.code} {rule.name}", "")
    yield f"*{rule.level}, {rule.confidence}, since {rule.since}*"
    for paragraph in rule.text(target).split("\n\n"):
        text = " ".join(paragraph.split())
        for section in SECTIONS:
            text = text.replace(f"{section}:", f"**{section}**:", 1) if text.startswith(f"{section}:") else text
        yield from ("", text)
    for label, examples in (("Finds something", rule.bad_examples), ("Finds nothing", rule.good_examples)):
        sources = [source for example in examples if (source := example_source(example))]
        if sources:
            yield from ("", f"{label}:", "", "```python", *sources, "```")


def targets_page() -> Iterator[str]:
    yield "# Targets"
    yield ""
    yield "Written by `docs/build.py` from the sheets in `targets/`; `lintmodel target NAME` prints the same figures."
    for name in target_names():
        target = load_target(name)
        base = load_target(target.extends) if target.extends else None
        yield from ("", f"## {target.name}: {target.title}", "")
        yield f"Toolchain: {target.toolchain_name}, versions {', '.join(target.versions)}, default {target.version}."
        if target.notes:
            yield from ("", target.notes)
        if target.extends:
            yield from ("", f"What differs from {target.extends}:")
        yield from ("", "| limit | value | unit | source |", "|---|---|---|---|")
        for limit, value in _own(target.limits, base and base.limits).items():
            shown = ", ".join(map(str, value)) if isinstance(value, list | tuple) else value
            yield f"| {limit} | {shown} | {target.units.get(limit, '')} | {target.sources.get(limit, '')} |"
        yield from ("", "| memory | bytes | align | source |", "|---|--:|--:|---|")
        for pool, memory in _own(target.pools, base and base.pools).items():
            yield f"| {pool} | {memory.bytes} | {memory.align} | {memory.source} |"
        options = _own(target.option_specs, base and base.option_specs)
        if options:
            yield from ("", "| option | default | help |", "|---|---|---|")
            for option, spec in options.items():
                yield f"| {option} | {spec.default} | {spec.help} |"
        for table, operators in _own(target.operators, base and base.operators).items():
            yield from ("", f"Operators of {table} ({len(operators)}): {', '.join(sorted(operators))}.")
    yield ""


def _own(figures: Mapping[str, Any], inherited: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Those that the sheet a target builds on does not have, or has otherwise."""
    return {name: value for name, value in figures.items() if (inherited or {}).get(name) != value}


if __name__ == "__main__":
    sys.exit(main())
