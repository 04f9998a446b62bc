"""Limits of the engines that slide a window: convolutions and pools.

Sizes are height, width throughout; AMD's messages print width first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lintmodel.ir import Conv, ConvTranspose, Pool

from .engines import Bank, Engines, Range, Window
from .reasons import Reason

MAX_REDUCE_WIDTH = 100
MAX_REDUCE_HEIGHT = 2
"""Windows that a pool engine takes the maximum of by its reduction. Source: Vitis AI 2.5, dpu_op_filter.py."""


def convolution(conv: Conv, dpu: Engines) -> Iterator[Reason]:
    """An ordinary convolution over an image, or one in groups."""
    yield from _kernel("conv-window", conv.kernel, dpu.conv.kernel)
    height, width = conv.kernel
    shape = [conv.out_channels, height, width, conv.in_channels // max(conv.groups, 1)]
    yield from _weights(shape, bank_words(conv.kernel, shape[3], dpu), dpu.weights)
    if conv.groups > 1:
        yield Reason("conv-groups", None, {"groups": conv.groups, "channels": conv.in_channels}, overlooked=True)
    taps = height * width * (-(-conv.in_channels // dpu.taps_channels) if dpu.taps_channels else 1)
    if taps > dpu.taps:
        numbers = {"kernel": conv.kernel, "taps": taps, "limit": dpu.taps}
        yield Reason("conv-area", None, numbers, overlooked=True, advisory=True)
    if (conv.height, conv.width) != conv.kernel:
        yield from _stride("conv-stride", conv.stride, dpu.conv.stride)
    most = dpu.channel_factor * dpu.input_channels
    yield from _input_channels(conv.in_channels, most)
    yield from _output_channels(conv.out_channels, dpu.channel_factor * dpu.output_channels, overlooked=True)
    yield from _dilated_channels(conv, most)
    reach = tuple((k - 1) * d + 1 for k, d in zip(conv.kernel, conv.dilation, strict=True))
    yield from _padding(conv.pads, (reach[0], reach[1]))


def bank_words(kernel: tuple[int, int], channels: int, dpu: Engines) -> int:
    """Words of a weight bank that one slice of output channels takes."""
    parts = -(-dpu.output_channels // dpu.weights.count)
    return kernel[0] * kernel[1] * -(-channels // dpu.weights.width) * parts


def depthwise(conv: Conv, dpu: Engines) -> Iterator[Reason]:
    engine = dpu.depthwise
    if engine is None:
        yield Reason(
            "missing-engine",
            f"{dpu.name} does not have depthwise-conv-engine.",
            {"engine": "depthwise convolution", "dpu": dpu.name},
        )
        return
    if dpu.kind == "DPUCADF8H":
        numbers = {"engine": "depthwise convolution", "dpu": dpu.name}
        yield Reason("missing-engine", None, numbers, overlooked=True, advisory=True)
    if dpu.kind == "DPUCAHX8H" and conv.stride[1] > conv.kernel[1]:
        stride, kernel = conv.stride[1], conv.kernel[1]
        said = f"The stride_w({stride}) > kernel_w({kernel}), but {dpu.name} only support stride_w <= kernel_w."
        yield Reason("depthwise-window", said, {"stride": stride, "kernel": kernel, "limit": "stride up to the kernel"})
    yield from _kernel("depthwise-window", conv.kernel, engine.kernel)
    if (conv.height, conv.width) != conv.kernel:
        yield from _stride("conv-stride", conv.stride, engine.stride)
    most = dpu.channel_factor * engine.channels
    yield from _input_channels(conv.in_channels, most)
    yield from _output_channels(conv.out_channels, most)
    bank = dpu.depthwise_weights
    depth = conv.kernel[0] * conv.kernel[1] * -(-engine.channels // bank.width)
    if depth > bank.depth:
        shape = [1, *conv.kernel, conv.out_channels]
        said = (
            f"Weights({shape}) is too large to be loaded into parameter buffer. 'kernel_h * kernel_w  *  "
            f"input_channel' is supporsed to be less equal than {bank.depth * bank.width}."
        )
        yield Reason("weights-bank", said, {"needed": depth, "depth": bank.depth})
    if conv.dilation[0] != conv.dilation[1]:
        yield Reason("depthwise-dilation", None, {"dilation": conv.dilation}, overlooked=True, advisory=True)
    reach = tuple((k - 1) * d + 1 for k, d in zip(conv.kernel, conv.dilation, strict=True))
    yield from _padding(conv.pads, (reach[0], reach[1]), engine)


def transposed(conv: ConvTranspose, dpu: Engines, *, separate: bool) -> Iterator[Reason]:
    """A transposed convolution; ``separate`` where every channel is convolved on its own."""
    engine = dpu.depthwise if separate else dpu.conv
    if engine is None:
        yield Reason(
            "missing-engine",
            f"{dpu.name} does not have depthwise-conv-engine.",
            {"engine": "depthwise convolution", "dpu": dpu.name},
        )
        return
    if any(conv.output_padding):
        said = "DPU does not support output_padding."
        yield Reason("transposed-output-padding", said, {"padding": conv.output_padding})
    for kernel, stride in list(zip(conv.kernel, conv.stride, strict=True))[::-1]:
        if not fits_transposed(kernel, stride, engine.kernel):
            said = f"'kernel / stride'({kernel} / {stride}) is not in DPU supported range{engine.kernel.listed()}."
            yield Reason("transposed-kernel", said, {"kernel": kernel, "stride": stride, "limit": str(engine.kernel)})
            break
    height, width = conv.kernel
    if not separate:
        shape = [conv.out_channels, height, width, conv.in_channels // max(conv.groups, 1)]
        yield from _weights(shape, bank_words(conv.kernel, shape[3], dpu), dpu.weights)
        if conv.groups > 1:
            yield Reason("conv-groups", None, {"groups": conv.groups, "channels": conv.in_channels}, overlooked=True)
    most = dpu.channel_factor * engine.channels
    yield from _input_channels(conv.in_channels, most)
    yield from _output_channels(conv.out_channels, most, overlooked=separate)
    top, left, bottom, right = conv.pads
    # The compiler's padding is that of the convolution which the transposed one is computed as.
    inner = height - 1 - top, width - 1 - left, height - 1 - bottom, width - 1 - right
    yield from _padding(inner, conv.kernel, engine if separate else None)


def fits_transposed(kernel: int, stride: int, limit: Range) -> bool:
    """The window is cut into one for each step of the stride; each has to fit the engine."""
    return kernel // stride in limit and (kernel % stride == 0 or kernel // stride + 1 in limit)


def pool(view: Pool, dpu: Engines) -> Iterator[Reason]:
    average = view.kind == "average"
    engine = dpu.average_pool if average else dpu.max_pool
    if engine is None:
        word = "adaptive_avg_pool2d" if view.is_global else "avgpool" if average else "maxpool"
        yield Reason(
            "missing-engine",
            f"{dpu.name} does not support {word}.",
            {"engine": f"{view.kind} pooling", "dpu": dpu.name},
        )
        return
    height, width = view.kernel
    if average and dpu.pools_square and height != width:
        said = f"DPU only supports avgpool with square kernel, but this op has kernel {width} x {height}."
        yield Reason("pool-size", said, {"kernel": view.kernel})
    reduced = not average and dpu.max_reduce and width not in engine.kernel
    if reduced:
        if width > MAX_REDUCE_WIDTH or height > MAX_REDUCE_HEIGHT:
            # The inspector crashes here (a name misspelled), so that there is no message of its.
            yield Reason("pool-size", None, {"kernel": view.kernel, "limit": str(engine.kernel)})
        return
    yield from _kernel("pool-size", view.kernel, engine.kernel)
    if (view.height, view.width) != view.kernel:
        # What was recorded of the inspector is followed: a pool's stride is not held against the DPU.
        yield from (replace(reason, advisory=True) for reason in _stride("pool-size", view.stride, engine.stride))
    yield from _padding(view.pads, view.kernel, engine)


# ---- the checks


def _kernel(kind: str, kernel: tuple[int, int], limit: Range) -> Iterator[Reason]:
    height, width = kernel
    if height not in limit or width not in limit:
        said = f"'kernel'({width} x {height}) is not in DPU supported range({limit.listed()})."
        yield Reason(kind, said, {"kernel": kernel, "limit": str(limit)})


def _stride(kind: str, stride: tuple[int, int], limit: Range) -> Iterator[Reason]:
    if any(step not in limit for step in stride):
        yield Reason(kind, None, {"stride": stride, "limit": str(limit)}, overlooked=True)


def _weights(shape: list[int], needed: int, bank: Bank) -> Iterator[Reason]:
    if needed > bank.depth:
        said = (
            f"Weights({shape}) is too large to be loaded into parameter buffer. 'kernel_h * kernel_w  *  "
            "⌈input_channel / weights_bank_width⌉ * ⌈output_channel_parallel / weights_bank_num⌉"
            f"({needed})' is supporsed to be less equal than {bank.depth}."
        )
        yield Reason("weights-bank", said, {"needed": needed, "depth": bank.depth})


def _input_channels(channels: int, most: int) -> Iterator[Reason]:
    if channels > most:
        said = f"DPU only supports 'input_channel'({channels}) less than ({most})"
        yield Reason("input-channels", said, {"channels": channels, "limit": most})


def _output_channels(channels: int, most: int, *, overlooked: bool = False) -> Iterator[Reason]:
    if channels > most:
        said = None if overlooked else f"DPU only support 'output_channel'({channels}) less than {most}"
        yield Reason("output-channels", said, {"channels": channels, "limit": most}, overlooked=overlooked)


def _dilated_channels(conv: Conv, most: int) -> Iterator[Reason]:
    dilation = max(conv.dilation)
    if dilation > 1 and dilation * conv.in_channels > most >= conv.in_channels:
        numbers = {"dilation": dilation, "channels": conv.in_channels, "limit": most}
        yield Reason("dilated-channels", None, numbers, overlooked=True)


def _padding(pads: tuple[int, int, int, int], reach: tuple[int, int], engine: Window | None = None) -> Iterator[Reason]:
    """Padding against the window, or against the engine's own limits where it has some."""
    top, left, bottom, right = pads
    sides = (("left", left, reach[1]), ("right", right, reach[1]), ("top", top, reach[0]), ("bottom", bottom, reach[0]))
    limits: tuple[Range | None, ...] = (engine.pads if engine else ()) or (None,) * 4
    for (side, pad, size), limit in zip(sides, limits, strict=True):
        numbers = {"side": side, "pad": pad, "reach": size, "limit": str(limit) if limit else f"below {size}"}
        if limit is not None:
            if pad not in limit:
                yield Reason("padding", f"pad_{side}({pad}) is not in range.", numbers)
                return
        elif pad >= size:
            said = f"DPU only supports 'pad_{side}'({pad}) less than 'kernel_width'({size})"
            if pad == size:  # the compiler's words: the inspector lets this pass
                said = f'DPU only supports "pad_{side}"({pad}) less than "kernel_width"({size})'
            yield Reason("padding", said, numbers, overlooked=pad == size)
            return
