"""AIX601 to AIX610: convolutions and pools of a plain network."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Conv, ConvTranspose, Pool
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .cnn_words import here


@rule("AIX601", "cnn-stride", Level.ERROR, on=Conv, confidence="measured")
def cnn_stride(view: Conv, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Convolution with a stride.

    What it does: finds convolutions whose stride is not 1.

    Why it matters: the accelerator computes every pixel, and izer stops. ai8x-training takes strides 1 to 3, so the
    network trains and cannot be synthesised.

    What to do instead: exact: stride 1, and `max_pool: 1` with `pool_stride: s` in the layer behind it (for a 1x1
    kernel in the same layer). The output and the work are s x s times as large. A pool in the same layer as a
    larger kernel is something else: it takes pixels away before the convolution. Used so on purpose, with training,
    it is cheap.

    Fix safety: safe; stride 1 and a 1x1 pool with the stride behind it compute the same.

    Source: ai8x-synthesis, izer/izer.py 531; the rewriting was compared with kernels 1 and 3, strides 2 and 3,
    sizes 3 to 39, without a difference.
    """
    yield from here(plan, "cnn-stride", view, ai8x)


cnn_stride.bad(lambda g: g.conv(3, 16, stride=2))
cnn_stride.good(lambda g: g.conv(3, 16))


@rule("AIX602", "cnn-kernel", Level.ERROR, on=Conv, confidence="measured")
def cnn_kernel(view: Conv, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Kernel the chip does not have.

    What it does: finds kernels other than 1x1 and 3x3, and in one dimension longer than {max_conv1d_kernel}.

    Why it matters: izer stops at `kernel_size`.

    What to do instead: several 3x3 kernels behind each other: two for 5x5, three for 7x7 (trained again). A 2x2
    kernel is a 3x3 one with a row and a column of zeros.

    Fix safety: safe; zeros fill a smaller kernel up to 3x3.

    Source: ai8x-synthesis, izer/yamlcfg.py 441.
    """
    yield from here(plan, "cnn-kernel", view, ai8x)


cnn_kernel.bad(lambda g: g.conv(8, 16, kernel=5))
cnn_kernel.good(lambda g: g.conv(8, 16, kernel=1))


@rule("AIX603", "cnn-padding", Level.ERROR, on=Conv, confidence="measured")
def cnn_padding(view: Conv, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Padding the chip does not have.

    What it does: finds padding above {max_pad}, not below the kernel's size, or different on the four sides; on
    chips that cannot, padding of a one-dimensional convolution with more than 64 channels.

    Why it matters: a layer has one number `pad`, and izer stops when it is too large.

    What to do instead: the same padding of 0, 1 or 2 on all sides, below the kernel's size. Left out of the
    description it is 1, so a 1x1 kernel needs `pad: 0` there.

    Fix safety: unsafe; the same padding on every side moves the border, so the network has to be trained again.

    Source: ai8x-synthesis, izer/izer.py 558 and 578, izer/backend/max7800x.py 510.
    """
    yield from here(plan, "cnn-padding", view, ai8x)


cnn_padding.bad(lambda g: g.conv(8, 16, pads=(0, 0, 1, 1)))
cnn_padding.good(lambda g: g.conv(8, 16, pads=2))


@rule("AIX604", "cnn-dilation", Level.ERROR, on=Conv, confidence="measured")
def cnn_dilation(view: Conv, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Dilated convolution.

    What it does: finds dilated convolutions of images, and one-dimensional ones that reach too far.

    Why it matters: izer dilates one-dimensional convolutions only, on both chips; the README's 1 to 16 for the
    MAX78002 is not what it does.

    What to do instead: several 3x3 kernels behind each other. In one dimension: up to 9 taps from end to end, or 3
    taps without padding up to {max_conv1d_dilation}.

    Source: ai8x-synthesis, izer/backend/max7800x.py 532 and 550.
    """
    yield from here(plan, "cnn-dilation", view, ai8x)


cnn_dilation.bad(lambda g: g.conv(8, 16, dilation=2))
cnn_dilation.good(lambda g: g.conv(8, 16))


@rule("AIX605", "cnn-groups", Level.ERROR, on=Conv, confidence="measured")
def cnn_groups(view: Conv, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Grouped convolution.

    What it does: finds grouped convolutions: any on a chip without depthwise ones, and on one that has them all
    whose groups are not the channels, in and out.

    Why it matters: izer stops.

    What to do instead: exact: the ungrouped kernel with zeros between the groups; it takes as many times the kernel
    memory as there are groups. The MAX78002 has depthwise convolutions.

    Fix safety: safe; zeros stand between the groups.

    Source: ai8x-synthesis, izer/backend/max7800x.py 672.
    """
    yield from here(plan, "cnn-groups", view, ai8x)


cnn_groups.bad(lambda g: g.conv(8, 16, groups=2))
cnn_groups.good(lambda g: g.conv(8, 16))


@rule("AIX606", "cnn-channels", Level.ERROR, on=Conv, confidence="measured")
def cnn_channels(view: Conv, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """More channels than a layer can have.

    What it does: finds convolutions with more than {max_channels} input or output channels.

    Why it matters: izer stops. The README's 2,048 for the MAX78002 is not what it does.

    What to do instead: fewer channels, after training again.

    Source: ai8x-synthesis, izer/backend/max7800x.py 910, izer/tornadocnn.py.
    """
    yield from here(plan, "cnn-channels", view, ai8x)


cnn_channels.bad(lambda g: g.conv(8, 1028, kernel=1, size=4))
cnn_channels.good(lambda g: g.conv(8, 64))


@rule("AIX607", "cnn-transposed", Level.ERROR, on=ConvTranspose, confidence="measured")
def cnn_transposed(view: ConvTranspose, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Transposed convolution of another form than the chip's.

    What it does: finds transposed convolutions other than 3x3 with stride 2, padding 0 to 2 and output padding 1.

    Why it matters: izer stops.

    What to do instead: that form: padding 1 and output padding 1 double the size.

    Fix safety: safe; a 2x2 kernel with stride 2 becomes a 3x3 one with zeros that computes the same.

    Source: ai8x-synthesis, izer/yamlcfg.py 445 and 470, izer/backend/max7800x.py 637; ai8x-training, ai8x.py.
    """
    yield from here(plan, "cnn-transposed", view, ai8x)


cnn_transposed.bad(lambda g: g.conv_transpose(8, 16, kernel=2, stride=2))
cnn_transposed.good(lambda g: g.conv_transpose(8, 16, kernel=3, stride=2, pad=1, output_padding=1))


@rule("AIX608", "cnn-pool-window", Level.ERROR, on=Pool, confidence="measured")
def cnn_pool_window(view: Pool, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Pool larger than the chip's, or with two different strides.

    What it does: finds pools above {max_pool}x{max_pool}, strides above {max_pool_stride} or different ones for
    height and width, and dilated pools.

    Why it matters: the registers have four bits: izer ends with an AssertionError that says nothing.

    What to do instead: two pools behind each other. For a maximum that is exact, for an average where the sizes
    divide. A global pool of a larger map is such a case.

    Fix safety: safe; several pools behind each other compute the same.

    Source: ai8x-synthesis, izer/backend/max7800x.py 1721 to 1742, izer/yamlcfg.py 462.
    """
    yield from here(plan, "cnn-pool-window", view, ai8x)


cnn_pool_window.bad(lambda g: g.conv(8, 16).global_average_pool())
cnn_pool_window.good(lambda g: g.conv(8, 16, size=16).global_average_pool())


@rule("AIX609", "cnn-pool-padding", Level.ERROR, on=Pool, confidence="source")
def cnn_pool_padding(view: Pool, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Padded pool, or one whose size is rounded up.

    What it does: finds pools with padding and pools with `ceil_mode`.

    Why it matters: the chip's pools have neither, so that the map has another size than the network says.

    What to do instead: a pool without padding and with the size rounded down, trained again; for a 3x3 pool with
    stride 2 and padding 1 mostly 2x2 with stride 2.

    Source: ai8x-training, README.md; ai8x-synthesis, izer/izer.py 523.
    """
    yield from here(plan, "cnn-pool-padding", view, ai8x)


cnn_pool_padding.bad(lambda g: g.conv(8, 16).max_pool(3, 2, (1, 1, 1, 1)))
cnn_pool_padding.good(lambda g: g.conv(8, 16).max_pool(3, 2))


@rule("AIX610", "cnn-wide-pool", Level.ERROR, on=Pool, confidence="measured")
def cnn_wide_pool(view: Pool, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Pool over many channels in a layer of its own.

    What it does: finds pools that no convolution takes in, of more channels than the processors can work off in
    {max_pool_passes} pass of 64.

    Why it matters: izer stops, unless one pixel is left.

    What to do instead: exact: let one convolution, and nothing else, read the pool's output; both are one layer
    then.

    Source: ai8x-synthesis, izer/backend/max7800x.py 622.
    """
    yield from here(plan, "cnn-wide-pool", view, ai8x)


cnn_wide_pool.bad(lambda g: g.conv(8, 128).max_pool(2))
cnn_wide_pool.good(lambda g: g.conv(8, 128).max_pool(2).conv(128, 16))

RULES = [
    cnn_stride,
    cnn_kernel,
    cnn_padding,
    cnn_dilation,
    cnn_groups,
    cnn_channels,
    cnn_transposed,
    cnn_pool_window,
    cnn_pool_padding,
    cnn_wide_pool,
]
