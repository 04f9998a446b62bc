"""Shapes of operators that slide a window or change the size of a feature map."""

from __future__ import annotations

from collections.abc import Sequence
from math import floor

from ..ir import Dim, Layout, Node, Shape
from .known import Known, Mismatch

Shapes = Sequence[Shape | None]


def conv(node: Node, known: Known) -> Shapes:
    """Conv and ConvInteger: data 0, weights 1."""
    return [_conv(node, known.shape(node.inputs[0]), known.shape(node.inputs[1]))]


def qlinear_conv(node: Node, known: Known) -> Shapes:
    """QLinearConv: data 0, weights 3."""
    return [_conv(node, known.shape(node.inputs[0]), known.shape(node.inputs[3]))]


def _conv(node: Node, x: Shape | None, weight: Shape | None) -> Shape | None:
    if x is None or weight is None:
        return None
    batch, channels, *sizes = channels_first(x, node.layout)
    _check_channels(node, channels, weight)
    filters, kernel = _filters(node, weight)
    kernel = tuple(node.attributes.get("kernel_shape", kernel))
    if len(kernel) != len(sizes) or not all(isinstance(k, int) for k in kernel):
        return as_stored((batch, filters, *["?"] * len(sizes)), node.layout)
    return as_stored((batch, filters, *_windows(node, sizes, [int(k) for k in kernel])), node.layout)


def _check_channels(node: Node, channels: Dim, weight: Shape) -> None:
    if node.layout == "NCHW" and isinstance(channels, int) and isinstance(weight[1], int):
        expected = weight[1] * int(node.attributes.get("group", 1))
        if expected != channels:
            raise Mismatch(f"its input has {channels} channels, its weights are for {expected}")


def _filters(node: Node, weight: Shape) -> tuple[Dim, Shape]:
    """Number of filters and size of the window, from the weights as the format stores them."""
    if node.layout == "NCHW":
        return weight[0], weight[2:]
    if len(weight) == 5:
        return weight[-1], weight[:3]  # depth, height, width, input, output
    depthwise = "depth_multiplier" in node.attributes or int(node.attributes.get("group", 1)) > 1
    return weight[-1] if depthwise and weight[0] == 1 else weight[0], weight[1:-1]


def conv_transpose(node: Node, known: Known) -> Shapes:
    x, weight = known.shape(node.inputs[0]), known.shape(node.inputs[1])
    if len(node.inputs) > 3:  # TFLite names the result's shape
        return [known.ints(node.inputs[3])]
    if x is None or weight is None:
        return [None]
    batch, _, *sizes = channels_first(x, node.layout)
    rank, groups = len(sizes), int(node.attributes.get("group", 1))
    kernel = weight[1:-1] if node.layout == "NHWC" else weight[2:]
    per_group = weight[0] if node.layout == "NHWC" else weight[1]
    filters: Dim = per_group * groups if isinstance(per_group, int) else "?"
    stated = node.attributes.get("output_shape")
    if stated is not None:
        return [as_stored((batch, filters, *stated[-rank:]), node.layout)]
    strides, dilations = _ints(node, "strides", rank), _ints(node, "dilations", rank)
    extra, auto = _ints(node, "output_padding", rank, 0), str(node.attributes.get("auto_pad", "NOTSET"))
    pads = node.attributes.get("pads", (0,) * 2 * rank) if auto == "NOTSET" else (0,) * 2 * rank
    out: list[Dim] = []
    for i, (size, k) in enumerate(zip(sizes, kernel, strict=True)):
        if not isinstance(k, int):
            out.append("?")
            continue
        grown = extra[i] + (k - 1) * dilations[i] + 1 - pads[i] - pads[i + rank]
        if auto.startswith("SAME"):
            grown = strides[i]  # the result is stride times as large
        if isinstance(size, int):
            out.append(strides[i] * (size - 1) + grown)
        else:
            out.append(size if strides[i] == 1 and grown == 1 else "?")
    return [as_stored((batch, filters, *out), node.layout)]


def pool(node: Node, known: Known) -> Shapes:
    """MaxPool (whose second output has the same shape), AveragePool, LpPool."""
    x = known.shape(node.inputs[0])
    if x is None:
        return [None]
    batch, channels, *sizes = channels_first(x, node.layout)
    kernel = [int(k) for k in node.attributes["kernel_shape"]]
    shape = as_stored((batch, channels, *_windows(node, sizes, kernel)), node.layout)
    return [shape] * len(node.outputs)


def global_pool(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None:
        return [None]
    batch, channels, *sizes = channels_first(x, node.layout)
    return [as_stored((batch, channels, *[1] * len(sizes)), node.layout)]


def _windows(node: Node, sizes: Sequence[Dim], kernel: Sequence[int]) -> list[Dim]:
    """Number of window positions along every spatial axis."""
    rank = len(sizes)
    strides, dilations = _ints(node, "strides", rank), _ints(node, "dilations", rank)
    auto = str(node.attributes.get("auto_pad", "NOTSET"))
    pads = tuple(node.attributes.get("pads", ())) or (0,) * 2 * rank
    out: list[Dim] = []
    for i, size in enumerate(sizes):
        reach, stride = (kernel[i] - 1) * dilations[i] + 1, strides[i]
        if auto.startswith("SAME"):
            out.append(-(-size // stride) if isinstance(size, int) else size if stride == 1 else "?")
            continue
        before, after = (0, 0) if auto == "VALID" else (int(pads[i]), int(pads[i + rank]))
        if not isinstance(size, int):
            out.append(size if stride == 1 and before + after == reach - 1 else "?")
            continue
        room = size + before + after - reach
        if room < 0:
            padded = f" and {before + after} of padding" if before + after else ""
            raise Mismatch(f"its window spans {reach} pixels, its input has {size}{padded}")
        count = -(-room // stride) + 1 if node.attributes.get("ceil_mode") else room // stride + 1
        if node.attributes.get("ceil_mode") and (count - 1) * stride >= size + before:
            count -= 1  # a window may not begin in the padding at the end
        out.append(count)
    return out


def resize(node: Node, known: Known) -> Shapes:
    """Resize and Upsample; scales and sizes are given per axis of the tensor as it is stored."""
    x = known.shape(node.inputs[0])
    if x is None:
        return [None]
    inputs = (*node.inputs, "", "", "")
    if node.native_op.startswith("RESIZE_"):  # TFLite's second input is height and width
        return [(x[0], *(known.ints(inputs[1]) or ("?", "?")), x[-1])]
    # Resize-10 and Upsample-9 have (X, scales), Resize-11 has (X, roi, scales, sizes), Upsample-7 an attribute.
    scales = known.value(inputs[1] if len(node.inputs) == 2 else inputs[2])
    factors = node.attributes.get("scales") if scales is None or not scales.size else scales.reshape(-1).tolist()
    sizes = known.ints(inputs[3])
    axes = [int(a) % len(x) for a in node.attributes.get("axes", range(len(x)))]
    out: list[Dim] = list(x) if "axes" in node.attributes else ["?"] * len(x)
    stretched = node.attributes.get("keep_aspect_ratio_policy", "stretch") == "stretch"
    if sizes and len(sizes) == len(axes):
        for axis, size in zip(axes, sizes, strict=True):
            out[axis] = size if stretched else "?"
    elif factors and len(factors) == len(axes):
        for axis, factor in zip(axes, factors, strict=True):
            out[axis] = _scaled(x[axis], factor)
    return [tuple(out)]


def _scaled(size: Dim, factor: float) -> Dim:
    """As onnx works it out, in single precision: 13 times 2.0000001 is 26."""
    import numpy as np

    if isinstance(size, str):
        return size if factor == 1 else "?"
    return floor(float(np.float32(size) * np.float32(factor)))


def depth_to_space(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None or len(x) != 4:
        return [None]
    block = int(node.attributes["blocksize"])
    batch, channels, height, width = channels_first(x, node.layout)
    fewer = channels // (block * block) if isinstance(channels, int) else "?"
    shape = (batch, fewer, _times(height, block), _times(width, block))
    return [as_stored(shape, node.layout)]


def space_to_depth(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None or len(x) != 4:
        return [None]
    block = int(node.attributes["blocksize"])
    batch, channels, height, width = channels_first(x, node.layout)
    smaller = [size // block if isinstance(size, int) else "?" for size in (height, width)]
    return [as_stored((batch, _times(channels, block * block), *smaller), node.layout)]


def _times(size: Dim, factor: int) -> Dim:
    return size * factor if isinstance(size, int) else size if factor == 1 else "?"


def channels_first(shape: Shape, layout: Layout) -> Shape:
    """A feature map's shape as N, C, spatial sizes."""
    return (shape[0], shape[-1], *shape[1:-1]) if layout == "NHWC" and len(shape) > 2 else shape


def as_stored(shape: Shape, layout: Layout) -> Shape:
    """The inverse of :func:`channels_first`."""
    return (shape[0], *shape[2:], shape[1]) if layout == "NHWC" and len(shape) > 2 else shape


def _ints(node: Node, name: str, count: int, default: int = 1) -> tuple[int, ...]:
    return tuple(int(n) for n in node.attributes.get(name) or ()) or (default,) * count
