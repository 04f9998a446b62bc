"""A file of weights without a network: what tensors it has, not what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor of a checkpoint."""

    shape: tuple[int, ...]
    dtype: str = "float32"
    zero: bool | None = None
    """Whether all values are zero; None when they could not be looked at."""
    least: float | None = None
    """The smallest value, where it was looked at."""
    most: float | None = None
    """The largest value, where it was looked at."""
    values: tuple[float, ...] | None = None
    """The values of a small tensor, flat."""
    whole: bool | None = None
    """Whether all values are whole numbers; None when they could not be looked at."""
    digest: str = ""
    """Equal for equal values. Empty where they could not be looked at, and of one element that is repeated along
    an axis, which stands for values that are not in the file."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What a front end read from a file of weights."""

    path: str
    tensors: Mapping[str, StoredTensor]
    """The state dictionary's tensors by name, in the order of the file."""
    entries: Mapping[str, Any] = field(default_factory=dict)
    """What else the file says in plain values: ``arch``, ``epoch``."""
    has_state: bool = True
    """The file has a ``state_dict``."""


def checkpoint(arch: str | None = None, path: str = "example.pth.tar", /, **shapes: tuple[int, ...]) -> Checkpoint:
    """A checkpoint in one line, for examples and tests: ``conv1_weight=(16, 3, 3, 3)`` is ``conv1.op.weight``."""
    tensors = {}
    for word, shape in shapes.items():
        name, _, kind = word.rpartition("_")
        tensors[f"{name}.op.{kind}"] = StoredTensor(shape, zero=False, whole=True)
    return Checkpoint(path, tensors, {"epoch": 0, **({"arch": arch} if arch is not None else {})})
