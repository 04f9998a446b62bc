"""Replay of data memory, address by address: what lies where each layer reads, and is it what the layer wants?

Every byte carries the layer, channel and pixel that was written to it last. ai8x-synthesis computes its own known
answer on whole tensors and not on addresses, so it does not see what is found here; the chip does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lintmodel.target import Target

from .addresses import WORD, Map, pixels, read, sized, used_pixels, written
from .network import INPUT, Layer, Network, passes, processors_for, set_bits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[Any]

NOTHING = 0
OUTSIDE = -1
"""In place of a tag: no layer wrote here; the address is beyond the memory instance."""
ORDER = ("next_sequence", "simulated_sequence", "sequence")
"""Keys that change which layer follows which."""
RESHAPED = ("in_crop", "in_channel_skip", "buffer_shift", "buffer_insert")
"""Keys under which a layer's data is not simply what another layer wrote."""
FIFOS = ("--fifo", "--fast-fifo", "--fast-fifo-quad")


@dataclass(frozen=True, slots=True)
class Held:
    """What lies at an address."""

    layer: int
    """:data:`INPUT` for the network's input."""
    channel: int
    pixel: int


@dataclass(frozen=True, slots=True)
class ReadError:
    """One layer reads bytes that are not those it should."""

    layer: int
    wrong: int
    read: int
    """Bytes in all."""
    operand: int
    channel: int
    pixel: int
    """What should be read at the first wrong address, of that operand."""
    processor: int
    address: int
    """Offset in the processor's memory instance."""
    source: int
    """The layer whose output should be there."""
    holds: Held | None
    """None where no layer has written, or beyond the end of the memory instance (``outside``)."""
    outside: bool
    causes: tuple[str, ...]
    """See :mod:`.replay_causes`. Empty where none explains it."""
    by: int
    """The layer that the causes are about."""


@dataclass(frozen=True, slots=True)
class Unchecked:
    """A layer whose reads were not replayed. -2: the whole network."""

    layer: int
    why: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What came of it."""

    errors: tuple[ReadError, ...] = ()
    unchecked: tuple[Unchecked, ...] = ()
    checked: int = 0
    """Number of layers whose reads were compared."""


@dataclass
class Memory:
    """All memory instances, one behind the other."""

    size: int
    """Bytes of one instance."""
    instances: int
    tags: Bytes = field(init=False)
    owners: Bytes = field(init=False)

    def __post_init__(self) -> None:
        import numpy as np

        self.tags = np.zeros(self.instances * self.size, np.int64)
        self.owners = np.full(self.tags.shape, -3, np.int16)


def address_errors(network: Network, target: Target) -> list[ReadError]:
    """Every layer that reads wrong bytes."""
    return list(replay(network, target).errors)


def replay(network: Network, target: Target) -> Replay:
    """Runs through the layers in order: compares what each reads, then writes its output."""
    if why := _not_at_all(network):
        return Replay(unchecked=(Unchecked(-2, why),))
    return Run(network, int(target.limit("data_instance_bytes")), int(target.limit("data_instances"))).run()


def _not_at_all(network: Network) -> str:
    if not sized(network):
        return "; ".join(network.unknown) or "channels or dimensions are not known"
    if found := sorted({key for layer in network for key in ORDER if key in layer.keys}):
        return f"{', '.join(found)}: layers that do not follow each other in order are not replayed"
    return ""


# ---- tags


def tagged(layer: int, channels: int, count: int, skip: int = 0) -> Bytes:
    """What each byte of a layer's output is called, from channel ``skip`` on: channels x pixels."""
    import numpy as np

    channel = np.arange(skip, skip + channels, dtype=np.int64)[:, None]
    found: Bytes = ((np.int64(layer) + 2) << 40) | (channel << 24) | np.arange(count, dtype=np.int64)[None, :]
    return found


def untagged(tag: int, owner: int) -> Held | None:
    return Held(owner, tag >> 24 & 0xFFFF, tag & 0xFFFFFF) if tag > NOTHING else None


# ---- the run


@dataclass
class Run:
    network: Network
    size: int
    instances: int
    copies: dict[int, int] = field(default_factory=dict)
    """For layers that only copy: whose output theirs is."""
    opaque: dict[int, str] = field(default_factory=dict)
    """Layers whose output is not followed, and why."""

    def run(self) -> Replay:
        errors: list[ReadError] = []
        unchecked: list[Unchecked] = []
        checked = 0
        memory = Memory(self.size, self.instances)
        for layer in self.network:
            if layer.index == 0:
                self._load(memory, layer)
            why = self._not_compared(layer)
            if why:
                unchecked.append(Unchecked(layer.index, why))
            else:
                error = self._compare(memory, layer)
                checked += 1
                if error is not None:
                    errors.append(error)
                if self.network.has_flag("--overlap-data") and self._over_itself(layer):
                    why = "its output lies over its own input (--overlap-data); what it reads late may be gone by then"
                    unchecked.append(Unchecked(layer.index, why))
            self._write(memory, layer)
        return Replay(tuple(errors), tuple(unchecked), checked)

    def _load(self, memory: Memory, layer: Layer) -> None:
        """Puts the network's input where the first layer reads it."""
        if any(self.network.has_flag(flag) for flag in FIFOS) or layer.streaming:
            self.opaque[INPUT] = "the input comes through a FIFO and not from data memory"
            return
        if not self.load(memory):
            self.opaque[INPUT] = (
                "the input does not match the first layer's processors, or does not fit into their memory"
            )

    def load(self, memory: Memory) -> bool:
        """Writes the input as the loader does."""
        layer = self.network.layers[0]
        for operand in range(layer.operands):
            there = read(replace(layer, read_gap=0), self.size, operand)
            if there is None or (there.at < 0).any():
                return False
            channels = layer.in_channels or 0
            put(memory, there, tagged(INPUT, channels, there.at.shape[1], operand * channels), INPUT)
        return True

    def _not_compared(self, layer: Layer) -> str:
        if layer.streaming:
            return "streaming layers read rolling buffers, whose contents are not followed"
        if key := next((key for key in RESHAPED if key in layer.keys), ""):
            return f"`{key}` is not followed"
        for source in layer.sources:
            if source in self.opaque:
                return self.opaque[source]
        there = read(layer, self.size, layer.operands - 1)
        if there is None or (layer.chw and layer.index > 0):
            return "its processors do not match its input channels"
        if (there.at < 0).any():
            return "its input does not fit into the memory of its processors"
        if any(self.wanted(layer, operand) is None for operand in range(layer.operands)):
            return "its input is another shape than what the layers before it write"
        return ""

    def _over_itself(self, layer: Layer) -> bool:
        """Some byte is both read and written by the layer."""
        import numpy as np

        there = written(layer, self.size) if layer.output_processors else None
        taken = np.zeros(self.instances * self.size + 1, bool)
        for operand in range(layer.operands):
            operands = read(layer, self.size, operand)
            if operands is not None:
                taken[operands.at] = True
        taken[-1] = False
        return there is not None and bool(taken[there.at].any())

    def shape(self, source: int) -> tuple[int, int]:
        """Channels and pixels of a layer's output."""
        if source == INPUT:
            first = self.network.layers[0]
            assert first.in_channels and first.in_dim
            return first.in_channels * first.operands, pixels(first.in_dim)
        layer = self.network.layers[source]
        assert layer.out_channels and layer.out_dim
        return layer.out_channels, pixels(layer.out_dim)

    def tags(self, source: int) -> Bytes:
        return tagged(self.copies.get(source, source), *self.shape(source))

    def wanted(self, layer: Layer, operand: int, sources: Sequence[int] | None = None) -> Bytes | None:
        """What an operand should be, byte by byte; None where the shapes do not say."""
        import numpy as np

        assert layer.in_channels and layer.in_dim
        given, count = list(sources if sources is not None else layer.sources), pixels(layer.in_dim)
        if layer.operands > 1 and given != [INPUT]:
            given = [given[operand] if operand < len(given) else given[0]]
        skip = operand * layer.in_channels if given == [INPUT] else 0
        if not all(INPUT <= source < layer.index for source in given):
            return None
        shapes = [self.shape(source) for source in given]
        found: Bytes | None = None
        if all(shape[1] == count for shape in shapes):
            found = np.concatenate([self.tags(source) for source in given])[skip : skip + layer.in_channels]
        elif len(given) > 1 and sum(shape[1] for shape in shapes) == count and len({shape[0] for shape in shapes}) == 1:
            found = np.concatenate([self.tags(source) for source in given], axis=1)
        return found if found is not None and found.shape == (layer.in_channels, count) else None

    def mismatch(self, memory: Memory, layer: Layer, sources: Sequence[int] | None = None) -> Iterator[tuple[Any, ...]]:
        """For every operand: where it looks, what it finds there, and which of it is not what it wants."""
        import numpy as np

        for operand in range(layer.operands):
            there, wants = read(layer, self.size, operand), self.wanted(layer, operand, sources)
            if there is None or wants is None:
                continue
            found = np.where(there.at < 0, OUTSIDE, memory.tags[np.maximum(there.at, 0)])
            yield operand, there, found, found != wants

    def _compare(self, memory: Memory, layer: Layer) -> ReadError | None:
        from .replay_causes import cause_of

        used = used_pixels(layer)
        wrong, first = 0, None
        for operand, there, found, differs in self.mismatch(memory, layer):
            wrong += int(differs.sum())
            matters = differs & used[None, :]
            if first is None and matters.any():
                channel, pixel = divmod(int(matters.argmax()), matters.shape[1])
                first = operand, channel, pixel, there, found
        if first is None:
            return None
        operand, channel, pixel, there, found = first
        index, tag = int(there.at[channel, pixel]), int(found[channel, pixel])
        holds = untagged(tag, int(memory.owners[index])) if index >= 0 else None
        assert layer.in_channels and layer.in_dim
        causes, by = cause_of(self, layer, holds)
        processors = set_bits(layer.processors)
        return ReadError(
            layer=layer.index,
            wrong=wrong,
            read=layer.in_channels * pixels(layer.in_dim) * layer.operands,
            operand=operand,
            channel=channel,
            pixel=pixel,
            processor=processors[channel % processors_for(layer.in_channels)],
            address=int(there.offsets[channel, pixel]) // WORD * WORD,
            source=self.source_of(layer, operand, channel),
            holds=holds,
            outside=index < 0,
            causes=causes,
            by=by,
        )

    def source_of(self, layer: Layer, operand: int, channel: int) -> int:
        """The layer that a channel of an operand comes from."""
        if layer.operands > 1:
            return layer.sources[operand] if operand < len(layer.sources) else layer.sources[0]
        for source in layer.sources:
            if channel < self.shape(source)[0]:
                return source
            channel -= self.shape(source)[0]
        return layer.sources[-1]

    def _write(self, memory: Memory, layer: Layer) -> None:
        follower = self.network.layers[layer.index + 1] if layer.index + 1 < len(self.network) else None
        if layer.streaming and follower is not None and follower.streaming:
            self.opaque[layer.index] = "streaming layers write rolling buffers, whose contents are not followed"
            return
        there = written(layer, self.size) if layer.output_processors else None
        if there is None:
            self.opaque[layer.index] = "the output processors of a layer it reads do not match that layer's channels"
            return
        if (there.at < 0).any() and not layer.write_gap:
            self.opaque[layer.index] = "the output of a layer it reads does not fit into the memory of its processors"
        if layer.output_width == 32:
            self.opaque[layer.index] = "a layer it reads writes values of 32 bits, which no layer takes"
        if _copies(layer, self.shape):
            self.copies[layer.index] = self.copies.get(layer.sources[0], layer.sources[0])
        _spoil(memory, layer)
        tags = self.tags(layer.index)
        for byte in range(layer.output_width // 8):
            put(memory, there, tags, layer.index, byte)


def put(memory: Memory, there: Map, tags: Bytes, owner: int, byte: int = 0) -> None:
    """Writes; what lies beyond the end of an instance is lost."""
    inside = (there.at >= 0) & (there.at + byte < memory.tags.size)
    memory.tags[there.at[inside] + byte] = tags[inside]
    memory.owners[there.at[inside] + byte] = owner


def _copies(layer: Layer, shape: Any) -> bool:
    """The layer's output is its input, byte for byte."""
    plain = layer.op == "passthrough" and layer.eltwise == "none" and layer.output_width == 8
    unpooled = layer.pool in (None, (1, 1)) and layer.pool_stride == (1, 1)
    return plain and unpooled and len(layer.sources) == 1 and bool(shape(layer.sources[0]) == shape(layer.index))


def _spoil(memory: Memory, layer: Layer) -> None:
    """A dilated Conv1d that runs on the 2D hardware also writes around its output: a row of ``dilation`` values before
    it for kernels of 3, and up to a whole number of rows behind it. Source: izer/backend/max7800x.py 556-600."""
    dilation = layer.dilation[0]
    if layer.op != "conv1d" or layer.kernel[0] == 1 or (layer.kernel[0] - 1) * dilation < 9:
        return
    assert layer.in_dim and layer.out_dim and layer.out_channels
    rows = -(-layer.in_dim[0] // dilation)
    ahead = dilation if layer.kernel[0] == 3 else 0
    words = passes(layer.out_channels) * (layer.write_gap + 1) * WORD
    start = max(0, layer.out_offset - ahead * words)
    stop = min(memory.size, start + rows * dilation * words)
    for instance in sorted({processor // WORD for processor in set_bits(layer.output_processors or 0)}):
        memory.tags[instance * memory.size + start : instance * memory.size + stop] = int(
            tagged(layer.index, 1, 1, 0xFFFF)[0, 0]
        )
        memory.owners[instance * memory.size + start : instance * memory.size + stop] = layer.index
