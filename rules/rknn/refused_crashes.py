"""Layers on which rules of the toolkit's optimiser, or the compiler behind it, stop or crash.

Source: measured with rknn-toolkit2 2.5.0, limits by trying sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from lintmodel.ir import Conv, ConvTranspose, Node, Pad, view
from lintmodel.planning import Refusal

from .subject import Subject, axes_of

SIX_AXES = 6
IMAGE_CHANNELS = 4
"""Convolutions with fewer channels, or these many, read the image as it lies."""


def refusals(subject: Subject) -> Iterator[Refusal]:
    for check in CHECKS:
        yield from check(subject)


def _pads(subject: Subject) -> Iterator[Refusal]:
    for node in subject.of("Pad"):
        pad = Pad(subject.graph, node)
        amounts = pad.amounts
        if amounts is None:
            continue
        if any(size < 0 for pair in amounts for size in pair):
            if not subject.target.limit("builds_negative_pad"):
                yield Refusal("negative-pad", node.name, "Pad: unsupport pads < 0", {"amounts": amounts})
        elif pad.mode == "constant" and any(any(pair) for pair in amounts) and _fused_into_convs(subject, node):
            message = "ValueError: assignment destination is read-only"
            yield Refusal("pad-before-conv", node.name, message, {"amounts": amounts})


def _fused_into_convs(subject: Subject, node: Node) -> bool:
    """Zeros before convolutions of maps, by amounts that stand in the file as they are: the toolkit fuses these, and
    writes into an array that it may not write to."""
    graph = subject.graph
    stored = len(node.inputs) > 1 and graph.is_constant(node.inputs[1])
    axes = subject.read(node, 3) if subject.onnx else ""
    filling = graph.value(subject.read(node, 2)) if subject.read(node, 2) else None
    zeros = filling is None or not filling.any()
    readers = graph.consumers(node.outputs[0])
    convs = bool(readers) and all(reader.op == "Conv" for reader in readers) and node.outputs[0] not in graph.outputs
    return stored and not axes and zeros and convs and axes_of(subject.tensor(node)) == 4


def _scalar_gathers(subject: Subject) -> Iterator[Refusal]:
    """One channel taken out of a convolution's result."""
    for node in subject.of("Gather"):
        source, index = subject.tensor(node), subject.tensor(node, 1)
        maker = subject.graph.producer(source.name)
        axis = int(node.attributes.get("axis", 0))
        alone = len(subject.graph.consumers(source.name)) == 1 and source.name not in subject.graph.outputs
        if maker is None or maker.op != "Conv" or not alone or index.name not in subject.constant:
            continue
        if index.known and axes_of(index) == 0 and axis % max(axes_of(source), 1) == 1:
            yield Refusal("gather-one-channel", node.name, "TypeError: len() of unsized object", {})


def _norms(subject: Subject) -> Iterator[Refusal]:
    if not subject.onnx:
        return
    allowed = subject.target.limit("norm_over_maps")
    for node in subject.of("LayerNormalization"):
        x = subject.tensor(node)
        if "epsilon" not in node.attributes:
            yield Refusal("layernorm-without-epsilon", node.name, "KeyError: 'LayerNormalization'", {})
        if not x.known or axes_of(x) != 4:
            continue
        whole = int(node.attributes.get("axis", -1)) % 4 == 1 and x.sizes[3] > 1
        if whole and ("int8" if subject.quantized else "float16") not in allowed:
            _, channels, height, width = x.sizes
            size = channels * height * width
            message = f"ValueError: cannot reshape array of size {size} into shape (1,{channels},{height},1)"
            yield Refusal("layernorm-over-map", node.name, message, {"shape": x.sizes[1:]})


def _resizes(subject: Subject) -> Iterator[Refusal]:
    for node in subject.of("Resize", "Upsample"):
        x, y = subject.tensor(node), subject.result(node)
        if not x.known or not y.known or x.shape == y.shape:
            continue
        if axes_of(x) > 4:
            yield Refusal("operator-axes", node.name, None, {"op": node.op, "axes": axes_of(x), "limit": 4})
        elif node.attributes.get("mode") == "cubic":
            yield Refusal("cubic-resize", node.name, None, {"before": x.sizes[2:], "after": y.sizes[2:]})


def _pools(subject: Subject) -> Iterator[Refusal]:
    for node in subject.of("MaxPool"):
        if axes_of(subject.tensor(node)) > 4:
            details = {"op": node.op, "axes": axes_of(subject.tensor(node)), "limit": 4}
            yield Refusal("operator-axes", node.name, None, details)


def _outputs(subject: Subject) -> Iterator[Refusal]:
    if subject.target.limit("six_axes_outputs"):
        return
    for name in subject.graph.outputs:
        axes = axes_of(subject.graph.tensor(name))
        if axes >= SIX_AXES:
            maker = subject.graph.producer(name)
            yield Refusal("output-axes", maker.name if maker else None, None, {"output": name, "axes": axes})


def _transposed_convs(subject: Subject) -> Iterator[Refusal]:
    """Large kernels whose stride the hardware does not have: one line of them does not fit into its buffer."""
    limits = subject.target.limit("transposed_tile")
    for node in subject.of("ConvTranspose"):
        conv = view(subject.graph, node)
        if not isinstance(conv, ConvTranspose) or not conv.fixed or axes_of(subject.tensor(node)) != 4:
            continue
        stride, kernel = max(conv.stride), max(conv.kernel)
        if stride > limits["stride"] and kernel > limits["kernel"]:
            message = (
                f"Failed to find a legal channel tile partition: channels={conv.in_channels}, "
                f"CNA limit={limits['bytes']}"
            )
            details = {"stride": stride, "kernel": kernel, "limits": limits}
            yield Refusal("conv-transpose-tile", node.name, limits.get("said") or message, details)


def _image_widths(subject: Subject) -> Iterator[Refusal]:
    """Wide images: the rows that a kernel covers must fit into the buffer of the first convolution."""
    limits = subject.target.limit("image_rows")
    if not limits:
        return
    bytes_ = 1 if subject.quantized else 2
    for node in subject.of("Conv"):
        conv = view(subject.graph, node)
        if not isinstance(conv, Conv) or not conv.fixed or axes_of(subject.tensor(node)) != 4:
            continue
        first = node.inputs[0] in subject.graph.inputs and conv.in_channels <= int(limits["channels"])
        rows = conv.kernel[0] * conv.width * IMAGE_CHANNELS * bytes_
        wide = conv.width > limits["width"] and conv.kernel[0] >= limits["wide_kernel"]
        if first and (rows > limits["bytes"] or wide):
            details = {"width": conv.width, "kernel": conv.kernel[0], "rows": rows, "limits": limits}
            yield Refusal("image-width", node.name, "failed to tile argb mode layer!", details)


def _masks(subject: Subject) -> Iterator[Refusal]:
    """Where by values that are computed, on a chip that has no truth values."""
    if subject.target.limit("computes_masks"):
        return
    for node in subject.of("Where"):
        mask, result = subject.tensor(node), subject.result(node)
        if mask.name in subject.constant:
            continue
        repeated = mask.known and result.known and prod(mask.sizes) < prod(result.sizes)
        message = f"Meet unsupported conv, input tensor name: {mask.name} input type: 3"
        yield Refusal("mask", node.name, message if repeated else "Not support prec type: -1", {})


def _integer_divisions(subject: Subject) -> Iterator[Refusal]:
    for node in subject.of("Div"):
        divisor = subject.tensor(node, 1)
        if divisor.dtype.startswith(("int", "uint")) and subject.root(divisor.name) in subject.graph.inputs:
            yield Refusal("division-by-input", node.name, None, {"dtype": divisor.dtype})


CHECKS: tuple[Callable[[Subject], Iterator[Refusal]], ...] = (
    _pads,
    _scalar_gathers,
    _norms,
    _resizes,
    _pools,
    _outputs,
    _transposed_convs,
    _image_widths,
    _masks,
    _integer_divisions,
)
