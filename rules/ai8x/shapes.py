"""What izer refuses while it traces channels and dimensions through the layers (``izer/izer.py``)."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.planning import Refusal
from lintmodel.target import Target

from .network import INPUT, Layer, Network, Pair
from .wording import Grade, problem


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    for number, layer in enumerate(network):
        yield from _sources(layer, network)
        yield from _order(layer, network, number, target)
        yield from _dimensions(layer, target)
        yield from _padding(layer, target)
        yield from _outputs(layer, network, number, target)
    yield from _input(network)


def wrong(
    layer: Layer, kind: str, key: str | None, says: str, said: str | None, grade: Grade = "rejects", **details: object
) -> Refusal:
    """A refusal at one key of a layer."""
    return problem(kind, layer.key(key), says, said, layer.name, grade=grade, **details)


def listed(dim: tuple[int, ...] | None) -> str:
    """As izer prints dimensions: ``[22, 22]``."""
    return str(list(dim or ()))


def by(pair: tuple[int, ...]) -> str:
    """``22x22``"""
    return "x".join(map(str, pair))


# ---- where the data comes from


def _sources(layer: Layer, network: Network) -> Iterator[Refusal]:
    if layer.in_sequences is None:
        return
    channels = {source: _channels(source, network) for source in layer.in_sequences}
    if layer.eltwise != "none" and None not in channels.values() and len(set(channels.values())) > 1:
        found = ", ".join(str(channels[source]) for source in layer.in_sequences)
        said = (
            f"{layer.prefix}`in_sequences` {list(layer.in_sequences)} for the element-wise operation includes inputs "
            f"with non-matching channel counts ({found})."
        )
        says = f"{layer.eltwise} of inputs with {found} channels; all operands need the same number"
        yield wrong(layer, "operand-channels", "in_sequences", says, said)
    yield from _joined(layer, network)


def _joined(layer: Layer, network: Network) -> Iterator[Refusal]:
    """Dimensions of what is concatenated or combined."""
    dims = [_dim(source, network) for source in layer.sources]
    if None in dims or layer.in_sequences is None:
        return
    known = [dim for dim in dims if dim is not None]
    first = known[0]
    odd = next((dim for dim in known if dim != first), None)
    if odd is not None and not layer.in_dim_given:
        said = (
            f"{layer.prefix}Cannot concatenate outputs of different dimensions without specifying `in_dim`: "
            f"{listed(first)} vs {listed(odd)}."
        )
        says = f"inputs of {by(first)} and {by(odd)} pixels cannot be joined; give in_dim, or the same size"
        yield wrong(layer, "input-dimensions-differ", "in_sequences", says, said)
    pixels = sum(height * width for height, width in known)
    crop = layer.keys.get("in_crop", [0, 0])
    extra = sum(crop) if isinstance(crop, list) and all(isinstance(c, int) for c in crop) else 0
    if layer.in_dim_given and layer.in_dim is not None and layer.index:
        count = (layer.in_dim[0] + extra) * layer.in_dim[1]
        if count != pixels:
            said = (
                f"{layer.prefix}The configured `in_dim` (pixel count {count}) does not match the sum of all pixels "
                f"({pixels}) in the layer's `in_sequences`."
            )
            says = f"in_dim has {count:,} pixels and the layers it reads have {pixels:,}"
            yield wrong(layer, "in-dim-pixels", "in_dim", says, said)


def _dim(source: int, network: Network) -> Pair | None:
    if source == INPUT:
        return network.layers[0].in_dim
    found = next((layer.out_dim for layer in network if layer.index == source), None)
    return found if found is not None and min(found) > 0 else None


def _channels(source: int, network: Network) -> int | None:
    if source == INPUT:
        return network.input_shape[0] if network.input_shape else None
    return next((layer.out_channels for layer in network if layer.index == source), None)


def _order(layer: Layer, network: Network, number: int, target: Target) -> Iterator[Refusal]:
    linked = bool(target.limit("link_layer"))
    for source in layer.in_sequences or ():
        if source >= layer.index and not linked:
            said = f"{layer.prefix}`in_sequences` cannot be greater than layer sequence on this device"
            says = "reads its own output" if source == layer.index else f"reads what layer {source} computes later"
            yield wrong(layer, "reads-later-layer", "in_sequences", says, said)
        elif source > len(network) and linked:
            said = f"{layer.prefix}`in_sequences` cannot be greater than the last layer."
            yield wrong(layer, "reads-later-layer", "in_sequences", f"reads layer {source}, which is not there", said)
    if number and layer.chw:
        said = f"{layer.prefix}`data_format` CHW can only be configured for the first layer."
        says = "data_format CHW is for the input; between layers data is always HWC"
        yield wrong(layer, "chw-behind-first-layer", "data_format", says, said)
    following = layer.keys.get("next_sequence")
    if isinstance(following, int) and following not in (-1, layer.index + 1) and not linked:
        said = f"{layer.prefix}`next_sequence` is not supported on this device."
        says = f"next_sequence {following} skips layers, which this chip cannot"
        yield wrong(layer, "next-sequence", "next_sequence", says, said)


# ---- dimensions


def _dimensions(layer: Layer, target: Target) -> Iterator[Refusal]:
    dims, pooled = layer.in_dim, layer.pooled_dim
    square = layer.op != "conv1d" and (layer.op != "passthrough" or dims is None or dims[1] != 1)
    if square and layer.pool_stride[0] != layer.pool_stride[1]:
        stride = by(layer.pool_stride)
        said = f"{layer.prefix}{layer.op} does not support non-square pooling stride (currently set to {stride})."
        yield wrong(
            layer, "pool-stride-not-square", "pool_stride", f"pool_stride is {stride}; both must be the same", said
        )
    if pooled is not None and min(pooled) <= 0:
        said = (
            f"{layer.prefix}Pooling or zero-padding results in a zero data dimension (input {listed(dims)}, "
            f"result {listed(pooled)})."
        )
        says = f"the pool makes {by(pooled)} of {by(dims or ())} pixels"
        if 0 in pooled:
            yield wrong(layer, "pool-larger-than-map", layer.pool_kind + "_pool", says, said)
        else:
            said = "AssertionError: @ izer/apbaccess.py:1155: assert val >= 0"
            yield wrong(layer, "pool-larger-than-map", layer.pool_kind + "_pool", says, said, "crashes")
    if layer.stride[0] != 1 and layer.op != "convtranspose2d":
        stride = by(layer.stride) if square else str(layer.stride[0])
        said = f"{layer.prefix}{layer.op} does not support stride other than 1 (currently set to {stride})."
        says = f"stride is {layer.stride[0]}; the chip has stride 1, and pools in front of a layer"
        yield wrong(layer, "stride", "stride", says, said)
    yield from _flatten(layer, square, target)
    yield from _largest(layer, target)


def _flatten(layer: Layer, square: bool, target: Target) -> Iterator[Refusal]:
    if not layer.flatten or not square or layer.pooled_dim is None or min(layer.pooled_dim) < 1:
        return
    height, width = layer.pooled_dim
    limit = int(target.limit("max_flatten_pixels"))
    if height * width > limit:
        said = f"{layer.prefix}`flatten` exceeds supported input dimensions ({height} * {width} > {limit}))."
        says = f"flatten of {height}x{width} = {height * width:,} pixels; the limit is {limit}"
        yield wrong(layer, "flatten-too-large", "flatten", says, said)
    if layer.in_channels == 0:
        said = "AssertionError: @ izer/izer.py:556: assert input_channels[ll] > 0"
        says = f"flatten of {height}x{width} pixels leaves less than one channel of what the layer reads"
        yield wrong(layer, "flatten-without-channels", "flatten", says, said, "crashes")


def _largest(layer: Layer, target: Target) -> Iterator[Refusal]:
    limit = int(target.limit("max_row_col"))
    for what, key, dim in (("Input", "in_dim", layer.in_dim), ("Output", "pad", layer.out_dim)):
        if dim is not None and max(dim) > limit:
            said = f"{layer.prefix}{what} dimension {listed(dim)} exceeds system maximum of {limit}."
            says = f"the {what.lower()} is {by(dim)} pixels; the limit is {limit} in each direction"
            yield wrong(layer, "dimension-too-large", key, says, said)
    if layer.out_dim is not None and min(layer.out_dim) <= 0:
        said = f"{layer.prefix}Output dimension {listed(layer.out_dim)} is zero."
        says = f"the output has {by(layer.out_dim)} pixels: the kernel is larger than the padded map"
        yield wrong(layer, "empty-output", "kernel_size", says, said)


# ---- padding and activation


def _padding(layer: Layer, target: Target) -> Iterator[Refusal]:
    limit = int(target.limit("max_pad"))
    if layer.pad[0] > limit:
        said = f"{layer.prefix}{layer.op} does not support `pad` >= {limit + 1} (currently set to {layer.pad[0]})."
        yield wrong(layer, "pad-too-large", "pad", f"pad is {layer.pad[0]}; the chip has 0 to {limit}", said)
    if layer.op == "passthrough" and max(layer.pad) > 0:
        said = f"{layer.prefix}Padding ({listed(layer.pad)}) can only be used with a convolution operation."
        yield wrong(layer, "pad-without-convolution", "pad", f"pad {layer.pad[0]} in a layer without convolution", said)
    elif layer.pad[0] >= layer.kernel[0] or layer.pad[1] >= layer.kernel[1]:
        said = (
            f"{layer.prefix}Pad size ({listed(layer.pad)}) is greater than or equal to kernel size "
            f"({listed(layer.kernel)})."
        )
        given = "" if "pad" in layer.keys else " (the default)"
        says = f"pad {layer.pad[0]}{given} with a kernel of {by(layer.kernel)}; pad must be smaller than the kernel"
        yield wrong(layer, "pad-not-below-kernel", "pad", says, said)
    if layer.activation is not None and layer.op == "passthrough":
        name = {"relu": "ReLU", "abs": "Abs"}[layer.activation]
        said = f"{layer.prefix}Activation {name} cannot be used in a passthrough layer."
        key = "activate" if "activate" in layer.keys else "activation"
        yield wrong(layer, "passthrough-activation", key, f"{name} in a layer without convolution", said)
    if layer.keys.get("buffer_shift") is not None and layer.op != "passthrough":
        said = f"{layer.prefix}Buffer shift can only be used in a passthrough layer."
        yield wrong(layer, "buffer-shift", "buffer_shift", "buffer_shift in a layer with convolution", said)


def _outputs(layer: Layer, network: Network, number: int, target: Target) -> Iterator[Refusal]:
    end = int(target.limit("data_address_range"))
    if not 0 <= layer.out_offset < end:
        said = f"Unsupported value for `out_offset` in YAML configuration. Supported on this device: 0 to 0x{end:04x}."
        says = f"out_offset is 0x{layer.out_offset:04x}; it must be below 0x{end:04x}"
        yield wrong(layer, "out-offset-range", "out_offset", says, said)
    last = number == len(network) - 1
    if last and layer.output_width != 8 and layer.activation is not None:
        said = f"{network.layers[0].prefix}`output_width` must be 8 when activation is used."
        says = f"output_width {layer.output_width} together with an activation"
        yield wrong(layer, "wide-activation", "output_width", says, said)


def _input(network: Network) -> Iterator[Refusal]:
    """Channels that arrive at a layer, against those that its weights or its ``in_channels`` are for."""
    for number, layer in enumerate(network):
        if layer.operands > 1 or len(layer.sources) > 1 or any(key in layer.keys for key in _RESHAPING):
            continue
        source = layer.sources[0] if layer.in_sequences is not None or number == 0 else network.layers[number - 1].index
        channels, dim = _channels(source, network), _dim(source, network)
        if source == INPUT and network.input_shape is not None:
            dim = network.input_shape[1], network.input_shape[2]
        if not channels or dim is None or not layer.in_channels or layer.in_dim is None or layer.pooled_dim is None:
            continue
        values, pixels = channels * dim[0] * dim[1], layer.in_dim[0] * layer.in_dim[1]
        if values == layer.in_channels * pixels or min(layer.pooled_dim) < 1:
            continue
        arriving = f"{values // pixels}" if values % pixels == 0 else f"{values / pixels:.2f}"
        said = (
            f"{layer.prefix}Input dimensions do not match. Expected: {layer.in_channels}x{by(layer.pooled_dim)}, "
            f"got {arriving}x{by(layer.pooled_dim)}."
        )
        says = f"{channels}x{by(dim)} arrives and the layer is made for {layer.in_channels}x{by(layer.in_dim)}"
        key = "in_dim" if layer.in_dim_given else "in_channels"
        yield wrong(layer, "input-channels", key, says, said)


_RESHAPING = ("in_crop", "in_channel_skip", "buffer_shift", "buffer_insert", "simulated_sequence", "bypass")
"""Keys under which a layer reads something else than what its source wrote."""
