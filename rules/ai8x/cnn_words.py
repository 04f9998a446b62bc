"""What is said of a network's layers that have no form on the chip: what was found, and what to do instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lintmodel.findings import Found
from lintmodel.ir import Graph, View
from lintmodel.planning import Plan, Refusal
from lintmodel.target import Target

from .cnn_fixes import offered

Details = Mapping[str, Any]


def here(plan: Plan, kind: str, view: View, target: Target) -> Iterator[Found]:
    """A finding for every refusal of this kind at the view's node, with the change that mends it."""
    for refusal in plan.refused(kind):
        if refusal.node == view.node.name:
            yield found(refusal, target, view.graph)


def anywhere(plan: Plan, kind: str, target: Target) -> Iterator[Found]:
    for refusal in plan.refused(kind):
        yield found(refusal, target)


def found(refusal: Refusal, target: Target, graph: Graph | None = None) -> Found:
    words, advice = _said(refusal, target)
    fix, details = offered(refusal, graph) if graph is not None else (None, {})
    return Found(f"{words}; {advice}", refusal.vendor_message, refusal.node, fix, details=details)


def sentence(refusal: Refusal, target: Target) -> str:
    """The same as one sentence that names the layer."""
    words, advice = _said(refusal, target)
    return f"layer '{refusal.node}': {words}; {advice}" if refusal.node else f"{words}; {advice}"


def size(numbers: Sequence[int]) -> str:
    """``5x5``; a single number of one dimension."""
    return "x".join(map(str, numbers))


def _said(refusal: Refusal, target: Target) -> tuple[str, str]:
    return _WORDS[refusal.kind](refusal.details, target)


def _stride(d: Details, target: Target) -> tuple[str, str]:
    stride, kernel = d["stride"], d["kernel"]
    words = f"stride is {size(stride)}; the chip's convolutions have stride 1"
    if len(set(stride)) > 1:
        return words, "make the strides of both dimensions equal, then take every nth pixel with a pool behind it"
    if set(kernel) == {1}:
        return words, f"exact: stride 1 with max_pool 1 and pool_stride {stride[0]} in the same layer"
    return words, (
        f"exact: stride 1 here, and max_pool 1 with pool_stride {stride[0]} in the layer behind it (a pool in this "
        "layer is not the same); the output and the work before it are "
        f"{stride[0] ** len(stride)} times as large"
    )


def _kernel(d: Details, target: Target) -> tuple[str, str]:
    kernel = max(d["kernel"])
    words = f"kernel is {size(d['kernel'])}; the chip has {d['kernels']}"
    if len(d["kernel"]) == 1:
        return words, "two shorter kernels behind each other cover the same, after training again"
    if kernel == 2 and min(d["kernel"]) == 2:
        return words, "a 3x3 kernel with a row and a column of zeros gives the same values where the padding allows it"
    return words, f"{kernel // 2} kernels of 3x3 behind each other cover the same, after training again"


def _padding(d: Details, target: Target) -> tuple[str, str]:
    pads = size(d["pads"])
    if "multipass" in d:
        return f"a padded Conv1d has {d['multipass']} input channels; padded it has at most 64", "pad 0, or 64 channels"
    if "most" in d:
        return f"padding is {pads}; at most {d['most']} on each side", "a smaller padding changes the size: train again"
    if "kernel" in d:
        return f"padding {pads} is not below the kernel {size(d['kernel'])}", "pad 0; the size of the map changes"
    return (
        f"padding differs between the sides ({pads}: top, left, bottom, right)",
        "pad all sides alike and train again",
    )


def _dilation(d: Details, target: Target) -> tuple[str, str]:
    words = f"dilation is {size(d['dilation'])}"
    if len(d["dilation"]) > 1:
        return (
            f"{words}; the chip dilates one-dimensional convolutions only",
            "several 3x3 kernels, after training again",
        )
    advice = "without padding and with up to 3 taps it may be"
    return f"{words} with {d['kernel']} taps and padding {d['pad']}", f"{advice} up to {d['most']}"


def _groups(d: Details, target: Target) -> tuple[str, str]:
    words = f"{d['groups']} groups for {d['channels'][0]} to {d['channels'][1]} channels"
    if d.get("depthwise"):
        return f"{words}; the chip has one group or as many as channels", "exact: an ungrouped kernel, zeros in between"
    return f"{words}; this chip's convolutions have one", "exact: an ungrouped kernel with zeros between the groups"


def _channels(d: Details, target: Target) -> tuple[str, str]:
    return (
        f"{d['channels']} {d['side']} channels; the chip has at most {d['most']}",
        "fewer channels, after training again",
    )


def _transposed(d: Details, target: Target) -> tuple[str, str]:
    words = (
        f"kernel {size(d['kernel'])}, stride {size(d['stride'])}, padding {size(d['pads'])} gives {size(d['output'])}"
    )
    have = "the chip has kernel 3x3, stride 2, padding 0 to 2 and output padding 1"
    return f"{words}; {have}", "change it to that, after training again"


def _pool_window(d: Details, target: Target) -> tuple[str, str]:
    if "dilation" in d:
        return f"pool is dilated by {size(d['dilation'])}", "dilation 1"
    if "most" not in d:
        return f"pool stride is {size(d['stride'])}; both dimensions have the same", "make them equal"
    words = f"pool is {size(d['kernel'])} with stride {size(d['stride'])}; the chip has up to {d['most']}x{d['most']}"
    return words, "pool in two steps (exact for a maximum, and for an average when the sizes divide)"


def _pool_padding(d: Details, target: Target) -> tuple[str, str]:
    if any(d["pads"]):
        return f"pool is padded by {size(d['pads'])}; the chip's pools are not", "pool without padding, and train again"
    return f"pool gives {size(d['output'])}, which is rounded up; the chip rounds down", "pool without ceil_mode"


def _wide_pool(d: Details, target: Target) -> tuple[str, str]:
    words = f"pool over {d['channels']} channels in a layer of its own; the chip does {d['most']}"
    return words, "exact: let a single convolution read it, so that both are one layer"


def _activation(d: Details, target: Target) -> tuple[str, str]:
    words = f"{d['op']} is no activation of the chip, which has ReLU and Abs"
    return words, "ReLU, after training again; every layer clips to -128..127 anyway"


def _loose(d: Details, target: Target) -> tuple[str, str]:
    if d["behind"] == "sum":
        fix = (
            "exact: a 1x1 convolution with unit weights (64 and output_shift 1) takes the sum in and the activation out"
        )
        return f"{d['op']} stands behind a sum, which is a layer without activation", fix
    return f"{d['op']} has no convolution or dense layer before it to go into", "move it directly behind one"


def _operator(d: Details, target: Target) -> tuple[str, str]:
    return (
        f"{d['op']} is no layer of the chip",
        "leave it out of the network, or do it on the CPU behind the last layer",
    )


def _eltwise(d: Details, target: Target) -> tuple[str, str]:
    if d.get("at_input"):
        return f"{d['op']} with a constant on the input", "exact: scale the samples before they are loaded"
    if d.get("constant"):
        return f"{d['op']} with a constant has no layer before it to go into", "exact: fold it into the next weights"
    if "shapes" in d:
        words = f"{d['op']} of {d['operands']} operands; all must have one shape, and {d['most']} are the most"
        return words, "bring them to one shape before"
    return (
        f"{d['op']} of two maps; the chip adds, subtracts, and has bitwise or and xor",
        "add instead, and train again",
    )


def _concat(d: Details, target: Target) -> tuple[str, str]:
    if "axis" in d:
        return f"joins along axis {d['axis']}; the chip joins channels", "join channels"
    counts = ", ".join(map(str, d["counts"]))
    return (
        f"joins {counts} channels; all but the last must be multiples of 4",
        "more channels, or another order (exact)",
    )


def _reshape(d: Details, target: Target) -> tuple[str, str]:
    words = f"reshapes {size(d['before'])} to {size(d['after'])}"
    return words, "the chip flattens before a dense layer, and no more"


def _normalisation(d: Details, target: Target) -> tuple[str, str]:
    return f"{d['op']} has no convolution before it to be folded into", "exact: fold it into the next layer's weights"


def _dense(d: Details, target: Target) -> tuple[str, str]:
    if "pixels" in d:
        words = f"flattens {size(d['size'])} pixels; at most {d['most_pixels']} can be"
        return words, "pool first, after training again"
    advice = "pool first or give it fewer, after training again"
    return f"dense layer with {d['features']:,} {d['side']} features; at most {d['most']:,}", advice


def _map_size(d: Details, target: Target) -> tuple[str, str]:
    if "most_pixels" in d:
        words = f"{d['channels']} channels of {size(d['size'])}; height x width x passes is below {d['most_pixels']:,}"
        return words, "a smaller input"
    words = f"map of {size(d['size'])} (out {size(d['output'])}) with padding {d['pad']}"
    return f"{words}; with padding a side has at most {d['most']}", "a smaller input"


def _data(d: Details, target: Target) -> tuple[str, str]:
    side = "output" if d["output"] else "input"
    words = f"{side} of {size(d['size'])} takes {d['bytes']:,} bytes of a data memory of {d['capacity']:,}"
    streams = target.limit("max_streaming_layers")
    return (
        f"{words}, and only the first {streams} layers of a plain chain can stream",
        "pool earlier or a smaller input",
    )


def _weights(d: Details, target: Target) -> tuple[str, str]:
    words = f"weights take {d['bytes']:,} bytes of {d['capacity']:,} at 8 bits (most here: {d['most']:,})"
    if d["bits"]:
        return words, f"{d['bits']}-bit weights, after training again, or fewer channels"
    return words, "they do not fit at 1 bit either: fewer channels"


def _bias(d: Details, target: Target) -> tuple[str, str]:
    who = "all biases together take" if d.get("all") else "bias takes"
    where = "bias memory" if d.get("all") else "quadrant's bias memory"
    return (
        f"{who} {d['bytes']:,} bytes of a {where} of {d['capacity']:,}",
        "leave the bias out of a layer, or fewer channels",
    )


def _layers(d: Details, target: Target) -> tuple[str, str]:
    return f"the network takes {d['layers']} layers; the chip has {d['most']}", "fewer layers, after training again"


def _inputs(d: Details, target: Target) -> tuple[str, str]:
    names = ", ".join(f"'{name}'" for name in d["inputs"])
    return (
        f"the network has {len(d['inputs'])} inputs ({names}); the chip loads one",
        "join them as channels of one input",
    )


_WORDS = {
    "cnn-stride": _stride,
    "cnn-kernel": _kernel,
    "cnn-padding": _padding,
    "cnn-dilation": _dilation,
    "cnn-groups": _groups,
    "cnn-channels": _channels,
    "cnn-transposed": _transposed,
    "cnn-pool-window": _pool_window,
    "cnn-pool-padding": _pool_padding,
    "cnn-wide-pool": _wide_pool,
    "cnn-activation": _activation,
    "cnn-loose-activation": _loose,
    "cnn-operator": _operator,
    "cnn-eltwise": _eltwise,
    "cnn-concat": _concat,
    "cnn-reshape": _reshape,
    "cnn-loose-normalisation": _normalisation,
    "cnn-dense": _dense,
    "cnn-map-size": _map_size,
    "cnn-data-memory": _data,
    "cnn-kernel-memory": _weights,
    "cnn-bias-memory": _bias,
    "cnn-layers": _layers,
    "cnn-inputs": _inputs,
}
