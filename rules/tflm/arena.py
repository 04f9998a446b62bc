"""The head of the arena: which tensors lie in it, from when to when, and where.

Source: tflite-micro, micro_allocation_info.cc (lifetimes), micro_allocator.cc (what is allocated),
memory_planner/greedy_memory_planner.cc (addresses); measured with the wheel tflite_micro from PyPI.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from lintmodel.ir import Graph, Node, Tensor
from lintmodel.ir.dtypes import bits
from lintmodel.planning import Buffer, Step
from lintmodel.planning.allocators import GreedyBySize

from .scratch import scratch

NEVER = -1
"""The time of tensors that no operator writes or reads; they get room all the same."""
BRANCHES = {"If": ("then_branch", "else_branch"), "WHILE": ("cond", "body"), "CALL_ONCE": ("init",)}
"""Attributes that name the subgraphs an operator runs, in the order in which they are planned."""


@dataclass
class Room:
    """What wants room: ``first`` and ``last`` operator that uses it, both included."""

    tensor: str
    bytes: int
    first: int = NEVER
    last: int = NEVER
    offset: int | None = None

    @property
    def buffer(self) -> Buffer:
        return Buffer(self.tensor, self.bytes, "arena", self.first, self.last + 1, self.offset)


@dataclass
class Arena:
    """The head of the arena, and the operators in the order they run."""

    steps: list[Step] = field(default_factory=list)
    rooms: list[Room] = field(default_factory=list)
    head: int = 0
    """Bytes."""
    variables: int = 0
    """Bytes of tensors that keep their values from one run to the next; they lie in the tail."""
    unknown: list[str] = field(default_factory=list)
    """Nodes whose working memory cannot be told."""

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        return tuple(room.buffer for room in self.rooms)


def arena(graph: Graph, nodes: tuple[Node, ...], aliases: Mapping[str, str], dtype: str, align: int) -> Arena:
    """Lays the arena for these nodes of the graph (those of subgraphs come by themselves).

    ``aliases`` are tensors that lie in the place of another; ``dtype`` replaces floating-point element types when it
    is not empty. Every tensor that is not a constant must have a fixed shape.
    """
    return _Planner(graph, nodes, aliases, dtype).plan(align)


def tensor_bytes(tensor: Tensor, dtype: str = "") -> int:
    """Bytes of a tensor in the arena: 4-bit numbers take a byte each there."""
    if dtype and tensor.dtype.startswith("float"):
        tensor = replace(tensor, dtype=dtype)
    return tensor.elements * -(-bits(tensor.dtype) // 8)


@dataclass
class _Planner:
    graph: Graph
    nodes: tuple[Node, ...]
    aliases: Mapping[str, str]
    dtype: str
    now: int = 0
    found: Arena = field(default_factory=Arena)
    rooms: dict[tuple[str, str], Room] = field(default_factory=dict)
    """By graph and tensor, in the order of the file."""
    scratch: list[Room] = field(default_factory=list)
    run: list[tuple[Step, list[Room]]] = field(default_factory=list)
    """Every operator that runs, and what it writes."""

    def plan(self, align: int) -> Arena:
        graphs = (self.graph, *self.graph.subgraphs)
        for graph in graphs:
            self._tensors(graph, align)
        self._run(self.graph, self.nodes, None)
        self.found.rooms = [room for room in (*self.rooms.values(), *self.scratch) if room.bytes]
        planner = GreedyBySize(align)
        offsets = planner.place_all([(room.bytes, room.first, room.last + 1) for room in self.found.rooms])
        for room, offset in zip(self.found.rooms, offsets, strict=True):
            room.offset = offset
        self.found.head = planner.peak
        # Only now is known where each buffer lies and how long it lives.
        self.found.steps = [replace(step, writes=tuple(r.buffer for r in rooms)) for step, rooms in self.run]
        return self.found

    def _tensors(self, graph: Graph, align: int) -> None:
        """Room for everything but constants, variables, and what is written in another tensor's place."""
        made = {name for node in graph.nodes for name in node.outputs}.union(graph.inputs)
        read = {name for node in graph.nodes if not node.domain for name in node.inputs}
        # ONNX has no list of all tensors: there, what is not used is not in the file that will be converted.
        used = self._used(graph) if graph.format != "tflite" else None
        for name, tensor in graph.tensors.items():
            if graph.is_constant(name) or name in self.aliases or (used is not None and name not in used):
                continue
            if tensor.dtype == "resource":  # VAR_HANDLE keeps it with its own data
                continue
            if name in read and name not in made:
                self.found.variables += -(-tensor_bytes(tensor, self.dtype) // align) * align
                continue
            self.rooms[graph.name, name] = Room(name, tensor_bytes(tensor, self.dtype))

    def _used(self, graph: Graph) -> set[str]:
        return {name for node in self.nodes for name in (*node.inputs, *node.outputs)}.union(graph.inputs)

    def _room(self, graph: Graph, name: str) -> Room | None:
        while name in self.aliases:
            name = self.aliases[name]
        return self.rooms.get((graph.name, name))

    def _run(self, graph: Graph, nodes: tuple[Node, ...], outer: Node | None) -> None:
        """One subgraph from its inputs to its outputs; every operator takes one unit of time."""
        for name in graph.inputs:
            self._use(graph, name)
        for node in nodes:
            self.now += 1
            start = self.now
            for name in node.outputs:
                self._begin(graph, name)
            at = len(self.run)
            for branch in self._branches(node):
                self.now += 1
                self._run(branch, _in_file_order(branch), outer or node)
            for name in node.inputs:
                self._use(graph, name, begins=False)
            for name in node.outputs:
                self._use(graph, name)
            self.run.insert(at, self._step(graph, node, outer, start))
        for name in graph.outputs:
            self._use(graph, name)

    def _begin(self, graph: Graph, name: str) -> None:
        room = self._room(graph, name)
        if room and room.first == NEVER:
            room.first = self.now

    def _use(self, graph: Graph, name: str, *, begins: bool = True) -> None:
        room = self._room(graph, name)
        if room:
            if begins:
                self._begin(graph, name)
            room.last = max(room.last, self.now)

    def _branches(self, node: Node) -> Iterator[Graph]:
        by_name = {graph.name: graph for graph in self.graph.subgraphs}
        for attribute in BRANCHES.get(node.op, ()):
            branch = by_name.get(str(node.attributes.get(attribute)))
            if branch is not None:
                yield branch

    def _step(self, graph: Graph, node: Node, outer: Node | None, start: int) -> tuple[Step, list[Room]]:
        """The operator and what it writes, its working memory too (which it also reads: nothing else does)."""
        wanted = scratch(graph, node) if graph.format == "tflite" else []
        if wanted is None:
            self.found.unknown.append((outer or node).name)
        working = [Room(f"{node.name} scratch {k}", size, start, self.now) for k, size in enumerate(wanted or ())]
        self.scratch += working
        rooms = [room for name in node.outputs if (room := self._room(graph, name))]
        written = graph.tensor(next(filter(None, node.outputs), ""))
        dtype = self.dtype if self.dtype and written.dtype.startswith("float") else written.dtype
        step = Step(
            unit="cpu",
            op=node.native_op,
            nodes=((outer or node).name,),
            reads=(*(r.tensor for n in node.inputs if (r := self._room(graph, n))), *(r.tensor for r in working)),
            shape=written.sizes if written.known else (),
            details={"dtype": dtype},
        )
        return step, [*rooms, *working]


def _in_file_order(graph: Graph) -> tuple[Node, ...]:
    """The interpreter runs operators as they stand in the file."""
    return tuple(sorted(graph.nodes, key=lambda node: node.source.index or 0))
