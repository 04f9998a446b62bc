"""AIX621 to AIX628: what a plain network takes of the chip as a whole."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import GraphBuilder, Operator
from lintmodel.planning import Placement, Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .cnn_words import anywhere


def deep(g: GraphBuilder) -> GraphBuilder:
    for _ in range(40):
        g.conv(8, 8, bias=False)
    return g


@rule("AIX621", "cnn-map-size", Level.ERROR, on=Model, confidence="measured")
def cnn_map_size(model: Model, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Map with a side longer than the chip counts.

    What it does: finds maps of which a side, with the padding on both ends, is above {max_row_col}, or of which
    height x width x passes of 64 channels reaches {frame_size_limit}.

    Why it matters: izer ends with an AssertionError up to some pixels above, and with a message beyond.

    What to do instead: a smaller input.

    Source: ai8x-synthesis, izer/backend/max7800x.py 1688 and 1711, izer/izer.py 583.
    """
    yield from anywhere(plan, "cnn-map-size", ai8x)


cnn_map_size.bad(lambda g: g.conv(1, 4, size=(2100, 4)))
cnn_map_size.good(lambda g: g.conv(1, 4, size=(64, 4)))


@rule("AIX622", "cnn-data-memory", Level.ERROR, on=Model, confidence="measured")
def cnn_data_memory(model: Model, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Map too large for the data memory, in a layer that cannot stream.

    What it does: finds maps that take more than the {data_instance_bytes} bytes of a data memory instance, in
    layers that cannot work while their input is still coming in: behind the first {max_streaming_layers}, in a
    network that branches before, or of dense layers and sums.

    Why it matters: izer stops: the map exceeds the data memory instance.

    What to do instead: pool earlier, a smaller input, fewer channels in multiples of 64; or fold pixels into
    channels (`ai8x.fold`), and train again.

    Source: ai8x-synthesis, izer/backend/max7800x.py 475 and 604; ai8x-training, README.md.
    """
    yield from anywhere(plan, "cnn-data-memory", ai8x)


cnn_data_memory.bad(lambda g: g.conv(3, 8, size=200).branch(lambda b: b, lambda b: b.conv(8, 8)))
cnn_data_memory.good(lambda g: g.conv(3, 8, size=64))


@rule("AIX623", "cnn-kernel-memory", Level.ERROR, on=Model, confidence="measured")
def cnn_kernel_memory(model: Model, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Weights beyond the chip's kernel memory.

    What it does: adds up all weights at 8 bits and compares with the kernel memory.

    Why it matters: izer stops: Kernel memory exhausted. A network below the sum may still not fit, since each of
    the 64 processors has a memory of its own.

    What to do instead: fewer channels; 4, 2 or 1 bit for the largest layers (trained again); the MAX78002 has more
    than five times as much.

    Source: ai8x-synthesis, izer/kernels.py 127, izer/tornadocnn.py.
    """
    yield from anywhere(plan, "cnn-kernel-memory", ai8x)


cnn_kernel_memory.bad(lambda g: g.conv(8, 512, size=8).conv(512, 1024))
cnn_kernel_memory.good(lambda g: g.conv(8, 64, size=8).conv(64, 64))


@rule("AIX624", "cnn-bias-memory", Level.ERROR, on=Model, confidence="measured")
def cnn_bias_memory(model: Model, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Biases beyond the chip's bias memory.

    What it does: finds biases longer than a quadrant's {bias_bytes_per_quadrant} bytes, and compares the sum of all
    with the four quadrants.

    Why it matters: izer stops: bias memory capacity exhausted.

    What to do instead: leave the bias out of wide layers; folding a batch normalisation makes one.

    Source: ai8x-synthesis, izer/kbias.py 96 and 205.
    """
    yield from anywhere(plan, "cnn-bias-memory", ai8x)


cnn_bias_memory.bad(lambda g: g.conv(8, 516, kernel=1, size=8))
cnn_bias_memory.good(lambda g: g.conv(8, 512, kernel=1, size=8))


@rule("AIX625", "cnn-layers", Level.ERROR, on=Model, confidence="measured")
def cnn_layers(model: Model, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """More layers than the chip has.

    What it does: counts the layers, those pools and sums left out that another layer does in flight, and compares
    with {max_layers}.

    Why it matters: izer stops.

    What to do instead: fewer layers, or let convolutions take pools and sums in.

    Source: ai8x-synthesis, izer/yamlcfg.py 198, izer/tornadocnn.py.
    """
    yield from anywhere(plan, "cnn-layers", ai8x)


cnn_layers.bad(deep)
cnn_layers.good(lambda g: g.conv(8, 8).conv(8, 8))


@rule("AIX626", "cnn-inputs", Level.ERROR, on=Model, confidence="documented")
def cnn_inputs(model: Model, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Network with several inputs.

    What it does: finds networks with more than one input.

    Why it matters: one input is loaded, into the data memory or through the FIFOs.

    What to do instead: join them as channels of one input before they are loaded.

    Source: ai8x-synthesis, izer/yamlcfg.py; ai8x-training, README.md.
    """
    yield from anywhere(plan, "cnn-inputs", ai8x)


cnn_inputs.bad(lambda g: g.input(1, 8, 16, 16, name="a").input(1, 8, 16, 16, name="b").op("Add", "a"))
cnn_inputs.good(lambda g: g.conv(8, 8))


@rule("AIX627", "cnn-streaming", Level.WARNING, on=Model, confidence="documented")
def cnn_streaming(model: Model, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """First layers have to stream.

    What it does: finds the layers from the input on that have to work while their input is still coming in, because
    a whole map does not fit into the data memory.

    Why it matters: streaming needs `streaming: true` in these layers, the FIFOs (`--fifo`), and one row after the
    other from the camera; biases in streaming layers are not reliable on the MAX78000. `lintmodel generate` does
    not write it.

    What to do instead: a smaller input, or an earlier pool, so that every map takes at most {data_instance_bytes}
    bytes of an instance.

    Source: ai8x-training, README.md; ai8x-synthesis, izer/backend/max7800x.py 342.
    """
    streams = [step for step in plan.steps if step.details.get("streaming")]
    if streams and not plan.refused("cnn-data-memory"):
        last = f"'{streams[-1].nodes[0]}'"
        count = "the first layer has" if len(streams) == 1 else f"the first {len(streams)} layers (up to {last}) have"
        memory = ai8x.limit("data_instance_bytes")
        yield Found(
            f"{count} to stream: a whole map takes more than the {memory:,} bytes of a data memory instance",
            node=streams[0].nodes[0],
        )


cnn_streaming.bad(lambda g: g.conv(3, 8, size=120).max_pool(2).conv(8, 8))
cnn_streaming.good(lambda g: g.conv(3, 8, size=90).max_pool(2).conv(8, 8))


@rule("AIX628", "cnn-softmax", Level.NOTE, on=Operator, confidence="documented")
def cnn_softmax(view: Operator, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Softmax, which the CPU computes.

    What it does: finds the softmax behind the last layer.

    Why it matters: the accelerator has none. izer's option `--softmax` writes one for the CPU, and wants the last
    layer with `output_width: 32`.

    What to do instead: nothing, or take the largest value without it: the order is the same.

    Source: ai8x-synthesis, izer/backend/max7800x.py 379; README.md.
    """
    if view.node.op == "Softmax" and plan.placements.get(view.node.name) is Placement.FALLBACK:
        yield Found("softmax runs on the CPU; give izer --softmax")


cnn_softmax.bad(lambda g: g.conv(8, 10, size=1, kernel=1).flatten().op("Softmax"))
cnn_softmax.good(lambda g: g.conv(8, 10, size=1, kernel=1).flatten())

RULES = [
    cnn_map_size,
    cnn_data_memory,
    cnn_kernel_memory,
    cnn_bias_memory,
    cnn_layers,
    cnn_inputs,
    cnn_streaming,
    cnn_softmax,
]
