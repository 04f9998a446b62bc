"""1xx: what a layer does that the accelerator cannot."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .example import described
from .wording import refused_any

_PASSED = {"op": "passthrough", "activate": None, "kernel_size": None, "pad": None}


def _wide_pool(op: str) -> Document:
    """A pool of 68 channels, which need two passes of 36 processors."""
    first = {"output_processors": 0xFFFFFFFFF}
    pool = {"op": op, "processors": 0xFFFFFFFFF, "max_pool": 2, "pool_stride": 2, "kernel_size": None, "pad": None}
    weights = {"a.op.weight": (68, 4, 3, 3), "b.op.weight": (4, 68, 3, 3)}
    keys = {"activate": None} if op == "passthrough" else {"output_processors": 0xF}
    return described(
        first, {**pool, **keys}, weights=weights if op != "passthrough" else {"a.op.weight": (68, 4, 3, 3)}
    )


def _dense(size: int) -> Document:
    """A dense layer on a whole map."""
    weights = {"a.op.weight": (10, 4 * size * size)}
    layer = {"op": "linear", "flatten": True, "kernel_size": None, "pad": None, "output_processors": 0x3FF}
    return described(layer, shape=(4, size, size), weights=weights)


def _added(op: str) -> Document:
    """A sum of two inputs and a convolution in one layer."""
    kernel = {"kernel_size": 3 if op == "conv1d" else "3x3"}
    width, shape = ((3,), (4, 8, 1)) if op == "conv1d" else ((3, 3), (4, 8, 8))
    return described({"op": op, "eltwise": "add", **kernel}, shape=shape, weights={"a.op.weight": (4, 4, *width)})


@rule("AIX101", "layer-stride", Level.ERROR, on=Document, confidence="measured")
def layer_stride(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Convolution with a stride other than 1.

    What it does: finds convolutions and dense layers whose stride is not 1. Transposed convolutions have stride 2.

    Why it matters: the accelerator moves its window by one pixel; izer refuses anything else.

    What to do instead: stride 1, and on the next layer (or a passthrough layer) max_pool: 1 with pool_stride: 2,
    which keeps every second pixel and computes the same. Only for a 1x1 convolution may these keys stand on the
    layer itself: pools run before the convolution.

    Source: izer/izer.py 531, 565; measured.
    """
    yield from refused_any(plan, "stride")


layer_stride.bad(lambda: described({"stride": 2}))
layer_stride.good(lambda: described({"max_pool": 2, "pool_stride": 2}))


@rule("AIX102", "layer-padding", Level.ERROR, on=Document, confidence="measured")
def layer_padding(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Padding that the layer cannot have.

    What it does: finds pad above {max_pad}, pad not smaller than the kernel, pad without a convolution and, on the
    MAX78002, padded conv1d layers with more than 64 channels.

    Why it matters: izer refuses it. The default of pad is 1, so that a 1x1 convolution needs pad: 0 written out.

    What to do instead: pad: 0 for 1x1 kernels and layers without convolution; otherwise 0, 1 or 2 and below the
    kernel.

    Source: izer/izer.py 558 to 578, izer/backend/max7800x.py 510; measured.
    """
    yield from refused_any(plan, "pad-too-large", "pad-without-convolution", "pad-not-below-kernel", "padded-conv1d")


layer_padding.bad(lambda: described({"kernel_size": "1x1", "pad": None}))
layer_padding.bad(lambda: described({"pad": 3}))
layer_padding.bad(lambda: described({}, {"op": "passthrough", "activate": None, "kernel_size": None}))
layer_padding.good(lambda: described({"kernel_size": "1x1", "pad": 0}))
layer_padding.good(lambda: described({"pad": 2}))


@rule("AIX103", "layer-dilation", Level.ERROR, on=Document, confidence="measured")
def layer_dilation(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Dilation that the layer cannot have.

    What it does: finds dilation in anything but a conv1d, and dilated conv1d layers whose kernel, padding, pool or
    offset do not allow it: (kernel - 1) x dilation below 9, or kernel 3 at most without padding and pool.

    Why it matters: izer refuses it on both chips, although the documentation of the MAX78002 lists dilation for
    conv2d.

    What to do instead: dilation 1 with a larger kernel, or several 3x3 convolutions one after the other; both need
    training again.

    Source: izer/backend/max7800x.py 532 to 598; measured.
    """
    yield from refused_any(plan, "dilation")


layer_dilation.bad(lambda: described({"dilation": 2}))
layer_dilation.good(lambda: described({"dilation": 1}))


@rule("AIX104", "layer-groups", Level.ERROR, on=Document, confidence="measured")
def layer_groups(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Grouped convolution that the chip does not have.

    What it does: finds groups on the MAX78000, groups on the MAX78002 that are not as many as input and output
    channels, and depthwise layers whose processors do not begin at a multiple of 4.

    Why it matters: izer refuses it.

    What to do instead: on the MAX78000 a convolution without groups; on the MAX78002 groups equal to the channels,
    with a 1x1 convolution behind it to mix them.

    Source: izer/backend/max7800x.py 656 to 682, 968; measured.
    """
    yield from refused_any(plan, "groups", "depthwise-alignment")


layer_groups.bad(lambda: described({"groups": 4}, weights={"c.op.weight": (4, 1, 3, 3)}))
layer_groups.good(lambda: described({"groups": 1}))


@rule("AIX105", "output-padding", Level.ERROR, on=Document, confidence="source")
def output_padding(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Output padding that the layer cannot have.

    What it does: finds output_pad other than 1 in a transposed convolution, and output_pad in any other layer.

    Why it matters: izer refuses it: a transposed convolution always doubles the size.

    What to do instead: leave output_pad out; a transposed convolution then has 1.

    Source: izer/backend/max7800x.py 637 to 653.
    """
    yield from refused_any(plan, "output-pad")


output_padding.bad(lambda: described({"output_pad": 1}))
output_padding.good(
    lambda: described({"op": "convtranspose2d", "output_pad": 1}, weights={"c.op.weight": (4,) * 2 + (3, 3)})
)


@rule("AIX106", "pool-window", Level.ERROR, on=Document, confidence="measured")
def pool_window(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Pool whose window or stride the chip does not have.

    What it does: finds pools larger than the map they read, windows and strides above {max_pool}, strides that
    differ in the two directions and dilated pools on the MAX78000.

    Why it matters: izer refuses it; above {max_pool} it crashes with an AssertionError, because the registers have
    4 bits.

    What to do instead: two smaller pools one after the other, the second in a passthrough layer; a window up to
    {max_pool} with one stride for both directions.

    Source: izer/izer.py 508, 523, izer/backend/max7800x.py 698, 1721, 1742; measured.
    """
    yield from refused_any(
        plan,
        "pool-larger-than-map",
        "pool-too-large",
        "pool-stride-too-large",
        "pool-stride-not-square",
        "pool-dilation",
    )


pool_window.bad(lambda: described({"max_pool": 17, "pool_stride": 1}, shape=(4, 32, 32)))
pool_window.bad(lambda: described({"max_pool": 10, "pool_stride": 2}))
pool_window.bad(lambda: described({"max_pool": 2, "pool_stride": [1, 2]}))
pool_window.good(lambda: described({"max_pool": 16, "pool_stride": 1}, shape=(4, 32, 32)))


@rule("AIX107", "pool-passes", Level.ERROR, on=Document, confidence="measured")
def pool_passes(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Pool of more than 64 channels without a convolution.

    What it does: finds passthrough layers that pool more than 64 channels to more than one pixel.

    Why it matters: the MAX78000 pools without a convolution in one pass of 64 channels; izer refuses more.

    What to do instead: put the pool on the convolution behind it: pools run before the convolution, and the result
    is the same.

    Source: izer/backend/max7800x.py 622; measured.
    """
    yield from refused_any(plan, "pool-passes")


pool_passes.bad(lambda: _wide_pool("passthrough"))
pool_passes.good(lambda: _wide_pool("conv2d"))


@rule("AIX108", "layer-flatten", Level.ERROR, on=Document, confidence="measured")
def layer_flatten(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Flatten that the layer cannot do.

    What it does: finds flatten of more than {max_flatten_pixels} pixels, together with a pool or streaming, in a
    layer without weights, and of a map with fewer channels than its weights want.

    Why it matters: izer refuses it, or crashes with an AssertionError where no channel is left.

    What to do instead: pool the map to {max_flatten_pixels} pixels or fewer in the layer before; the in_sequences
    of a layer with flatten are better left out.

    Source: izer/izer.py 549, 556, izer/backend/max7800x.py 661 to 668; measured.
    """
    yield from refused_any(plan, "flatten-too-large", "flatten-conflict", "flatten-without-channels")


layer_flatten.bad(lambda: _dense(17))
layer_flatten.good(lambda: _dense(16))


@rule("AIX109", "eltwise-combination", Level.ERROR, on=Document, confidence="measured")
def eltwise_combination(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Element-wise operation together with what the chip cannot do in the same layer.

    What it does: finds element-wise operations in a conv1d, with a convolution or pool in three passes or more
    (MAX78000), with a convolution that has a bias (MAX78002), and pools behind more than two operands.

    Why it matters: izer refuses it. On the MAX78002 it does so for 64 channels and fewer too, which the
    documentation allows.

    What to do instead: give the operation a layer of its own (op: add) and put the convolution into the next one;
    the result is the same.

    Source: izer/backend/max7800x.py 505, 527, 988, 2078; measured.
    """
    yield from refused_any(plan, "eltwise-conv1d", "eltwise-passes", "pool-last-operands", "eltwise-conv-bias")


eltwise_combination.bad(lambda: _added("conv1d"))
eltwise_combination.good(lambda: _added("conv2d"))


@rule("AIX110", "passthrough-setting", Level.ERROR, on=Document, confidence="measured")
def passthrough_setting(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Setting that needs a convolution, in a layer without one.

    What it does: finds activations, output_shift and output_width 32 in passthrough layers, and buffer_shift in
    others.

    Why it matters: izer refuses it: what passes through is not computed.

    What to do instead: put the activation on the convolution before, or make the layer a 1x1 convolution.

    Source: izer/izer.py 594, 598, izer/backend/max7800x.py 613, 617, 788; measured.
    """
    yield from refused_any(plan, "passthrough-activation", "passthrough-shift", "passthrough-width", "buffer-shift")


passthrough_setting.bad(lambda: described({}, {**_PASSED, "activate": "ReLU"}))
passthrough_setting.good(lambda: described({}, _PASSED))


@rule("AIX111", "wide-activation", Level.ERROR, on=Document, confidence="measured")
def wide_activation(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Output of 32 bits with an activation.

    What it does: finds a last layer with output_width 32 and ReLU or Abs.

    Why it matters: izer refuses it, with a message that names layer 0.

    What to do instead: leave the activation out, or output_width: 8.

    Source: izer/izer.py 417; measured.
    """
    yield from refused_any(plan, "wide-activation")


wide_activation.bad(lambda: described({"output_width": 32}))
wide_activation.good(lambda: described({"output_width": 32, "activate": None}))


@rule("AIX112", "device-feature", Level.ERROR, on=Document, confidence="measured")
def device_feature(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Key that needs the other chip.

    What it does: finds readahead, calcx4, bypass, snoop, binary weights, next_sequence and read_gap where the chip
    does not have them.

    Why it matters: izer refuses it. Most are on the MAX78002 only; read_gap there needs 64 channels or fewer.

    What to do instead: leave the key out, or use the MAX78002.

    Source: izer/backend/max7800x.py 208 to 235, 391, 406, 431, 688, izer/izer.py 295; measured.
    """
    yield from refused_any(plan, "device-feature", "binary-and-one-bit", "next-sequence", "read-gap")


device_feature.bad(lambda: described({}, {"read_gap": 1}))
device_feature.bad(lambda: described({"quantization": "binary"}))
device_feature.good(lambda: described({}, {"read_gap": 0}))


RULES = [
    layer_stride,
    layer_padding,
    layer_dilation,
    layer_groups,
    output_padding,
    pool_window,
    pool_passes,
    layer_flatten,
    eltwise_combination,
    passthrough_setting,
    wide_activation,
    device_feature,
]
