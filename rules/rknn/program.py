"""RKNN's layers and the tensors between them: what the toolkit's log prints as its layer table.

The importer makes a program of the user's graph, every pass of :mod:`rules.rknn.compiler` rewrites it in place, and
what is left in ``layers`` are the rows of the log, in execution order. A layer keeps the names of the user's nodes
whose work it does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from lintmodel.target import Target

Shape = tuple[int, ...]


@dataclass(slots=True)
class Value:
    """A tensor between layers, in the order the layer table prints it (N,C,H,W)."""

    name: str
    shape: Shape
    dtype: str
    """Element type on the device: int8, float16, float32, int16, int32, int64, bool, uint8."""
    constant: bool = False
    load: Callable[[], np.ndarray[Any, Any] | None] | None = None
    """Values of a constant, where the file has them; None where they are not there or were computed by the toolkit."""


@dataclass(slots=True)
class Layer:
    """One row. ``kind`` is RKNN's word (``Conv``, ``ConvAddRelu``, ``exSoftmax13``, ``Reshape``)."""

    kind: str
    inputs: list[str]
    """Names of values; those that are constants (weight, bias) included, in the operator's order."""
    outputs: list[str]
    nodes: tuple[str, ...]
    """Names of the user's nodes; empty for a layer that the toolkit put in of its own."""
    attributes: dict[str, Any] = field(default_factory=dict)
    unit: str = ""
    """npu or cpu, once the units have been decided."""


@dataclass(slots=True)
class Program:
    """Layers in execution order, and every tensor by name."""

    target: Target
    quantized: bool
    """Built as int8 (w8a8); otherwise float16."""
    inputs: list[str] = field(default_factory=list)
    outputs: list[str] = field(default_factory=list)
    values: dict[str, Value] = field(default_factory=dict)
    layers: list[Layer] = field(default_factory=list)
    folded: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """For a node whose work left no layer of its own: nodes of the layers it went into; empty when it costs nothing."""

    @property
    def dtype(self) -> str:
        """Type of feature maps."""
        return "int8" if self.quantized else "float16"

    def shape(self, name: str) -> Shape:
        return self.values[name].shape

    def constant(self, name: str) -> bool:
        return not name or self.values[name].constant

    def features(self, layer: Layer) -> list[str]:
        """The layer's inputs that are not constants."""
        return [name for name in layer.inputs if name and not self.values[name].constant]

    def producer(self, name: str) -> Layer | None:
        return next((layer for layer in self.layers if name in layer.outputs), None)

    def consumers(self, name: str) -> list[Layer]:
        """Layers that read the tensor, in execution order."""
        return [layer for layer in self.layers if name in layer.inputs]

    def sole_consumer(self, name: str) -> Layer | None:
        """The one layer that reads the tensor; None when it is a graph output, or read by none or several."""
        readers = self.consumers(name)
        return readers[0] if len(readers) == 1 and name not in self.outputs else None

    def fresh(self, stem: str, shape: Sequence[int], dtype: str = "", *, constant: bool = False) -> str:
        """A new value; its name is ``stem`` with a number behind it when that is taken."""
        name, count = stem, 1
        while name in self.values:
            name, count = f"{stem}#{count}", count + 1
        self.values[name] = Value(name, tuple(shape), dtype or self.dtype, constant)
        return name

    def replace(self, old: Layer, new: Iterable[Layer]) -> None:
        """Layers in the place of one."""
        at = next(k for k, layer in enumerate(self.layers) if layer is old)
        self.layers[at : at + 1] = list(new)

    def insert_before(self, layer: Layer, new: Layer) -> None:
        at = next(k for k, other in enumerate(self.layers) if other is layer)
        self.layers.insert(at, new)

    def insert_after(self, layer: Layer, new: Layer) -> None:
        at = next(k for k, other in enumerate(self.layers) if other is layer)
        self.layers.insert(at + 1, new)

    def remove(self, layer: Layer) -> None:
        self.layers = [other for other in self.layers if other is not layer]

    def redirect(self, old: str, new: str, *, among: Iterable[Layer] | None = None) -> None:
        """Every reader of ``old`` reads ``new``."""
        for layer in among if among is not None else self.layers:
            layer.inputs = [new if name == old else name for name in layer.inputs]
