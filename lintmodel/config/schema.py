"""The JSON schema of configuration files, for editors: made of the table of keys, shipped as ``schema.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from .keys import KEYS, Key

DRAFT = "http://json-schema.org/draft-07/schema#"
"""The draft that editors' TOML extensions read."""


def schema_text() -> str:
    """The schema as JSON."""
    schema = {
        "$schema": DRAFT,
        "title": "lintmodel",
        "description": "Configuration of lintmodel: lintmodel.toml, or [tool.lintmodel] in pyproject.toml.",
        **_table(KEYS),
    }
    return json.dumps(schema, indent=2) + "\n"


def _table(keys: Mapping[str, Key]) -> dict[str, Any]:
    required = [name for name, key in keys.items() if key.required]
    return {
        "type": "object",
        "properties": {name: {"description": key.help, **_type(key)} for name, key in keys.items()},
        "additionalProperties": False,
        **({"required": required} if required else {}),
    }


def _type(key: Key) -> dict[str, Any]:
    if key.kind == "tables":
        return {"type": "array", "items": _table(key.keys)}
    if key.kind == "table" and key.values is not None:
        return {"type": "object", "additionalProperties": {"description": key.values.help, **_type(key.values)}}
    plain: dict[str, dict[str, Any]] = {
        "string": {"type": "string", **({"enum": list(key.choices)} if key.choices else {})},
        "strings": {"type": "array", "items": {"type": "string"}},
        "boolean": {"type": "boolean"},
        "scalar": {"type": ["string", "number", "boolean"]},
        "sizes": {"type": "array", "items": {"type": "integer", "minimum": 1}, "minItems": 1},
        "table": {"type": "object"},
    }
    return plain[key.kind]
