"""3xx: what does not fit, or only just."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Conv
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .fitting import OVERFLOW, Change, smallest_change
from .runtime_support import fits
from .wording import kilobytes, on_kpu, room, shape, shape_is_known


@rule("KPU301", "kpu-memory-overflow", Level.ERROR, on=Model, confidence="measured")
def kpu_memory_overflow(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Feature maps that do not fit into the KPU's memory.

    What it does: places every map that stays in the KPU's 2 MiB, in nncase's order and with its first-fit allocator,
    and names the layer whose map finds no room. Says what the maps in use take at the worst moment, which no
    allocator can do with less, and what this one would need to place them; tries smaller inputs and fewer channels
    in that layer, by planning the changed network, and names the nearest that fit. Networks of more than 500 nodes are
    not tried.

    Why it matters: the input and the output of a convolution must lie there together, next to whatever is still
    needed. The compiler stops without naming the layer. Because freed maps leave gaps, a network can fail although
    the maps in use would fit.

    What to do instead: a smaller picture, fewer channels in that layer, or a stride one layer earlier. A width of at
    most 16, 32, 64, 128, ... uses the memory's 64-byte rows best: a map 33 wide takes as much as one 64 wide.

    Source: nncase v1.9.0, src/schedule/buffer_allocator.cpp; measured with nncase 1.9.0: all 739 recorded addresses.
    """
    capacity = kpu.pools["kpu"].bytes or 0
    for refusal in plan.refused(OVERFLOW):
        d = refusal.details
        pieces = d["least"] <= capacity < d["needed"]
        text = (
            f"a map of {kilobytes(d['size'])} finds no room: {kilobytes(d['live'])} of {kilobytes(capacity)} are "
            f"in use, the largest gap is {kilobytes(d['free'])}; the maps take {kilobytes(d['least'])} at the worst "
            f"moment and the allocator needs {kilobytes(d['needed'])} to place them"
            + (" (they would fit, the memory is in pieces)" if pieces else "")
        )
        ways = _ways_out(smallest_change(model.graph, plan, kpu))
        yield Found(f"{text}; {ways}", refusal.vendor_message, refusal.node, Fix("smaller-maps", "display", ways))


def _ways_out(change: Change) -> str:
    ways = []
    if change.input is not None:
        dense = ", where the dense layer has fewer inputs" if change.dense else ""
        ways.append(f"with a {shape(change.input)} input{dense}")
    if change.channels is not None:
        before, after = change.channels
        ways.append(f"with {after} instead of {before} output channels here")
    if ways:
        return f"fits {' or '.join(ways)} (tried)"
    return f"no smaller size was tried: {change.untried}" if change.untried else "no smaller input tried fits"


kpu_memory_overflow.bad(lambda g: g.conv(16, 17, kernel=3, size=256))
kpu_memory_overflow.good(lambda g: g.conv(16, 16, kernel=3, size=256))


@rule("KPU302", "main-memory-overflow", Level.ERROR, on=Model)
def main_memory_overflow(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Model and working memory that are larger than the chip's memory.

    What it does: adds the model file, its inputs and outputs and the working memory nncase plans, and compares them
    with the chip's general purpose memory, or with what the firmware of the option firmware leaves of it.

    Why it matters: the firmware loads the model file into that memory and allocates the rest beside it. It also lives
    there itself, with its heap and the camera's buffers, so that in practice about half is free. The board says 2006,
    "memory not enough" or "SYSCALL: Out of memory".

    What to do instead: fewer channels, a smaller picture, fewer operators on the CPU (they work in float32); a smaller
    firmware or a smaller heap (utils.gc_heap_size).

    Source: K210 datasheet; nncase v1.9.0, the totals the compiler prints; sizes of firmware as the target's sheet has
    them, of which those of maixpy-minimum and canmv are unverified.
    """
    main = plan.memory.get("main")
    if main is not None and not fits(main.peak, kpu):
        parts = ", ".join(f"{name} {kilobytes(size)}" for name, size in main.parts.items())
        yield Found(f"{kilobytes(main.peak)} are needed ({parts}); {room(kpu)}")


main_memory_overflow.bad(lambda g: g.conv(512, 512, kernel=5, size=8))
main_memory_overflow.good(lambda g: g.conv(16, 16, kernel=5, size=8))


@rule("KPU303", "weights-in-many-loads", Level.NOTE, on=Conv, confidence="unverified")
def weights_in_many_loads(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution with more weights than the load counter can count.

    What it does: finds convolutions whose weights are loaded into the kernel cache in more than {max_loads} portions.

    Why it matters: the number of portions is written to a register field of 6 bits without a check. The compiler
    accepts the layer, the simulator ignores the field; what the chip does is not known.

    What to do instead: fewer channels, or compare the layer's result on the board with the simulator's.

    Source: nncase v1.9.0, codegen/ops/kpu_conv2d.cpp; the effect is unverified.
    """
    if not shape_is_known(conv) or not on_kpu(plan, conv.node.name):
        return
    per_output = conv.kernel[0] * conv.kernel[1] * (1 if conv.depthwise else conv.in_channels)
    at_once = min(conv.out_channels, kpu.limit("kernel_cache") // max(1, per_output))
    loads = -(-conv.out_channels // max(1, at_once))
    if loads > kpu.limit("max_loads"):
        yield Found(f"weights are loaded in {loads} portions; the counter has room for {kpu.limit('max_loads')}")


weights_in_many_loads.bad(lambda g: g.conv(512, 512, kernel=3, size=8))
weights_in_many_loads.good(lambda g: g.conv(256, 256, kernel=3, size=8))

RULES = [kpu_memory_overflow, main_memory_overflow, weights_in_many_loads]
