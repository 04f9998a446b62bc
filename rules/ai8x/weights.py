"""The weights of a checkpoint, handed to the layers in izer's order: by position, not by name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lintmodel.ir import Document

from .settings import Settings


@dataclass(frozen=True, slots=True)
class Weights:
    """One weight tensor and what belongs to it."""

    name: str
    """Of the tensor: ``conv1.op.weight``."""
    shape: tuple[int, ...]
    bits: int
    """As the checkpoint says, 8 where it does not; 1 for weights that are all zero."""
    bias: int | None = None
    """Number of bias values; None without a bias."""
    bias_is_zero: bool = False
    digest: str = ""
    """Equal for equal values; empty where all values are the same, as in a checkpoint that has only shapes."""


def tensors(document: Document) -> tuple[Weights, ...] | None:
    """Every weight tensor of the checkpoint with two dimensions or more, in its order; None without a checkpoint."""
    if document.checkpoint is None:
        return None
    stored = document.checkpoint.tensors
    found = []
    for name, tensor in stored.items():
        layer, dot, parameter = name.rpartition(".")
        if not dot or parameter != "weight" or len(tensor.shape) < 2:
            continue
        module = layer.rpartition(".")[0] if name.count(".") > 1 else layer
        width = stored.get(f"{module}.weight_bits")
        bits = int(width.values[0]) if width is not None and width.values else 8
        bias = stored.get(f"{layer}.bias")
        found.append(
            Weights(
                name,
                tensor.shape,
                1 if tensor.zero else bits or 8,
                None if bias is None else (bias.shape[0] if bias.shape else 1),
                bias is not None and bool(bias.zero),
                tensor.digest if tensor.least != tensor.most else "",
            )
        )
    return tuple(found)


def by_layer(document: Document, layers: Sequence[Settings]) -> list[Weights | None] | None:
    """The weights of every layer; None where it has none, or the checkpoint has too few. None without a checkpoint."""
    stored = tensors(document)
    if stored is None:
        return None
    remaining = iter(stored)
    found: list[Weights | None] = []
    for layer in layers:
        own = layer.op != "passthrough" and not layer.bypass and layer.weight_source is None
        found.append(next(remaining, None) if own else None)
    for index, layer in enumerate(layers):
        source = layer.weight_source
        if source is not None and 0 <= source < len(found) and layer.op != "passthrough":
            found[index] = found[source]
    return found
