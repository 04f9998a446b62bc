"""What a plain network becomes for the ai8x CNN accelerator: layers in the words of its tool, not yet placed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from lintmodel.planning import NotChecked, Placement, Refusal

from .network import Op, Pair, passes, processors_for

Map = tuple[int, int, int]
"""Channels, height and width of a feature map; the width of one with one dimension is 1."""


@dataclass(frozen=True, slots=True)
class Window:
    """A pool in flight, before the layer's own operation."""

    kind: Literal["max", "avg"]
    kernel: Pair
    stride: Pair


@dataclass
class CnnLayer:
    """One layer. ``reads`` and ``writes`` are tensors of the graph; a concatenation is read under its own name."""

    op: Op
    nodes: list[str]
    """The nodes it does the work of; the first is the one it stands for."""
    reads: tuple[str, ...]
    writes: str
    source: Map
    """One operand, as it is read."""
    result: Map
    kernel: Pair = (1, 1)
    pad: int = 0
    dilation: int = 1
    groups: int = 1
    output_pad: int = 0
    pool: Window | None = None
    eltwise: str = "none"
    activation: str = "none"
    has_bias: bool = False
    flatten: bool = False
    one_dimension: bool = False

    @property
    def name(self) -> str:
        return self.nodes[0]

    @property
    def operands(self) -> int:
        return len(self.reads) if self.eltwise != "none" else 1

    @property
    def weighted(self) -> bool:
        return self.op != "passthrough"

    @property
    def elements(self) -> int:
        """Weights of one kernel."""
        return self.kernel[0] * self.kernel[1]

    @property
    def weights(self) -> int:
        """Number of weights."""
        if not self.weighted:
            return 0
        channels, height, width = self.source
        features = channels * height * width if self.flatten else channels
        return self.result[0] * features // self.groups * self.elements


@dataclass
class Lowered:
    """All layers in order, what became of every node, and what the tool has no form for."""

    layers: list[CnnLayer] = field(default_factory=list)
    placements: dict[str, Placement] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    concats: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The parts of every concatenation, by the tensor it makes."""
    maps: dict[str, Map] = field(default_factory=dict)
    """Of inputs, of layers' outputs, and of concatenations."""
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    """The tensors, made by layers, that the network's results lie in."""
    not_checked: list[NotChecked] = field(default_factory=list)

    def readers(self, tensor: str) -> list[CnnLayer]:
        """The layers that read a tensor, also as part of a concatenation."""
        names = {tensor, *(name for name, parts in self.concats.items() if tensor in parts)}
        return [layer for layer in self.layers if names.intersection(layer.reads)]

    def writer(self, tensor: str) -> CnnLayer | None:
        return next((layer for layer in self.layers if layer.writes == tensor), None)


def instance_bytes(shape: Map, *, chw: bool = False) -> int:
    """Bytes of a map in every data memory instance it uses."""
    channels, height, width = shape
    return height * width if chw else height * width * 4 * passes(channels)


def kernel_words(layer: CnnLayer, bits: int = 8) -> int:
    """Words in the kernel memory of every processor of the layer, with output processors side by side that begin at
    a multiple of 4."""
    if not layer.weighted:
        return 0
    channels, height, width = layer.source
    count = passes(channels)
    if layer.groups == 1:
        count *= processors_for(layer.result[0]) * passes(layer.result[0])
    if layer.flatten:
        count *= height * width
    packed = 8 // bits
    rest = (count % packed) * layer.elements * (packed - 1)
    return -(-(count * layer.elements * bits + rest) // 72)


def bias_bytes(layer: CnnLayer) -> int:
    """Bytes of the bias, which lie in one quadrant."""
    return layer.result[0] if layer.weighted and layer.has_bias else 0
