"""TFM3xx: the arena."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.planning import Plan, liveness
from lintmodel.registry import Model, rule
from lintmodel.target import Target


@rule(
    "TFM301",
    "arena-too-small",
    Level.ERROR,
    on=Model,
    confidence="measured",
    layout="NHWC",
    options={"arena": 65536},
)
def arena_too_small(model: Model, plan: Plan, tflm: Target) -> Iterator[Found]:
    """Tensors that are alive together do not fit into the arena.

    What it does: plans the arena as the interpreter does (the largest tensor first, each in the lowest gap that is free
    while it is alive, sizes rounded up to 16 bytes) and compares the height with the arena that was given
    (``-O arena=BYTES``, or ``pools: arena`` of a sheet of your own).

    Why it matters: allocating the tensors fails on the board, before the first inference.

    What to do instead: a larger arena, int8 in place of float32 (a quarter), a smaller input, a stride one layer
    earlier, or fewer channels where most is alive. ``lintmodel memory`` shows where that is. The interpreter's own
    structures come on top of what is named here: leave room for them.

    Source: tflite-micro, greedy_memory_planner.cc, micro_allocation_info.cc; measured with the wheel of PyPI.
    """
    arena = plan.memory.get("arena")
    if arena is None or arena.capacity is None or arena.peak <= arena.capacity:
        return
    live = liveness(plan)["arena"]
    least = f"; {live.lower_bound:,} are alive together, in whatever order they lie"
    if live.lower_bound > arena.capacity:
        yield Found(f"the head of the arena takes {arena.peak:,} bytes of {arena.capacity:,}{least}", node=arena.at)
    else:
        yield Found(
            f"the head of the arena takes {arena.peak:,} bytes of {arena.capacity:,}; those alive together are "
            f"{live.lower_bound:,}, the rest is lost in gaps",
            node=arena.at,
        )


arena_too_small.bad(lambda g: g.conv(3, 16, size=64))
arena_too_small.good(lambda g: g.conv(3, 16, size=64))

RULES = [arena_too_small]
