"""Masks of processors that do not go with the channels (``izer/backend/max7800x.py``)."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.planning import Refusal
from lintmodel.target import Target

from .bias_memory import own_quadrants, quadrants_used
from .network import Layer, Network, passes, processors_for
from .shapes import wrong
from .wording import problem

_QUADRANT = 16
_SHARED = 4


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    for number, layer in enumerate(network):
        yield from _input_map(layer, network)
        yield from _output_map(layer, number, network)
        yield from _chw(layer)
        yield from _packed(layer)
        yield from _depthwise(layer)
        yield from _operands(layer, network)
    used = quadrants_used(network)
    if len(network) and 0 not in used:
        said = "Quadrant 0 is not used, this is currently unsupported."
        key = network.layers[0].key("processors")
        yield problem("quadrant-0-unused", key, "no layer uses a processor of quadrant 0 (0 to 15)", said)
    if network.has_flag("--ignore-bias-groups"):
        return
    for layer in network:
        for quadrant in own_quadrants(layer):
            if quadrant not in used:
                said = (
                    f"{layer.prefix}`bias_quadrant` references unused quadrant {quadrant}. Used x16 groups for this "
                    f"network are: {used}."
                )
                key = "bias_quadrant" if "bias_quadrant" in layer.keys else "bias_group"
                yield wrong(layer, "bias-quadrant-unused", key, f"no layer uses quadrant {quadrant}", said)


def _plural(count: int, word: str, end: str = "s") -> str:
    return word if count == 1 else word + end


def _input_map(layer: Layer, network: Network) -> Iterator[Refusal]:
    channels = layer.in_channels
    if not channels or not layer.processors:
        return
    turns, wanted, bits = passes(channels), processors_for(channels), layer.processors.bit_count()
    if layer.index == 0 and network.has_flag("--fast-fifo-quad"):
        return
    if bits == wanted:
        return
    flat = " (before flattening)" if layer.flatten else ""
    said = (
        f"{layer.prefix}{channels} input {_plural(channels, 'channel')}{flat} using {turns} "
        f"{_plural(turns, 'pass', 'es')}, and {layer.operands} {_plural(layer.operands, 'operand')} ({wanted} "
        f"processors per pass), but the enabled processor map 0x{layer.processors:016x} has {bits} bits instead of "
        f"the expected number of {wanted}."
    )
    says = f"{channels} input channels need {wanted} processors; processors 0x{layer.processors:016x} enables {bits}"
    yield wrong(layer, "processor-count", "processors", says, said)


def _output_map(layer: Layer, number: int, network: Network) -> Iterator[Refusal]:
    channels, mask = layer.out_channels, layer.output_processors
    if not channels or not mask:
        return
    turns, wanted, bits = passes(channels), processors_for(channels), mask.bit_count()
    if bits == wanted:
        return
    said = (
        f"{layer.prefix}{channels} output {_plural(channels, 'channel')} using {turns} "
        f"{_plural(turns, 'pass', 'es')} ({wanted} processors per pass), but the processor output map "
        f"0x{mask:016x} has {bits} bits instead of the expected number of {wanted}."
    )
    says = f"{channels} output channels need {wanted} processors; "
    if "output_processors" in layer.keys or number + 1 >= len(network):
        says += f"output_processors 0x{mask:016x} enables {bits}"
        yield wrong(layer, "output-processor-count", "output_processors", says, said)
    else:
        after = network.layers[number + 1]
        says += f"output_processors is not given and processors 0x{mask:016x} of {after.name} enables {bits}"
        yield wrong(layer, "output-processor-count", "output_processors", says, said)


def _chw(layer: Layer) -> Iterator[Refusal]:
    shared = any((layer.processors >> first & 0xF).bit_count() > 1 for first in range(0, 64, _SHARED))
    if layer.chw and shared:
        said = (
            f"{layer.prefix}CHW input format, but multiple channels share the same memory instance. Modify the "
            "processor map."
        )
        says = f"CHW input needs a data memory for each channel; processors 0x{layer.processors:016x} share one"
        yield wrong(layer, "chw-shared-memory", "processors", says, said)


def _packed(layer: Layer) -> Iterator[Refusal]:
    if layer.op != "passthrough" or not layer.processors or not layer.output_processors:
        return
    for first in range(0, 64, _QUADRANT):
        taken = (1 << (layer.processors >> first & 0xFFFF).bit_count()) - 1
        given = layer.output_processors >> first & 0xFFFF
        if given:
            given >>= (given & -given).bit_length() - 1
        if given != taken:
            said = (
                f"{layer.prefix}The output processors for a pass-through layer must be a packed version of the input "
                f"processors for each x16. Configured are: input {layer.processors:016x}, output "
                f"{layer.output_processors:016x}."
            )
            says = (
                f"data passes through quadrant by quadrant; processors 0x{layer.processors:016x} cannot write "
                f"0x{layer.output_processors:016x}"
            )
            yield wrong(layer, "passthrough-map", "output_processors", says, said)
            return


def _depthwise(layer: Layer) -> Iterator[Refusal]:
    if layer.groups <= 1 or not layer.processors or not layer.output_processors:
        return
    first = (layer.output_processors & -layer.output_processors).bit_length() - 1
    if first % _SHARED:
        said = (
            f"{layer.prefix}Output processors for depth-wise convolutions must be aligned to a multiple of 4. "
            f"Configured for this layer: {layer.output_processors:016x}."
        )
        says = f"a depthwise layer writes from a multiple of 4 on; output_processors begins at {first}"
        yield wrong(layer, "depthwise-alignment", "output_processors", says, said)
    first = (layer.processors & -layer.processors).bit_length() - 1
    if first % _SHARED and (layer.processors >> first) >= 2**_QUADRANT:
        said = (
            f"{layer.prefix}When spanning groups for depth-wise convolutions, processors must be aligned to a "
            f"multiple of 4. Configured for this layer: {layer.processors:016x}."
        )
        says = f"a depthwise layer in several quadrants begins at a multiple of 4; processors begins at {first}"
        yield wrong(layer, "depthwise-alignment", "processors", says, said)


def _operands(layer: Layer, network: Network) -> Iterator[Refusal]:
    """All operands of an element-wise operation come from the same processors."""
    if layer.in_sequences is None or layer.operands == 1:
        return
    outputs = {other.index: other.output_processors for other in network}
    before: int | None = None
    for source in layer.in_sequences:
        mask = network.layers[0].processors if source < 0 else outputs.get(source)
        if mask is not None and before not in (None, mask):
            label = next((other.label for other in network if other.index == source), "input")
            said = (
                f"{layer.prefix}In `in_sequences` {list(layer.in_sequences)}, an earlier layer in the sequence uses "
                f"a different output processor map (0x{before:016x}) than layer {label} which uses 0x{mask:016x}."
            )
            says = f"operands lie on different processors, 0x{before:016x} and 0x{mask:016x}"
            yield wrong(layer, "operand-processors", "in_sequences", says, said)
            return
        before = mask
