"""What goes into a convolution: batch normalisation, constant factors and sums, additions, activations.

A convolution that took something in says so in its kind: ``ConvRelu``, ``ConvAdd``, ``ConvExSwish``,
``ConvTransposeHardSwish``. Its further inputs are the other operand of an addition and the slopes of a PRelu.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from ..program import Layer, Program
from .affine import per_channel, scales_only

SUFFIX = {"exSwish": "ExSwish", "exGelu": "ExGelu", "exMish": "ExMish", "Abs": "LeakyRelu"}
"""Activations that a fused convolution spells otherwise than the layer of their own does."""

TABLES = frozenset({"Sigmoid", "Tanh", "HardSigmoid", "HardSwish", "exSwish", "exGelu", "exMish", "Softplus", "Elu"})
"""Activations that the NPU computes with a table."""

SUMMED = frozenset({"Conv", "ConvRelu", "ConvLeakyRelu", "ConvPRelu"})
"""Convolutions that go on to add or multiply."""

BEFORE_RELU = frozenset({"Add", "Mul", "ConvAdd", "ConvMul", "BatchNormalization"})
"""Layers besides convolutions that take in a Relu."""


def depthwise(program: Program, layer: Layer) -> bool:
    """One filter a channel, and as many results as channels: what the log calls a depthwise convolution."""
    weight = program.shape(layer.inputs[1])
    group = layer.attributes.get("group", 1)
    return bool(group > 1 and len(weight) > 2 and weight[1] == 1 and weight[0] == group)


def fold_affine(program: Program) -> None:
    """Batch normalisation, and constants added or multiplied channel by channel, go into the convolution before."""
    for layer in list(program.layers):
        if layer.kind not in ("Conv", "ConvTranspose") or not program.constant(layer.inputs[1]):
            continue
        while (reader := program.sole_consumer(layer.outputs[0])) is not None:
            if not per_channel(program, reader, layer.outputs[0]):
                break
            _absorb(program, layer, reader)
            if program.quantized or reader.kind not in ("Mul", "Div"):
                _give_bias(program, layer)


def fold_affine_forward(program: Program) -> None:
    """What no convolution before could take goes into the one behind, when that pads with no zeros."""
    for layer in reversed(program.layers):
        if layer.kind not in ("BatchNormalization", "Mul", "Add", "Sub", "Div"):
            continue
        source = next((name for name in layer.inputs if not program.constant(name)), None)
        reader = program.sole_consumer(layer.outputs[0])
        if source is None or reader is None or reader.kind != "Conv" or not per_channel(program, layer, source):
            continue
        if any(reader.attributes["pads"]) or not program.constant(reader.inputs[1]):
            continue
        if reader.inputs[0] != layer.outputs[0]:
            continue
        reader.inputs[0] = source
        reader.nodes = (*layer.nodes, *reader.nodes)
        _give_bias(program, reader)
        program.remove(layer)


def drop_scales(program: Program) -> None:
    """A positive factor in front of a Relu can as well stand behind it, and goes into the convolution there."""
    for layer in scales_only(program):
        relu = program.sole_consumer(layer.outputs[0])
        if relu is None or relu.kind != "Relu":
            continue
        readers = program.consumers(relu.outputs[0])
        if not readers or relu.outputs[0] in program.outputs or any(r.kind != "Conv" for r in readers):
            continue
        relu.inputs = [layer.inputs[0]]
        relu.nodes = (*layer.nodes, *relu.nodes)
        program.remove(layer)


def merge_sums(program: Program) -> None:
    """Sums of convolutions of one tensor, of its batch normalisation, and of itself, are one convolution."""
    for add in list(program.layers):
        if add.kind != "Add" or len(add.inputs) != 2 or add.inputs[0] == add.inputs[1]:
            continue
        left, right = (_linear(program, name, add) for name in add.inputs)
        if left is not None and right is not None and left.inputs[0] == right.inputs[0]:
            _merge(program, left, right, add)
            continue
        for conv, other in ((left, add.inputs[1]), (right, add.inputs[0])):
            if conv is not None and prod(conv.attributes.get("kernel_shape", ())) > 1 and conv is left:
                continue
            same = conv is not None and program.shape(other) == program.shape(conv.outputs[0])
            if conv is not None and same and conv.kind == "Conv" and conv.inputs[0] == other:
                _absorb(program, conv, add)
                break


def _merge(program: Program, left: Layer, right: Layer, add: Layer) -> None:
    """Two branches of a sum as one convolution, the one with the larger kernel."""
    if "Conv" not in (left.kind, right.kind):
        return
    if left.kind == right.kind and not _alike(left, right):
        return
    kept = max(
        (branch for branch in (left, right) if branch.kind == "Conv"),
        key=lambda branch: prod(branch.attributes["kernel_shape"]),
    )
    gone = right if kept is left else left
    kept.nodes = (*gone.nodes, *kept.nodes)
    program.remove(gone)
    _give_bias(program, kept)
    _absorb(program, kept, add)


def _alike(left: Layer, right: Layer) -> bool:
    """Two convolutions that can be added: the second has the larger kernel, or both are of one size."""
    a, b = left.attributes, right.attributes
    if a["group"] != b["group"] or prod(a["kernel_shape"]) > prod(b["kernel_shape"]):
        return False
    return bool(a["strides"] == b["strides"] and a["dilations"] == b["dilations"])


def fuse_activations(program: Program) -> None:
    """The activation behind a convolution."""
    operators = program.target.operators
    for layer in list(program.layers):
        if layer.kind not in ("Conv", "ConvTranspose"):
            continue
        reader = _reader(program, layer)
        if reader is None or reader.kind in ("Add", "Mul"):
            continue
        kind = reader.kind
        fits = kind in operators["convtranspose_fuses" if layer.kind == "ConvTranspose" else "conv_fuses"]
        if layer.kind == "Conv" and kind in TABLES and len(layer.inputs) > 2 and layer.inputs[2]:
            fits = fits and kind in operators["biased_conv_fuses"]
        if not fits or (kind == "PRelu" and not program.constant(reader.inputs[1])):
            continue
        layer.kind += kind if layer.kind == "ConvTranspose" else SUFFIX.get(kind, kind)
        if kind == "PRelu":
            layer.inputs += [*([""] if len(layer.inputs) == 2 else []), reader.inputs[1]]
        _take_place(program, layer, reader)


def fuse_sums(program: Program) -> None:
    """An addition, or a product, goes into an operand that is a convolution nobody else reads, if the other operand is
    made by a layer too."""
    depth = _depths(program)
    for layer in list(program.layers):
        if layer.kind not in ("Add", "Mul") or len(layer.inputs) != 2 or layer.inputs[0] == layer.inputs[1]:
            continue
        if any(program.shape(name) != program.shape(layer.outputs[0]) for name in layer.inputs):
            continue
        if any(name in program.inputs for name in layer.inputs):
            continue
        conv = _absorbing(program, layer, depth)
        if conv is None:
            continue
        other = layer.inputs[1] if layer.inputs[0] == conv.outputs[0] else layer.inputs[0]
        if program.constant(other):
            continue
        conv.kind += layer.kind
        conv.attributes["addend"] = other
        conv.inputs.append(other)
        _take_place(program, conv, layer)


def fuse_last_activations(program: Program) -> None:
    """A Relu behind an addition, a product or a batch normalisation, alone or in a convolution."""
    for layer in list(program.layers):
        reader = _reader(program, layer) if layer.kind in BEFORE_RELU else None
        if reader is not None and reader.kind == "Relu":
            layer.kind += "Relu"
            _take_place(program, layer, reader)


def _reader(program: Program, layer: Layer) -> Layer | None:
    """The one layer that reads the result, as its first input."""
    reader = program.sole_consumer(layer.outputs[0])
    return reader if reader is not None and reader.inputs[0] == layer.outputs[0] else None


def _absorb(program: Program, layer: Layer, reader: Layer) -> None:
    """``reader`` is done by ``layer``, which now makes its result."""
    layer.outputs[0] = reader.outputs[0]
    layer.nodes = (*layer.nodes, *reader.nodes)
    program.remove(reader)


def _take_place(program: Program, layer: Layer, reader: Layer) -> None:
    """``reader`` is done by ``layer``, which runs where that stood."""
    program.remove(layer)
    program.insert_before(reader, layer)
    _absorb(program, layer, reader)


def _give_bias(program: Program, conv: Layer) -> None:
    if len(conv.inputs) > 2 and conv.inputs[2]:
        return
    channels = program.shape(conv.outputs[0])[1]
    del conv.inputs[2:]
    conv.inputs.append(program.fresh(f"{conv.inputs[1]}_bias", (channels,), constant=True))


def _linear(program: Program, name: str, add: Layer) -> Layer | None:
    """What makes the tensor for ``add`` alone, when it is a convolution that keeps the map's size, or a batch
    normalisation."""
    layer = program.producer(name)
    if layer is None or layer.kind not in ("Conv", "BatchNormalization") or program.sole_consumer(name) is not add:
        return None
    same = program.shape(layer.inputs[0]) == program.shape(add.outputs[0])
    if layer.kind == "BatchNormalization":
        return layer if same else None
    a = layer.attributes
    plain = set(a["strides"]) == {1} and set(a["dilations"]) == {1} and program.constant(layer.inputs[1])
    centred = all(2 * p == k - 1 for p, k in zip(a["pads"], a["kernel_shape"] * 2, strict=True))
    return layer if plain and centred and (a["group"] == 1 or (same and depthwise(program, layer))) else None


def _absorbing(program: Program, layer: Layer, depth: Mapping[str, int]) -> Layer | None:
    """Of the operands' producers the convolution that only this layer reads: of two the one nearer to the inputs, and
    of two equally near the one that comes first."""
    found = []
    for name in layer.inputs:
        conv = program.producer(name)
        if conv is None or conv.kind not in SUMMED or not program.constant(conv.inputs[1]):
            continue
        table = "depthwise_conv_fuses" if depthwise(program, conv) else "conv_fuses"
        if program.sole_consumer(name) is layer and layer.kind in program.target.operators[table]:
            found.append(conv)
    return min(found, key=lambda conv: (depth.get(conv.outputs[0], 0), _index(program, conv)), default=None)


def _depths(program: Program) -> dict[str, int]:
    """How many layers lie between a tensor and the inputs, on the longest way."""
    depth: dict[str, int] = {}
    for layer in program.layers:
        own = 1 + max((depth.get(name, 0) for name in layer.inputs), default=0)
        depth |= dict.fromkeys(layer.outputs, own)
    return depth


def _index(program: Program, layer: Layer) -> int:
    return next(k for k, other in enumerate(program.layers) if other is layer)
