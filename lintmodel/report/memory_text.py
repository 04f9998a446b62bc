"""The memory report for people: layers, memories against their capacity, and bytes in use step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..planning import Liveness, Placement, Pool, liveness
from .console import grid, line, table, to_text
from .memory import Layer, layers, overflows, peak_node
from .text import counted, printable, shape, short, size

if TYPE_CHECKING:
    from ..api import Report
    from . import Look

VERDICTS = {"accepted": "bold green", "rejected": "bold red", "miscompiled": "bold magenta", "unknown": "bold yellow"}
BYTES = ("inputs", "outputs", "weights", "scratch")
"""Columns of the layers that hold bytes."""
ROOM = {"output": 100, "weights": 90, "unit": 80, "steps": 70, "inputs": 50}
"""Narrower than this the column is left out."""
WORKSPACES = 5
"""Layers whose im2col workspace is named; the largest."""
HEIGHT = 8
"""Rows of a timeline."""
WIDEST = 3
"""Columns a step may take in a timeline."""
FAR = 4
"""A capacity so many times what is used is not drawn: the bars would be flat."""
BAR = 40
"""Columns of a full bar from left to right."""
BARS = {True: " ▁▂▃▄▅▆▇█", False: " #"}
"""By fullness, in Unicode and in ASCII."""


def render_text(report: Report, look: Look) -> str:
    """The report on one model and one target, ending in a line break."""
    return to_text(_items(report, look), look)


def _items(report: Report, look: Look) -> Iterator[Any]:
    target = report.target
    yield line(
        (report.verdict, VERDICTS[report.verdict]),
        " for ",
        (target.name, "bold"),
        f" ({target.toolchain})  {printable(report.model)}",
    )
    found = layers(report)
    yield from _layers(report, found, look)
    yield from _workspaces(found, look)
    live = liveness(report.plan)
    yield from _memories(report, live, look)
    yield from _parallel(report, look)
    for name in _drawn(report, live):
        yield from _timeline(report, name, live[name], look)
    for item in report.not_checked:
        nodes = f" at {counted(len(item.nodes), 'node')}" if item.nodes else ""
        yield ""
        yield line(("Not checked: ", "bold"), f"{printable(item.what)}{nodes}: {printable(item.why)}")
    if overflows(report):
        yield ""
        yield line(("It does not fit. ", "bold red"), "lintmodel check says where to begin.")


# ---- layers


def _layers(report: Report, found: Sequence[Layer], look: Look) -> Iterator[Any]:
    free = sum(node.placement == Placement.FREE for node in report.nodes)
    if found:
        yield ""
        columns = [c for c in ("layer", "unit", "steps", "output", *BYTES) if look.width >= ROOM.get(c, 0)]
        rows = table(*columns, look=look, whole=[column for column in columns if column != "steps"])
        for column in rows.columns:
            if column.header in BYTES:
                column.justify = "right"
            if column.header == "steps":
                column.min_width = 12
        for layer in found:
            cells = {
                "layer": short(layer.name, max(16, look.width // 6)) or "-",
                "unit": layer.unit or str(layer.placement),
                "steps": printable(layer.op),
                "output": printable(shape(layer.shape)) + (f"\n{layer.dtype}" if layer.dtype else ""),
                **{name: size(getattr(layer, name)) if getattr(layer, name) else "" for name in BYTES},
            }
            rows.add_row(*(line(cells[column]) for column in columns))
        yield rows
    if free:
        yield line(
            (f"{counted(free, 'layer')} more {'is' if free == 1 else 'are'} free: folded, fused, constant", "dim")
        )


def _workspaces(found: Sequence[Layer], look: Look) -> Iterator[Any]:
    named = sorted((layer for layer in found if layer.im2col), key=lambda layer: -(layer.im2col or 0))
    if not named:
        return
    yield ""
    rows = grid(0, None, None)
    for layer in named[:WORKSPACES]:
        rows.add_row("", line((short(layer.name, max(16, look.width // 4)), "bold")), line(layer.note))
    yield rows
    if len(named) > WORKSPACES:
        yield line((f"  and {counted(len(named) - WORKSPACES, 'convolution')} more", "dim"))


# ---- memories


def _memories(report: Report, live: dict[str, Liveness], look: Look) -> Iterator[Any]:
    if not report.plan.memory:
        return
    yield ""
    rows = table(
        "memory", "capacity", "peak", "in use at once", "full", "fullest at", look=look, whole=("memory", "peak")
    )
    for column in rows.columns[1:5]:
        column.justify = "right"
    for name, pool in report.plan.memory.items():
        found = live.get(name)
        at = peak_node(report, name, found)
        rows.add_row(
            line((name, "bold")),
            line("" if pool.capacity is None else _bytes(pool.capacity)),
            line(_bytes(pool.peak)),
            line(_bytes(found.lower_bound) if found else ""),
            line(_share(pool)),
            line(short(at, max(16, look.width // 4)) if at else ""),
        )
    yield rows


def _parallel(report: Report, look: Look) -> Iterator[Any]:
    """How full each of several memories of one kind is; neighbours that are equally full share a line."""
    for name, pool in report.plan.memory.items():
        if not side_by_side(pool):
            continue
        full = max(pool.capacity or 0, pool.peak)
        yield ""
        of = f" of {_bytes(pool.capacity)}" if pool.capacity is not None else ""
        yield line((name, "bold"), f": used{of} in each")
        rows = grid(0, None, None, None)
        for part, used in _runs(pool):
            length = -(-used * BAR // full) if full else 0
            over = pool.capacity is not None and used > pool.capacity
            bar = ("█" if look.unicode else "#") * length
            rows.add_row("", line(printable(part)), line(f"{_bytes(used):>9}"), line((bar, "red" if over else "cyan")))
        yield rows


def side_by_side(pool: Pool) -> bool:
    """The parts are memories of their own, of which the fullest counts, and not shares of one."""
    used = pool.parts.values()
    return len(used) > 1 and max(used) == pool.peak < sum(used)


def _runs(pool: Pool) -> list[tuple[str, int]]:
    """Parts with what is used of them: ``processor 0 to 15``."""
    found: list[tuple[str, str, int]] = []
    for part, used in pool.parts.items():
        word, _, number = part.rpartition(" ")
        before = found[-1] if found else ("", "", -1)
        last = before[1].rpartition(" ")[2]
        follows = number.isdigit() and last.isdigit() and int(number) == int(last) + 1
        if follows and before[2] == used and before[0].startswith(word):
            found[-1] = (before[0], part, used)
        else:
            found.append((part, part, used))
    return [(first if first == last else f"{first} to {last.rpartition(' ')[2]}", used) for first, last, used in found]


def _bytes(count: int) -> str:
    return f"{count:,}"


def _share(pool: Pool) -> tuple[str, str]:
    if not pool.capacity:
        return "", ""
    share = pool.peak / pool.capacity
    return f"{100 * share:.0f} %", "bold red" if share > 1 and not pool.spills else "yellow" if share > 0.9 else "green"


# ---- timelines


def _drawn(report: Report, live: dict[str, Liveness]) -> list[str]:
    """Memories of known capacity; where there is none, all whose use is known."""
    bounded = [name for name, pool in report.plan.memory.items() if pool.capacity is not None and name in live]
    return bounded or [name for name in report.plan.memory if name in live]


def _timeline(report: Report, name: str, live: Liveness, look: Look) -> Iterator[Any]:
    """Bars from left to right, one for every step or group of steps, the fullest of a group."""
    capacity = report.plan.memory[name].capacity
    shown = capacity if capacity is not None and capacity <= FAR * live.lower_bound else None
    top = max(live.lower_bound, shown or 0)
    columns = _columns(live.live, look.width - 12)
    yield ""
    said = f", of {size(capacity)}" if capacity is not None else ""
    beyond = " (far above the chart)" if capacity is not None and shown is None else ""
    yield line((name, "bold"), f": bytes in use, step by step{said}{beyond}")
    edge, floor, dash, mark = (
        ("│", "└" + "─" * len(columns), "╌", "▲") if look.unicode else ("|", "+" + "-" * len(columns), "-", "^")
    )
    at_row = None if shown is None else -(-shown * HEIGHT // top)
    for row in range(HEIGHT, 0, -1):
        label = size(shown) if row == at_row and shown is not None else size(top) if row == HEIGHT else ""
        bars = "".join(_cell(value, top, row, look) for value in columns)
        if row == at_row:
            bars = bars.replace(" ", dash)
        over = shown is not None and live.lower_bound > shown and at_row is not None and row > at_row
        yield line(f"{label:>10} {edge}", (bars, "red" if over else "cyan"))
    yield line(f"{0:>10} {floor}")
    step = report.plan.steps[live.at]
    where = f"step {live.at + 1} of {len(live.live)}: {printable(step.op)}"
    node = f", {short(step.nodes[0], max(16, look.width // 4))}" if step.nodes else ""
    yield line(" " * (12 + columns.index(live.lower_bound)) + mark)
    yield line(f"{'':>12}most at {where}{node}: {live.lower_bound:,} bytes")


def _columns(live: Sequence[int], width: int) -> list[int]:
    """One value for every column: steps widened where there is room, put together where there is not."""
    count = len(live)
    if count > width:
        return [
            max(live[k * count // width : max(k * count // width + 1, (k + 1) * count // width)]) for k in range(width)
        ]
    wide = min(WIDEST, width // count)
    return [value for value in live for _ in range(wide)]


def _cell(value: int, top: int, row: int, look: Look) -> str:
    """The part of a bar that lies in one row, counted from 1 at the bottom."""
    levels = BARS[look.unicode]
    full = len(levels) - 1
    level = value * HEIGHT * full / top - (row - 1) * full
    if row == 1 and value:
        level = max(level, 1)
    return levels[max(0, min(full, round(level)))]
