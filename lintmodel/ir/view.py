"""The base of all typed views: a node together with the graph it stands in."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from .graph import Graph, Node, Tensor


@dataclass(frozen=True)
class View:
    """A node together with the graph it stands in."""

    graph: Graph
    node: Node

    ops: ClassVar[frozenset[str]] = frozenset()

    @cached_property
    def x(self) -> Tensor:
        """The data input (the first one)."""
        return self.graph.tensor(self.node.inputs[0] if self.node.inputs else "")

    @cached_property
    def y(self) -> Tensor:
        """The first output."""
        return self.graph.tensor(self.node.outputs[0] if self.node.outputs else "")

    @property
    def fixed(self) -> bool:
        return self.x.known and self.y.known

    def input(self, index: int) -> Tensor | None:
        """The tensor of an input, None where it is left out."""
        names = self.node.inputs
        return self.graph.tensor(names[index]) if index < len(names) and names[index] else None

    def ints(self, name: str, default: tuple[int, ...]) -> tuple[int, ...]:
        value = self.node.attributes.get(name)
        return default if value is None else tuple(int(v) for v in value)

    def integer(self, name: str, default: int) -> int:
        value = self.node.attributes.get(name)
        return default if value is None else int(value)


class Operator(View):
    """Any node: what a rule asks for that looks at every operator alike."""
