"""Activations spelled in several operators that the toolkit knows besides those of every front end."""

from __future__ import annotations

from ..program import Layer, Program


def recognise_activations(program: Program) -> None:
    """x * sigmoid(a * x) is ``exSwish``, x * tanh(softplus(x)) is ``exMish``, one bound alone stays."""
    for product in [layer for layer in program.layers if layer.kind == "Mul" and len(layer.inputs) == 2]:
        for x, gate in (product.inputs, product.inputs[::-1]):
            inner = _swish(program, x, gate) or _mish(program, x, gate)
            if inner is None or x == gate:
                continue
            kind, layers = inner
            for layer in layers:
                program.remove(layer)
            nodes = tuple(node for layer in reversed(layers) for node in layer.nodes)
            new = Layer(kind, [x], list(product.outputs), (*nodes, *product.nodes))
            program.replace(product, [new])
            break


def _swish(program: Program, x: str, gate: str) -> tuple[str, list[Layer]] | None:
    """x * sigmoid(a * x), the factor left out or not."""
    sigmoid = _only(program, gate, "Sigmoid")
    if sigmoid is None:
        return None
    if sigmoid.inputs[0] == x:
        return "exSwish", [sigmoid]
    scale = _only(program, sigmoid.inputs[0], "Mul")
    if scale is None or x not in scale.inputs:
        return None
    factor = scale.inputs[1] if scale.inputs[0] == x else scale.inputs[0]
    single = program.constant(factor) and all(size == 1 for size in program.shape(factor))
    return ("exSwish", [sigmoid, scale]) if single else None


def _mish(program: Program, x: str, gate: str) -> tuple[str, list[Layer]] | None:
    tanh = _only(program, gate, "Tanh")
    softplus = _only(program, tanh.inputs[0], "Softplus") if tanh is not None else None
    if tanh is None or softplus is None or softplus.inputs[0] != x:
        return None
    return "exMish", [tanh, softplus]


def _only(program: Program, name: str, kind: str) -> Layer | None:
    """What makes the tensor, if it is of this kind and one layer alone reads it."""
    layer = program.producer(name)
    return layer if layer is not None and layer.kind == kind and program.sole_consumer(name) is not None else None
