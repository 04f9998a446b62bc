"""The patterns by which nncase 0.1 finds the KPU's convolutions, and what it fuses into them.

Source: nncase v0.1.0-rc5, src/NnCase.Converter.K210/Transforms and Model/Layers/K210Conv2d.cs.
"""

from __future__ import annotations

from collections.abc import Iterator

from .v01_layers import Dims, Layer, Net, Refused, Window, chain, connect, must_fit, replace, through

SMALLEST = 4
"""Height and width below which the KPU's convolution refuses to be built. Source: K210Conv2d.cs."""
MAX_DENSE = 1024
"""Inputs and outputs of a dense layer that goes to the KPU. Source: K210FullyConnectedTransform.cs."""
STRIDES = {"": 1, "2x2s1": 1, "LeftTop": 2, "2x2s2": 2, "4x4s4": 4}
"""What the kinds of pooling divide the map by. Source: K210Conv2d.cs, GetStride."""
COUNTED = (1024, 512, 1024)
"""Channels, rows and columns that the registers count. Source: image_channel_num_t and image_size_t."""
PADS = ("Pad", "SpaceToBatchNd")


def kpu_conv(layer: Layer, dims: Dims, pool: str, origin: tuple[str, ...], channels: int = 0) -> Layer:
    """The KPU's convolution over a map. Raises Refused for maps that are too small."""
    high, wide = dims[2], dims[3]
    if min(high, wide) < SMALLEST:
        _too_small("input", high, wide)
    stride = STRIDES[pool.removeprefix("Max").removeprefix("Average")]
    if min(high // stride, wide // stride) < SMALLEST:
        _too_small("output", high // stride, wide // stride)
    return Layer(
        "K210Conv2d",
        (dims[0], channels or layer.dims[1], high // stride, wide // stride),
        (dims,),
        origin,
        layer.tensor,
        window=layer.window,
        activation=layer.activation,
        depthwise=layer.depthwise,
        pool=pool,
        weights=layer.weights,
        ignored=(*layer.ignored, *_uncounted(layer, dims)),
        shifted=layer.shifted,
    )


def _uncounted(layer: Layer, dims: Dims) -> Iterator[str]:
    """What the registers have no room for, or no place at all; nothing compares."""
    if layer.kind == "K210Conv2d":
        return  # looked at already
    if dims[0] > 1:
        yield f"all but the first of {dims[0]} pictures"
    counts = (max(dims[1], layer.dims[1]), *dims[2:])
    for what, count, most in zip(("channels", "rows", "columns"), counts, COUNTED, strict=True):
        if count > most:
            yield f"the {what} beyond {most} (there are {count})"


def _too_small(which: str, high: int, wide: int) -> None:
    message = f"Lower than 4x4 {which} is not supported in dwConv2d."
    raise Refused("map-under-4x4", message, which=which, height=high, width=wide)


def _on_kpu(source: Layer, made: Layer, old: Layer) -> None:
    """Puts a convolution of the KPU, with the conversions around it, where ``old`` was."""
    quantize = Layer("Quantize", source.dims, (source.dims,), made.origin, f"{source.tensor}_u8")
    upload = through("K210Upload", quantize)
    dequantize = through("Dequantize", made)
    must_fit(old, dequantize.dims)
    connect(source, quantize)
    chain(quantize, upload, made, dequantize)
    replace(old, dequantize)


def is_conv(layer: Layer, size: int, stride: int, *, same: bool | None = None) -> bool:
    window = layer.window
    found = window is not None and window.kernel == (size, size) and window.stride == (stride, stride)
    return found and (same is None or (window is not None and window.same == same))


def separable_conv(net: Net, pad: Layer) -> bool:
    """Padding, depthwise 3x3 with stride 2 and a 1x1 convolution: the stride moves to the second."""
    first = pad.reader("DepthwiseConv2d") if pad.kind in PADS else None
    second = first.reader("Conv2d") if first is not None and is_conv(first, 3, 2, same=False) else None
    if first is None or second is None or not is_conv(second, 1, 1):
        return False
    source = pad.source
    wide = Layer("DepthwiseConv2d", (*first.dims[:2], *source.dims[2:]), (source.dims,), (*first.origin, *pad.origin))
    wide.tensor, wide.window, wide.activation = first.tensor, Window((3, 3), (1, 1), same=True), first.activation
    wide.depthwise, wide.weights, wide.ignored = True, first.weights, first.ignored

    def rewrite() -> None:
        made = kpu_conv(second, wide.dims, "LeftTop", second.origin)
        must_fit(second, made.dims)
        connect(source, wide)
        _on_kpu(wide, made, second)

    return net.attempt(rewrite, first, second, pad)


def padded_conv(net: Net, pad: Layer) -> bool:
    """Padding of 1 and a 3x3 convolution without padding; a depthwise one with stride 1 only."""
    if pad.kind not in PADS:
        return False
    conv = pad.reader("Conv2d", "DepthwiseConv2d")
    if conv is None or conv.window is None or conv.window.kernel != (3, 3) or conv.window.same:
        return False
    if conv.depthwise and conv.window.stride != (1, 1):
        return False
    pool = "LeftTop" if conv.window.stride[1] == 2 else ""
    origin = (*conv.origin, *pad.origin)
    return net.attempt(lambda: _on_kpu(pad.source, kpu_conv(conv, pad.source.dims, pool, origin), conv), conv, pad)


def same_conv(net: Net, conv: Layer) -> bool:
    """1x1, or 3x3 with padding "same"; stride 1."""
    if conv.kind not in ("Conv2d", "DepthwiseConv2d") or min(*conv.wants[0][2:], *conv.dims[2:]) < SMALLEST:
        return False
    if not (is_conv(conv, 1, 1) or is_conv(conv, 3, 1, same=True)):
        return False
    return net.attempt(lambda: _on_kpu(conv.source, kpu_conv(conv, conv.wants[0], "", conv.origin), conv), conv)


def stride_2_conv(net: Net, conv: Layer) -> bool:
    """3x3 with stride 2 and padding "same" over a map of even size. Its border differs from TensorFlow's."""
    if conv.kind != "Conv2d" or not is_conv(conv, 3, 2, same=True) or any(size % 2 for size in conv.wants[0][2:]):
        return False
    conv.shifted = True
    return net.attempt(lambda: _on_kpu(conv.source, kpu_conv(conv, conv.wants[0], "LeftTop", conv.origin), conv), conv)


def dense(net: Net, layer: Layer) -> bool:
    """A dense layer becomes a 1x1 convolution over a map of 4x4."""
    if layer.kind != "FullyConnected" or max(layer.wants[0][1], layer.dims[1]) > MAX_DENSE:
        return False
    source = layer.source
    quantize = Layer("Quantize", source.dims, (source.dims,), layer.origin, f"{source.tensor}_u8")
    upload = through("K210Upload", quantize)
    padded = (*source.dims[:2], SMALLEST, SMALLEST)
    add = Layer("K210AddPadding", padded, (source.dims,), layer.origin, f"{source.tensor}_4x4")
    layer.window = Window((1, 1), (1, 1), same=True)
    made = kpu_conv(layer, padded, "", layer.origin)
    remove = Layer("K210RemovePadding", made.dims[:2], (made.dims,), layer.origin, layer.tensor)
    connect(source, quantize)
    chain(quantize, upload, add, made, remove, last := through("Dequantize", remove))
    replace(layer, last)
    return True


def conv_to_dense(net: Net, conv: Layer) -> bool:
    """A 1x1 convolution over a single pixel."""
    if conv.kind != "Conv2d" or not is_conv(conv, 1, 1) or conv.wants[0][2:] != (1, 1):
        return False
    made = Layer("FullyConnected", conv.dims[:2], conv.wants, conv.origin, conv.tensor, weights=conv.weights)
    made.activation = conv.activation
    reshape = Layer("Reshape", (*conv.dims[:2], 1, 1), (made.dims,), conv.origin, conv.tensor)
    chain(conv.source, made, reshape)
    replace(conv, reshape)
    return True


# ---- what a convolution takes in


def activation(net: Net, conv: Layer) -> bool:
    """LeakyReLU behind a convolution without activation."""
    if conv.kind != "K210Conv2d" or conv.activation:
        return False
    dequantize = conv.reader("Dequantize")
    leaky = dequantize.reader("LeakyRelu") if dequantize else None
    if leaky is None:
        return False
    return net.attempt(lambda: _again(conv, leaky, conv.pool, "LeakyRelu"), leaky)


def pool(net: Net, conv: Layer) -> bool:
    """2x2 with stride 2 or 1, or 4x4 with stride 4, behind an ordinary convolution that does not pool yet."""
    if conv.kind != "K210Conv2d" or conv.depthwise or conv.pool:
        return False
    dequantize = conv.reader("Dequantize")
    pooled = dequantize.reader("MaxPool2d", "AveragePool2d") if dequantize else None
    if pooled is None or pooled.window is None or pooled.activation or not _kpu_pools(pooled.window, pooled.wants[0]):
        return False
    size, stride = pooled.window.kernel[0], pooled.window.stride[0]
    name = f"{pooled.kind.removesuffix('Pool2d')}{size}x{size}"
    return net.attempt(lambda: _again(conv, pooled, f"{name}s{stride}", conv.activation), pooled)


def _kpu_pools(window: Window, dims: Dims) -> bool:
    size, stride = window.kernel[0], window.stride[0]
    if not window.square or window.stride[0] != window.stride[1]:
        return False
    whole = not window.same or all(length % size == 0 for length in dims[2:])
    return (size == stride and size in (2, 4) and whole) or (size == 2 and stride == 1 and window.same)


def _again(conv: Layer, fused: Layer, pooling: str, function: str) -> None:
    """The same convolution with one more layer in it."""
    made = kpu_conv(conv, conv.wants[0], pooling, (*conv.origin, *fused.origin), conv.dims[1])
    made.activation, made.tensor = function, fused.tensor
    last = through("Dequantize", made)
    must_fit(fused, made.dims)
    chain(conv.source, made, last)
    replace(fused, last)
