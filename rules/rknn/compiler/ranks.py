"""Windows over one or three axes, which the NPU slides over two."""

from __future__ import annotations

from ..program import Layer, Program, Shape

WINDOWS = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"})


def lift_windows(program: Program) -> None:
    """(n,c,w) is (n,c,1,w); of (n,c,d,h,w) the depth goes to the channels, and a convolution mixes both."""
    for layer in list(program.layers):
        if layer.kind not in WINDOWS or len(layer.outputs) != 1:
            continue
        rank = len(program.shape(layer.inputs[0]))
        if rank == 3:
            _one_axis(program, layer)
        elif rank == 5 and layer.kind.startswith("Conv") and layer.attributes["group"] == 1:
            _three_axes(program, layer)


def _one_axis(program: Program, layer: Layer) -> None:
    a = layer.attributes
    if "kernel_shape" in a:
        low, high = a["pads"]
        a |= {word: (1, *a[word]) for word in ("kernel_shape", "strides", "dilations")}
        a |= {"pads": (0, low, 0, high)}
    if layer.kind.startswith("Conv") and program.constant(layer.inputs[1]):
        outputs, channels, width = program.shape(layer.inputs[1])
        layer.inputs[1] = _weight(program, layer.inputs[1], (outputs, channels, 1, width))
    source, result = program.shape(layer.inputs[0]), program.shape(layer.outputs[0])
    _wrap(program, layer, (*source[:2], 1, source[2]), (*result[:2], 1, result[2]))


def _three_axes(program: Program, layer: Layer) -> None:
    a = layer.attributes
    if not program.constant(layer.inputs[1]):
        return
    kernel, pads = a["kernel_shape"], a["pads"]
    source, result = program.shape(layer.inputs[0]), program.shape(layer.outputs[0])
    mixed = source[1] * source[2], result[1] * result[2]
    if layer.kind == "Conv":
        mixed = mixed[1], mixed[0]
    a |= {word: a[word][1:] for word in ("kernel_shape", "strides", "dilations")}
    a |= {"pads": (*pads[1:3], *pads[4:6])}
    layer.inputs[1] = _weight(program, layer.inputs[1], (*mixed, *kernel[1:]))
    program.values[layer.inputs[1]].load = None
    _wrap(
        program,
        layer,
        (source[0], source[1] * source[2], *source[3:]),
        (result[0], result[1] * result[2], *result[3:]),
    )


def _weight(program: Program, name: str, shape: Shape) -> str:
    new = program.fresh(f"{name}_2d", shape, constant=True)
    program.values[new].load = program.values[name].load
    return new


def _wrap(program: Program, layer: Layer, source: Shape, result: Shape) -> None:
    """The layer between two Reshapes."""
    before = program.fresh(f"{layer.inputs[0]}_rs", source, program.values[layer.inputs[0]].dtype)
    after = program.fresh(f"{layer.outputs[0]}-rs", result, program.values[layer.outputs[0]].dtype)
    program.insert_before(layer, Layer("Reshape", [layer.inputs[0]], [before], ()))
    program.insert_after(layer, Layer("Reshape", [after], list(layer.outputs), ()))
    layer.inputs[0], layer.outputs = before, [after]
