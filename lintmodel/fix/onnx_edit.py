"""Changes made on an ONNX model's own protobuf: names, metadata and everything that is not touched stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..ir import Graph
from ..ir.dtypes import onnx_number
from .change import Change, NewNode

if TYPE_CHECKING:
    import numpy as np


@dataclass
class Edited:
    """What was done."""

    made: list[Change] = field(default_factory=list)
    left: list[Change] = field(default_factory=list)
    """Changes that touch what another one changed; they may be found again in the edited model."""


def apply_changes(model: Any, graph: Graph, changes: Sequence[Change]) -> Edited:
    """Makes the changes on the ``onnx.ModelProto`` in place. ``graph`` was read from it as it is now. Raises ValueError
    where a change cannot be made in this model."""
    editor = _Editor(model, graph)
    done = Edited()
    for change in changes:
        if change.whole is not None and not done.made:
            model.CopyFrom(change.whole(model))
            return Edited([change], [each for each in changes if each is not change])
        (done.made if change.whole is None and editor.make(change) else done.left).append(change)
    if done.made:
        editor.finish()
    return done


class _Editor:
    def __init__(self, model: Any, graph: Graph) -> None:
        self.model, self.graph = model, graph
        self.proto = model.graph
        self.index = {node.name: node.source.index for node in graph.nodes}
        self.names = {name for node in self.proto.node for name in (*node.input, *node.output)}
        self.names |= {each.name for each in (*self.proto.initializer, *self.proto.input, *self.proto.output)}
        self.entries = {each.name: each for each in (*self.proto.value_info, *self.proto.input, *self.proto.output)}
        self.initializers = {each.name: each for each in self.proto.initializer}
        self.node_names = {node.name for node in self.proto.node}
        self.touched: set[str] = set()
        self.gone: set[int] = set()
        self.placed: dict[int, list[Any]] = {}
        self.renamed: dict[str, str] = {}

    def make(self, change: Change) -> bool:
        """False where it cannot be made now: it touches what another change touched, or the file's nodes are not
        those of the graph."""
        concerned = {*change.remove, *change.redirect, *change.redirect.values(), *change.shapes}
        concerned |= {name for node in change.add for name in node.inputs if name}
        removed = [self.index.get(name) for name in change.remove]
        if not self.touched.isdisjoint(concerned) or None in removed or not self._redirects(change):
            return False
        made = {name for node in change.add for name in node.outputs}
        kept = {name for node in change.remove for name in self.graph.node(node).outputs}
        read = {name for node in change.remove for name in self.graph.node(node).inputs if name}
        if not read.isdisjoint(made - kept):
            return False  # a new tensor is called as one that the new nodes may read
        for old, new in change.redirect.items():
            if old in self.graph.outputs:
                self.renamed[new] = old  # an output of the model keeps its name: its maker writes under it
            else:
                self.renamed[old] = new
        self.touched |= {*change.remove, *change.redirect, *change.redirect.values(), *change.shapes}
        self.touched |= {name for node in change.remove for name in self.graph.node(node).outputs}
        positions = [position for position in removed if position is not None]
        self.gone |= set(positions)
        kept |= {name for name in change.constants if self._replaceable(name, change)}
        names = {name: self._fresh(name) for name in (*change.constants, *sorted(made)) if name not in kept}
        for name, value in change.constants.items():
            self._constant(names.get(name, name), value)
        if change.add:
            at = max(positions) if positions else self._before(change.add, names)
            self.placed.setdefault(at, []).extend(self._node(node, names, change) for node in change.add)
        for name, shape in change.shapes.items():
            self._shape(name, self.graph.tensor(name).dtype, shape)
        if change.opset is not None:
            self._need(change.opset)
        return True

    def _redirects(self, change: Change) -> bool:
        """A body of control flow reads names of its own accord, and an input or another output cannot be renamed."""
        captured, fixed = self.graph.captured, {*self.graph.inputs, *self.graph.outputs}
        for old, new in change.redirect.items():
            if old in captured or new in self.renamed or old in self.renamed:
                return False
            if old in self.graph.outputs and (new in fixed or new in captured or self.graph.is_constant(new)):
                return False
        return True

    def _before(self, nodes: Sequence[NewNode], names: Mapping[str, str]) -> int:
        """Where nodes go that take nobody's place: behind the makers of what they read."""
        makers = [self.graph.producer(name) for node in nodes for name in node.inputs if name and name not in names]
        return max((self.index[maker.name] or 0 for maker in makers if maker), default=0)

    def _node(self, new: NewNode, names: Mapping[str, str], change: Change) -> Any:
        from onnx import helper

        name = new.name or (change.node if change.node in change.remove and new is change.add[-1] else "")
        if not name or (name in self.node_names and name not in change.remove):
            name = self._fresh(f"{change.node}/{new.op}", self.node_names)
        self.node_names.add(name)
        return helper.make_node(
            new.op,
            [names.get(each, each) for each in new.inputs],
            [names.get(each, each) for each in new.outputs],
            name=name,
            domain=new.domain or None,
            **{key: value for key, value in new.attributes.items() if value is not None},
        )

    def _replaceable(self, name: str, change: Change) -> bool:
        """An initialiser that only nodes read which go: new values stand under its name."""
        readers = {node.name for node in self.graph.consumers(name)}
        fixed = name in self.graph.outputs or name in self.graph.captured
        return name in self.initializers and bool(readers) and readers <= set(change.remove) and not fixed

    def _constant(self, name: str, value: np.ndarray[Any, Any]) -> None:
        from onnx import numpy_helper

        entry = self.initializers.get(name) or self.proto.initializer.add()
        entry.CopyFrom(numpy_helper.from_array(value, name))
        if self.model.ir_version < 4 and name not in {each.name for each in self.proto.input}:
            kind = self.proto.input.add(name=name).type.tensor_type
            kind.elem_type = entry.data_type
            for size in value.shape:
                kind.shape.dim.add().dim_value = size

    def _shape(self, name: str, dtype: str, shape: Sequence[int]) -> None:
        entry = self.entries.get(name) or self.proto.value_info.add()
        entry.name = name
        entry.type.tensor_type.elem_type = entry.type.tensor_type.elem_type or onnx_number(dtype)
        entry.type.tensor_type.ClearField("shape")
        entry.type.tensor_type.shape.SetInParent()
        for size in shape:
            entry.type.tensor_type.shape.dim.add().dim_value = size

    def _need(self, version: int) -> None:
        for each in self.model.opset_import:
            if each.domain in ("", "ai.onnx") and each.version < version:
                raise ValueError(f"the rewrite needs opset {version}, and the model has {each.version}")

    def _fresh(self, stem: str, taken: set[str] | None = None) -> str:
        taken = self.names if taken is None else taken
        name, count = stem, 1
        while name in taken:
            name, count = f"{stem}_{count}", count + 1
        taken.add(name)
        return name

    # ---- afterwards

    def finish(self) -> None:
        """Puts the nodes in place and takes away what nothing reads any more."""
        nodes = []
        for position, node in enumerate(self.proto.node):
            if position not in self.gone:
                nodes.append(node)
            nodes += self.placed.get(position, [])
        for node in nodes:
            for k, name in enumerate(node.input):
                node.input[k] = self._final(name)
            for k, name in enumerate(node.output):
                if name in self.renamed and self.renamed[name] in self.graph.outputs:
                    node.output[k] = self.renamed[name]
        nodes = _sorted(_alive(nodes, self._needed(nodes)))
        copies = [type(node)() for node in nodes]
        for copy, node in zip(copies, nodes, strict=True):
            copy.CopyFrom(node)
        del self.proto.node[:]
        self.proto.node.extend(copies)
        self._prune()

    def _final(self, name: str) -> str:
        seen = {name}
        while name in self.renamed and self.renamed[name] not in seen:
            name = self.renamed[name]
            seen.add(name)
        return name

    def _needed(self, nodes: Sequence[Any]) -> set[str]:
        """Everything that was not read before this edit stays: to take that away is another rewrite."""
        unread = {name for node in self.graph.nodes for name in node.outputs if name and not self.graph.consumers(name)}
        return {each.name for each in self.proto.output} | (unread & {name for node in nodes for name in node.output})

    def _prune(self) -> None:
        read = {name for node in self.proto.node for name in reads(node)}
        read |= {each.name for each in self.proto.output}
        made = {name for node in self.proto.node for name in node.output}
        before = {name for name in self.graph.tensors if self.graph.is_constant(name) and self.graph.consumers(name)}
        for field_name in ("initializer", "sparse_initializer"):
            entries = getattr(self.proto, field_name)
            for k in reversed(range(len(entries))):
                entry = entries[k]
                name = entry.name if field_name == "initializer" else entry.values.name
                new = name not in self.graph.tensors
                if name not in read and (new or name in before):
                    del entries[k]
        here = {each.name for each in self.proto.initializer}
        for k in reversed(range(len(self.proto.input))):  # old files list their initialisers as inputs
            name = self.proto.input[k].name
            if name not in self.graph.inputs and name not in here:
                del self.proto.input[k]
        for k in reversed(range(len(self.proto.value_info))):
            if self.proto.value_info[k].name not in made:
                del self.proto.value_info[k]
        self._state(made)

    def _state(self, made: Iterable[str]) -> None:
        """Shapes of new tensors, unless the file has tensors and states no shapes: some toolchains infer none."""
        listed = {each.name for each in (*self.proto.value_info, *self.proto.output)}
        placed = {name for nodes in self.placed.values() for node in nodes for name in node.output if name}
        missing = sorted((placed & set(made)) - listed)
        between = {name for node in self.graph.nodes for name in node.outputs} - set(self.graph.outputs)
        if not missing or (between and not self.proto.value_info):
            return
        from ..frontends.onnx import read_onnx_model
        from ..normalize import propagate

        graph = propagate(read_onnx_model(self.model, self.graph.path))
        for tensor in map(graph.tensor, missing):
            if tensor.known and onnx_number(tensor.dtype):
                self._shape(tensor.name, tensor.dtype, tensor.sizes)


def reads(node: Any) -> Iterable[str]:
    """Names a node reads, those in the bodies of control flow included."""
    yield from node.input
    for attribute in node.attribute:
        for body in (attribute.g, *attribute.graphs):
            for inner in body.node:
                yield from reads(inner)
            yield from (each.name for each in body.output)


def _alive(nodes: Sequence[Any], needed: set[str]) -> list[Any]:
    """Nodes whose results are needed."""
    wanted = set(needed)
    found = []
    for node in reversed(_sorted(nodes)):
        if not node.output or not wanted.isdisjoint(node.output):
            wanted.update(reads(node))
            found.append(node)
    return found[::-1]


def _sorted(nodes: Sequence[Any]) -> list[Any]:
    """In an order in which they can run; the given one where it is such an order."""
    maker = {name: k for k, node in enumerate(nodes) for name in node.output if name}
    order: list[int] = []
    state = [0] * len(nodes)
    for first in range(len(nodes)):
        stack = [first]
        while stack:
            k = stack[-1]
            if state[k] == 0:
                state[k] = 1
                stack += [maker[name] for name in reads(nodes[k]) if name in maker and state[maker[name]] == 0]
            else:
                stack.pop()
                if state[k] == 1:
                    state[k] = 2
                    order.append(k)
    return [nodes[k] for k in order]
