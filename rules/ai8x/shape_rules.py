"""2xx: sizes, processors and streaming."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .example import described
from .wording import refused_any


def _channels(count: int) -> Document:
    mask = 2**64 - 1
    weights = {"a.op.weight": (count, 4, 1, 1)}
    return described({"kernel_size": "1x1", "pad": 0, "output_processors": mask}, weights=weights)


def _passed(mask: int) -> Document:
    layer = {"op": "passthrough", "kernel_size": None, "pad": None, "activate": None, "output_processors": mask}
    return described(layer, weights={})


def _operands(mask: int) -> Document:
    """A sum of two layers, the second of which writes to ``mask``."""
    gap = {"write_gap": 1}
    add = {"op": "add", "in_sequences": [0, 1], "kernel_size": None, "pad": None, "activate": None}
    return described(gap, {**gap, "in_sequences": [-1], "output_processors": mask}, add)


@rule("AIX201", "input-mismatch", Level.ERROR, on=Document, confidence="measured")
def input_mismatch(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A layer's input does not have the size it is made for.

    What it does: finds concatenations and element-wise operations whose inputs differ in size, in_dim with another
    number of pixels than what is read, and data with other channels than the weights.

    Why it matters: izer refuses it, some of it only while it computes the known answer.

    What to do instead: check in_sequences, in_dim and in_channels against the layers that are read; maps of
    different sizes need a pool or another layer first.

    Source: izer/izer.py 238, 477, 501, izer/backend/max7800x.py 2947, 3041; measured.
    """
    yield from refused_any(plan, "input-dimensions-differ", "in-dim-pixels", "input-channels", "operand-channels")


input_mismatch.bad(lambda: described({}, shape=(3, 8, 8)))
input_mismatch.good(lambda: described({}, shape=(4, 8, 8)))


@rule("AIX202", "reads-later-layer", Level.ERROR, on=Document, confidence="measured")
def reads_later_layer(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Layer reads what is computed later.

    What it does: finds in_sequences that name the layer itself or a later one, and on the MAX78002 one that is not
    there.

    Why it matters: the layers run in the order of the list; izer refuses it.

    What to do instead: move the layer behind what it reads.

    Source: izer/izer.py 462, 466; measured.
    """
    yield from refused_any(plan, "reads-later-layer")


reads_later_layer.bad(lambda: described({}, {"in_sequences": [1]}))
reads_later_layer.good(lambda: described({}, {"in_sequences": [0]}))


@rule("AIX203", "map-too-large", Level.ERROR, on=Document, confidence="measured")
def map_too_large(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Feature map with more rows or columns than the chip counts.

    What it does: finds maps above {max_row_col} rows or columns, maps that exceed the counter of {counter_bits}
    bits once the padding is counted, and frames of too many pixels.

    Why it matters: izer refuses it, or crashes with an AssertionError just below the limit where padding is added.

    What to do instead: scale the input down, fold it into channels, or cut it into pieces.

    Source: izer/izer.py 583, 586, izer/backend/max7800x.py 1688, 1711; measured.
    """
    yield from refused_any(plan, "dimension-too-large", "counter-overflow", "frame-too-large")


map_too_large.bad(lambda: described(shape=(4, 1030, 2)))
map_too_large.bad(lambda: described(shape=(4, 1024, 2)))
map_too_large.good(lambda: described(shape=(4, 1022, 2)))


@rule("AIX204", "empty-output", Level.ERROR, on=Document, confidence="measured")
def empty_output(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Layer without an output pixel.

    What it does: finds kernels larger than the padded map.

    Why it matters: izer refuses it.

    What to do instead: pool less before the layer, pad it, or use a smaller kernel.

    Source: izer/izer.py 589; measured.
    """
    yield from refused_any(plan, "empty-output")


empty_output.bad(lambda: described({"pad": 0}, shape=(4, 2, 2)))
empty_output.good(lambda: described({"pad": 1}, shape=(4, 2, 2)))


@rule("AIX205", "too-many-channels", Level.ERROR, on=Document, confidence="measured")
def too_many_channels(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """More channels than the chip has.

    What it does: finds layers with more than {max_channels} input or output channels.

    Why it matters: izer refuses it on both chips, although the documentation of the MAX78002 says 2048.

    What to do instead: fewer channels; for a dense layer pool the map before it is flattened.

    Source: izer/backend/max7800x.py 910, 913; measured.
    """
    yield from refused_any(plan, "too-many-channels")


too_many_channels.bad(lambda: _channels(1028))
too_many_channels.good(lambda: _channels(1024))


@rule("AIX206", "chw-behind-first-layer", Level.ERROR, on=Document, confidence="measured")
def chw_behind_first_layer(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """CHW format behind the first layer.

    What it does: finds data_format CHW in any layer but the first.

    Why it matters: only the input can be in CHW; izer refuses the rest.

    What to do instead: leave data_format out: layers write HWC.

    Source: izer/izer.py 450; measured.
    """
    yield from refused_any(plan, "chw-behind-first-layer")


chw_behind_first_layer.bad(lambda: described({}, {"data_format": "CHW"}))
chw_behind_first_layer.good(lambda: described({"data_format": "HWC"}, {}))


@rule("AIX211", "processor-count", Level.ERROR, on=Document, confidence="measured")
def processor_count(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Number of processors that does not go with the channels.

    What it does: counts the processors of each layer's mask. Up to 64 channels need as many processors; more are
    worked off in passes of equal size, each rounded up to a multiple of 4.

    Why it matters: izer refuses it. Where output_processors is left out it is the next layer's mask, and izer then
    blames the layer before the one whose mask is wrong.

    What to do instead: set as many bits as the message says; a run of bits that begins at a multiple of 4 costs the
    least kernel memory.

    Source: izer/backend/max7800x.py 917 to 935; measured.
    """
    yield from refused_any(plan, "processor-count", "output-processor-count")


processor_count.bad(lambda: described({"processors": 0x7}))
processor_count.bad(lambda: described({"output_processors": 0x7}))
processor_count.good(lambda: described({"processors": 0xF}))


@rule("AIX212", "chw-shared-memory", Level.ERROR, on=Document, confidence="measured")
def chw_shared_memory(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """CHW input on processors that share a data memory.

    What it does: finds a CHW input with two processors of the same group of 4.

    Why it matters: a channel in CHW takes a data memory of its own; izer refuses the mask.

    What to do instead: every fourth processor (0x111 for 3 channels), or for a FIFO 0x0001000100010001.

    Source: izer/backend/max7800x.py 447; measured.
    """
    yield from refused_any(plan, "chw-shared-memory")


chw_shared_memory.bad(lambda: described({"data_format": "CHW"}))
chw_shared_memory.good(lambda: described({"data_format": "CHW", "processors": 0x1111}))


@rule("AIX213", "passthrough-map", Level.ERROR, on=Document, confidence="measured")
def passthrough_map(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Passthrough layer that would move data to other processors.

    What it does: finds layers without convolution whose output_processors are not their processors, packed quadrant
    by quadrant.

    Why it matters: data passes through in its own quadrant; izer refuses the mask.

    What to do instead: the same mask for processors and output_processors, or a 1x1 convolution to move the data.

    Source: izer/backend/max7800x.py 959; measured.
    """
    yield from refused_any(plan, "passthrough-map")


passthrough_map.bad(lambda: _passed(0xF0000))
passthrough_map.good(lambda: _passed(0xF))


@rule("AIX214", "operand-processors", Level.ERROR, on=Document, confidence="measured")
def operand_processors(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Operands of an element-wise operation on different processors.

    What it does: compares the output_processors of all layers that an element-wise layer reads.

    Why it matters: all operands of a channel are read by the same processor; izer refuses it.

    What to do instead: the same output_processors for all layers that it reads.

    Source: izer/backend/max7800x.py 765; measured.
    """
    yield from refused_any(plan, "operand-processors")


operand_processors.bad(lambda: _operands(0xF0))
operand_processors.good(lambda: _operands(0xF))


@rule("AIX215", "quadrant-unused", Level.ERROR, on=Document, confidence="measured")
def quadrant_unused(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Quadrant that has to be used and is not.

    What it does: finds networks in which no layer uses processors 0 to 15, and bias_quadrant with a quadrant that
    no layer uses.

    Why it matters: izer refuses it.

    What to do instead: let one layer use a processor of quadrant 0; leave bias_quadrant out.

    Source: izer/backend/max7800x.py 1004, 1010; measured.
    """
    yield from refused_any(plan, "quadrant-0-unused", "bias-quadrant-unused")


quadrant_unused.bad(lambda: described({"processors": 0xF0000, "output_processors": 0xF0000}))
quadrant_unused.good(lambda: described({"processors": 0xF, "output_processors": 0xF0000}))


@rule("AIX221", "streaming-start", Level.ERROR, on=Document, confidence="measured")
def streaming_start(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Streaming layer that nothing streams into.

    What it does: finds streaming layers behind one that does not stream, and a streaming first layer without a
    FIFO.

    Why it matters: streaming layers work on the input while it arrives through the FIFO; izer refuses anything
    else.

    What to do instead: streaming: true from the first layer on, without gaps, and izer_args with --fifo.

    Source: izer/izer.py 447, izer/backend/max7800x.py 342; measured.
    """
    yield from refused_any(plan, "streaming-after-layer", "streaming-without-fifo")


streaming_start.bad(lambda: described({}, {"streaming": True}))
streaming_start.bad(lambda: described({"streaming": True}))
streaming_start.good(lambda: described({}, {}))


@rule("AIX222", "fifo-input", Level.ERROR, on=Document, confidence="measured", options={"izer_args": "--fifo"})
def fifo_input(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Input that the FIFOs cannot feed.

    What it does: finds more than {max_fifo_chw_channels} channels in CHW or {max_fifo_hwc_channels} in HWC with
    --fifo, and processors that no FIFO reaches.

    Why it matters: izer refuses it.

    What to do instead: processors 0 to 3 of each quadrant for HWC, 0, 16, 32 and 48 for CHW.

    Source: izer/backend/max7800x.py 320, 326; measured.
    """
    yield from refused_any(plan, "fifo-channels", "fifo-processors")


fifo_input.bad(lambda: described({"processors": 0xF0}))
fifo_input.good(lambda: described({"processors": 0xF}))


@rule("AIX223", "streaming-layer", Level.ERROR, on=Document, confidence="measured", options={"izer_args": "--fifo"})
def streaming_layer(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Layer that cannot stream.

    What it does: finds a last streaming layer without padding on the MAX78000, and streaming layers without a
    convolution on the MAX78002.

    Why it matters: izer refuses it.

    What to do instead: pad the last streaming layer, or let streaming end one layer earlier; make a streaming pool
    part of a convolution.

    Source: izer/backend/max7800x.py 368, 373; measured.
    """
    yield from refused_any(plan, "streaming-last-pad", "streaming-passthrough")


streaming_layer.bad(lambda: described({"streaming": True, "pad": 0}))
streaming_layer.good(lambda: described({"streaming": True, "pad": 1}, {"streaming": False}))


@rule("AIX224", "streaming-overlap", Level.ERROR, on=Document, confidence="source", options={"izer_args": "--fifo"})
def streaming_overlap(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Rolling buffer of a streaming layer that something else lies in.

    What it does: computes how many words each streaming layer keeps of its input, as izer does, and finds buffers
    that run into the layer's own output, another streaming layer's buffer, the output of the last streaming layer
    or the end of the data memory.

    Why it matters: izer refuses it. With --overlap-data only the layer's own output and the end of the memory count.

    What to do instead: offsets further apart, or other processors for every second layer.

    Source: izer/backend/max7800x.py 2364 to 2501; checked against the streaming networks that izer accepts.
    """
    yield from refused_any(plan, "streaming-overlap")


streaming_overlap.bad(lambda: described({"streaming": True, "out_offset": 4}))
streaming_overlap.good(lambda: described({"streaming": True, "out_offset": 0x2000}))


RULES = [
    input_mismatch,
    reads_later_layer,
    map_too_large,
    empty_output,
    too_many_channels,
    chw_behind_first_layer,
    processor_count,
    chw_shared_memory,
    passthrough_map,
    operand_processors,
    quadrant_unused,
    streaming_start,
    fifo_input,
    streaming_layer,
    streaming_overlap,
]
