"""The TFLite networks of the recorded verdicts. Weights are zeros, so that a Slice's cut keeps the range of its data:
what was recorded is the least that can be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tflite
from tflite_writer import Op, T, tflite_model

PADDINGS = [[0, 0], [1, 1], [1, 1], [0, 0]]


def _model(tensors: list[T], ops: list[Op], output: str) -> bytes:
    image = T("x", (1, 32, 32, 3))
    return tflite_model([image, *tensors], ops, "x", output)


def _conv(name: str, source: str, shape: tuple[int, ...], ins: int, kernel: int = 3, **options: Any) -> tuple[Any, Op]:
    padding = getattr(tflite.Padding, options.pop("padding", "SAME"))
    stride, depthwise = options.pop("stride", 1), options.pop("depthwise", False)
    weights = (1, kernel, kernel, ins) if depthwise else (shape[3], kernel, kernel, ins)
    tensors = [T(f"{name}_w", weights, zeros=True), T(f"{name}_b", (shape[3],), zeros=True), T(name, shape)]
    fields: dict[str, Any] = {"Padding": padding, "StrideW": stride, "StrideH": stride}
    code, table = ("CONV_2D", "Conv2DOptions")
    if depthwise:
        code, table, fields["DepthMultiplier"] = "DEPTHWISE_CONV_2D", "DepthwiseConv2DOptions", 1
    return tensors, Op(code, f"{source} {name}_w {name}_b", name, table, **fields)


def same_stride_2() -> bytes:
    """Keras's padding="same" on an even size: padded at the bottom and on the right only."""
    tensors, conv = _conv("y", "x", (1, 16, 16, 8), 3, stride=2)
    return _model(tensors, [conv], "y")


def zero_padding_valid(stride: int) -> bytes:
    """ZeroPadding2D(((1, 1), (1, 1))) before padding="valid"."""
    size = 32 // stride
    tensors, conv = _conv("y", "padded", (1, size, size, 8), 3, stride=stride, padding="VALID")
    pad = Op("PAD", "x paddings", "padded", "PadOptions")
    return _model([T("paddings", (4, 2), "INT32", PADDINGS), T("padded", (1, 34, 34, 3)), *tensors], [pad, conv], "y")


def depthwise_stride_2() -> bytes:
    """The activation stands between the Slice and the next convolution, so that the Slice has a range of its own."""
    first, a = _conv("a", "x", (1, 32, 32, 16), 3)
    second, b = _conv("b", "a", (1, 16, 16, 16), 16, stride=2, depthwise=True)
    third, c = _conv("c", "leaky", (1, 16, 16, 8), 16, 1)
    leaky = Op("LEAKY_RELU", "b", "leaky", "LeakyReluOptions", Alpha=0.25)
    return _model([*first, *second, T("leaky", (1, 16, 16, 16)), *third], [a, b, leaky, c], "c")


def scaled_input() -> bytes:
    """Keras's Rescaling(1 / 255)."""
    tensors, conv = _conv("y", "scaled", (1, 32, 32, 8), 3)
    scale = T("scale", (), "FLOAT32", 1 / 255)
    return _model(
        [scale, T("scaled", (1, 32, 32, 3)), *tensors], [Op("MUL", "x scale", "scaled", "MulOptions"), conv], "y"
    )


def normalised_input() -> bytes:
    """Mean and deviation of each channel."""
    tensors, conv = _conv("y", "scaled", (1, 32, 32, 8), 3)
    constants = [T("mean", (3,), "FLOAT32", [0.4, 0.5, 0.6]), T("scale", (3,), "FLOAT32", [4.0, 4.1, 4.2])]
    made = [T("centred", (1, 32, 32, 3)), T("scaled", (1, 32, 32, 3))]
    ops = [Op("SUB", "x mean", "centred", "SubOptions"), Op("MUL", "centred scale", "scaled", "MulOptions"), conv]
    return _model([*constants, *made, *tensors], ops, "y")


NETWORKS: dict[str, Callable[[], bytes]] = {
    "same_stride_2": same_stride_2,
    "zero_padding_valid_stride_2": lambda: zero_padding_valid(2),
    "zero_padding_valid_stride_1": lambda: zero_padding_valid(1),
    "depthwise_stride_2": depthwise_stride_2,
    "scaled_input": scaled_input,
    "normalised_input": normalised_input,
}
