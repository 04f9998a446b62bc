"""The graph every front end produces and every later stage reads.

Operators carry ONNX's names and attribute names whatever the file was written in, so that a rule is written once.
Where formats differ in layout (TFLite stores feature maps as N,H,W,C) the node says so in ``layout`` and the typed
views of :mod:`lintmodel.ir.views` read both alike. Nothing here is changed after it was made: a stage that changes
something makes a new graph with :meth:`Graph.with_`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import prod
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

Dim = int | str
"""A size in elements, or the name of one that is not known yet (``"batch"``; ``"?"`` when it has no name)."""

Shape = tuple[Dim, ...]
Layout = Literal["NCHW", "NHWC"]


@dataclass(frozen=True, slots=True)
class Frame:
    """A line of Python that was running when an operator was traced."""

    file: str
    line: int
    function: str = ""
    code: str = ""
    """What the line said then; empty where it was not kept."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A module of PyTorch: its path in the model (``stem.0``; empty for the model itself) and its class
    (``torch.nn.modules.conv.Conv2d``; empty where it is not known)."""

    path: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """Where something stands in what the user wrote."""

    file: str = ""
    line: int | None = None
    column: int | None = None
    native_op: str = ""
    index: int | None = None
    """Position in the file's own list of nodes, 0-based."""
    frames: tuple[Frame, ...] = ()
    """The calls that led to it in the program that was traced, outermost first, those in libraries included."""
    scopes: tuple[Scope, ...] = ()
    """The modules it stands in, outermost first."""
    calls: tuple[Frame, ...] = ()
    """The user's own lines that call what ``line`` made."""


@dataclass(frozen=True, slots=True)
class Constant:
    """Values fixed in the file. ``load`` reads them; it returns None when their bytes are not there."""

    load: Callable[[], np.ndarray[Any, Any] | None] = field(repr=False, compare=False)

    @staticmethod
    def of(value: np.ndarray[Any, Any]) -> Constant:
        return Constant(lambda: value)


@dataclass(frozen=True, slots=True)
class Quantization:
    """real = scale * (stored - zero_point), one pair per tensor or one per index of ``axis``."""

    scales: tuple[float, ...]
    zero_points: tuple[int, ...]
    axis: int | None = None
    has_range: bool = False
    """The file also states the real minimum and maximum (older TFLite files do)."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A value that flows between nodes. ``shape`` is None when not even the rank is known."""

    name: str
    shape: Shape | None = None
    dtype: str = "float32"
    """numpy's name of the element type; ``"string"`` or ``"unknown"`` where numpy has none."""
    constant: Constant | None = None
    """Set for initialisers and the outputs of Constant nodes."""
    declared: bool = True
    """True when the file itself states the shape, False when lintmodel inferred it."""
    listed: bool = True
    """True when the file has an entry for the tensor, with a shape or without one."""
    quantization: Quantization | None = None
    sparse: bool = False
    """An initialiser that the file stores as the places and values of what is not zero."""

    @property
    def known(self) -> bool:
        """Every dimension is a number."""
        return self.shape is not None and all(isinstance(d, int) for d in self.shape)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The shape as numbers. Raises ValueError while a dimension is symbolic."""
        if self.shape is None or not all(isinstance(d, int) for d in self.shape):
            raise ValueError(f"tensor {self.name!r} has no fixed shape: {self.shape}")
        return tuple(d for d in self.shape if isinstance(d, int))

    @property
    def elements(self) -> int:
        return prod(self.sizes)


@dataclass(frozen=True, slots=True)
class Node:
    """One operator. ``op`` is canonical (ONNX's name); ``source.native_op`` is what the file calls it."""

    name: str
    op: str
    inputs: tuple[str, ...]
    """Tensor names in order; an empty string is an optional input left out."""
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    source: Source = Source()
    domain: str = ""
    """Operator set the native operator comes from; empty for the format's own."""
    layout: Layout = "NCHW"
    subgraphs: Mapping[str, Graph] = field(default_factory=dict)
    """Bodies of control flow by attribute name (``then_branch``, ``body``)."""

    @property
    def native_op(self) -> str:
        return self.source.native_op or self.op


@dataclass(frozen=True, slots=True)
class Composite:
    """An operator recognised in several nodes: SiLU in Sigmoid and Mul. The nodes stay in the graph."""

    name: str
    op: str
    members: tuple[str, ...]
    """Node names in graph order; the last one writes the composite's result."""
    inputs: tuple[str, ...]
    output: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something a front end or a normaliser noticed that is not itself about a chip. Rules of the common pack
    turn each kind into a finding."""

    kind: str
    message: str
    node: str | None = None


@dataclass(frozen=True, repr=False, eq=False)
class Graph:
    """A network. ``nodes`` are in an order in which every input is made before it is used."""

    name: str
    format: str
    """``onnx``, ``tflite``, ``pt2``, ..."""
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    nodes: tuple[Node, ...]
    tensors: Mapping[str, Tensor]
    opsets: Mapping[str, int] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    subgraphs: tuple[Graph, ...] = ()
    """Further subgraphs of the file (TFLite)."""
    composites: tuple[Composite, ...] = ()
    problems: tuple[Problem, ...] = ()
    values: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    """Values that constant folding found for tensors that are not constants in the file."""
    free: frozenset[str] = frozenset()
    """Tensors that a body of control flow takes from the graphs around it by name; they are in ``tensors`` too."""
    source: Source = Source()
    """Where the model is written, of one that was traced from a program."""

    def __repr__(self) -> str:
        return f"<Graph {self.name!r}: {len(self.nodes)} nodes, {self.format}>"

    def with_(self, **changes: Any) -> Graph:
        """A copy with some fields replaced."""
        return replace(self, **changes)

    @cached_property
    def _producers(self) -> dict[str, Node]:
        return {out: node for node in self.nodes for out in node.outputs if out}

    @cached_property
    def _consumers(self) -> dict[str, tuple[Node, ...]]:
        found: dict[str, list[Node]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.inputs):
                if name:
                    found.setdefault(name, []).append(node)
        return {name: tuple(nodes) for name, nodes in found.items()}

    @cached_property
    def _nodes_by_name(self) -> dict[str, Node]:
        return {node.name: node for node in self.nodes}

    @cached_property
    def captured(self) -> frozenset[str]:
        """Tensors of this graph, or of one around it, that bodies of its control flow read by name."""
        return frozenset().union(*(body.free for node in self.nodes for body in node.subgraphs.values()))

    def node(self, name: str) -> Node:
        return self._nodes_by_name[name]

    def producer(self, tensor: str) -> Node | None:
        return self._producers.get(tensor)

    def consumers(self, tensor: str) -> tuple[Node, ...]:
        return self._consumers.get(tensor, ())

    def tensor(self, name: str) -> Tensor:
        """The tensor of that name; one of unknown shape and type when the file says nothing about it."""
        return self.tensors.get(name) or Tensor(name, None, "unknown", declared=False, listed=False)

    def is_constant(self, tensor: str) -> bool:
        """The file fixes this tensor's value: an initialiser, or the output of a Constant node."""
        found = self.tensors.get(tensor)
        return found is not None and found.constant is not None

    def value(self, tensor: str) -> np.ndarray[Any, Any] | None:
        """The value, from the file or found by folding; None when unknown or when its bytes are not there."""
        if tensor in self.values:
            return self.values[tensor]
        found = self.tensors.get(tensor)
        return found.constant.load() if found is not None and found.constant is not None else None

    def integers(self, tensor: str) -> tuple[int, ...] | None:
        """A small integer value (a shape, axes) as a tuple."""
        value = self.value(tensor) if tensor else None
        return None if value is None else tuple(int(x) for x in value.reshape(-1))

    def walk(self) -> Iterator[tuple[Graph, Node]]:
        """Every node, those inside control flow and further subgraphs included, with the graph it stands in."""
        for node in self.nodes:
            yield self, node
            for body in node.subgraphs.values():
                yield from body.walk()
        for graph in self.subgraphs:
            yield from graph.walk()


def unique_names(names: Sequence[str]) -> list[str]:
    """The same names, later duplicates marked ``#2``, ``#3``: every node needs a name of its own."""
    taken = set(names)
    seen: dict[str, int] = {}
    result = []
    for name in names:
        count = seen.get(name, 0) + 1
        seen[name] = count
        unique = name
        while count > 1 and (unique := f"{name}#{count}") in taken:
            count += 1
        seen[name] = count
        taken.add(unique)
        result.append(unique)
    return result
