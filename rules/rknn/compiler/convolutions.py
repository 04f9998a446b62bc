"""Convolutions larger than the NPU takes in one layer: kernels, strides, dilations, pads, groups, input channels.

Every border here was read off layer tables that RKNN-Toolkit2 2.5.0 printed.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..layout import channel_unit
from ..program import Layer, Program
from .fuse import depthwise
from .make import depthwise_layer

KERNEL, STRIDE, PAD, DILATION = 16, 7, 15, 31
"""Longest kernel side, stride, border and dilation of one layer."""


def split_groups(program: Program) -> None:
    """Grouped convolutions: two groups of full channel blocks apart, all others as one dense one with zeros between.
    Transposed ones are always taken apart."""
    for layer in list(program.layers):
        group = layer.attributes.get("group", 1)
        if layer.kind not in ("Conv", "ConvTranspose") or group == 1 or len(program.shape(layer.inputs[0])) != 4:
            continue
        weight = program.shape(layer.inputs[1])
        channels, outputs = program.shape(layer.inputs[0])[1] // group, program.shape(layer.outputs[0])[1] // group
        single = channels == 1 and outputs == 1
        if single or not program.constant(layer.inputs[1]):
            continue
        unit = channel_unit(program.target, program.dtype)
        full = group == 2 and channels % unit == 0
        if layer.kind == "ConvTranspose" or full:
            _apart(program, layer, group)
        else:
            layer.inputs[1] = program.fresh(
                f"{layer.inputs[1]}_dense", (weight[0], channels * group, *weight[2:]), constant=True
            )
            layer.attributes["group"] = 1


def shape_depthwise_weights(program: Program) -> None:
    """Depthwise weights as the log prints them: (1, C, kh, kw)."""
    for layer in program.layers:
        if layer.kind.startswith("Conv") and not layer.kind.startswith("ConvTranspose") and depthwise(program, layer):
            value = program.values[layer.inputs[1]]
            value.shape = (1, value.shape[0], *value.shape[2:])


def decompose_convolutions(program: Program) -> None:
    """Kernels, strides, dilations and borders beyond what one layer takes."""
    for layer in list(program.layers):
        if layer.kind not in ("Conv", "ConvTranspose") or len(program.shape(layer.inputs[0])) != 4:
            continue
        if layer.kind == "ConvTranspose":
            _transposed(program, layer)
            continue
        a = layer.attributes
        if max(a["dilations"]) > DILATION:
            layer = _spread(program, layer)
        elif max(a["kernel_shape"]) > KERNEL and max(a["dilations"]) == 1 and program.constant(layer.inputs[1]):
            _split_kernel(program, layer)
            continue
        elif max(a["pads"]) > PAD:
            _pad_before(program, layer)
        _long_stride(program, layer)


def tile_channels(program: Program) -> None:
    """Where the weights for one result are too many bytes, the input channels are split and the results added up."""
    size = 1 if program.quantized else 2
    for layer in list(program.layers):
        if layer.kind != "Conv" or layer.attributes["group"] != 1 or not program.constant(layer.inputs[1]):
            continue
        channels = program.shape(layer.inputs[0])[1]
        reach = 1
        for kernel, dilation in zip(layer.attributes["kernel_shape"], layer.attributes["dilations"], strict=True):
            reach *= (kernel - 1) * dilation + 1
        most = int(program.target.limit("conv_column_bytes")) // (reach * size)
        step = int(program.target.limit("conv_tile_channels"))
        if channels <= most or most < step:
            continue
        most -= most % step
        count = -(-channels // most)
        part = channels // count if channels % count == 0 and (channels // count) % step == 0 else most
        _tile(program, layer, [min(part, channels - at) for at in range(0, channels, part)])


def _tile(program: Program, layer: Layer, parts: Sequence[int]) -> None:
    source, result = layer.inputs[0], layer.outputs[0]
    batch, _, *size = program.shape(source)
    weight = program.shape(layer.inputs[1])
    pieces = [program.fresh(f"{source}_split", (batch, part, *size)) for part in parts]
    split = Layer("Split", [source], pieces, layer.nodes, {"axis": 1, "split": tuple(parts)})
    convs: list[Layer] = []
    for k, (piece, part) in enumerate(zip(pieces, parts, strict=True)):
        inputs = [piece, program.fresh(f"{layer.inputs[1]}_tile{k}", (weight[0], part, *weight[2:]), constant=True)]
        inputs += layer.inputs[2:] if k == 0 else []
        convs.append(Layer("Conv", inputs, [program.fresh(f"{result}_tile{k}", program.shape(result))], layer.nodes))
        convs[-1].attributes = dict(layer.attributes)
    order = [convs[1], convs[0], *convs[2:]]
    program.replace(layer, [split, *_sum(program, order, result, layer.nodes)])


def _sum(program: Program, convs: Sequence[Layer], result: str, nodes: tuple[str, ...]) -> list[Layer]:
    """The convolutions, each but the first adding what those before it made."""
    fused = "Add" in program.target.operators["conv_fuses"] and not depthwise(program, convs[0])
    fused = fused and max(convs[0].attributes["strides"]) <= STRIDE
    rows, total = [convs[0]], convs[0].outputs[0]
    for conv in convs[1:]:
        if fused:
            conv.kind = "ConvAdd"
            conv.inputs.append(total)
            conv.attributes["addend"] = total
            total = conv.outputs[0]
            rows.append(conv)
            continue
        name = program.fresh(f"{conv.outputs[0]}_add", program.shape(result))
        rows += [conv, Layer("Add", [total, conv.outputs[0]], [name], nodes)]
        total = name
    rows[-1].outputs[0] = result
    return rows


def _apart(program: Program, layer: Layer, group: int) -> None:
    """Split, a convolution a group, Concat."""
    source, result = layer.inputs[0], layer.outputs[0]
    batch, channels, *size = program.shape(source)
    _, outputs, *out = program.shape(result)
    weight = program.shape(layer.inputs[1])
    pieces = [program.fresh(f"{source}_group", (batch, channels // group, *size)) for _ in range(group)]
    results = [program.fresh(f"{result}_group", (batch, outputs // group, *out)) for _ in range(group)]
    split = Layer(
        "Split", [source], pieces, layer.nodes, {"axis": 1, "split": (channels // group,) * group, "kept": True}
    )
    rows = [split]
    for piece, part in zip(pieces, results, strict=True):
        inputs = [piece, program.fresh(f"{layer.inputs[1]}_group", (weight[0] // group, *weight[1:]), constant=True)]
        if len(layer.inputs) > 2 and layer.inputs[2]:
            inputs.append(program.fresh(f"{layer.inputs[2]}_group", (outputs // group,), constant=True))
        rows.append(Layer(layer.kind, inputs, [part], layer.nodes, dict(layer.attributes) | {"group": 1}))
    program.replace(layer, [*rows, Layer("Concat", results, [result], layer.nodes, {"axis": 1, "kept": True})])


def _long_stride(program: Program, layer: Layer) -> None:
    """A stride of 8 or more is a shorter one and then every n-th pixel; odd ones are left, and overflow."""
    while max(layer.attributes["strides"]) > STRIDE:
        strides = layer.attributes["strides"]
        first = [_factor(s) for s in strides]
        rest = tuple(s // f for s, f in zip(strides, first, strict=True))
        if max(rest) == 1:
            return
        size = _windows(program, layer, first)
        result, channels = layer.outputs[0], program.shape(layer.outputs[0])[1]
        layer.attributes["strides"] = tuple(first)
        layer.outputs = [program.fresh(f"{result}_split", (program.shape(result)[0], channels, *size))]
        select = depthwise_layer(
            program, layer.outputs[0], result, (1, 1), rest, (0, 0, 0, 0), layer.nodes, biased=False
        )
        program.insert_after(layer, select)
        layer = select


def _factor(stride: int) -> int:
    if stride <= STRIDE or stride % 2:
        return stride
    return max(f for f in range(1, STRIDE + 1) if stride % f == 0)


def _windows(program: Program, layer: Layer, strides: Sequence[int]) -> list[int]:
    """How many windows fit along each axis."""
    a, size = layer.attributes, program.shape(layer.inputs[0])[2:]
    reach = [(k - 1) * d + 1 for k, d in zip(a["kernel_shape"], a["dilations"], strict=True)]
    return [(size[k] + a["pads"][k] + a["pads"][k + 2] - reach[k]) // strides[k] + 1 for k in (0, 1)]


def _pad_before(program: Program, layer: Layer) -> None:
    """Borders wider than a convolution takes are a Pad of their own."""
    pads = layer.attributes["pads"]
    layer.inputs[0] = _pad(program, layer, layer.inputs[0], pads)
    layer.attributes["pads"] = (0, 0, 0, 0)


def _pad(program: Program, layer: Layer, source: str, pads: Sequence[int], *, before: Layer | None = None) -> str:
    batch, channels, height, width = program.shape(source)
    result = program.fresh(f"{source}_pad", (batch, channels, height + pads[0] + pads[2], width + pads[1] + pads[3]))
    row = Layer(
        "Pad", [source], [result], layer.nodes, {"mode": "constant", "pads": (0, 0, *pads[:2], 0, 0, *pads[2:])}
    )
    program.insert_before(before or layer, row)
    return result


def _spread(program: Program, layer: Layer) -> Layer:
    """Long dilations: Gather lays out every pixel a window reads, one axis after the other."""
    a = layer.attributes
    out = program.shape(layer.outputs[0])[2:]
    source = layer.inputs[0]
    for axis in (0, 1):
        pads = [0, 0, 0, 0]
        if a["pads"][axis] or a["pads"][axis + 2]:
            pads[axis + 2] = 1  # one zero is enough: every window outside reads that
            source = _pad(program, layer, source, pads)
        shape = list(program.shape(source))
        shape[axis + 2] = a["kernel_shape"][axis] * out[axis]
        index = program.fresh(f"{source}_indices", (shape[axis + 2],), "int64", constant=True)
        result = program.fresh(f"{source}_gather", shape)
        program.insert_before(layer, Layer("Gather", [source, index], [result], layer.nodes, {"axis": axis + 2}))
        source = result
    layer.inputs[0] = source
    layer.attributes |= {"dilations": (1, 1), "pads": (0, 0, 0, 0), "strides": tuple(a["kernel_shape"])}
    return layer


def _split_kernel(program: Program, layer: Layer) -> None:
    """A kernel longer than 16: windows of 16 over shifted slices of the padded map, added up."""
    a = layer.attributes
    result, out = layer.outputs[0], program.shape(layer.outputs[0])
    weight = program.shape(layer.inputs[1])
    pieces: list[list[tuple[str, int, int]]] = []
    for source, width in _shifted(program, layer, layer.inputs[0], 1):
        pieces.append([(piece, height, width) for piece, height in _shifted(program, layer, source, 0)])
    first: list[Layer] = []
    rest: list[list[Layer]] = []
    for column in pieces:
        convs: list[Layer] = []
        for piece, height, width in column:
            name = program.fresh(f"{layer.inputs[1]}_part", (*weight[:2], height, width), constant=True)
            made = program.fresh(f"{piece}_conv", out)
            inputs = [piece, name, *(layer.inputs[2:] if not (first or convs) else [])]
            kept = tuple(p if a["kernel_shape"][k % 2] <= KERNEL else 0 for k, p in enumerate(a["pads"]))
            attributes = dict(a) | {"kernel_shape": (height, width), "pads": kept}
            convs.append(Layer("Conv", inputs, [made], layer.nodes, attributes))
        order = [convs[1], convs[0], *convs[2:]] if len(convs) > 1 else convs
        first.append(order[0])
        rest.append(order)
    if len(rest) > 1 and len(rest[0]) == 1:
        order = [rest[1][0], rest[0][0], *(column[0] for column in rest[2:])]
        _put(program, layer, _sum(program, order, result, layer.nodes))
        return
    rows, total = list(first) if len(rest) > 1 else [], ""
    for k, order in enumerate(rest):
        name = result if len(rest) == 1 else program.fresh(f"{result}_column", out)
        rows += [row for row in _sum(program, order, name, layer.nodes) if row not in first or len(rest) == 1]
        if total:
            done = result if k == len(rest) - 1 else program.fresh(f"{result}_add", out)
            rows.append(Layer("Add", [total, name], [done], layer.nodes))
            name = done
        total = name
    _put(program, layer, rows)


def _put(program: Program, layer: Layer, rows: list[Layer]) -> None:
    """The parts of a large kernel in its place; the stride of each may be too long, too."""
    program.replace(layer, rows)
    for row in rows:
        if row.kind.startswith("Conv"):
            _long_stride(program, row)


def _shifted(program: Program, layer: Layer, source: str, axis: int) -> list[tuple[str, int]]:
    """Slices of the padded map along an axis, each with the part of the kernel that runs over it."""
    a = layer.attributes
    kernel = a["kernel_shape"][axis]
    if kernel <= KERNEL:
        return [(source, kernel)]
    pads = [0, 0, 0, 0]
    pads[axis], pads[axis + 2] = a["pads"][axis], a["pads"][axis + 2]
    if any(pads):
        source = _pad(program, layer, source, pads)
    found = []
    count = (program.shape(layer.outputs[0])[axis + 2] - 1) * a["strides"][axis]
    for start in range(0, kernel, KERNEL):
        part = min(KERNEL, kernel - start)
        shape = list(program.shape(source))
        shape[axis + 2] = count + part
        result = program.fresh(f"{source}_slice", shape)
        bounds = {"axes": (axis + 2,), "starts": (start,), "ends": (start + count + part,), "steps": (1,)}
        program.insert_before(layer, Layer("Slice", [source], [result], layer.nodes, bounds))
        found.append((result, part))
    return found


def _transposed(program: Program, layer: Layer) -> None:
    """Strides over 8 are two layers; strides the chip does not transpose are a convolution over a spread map."""
    native = program.target.limit("transposed_strides")
    strides = layer.attributes["strides"]
    if max(strides) > max(native):
        first = [max(f for f in range(1, max(native) + 1) if s % f == 0) if s > max(native) else s for s in strides]
        first = (
            [min(f, s // f) if s > max(native) else f for f, s in zip(first, strides, strict=True)]
            if all(f * f == s for f, s in zip(first, strides, strict=True))
            else first
        )
        if max(s // f for s, f in zip(strides, first, strict=True)) == 1:
            return
        _two_steps(program, layer, first)
    for row in [row for row in program.layers if row.kind == "ConvTranspose" and row.nodes == layer.nodes]:
        if any(stride not in native for stride in row.attributes["strides"]):
            _spread_and_convolve(program, row)


def _two_steps(program: Program, layer: Layer, first: Sequence[int]) -> None:
    """Zeros between the pixels first, then the kernel with what is left of the stride."""
    source = layer.inputs[0]
    batch, channels, height, width = program.shape(source)
    result = program.fresh(
        f"{source}_tiling_0", (batch, channels, (height - 1) * first[0] + 1, (width - 1) * first[1] + 1)
    )
    weight = program.fresh(f"{result}_i1", (channels, channels, 1, 1), constant=True)
    a = dict(layer.attributes) | {"kernel_shape": (1, 1), "strides": tuple(first), "pads": (0, 0, 0, 0), "group": 1}
    program.insert_before(layer, Layer("ConvTranspose", [source, weight], [result], layer.nodes, a))
    layer.inputs[0] = result
    strides = layer.attributes["strides"]
    layer.attributes["strides"] = tuple(s // f for s, f in zip(strides, first, strict=True))


def _spread_and_convolve(program: Program, layer: Layer) -> None:
    """exConvTransposePad puts zeros between and around; a plain convolution does the rest."""
    a = layer.attributes
    source = layer.inputs[0]
    batch, channels = program.shape(source)[:2]
    out = program.shape(layer.outputs[0])[2:]
    reach = [(k - 1) * d + 1 for k, d in zip(a["kernel_shape"], a["dilations"], strict=True)]
    spread = program.fresh(f"{source}_pad", (batch, channels, *(o + r - 1 for o, r in zip(out, reach, strict=True))))
    program.insert_before(layer, Layer("exConvTransposePad", [source], [spread], layer.nodes))
    layer.kind = "Conv"
    layer.inputs[0] = spread
    weight = program.shape(layer.inputs[1])
    outputs = program.shape(layer.outputs[0])[1]
    group = a["group"]
    layer.inputs[1] = program.fresh(
        f"{layer.inputs[1]}_turned", (outputs, weight[0] // group, *weight[2:]), constant=True
    )
    layer.attributes = dict(a) | {"strides": (1, 1), "pads": (0, 0, 0, 0)}
