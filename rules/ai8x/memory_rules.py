"""3xx: memories that are too small."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .example import described
from .wording import refused_any


def _heavy(bits: int) -> Document:
    """A 3x3 convolution from 256 to 256 channels."""
    full = 2**64 - 1
    layer = {"processors": full, "output_processors": full, "quantization": bits}
    return described(layer, shape=(256, 4, 4), weights={"a.op.weight": (256, 256, 3, 3)})


def _biased(channels: int) -> Document:
    full = 2**64 - 1
    weights = {"a.op.weight": (channels, 4, 1, 1), "a.op.bias": (channels,)}
    return described({"kernel_size": "1x1", "pad": 0, "output_processors": full}, weights=weights)


@rule("AIX301", "input-too-large", Level.ERROR, on=Document, confidence="measured")
def input_too_large(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A layer's input does not fit a data memory.

    What it does: adds up height x width x passes x operands x 4 bytes (1 in CHW) from in_offset on, against the
    {data_instance_bytes} bytes of each data memory.

    Why it matters: izer refuses it. Four processors share one data memory; the total of all memories does not help.

    What to do instead: scale the input down, use CHW for the input, fold it into channels, or stream the first
    layers.

    Source: izer/backend/max7800x.py 475; measured.
    """
    yield from refused_any(plan, "input-too-large")


input_too_large.bad(lambda: described(shape=(4, 91, 91)))
input_too_large.good(lambda: described({"out_offset": 0}, {"out_offset": 0}, shape=(4, 90, 90)))


@rule("AIX302", "output-too-large", Level.ERROR, on=Document, confidence="measured")
def output_too_large(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A layer's output does not fit a data memory.

    What it does: adds up height x width x passes x 4 bytes (16 for 32-bit output) from out_offset on, against the
    {data_instance_bytes} bytes of each data memory. Streaming layers but the last write nothing whole.

    Why it matters: izer refuses it.

    What to do instead: a lower out_offset, a pool before the convolution, or streaming.

    Source: izer/backend/max7800x.py 604; measured.
    """
    yield from refused_any(plan, "output-too-large")


output_too_large.bad(lambda: described({"out_offset": 0x7F80}))
output_too_large.good(lambda: described({"out_offset": 0x7F00}))


@rule("AIX303", "offset-range", Level.ERROR, on=Document, confidence="measured")
def offset_range(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Offset or gap outside its range.

    What it does: finds out_offset outside the address range of a quadrant's memories, a negative in_offset and gaps
    that do not fit their register.

    Why it matters: izer refuses it, or crashes with an AssertionError.

    What to do instead: offsets from 0 to the size of a data memory; write_gap = operands - 1.

    Source: izer/izer.py 167, izer/backend/max7800x.py 1915; measured.
    """
    yield from refused_any(plan, "out-offset-range", "in-offset-negative", "write-gap-too-large")


offset_range.bad(lambda: described({"out_offset": 0x20000}))
offset_range.bad(lambda: described({"write_gap": 16}))
offset_range.good(lambda: described({"out_offset": 0x2000}))


@rule("AIX311", "kernel-memory-exhausted", Level.ERROR, on=Document, confidence="measured")
def kernel_memory_exhausted(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Weights that no longer fit a processor's kernel memory.

    What it does: places the weights of all layers as izer does: those with all 64 processors first, each at the
    first multiple of 4 words that is free on all its processors, and counts gaps in output masks and the rounding
    of small weights.

    Why it matters: izer stops with a map of kernel memory. Every processor has {kernel_words} words of 9 bytes of
    its own, so this happens at a total well below 100 %, and a network at 96 % may fit.

    What to do instead: move masks to processors that are used less, close gaps in output masks, use 4 or 2 bits for
    the largest layers, or fewer channels. 128 to 128 channels cost four times what 64 to 64 do.

    Source: izer/kernels.py 127; words of 1,792 layers and their places measured.
    """
    yield from refused_any(plan, "kernel-memory-exhausted")


kernel_memory_exhausted.bad(lambda: _heavy(8))
kernel_memory_exhausted.good(lambda: _heavy(4))


@rule("AIX312", "bias-memory-exhausted", Level.ERROR, on=Document, confidence="measured")
def bias_memory_exhausted(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Biases that do not fit a quadrant's bias memory.

    What it does: puts each layer's bias into the emptiest quadrant that the network uses, the largest first,
    against {bias_bytes_per_quadrant} bytes in each; also finds biases of another length than the output channels.

    Why it matters: izer refuses it. A layer's bias is never split, so more than {bias_bytes_per_quadrant} output
    channels with a bias never fit.

    What to do instead: train without bias where batch normalisation does not need it, let the network use more
    quadrants, or fewer channels.

    Source: izer/kbias.py 70, 96, 205; measured.
    """
    yield from refused_any(plan, "bias-memory-exhausted", "bias-count-mismatch")


bias_memory_exhausted.bad(lambda: _biased(576))
bias_memory_exhausted.good(lambda: _biased(512))


RULES = [
    input_too_large,
    output_too_large,
    offset_range,
    kernel_memory_exhausted,
    bias_memory_exhausted,
]
