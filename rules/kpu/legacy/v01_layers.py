"""The layer graph of nncase 0.1 and how it is rewritten.

A layer has at most one output; feature maps are N,C,H,W. What the compiler cannot do with a layer is recorded as a
refusal and the layer becomes ``Refused``, which no pattern touches, so that everything wrong is found in one run.
Source: nncase v0.1.0-rc5, src/NnCase.Converter/Model and Transforms/Transform.cs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from lintmodel.planning import Refusal

Dims = tuple[int, ...]

REFUSED = "Refused"
DIFFER = "Fatal: Dimensions must be equal."


@dataclass(frozen=True, slots=True)
class Window:
    """What slides over a map: height and width of kernel and stride, and whether the padding is "same"."""

    kernel: tuple[int, int]
    stride: tuple[int, int]
    same: bool

    def over(self, dims: Dims) -> tuple[int, int]:
        """Height and width of the result."""
        high, wide = (
            -(-(size if self.same else size - kernel + 1) // stride)
            for size, kernel, stride in zip(dims[2:], self.kernel, self.stride, strict=True)
        )
        return high, wide

    @property
    def square(self) -> bool:
        return self.kernel[0] == self.kernel[1]


@dataclass(eq=False)
class Layer:
    """``kind`` is the compiler's own name of the class."""

    kind: str
    dims: Dims = ()
    """Of the output."""
    wants: tuple[Dims, ...] = ()
    """Shapes of the inputs, as the layer itself has them."""
    origin: tuple[str, ...] = ()
    """The nodes it does the work of; the first is the one it stands for."""
    tensor: str = ""
    """What it writes, as the file calls it."""
    window: Window | None = None
    activation: str = ""
    depthwise: bool = False
    pool: str = ""
    """K210Conv2d: what its pooling stage does."""
    weights: int = 0
    """Number of weights, the bias left out."""
    ignored: tuple[str, ...] = ()
    """What the file says and the compiler does not look at, though the result depends on it."""
    shifted: bool = False
    """The KPU's padding stands elsewhere than TensorFlow's: every value is taken one pixel further up and left."""
    scalar: bool = False
    """Mul: by a number."""
    inputs: list[Layer | None] = field(default_factory=list)
    readers: list[tuple[Layer, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = [None] * len(self.wants)

    @property
    def source(self) -> Layer:
        """What the only input reads."""
        found = self.inputs[0]
        assert found is not None, self.kind
        return found

    @property
    def elements(self) -> int:
        found = 1
        for size in self.dims:
            found *= size
        return found

    def reader(self, *kinds: str) -> Layer | None:
        """The only layer that reads this one, when it is of these kinds."""
        readers = {id(layer): layer for layer, _ in self.readers}
        only = next(iter(readers.values())) if len(readers) == 1 else None
        return only if only is not None and only.kind in kinds else None

    def first_reader(self, kind: str) -> Layer | None:
        return next((layer for layer, _ in self.readers if layer.kind == kind), None)


class Refused(Exception):
    """The compiler stops at a layer."""

    def __init__(self, kind: str, message: str | None, **details: Any) -> None:
        self.kind, self.message, self.details = kind, message, details
        super().__init__(message)


Transform = Callable[["Net", Layer], bool]
"""Rewrites the net at a layer and says whether it did."""


@dataclass
class Net:
    inputs: list[Layer] = field(default_factory=list)
    outputs: list[Layer] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, node: str | None, kind: str, message: str | None, details: Mapping[str, Any]) -> None:
        refusal = Refusal(kind, node, message, details)
        if refusal not in self.refusals:
            self.refusals.append(refusal)

    def layers(self) -> list[Layer]:
        """Every layer an output depends on, from the outputs backwards."""
        found: dict[int, Layer] = {}
        waiting = list(reversed(self.outputs))
        while waiting:
            layer = waiting.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                waiting += [source for source in reversed(layer.inputs) if source is not None]
        return list(found.values())

    def rewrite(self, transforms: Sequence[Transform]) -> None:
        """Applies every transform as long as it finds something, and all of them until none does."""
        changed = True
        while changed:
            changed = False
            for transform in transforms:
                while self._pass(transform):
                    changed = True

    def attempt(self, rewrite: Callable[[], None], *layers: Layer) -> bool:
        """Rewrites these layers. Where the compiler stops there, they are refused, in the name of the first."""
        try:
            rewrite()
        except Refused as refused:
            node = layers[0].origin[0] if layers[0].origin else None
            self.refuse(node, refused.kind, refused.message, refused.details)
            for layer in layers:
                layer.kind = REFUSED
        return True

    def _pass(self, transform: Transform) -> bool:
        changed = False
        for layer in self.layers():
            if layer.readers or layer.kind == "OutputLayer":  # else an earlier match of this pass replaced it
                changed |= transform(self, layer)
        return changed


def connect(source: Layer, reader: Layer, index: int = 0) -> None:
    """Lets an input read another layer."""
    before = reader.inputs[index]
    if before is source:
        return
    reader.inputs[index] = source
    source.readers.append((reader, index))
    if before is not None:
        before.readers = [(layer, at) for layer, at in before.readers if layer is not reader or at != index]
        drop(before)


def drop(layer: Layer) -> None:
    """Takes away a layer that nothing reads, and what only it read. Inputs of the network stay."""
    waiting = [layer]
    while waiting:
        unread = waiting.pop()
        if unread.readers or unread.kind in ("OutputLayer", "InputLayer"):
            continue
        for index, source in enumerate(unread.inputs):
            if source is not None:
                unread.inputs[index] = None
                source.readers = [(reader, at) for reader, at in source.readers if reader is not unread]
                waiting.append(source)


def replace(old: Layer, new: Layer) -> None:
    """Lets everything that reads ``old`` read ``new``."""
    for reader, index in list(old.readers):
        connect(new, reader, index)


def must_fit(old: Layer, dims: Dims) -> None:
    """Raises Refused when what comes instead of a layer has another shape."""
    if old.dims != dims:
        theirs, ours = (spoken(sizes[2:] or sizes) for sizes in (old.dims, dims))
        reason = f"the result is {theirs} in the network and {ours} in nncase's rewriting"
        raise Refused("conv-not-matched", DIFFER, reason=reason)


def chain(source: Layer, *layers: Layer) -> Layer:
    """Connects layers one behind the other and gives the last."""
    for layer in layers:
        connect(source, layer)
        source = layer
    return source


def through(kind: str, layer: Layer, origin: tuple[str, ...] | None = None) -> Layer:
    """A layer that changes no shape, to be put behind another."""
    return Layer(kind, layer.dims, (layer.dims,), layer.origin if origin is None else origin, layer.tensor)


def spoken(dims: Dims) -> str:
    """``1x16x32x32``"""
    return "x".join(map(str, dims))
