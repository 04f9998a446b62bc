"""Working memory that a kernel asks the interpreter for beside its tensors.

Of the portable reference kernels; those that CMSIS-NN, ESP-NN, Ethos-U or Xtensa bring along ask for other sizes.

Source: tflite-micro, tensorflow/lite/micro/kernels/*.cc, calls of RequestScratchBufferInArena; measured with the wheel
tflite_micro from PyPI.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod

from lintmodel.ir import Graph, Node, Tensor

Sizes = list[int]
Kernel = Callable[[Graph, Node], Sizes]

POINTER = 8
"""Bytes of a pointer where the wheel was measured; 4 on a 32-bit microcontroller."""
QUANTISED = {"int8": 4, "int16": 8}
"""Bytes of an accumulator by the type of the feature map."""


def scratch(graph: Graph, node: Node) -> Sizes | None:
    """Bytes of every buffer the kernel asks for, in the order it asks; None when its options would have to be known.

    The node's tensors must have fixed shapes.
    """
    if node.native_op == "TFLite_Detection_PostProcess":
        return None
    kernel = KERNELS.get(node.native_op)
    return kernel(graph, node) if kernel else []


def _tensor(graph: Graph, names: tuple[str, ...], index: int) -> Tensor:
    return graph.tensor(names[index] if index < len(names) else "")


def _unpacked_weights(graph: Graph, node: Node) -> Sizes:
    """4-bit weights are written out with a byte each."""
    weight = _tensor(graph, node.inputs, 1)
    return [weight.elements] if weight.dtype == "int4" and weight.known else []


def _pointers(graph: Graph, node: Node) -> Sizes:
    return [POINTER * len(node.inputs)]


def _counters(graph: Graph, node: Node) -> Sizes:
    """One number for every dimension of the input and one for every axis reduced."""
    axes = _tensor(graph, node.inputs, 1)
    return [4 * len(_tensor(graph, node.inputs, 0).shape or ()), 4 * (axes.elements if axes.known else 1)]


def _sums(graph: Graph, node: Node) -> Sizes:
    total = _tensor(graph, node.outputs, 0)
    quantised = _tensor(graph, node.inputs, 0).dtype in QUANTISED
    return ([4 * total.elements] if quantised else []) + _counters(graph, node)


def _accumulators(graph: Graph, node: Node) -> Sizes:
    """A transposed convolution adds into its whole output in a wider type."""
    width = QUANTISED.get(_tensor(graph, node.inputs, 0).dtype)
    return [width * _tensor(graph, node.outputs, 0).elements] if width else []


def _svdf(graph: Graph, node: Node) -> Sizes:
    """Data, feature weights, time weights, bias, state: a number for every filter, and for every unit."""
    x, features = _tensor(graph, node.inputs, 0), _tensor(graph, node.inputs, 1)
    filters = 4 * x.sizes[0] * features.sizes[0]
    return [filters, 4 * _tensor(graph, node.outputs, 0).elements] if x.dtype == "int8" else [filters]


def _lstm(graph: Graph, node: Node) -> Sizes:
    """Four buffers the size of the cell state, which is input 19."""
    state = _tensor(graph, node.inputs, 19)
    return [prod(state.sizes) * (4 if state.dtype == "float32" else 2)] * 4 if state.known else []


def _mirror(graph: Graph, node: Node) -> Sizes:
    return [4 * len(_tensor(graph, node.inputs, 0).shape or ())] * 2


def _fourier(graph: Graph, node: Node) -> Sizes:
    """The frame, as long as the transform: its result has one complex number for two samples, and one more."""
    out = _tensor(graph, node.outputs, 0)
    return [(out.sizes[-1] - 2) * {"int16": 2}.get(out.dtype, 4)]


KERNELS: Mapping[str, Kernel] = {
    "ADD_N": _pointers,
    "CONV_2D": _unpacked_weights,
    "DEPTHWISE_CONV_2D": _unpacked_weights,
    "FULLY_CONNECTED": _unpacked_weights,
    "MEAN": _sums,
    "SUM": _sums,
    "REDUCE_ALL": _counters,
    "REDUCE_MAX": _counters,
    "REDUCE_MIN": _counters,
    "MIRROR_PAD": _mirror,
    "SVDF": _svdf,
    "TRANSPOSE_CONV": _accumulators,
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _lstm,
    "SignalRfft": _fourier,
}
"""By TFLite's name. A kernel that is not listed asks for nothing."""
