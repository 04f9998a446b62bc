"""What is known about the tensors of a graph while it is walked from its inputs to its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import prod
from typing import TYPE_CHECKING, Any

from ..ir import Dim, Graph, Shape, Tensor

if TYPE_CHECKING:
    import numpy as np

SMALL = 1024
"""Elements. Shapes, axes, scales and anchors are below; weights and feature maps are left alone."""


class Mismatch(ValueError):
    """The shapes of a node's inputs do not go together; the message says how."""


class Known:
    """Shapes, element types and small values by tensor name. Only :mod:`.propagation` adds to them."""

    def __init__(self, graph: Graph) -> None:
        self.tensors: dict[str, Tensor] = dict(graph.tensors)
        self.values: dict[str, np.ndarray[Any, Any]] = dict(graph.values)
        self._constants: dict[str, np.ndarray[Any, Any] | None] = {}

    def shape(self, name: str) -> Shape | None:
        tensor = self.tensors.get(name)
        return tensor.shape if tensor is not None else None

    def dtype(self, name: str) -> str:
        tensor = self.tensors.get(name)
        return tensor.dtype if tensor is not None else "unknown"

    def value(self, name: str) -> np.ndarray[Any, Any] | None:
        """A small value: stored in the file, or found by folding."""
        if name in self.values:
            return self.values[name]
        if name not in self._constants:
            self._constants[name] = self._stored(name)
        return self._constants[name]

    def ints(self, name: str) -> tuple[int, ...] | None:
        """A small value as integers; None when it is unknown, or the input is left out."""
        value = self.value(name) if name else None
        return None if value is None else tuple(int(n) for n in value.reshape(-1))

    def _stored(self, name: str) -> np.ndarray[Any, Any] | None:
        tensor = self.tensors.get(name)
        if tensor is None or tensor.constant is None or not tensor.known or tensor.elements > SMALL:
            return None
        return tensor.constant.load()

    def learn(self, name: str, shape: Shape | None, dtype: str) -> bool:
        """Adds what was worked out about a tensor. False when the file states otherwise, which then stands."""
        tensor = self.tensors.get(name) or Tensor(name, None, "unknown", declared=False, listed=False)
        if tensor.declared:
            merged, agrees = combined(tensor.shape, shape)
        else:
            merged, agrees = combined(shape, tensor.shape)[0], True
        dtype = dtype if tensor.dtype == "unknown" else tensor.dtype
        if merged != tensor.shape or dtype != tensor.dtype or name not in self.tensors:
            self.tensors[name] = replace(tensor, shape=merged, dtype=dtype)
        return agrees


def combined(before: Shape | None, found: Shape | None) -> tuple[Shape | None, bool]:
    """One shape from two about the same tensor, the first winning, and whether they agree."""
    if before is None or found is None:
        return (found if before is None else before), True
    if before == found:
        return before, True
    if len(before) != len(found):
        return before, False
    agrees = not any(isinstance(a, int) and isinstance(b, int) and a != b for a, b in zip(before, found, strict=True))
    return tuple(_either(a, b) for a, b in zip(before, found, strict=True)), agrees


def _either(before: Dim, found: Dim) -> Dim:
    return found if before == "?" or (isinstance(before, str) and isinstance(found, int)) else before


def product(dims: Sequence[Dim]) -> Dim:
    """The product of sizes, ``?`` unless all but one are 1 or all are numbers."""
    symbols = [d for d in dims if isinstance(d, str)]
    count = prod(d for d in dims if isinstance(d, int))
    if not symbols or count == 0:
        return count
    return symbols[0] if len(symbols) == 1 and count == 1 else "?"


def total(dims: Sequence[Dim]) -> Dim:
    """The sum of sizes, ``?`` unless all but one are 0 or all are numbers."""
    symbols = [d for d in dims if isinstance(d, str)]
    count = sum(d for d in dims if isinstance(d, int))
    if not symbols:
        return count
    return symbols[0] if len(symbols) == 1 and count == 0 else "?"


def broadcast(*shapes: Shape | None) -> Shape | None:
    """The shape several operands have together, None while the rank of one is unknown."""
    known = [shape for shape in shapes if shape is not None]
    if len(known) < len(shapes) or not known:
        return None
    rank = max(map(len, known))
    padded = [(1,) * (rank - len(shape)) + shape for shape in known]
    return tuple(_together(dims) for dims in zip(*padded, strict=True))


def _together(dims: Sequence[Dim]) -> Dim:
    """One axis of a broadcast. Raises Mismatch for sizes that do not go together."""
    numbers = {d for d in dims if isinstance(d, int) and d != 1}
    if len(numbers) > 1:
        raise Mismatch(f"its inputs have {' and '.join(map(str, sorted(numbers)))} elements along one axis")
    if numbers:  # a symbol beside a number other than 1 must be that number, or 1
        return numbers.pop()
    symbols = {d for d in dims if isinstance(d, str)}
    return 1 if not symbols else symbols.pop() if len(symbols) == 1 else "?"
