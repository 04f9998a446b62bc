"""331 to 349: what lies in data memory. The tool sees the least of it."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .data_memory import outside
from .example import described
from .resolve import resolve
from .wording import refused


def _two_instances(write_gap: int) -> Document:
    """An output of 8 channels and 16,384 bytes in each of two memory instances, gaps not counted."""
    layer = {"out_offset": 0x4000, "output_processors": 0xFF, "write_gap": write_gap}
    return described(layer, shape=(4, 64, 64), weights={"conv.op.weight": (8, 4, 3, 3)})


@rule("AIX331", "reads-wrong-memory", Level.ERROR, on=Document, confidence="measured")
def reads_wrong_memory(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A layer reads bytes that are not the output it should read.

    What it does: replays data memory address by address. Every byte is marked with the layer, channel and pixel that
    was written to it last; for every layer, each byte it reads is compared with what the description says it reads.
    A byte that no layer wrote, one of another layer and one of the right layer at the wrong place are all wrong. The
    message says how many bytes are, the first of them, and what would have to be changed: a write_gap that no reader
    wants, a reader that takes the copy spread out for an element-wise layer, a wrong in_offset, other processors, the
    order of a concatenation, or a layer that has overwritten a map still needed.

    Why it matters: ai8x-synthesis computes its known answer on whole tensors and not on addresses, so its own test
    passes. It prints a warning at most, the same one as for correct residual networks. On the chip the known-answer
    test fails, or the network runs and its results mean nothing.

    What to do instead: what the message names. A layer behind a branch reads the original with in_sequences and
    in_offset, not the copy that was made for the element-wise layer; operands of an element-wise layer lie word by
    word next to each other (out_offset base, base + 4, ..., each with write_gap = operands - 1); processors of a
    layer are the output_processors of what it reads.

    Source: izer/unload.py, izer/backend/max7800x.py; replayed for 640 networks that ai8x-synthesis accepts: 633 are
    clean, the other 7 are defects made on purpose. Not tried on a chip.
    """
    yield from refused(plan, "reads-wrong-memory")


reads_wrong_memory.bad(lambda: described({}, {"write_gap": 1}, {}))
reads_wrong_memory.bad(lambda: described({}, {"output_processors": 0xF0}, {"processors": 0xF}))
reads_wrong_memory.bad(lambda: described({}, {}, {"in_offset": 0x1000}))
reads_wrong_memory.good(lambda: described({}, {}, {}))


@rule("AIX332", "output-overwrites-input", Level.ERROR, on=Document, confidence="measured")
def output_overwrites_input(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A layer's output is put over its own input, or over an output that is to be kept.

    What it does: places input and output of every layer as ai8x-synthesis does, and finds words that are in both. Not
    with --overlap-data in izer_args, which turns this check of the tool's off.

    Why it matters: the tool stops. With --overlap-data it goes on, and whether the layer overtakes itself depends on
    its kernel, pool and size.

    What to do instead: an out_offset behind the input, or the two halves of the memory instance in turn (0 and 0x4000
    on the MAX78000, 0 and 0xa000 on the MAX78002). Without out_offset the output goes to 0. --overlap-data only where
    input and output are of one size and the layer reads a pixel before it writes it.

    Source: izer/unload.py 534; measured.
    """
    yield from refused(plan, "output-overwrites-input")


output_overwrites_input.bad(lambda: described({"out_offset": 0}, {}))
output_overwrites_input.bad(lambda: described({}, {"out_offset": 0x2080}))
output_overwrites_input.good(lambda: described({}, {}))


@rule("AIX333", "output-overwrites-itself", Level.ERROR, on=Document, confidence="measured")
def output_overwrites_itself(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A layer's output grows past its memory instance into the next one, where another part of it lies.

    What it does: places the output of every layer, write_gap included, and finds words that are written twice.

    Why it matters: the tool stops. Its own check of sizes lets write_gap out, so that this message comes instead.

    What to do instead: a smaller out_offset, or a smaller map; an output with write_gap takes write_gap + 1 times its
    bytes of each of the {data_instance_bytes} bytes.

    Source: izer/unload.py 543; measured.
    """
    yield from refused(plan, "output-overwrites-itself")


output_overwrites_itself.bad(lambda: _two_instances(write_gap=3))
output_overwrites_itself.good(lambda: _two_instances(write_gap=1))


@rule("AIX334", "output-past-instance", Level.WARNING, on=Document, confidence="measured")
def output_past_instance(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A write_gap pushes a layer's output past the end of its memory instances.

    What it does: multiplies the output's bytes in each memory instance by write_gap + 1 and adds out_offset. A memory
    instance has {data_instance_bytes} bytes.

    Why it matters: the tool's check of sizes lets write_gap out and accepts it. The bytes past the end lie in memory of
    other processors, or in none. Where a layer reads them this is also AIX331.

    What to do instead: a smaller out_offset, or a smaller map before the element-wise layer.

    Source: izer/backend/max7800x.py 600; measured.
    """
    from .addresses import written

    size = int(target.limit("data_instance_bytes"))
    for layer in resolve(description, target):
        if not (layer.write_gap and layer.out_channels and layer.out_dim and layer.output_processors):
            continue
        if outside(layer, target):
            continue
        there = written(layer, size)
        if there is not None and (there.at < 0).any():
            end = int(there.offsets.max()) // 4 * 4 + 4
            gap = layer.write_gap
            says = f"with write_gap {gap} the output ends at 0x{end:04x}; a memory instance has 0x{size:04x} bytes"
            yield Found(says, node=layer.name, key=layer.key("write_gap"))


output_past_instance.bad(lambda: described({"out_offset": 0x7F00, "write_gap": 1}))
output_past_instance.good(lambda: described({"out_offset": 0x7E00, "write_gap": 1}))


@rule("AIX335", "unaligned-offset", Level.WARNING, on=Document, confidence="measured")
def unaligned_offset(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """An offset that is no multiple of 4.

    What it does: looks at in_offset and out_offset of every layer.

    Why it matters: the chip's registers count in words of 4 bytes. The tool divides and drops the rest, so the data
    lies lower than the description says; nothing is printed.

    What to do instead: a multiple of 4.

    Source: izer/backend/max7800x.py; measured: out_offset 0x2002 becomes 0x2000.
    """
    for layer in resolve(description, target):
        for name in ("in_offset", "out_offset"):
            value = layer.keys.get(name)
            if isinstance(value, int) and value % 4:
                message = f"{name} 0x{value:04x} is no multiple of 4; 0x{value // 4 * 4:04x} is used"
                yield Found(message, node=layer.name, key=layer.key(name))


unaligned_offset.bad(lambda: described({"out_offset": 0x2002}, {}))
unaligned_offset.good(lambda: described({"out_offset": 0x2004}, {}))

RULES = [
    reads_wrong_memory,
    output_overwrites_input,
    output_overwrites_itself,
    output_past_instance,
    unaligned_offset,
]
