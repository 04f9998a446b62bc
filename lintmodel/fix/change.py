"""What a rewrite does to a graph, said without touching it: which nodes go, and what stands in their place."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from ..ir import Graph

Safety = Literal["safe", "unsafe"]


@dataclass(frozen=True, slots=True)
class NewNode:
    """A node to be. Inputs name tensors of the graph, constants of the same change, or outputs of its other new
    nodes; an empty string leaves an optional input out."""

    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    name: str = ""
    """Empty: named after the node whose place it takes."""
    domain: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """One place rewritten. What is left without a reader afterwards goes as well."""

    node: str
    """The node it is about, as findings name it."""
    text: str
    """What is done there, in words."""
    remove: tuple[str, ...] = ()
    """Names of nodes."""
    add: tuple[NewNode, ...] = ()
    """In an order in which they can run. An output that others read keeps its name."""
    constants: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    """New constants by name; a name that is taken already gets a number behind it. One named as an output of a node
    that goes stands in its place."""
    redirect: Mapping[str, str] = field(default_factory=dict)
    """Tensors whose readers read another one: from, to."""
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Tensors whose shape is written into the file, in place of what it states: inputs, outputs, and what flows."""
    opset: int | None = None
    """The least version of the standard operators that the new nodes need."""
    also: tuple[str, ...] = ()
    """Nodes that stay, and of which a finding may offer the change just as well."""
    whole: Callable[[Any], Any] | None = field(default=None, compare=False)
    """Instead of all this: the edited model from the model, both ``onnx.ModelProto``. It is made alone. Raises
    ValueError where it cannot be made."""


Find = Callable[..., Iterator[Change]]
"""``(graph)``; one that needs more than the graph says ``(graph, details)``, see :attr:`Rewrite.detailed`."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One kind of change. ``find`` yields every place where it can be made; what it needs to know and does not (an open
    shape, values that are not in the file) means that there is no place."""

    id: str
    safety: Safety
    """``safe``: the same function is computed; ``unsafe``: another one, and the network has to be trained again or
    looked at."""
    find: Find
    retrain: bool = False
    """Of an unsafe one: the network has to be trained again, or fine-tuned, to be as good as before."""
    detailed: bool = False
    """What is to be done stands in the ``details`` of the findings that offer it (the names of outputs, a version)."""

    def places(self, graph: Graph, details: Sequence[Mapping[str, Any]] = ()) -> Iterator[Change]:
        """Where it can be made, given the details of the findings that offer it."""
        return self.find(graph, details) if self.detailed else self.find(graph)

    @property
    def text(self) -> str:
        """First line of the docstring."""
        return (self.find.__doc__ or "").strip().splitlines()[0]


def rewrite(id: str, safety: Safety, *, retrain: bool = False, detailed: bool = False) -> Callable[[Find], Rewrite]:
    """Makes a rewrite of a function ``(graph) -> Iterator[Change]``, whose docstring says what becomes of what."""

    def make(find: Find) -> Rewrite:
        return Rewrite(id, safety, find, retrain, detailed)

    return make
