"""How the messages of these rules name things."""

from __future__ import annotations

from collections.abc import Sequence

from lintmodel.ir import Shape


def listed(names: Sequence[str], most: int = 3) -> str:
    """``'a', 'b'``; the first few names when there are many."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(f"'{name}'" for name in names[:most]) + more


def sizes(shape: Shape | None) -> str:
    """``1x3x224x224``, or ``[N, 3, H, W]`` where a size is a name."""
    if shape is None:
        return "of unknown rank"
    if any(isinstance(size, str) for size in shape):
        return f"[{', '.join(map(str, shape))}]"
    return "x".join(map(str, shape)) or "a scalar"


def counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
