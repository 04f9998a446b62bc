"""Data memory in the words of a report: what the tool refuses of it, what it lets pass and the chip reads wrongly."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.planning import NotChecked, Refusal
from lintmodel.target import Target

from .network import INPUT, Layer, Network
from .placement import Overwrite, overwrites
from .replay import ReadError, Replay, replay
from .replay_causes import readers
from .wording import problem


def refusals(network: Network, target: Target) -> Iterator[Refusal]:
    """Outputs that the tool refuses because their place is taken. Without numpy there are none."""
    for found in overwrites(network, target):
        yield _overwrite(network, found)


def misread(network: Network, found: Replay) -> Iterator[Refusal]:
    """Layers that read wrong bytes. The tool accepts them."""
    for error in found.errors:
        yield _misread(network, error)


def not_replayed(network: Network, found: Replay) -> Iterator[NotChecked]:
    """Reads that were not followed, once for every reason."""
    layers: dict[str, list[str]] = {}
    for item in found.unchecked:
        name = () if item.layer < 0 else (network.layers[item.layer].name,)
        layers.setdefault(item.why, []).extend(name)
    for why, names in layers.items():
        yield NotChecked("whether every byte of data memory that is read is the right one", why, tuple(names))


def data_memory(network: Network, target: Target) -> tuple[list[Refusal], list[NotChecked]]:
    """Everything about the contents of data memory, in the order of the layers."""
    if not network.layers:
        return [], []
    names = tuple(layer.name for layer in network if outside(layer, target))
    if names:
        why = "channels, dimensions, offsets or gaps are outside what the chip has"
        return [], [NotChecked("whether every byte of data memory that is read is the right one", why, names)]
    found = replay(network, target)
    return [*refusals(network, target), *misread(network, found)], list(not_replayed(network, found))


def outside(layer: Layer, target: Target) -> bool:
    """Nothing can be followed in a memory that is not there; the rules on limits say what is wrong."""
    channels = [size for size in (layer.in_channels, layer.out_channels) if size is not None]
    pixels = [size for dim in (layer.in_dim, layer.pooled_dim, layer.out_dim) for size in dim or ()]
    offsets, gaps = (layer.in_offset, layer.out_offset), (layer.write_gap, layer.read_gap)
    return not (
        all(0 < size <= target.limit("max_channels") for size in channels)
        and all(0 < size <= target.limit("max_row_col") for size in pixels)
        and all(0 <= offset < target.limit("data_address_range") for offset in offsets)
        and all(0 <= gap < 1 << 16 for gap in gaps)
        and 0 < layer.operands <= target.limit("max_operands")
        and layer.output_width in (8, 32)
    )


# ---- words


def called(network: Network, index: int) -> str:
    """A layer in a sentence: ``layer 3``, ``layer 3 (res1)``, ``the input``."""
    return "the input" if index == INPUT else f"layer {network.layers[index].label}"


def _overwrite(network: Network, found: Overwrite) -> Refusal:
    layer = network.layers[found.layer]
    row, column = found.pixel
    here = f"Processor {found.processor}: Layer {layer.label} output for CHW={found.channel},{row},{column}"
    old = f"CHW={found.before_channel},{found.before_pixel[0]},{found.before_pixel[1]}"
    own = found.before == found.layer
    where = f"at processor {found.processor}, byte 0x{found.offset:04x} of its memory instance"
    if own:
        said = f"{here} is overwriting offset 0x{found.address:08x}. Previous write by layer {layer.label}, {old}."
        says = (
            f"the output grows past its memory instance into the next one (processor {found.processor}, byte "
            f"0x{found.offset:04x}), where channel {found.before_channel} of it lies"
        )
    else:
        maker = "the input loader" if found.before == INPUT else f"layer {network.layers[found.before].label}, {old}"
        said = f"{here} is overwriting input at offset 0x{found.address:08x} that was created by {maker}."
        theirs = "the input" if found.before == INPUT else f"the output of {called(network, found.before)}"
        says = f"out_offset 0x{layer.out_offset:04x} puts the output over {theirs}, {where}"
    kind = "output-overwrites-itself" if own else "output-overwrites-input"
    return problem(
        kind, layer.key("out_offset"), says, said, layer.name, processor=found.processor, offset=found.offset
    )


def _misread(network: Network, error: ReadError) -> Refusal:
    layer = network.layers[error.layer]
    causes = [_cause(network, layer, error, cause) for cause in error.causes]
    because = " and ".join(words for words, _ in causes) or "no single setting explains it"
    wanted = f"channel {error.channel}, pixel {error.pixel} of {called(network, error.source)}"
    says = (
        f"{error.wrong:,} of the {error.read:,} bytes it reads are wrong: {because}; "
        f"processor {error.processor}, byte 0x{error.address:04x} {_held(network, error)} instead of {wanted}"
    )
    key = causes[0][1] if causes else layer.key()
    details = {"wrong": error.wrong, "read": error.read, "causes": list(error.causes), "address": error.address}
    return problem("reads-wrong-memory", key, says, _warned(network, error), layer.name, grade="miscompiles", **details)


def _held(network: Network, error: ReadError) -> str:
    if error.outside:
        return "lies past the end of the memory instance"
    if error.holds is None:
        return "holds nothing that was written"
    return f"holds channel {error.holds.channel}, pixel {error.holds.pixel} of {called(network, error.holds.layer)}"


def _cause(network: Network, layer: Layer, error: ReadError, cause: str) -> tuple[str, str]:
    """Words for it, and the value in the text that it is about."""
    by = called(network, error.by)
    if error.by == INPUT:
        return _input_cause(network, layer, cause)
    maker = network.layers[error.by]
    gap = maker.write_gap
    others = [called(network, other.index) for other in readers(network, error.by) if other.index != layer.index]
    spread = f"{by} leaves gaps (write_gap {gap}) for {' and '.join(others)}"
    if cause == "overwritten":
        return f"{by} has overwritten them", maker.key("out_offset")
    if cause == "past-end":
        return f"{by} writes past the end of its memory instances (write_gap {gap})", maker.key("write_gap")
    if cause == "stray-gap":
        return f"{by} has write_gap {gap}, which no layer that reads it wants", maker.key("write_gap")
    if cause == "gapped-copy":
        original = called(network, maker.sources[0])
        start = maker.in_offset
        return f"{spread}; what it copies, {original}, lies without them at in_offset 0x{start:04x}", layer.key(
            "in_sequences"
        )
    if cause == "gap":
        return spread, maker.key("write_gap")
    if cause == "operand-gap":
        count = layer.operands
        return f"{by} has write_gap {gap}, and {count} operands need {count - 1}", maker.key("write_gap")
    if cause == "offset":
        return f"{by} writes to 0x{maker.out_offset:04x}, and {_in_offset(layer)}", layer.key("in_offset")
    if cause == "processors":
        written = 0
        for source in layer.sources:
            written |= network.layers[source].output_processors or 0 if source != INPUT else 0
        return f"{by} writes to processors {written:#x}, and it reads {layer.processors:#x}", layer.key("processors")
    return "its sources lie in memory in another order than in_sequences names them", layer.key("in_sequences")


def _input_cause(network: Network, layer: Layer, cause: str) -> tuple[str, str]:
    first = network.layers[0]
    if cause == "processors":
        words = f"the input lies at processors {first.processors:#x}, and it reads {layer.processors:#x}"
        return words, layer.key("processors")
    if cause == "offset":
        return f"the input lies at 0x{first.in_offset:04x}, and {_in_offset(layer)}", layer.key("in_offset")
    return "the input is no longer there", layer.key("in_sequences")


def _in_offset(layer: Layer) -> str:
    given = "" if "in_offset" in layer.keys else ", which is where the layer before it writes"
    return f"in_offset is 0x{layer.in_offset:04x}{given}"


def _warned(network: Network, error: ReadError) -> str | None:
    """What the tool does print, as a warning."""
    layer = network.layers[error.layer]
    if {"stray-gap", "gapped-copy", "gap"} & set(error.causes):
        maker = network.layers[error.by]
        return (
            f"{layer.prefix}`read_gap` {layer.read_gap} does not match the `write_gap` {maker.write_gap} of layer "
            f"{maker.label} that created the input for this layer."
        )
    if "offset" in error.causes and layer.in_sequences is None and error.by != INPUT:
        return (
            f"{layer.prefix}Non-default `in_offset: 0x{layer.in_offset:04x}`, but no `in_sequences` given. "
            f"Assuming `in_sequences: {network.layers[error.by].label}` which may be incorrect."
        )
    return None
