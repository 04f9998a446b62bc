"""FIFOs and streaming layers that izer refuses (``izer/backend/max7800x.py``, ``izer/izer.py``)."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.planning import Refusal
from lintmodel.target import Target

from .network import Layer, Network
from .shapes import wrong

_FIFO_CHW = 0x0001000100010001
_FIFO_HWC = 0x000F000F000F000F
"""Processors that a FIFO can feed."""


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    if not len(network) or network.has_flag("--ignore-streaming"):
        return
    yield from _fifo(network, target)
    most = int(target.limit("max_streaming_layers"))
    for number, layer in enumerate(network):
        before = network.layers[number - 1] if number else None
        if layer.streaming and before is not None and not before.streaming:
            said = (
                f"Layer {layer.label} is a streaming layer, but the previous layer {before.label} is non-streaming. "
                "This is not supported."
            )
            says = f"streams behind {before.name}, which does not; streaming layers are the first ones"
            yield wrong(layer, "streaming-after-layer", "streaming", says, said)
        if number <= most:
            yield from _streaming(layer, number, network, target)


def _fifo(network: Network, target: Target) -> Iterator[Refusal]:
    layer = network.layers[0]
    if not network.has_flag("--fifo"):
        if layer.streaming and not network.has_flag("--allow-streaming"):
            said = "Streaming in the first layer requires use of a FIFO."
            says = "the first layer streams; the input then comes through a FIFO (izer_args: --fifo)"
            yield wrong(layer, "streaming-without-fifo", "streaming", says, said)
        return
    channels = layer.in_channels or 0
    most = int(target.limit("max_fifo_chw_channels" if layer.chw else "max_fifo_hwc_channels"))
    if channels > most:
        said = (
            "Using the FIFO is restricted to a maximum of 4 input channels (CHW) or 16 channels (HWC); this input is "
            f"using {channels} channels."
        )
        says = f"{channels} input channels through FIFOs; {most} is the limit"
        yield wrong(layer, "fifo-channels", None, says, said)
    if layer.processors & ~(_FIFO_CHW if layer.chw else _FIFO_HWC):
        said = "The FIFO is restricted to processors 0, 16, 32, 48 (CHW) or 0-3, 16-19, 32-35, 48-51 (HWC)."
        says = f"processors 0x{layer.processors:016x} has some that no FIFO feeds"
        yield wrong(layer, "fifo-processors", "processors", says, said)
    if network.has_flag("--fast-fifo") and channels > (1 if layer.chw else 4):
        many = "only a single CHW input channel" if layer.chw else "up to four HWC input channels"
        said = f"Fast FIFO supports {many}; this test is using {channels} channels."
        yield wrong(layer, "fifo-channels", None, f"{channels} input channels through the fast FIFO", said)


def _streaming(layer: Layer, number: int, network: Network, target: Target) -> Iterator[Refusal]:
    if not layer.streaming:
        return
    after = network.layers[number + 1] if number + 1 < len(network) else None
    last = after is None or not after.streaming
    # A 1x1 kernel is emulated as 3x3 with padding 1.
    emulated = layer.kernel == (1, 1) and layer.op in ("conv2d", "convtranspose2d")
    if last and target.limit("streaming_last_needs_pad") and min(layer.pad) == 0 and not emulated:
        said = f"{layer.prefix}Padding for the final streaming layer must not be zero."
        yield wrong(layer, "streaming-last-pad", "pad", "the last streaming layer has no padding", said)
    if emulated and max(layer.pad) > 0:
        return
    if layer.op == "passthrough" and not target.limit("streaming_passthrough"):
        said = f"{layer.prefix}Passthrough operations are not supported for streaming layers."
        yield wrong(layer, "streaming-passthrough", "streaming", "streams without a convolution", said)
