"""Layers that only copy, put in where the operands of a sum must lie word by word beside each other."""

from __future__ import annotations

from dataclasses import replace

from .cnn_layers import CnnLayer, Lowered


def with_copies(found: Lowered) -> list[CnnLayer]:
    """All layers in order, with a copy of every operand that something else needs where it is.

    The operands of an element-wise layer interleave: each is written with a gap for the others. What another layer
    reads too, what came from outside, and what is an output of the network must lie without gaps; of these the sum
    gets a copy of its own.
    """
    layers = []
    for layer in found.layers:
        if layer.eltwise == "none":
            layers.append(layer)
            continue
        reads = []
        for number, tensor in enumerate(layer.reads):
            if _its_own(found, layer, tensor):
                reads.append(tensor)
                continue
            name = f"{tensor} (operand {number} of {layer.name})"
            copied = CnnLayer(
                "passthrough", [f"{layer.name} operand {number}"], (tensor,), name, layer.source, layer.source
            )
            copied.one_dimension = layer.one_dimension
            layers.append(copied)
            reads.append(name)
        layers.append(replace(layer, reads=tuple(reads)))
    return layers


def _its_own(found: Lowered, layer: CnnLayer, tensor: str) -> bool:
    inside = any(tensor in parts for parts in found.concats.values())
    outside = tensor in found.inputs or tensor in found.concats or tensor in found.outputs
    once = layer.reads.count(tensor) == 1
    return once and found.readers(tensor) == [layer] and not inside and not outside
