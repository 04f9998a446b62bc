"""What changed in a network, as lines a person can read: nodes that went, came, or were changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

LONGEST = 100
"""Characters of a node's line."""


def graph_diff(path: str, before: Any, after: Any) -> str:
    """Of two ``onnx.ModelProto``, in the manner of a unified diff; empty where nothing changes."""
    lines = list(_lines(before, after))
    return "".join(f"{line}\n" for line in [f"--- {path}", f"+++ {path} (fixed)", *lines]) if lines else ""


def _lines(before: Any, after: Any) -> Iterator[str]:
    import difflib

    yield from _changed("input", *({v.name: _sizes(v) for v in m.graph.input} for m in (before, after)))
    yield from _changed("output", *({v.name: _sizes(v) for v in m.graph.output} for m in (before, after)))
    yield from _changed("constant", *({t.name: _dims(t) for t in m.graph.initializer} for m in (before, after)))
    old, new = ([_line(node) for node in model.graph.node] for model in (before, after))
    for line in difflib.unified_diff(old, new, n=1, lineterm=""):
        if line.startswith("@@"):
            yield line
        elif not line.startswith(("---", "+++")):
            yield f"{line[0]} {line[1:]}"
    yield from _changed("shape of", *({v.name: _sizes(v) for v in m.graph.value_info} for m in (before, after)))
    yield from _changed(
        "opset", *({o.domain or "ai.onnx": str(o.version) for o in m.opset_import} for m in (before, after))
    )


def _changed(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    """Entries that went, came or became others."""
    for name in dict.fromkeys((*old, *new)):
        if old.get(name) != new.get(name):
            if name in old:
                yield f"- {what} {name}: {old[name]}"
            if name in new:
                yield f"+ {what} {name}: {new[name]}"


def _line(node: Any) -> str:
    from onnx import helper

    attributes = ", ".join(f"{each.name}={_value(helper.get_attribute_value(each))}" for each in node.attribute)
    inputs, outputs = ", ".join(node.input), ", ".join(node.output)
    line = f"{node.name or outputs}: {node.op_type}({inputs}{'; ' if attributes else ''}{attributes}) -> {outputs}"
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."


def _value(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(list(value)) if isinstance(value, list | tuple) or hasattr(value, "__len__") else str(value)[:20]


def _dims(tensor: Any) -> str:
    return "x".join(map(str, tensor.dims)) or "a number"


def _sizes(value: Any) -> str:
    dims = value.type.tensor_type.shape.dim
    return "x".join(str(d.dim_value) if d.HasField("dim_value") else d.dim_param or "?" for d in dims)
