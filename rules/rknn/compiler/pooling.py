"""Pools: cascades of 7x7, means as convolutions, global pools as chains along both axes."""

from __future__ import annotations

from ..program import Layer, Program
from .make import conv_layer, depthwise_layer, pool_layer

LARGEST = 7
"""Side of the largest pooling window, and the longest stride, of one layer. Measured with RKNN-Toolkit2 2.5.0."""

LARGEST_MEAN = 16
"""Side of the largest mean that is one depthwise convolution; larger ones are taken apart as convolutions are."""


def lower_pools(program: Program) -> None:
    """Pools of any window become layers the NPU has. Those with further outputs (indices) stay as they are."""
    for layer in list(program.layers):
        if layer.kind == "ReduceMean":
            _mean_over_maps(program, layer)
        if layer.kind not in ("MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"):
            continue
        shape = program.shape(layer.inputs[0])
        if len(shape) != 4 or len(layer.outputs) > 1 or program.constant(layer.inputs[0]):
            continue
        if layer.kind.startswith("Global"):
            program.replace(layer, global_chain(program, layer, mean=layer.kind == "GlobalAveragePool"))
        elif layer.kind == "MaxPool":
            program.replace(layer, _maximum(program, layer))
        else:
            _mean(program, layer)
    _share_equal_pools(program)


def _mean_over_maps(program: Program, layer: Layer) -> None:
    """A mean over H and W is a GlobalAveragePool; without ``keepdims`` a Reshape follows."""
    axes = layer.attributes.get("axes")
    if axes is None and len(layer.inputs) > 1:
        load = program.values[layer.inputs[1]].load
        value = load() if load is not None else None
        axes = None if value is None else [int(axis) for axis in value.reshape(-1)]
    shape = program.shape(layer.inputs[0])
    if len(shape) != 4 or axes is None or sorted(int(axis) % 4 for axis in axes) != [2, 3]:
        return
    layer.kind, layer.inputs = "GlobalAveragePool", layer.inputs[:1]
    if not layer.attributes.get("keepdims", 1):
        pooled = program.fresh(f"{layer.outputs[0]}_mean", (*shape[:2], 1, 1))
        program.insert_after(layer, Layer("Reshape", [pooled], list(layer.outputs), ()))
        layer.outputs = [pooled]
    layer.attributes = {}


def global_chain(program: Program, layer: Layer, *, mean: bool) -> list[Layer]:
    """The mean or maximum over H and W: windows of up to 7 that do not overlap, until one pixel is left."""
    source = layer.inputs[0]
    chain: list[Layer] = []
    batch, channels, height, width = program.shape(source)
    while not chain or (height, width) != (1, 1):
        kernel = min(height, LARGEST), min(width, LARGEST)
        out = -(-height // LARGEST), -(-width // LARGEST)
        pads = (0, 0, out[0] * kernel[0] - height, out[1] * kernel[1] - width)
        last = out == (1, 1)
        result = layer.outputs[0] if last else program.fresh(f"{source}_gp", (batch, channels, *out))
        if mean:
            chain.append(depthwise_layer(program, source, result, kernel, kernel, pads, layer.nodes, biased=True))
        else:
            chain.append(pool_layer(source, result, kernel, kernel, pads, layer.nodes))
        source, (height, width) = result, out
    program.values[layer.outputs[0]].shape = (batch, channels, 1, 1)
    return chain


def _maximum(program: Program, layer: Layer) -> list[Layer]:
    """A large maximum is a cascade; a long stride is done in part by a 1x1 convolution behind."""
    a = layer.attributes
    kernel, strides, pads = list(a["kernel_shape"]), list(a["strides"]), list(a["pads"])
    if max(kernel) == 1 and not any(pads):
        return [_picking(program, layer, layer.inputs[0], strides)] if max(strides) > 1 else _nothing(program, layer)
    if max(kernel) <= LARGEST and max(strides) <= LARGEST:
        return [layer]
    if max(a["dilations"]) > 1:
        return [layer]
    chain: list[Layer] = []
    source = layer.inputs[0]
    batch, channels, *size = program.shape(source)
    while max(kernel) > LARGEST:
        step = [min(k, LARGEST) for k in kernel]
        here = [min(p, (step[k % 2] - 1) // 2) for k, p in enumerate(pads)]
        size = [size[k] + here[k] + here[k + 2] - step[k] + 1 for k in (0, 1)]
        result = program.fresh(f"{source}_mp", (batch, channels, *size))
        chain.append(pool_layer(source, result, step, (1, 1), here, layer.nodes))
        kernel = [k - s + 1 for k, s in zip(kernel, step, strict=True)]
        pads = [p - q for p, q in zip(pads, here, strict=True)]
        source = result
    rest = [s // factor for s in strides if (factor := _smaller_factor(s))]
    first = [_smaller_factor(s) for s in strides]
    if max(rest) == 1:
        chain.append(pool_layer(source, layer.outputs[0], kernel, strides, pads, layer.nodes))
        return chain
    size = [(size[k] + pads[k] + pads[k + 2] - kernel[k]) // first[k] + 1 for k in (0, 1)]
    result = program.fresh(f"{source}_mp", (batch, channels, *size))
    chain.append(pool_layer(source, result, kernel, first, pads, layer.nodes))
    chain.append(_picking(program, layer, result, rest))
    return chain


def _smaller_factor(stride: int) -> int:
    """A stride the pool takes of one too long: the smaller of two factors; all of it when 7 or less, or prime."""
    if stride <= LARGEST:
        return stride
    larger = max((f for f in range(1, LARGEST + 1) if stride % f == 0), default=1)
    return stride // larger if larger > 1 else stride


def _picking(program: Program, layer: Layer, source: str, strides: list[int]) -> Layer:
    """Every n-th pixel, as a depthwise 1x1 convolution."""
    return depthwise_layer(program, source, layer.outputs[0], (1, 1), strides, (0, 0, 0, 0), layer.nodes, biased=False)


def _nothing(program: Program, layer: Layer) -> list[Layer]:
    """A 1x1 pool of stride 1 hands its input on."""
    if layer.outputs[0] in program.outputs:
        return [layer]
    program.redirect(layer.outputs[0], layer.inputs[0])
    program.folded |= dict.fromkeys(layer.nodes, ())
    return []


def _mean(program: Program, layer: Layer) -> None:
    """Means larger than 7, and all of them on some chips, are depthwise convolutions."""
    a = layer.attributes
    padded = any(a["pads"]) and not a.get("count_include_pad", 0)
    if padded or max(a["dilations"]) > 1 or _overhangs(program, layer):
        return
    large = max(a["kernel_shape"]) > LARGEST or max(a["strides"]) > LARGEST
    native = program.dtype in program.target.limit("npu_average_pool")
    if not large and native:
        return
    size = program.shape(layer.inputs[0])[2:]
    if tuple(a["kernel_shape"]) == size and not any(a["pads"]) and large:
        program.replace(layer, global_chain(program, layer, mean=True))
        return
    make = conv_layer if max(a["kernel_shape"]) > LARGEST_MEAN else depthwise_layer
    new = make(
        program,
        layer.inputs[0],
        layer.outputs[0],
        a["kernel_shape"],
        a["strides"],
        a["pads"],
        layer.nodes,
        biased=True,
    )
    program.replace(layer, [new])


def _overhangs(program: Program, layer: Layer) -> bool:
    """``ceil_mode`` makes the result larger than whole windows do."""
    a = layer.attributes
    size, out = program.shape(layer.inputs[0])[2:], program.shape(layer.outputs[0])[2:]
    whole = [(size[k] + a["pads"][k] + a["pads"][k + 2] - a["kernel_shape"][k]) // a["strides"][k] + 1 for k in (0, 1)]
    return list(out) != whole


def _share_equal_pools(program: Program) -> None:
    """Two cascades of one tensor that begin alike have that beginning once."""
    seen: dict[tuple[object, ...], Layer] = {}
    for layer in [layer for layer in program.layers if layer.kind == "MaxPool"]:
        a = layer.attributes
        key = (layer.inputs[0], *(tuple(a[word]) for word in ("kernel_shape", "strides", "pads", "dilations")))
        first = seen.setdefault(key, layer)
        if first is layer or layer.outputs[0] in program.outputs or len(layer.outputs) > 1:
            continue
        program.redirect(layer.outputs[0], first.outputs[0])
        first.nodes = tuple(dict.fromkeys((*first.nodes, *layer.nodes)))
        program.remove(layer)
