"""rich, turned into a string: the same text whether it goes to a terminal, a pipe or a file."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from . import Look

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text


def to_text(items: Iterable[Any], look: Look) -> str:
    """What rich makes of the items, one below the other, ending in a line break."""
    from io import StringIO

    from rich.console import Console

    file = StringIO()
    console = Console(
        file=file,
        width=look.width,
        force_terminal=look.color,
        force_jupyter=False,
        color_system="standard" if look.color else None,
        no_color=not look.color,
        markup=False,
        emoji=False,
        highlight=False,
        legacy_windows=False,
    )
    for item in items:
        console.print(item)
    return "".join(line.rstrip() + "\n" for line in file.getvalue().splitlines())


def table(*columns: str, look: Look, whole: Sequence[str] = ("operator", "placement")) -> Table:
    """An empty table with a line under its head and no other lines. The cells of the columns ``whole`` are not
    broken into several lines."""
    from rich import box
    from rich.table import Table

    found = Table(
        box=box.SIMPLE_HEAD if look.unicode else box.ASCII2,
        show_edge=False,
        pad_edge=False,
        header_style="bold",
    )
    for column in columns:
        found.add_column(column, overflow="fold", no_wrap=column in whole)
    return found


def grid(*widths: int | None) -> Table:
    """Columns without lines or head; a width of None takes what is left."""
    from rich.table import Table

    found = Table.grid(padding=(0, 2))
    for width in widths:
        found.add_column(overflow="fold", max_width=width)
    return found


def line(*parts: str | tuple[str, str]) -> Text:
    """Text as it is, and pairs of text and style."""
    from rich.text import Text

    return Text.assemble(*parts)
