"""What rewrites put together: new nodes and constants, in the words of the model's own operator set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..ir import Graph, Node
from .change import Change, NewNode
from .patterns import of_op, one_output, opset

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


@dataclass
class Making:
    """New nodes in the place of ``node``. Every method adds one and returns the name of what it makes: ``out`` where
    that is given."""

    graph: Graph
    node: Node
    nodes: list[NewNode] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)

    def op(self, op: str, *inputs: str, out: str = "", heir: bool = False, **attributes: Any) -> str:
        """Any operator. ``heir``: it gets the old node's name, which the last one has otherwise."""
        out = out or f"{self.node.name}_{op.lower()}_{len(self.nodes)}"
        self.nodes.append(NewNode(op, inputs, (out,), attributes, self.node.name if heir else ""))
        return out

    def constant(self, value: Array, what: str) -> str:
        name = f"{self.node.name}_{what}"
        name = name if name not in self.constants else f"{name}_{len(self.constants)}"
        self.constants[name] = value
        return name

    def ints(self, values: Sequence[int], what: str) -> str:
        import numpy as np

        return self.constant(np.array(values, "int64"), what)

    def reshape(self, x: str, sizes: Sequence[int], out: str = "") -> str:
        if opset(self.graph) < 5:
            return self.op("Reshape", x, out=out, shape=tuple(sizes))
        return self.op("Reshape", x, self.ints(sizes, "shape"), out=out)

    def crop(self, x: str, axes: Mapping[int, tuple[int, int]], out: str = "") -> str:
        """From the first to before the second position of each axis."""
        starts, ends = [a for a, _ in axes.values()], [b for _, b in axes.values()]
        if opset(self.graph) < 10:
            return self.op("Slice", x, out=out, starts=starts, ends=ends, axes=list(axes))
        given = (self.ints(starts, "starts"), self.ints(ends, "ends"), self.ints(list(axes), "axes"))
        return self.op("Slice", x, *given, out=out)

    def change(self, text: str, *remove: str, also: tuple[str, ...] = ()) -> Change:
        """The change; without ``remove`` the node alone goes."""
        nodes = list(self.nodes)
        if any(each.name for each in nodes) and not nodes[-1].name:
            nodes[-1] = replace(nodes[-1], name=f"{self.node.name}/{nodes[-1].op}")
        return Change(self.node.name, text, remove or (self.node.name,), tuple(nodes), self.constants, also=also)


OF_TWO = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Add"})
"""They have two inputs at least."""


def standard(graph: Graph, *ops: str) -> Iterator[Node]:
    """The model's nodes of these operators of ONNX's own that have all their inputs and one result in use."""
    for node in of_op(graph, *ops):
        if one_output(graph, node) and (node.op not in OF_TWO or len([name for name in node.inputs[:2] if name]) == 2):
            yield node


def floats(graph: Graph, name: str) -> Array | None:
    """A floating-point constant of the file; None for everything else."""
    value = graph.value(name) if name and graph.is_constant(name) else None
    return value if value is not None and value.dtype.kind == "f" else None


def sizes(graph: Graph, name: str, rank: int) -> tuple[int, ...] | None:
    """The shape of a tensor where it is fixed and has so many axes."""
    tensor = graph.tensor(name)
    return tensor.sizes if tensor.known and len(tensor.sizes) == rank else None


def least(details: Sequence[Mapping[str, Any]], key: str, default: int) -> int:
    """The smallest of the numbers that findings give under this name."""
    return min((int(each[key]) for each in details if key in each), default=default)
