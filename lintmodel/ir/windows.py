"""Views of feature maps and of what slides a window over them: convolutions and pools."""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar

from .graph import Tensor
from .view import View

Pads = tuple[int, int, int, int]
"""top, left, bottom, right, in pixels (ONNX's order)."""


class Spatial(View):
    """A view whose data input and output are feature maps: N, channels, and spatial sizes."""

    def _axis(self, tensor: Tensor, axis: int) -> int:
        """Size of a logical N,C,H,W axis in the tensor's own layout; 1 where the tensor has no such axis."""
        sizes = tensor.sizes
        if self.node.layout == "NHWC" and len(sizes) >= 3:
            sizes = sizes[0], sizes[-1], *sizes[1:-1]
        return sizes[axis] if axis < len(sizes) else 1

    @property
    def batch(self) -> int:
        return self._axis(self.x, 0)

    @property
    def in_channels(self) -> int:
        return self._axis(self.x, 1)

    @property
    def out_channels(self) -> int:
        return self._axis(self.y, 1)

    @property
    def height(self) -> int:
        return self._axis(self.x, 2)

    @property
    def width(self) -> int:
        return self._axis(self.x, 3)

    @property
    def out_height(self) -> int:
        return self._axis(self.y, 2)

    @property
    def out_width(self) -> int:
        return self._axis(self.y, 3)

    @property
    def rank(self) -> int:
        """Number of spatial dimensions: 1 for a 1-D convolution, 2 for images."""
        return len(self.x.sizes) - 2


class Windowed(Spatial):
    """A view with a sliding window: convolutions and pools. 1-D windows read as height x 1."""

    def _two(self, values: tuple[int, ...]) -> tuple[int, int]:
        return (values[0], values[1]) if len(values) > 1 else (values[0], 1)

    @property
    def kernel(self) -> tuple[int, int]:
        """height, width"""
        raise NotImplementedError

    @property
    def stride(self) -> tuple[int, int]:
        return self._two(self.ints("strides", (1, 1)))

    @property
    def dilation(self) -> tuple[int, int]:
        return self._two(self.ints("dilations", (1, 1)))

    @property
    def pads(self) -> Pads:
        """Padding in pixels, ``auto_pad`` worked out."""
        auto = str(self.node.attributes.get("auto_pad", "NOTSET"))
        if auto.startswith("SAME"):
            both = [self._same(axis, upper=auto == "SAME_UPPER") for axis in (0, 1)]
            return both[0][0], both[1][0], both[0][1], both[1][1]
        if auto == "VALID":
            return 0, 0, 0, 0
        pads = self.ints("pads", (0, 0, 0, 0))
        return (pads[0], 0, pads[1], 0) if len(pads) == 2 else (pads[0], pads[1], pads[-2], pads[-1])

    def _same(self, axis: int, *, upper: bool) -> tuple[int, int]:
        size = (self.height, self.width)[axis]
        stride, reach = self.stride[axis], (self.kernel[axis] - 1) * self.dilation[axis] + 1
        total = max(0, (-(-size // stride) - 1) * stride + reach - size)
        low, high = total // 2, total - total // 2
        return (low, high) if upper else (high, low)


class Conv(Windowed):
    """Convolution, grouped and depthwise ones included. Weights are input 1, the bias is input 2."""

    ops: ClassVar[frozenset[str]] = frozenset({"Conv"})

    @property
    def fixed(self) -> bool:
        known = self.x.known and self.y.known and self.weight.known
        return known and min(len(self.x.sizes), len(self.weight.sizes)) >= 3

    @cached_property
    def weight(self) -> Tensor:
        return self.graph.tensor(self.node.inputs[1] if len(self.node.inputs) > 1 else "")

    @property
    def bias(self) -> Tensor | None:
        return self.input(2)

    @property
    def groups(self) -> int:
        return self.integer("group", 1)

    @property
    def kernel(self) -> tuple[int, int]:
        sizes = self.weight.sizes
        if self.node.layout == "NCHW":
            return self._two(sizes[2:])
        return self._two(sizes[1:-1] if len(sizes) < 5 else sizes[:3])  # TFLite: O,H,W,I, but D,H,W,I,O for CONV_3D

    @property
    def depthwise(self) -> bool:
        """One group for every input channel (and more than one of them)."""
        return self.groups > 1 and self.groups == self.in_channels

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one batch."""
        kernel_height, kernel_width = self.kernel
        return self.y.elements * self.in_channels // self.groups * kernel_height * kernel_width


class ConvTranspose(Conv):
    """Transposed convolution. ``output_padding`` is height, width."""

    ops: ClassVar[frozenset[str]] = frozenset({"ConvTranspose"})

    @property
    def output_padding(self) -> tuple[int, int]:
        return self._two(self.ints("output_padding", (0, 0)))

    def _same(self, axis: int, *, upper: bool) -> tuple[int, int]:
        """Here the padding crops the result, so it follows from the output's size."""
        size, out = (self.height, self.width)[axis], (self.out_height, self.out_width)[axis]
        reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1
        total = max(0, (size - 1) * self.stride[axis] + self.output_padding[axis] + reach - out)
        low, high = total // 2, total - total // 2
        return (low, high) if upper else (high, low)

    @property
    def macs(self) -> int:
        kernel_height, kernel_width = self.kernel
        return self.x.elements * self.out_channels // self.groups * kernel_height * kernel_width


class Pool(Windowed):
    """Maximum and average pooling; a global pool's window is the whole feature map."""

    ops: ClassVar[frozenset[str]] = frozenset({"MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool"})

    @property
    def kind(self) -> str:
        """``max`` or ``average``"""
        return "max" if "Max" in self.node.op else "average"

    @property
    def is_global(self) -> bool:
        return self.node.op.startswith("Global")

    @property
    def kernel(self) -> tuple[int, int]:
        if self.is_global:
            return self.height, self.width
        return self._two(self.ints("kernel_shape", (1, 1)))
