"""Models that build and are wrong: a number did not fit into its register, which the log says and the toolkit ignores.

``E RKNN: REGTASK: The bit width of field value exceeds the limit`` stands in the log, build and export return 0, and
what the register is left with is another number. Limits are per chip, in its sheet.

Source: measured with rknn-toolkit2 2.5.0, by trying sizes; that the results are wrong was not seen on a board.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from lintmodel.ir import Conv, ConvTranspose, Graph, Node, Pool, view
from lintmodel.planning import Refusal
from lintmodel.target import Target

from .subject import Subject, axes_of

STRIDE_FIELD = 7
"""Largest stride of a convolution; twice and four times as much are done in steps."""

POSITIONS = 64
"""Rows and columns of scores between positions. Fewer columns are bins, as in a detection head, whose layer the toolkit
lays out in another way; tried with 16 bins and 8,400 rows."""


def suspects(graph: Graph, target: Target, *, quantized: bool) -> tuple[Refusal, ...]:
    """Nodes of a network that builds whose layers overflow a register."""
    subject = Subject(graph, target, quantized)
    return tuple(found for check in CHECKS for found in check(subject))


def _overflow(kind: str, node: Node, value: int, limit: int, what: str) -> Refusal:
    message = f"REGTASK: The bit width of field value exceeds the limit, limit: {limit:#x}, value: {value:#x}"
    return Refusal(kind, node.name, message, {"what": what, "value": value, "limit": limit})


def _strides(subject: Subject) -> Iterator[Refusal]:
    for node in subject.of("Conv", "AveragePool", "MaxPool"):
        window = view(subject.graph, node)
        if not isinstance(window, Conv | Pool) or axes_of(subject.tensor(node)) != 4:
            continue
        splits = _in_small_steps if node.op == "MaxPool" else _in_even_steps
        wrong = next((stride for stride in window.stride if not splits(stride)), None)
        if wrong is not None:
            yield _overflow("stride-overflow", node, wrong, STRIDE_FIELD, "stride")


def _in_even_steps(stride: int) -> bool:
    """A convolution is done in two or more when what is left after halving fits the register."""
    if stride <= STRIDE_FIELD:
        return True
    while stride % 2 == 0:
        stride //= 2
    return stride <= STRIDE_FIELD


def _in_small_steps(stride: int) -> bool:
    """A pool is done as several, one for every factor."""
    for factor in range(2, STRIDE_FIELD + 1):
        while stride % factor == 0:
            stride //= factor
    return stride == 1


def _transposed_strides(subject: Subject) -> Iterator[Refusal]:
    limits = subject.target.limit("transposed_tile")
    for node in subject.of("ConvTranspose"):
        conv = view(subject.graph, node)
        if not isinstance(conv, ConvTranspose) or not conv.fixed or axes_of(subject.tensor(node)) != 4:
            continue
        stride = max(conv.stride)
        patches = conv.kernel == conv.stride and _in_small_steps(stride) and stride <= limits["patch"]
        if stride > limits["stride"] and not patches:
            yield _overflow("stride-overflow", node, stride - 1, STRIDE_FIELD, "stride of a transposed convolution")


def _widths(subject: Subject) -> Iterator[Refusal]:
    """Wide maps that a convolution reads."""
    limits = subject.target.limit("map_width")
    if not limits:
        return
    for node in subject.of("Conv"):
        conv = view(subject.graph, node)
        if not isinstance(conv, Conv) or not conv.fixed or axes_of(subject.tensor(node)) != 4:
            continue
        image = node.inputs[0] in subject.graph.inputs and conv.in_channels <= 4
        width = conv.width + (conv.pads[1] + conv.pads[3] if image else 0)
        if image and not limits["image"]:
            continue
        if width > limits["width"] and (conv.height > 1 or not limits["tall"]):
            yield _overflow("size-overflow", node, width, limits["width"], "width")


def _channels(subject: Subject) -> Iterator[Refusal]:
    """Maps of so many channels that the chip writes them in one piece and cannot count it."""
    bounds = subject.target.limit("channel_field")
    if not bounds:
        return
    for node in subject.of("Conv", "GlobalAveragePool", "Softmax"):
        shape = subject.result(node).sizes if subject.result(node).known else ()
        count = _softmax_length(subject, node) if node.op == "Softmax" else shape[1] if len(shape) > 1 else 0
        alone = node.op != "Softmax" or count == prod(shape)
        if bounds["channels"] < count <= bounds["tiled"] and alone:
            yield _overflow("size-overflow", node, count, bounds["channels"], "channels")


def _softmaxes(subject: Subject) -> Iterator[Refusal]:
    limits = subject.target.limit("softmax_fields")
    for node in subject.of("Softmax"):
        result = subject.result(node)
        if not result.known or not result.sizes:
            continue
        length, elements = _softmax_length(subject, node), result.elements
        last = length == result.sizes[-1]
        plane = elements // max(length * result.sizes[0], 1)
        if limits.get("length") and length > limits["length"] and length == elements:
            yield _overflow("size-overflow", node, length, limits["length"], "length of the axis")
        elif limits.get("plane") and not last and plane > limits["plane"]:
            yield _overflow("size-overflow", node, plane, limits["plane"], "height x width")
        elif limits.get("attention") and last and axes_of(result) == 4 and result.sizes[1] > 1:
            low, high = limits["attention"]
            positions = min(result.sizes[-2:]) >= POSITIONS
            if positions and low <= elements < high and not _in_attention(subject, node):
                yield _overflow("size-overflow", node, elements, low, "elements")


def _in_attention(subject: Subject, node: Node) -> bool:
    """Its result is multiplied with a matrix: the three become one layer."""
    return any(reader.op == "MatMul" for reader in subject.graph.consumers(node.outputs[0]))


def _softmax_length(subject: Subject, node: Node) -> int:
    """Values that are added up: those of one axis, before opset 13 those of all behind it too."""
    sizes = subject.result(node).sizes
    old = subject.onnx and subject.graph.opsets.get("", 13) < 13
    axis = int(node.attributes.get("axis", 1 if old else -1))
    return prod(sizes[axis:]) if old else sizes[axis]


def _norms(subject: Subject) -> Iterator[Refusal]:
    """Normalisations of long rows: those of every channel of a large map."""
    limits = subject.target.limit("norm_fields").get("int8" if subject.quantized else "float16")
    if not limits:
        return
    for node in subject.of("InstanceNormalization"):
        sizes = subject.tensor(node).sizes if subject.tensor(node).known else ()
        length = prod(sizes[2:])
        if length > limits["length"] and length % limits["multiple"] == 0:
            yield _overflow("size-overflow", node, length, limits["length"], "height x width")


def _transposes(subject: Subject) -> Iterator[Refusal]:
    """Channels to the end or to the front, of large maps."""
    limits = subject.target.limit("transpose_field")
    if not limits:
        return
    for node in subject.of("Transpose"):
        x = subject.tensor(node)
        perm = tuple(node.attributes.get("perm", ()))
        if not x.known or perm not in ((0, 2, 3, 1), (0, 3, 1, 2)) or x.sizes[1] <= limits["channels"]:
            continue
        _, _, height, width = x.sizes
        plane = height * (width if width % 4 == 0 else -(-width // 16) * 16)
        if plane > limits["plane"]:
            yield _overflow("size-overflow", node, plane, limits["plane"], "height x width")


CHECKS: tuple[Callable[[Subject], Iterator[Refusal]], ...] = (
    _strides,
    _transposed_strides,
    _widths,
    _channels,
    _softmaxes,
    _norms,
    _transposes,
)
