"""The network as Vitis AI's quantiser hands it to the compiler: its own names of operators, normalisations folded,
and feature maps with channels last, which is what changes of layout are inserted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from lintmodel.ir import Composite, Conv, Graph, Node

NAMES = {
    "AveragePool": "avgpool",
    "GlobalAveragePool": "adaptive_avg_pool2d",
    "GlobalMaxPool": "aten::adaptive_max_pool2d",
    "MaxPool": "maxpool",
    "Gemm": "dense",
    "MatMul": "matmul",
    "Add": "elemwise_add",
    "Mul": "elemwise_mul",
    "Sub": "elementwise_sub",
    "Div": "elemwise_div",
    "Relu": "relu",
    "LeakyRelu": "leaky_relu",
    "PRelu": "prelu",
    "Sigmoid": "sigmoid",
    "Tanh": "tanh",
    "HardSigmoid": "hsigmoid",
    "HardSwish": "hswish",
    "Softmax": "softmax",
    "Concat": "concat",
    "Slice": "strided_slice",
    "Gather": "strided_slice",
    "Resize": "resize",
    "Upsample": "resize",
    "Pad": "pad",
    "Reshape": "reshape",
    "Flatten": "flatten",
    "Squeeze": "squeeze",
    "Unsqueeze": "unsqueeze",
    "ReduceMean": "mean",
    "ReduceMax": "max",
    "ReduceSum": "sum",
    "Exp": "exp",
    "Neg": "neg",
    "DepthToSpace": "pixel_shuffle",
    "SpaceToDepth": "pixel_unshuffle",
    "BatchNormalization": "batch_norm",
    "LayerNormalization": "layer_norm",
    "InstanceNormalization": "instance_norm",
    "GroupNormalization": "group_norm",
    "ReduceMin": "aten::min",
}
"""The quantiser's names of operators; any other one is PyTorch's (``aten::elu``), which it does not know."""

MAPS = frozenset(
    {"conv2d", "depthwise_conv2d", "conv_transpose_2d", "depthwise_conv_transpose_2d", "conv3d", "conv_transpose_3d"}
    | {"avgpool", "adaptive_avg_pool2d", "maxpool", "resize", "pixel_shuffle", "pixel_unshuffle", "pad"}
    | {"instance_norm", "group_norm"}
)
"""Operators on feature maps with channels last."""
VALUEWISE = frozenset(
    {"elemwise_add", "elemwise_mul", "elementwise_sub", "elemwise_div", "relu", "relu6", "leaky_relu", "prelu"}
    | {"sigmoid", "tanh", "hsigmoid", "hswish", "hardtanh", "softmax", "concat", "strided_slice", "exp", "neg"}
    | {"batch_norm", "layer_norm", "dense", "matmul", "conv1d", "maxpool1d"}
)
"""Operators that take either layout, their axes renumbered. The remaining ones are computed with channels first."""
REDUCING = frozenset({"mean", "max", "sum"})
"""Take either layout while they keep the axes they reduce."""
COPIES = frozenset({"Identity", "Dropout", "Cast", "QuantizeLinear", "DequantizeLinear"}) | {"QuantizeDequantize"}
FOLDS_NORMALISATION = frozenset({"Conv", "ConvTranspose", "Gemm"})
RELU6 = (0.0, 6.0)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operator of the quantiser's graph."""

    kind: str
    """Its name there: ``conv2d``, ``elemwise_add``, ``aten::elu``."""
    op: str
    """ONNX's name of it, that of the whole for a composite."""
    node: Node
    """The node of the user's graph it stands for; of a composite the last one."""
    nodes: tuple[str, ...]
    """All nodes it does the work of."""
    inputs: tuple[str, ...]
    """Tensors it reads, constants left out."""
    outputs: tuple[str, ...]
    order: tuple[int, ...] = ()
    """Of a change of layout: which axis becomes which."""
    inserted: bool = False
    """A change of layout that the user's graph does not have."""

    @property
    def own(self) -> tuple[str, ...]:
        """The nodes without those folded into it: normalisations and biases behind it."""
        return self.nodes[: self.nodes.index(self.node.name) + 1] if self.node.name in self.nodes else ()


@dataclass(slots=True)
class _Reader:
    graph: Graph
    operations: list[Operation] = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)
    """Tensors that only rename another one, or are folded into what makes it."""
    orders: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """How a tensor is stored: axis of the user's tensor by axis of the stored one. Left out: as the user has it."""
    moved: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """The user's own Transpose nodes that stand between a tensor and how it is stored."""
    changed: dict[tuple[str, tuple[int, ...]], str] = field(default_factory=dict)
    demanded: frozenset[str] = frozenset()
    """Tensors that reach an operator on feature maps through operators that take either layout."""
    later: bool = False
    """A release after 2.5: reductions take either layout whatever becomes of their axes."""


def network(graph: Graph, *, later: bool = False) -> tuple[Operation, ...]:
    """The operations in order, of release 2.5 or of a ``later`` one. Nodes that are in none of them cost nothing:
    constants, copies, folded ones."""
    reader = _Reader(graph, demanded=_demanded(graph), later=later)
    # The quantiser's own input is stored with channels last.
    reader.orders |= {name: order for name in graph.inputs if len(order := _channels_last(_rank(graph, name))) > 3}
    composites = _composites(graph)
    inside = {name for composite in composites.values() for name in composite.members}
    for node in graph.nodes:
        whole = composites.get(node.name)
        if whole is not None:
            _add(reader, kind_of(whole.op), whole.op, node, whole.members, whole.inputs, (whole.output,))
        elif node.name not in inside and not _is_free(graph, node):
            _read(reader, node)
    for name in graph.outputs:
        _leave(reader, _root(reader, name))
    return tuple(reader.operations)


def _composites(graph: Graph) -> dict[str, Composite]:
    """Those the quantiser has one operator for, by their last member."""
    return {c.members[-1]: c for c in graph.composites if c.op not in COPIES}


def _is_free(graph: Graph, node: Node) -> bool:
    """Its outputs are known before the network runs."""
    return node.op == "Constant" or all(graph.is_constant(n) or n in graph.values for n in node.outputs if n)


def kind_of(op: str) -> str:
    """The quantiser's name for an ONNX operator."""
    return NAMES.get(op, f"aten::{op.lower()}")


def _read(reader: _Reader, node: Node) -> None:
    graph = reader.graph
    if node.op in COPIES and node.inputs and node.outputs:
        reader.same[node.outputs[0]] = _root(reader, node.inputs[0])
        return
    if node.op == "Transpose" and node.layout == "NCHW" and _transpose(reader, node):
        return
    before = _last(reader, node)
    if before is not None and _folds(graph, before, node):
        written = node.outputs[0]
        reader.same[written] = before.outputs[0]
        index = reader.operations.index(before)
        reader.operations[index] = replace(before, nodes=(*before.nodes, node.name))
        return
    _add(reader, _kind(graph, node), node.op, node, (node.name,), node.inputs, node.outputs)


def _last(reader: _Reader, node: Node) -> Operation | None:
    """What makes the node's only varying input, when nothing else reads that."""
    varying = [name for name in node.inputs if name and not fixed(reader.graph, name)]
    if len(varying) != 1 or len(reader.graph.consumers(varying[0])) != 1 or varying[0] in reader.graph.outputs:
        return None
    source = _root(reader, varying[0])
    for operation in reversed(reader.operations):
        if source in operation.outputs:
            return operation
    return None


def _folds(graph: Graph, before: Operation, node: Node) -> bool:
    """A normalisation behind a layer, or the bias of a dense layer that is written as a product and a sum."""
    if node.op == "BatchNormalization":
        return before.node.op in FOLDS_NORMALISATION and graph.node(before.nodes[-1]).op != "BatchNormalization"
    constants = [graph.tensor(name) for name in node.inputs if name and fixed(graph, name)]
    bias = constants[0].shape if constants else None
    if before.kind == "layer_norm":  # its scale and shift, where they are written apart
        return node.op in ("Mul", "Add") and len(bias or ()) == 1
    return node.op == "Add" and before.node.op == "MatMul" and before.kind == "dense" and len(bias or ()) == 1


def _kind(graph: Graph, node: Node) -> str:
    if node.op in ("Conv", "ConvTranspose"):
        return _convolution_kind(Conv(graph, node))
    if node.op == "MatMul" and any(map(graph.is_constant, node.inputs)):
        return "dense"
    if node.op == "Clip":
        return "relu6" if clip_limits(graph, node) == RELU6 else "hardtanh"
    if node.op == "Transpose":
        return "permute"
    spatial = len(graph.tensor(node.inputs[0]).shape or ()) - 2 if node.inputs else 2
    if node.op in ("MaxPool", "AveragePool") and spatial == 1:
        return f"{NAMES[node.op]}1d"
    return f"{node.domain}::{node.op}" if node.domain else kind_of(node.op)


def _convolution_kind(conv: Conv) -> str:
    rank = len(conv.weight.shape or (0,) * 4) - 2
    name = "conv" if conv.node.op == "Conv" else "conv_transpose_"
    shape = conv.x.shape or ()
    channels = (shape[1] if conv.node.layout == "NCHW" else shape[-1]) if len(shape) > 2 else 0
    depthwise = "depthwise_" if conv.groups > 1 and conv.groups == channels else ""
    return f"{depthwise}{name}{rank}d"


def clip_limits(graph: Graph, node: Node) -> tuple[float, float] | None:
    """Lower and upper limit of a Clip; None when they are not in the file."""
    if "min" in node.attributes or "max" in node.attributes:
        return float(node.attributes.get("min", "-inf")), float(node.attributes.get("max", "inf"))
    values: list[float] = []
    for name, default in zip((*node.inputs[1:], "", "")[:2], ("-inf", "inf"), strict=True):
        value: Any = graph.value(name) if name else None
        if value is None and name:
            return None
        values.append(float(default) if value is None else float(value.reshape(-1)[0]))
    return values[0], values[1]


# ---- layouts


def _add(
    reader: _Reader,
    kind: str,
    op: str,
    node: Node,
    nodes: Sequence[str],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> None:
    read = [_root(reader, name) for name in inputs if name and not fixed(reader.graph, name)]
    written = tuple(name for name in outputs if name)
    if node.layout == "NCHW":
        order = _order_for(reader, kind, node, read)
        read = [_stored_as(reader, name, order) for name in read]
        reader.orders |= {name: order for name in written if order and len(order) == _rank(reader.graph, name)}
    reader.operations.append(Operation(kind, op, node, tuple(nodes), tuple(dict.fromkeys(read)), written))


def _order_for(reader: _Reader, kind: str, node: Node, read: Sequence[str]) -> tuple[int, ...]:
    """How an operator wants its inputs stored; empty for as the user has them."""
    ranks = [_rank(reader.graph, name) for name in read]
    rank = max(ranks, default=0)
    if kind in MAPS:
        return _channels_last(rank) if rank > 3 else ()
    keeps = kind in REDUCING and (reader.later or node.attributes.get("keepdims", 1))
    if kind not in VALUEWISE and not keeps:
        return ()
    of_rank = [name for name, size in zip(read, ranks, strict=True) if size == rank]
    orders = {reader.orders.get(name, ()) for name in of_rank}
    # A change back to channels last is made as early as it can be.
    if orders == {()} and any(name in reader.demanded for name in of_rank) and rank > 3:
        return _channels_last(rank)
    if len(orders) == 1:
        return orders.pop()
    return _channels_last(rank) if _channels_last(rank) in orders else ()


def _demanded(graph: Graph) -> frozenset[str]:
    found: set[str] = set()
    for node in reversed(graph.nodes):
        kind = _kind(graph, node)
        if kind in MAPS or (kind in VALUEWISE | REDUCING and any(name in found for name in node.outputs)):
            found.update(name for name in node.inputs if name)
    return frozenset(found)


def _stored_as(reader: _Reader, name: str, order: tuple[int, ...]) -> str:
    """The tensor in the wanted order: itself, or what an inserted change of layout makes of it."""
    rank = _rank(reader.graph, name)
    wanted = order if len(order) == rank else tuple(range(rank))
    stored = reader.orders.get(name) or tuple(range(rank))
    source = reader.same.get(name, name)
    if stored == wanted:
        return source
    if (name, wanted) not in reader.changed:
        change = tuple(stored.index(axis) for axis in wanted)
        own = reader.moved.get(name, ())
        producer = reader.graph.producer(name)
        node = reader.graph.node(own[-1]) if own else producer
        if node is None:  # an input of the network
            node = reader.graph.consumers(name)[0]
        result = f"{name} {wanted}"
        reader.operations.append(
            Operation("permute", "Transpose", node, own, (source,), (result,), change, inserted=not own)
        )
        reader.changed[name, wanted] = result
    return reader.changed[name, wanted]


def _transpose(reader: _Reader, node: Node) -> bool:
    """The user's own change of layout. It is only remembered, and made where somebody needs the result; PyTorch's
    ``transpose`` of two axes is an operator of its own."""
    source, written = _root(reader, node.inputs[0]), node.outputs[0]
    rank = _rank(reader.graph, source)
    permutation = tuple(int(p) for p in node.attributes.get("perm", tuple(reversed(range(rank)))))
    if rank != len(permutation):
        return False
    if sum(k != axis for k, axis in enumerate(permutation)) == 2:
        _add(reader, "transpose", node.op, node, (node.name,), node.inputs, node.outputs)
        return True
    stored = reader.orders.get(source, tuple(range(rank)))
    reader.orders[written] = tuple(permutation.index(axis) for axis in stored)
    reader.moved[written] = (*reader.moved.get(source, ()), node.name)
    reader.same[written] = reader.same.get(source, source)
    return True


def _leave(reader: _Reader, name: str) -> None:
    """An output of the network: maps may leave with channels last, what the user moved on purpose may not."""
    if name in reader.moved and reader.orders.get(name) != _channels_last(_rank(reader.graph, name)):
        _stored_as(reader, name, ())


def _channels_last(rank: int) -> tuple[int, ...]:
    return (0, *range(2, rank), 1) if rank > 2 else ()


def _rank(graph: Graph, name: str) -> int:
    return len(graph.tensor(name).shape or ())


def fixed(graph: Graph, name: str) -> bool:
    """Known before the network runs: a constant, also one that is stored quantised."""
    maker = graph.producer(name)
    if maker is not None and maker.op in COPIES and maker.inputs:
        return fixed(graph, maker.inputs[0])
    return graph.is_constant(name) or name in graph.values


def _root(reader: _Reader, name: str) -> str:
    """The tensor that a renamed one stands for; one that the user transposed keeps its own name."""
    while name in reader.same and name not in reader.moved:
        name = reader.same[name]
    return name


def producers(operations: Sequence[Operation]) -> dict[str, Operation]:
    return {name: operation for operation in operations for name in operation.outputs}


def readers(operations: Sequence[Operation]) -> dict[str, list[Operation]]:
    found: dict[str, list[Operation]] = {}
    for operation in operations:
        for name in operation.inputs:
            found.setdefault(name, []).append(operation)
    return found
