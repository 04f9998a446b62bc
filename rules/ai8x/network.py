"""An ai8x network description with every default filled in, as ai8x-synthesis ("izer") understands it.

``Network`` is what the rules of this pack, the plan and the replay of data memory read. ``resolve`` (in
:mod:`.resolve`) makes it from a document.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Pair = tuple[int, int]
"""Height and width."""

INPUT = -1
"""In ``in_sequences``: the network's input."""

Op = Literal["conv2d", "conv1d", "convtranspose2d", "linear", "passthrough"]
Eltwise = Literal["none", "add", "sub", "xor", "or"]


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer, as executed. Sizes are None where they do not follow from what is known."""

    index: int
    name: str
    """The user's name, else ``layer N``."""
    op: Op
    eltwise: Eltwise = "none"
    operands: int = 1
    """1 without an element-wise operation."""
    in_channels: int | None = None
    """Per operand; before flattening divided by the pixels, so that it is the map's channels."""
    out_channels: int | None = None
    in_dim: Pair | None = None
    pooled_dim: Pair | None = None
    out_dim: Pair | None = None
    kernel: Pair = (1, 1)
    pad: Pair = (0, 0)
    output_pad: Pair = (0, 0)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    pool: Pair | None = None
    """Window of the pool in flight; None where there is none and no pool stride either."""
    pool_stride: Pair = (1, 1)
    pool_dilation: Pair = (1, 1)
    pool_kind: Literal["max", "avg", "none"] = "none"
    pool_first: bool = True
    groups: int = 1
    flatten: bool = False
    processors: int = 0
    output_processors: int | None = None
    in_offset: int = 0
    out_offset: int = 0
    in_sequences: tuple[int, ...] | None = None
    """Indexes of the layers whose outputs are read, :data:`INPUT` for the input; None: not given, so the previous."""
    write_gap: int = 0
    read_gap: int = 0
    streaming: bool = False
    bits: int = 8
    """Of the weights; -1 for binary."""
    output_width: int = 8
    chw: bool = False
    activation: str | None = None
    weight_shape: tuple[int, ...] | None = None
    """Of the checkpoint's tensor; None where there is no checkpoint or the layer has no weights."""
    has_bias: bool = False
    """The checkpoint has a bias for this layer that is not all zero."""
    in_dim_given: bool = False
    """``in_dim`` stands in the description, so that the data is read in another shape."""
    bias_count: int | None = None
    """Number of values of that bias, zero or not."""
    digest: str = ""
    """Of the weights: equal for equal values. Empty where they could not be looked at."""
    keys: Mapping[str, Any] = field(default_factory=dict)
    """The layer as written: what the fields above do not say (``bypass``, ``simulated_sequence``, ...)."""

    @property
    def weighted(self) -> bool:
        """It has weights of its own in kernel memory."""
        return self.op != "passthrough" and not self.keys.get("bypass")

    @property
    def sources(self) -> tuple[int, ...]:
        """Indexes of the layers it reads, the previous one where nothing else is said."""
        return self.in_sequences if self.in_sequences is not None else (self.index - 1,)

    def key(self, name: str | None = None) -> str:
        """The dotted path of one of its values in the document: ``layers.3.processors``; of the layer itself where
        the value is not written."""
        return f"layers.{self.index}" + (f".{name}" if name in self.keys else "")

    @property
    def prefix(self) -> str:
        """As izer's messages begin: ``Layer 3 (conv1): ``."""
        return f"Layer {self.label}: "

    @property
    def label(self) -> str:
        """As izer names it: ``3 (conv1)``, or ``3``."""
        given = self.keys.get("name")
        return f"{self.index} ({given})" if given is not None else str(self.index)


@dataclass(frozen=True, slots=True)
class Network:
    """All layers in the order of execution."""

    layers: tuple[Layer, ...]
    arch: str = ""
    input_shape: tuple[int, ...] | None = None
    """C, H, W."""
    args: tuple[str, ...] = ()
    """The tool's own flags: ``--fifo``, ``--overlap-data``, ..."""
    unknown: tuple[str, ...] = ()
    """Why sizes are missing, in words: ``the input's shape is not given``. Empty when everything is known."""
    keys: Mapping[str, Any] = field(default_factory=dict)
    """The description as written, without its layers."""

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)

    def __len__(self) -> int:
        return len(self.layers)

    @property
    def known(self) -> bool:
        """Every layer's channels and dimensions are known."""
        return all(layer.in_channels and layer.out_channels and layer.in_dim and layer.out_dim for layer in self)

    def has_flag(self, flag: str) -> bool:
        """A flag of the tool is set: ``has_flag("--fifo")``."""
        return flag in self.args


def passes(channels: int) -> int:
    """Groups of 64 channels, which the processors work off one after the other."""
    return -(-channels // 64)


def processors_for(channels: int) -> int:
    """Processors per pass: the channels shared evenly, a multiple of 4 when there is more than one pass."""
    share = -(-channels // max(passes(channels), 1))
    return min((share + 3) & ~3, 64) if channels > 64 else share


def set_bits(mask: int) -> list[int]:
    """Numbers of the processors in a mask, from 0."""
    return [bit for bit in range(mask.bit_length()) if mask >> bit & 1]
