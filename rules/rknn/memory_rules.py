"""3xx: what the NPU's memory is spent on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

from lintmodel.findings import Found, Level
from lintmodel.planning import Buffer, Plan, Step
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .layout import element_bytes
from .wording import times

WORTH_SAYING = 65536
"""Bytes lost from which on a tensor is reported."""


@rule("RKN301", "one-channel-blow-up", Level.WARNING, on=Model, confidence="measured")
def one_channel_blow_up(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """Tensors that the NPU keeps with one channel.

    What it does: looks for feature maps of one or two channels, as the toolkit makes them of tensors of two and three
    dimensions, and says what they take, what their data alone would take, and how the internal memory grows from the
    first of them on. Maps that lose less than 64 KiB are left out.

    Why it matters: the NPU stores channels in blocks of 4 to 16 and fills up the rest, so that (1,84,8400), unsqueezed
    to (84,1,1,8400), takes sixteen times its data on RK3588. A YOLOv8n of 640x640 pixels needs 79.6 MB of internal
    memory there, and 4.5 MB when it is cut in front of these tensors.

    What to do instead: end the network at the last convolutions and decode boxes and scores on the CPU; where the
    tensors must stay, keep them in four dimensions with the long axis first: (1,8400,1,84), not (1,84,8400).

    Source: rknn-toolkit2 2.5.0, tensor tables in its log; measured.
    """
    spread = [lost for lost in map(_lost, plan.steps) if lost is not None]
    if not spread:
        return
    worst = max(spread, key=lambda lost: lost.taken - lost.data)
    taken, data = sum(lost.taken for lost in spread), sum(lost.data for lost in spread)
    before = _height(plan, worst_birth := min(lost.birth for lost in spread))
    internal = plan.memory["internal"].peak
    count = f"{len(spread)} tensors of one or two channels take" if len(spread) > 1 else "a tensor of one channel takes"
    largest = f", the largest of them, {times(worst.shape)}, {_size(worst.taken)}" if len(spread) > 1 else ""
    text = f"{count} {_size(taken)} for {_size(data)} of data{largest}; internal memory is {_size(internal)}"
    if worst_birth > 1 and before < internal:
        text += f", and {_size(before)} up to the first of them"
    yield Found(
        text,
        node=worst.node,
        details={"bytes_lost": taken - data, "internal": internal, "internal_before": before},
    )


one_channel_blow_up.bad(lambda g: g.input(1, 8400).op("Softmax", axis=1))
one_channel_blow_up.good(lambda g: g.conv(3, 16, kernel=3, size=64))


@rule("RKN302", "memory-peak-in-one-layer", Level.NOTE, on=Model, confidence="measured")
def memory_peak_in_one_layer(
    model: Model, plan: Plan, npu: Target, *, times: float = 2.0, least_bytes: int = 1 << 20
) -> Iterator[Found]:
    """One layer that needs twice the internal memory of all others.

    What it does: adds up the tensors that are alive at every layer, workspaces included, and names the layer whose
    tensors take at least twice as much as those at any layer that shares none of them (option times), if that is more
    than 1 MiB (option least-bytes).

    Why it matters: internal memory is one block, as large as the worst layer makes it, for as long as the model is
    loaded. On RV1103 and RV1106 it comes out of a memory of 64 to 256 MB that the camera and Linux share; on RK3566
    without an IOMMU it must be in one piece.

    What to do instead: reduce the map in front of that layer (a stride or a pool one layer earlier), or, for a
    Softmax, normalisation or Reshape, move it behind the network to the CPU.

    Source: rknn-toolkit2 2.5.0, tensor tables in its log; measured. How it hurts on a board is not measured.
    """
    if any(_lost(step) is not None for step in plan.steps):
        return
    live = _live(plan)
    if not live:
        return
    worst = max(live, key=lambda row: live[row])
    near = {row for buffer in _internal(plan) if buffer.birth <= worst < buffer.death for row in _rows(buffer)}
    other = max((size for row, size in live.items() if row not in near), default=0)
    if not other or live[worst] < max(times * other, least_bytes) or not 1 <= worst <= len(plan.steps):
        return
    step = plan.steps[worst - 1]
    yield Found(
        f"{_size(live[worst])} are in use at this {step.op}, and {_size(other)} at the worst of the layers apart from "
        f"it; internal memory is {_size(plan.memory['internal'].peak)}",
        node=step.nodes[0] if step.nodes else plan.memory["internal"].at,
    )


memory_peak_in_one_layer.bad(lambda g: g.conv(3, 64, kernel=3, size=256).max_pool(8).conv(64, 64).conv(64, 64))
memory_peak_in_one_layer.good(lambda g: g.conv(16, 16, kernel=3, size=64).conv(16, 16).conv(16, 16))

RULES: list[Rule] = [one_channel_blow_up, memory_peak_in_one_layer]


# ---- what the plan's buffers say


@dataclass(frozen=True, slots=True)
class _Lost:
    """A step whose output has room for channels it does not have. ``taken`` and ``data`` in bytes."""

    node: str | None
    shape: tuple[int, ...]
    taken: int
    data: int
    birth: int


def _lost(step: Step) -> _Lost | None:
    if len(step.shape) != 4 or step.shape[1] > 2 or not step.writes:
        return None
    data = prod(step.shape) * element_bytes(str(step.details.get("dtype", "int8")))
    buffer = step.writes[0]
    if buffer.bytes < 4 * data or buffer.bytes - data < WORTH_SAYING:
        return None
    return _Lost(step.nodes[0] if step.nodes else None, step.shape, buffer.bytes, data, buffer.birth)


def _internal(plan: Plan) -> list[Buffer]:
    return [buffer for buffer in plan.buffers if buffer.pool == "internal"]


def _height(plan: Plan, row: int) -> int:
    """Highest address of what is placed before a row, in bytes."""
    return max((b.bytes + (b.offset or 0) for b in _internal(plan) if b.birth < row), default=0)


def _rows(buffer: Buffer) -> range:
    return range(buffer.birth, buffer.death)


def _live(plan: Plan) -> dict[int, int]:
    """Bytes alive at every row."""
    live: dict[int, int] = {}
    for buffer in _internal(plan):
        for row in _rows(buffer):
            live[row] = live.get(row, 0) + buffer.bytes
    return live


def _size(number: int) -> str:
    """In MB as the log counts them (1024 * 1024 bytes), below one in KB."""
    return f"{number / (1 << 20):.1f} MB" if number >= 1 << 20 else f"{number / 1024:.0f} KB"
