"""How long the kmodel of nncase 0.1 is, byte by byte.

Source: nncase v0.1.0-rc5, src/NnCase.Converter.K210/Converters/Stages/Generate/Generator.cs and the layers'
arguments in Converters/Layers.
"""

from __future__ import annotations

from collections.abc import Sequence

from .v01_layers import Layer

WORDS = {
    "Add": 5,
    "QuantizedAdd": 14,
    "GlobalAveragePool": 5,
    "MaxPool2d": 16,
    "AveragePool2d": 16,
    "QuantizedMaxPool2d": 15,
    "Quantize": 6,
    "Dequantize": 6,
    "Requantize": 4 + 64,
    "L2Normalization": 4,
    "Softmax": 4,
    "Logistic": 4,
    "TensorflowFlatten": 6,
    "ResizeNearestNeighbor": 9,
    "QuantizedResizeNearestNeighbor": 9,
    "K210AddPadding": 4,
    "K210RemovePadding": 4,
    "K210Upload": 6,
}
"""Length of a layer's arguments in 32-bit words; a requantisation has its table among them."""
HEADER = 7 * 4
REGISTERS = 12 * 8
ACTIVATION = 16 * 8 + 2 * 8
"""Sixteen pieces of the function, and their offsets."""


def model_bytes(layers: Sequence[Layer], outputs: int) -> int:
    """Length of the file with these layers, in order, weights of 8 bits."""
    end = HEADER + 8 * outputs + 8 * len(layers)
    for layer in layers:
        start = _up(end, 8) if layer is not layers[0] else end  # what fills up the last one is not written
        end = _conv(layer, start) if layer.kind == "K210Conv2d" else start + _body(layer)
    return end


def _body(layer: Layer) -> int:
    if layer.kind.endswith("Concatenation"):
        return 3 * 4 + 8 * len(layer.inputs)
    if layer.kind == "FullyConnected":
        return 6 * 4 + 4 * (layer.weights + layer.dims[1])
    return 4 * WORDS[layer.kind]


def _conv(layer: Layer, start: int) -> int:
    """End of a convolution: its registers, its weights, scale and offset of every channel, and its activation."""
    weights = _up(_up(start + 6 * 4, 8) + REGISTERS, 128)
    channels = _up(weights + layer.weights, 128)
    return _up(channels + 8 * layer.dims[1], 256) + ACTIVATION


def _up(position: int, to: int) -> int:
    return -(-position // to) * to
