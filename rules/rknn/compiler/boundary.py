"""What the toolkit puts in of its own: the copy of an image that no convolution reads, operands that are spread."""

from __future__ import annotations

from ..program import Layer, Program
from .make import conv_layer

IMAGE = (1, 3, 4)
"""Channels of an input that lies in memory as an image does."""

EXPANDED = frozenset({"Sub", "Div"})
"""Elementwise layers that do not spread their operand over H and W themselves."""


def copy_images(program: Program) -> None:
    """A 1x1 convolution brings an image into the NPU's layout for all readers that are not convolutions."""
    for name in program.inputs:
        value = program.values[name]
        if len(value.shape) != 4 or value.shape[1] not in IMAGE:
            continue
        readers = [layer for layer in program.consumers(name) if not _reads_images(layer, name)]
        if not readers:
            continue
        copied = program.fresh(f"{name}_image", value.shape, program.dtype)
        conv = conv_layer(program, name, copied, (1, 1), (1, 1), (0,) * 4, (), biased=False)
        program.redirect(name, copied, among=readers)
        program.insert_before(readers[0], conv)


def _reads_images(layer: Layer, name: str) -> bool:
    if layer.kind == "Concat":
        return False
    return layer.kind.startswith("Conv") and layer.inputs[0] == name


def expand_operands(program: Program) -> None:
    """Operands of one pixel a channel, or a row or column of them, are spread by a layer of their own for differences
    and quotients; sums and products take them as they are."""
    for layer in list(program.layers):
        if layer.kind not in EXPANDED or len(layer.inputs) != 2:
            continue
        shape = program.shape(layer.outputs[0])
        for k, name in enumerate(layer.inputs):
            own = program.shape(name)
            if program.constant(name) or len(own) != 4 or own == shape or own[:2] != shape[:2]:
                continue
            spread = program.fresh(f"{name}_expand", shape, program.values[name].dtype)
            vector = program.fresh(f"{spread}_i1", (4,), "int64", constant=True)
            program.insert_before(layer, Layer("Expand", [name, vector], [spread], ()))
            layer.inputs[k] = spread


def pass_inputs_through(program: Program) -> None:
    """An input given out unchanged is copied."""
    for layer in program.layers:
        if layer.kind == "Identity":
            four = len(program.shape(layer.inputs[0])) == 4
            layer.kind = "Transpose" if four else "Reshape"
            layer.attributes = {"perm": (0, 1, 2, 3)} if four else {}
