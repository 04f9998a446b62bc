"""The passes of nncase 0.1, in its order: convolutions first, then what falls away around them.

Source: nncase v0.1.0-rc5, src/NnCase.Cli/Program.cs (the order), src/NnCase.Converter/Transforms and
src/NnCase.Converter.K210/Transforms.
"""

from __future__ import annotations

from collections.abc import Sequence

from .v01_convolutions import (
    activation,
    conv_to_dense,
    dense,
    padded_conv,
    pool,
    same_conv,
    separable_conv,
    stride_2_conv,
)
from .v01_layers import Layer, Net, Transform, chain, connect, must_fit, replace, through


def transforms(*, quantized: bool) -> Sequence[Transform]:
    """In the compiler's order."""
    return QUANTIZED if quantized else FLOAT


# ---- layers that know no chip


def leaky_relu(net: Net, mul: Layer) -> bool:
    """max(x, k * x)"""
    maximum = mul.reader("Maximum") if mul.kind == "Mul" and mul.scalar else None
    if maximum is None or mul.inputs[0] not in maximum.inputs:
        return False
    leaky = Layer("LeakyRelu", mul.dims, mul.wants, (*maximum.origin, *mul.origin), maximum.tensor)
    connect(mul.source, leaky)
    replace(maximum, leaky)
    return True


def same_reshape(net: Net, layer: Layer) -> bool:
    if layer.kind != "Reshape" or layer.wants[0] != layer.dims:
        return False
    replace(layer, layer.source)
    return True


def _there_and_back(kind: str) -> Transform:
    def two_reshapes(net: Net, layer: Layer) -> bool:
        second = layer.reader(kind) if layer.kind == kind else None
        if second is None or second.dims != layer.wants[0]:
            return False
        replace(second, layer.source)
        return True

    return two_reshapes


def flatten(net: Net, layer: Layer) -> bool:
    """A reshape of everything into one row."""
    if layer.kind != "TensorflowReshape" or len(layer.dims) != 2 or layer.dims[1] != layer.source.elements:
        return False
    made = Layer("TensorflowFlatten", layer.dims, layer.wants, layer.origin, layer.tensor)
    connect(layer.source, made)
    replace(layer, made)
    return True


def global_average_pool(net: Net, layer: Layer) -> bool:
    if layer.kind != "AveragePool2d" or layer.window is None or layer.window.kernel != layer.wants[0][2:]:
        return False
    made = Layer("GlobalAveragePool", (*layer.wants[0][:2], 1, 1), layer.wants, layer.origin, layer.tensor)
    if layer.activation:
        made.ignored = (f"the activation {layer.activation}",)

    def rewrite() -> None:
        must_fit(layer, made.dims)
        connect(layer.source, made)
        replace(layer, made)

    return net.attempt(rewrite, layer)


# ---- quantised layers


def _quantized(kind: str) -> Transform:
    """A layer all of whose inputs come from the KPU is computed on their bytes."""

    def quantized(net: Net, layer: Layer) -> bool:
        sources = [source for source in layer.inputs if source is not None]
        if layer.kind != kind or any(source.kind != "Dequantize" for source in sources):
            return False
        made = Layer(f"Quantized{kind}", layer.dims, layer.wants, layer.origin, layer.tensor, layer.window)
        made.ignored = layer.ignored
        if layer.activation:
            made.ignored += (f"the activation {layer.activation}",)
        last = through("Dequantize", made)
        for index, source in enumerate(sources):
            connect(source.source, made, index)
        connect(made, last)
        replace(layer, last)
        return True

    return quantized


def _quantized_concat(kind: str) -> Transform:
    def quantized(net: Net, layer: Layer) -> bool:
        sources = [source for source in layer.inputs if source is not None]
        if layer.kind != kind or any(source.kind != "Dequantize" for source in sources):
            return False
        made = Layer(f"Quantized{kind}", layer.dims, layer.wants, layer.origin, layer.tensor)
        made.ignored = layer.ignored
        last = through("Dequantize", made)
        for index, source in enumerate(sources):
            quantize = through("Quantize", source, layer.origin)
            requantize = through("Requantize", quantize)
            chain(source, quantize, requantize)
            connect(requantize, made, index)
        connect(made, last)
        replace(layer, last)
        return True

    return quantized


def exclusive_concat(net: Net, layer: Layer) -> bool:
    """A concatenation that is the only reader of all its inputs costs nothing: they are written in place."""
    if layer.kind != "Concatenation" or any(len(source.readers) != 1 for source in layer.inputs if source is not None):
        return False
    if any(reader.kind == "ExclusiveConcatenation" for reader, _ in layer.readers):
        return False
    layer.kind = "ExclusiveConcatenation"
    return True


# ---- conversions that cancel


def _cancel(first: str, second: str, *, alone: bool = True) -> Transform:
    """Two layers of which the second undoes the first."""

    def cancel(net: Net, layer: Layer) -> bool:
        if layer.kind != first:
            return False
        undone = layer.reader(second) if alone else layer.first_reader(second)
        if undone is None or not undone.readers:
            return False
        replace(undone, layer.source)
        return True

    return cancel


def _skip(first: str, second: str, *, alone: bool = True) -> Transform:
    """The second of two layers falls away."""

    def skip(net: Net, layer: Layer) -> bool:
        if layer.kind != first:
            return False
        skipped = layer.reader(second) if alone else layer.first_reader(second)
        if skipped is None or not skipped.readers:
            return False
        replace(skipped, layer)
        return True

    return skip


def upload_padded(net: Net, upload: Layer) -> bool:
    """Adding the padding uploads too."""
    add = upload.reader("K210AddPadding") if upload.kind == "K210Upload" else None
    if add is None:
        return False
    connect(upload.source, add)
    return True


FLOAT: Sequence[Transform] = (
    same_reshape,
    _there_and_back("Reshape"),
    _there_and_back("TensorflowReshape"),
    flatten,
    global_average_pool,
    leaky_relu,
    conv_to_dense,
    exclusive_concat,
)
QUANTIZED: Sequence[Transform] = (
    same_reshape,
    _there_and_back("Reshape"),
    _there_and_back("TensorflowReshape"),
    flatten,
    separable_conv,
    padded_conv,
    same_conv,
    stride_2_conv,
    global_average_pool,
    dense,
    leaky_relu,
    activation,
    pool,
    conv_to_dense,
    _cancel("K210AddPadding", "K210RemovePadding"),
    _cancel("K210RemovePadding", "K210AddPadding"),
    _quantized("Add"),
    _quantized("MaxPool2d"),
    _quantized("ResizeNearestNeighbor"),
    exclusive_concat,
    _quantized_concat("ExclusiveConcatenation"),
    _quantized_concat("Concatenation"),
    _cancel("Quantize", "Dequantize", alone=False),
    _cancel("Dequantize", "Quantize", alone=False),
    _skip("InputLayer", "Quantize"),
    _skip("InputLayer", "K210Upload"),
    _skip("K210Conv2d", "K210Upload", alone=False),
    upload_padded,
    _skip("K210Conv2d", "Requantize"),
)
