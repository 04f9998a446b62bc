"""Layers that the toolkit makes of its own: convolutions with weights it computes, pools."""

from __future__ import annotations

from collections.abc import Sequence

from ..program import Layer, Program


def conv_layer(
    program: Program,
    source: str,
    result: str,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    nodes: tuple[str, ...],
    *,
    biased: bool,
    group: int = 1,
    weight: str = "",
) -> Layer:
    """A convolution; ``pads`` are top, left, bottom, right. Without ``weight`` the weights are made up. A toolkit-made
    bias is an input of its own only when ``biased``."""
    channels, out = program.shape(source)[1], program.shape(result)[1]
    weight = weight or program.fresh(f"{result}_i1", (out, channels // group, *kernel), constant=True)
    inputs = [source, weight]
    if biased:
        inputs.append(program.fresh(f"{result}_i2", (out,), constant=True))
    attributes = {"kernel_shape": tuple(kernel), "strides": tuple(strides), "dilations": (1,) * len(tuple(kernel))}
    return Layer("Conv", inputs, [result], nodes, attributes | {"pads": tuple(pads), "group": group})


def depthwise_layer(
    program: Program,
    source: str,
    result: str,
    kernel: Sequence[int],
    strides: Sequence[int],
    pads: Sequence[int],
    nodes: tuple[str, ...],
    *,
    biased: bool,
) -> Layer:
    """A convolution of every channel by itself, as means over windows are."""
    group = program.shape(source)[1]
    return conv_layer(program, source, result, kernel, strides, pads, nodes, biased=biased, group=group)


def pool_layer(
    source: str, result: str, kernel: Sequence[int], strides: Sequence[int], pads: Sequence[int], nodes: tuple[str, ...]
) -> Layer:
    attributes = {"kernel_shape": tuple(kernel), "strides": tuple(strides), "pads": tuple(pads), "dilations": (1, 1)}
    return Layer("MaxPool", [source], [result], nodes, attributes | {"group": 1})
