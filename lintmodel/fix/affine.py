"""``scale * x + shift`` for every channel: what a BatchNormalization, or sums and products with constants, compute,
and how it goes into the weights of the convolution or dense layer beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..ir import Graph, Node
from .change import Change
from .patterns import FLOATS, constant, like, one_output, plain, read_by

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WEIGHTED = ("Conv", "ConvTranspose", "Gemm")


@dataclass(frozen=True, slots=True)
class Affine:
    """Nodes in a row, from the one that reads ``x``, that compute ``scale * x + shift``."""

    x: str
    nodes: tuple[Node, ...]
    scale: Array
    shift: Array
    """float64, one value per channel (axis 1), as ``scale``."""


def affine(graph: Graph, node: Node) -> Affine | None:
    """What one node computes, where it is such a thing."""
    import numpy as np

    if not plain(node) or "activation" in node.attributes:
        return None
    shape = graph.tensor(node.inputs[0]).shape
    if node.op == "BatchNormalization":
        values = [constant(graph, name) for name in node.inputs[1:5]]
        if len(node.inputs) < 5 or node.attributes.get("training_mode", 0) or not one_output(graph, node):
            return None
        if node.attributes.get("spatial", 1) == 0 or any(value is None for value in values):
            return None
        gamma, beta, mean, variance = (np.asarray(value, "float64").reshape(-1) for value in values)
        scale = gamma / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
        return Affine(node.inputs[0], (node,), scale, beta - mean * scale)
    if node.op not in ("Add", "Sub", "Mul", "Div") or len(node.inputs) != 2 or not same_float(graph, node):
        return None
    fixed = [k for k in (0, 1) if graph.is_constant(node.inputs[k])]
    if len(fixed) != 1 or (node.op == "Div" and fixed == [0]):
        return None
    x = node.inputs[1 - fixed[0]]
    shape = graph.tensor(x).shape
    channels = shape[1] if shape is not None and len(shape) > 1 else None
    if shape is None or not isinstance(channels, int):
        return None
    value = _per_channel(graph, node.inputs[fixed[0]], len(shape), channels)
    if value is None or (node.op == "Div" and not value.all()):
        return None
    one, zero = np.ones(channels), np.zeros(channels)
    if node.op == "Add":
        scale, shift = one, value
    elif node.op == "Sub":
        scale, shift = (one, -value) if fixed == [1] else (-one, value)
    else:
        scale, shift = (value if node.op == "Mul" else 1 / value), zero
    return Affine(x, (node,), scale, shift)


def behind(graph: Graph, layer: Node) -> Affine | None:
    """The longest row of such nodes behind a convolution or dense layer, whose values nothing else reads."""
    found: Affine | None = None
    name = layer.outputs[0]
    while (reader := read_by(graph, name)) is not None:
        each = affine(graph, reader)
        if each is None or each.x != name:
            break
        found, name = (each if found is None else _then(found, each)), reader.outputs[0]
    return found


def before(graph: Graph, layer: Node) -> Iterator[Affine]:
    """The rows of such nodes in front of a layer, the longest first."""
    rows: list[Affine] = []
    name = layer.inputs[0]
    while (maker := graph.producer(name)) is not None and read_by(graph, name) is not None:
        each = affine(graph, maker)
        if each is None:
            break
        rows.append(each if not rows else _then(each, rows[-1]))
        name = each.x
    return reversed(rows)


def folded_behind(graph: Graph, layer: Node, row: Affine, text: str, node: str) -> Change | None:
    """The layer with the row's computation in its weights and bias; None where the weights are not in the file."""
    found = _parameters(graph, layer)
    if found is None or found[0].dtype.name not in FLOATS:
        return None
    weight, bias = found
    axis = _output_axis(layer)
    groups = int(layer.attributes.get("group", 1)) if layer.op == "ConvTranspose" else 1
    outputs = weight.shape[axis] * groups
    if row.scale.size != outputs or bias.size != outputs:
        return None
    if layer.op == "ConvTranspose":  # weights are in, out / groups, ...: every block of inputs has its own outputs
        blocks = weight.astype("float64").reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
        scale = row.scale.reshape(groups, 1, weight.shape[1], *(1,) * (weight.ndim - 2))
        scaled = (blocks * scale).reshape(weight.shape)
    else:
        scaled = weight * row.scale.reshape([-1 if k == axis else 1 for k in range(weight.ndim)])
    return _folded(layer, row, scaled.astype(weight.dtype), bias * row.scale + row.shift, weight, text, node, True)


def folded_before(graph: Graph, layer: Node, row: Affine, text: str, node: str) -> Change | None:
    """The same for a row in front of the layer. None where it is not exact: padding is 0 behind the row, and what the
    row makes of 0 would be another value."""
    import numpy as np

    found = _parameters(graph, layer)
    if found is None or found[0].dtype.name not in FLOATS:
        return None
    weight, bias = found
    shifted = bool(np.any(row.shift))
    if shifted and (layer.op == "ConvTranspose" or not unpadded(layer)):
        return None
    groups = int(layer.attributes.get("group", 1))
    if layer.op == "ConvTranspose":
        axis, scale, shift = 0, row.scale, row.shift
    elif layer.op == "Gemm":
        axis, scale, shift = (1 if layer.attributes.get("transB", 0) else 0), row.scale, row.shift
    else:  # weights are out, in / groups, ...: every block of outputs has its own inputs
        axis = 1
        if row.scale.size != weight.shape[1] * groups or weight.shape[0] % groups:
            return None
        each = weight.shape[0] // groups
        scale, shift = (
            np.repeat(values.reshape(groups, 1, -1), each, 1).reshape(-1, weight.shape[1])
            for values in (row.scale, row.shift)
        )
    if layer.op == "Conv":
        wide = (*scale.shape, *(1,) * (weight.ndim - 2))
        scale, shift = scale.reshape(wide), shift.reshape(wide)
        added = (weight * shift).sum(axis=tuple(range(1, weight.ndim)))
    else:
        if scale.size != weight.shape[axis]:
            return None
        wide = tuple(-1 if k == axis else 1 for k in range(weight.ndim))
        scale, shift = scale.reshape(wide), shift.reshape(wide)
        added = (weight * shift).sum(axis=axis) if layer.op == "Gemm" else 0.0
    bias = bias + added
    return _folded(layer, row, (weight * scale).astype(weight.dtype), bias, weight, text, node, False)


def _folded(
    layer: Node, row: Affine, weight: Array, bias: Array, was: Array, text: str, node: str, at_end: bool
) -> Change:
    names = layer.inputs[1], (*layer.inputs[2:], "")[0] or f"{layer.name}.bias"
    x, y = (layer.inputs[0], row.nodes[-1].outputs[0]) if at_end else (row.x, layer.outputs[0])
    attributes = {"alpha": None, "beta": None} if layer.op == "Gemm" else {}
    new = like(layer, (x, *names), (y,), **attributes)
    remove = (layer.name, *(each.name for each in row.nodes))
    return Change(node, text, remove, (new,), {names[0]: weight, names[1]: bias.astype(was.dtype)})


def _parameters(graph: Graph, layer: Node) -> tuple[Array, Array] | None:
    """Weights, and the bias or zeros. None where they are not in the file, or are used in an uncommon way."""
    import numpy as np

    weight = constant(graph, layer.inputs[1]) if len(layer.inputs) > 1 else None
    if weight is None or weight.ndim < 2 or len(layer.outputs) != 1:
        return None
    attributes = layer.attributes
    if layer.op == "Gemm" and (attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1):
        return None
    if layer.op == "Gemm" and attributes.get("transA", 0):
        return None
    groups = int(attributes.get("group", 1)) if layer.op == "ConvTranspose" else 1
    outputs = weight.shape[_output_axis(layer)] * groups
    if len(layer.inputs) < 3 or not layer.inputs[2]:
        return weight, np.zeros(outputs)
    bias = constant(graph, layer.inputs[2])
    if bias is None or bias.size not in (1, outputs) or (bias.size > 1 and bias.shape[-1] != outputs):
        return None
    return weight, np.broadcast_to(bias.astype("float64").reshape(-1), (outputs,))


def _output_axis(layer: Node) -> int:
    if layer.op == "ConvTranspose":
        return 1
    return 0 if layer.op == "Conv" or layer.attributes.get("transB", 0) else 1


def unpadded(layer: Node) -> bool:
    auto = str(layer.attributes.get("auto_pad", "NOTSET"))
    return auto in ("NOTSET", "VALID") and not any(layer.attributes.get("pads") or ())


def _per_channel(graph: Graph, name: str, rank: int, channels: int) -> Array | None:
    """A constant as one value per channel, where it is no other along any other axis and makes nothing larger."""
    import numpy as np

    shape = graph.tensor(name).shape
    if shape is None or len(shape) > rank:
        return None
    wide = (1,) * (rank - len(shape)) + tuple(shape)
    if any(size != 1 for axis, size in enumerate(wide) if axis != 1) or wide[1] not in (1, channels):
        return None
    value = constant(graph, name)
    return None if value is None else np.broadcast_to(value.astype("float64").reshape(-1), (channels,))


def same_float(graph: Graph, node: Node) -> bool:
    return graph.tensor(node.outputs[0]).dtype in FLOATS


def _then(first: Affine, second: Affine) -> Affine:
    scale, shift = first.scale * second.scale, first.shift * second.scale + second.shift
    return Affine(first.x, first.nodes + second.nodes, scale, shift)
