"""A network as the checks for refusals look at it: what is constant, and what is left of it when it is built."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from lintmodel.ir import Graph, Node, Tensor
from lintmodel.target import Target

NOTHING = frozenset({"Identity", "Dropout"})
"""Operators that pass on what they get."""
DRAWN = frozenset(
    {"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli"}
)
"""Operators whose result is another one each time."""


@dataclass(frozen=True)
class Subject:
    """A network, the chip it is built for, and whether as int8."""

    graph: Graph
    target: Target
    quantized: bool

    @cached_property
    def constant(self) -> frozenset[str]:
        """Tensors whose values are known before the network runs: the toolkit folds them with ONNX Runtime."""
        graph = self.graph
        found = {name for name in graph.tensors if graph.is_constant(name) or name in graph.values}
        for node in graph.nodes:
            sized = node.op in ("Shape", "Size") and bool(node.inputs) and graph.tensor(node.inputs[0]).known
            if node.op in DRAWN or node.subgraphs:
                continue
            if sized or all(not name or name in found for name in node.inputs):
                found.update(name for name in node.outputs if name)
        return frozenset(found)

    @cached_property
    def live(self) -> tuple[Node, ...]:
        """Nodes that an output needs and that are not folded, in graph order."""
        wanted = set(self.graph.outputs) | self.graph.captured
        kept = []
        for node in reversed(self.graph.nodes):
            if wanted.intersection(node.outputs) and not self.constant.issuperset(filter(None, node.outputs)):
                kept.append(node)
                wanted.update(name for name in node.inputs if name and name not in self.constant)
        return tuple(reversed(kept))

    @property
    def onnx(self) -> bool:
        return self.graph.format == "onnx"

    def of(self, *ops: str) -> list[Node]:
        """Live nodes with one of ONNX's own operators."""
        return [node for node in self.live if node.op in ops and not node.domain]

    def read(self, node: Node, index: int = 0) -> str:
        """Name of an input; empty when it is left out."""
        return node.inputs[index] if index < len(node.inputs) else ""

    def tensor(self, node: Node, index: int = 0) -> Tensor:
        return self.graph.tensor(self.read(node, index))

    def result(self, node: Node) -> Tensor:
        return self.graph.tensor(node.outputs[0])

    def root(self, name: str) -> str:
        """The tensor whose values these are, behind operators that only pass them on."""
        maker = self.graph.producer(name)
        while maker is not None and maker.inputs and self._passes(maker):
            name = maker.inputs[0]
            maker = self.graph.producer(name)
        return name

    def _passes(self, node: Node) -> bool:
        if node.op == "Reshape" and not node.domain:
            before, after = self.graph.tensor(node.inputs[0]), self.graph.tensor(node.outputs[0])
            return before.known and after.known and before.shape == after.shape
        return node.op in NOTHING and not node.domain


def axes_of(tensor: Tensor) -> int:
    """Number of dimensions; 0 where it is not known."""
    return len(tensor.shape or ())
