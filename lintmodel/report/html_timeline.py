"""The memories of a report over time, as drawings in SVG."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from typing import TYPE_CHECKING

from ..planning import Pool, liveness
from .memory import peak_node
from .text import printable, size

if TYPE_CHECKING:
    from ..api import Report

WIDTH, HEIGHT = 1000, 120
"""Of a drawing, in the units of its view box; the page stretches it to its own width."""


def timelines(report: Report) -> Iterator[str]:
    """Every memory: its peak against its capacity, and where the plan knows when, the bytes in use step by step."""
    if not report.plan.memory:
        return
    yield "<h2>Memory</h2>"
    live = liveness(report.plan)
    for name, pool in report.plan.memory.items():
        at = peak_node(report, name, live.get(name))
        yield f"<p><b>{escape(name)}</b>: {_words(pool)}{f' at {_node(at)}' if at else ''}</p>"
        used = live[name].live if name in live else ()
        if len(set(used)) > 2:  # else the peak says it all
            yield from _drawing(report, name, pool, used)


def _words(pool: Pool) -> str:
    least = f" (at least {size(pool.least)})" if pool.least is not None else ""
    if pool.capacity is None:
        return f"{size(pool.peak)}{least}"
    share = f", {pool.peak / pool.capacity:.0%}" if pool.capacity else ""
    return f"{size(pool.peak)}{least} of {size(pool.capacity)}{share}"


def _node(name: str) -> str:
    return f'<span class="node">{escape(printable(name))}</span>'


def _drawing(report: Report, name: str, pool: Pool, used: Sequence[int]) -> Iterator[str]:
    capacity = pool.capacity or 0
    # A capacity far above all use would press the drawing flat: then it is only told.
    top = max(pool.peak, *used, capacity if capacity <= 4 * pool.peak else 0) or 1

    def y(count: int) -> float:
        return round(HEIGHT * (1 - count / top), 1)

    step = WIDTH / len(used)
    edges = " ".join(f"L{k * step:.1f},{y(count)} L{(k + 1) * step:.1f},{y(count)}" for k, count in enumerate(used))
    label = escape(f"{name}: bytes in use at each of {len(used)} steps")
    yield "<figure>"
    yield f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" preserveAspectRatio="none" role="img" aria-label="{label}">'
    yield f'<path class="area" d="M0,{y(0)} {edges} L{WIDTH},{y(0)} Z"/>'
    for k, count in enumerate(used):
        ops = report.plan.steps[k]
        words = escape(printable(f"{k + 1}. {ops.op} {ops.nodes[0] if ops.nodes else ''}: {size(count)}"))
        yield f'<rect x="{k * step:.1f}" y="0" width="{step:.1f}" height="{HEIGHT}"><title>{words}</title></rect>'
    shown = 0 < capacity <= top
    if shown:
        yield f'<line class="limit" x1="0" x2="{WIDTH}" y1="{y(capacity)}" y2="{y(capacity)}"/>'
    yield "</svg>"
    limit = f"; the line is the capacity, {size(capacity)}" if shown else ""
    yield f"<figcaption>0 to {size(top)}, steps 1 to {len(used)}{limit}</figcaption></figure>"
