"""What rewrites ask a graph, and how they say what they make of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..ir import Constant, Graph, Node
from .change import NewNode

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FLOATS = ("float32", "float16", "float64")

NOT_NEGATIVE = frozenset({"Relu", "Sigmoid", "HardSigmoid", "Softmax", "Abs", "Exp", "Sqrt", "Softplus", "Not"})
KEEPS_SIGN = frozenset(
    {
        "MaxPool",
        "AveragePool",
        "GlobalMaxPool",
        "GlobalAveragePool",
        "Reshape",
        "Flatten",
        "Squeeze",
        "Unsqueeze",
        "Transpose",
        "Slice",
        "Split",
        "Identity",
        "Dropout",
        "Expand",
        "Tile",
        "DepthToSpace",
        "SpaceToDepth",
        "ReduceMean",
        "ReduceMax",
        "ReduceSum",
        "Cast",
        "Gather",
    }
)
KEEPS_SIGN_OF_ALL = frozenset({"Concat", "Add", "Mul", "Max", "Min", "Sum"})


def plain(node: Node) -> bool:
    """An operator as ONNX defines it, with inputs and outputs."""
    return not node.domain and bool(node.inputs) and bool(node.outputs) and not node.subgraphs


def opset(graph: Graph) -> int:
    """Version of ONNX's operators the file follows; 0 where it does not say."""
    return graph.opsets.get("", 0)


def read_by(graph: Graph, name: str) -> Node | None:
    """The one node that reads a tensor, where nothing else does: no output of the model, no body of control flow."""
    readers = graph.consumers(name)
    alone = len(readers) == 1 and name not in graph.outputs and name not in graph.captured
    return readers[0] if alone and readers[0].inputs.count(name) == 1 else None


def one_output(graph: Graph, node: Node) -> bool:
    """Only the first of the node's outputs is read."""
    return not any(
        name and (graph.consumers(name) or name in graph.outputs or name in graph.captured) for name in node.outputs[1:]
    )


def can_skip(graph: Graph, node: Node) -> bool:
    """Readers of the node's output can read its first input instead: of two fixed names one has to stay."""
    x, y = node.inputs[0], node.outputs[0]
    if not x or y in graph.captured or not one_output(graph, node):
        return False
    fixed = x in graph.inputs or x in graph.outputs or x in graph.captured or graph.is_constant(x)
    return y not in graph.outputs or not fixed


def constant(graph: Graph, name: str) -> Array | None:
    """The values of a tensor that the file fixes; None where they are not there."""
    return graph.value(name) if name and graph.is_constant(name) else None


def number(graph: Graph, name: str) -> float | None:
    """The value of a constant of one element."""
    value = constant(graph, name) if graph.tensor(name).known and graph.tensor(name).elements == 1 else None
    return float(value.reshape(-1)[0]) if value is not None and value.dtype.kind in "fiu" else None


def same_type(graph: Graph, node: Node) -> bool:
    return graph.tensor(node.inputs[0]).dtype == graph.tensor(node.outputs[0]).dtype


def same_shape(graph: Graph, node: Node) -> bool:
    """Input and output have the same shape, and it is known."""
    x, y = graph.tensor(node.inputs[0]), graph.tensor(node.outputs[0])
    return x.known and y.known and x.shape == y.shape


def not_negative(graph: Graph, name: str, depth: int = 8) -> bool:
    """No value of the tensor is below 0, whatever the input."""
    maker = graph.producer(name)
    if maker is None or not plain(maker) or depth == 0:
        value = constant(graph, name)
        return value is not None and value.dtype.kind in "fiu" and bool((value >= 0).all())
    if maker.op == "Clip":
        low = maker.attributes.get("min") if len(maker.inputs) < 2 else number(graph, maker.inputs[1])
        return low is not None and low >= 0
    if maker.op == "Resize":
        keeps = (
            maker.attributes.get("mode", "nearest") != "cubic" and maker.attributes.get("extrapolation_value", 0) >= 0
        )
        return keeps and not_negative(graph, maker.inputs[0], depth - 1)
    if maker.op in KEEPS_SIGN:
        return not_negative(graph, maker.inputs[0], depth - 1)
    if maker.op in KEEPS_SIGN_OF_ALL:
        return all(not_negative(graph, each, depth - 1) for each in maker.inputs)
    return maker.op in NOT_NEGATIVE


def like(
    node: Node, inputs: Sequence[str] | None = None, outputs: Sequence[str] | None = None, **changed: Any
) -> NewNode:
    """The node again, with other inputs or attributes; None takes an attribute away."""
    attributes = {**node.attributes, **changed}
    return NewNode(
        node.op,
        tuple(node.inputs if inputs is None else inputs),
        tuple(node.outputs if outputs is None else outputs),
        {key: value for key, value in attributes.items() if value is not None},
        node.name,
        node.domain,
    )


def writable(node: Node) -> bool:
    """:func:`like` can write its attributes: there is no tensor and no body among them."""
    return not node.subgraphs and not any(isinstance(value, Constant) for value in node.attributes.values())


def of_op(graph: Graph, *ops: str) -> Iterator[Node]:
    """Nodes of ONNX's own operators of these names."""
    return (node for node in graph.nodes if node.op in ops and plain(node))
