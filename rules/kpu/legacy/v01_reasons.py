"""Why a convolution that is left over matches no pattern of nncase 0.1: everything that keeps it from one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .v01_convolutions import PADS, SMALLEST
from .v01_layers import Layer, Window

Reason = tuple[str, Mapping[str, Any]]
"""Name of the rule that speaks about it, and the numbers it needs."""


def reasons(conv: Layer) -> Iterator[Reason]:
    """At least one."""
    found = [*_sizes(conv), *(("conv-not-matched", {"reason": reason}) for reason in _window(conv))]
    yield from found or [("conv-not-matched", {"reason": "it matches no pattern of nncase 0.1"})]


def _sizes(conv: Layer) -> Iterator[Reason]:
    high, wide = conv.wants[0][2:]
    if min(high, wide) < SMALLEST:
        yield "map-under-4x4", {"which": "input", "height": high, "width": wide}


def _window(conv: Layer) -> Iterator[str]:
    window = conv.window
    if window is None:
        return
    kernel, stride = "x".join(map(str, window.kernel)), "x".join(map(str, window.stride))
    source = conv.inputs[0]
    padded = source is not None and source.kind in PADS
    if window.kernel not in ((1, 1), (3, 3)):
        yield f"kernel is {kernel}; nncase 0.1 has 1x1 and 3x3"
    elif window.kernel == (1, 1) and window.stride != (1, 1):
        yield f"1x1 kernel with stride {stride}; nncase 0.1 has it with stride 1"
    elif window.stride not in ((1, 1), (2, 2)):
        yield f"stride is {stride}; nncase 0.1 has 1x1 and 2x2"
    elif padded and source is not None and len(source.readers) > 1:
        yield "the padding before it is read by another layer too; nncase 0.1 joins padding and convolution one to one"
    elif conv.depthwise and window.stride == (2, 2):
        yield from _strided_depthwise(window, padded)
    elif not window.same and not padded and window.kernel == (3, 3):
        yield f"3x3 kernel with stride {stride} and padding 'valid' without a padding of 1 before it"
    elif window.stride == (2, 2) and any(size % 2 for size in conv.wants[0][2:]):
        size = "x".join(map(str, conv.wants[0][2:]))
        yield f"padding 'same' with stride 2 over a map of {size}; nncase 0.1 has it for even sizes"


def _strided_depthwise(window: Window, padded: bool) -> Iterator[str]:
    needs = "nncase 0.1 has stride 2 with padding of 1 before it, 'valid', and a 1x1 convolution alone behind it"
    if window.same or not padded:
        yield f"depthwise 3x3 with stride 2 and padding '{'same' if window.same else 'valid'}'; {needs}"
    else:
        yield f"depthwise 3x3 with stride 2 is not read by a 1x1 convolution alone; {needs}"
