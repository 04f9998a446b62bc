"""Comments that silence findings where they stand: ``# lintmodel: ignore[KPU101, AIX] the mask is meant so``.

They are read in the user's own Python and YAML, on the line of a finding or on one that belongs to it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .findings import Finding, Location

if TYPE_CHECKING:
    from .suppression import Suppressed

_COMMENT = re.compile(r"#\s*lintmodel:\s*ignore\[([^\]]*)\]\s*:?\s*([^#]*)", re.IGNORECASE)
_TEXTS = (".py", ".yaml", ".yml")


def ignored(line: str) -> dict[str, str]:
    """The codes, prefixes and names of rules that a line's comments name, each with the reason given."""
    found: dict[str, str] = {}
    for words, reason in _COMMENT.findall(line):
        found |= {word.strip(): reason.strip() for word in words.split(",") if word.strip()}
    return found


def without_commented(findings: Sequence[Finding]) -> tuple[tuple[Finding, ...], tuple[Suppressed, ...]]:
    """The findings that no comment silences, and those that one does, with its reason or its place."""
    from .suppression import Suppressed

    files: dict[str, Mapping[int, Mapping[str, str]]] = {}
    kept: list[Finding] = []
    silenced: list[Suppressed] = []
    for finding in findings:
        why = _why(finding, files)
        if why is None:
            kept.append(finding)
        else:
            silenced.append(Suppressed(finding, "comment", why))
    return tuple(kept), tuple(silenced)


def _why(finding: Finding, files: dict[str, Mapping[int, Mapping[str, str]]]) -> str | None:
    places: list[Location] = [finding.location] if finding.location is not None else []
    for place in (*places, *finding.related):
        if place.line is None or not place.file.endswith(_TEXTS):
            continue
        if place.file not in files:
            files[place.file] = _comments(place.file)
        for word, reason in files[place.file].get(place.line, {}).items():
            if word == "ALL" or word == finding.name or finding.rule.startswith(word.upper()):
                return reason or f"{place.file}:{place.line}"
    return None


def _comments(path: str) -> dict[int, Mapping[str, str]]:
    """The comments of a file by line, from 1; none when it is not here."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except (OSError, ValueError):
        return {}
    if "lintmodel:" not in text.lower():
        return {}
    return {number: found for number, line in enumerate(text.splitlines(), start=1) if (found := ignored(line))}
