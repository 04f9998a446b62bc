"""What izer refuses because the chip cannot: device features, sizes, groups (``izer/backend/max7800x.py``)."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.planning import Refusal
from lintmodel.target import Target

from .network import Layer, Network, passes
from .shapes import by, listed, wrong
from .wording import problem


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    yield from _features(network, target)
    yield from _layer_count(network, target)
    for number, layer in enumerate(network):
        yield from _sizes(layer, network, number, target)
        yield from _conv1d(layer, target)
        yield from _passthrough(layer, target)
        yield from _transposed(layer, target)
        yield from _flatten(layer)
        yield from _groups(layer, target)
        yield from _gaps(layer, target)
        yield from _eltwise(layer, target)
        yield from _registers(layer, network, target)


def _features(network: Network, target: Target) -> Iterator[Refusal]:
    """Keys that only the larger chip has."""
    known = (
        ("readahead", "readahead", "`readahead` is not supported on this device."),
        ("calcx4", "calcx4", "`calcx4` is not supported on this device."),
        ("bypass", "kernel_bypass", "Kernel bypass is not supported on this device."),
    )
    for key, limit, said in known:
        if target.limit(limit):
            continue
        for layer in network:
            if layer.keys.get(key):
                yield wrong(layer, "device-feature", key, f"{key} is not on this chip", said)
    if "snoop" in network.keys and not target.limit("snoop"):
        said = "`snoop` is not supported on this device."
        yield problem("device-feature", "snoop", "snoop is not on this chip", said)
    for layer in network:
        if layer.bits == -1 and not target.limit("binary_weights"):
            said = "Binary weights (-1/+1) are not supported on this device."
            yield wrong(layer, "device-feature", "quantization", "binary weights are not on this chip", said)
        if layer.bits == 1 and layer.keys.get("quantization") == 1 and any(other.bits == -1 for other in network):
            said = f"{layer.prefix}Cannot combine binary quantization with 1-bit quantization."
            says = "1-bit weights in a network that also has binary weights"
            yield wrong(layer, "binary-and-one-bit", "quantization", says, said)


def _layer_count(network: Network, target: Target) -> Iterator[Refusal]:
    if not target.limit("avg_pool_after_eltwise_layer") or not len(network):
        return
    hidden = sum(
        layer.pool_kind == "avg" and network.layers[number].operands > 1
        for number, layer in enumerate(network.layers[1:])
    )
    count, limit = len(network) - 1 + hidden, int(target.limit("max_layers"))
    if hidden and count > limit:
        said = f"The adjusted layer count ({count}) exceeds the device maximum ({limit})."
        says = f"{len(network)} layers and {hidden} that izer adds for average pools behind sums; the limit is {limit}"
        yield problem("too-many-hardware-layers", "layers", says, said)


# ---- sizes


def _sizes(layer: Layer, network: Network, number: int, target: Target) -> Iterator[Refusal]:
    limit = int(target.limit("data_instance_bytes"))
    for what, channels in (("input", layer.in_channels), ("output", layer.out_channels)):
        most = int(target.limit("max_channels"))
        if channels is not None and channels > most:
            flat = " (before flattening)" if layer.flatten and what == "input" else ""
            said = (
                f"{layer.prefix}Configured for {channels} {what} channels{flat}, which exceeds the system maximum of "
                f"{most}."
            )
            yield wrong(layer, "too-many-channels", None, f"{channels:,} {what} channels; the limit is {most:,}", said)
    if layer.in_channels and layer.in_dim and not layer.streaming:
        per_word, turns = (1 if layer.chw else 4), passes(layer.in_channels)
        size = layer.in_dim[0] * layer.in_dim[1] * turns * layer.operands * per_word
        if size + layer.in_offset > limit:
            said = (
                f"{layer.prefix}{per_word} channel{'s' * (per_word > 1)}/word {by(layer.in_dim)} input (size {size}) "
                f"with input offset 0x{layer.in_offset:04x} and expansion {turns}x exceeds data memory instance size "
                f"of {limit}."
            )
            says = (
                f"the input of {by(layer.in_dim)} pixels takes {size:,} bytes from offset 0x{layer.in_offset:04x}; "
                f"each data memory has {limit:,}"
            )
            yield wrong(layer, "input-too-large", "in_offset", says, said, bytes=size, limit=limit)
    last = number == len(network) - 1
    if layer.out_channels and layer.out_dim and min(layer.out_dim) > 0 and (last or not layer.streaming):
        turns = passes(layer.out_channels)
        size = (layer.out_dim[0] * layer.out_dim[1] + _dilation_pad(layer)) * turns * 4 * layer.output_width // 8
        if size + layer.out_offset > limit:
            said = (
                f"{layer.prefix}HWC (4 channels/word) {layer.output_width}-bit {by(layer.out_dim)} output (size "
                f"{size}) with output offset 0x{layer.out_offset:04x} and expansion {turns}x exceeds data memory "
                f"instance size of {limit}."
            )
            says = (
                f"the output of {by(layer.out_dim)} pixels takes {size:,} bytes from offset 0x{layer.out_offset:04x}; "
                f"each data memory has {limit:,}"
            )
            yield wrong(layer, "output-too-large", "out_offset", says, said, bytes=size, limit=limit)


def _dilation_pad(layer: Layer) -> int:
    """Pixels that a dilated conv1d on 2D hardware writes beyond its output."""
    dilation = layer.dilation[0]
    if layer.op != "conv1d" or (layer.kernel[0] - 1) * dilation < 9 or not layer.in_dim or not layer.out_dim:
        return 0
    return -(-layer.in_dim[0] // dilation) * dilation - layer.out_dim[0]


# ---- operators


def _conv1d(layer: Layer, target: Target) -> Iterator[Refusal]:
    if layer.dilation[0] > 1 and layer.op != "conv1d":
        said = f"{layer.prefix}`dilation` > 1 is supported for Conv1d only."
        yield wrong(layer, "dilation", "dilation", f"dilation {layer.dilation[0]} in a {layer.op}", said)
    if layer.op != "conv1d":
        return
    if layer.operands > 1:
        said = f"{layer.prefix}Element-wise operations cannot be combined with Conv1d."
        yield wrong(layer, "eltwise-conv1d", "eltwise", f"{layer.eltwise} and conv1d in one layer", said)
    if layer.pad[0] > 0 and passes(layer.in_channels or 1) > 1 and not target.limit("multipass_padded_conv1d"):
        said = f"{layer.prefix}This device does not support padded Conv1d with input expansion > 1."
        says = f"pad {layer.pad[0]} with {layer.in_channels} channels; a conv1d with more than 64 has no padding"
        yield wrong(layer, "padded-conv1d", "pad", says, said)
    yield from _dilated(layer, target)


def _dilated(layer: Layer, target: Target) -> Iterator[Refusal]:
    dilation, kernel = layer.dilation[0], layer.kernel[0]
    if dilation == 1:
        return
    texts: list[str] = []
    if kernel == 1:
        texts.append("Kernel length must be greater than 1 to use `dilation` > 1.")
    elif (kernel - 1) * dilation >= 9 and kernel > 3:
        texts.append(f"Kernel length must be 3 or smaller to use `dilation` of {dilation}.")
    elif (kernel - 1) * dilation >= 9:
        most = int(target.limit("max_conv1d_dilation"))
        if layer.pool is not None and layer.pool[0] != 1:
            texts.append("Pooling must be 1 to use `dilation` > 4.")
        if layer.pad[0] > 0:
            texts.append("Padding must be 0 or smaller to use `dilation` > 4.")
        if layer.operands != 1:
            texts.append("Operands must be 1 to use `dilation` > 4.")
        if layer.keys.get("bypass") or layer.flatten or layer.keys.get("readahead") or layer.streaming:
            texts.append("`bypass`, `flatten`, `rd_ahead`, `streaming` must be False to use `dilation` > 4.")
        if dilation > most:
            texts.append(f"`dilation` must be {most} or smaller for Conv1d operations.")
        ignored = 4 * dilation * passes(layer.out_channels or 1) if kernel == 3 else 0
        if layer.out_offset < ignored:
            texts.append(f"`out_offset` used with dilation of {dilation} must be at least {ignored:04x}.")
    for said in texts:
        says = f"conv1d of kernel {kernel} with dilation {dilation}: {said[0].lower()}{said[1:-1]}".replace("`", "")
        yield wrong(layer, "dilation", "dilation", says, layer.prefix + said)


def _passthrough(layer: Layer, target: Target) -> Iterator[Refusal]:
    if layer.op != "passthrough":
        return
    shift = layer.keys.get("output_shift")
    if isinstance(shift, int) and shift != 0:
        said = f"{layer.prefix}`output_shift` must be zero for passthrough layers."
        yield wrong(layer, "passthrough-shift", "output_shift", f"output_shift {shift} without convolution", said)
    if layer.output_width != 8:
        said = f"{layer.prefix}The passthrough operator requires an output width of 8."
        says = f"output_width {layer.output_width} in a layer without convolution"
        yield wrong(layer, "passthrough-width", "output_width", says, said)
    turns, most = passes(layer.in_channels or 1), int(target.limit("max_pool_passes"))
    pooled = layer.pooled_dim
    if layer.pool is not None and max(layer.pool) > 1 and turns > most and pooled and max(pooled) > 1:
        said = (
            f"{layer.prefix}pooling in passthrough layer uses {turns} passes, which exceeds the maximum of {most} "
            "on this device."
        )
        says = f"pool of {layer.in_channels} channels without a convolution; {64 * most} is the limit"
        yield wrong(layer, "pool-passes", layer.pool_kind + "_pool", says, said)


def _transposed(layer: Layer, target: Target) -> Iterator[Refusal]:
    if layer.op == "convtranspose2d":
        if layer.output_pad[0] not in target.limit("output_pads"):
            said = (
                f"{layer.prefix}The selected output padding ({listed(layer.output_pad)}) for ConvTranspose2d is not "
                "supported on this device."
            )
            yield wrong(layer, "output-pad", "output_pad", f"output_pad is {layer.output_pad[0]}; it must be 1", said)
    elif max(layer.output_pad) > 0:
        said = f"{layer.prefix}Output padding must be 0 for this operator."
        yield wrong(layer, "output-pad", "output_pad", f"output_pad in a {layer.op}", said)


def _flatten(layer: Layer) -> Iterator[Refusal]:
    if not layer.flatten:
        return
    if layer.op == "passthrough":
        said = f"{layer.prefix}`flatten` is not compatible with passthrough layers."
        yield wrong(layer, "flatten-conflict", "flatten", "flatten in a layer without weights", said)
    if layer.pool is not None and max(layer.pool) > 1:
        said = f"{layer.prefix}`flatten` is not compatible with pooling."
        yield wrong(layer, "flatten-conflict", "flatten", "flatten and a pool in one layer", said)
    if layer.streaming:
        said = f"{layer.prefix}`flatten` is not compatible with streaming."
        yield wrong(layer, "flatten-conflict", "flatten", "flatten and streaming in one layer", said)


def _groups(layer: Layer, target: Target) -> Iterator[Refusal]:
    groups, inputs, outputs = layer.groups, layer.in_channels, layer.out_channels
    key = "groups" if "groups" in layer.keys else "conv_groups"
    if groups <= 1:
        return
    if inputs and outputs and (inputs % groups or outputs % groups):
        said = (
            f"{layer.prefix}convolution groups ({groups}) does not divide the input channels ({inputs}) or output "
            f"channels ({outputs})."
        )
        yield wrong(layer, "groups", key, f"{groups} groups do not divide {inputs} and {outputs} channels", said)
    if not target.limit("depthwise"):
        said = f"{layer.prefix}Convolution groups ({groups}) > 1 are not supported on this device."
        yield wrong(layer, "groups", key, f"{groups} groups; this chip has none", said)
    if (inputs and inputs != groups) or (outputs and outputs != groups):
        said = (
            f"{layer.prefix}Convolution groups ({groups}) must be equal to the number of input channels ({inputs}), "
            f"and output channels ({outputs}) must be equal to input channels."
        )
        says = f"{groups} groups with {inputs} input and {outputs} output channels; all three must be the same"
        yield wrong(layer, "groups", key, says, said)
    if layer.flatten:
        said = f"{layer.prefix}Convolution groups ({groups}) > 1 are not supported when flattening."
        yield wrong(layer, "groups", key, "groups and flatten in one layer", said)
    if "bias_group" in layer.keys or "bias_quadrant" in layer.keys:
        said = f"{layer.prefix}`bias_group` is not supported for depth-wise layers."
        bias = "bias_group" if "bias_group" in layer.keys else "bias_quadrant"
        yield wrong(layer, "groups", bias, f"{bias} in a depthwise layer, whose bias lies beside its channels", said)


def _gaps(layer: Layer, target: Target) -> Iterator[Refusal]:
    key = "read_gap" if "read_gap" in layer.keys else "in_skip"
    if layer.read_gap != 0 and not target.limit("read_gap"):
        said = f"{layer.prefix}`read_gap` must be 0 for this device."
        yield wrong(layer, "read-gap", key, f"read_gap is {layer.read_gap}; this chip reads without gaps", said)
    elif layer.read_gap != 0 and passes(layer.in_channels or 1) > 1:
        said = f"{layer.prefix}`read_gap` must be 0 when using more than 64 channels or multi-pass on this device."
        yield wrong(layer, "read-gap", key, f"read_gap with {layer.in_channels} channels; 64 is the limit", said)
    most = int(target.limit("max_pool_dilation"))
    if min(layer.pool_dilation) < 1 or max(layer.pool_dilation) > most:
        said = f"{layer.prefix}`pool_dilation` values must be 1 or greater, and {most} or smaller on this device."
        yield wrong(
            layer, "pool-dilation", "pool_dilation", f"pool_dilation {by(layer.pool_dilation)}; 1 to {most} here", said
        )


def _eltwise(layer: Layer, target: Target) -> Iterator[Refusal]:
    operands, turns = layer.operands, passes(layer.in_channels or 1)
    if operands == 1:
        return
    pooled = layer.pool is not None and max(*layer.pool, *layer.pool_stride) > 1
    many = turns > 1 and operands * turns != operands + turns and not target.limit("eltwise_conv_multipass")
    if many and (layer.op != "passthrough" or pooled):
        said = (
            f"{layer.prefix}The element-wise operation exceeds a multi-pass of 2 and therefore does not support "
            "pooling or convolution."
        )
        says = f"{layer.eltwise} of {operands} operands in {turns} passes together with a convolution or pool"
        yield wrong(layer, "eltwise-passes", "eltwise", says, said)
    most = int(target.limit("max_pool_last_operands"))
    if not layer.pool_first and operands > most and layer.pool is not None and max(layer.pool) > 1:
        said = f'"pool last" supports a maximum of {most} element-wise operands on this device.'
        says = f"pool_first: false with {operands} operands; {most} is the limit"
        yield wrong(layer, "pool-last-operands", "pool_first", says, said)
    if layer.op != "passthrough" and layer.has_bias and not target.limit("eltwise_conv_bias"):
        said = (
            f"{layer.prefix}On this device, multi-pass element-wise operations must be in a separate layer from "
            "convolutions with bias."
        )
        says = f"{layer.eltwise}, convolution and bias in one layer"
        yield wrong(layer, "eltwise-conv-bias", "eltwise", says, said)


# ---- registers that are too narrow: izer crashes


def _registers(layer: Layer, network: Network, target: Target) -> Iterator[Refusal]:
    most = int(target.limit("max_pool"))
    if layer.pool is not None:
        for axis in (0, 1):
            reach = (layer.pool[axis] - 1) * layer.pool_dilation[axis]
            if reach >= most:
                says = f"pool of {by(layer.pool)}; {most} is the limit in each direction"
                yield _assertion(layer, "pool-too-large", layer.pool_kind + "_pool", says, "1721", "val < 2**4")
                break
    if layer.pool_stride[0] > int(target.limit("max_pool_stride")) and layer.op != "convtranspose2d":
        says = f"pool_stride is {layer.pool_stride[0]}; the limit is {target.limit('max_pool_stride')}"
        yield _assertion(layer, "pool-stride-too-large", "pool_stride", says, "1742", "val < 2**4")
    yield from _counters(layer, target)
    gap = layer.write_gap if layer.op == "passthrough" else passes(layer.out_channels or 1) * (layer.write_gap + 1) - 1
    bits = int(target.limit("write_gap_bits"))
    if gap >= 2**bits or gap < 0:
        says = f"write_gap {layer.write_gap} with {passes(layer.out_channels or 1)} passes does not fit {bits} bits"
        text = "wptr_skip < 2**tc.dev.MAX_WPTRINC_BITS"
        yield _assertion(layer, "write-gap-too-large", "write_gap", says, "1915", text)
    if layer.in_offset < 0:
        says = f"in_offset is {layer.in_offset}; it must not be negative"
        said = "AssertionError: @ izer/apbaccess.py:108: assert val >= 0"
        yield wrong(layer, "in-offset-negative", "in_offset", says, said, "crashes")
    turns = passes(layer.in_channels or 1)
    frame = layer.in_dim[0] * layer.in_dim[1] * turns if layer.in_dim else 0
    if frame >= int(target.limit("frame_size_limit")):
        says = f"{by(layer.in_dim or ())} pixels in {turns} passes; the limit is {target.limit('frame_size_limit'):,}"
        text = "input_dim[ll][0] * input_dim[ll][1] * in_expand[ll] < tc.dev.FRAME_SIZE_MAX"
        yield _assertion(layer, "frame-too-large", None, says, "470", text)


def _counters(layer: Layer, target: Target) -> Iterator[Refusal]:
    if layer.in_dim is None or layer.flatten or max(layer.in_dim) > int(target.limit("max_row_col")):
        return
    limit = 2 ** int(target.limit("counter_bits"))
    for axis, line in ((0, "1688"), (1, "1711")):
        size = layer.in_dim[axis] * (layer.stride[axis] if layer.op == "convtranspose2d" else 1)
        padded = bool(target.limit("counter_has_pad"))
        if size - 1 + 2 * layer.pad[axis] * padded >= limit and max(layer.in_dim) > 1:
            says = f"{by(layer.in_dim)} pixels with pad {layer.pad[axis]} do not fit the chip's counter of {limit}"
            text = f"val + 2*hw_padding[ll][{axis}] < 2**tc.dev.MAX_CNT_BITS"
            yield _assertion(layer, "counter-overflow", None, says, line, text)
            return


def _assertion(layer: Layer, kind: str, key: str | None, says: str, line: str, text: str) -> Refusal:
    said = f"AssertionError: @ izer/backend/max7800x.py:{line}: assert {text}"
    return wrong(layer, kind, key, says, said, "crashes")
