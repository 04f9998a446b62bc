"""What the accelerator has no form for in one convolution, pool or dense layer.

Sources: ai8x-synthesis, izer/yamlcfg.py, izer/izer.py, izer/backend/max7800x.py; ai8x-training, ai8x.py and README.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.ir import Conv, ConvTranspose, Pool
from lintmodel.ir.windows import Pads
from lintmodel.target import Target

from .cnn_layers import Map
from .network import Op, Pair, passes

Wrong = tuple[str, str | None, Mapping[str, Any]]
"""The name of the rule, the tool's message, and the numbers the rule needs."""


def conv_op(conv: Conv) -> Op:
    if isinstance(conv, ConvTranspose):
        return "convtranspose2d"
    return "conv1d" if conv.rank == 1 else "conv2d"


def wrong_conv(conv: Conv, pads: Pads, target: Target) -> Iterator[Wrong]:
    """``pads`` are the convolution's own and those of a Pad before it."""
    yield from _channels(conv.in_channels, conv.out_channels, target)
    yield from _groups(conv, target)
    if conv.rank == 1:
        yield from _conv1d(conv, pads, target)
        return
    op, kernel, stride = conv_op(conv), conv.kernel, conv.stride
    if stride != (1, 1):
        message = f"{op} does not support stride other than 1 (currently set to {stride[0]}x{stride[1]})."
        yield "cnn-stride", message, {"stride": stride, "kernel": kernel}
    if kernel not in [(k, k) for k in target.limit("conv2d_kernels")]:
        message = f"Unsupported value `{kernel[0]}x{kernel[1]}` for `kernel_size`"
        yield "cnn-kernel", message, {"kernel": kernel, "kernels": "1x1 and 3x3"}
    if conv.dilation != (1, 1):
        yield "cnn-dilation", "`dilation` > 1 is supported for Conv1d only.", {"dilation": conv.dilation}
    yield from _padding(op, kernel, pads, target)


def _conv1d(conv: Conv, pads: Pads, target: Target) -> Iterator[Wrong]:
    kernel, stride, dilation = conv.kernel[0], conv.stride[0], conv.dilation[0]
    longest, most = target.limit("max_conv1d_kernel"), target.limit("max_conv1d_dilation")
    if stride != 1:
        message = f"conv1d does not support stride other than 1 (currently set to {stride})."
        yield "cnn-stride", message, {"stride": (stride,), "kernel": (kernel,)}
    if kernel > longest:
        message = f"Unsupported value `{kernel}` for `kernel_size`"
        yield "cnn-kernel", message, {"kernel": (kernel,), "kernels": f"1 to {longest}"}
    # Up to 9 taps are a kernel of their own; beyond, only three taps of an unpadded layer can be spread.
    if dilation > 1 and (dilation > most or ((kernel - 1) * dilation >= 9 and (kernel > 3 or pads[0] or pads[2]))):
        yield "cnn-dilation", None, {"dilation": (dilation,), "kernel": kernel, "pad": pads[0], "most": most}
    yield from _padding("conv1d", (kernel,), (pads[0], pads[0], pads[2], pads[2]), target)
    if pads[0] and passes(conv.in_channels) > 1 and not target.limit("multipass_padded_conv1d"):
        message = "Padded Conv1d with more than one pass is not supported on this device."
        yield "cnn-padding", message, {"pads": pads, "multipass": conv.in_channels}


def _padding(op: str, kernel: tuple[int, ...], pads: Pads, target: Target) -> Iterator[Wrong]:
    most, pad = target.limit("max_pad"), max(pads)
    if len(set(pads)) > 1:
        yield "cnn-padding", None, {"pads": pads}
    if pad > most:
        message = f"{op} does not support `pad` >= {most + 1} (currently set to {pad})."
        yield "cnn-padding", message, {"pads": pads, "most": most}
    elif pad >= min(kernel):
        message = f"Pad size ([{pad}, {pad}]) is greater than or equal to kernel size ({list(kernel)})."
        yield "cnn-padding", message, {"pads": pads, "kernel": kernel}


def _channels(inputs: int, outputs: int, target: Target) -> Iterator[Wrong]:
    most = target.limit("max_channels")
    for side, count in (("input", inputs), ("output", outputs)):
        if count > most:
            message = f"{count} {side} channels exceed the maximum of {most}."
            yield "cnn-channels", message, {"side": side, "channels": count, "most": most}


def _groups(conv: Conv, target: Target) -> Iterator[Wrong]:
    if conv.groups == 1:
        return
    details = {"groups": conv.groups, "channels": (conv.in_channels, conv.out_channels)}
    if not target.limit("depthwise") or isinstance(conv, ConvTranspose):
        yield "cnn-groups", f"Convolution groups ({conv.groups}) > 1 are not supported on this device.", details
    elif not conv.groups == conv.in_channels == conv.out_channels:
        message = f"`groups` ({conv.groups}) must be equal to the number of input and of output channels."
        yield "cnn-groups", message, {**details, "depthwise": True}


def wrong_transpose(conv: ConvTranspose, pads: Pads, target: Target) -> Iterator[Wrong]:
    yield from _channels(conv.in_channels, conv.out_channels, target)
    yield from _groups(conv, target)
    kernel, stride = target.limit("conv_transpose_kernel"), target.limit("conv_transpose_stride")
    good = conv.rank == 2 and conv.kernel == (kernel, kernel) and conv.stride == (stride, stride)
    good = good and conv.dilation == (1, 1) and len(set(pads)) == 1 and pads[0] <= target.limit("max_pad")
    # Whatever the file's output padding, the layer has one row and column more at the end.
    want = [(size - 1) * stride - 2 * pads[0] + kernel + 1 for size in (conv.height, conv.width)]
    if not good or want != [conv.out_height, conv.out_width]:
        details = {"kernel": conv.kernel, "stride": conv.stride, "pads": pads, "dilation": conv.dilation}
        yield "cnn-transposed", None, {**details, "output": (conv.out_height, conv.out_width), "has": tuple(want)}


def wrong_pool(pool: Pool, target: Target) -> Iterator[Wrong]:
    """What is wrong with the window itself; whether it may stand alone shows when layers are fused."""
    kernel, stride = pool_window(pool)
    biggest, furthest = target.limit("max_pool"), target.limit("max_pool_stride")
    if max(kernel) > biggest or max(stride) > furthest:
        yield "cnn-pool-window", None, {"kernel": kernel, "stride": stride, "most": biggest, "most_stride": furthest}
    if pool.rank == 2 and stride[0] != stride[1]:
        yield (
            "cnn-pool-window",
            "`pool_stride` must be the same for both dimensions.",
            {"kernel": kernel, "stride": stride},
        )
    if pool.dilation != (1, 1):
        yield "cnn-pool-window", None, {"kernel": kernel, "dilation": pool.dilation}
    if not pool.is_global and any(pool.pads):
        yield "cnn-pool-padding", None, {"pads": pool.pads}
    elif pooled((0, pool.height, pool.width), kernel, stride)[1:] != (pool.out_height, pool.out_width):
        yield "cnn-pool-padding", None, {"pads": pool.pads, "output": (pool.out_height, pool.out_width)}


def pool_window(pool: Pool) -> tuple[Pair, Pair]:
    """Kernel and stride. Of a window that is applied once the stride says nothing; 1 is one the chip has."""
    kernel, stride = pool.kernel, pool.stride
    if pool.is_global or kernel == (pool.height, pool.width):
        return kernel, (1, 1)
    return kernel, stride


def wrong_dense(source: Map, outputs: int, target: Target) -> Iterator[Wrong]:
    """``source`` is the map that the layer reads, flattened when it has several pixels."""
    channels, height, width = source
    pixels, most = height * width, target.limit("max_dense_features")
    if outputs > most:
        yield "cnn-dense", None, {"side": "output", "features": outputs, "most": most}
    if channels > most:
        yield "cnn-dense", None, {"side": "input", "features": channels, "most": most}
    if pixels > target.limit("max_flatten_pixels"):
        message = f"`flatten` exceeds supported input dimensions ({height}x{width})."
        details = {"size": (height, width), "pixels": pixels, "most_pixels": target.limit("max_flatten_pixels")}
        yield "cnn-dense", message, details
    if channels * pixels > target.limit("max_flatten_values"):
        details = {"side": "input", "features": channels * pixels, "most": target.limit("max_flatten_values")}
        yield "cnn-dense", None, details


def pooled(shape: Map, kernel: Pair, stride: Pair) -> Map:
    """The map behind a pool, as the chip counts it (rounded down)."""
    channels, *sizes = shape
    height, width = ((size + s - k) // s for size, s, k in zip(sizes, stride, kernel, strict=True))
    return channels, height, width
