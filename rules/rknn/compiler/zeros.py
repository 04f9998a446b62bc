"""Convolutions whose weights are all zero: what they make is known, and with it all that is made of nothing else."""

from __future__ import annotations

from ..program import Layer, Program
from .importer import drop_unread


def fold_zeros(program: Program) -> None:
    """A branch that ends in such a convolution vanishes; its result is a constant. Models that were never trained have
    them, behind the zero-initialised last normalisation of a residual block. Measured with RKNN-Toolkit2 2.5.0.

    Where no convolution has other weights the file holds placeholders, and nothing is folded."""
    zero = {id(layer): _all_zero(program, layer) for layer in program.layers if layer.kind == "Conv"}
    if True not in zero.values() or False not in zero.values():
        return
    kept: list[Layer] = []
    for layer in program.layers:
        known = bool(layer.inputs) and all(program.constant(name) for name in layer.inputs)
        if (known or zero.get(id(layer))) and not any(name in program.outputs for name in layer.outputs):
            for name in layer.outputs:
                program.values[name].constant = True
            program.folded |= dict.fromkeys(layer.nodes, ())
        else:
            kept.append(layer)
    program.layers = kept
    drop_unread(program)


def _all_zero(program: Program, layer: Layer) -> bool | None:
    """None when the weights are not at hand."""
    load = program.values[layer.inputs[1]].load if program.constant(layer.inputs[1]) else None
    value = load() if load is not None else None
    if value is None or value.size == 0:
        return None
    # The first few numbers tell nearly always, without a look at all of them.
    return not value.reshape(-1)[:16].any() and not value.any()
