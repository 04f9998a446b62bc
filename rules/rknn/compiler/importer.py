"""From the user's graph to layers, one a node, constants and identities left out.

Windows come with ``kernel_shape``, ``strides``, ``dilations``, ``pads`` (ONNX's order) and ``group`` worked out;
operators that the toolkit recognises in several nodes are one layer with the names of all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Set
from typing import TYPE_CHECKING, Any

from lintmodel.ir import Composite, Graph, Node
from lintmodel.target import Target

from ..program import Layer, Program, Value

if TYPE_CHECKING:
    import numpy as np

RECOGNISED = {"SiLU": "exSwish", "HardSwish": "HardSwish", "Gelu": "exGelu", "HardSigmoid": "HardSigmoid"} | {
    "PRelu": "PRelu",
    "LayerNormalization": "LayerNormalization",
}
"""Composites that become one layer, and the layer."""

WINDOWS = frozenset({"Conv", "ConvTranspose", "MaxPool", "AveragePool", "LpPool", "ConvInteger", "QLinearConv"})


def import_graph(graph: Graph, target: Target, *, quantized: bool) -> Program:
    """A layer for every node that computes something. Shapes are fixed: refusals have seen to that."""
    program = Program(target, quantized, list(graph.inputs))
    same: dict[str, str] = {}
    fixed: set[str] = set()
    composites = {c.name: c for c in graph.composites if c.op in RECOGNISED and _recognised(c)}
    members = {name: c for c in composites.values() for name in c.members}
    for node in graph.nodes:
        if _constant(graph, node, fixed):
            fixed.update(node.outputs)
            program.folded[node.name] = ()
            continue
        if node.name in members and node.name not in composites:
            program.folded[node.name] = ()
            continue
        composite = composites.get(node.name)
        for name in (*(composite.inputs if composite else node.inputs), *node.outputs):
            _add_value(graph, program, name, fixed)
        if _identity(graph, node, program):
            same[node.outputs[0]] = same.get(node.inputs[0], node.inputs[0])
            program.folded[node.name] = ()
            continue
        layer = _composite_layer(composite) if composite else _node_layer(graph, node)
        layer.inputs = [same.get(name, name) for name in layer.inputs]
        program.layers.append(layer)
        if _channels_last(graph):
            _turn(program, layer)
    for name in (*graph.inputs, *graph.outputs):
        _add_value(graph, program, name, fixed)
    program.outputs = [same.get(name, name) for name in graph.outputs]
    drop_unread(program)
    return program


MOVED = {0: 0, 1: 2, 2: 3, 3: 1}
"""Where an axis of N,H,W,C is in N,C,H,W."""


def _turn(program: Program, layer: Layer) -> None:
    """The layer of a file that stores N,H,W,C: axes as in N,C,H,W, filters as convolutions have them, and the
    activation fused into it as a layer of its own."""
    shape = program.shape(layer.inputs[0]) if layer.inputs else ()
    if len(shape) == 4 and "axis" in layer.attributes:
        layer.attributes["axis"] = MOVED[int(layer.attributes["axis"]) % 4]
    if layer.kind in ("Conv", "ConvTranspose") and len(layer.inputs) > 1:
        weight = program.values[layer.inputs[1]]
        if len(weight.shape) == 4 and (layer.kind == "ConvTranspose" or weight.shape[0] == 1):
            weight.shape = (weight.shape[1], weight.shape[0], *weight.shape[2:])
    word = layer.attributes.pop("activation", None)
    kind = {"Relu": "Relu", "Relu6": "Clip", "ReluN1To1": "Clip", "Tanh": "Tanh"}.get(str(word))
    if kind is not None and len(layer.outputs) == 1:
        result = layer.outputs[0]
        layer.outputs = [program.fresh(f"{result}_linear", program.shape(result))]
        program.layers.append(Layer(kind, list(layer.outputs), [result], layer.nodes))


def _recognised(composite: Composite) -> bool:
    """The toolkit knows GELU by its erf, and takes the tanh form operation by operation (measured)."""
    return composite.op != "Gelu" or composite.attributes.get("approximate") == "none"


def _constant(graph: Graph, node: Node, fixed: Set[str]) -> bool:
    """All the node computes is known: a Constant, or arithmetic on shapes, weights and ``fixed`` tensors."""
    outputs = [name for name in node.outputs if name]
    if outputs and all(graph.is_constant(name) or name in graph.values for name in outputs):
        return True
    inputs = [name for name in node.inputs if name]
    known = all(name in fixed or graph.is_constant(name) or name in graph.values for name in inputs)
    return bool(inputs) and known and not node.subgraphs and not node.op.startswith("Random")


def _add_value(graph: Graph, program: Program, name: str, fixed: Set[str]) -> None:
    if not name or name in program.values:
        return
    tensor = graph.tensor(name)
    dtype = program.dtype if tensor.dtype.startswith(("float", "bfloat", "double")) else tensor.dtype
    constant = name in fixed or graph.is_constant(name) or name in graph.values
    shape = _sizes(graph, name) if tensor.known else ()
    program.values[name] = Value(name, shape, dtype, constant, _loader(graph, name) if constant else None)


def _channels_last(graph: Graph) -> bool:
    """A front end gives all nodes of a file the same layout."""
    return bool(graph.nodes) and graph.nodes[0].layout == "NHWC"


def _sizes(graph: Graph, name: str) -> tuple[int, ...]:
    """Sizes as N,C,H,W, however the file stores maps. Weights of convolutions turn alike: O,H,W,I is O,I,H,W."""
    sizes = graph.tensor(name).sizes
    if len(sizes) == 4 and _channels_last(graph):
        return sizes[0], sizes[3], sizes[1], sizes[2]
    return sizes


def _loader(graph: Graph, name: str) -> Callable[[], np.ndarray[Any, Any] | None]:
    producer = graph.producer(name)
    if producer is not None and producer.op == "Expand" and name not in graph.values:
        return lambda: _expanded(graph.value(producer.inputs[0]), graph.tensor(name).sizes)

    def load() -> np.ndarray[Any, Any] | None:
        value = graph.value(name)
        turned = value is not None and value.ndim == 4 and _channels_last(graph)
        return value.transpose(0, 3, 1, 2) if value is not None and turned else value

    return load


def _expanded(value: np.ndarray[Any, Any] | None, shape: tuple[int, ...]) -> np.ndarray[Any, Any] | None:
    import numpy as np

    return None if value is None else np.broadcast_to(value, shape)


def _identity(graph: Graph, node: Node, program: Program) -> bool:
    """The node hands its input on, and that is not the input of the model given out unchanged."""
    if not node.inputs or not node.inputs[0] or node.domain:
        return False
    source, result = graph.tensor(node.inputs[0]), graph.tensor(node.outputs[0])
    if node.inputs[0] in graph.inputs and node.outputs[0] in graph.outputs:
        return False
    if node.op in ("Identity", "Dropout"):
        return node.op == "Identity" or not any(graph.consumers(name) for name in node.outputs[1:])
    if node.op == "Cast":
        return source.dtype.startswith("float") and result.dtype.startswith("float")
    if not (source.known and result.known) or source.sizes != result.sizes:
        return False
    if node.op in ("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Expand", "Resize", "Upsample"):
        return True
    if node.op == "Transpose":
        perm = node.attributes.get("perm") or range(len(source.sizes))[::-1]
        moved = [int(p) for p in perm if source.sizes[int(p)] != 1]
        return moved == sorted(moved)
    if node.op == "Slice" or (node.op == "Concat" and len(node.inputs) == 1):
        return node.op == "Concat" or _forward(graph, node)
    if node.op in ("Pad", "Tile"):
        return True
    if node.op in ("Add", "Sub", "Mul", "Div"):
        return len(node.inputs) == 2 and _neutral(graph, node.inputs[1], 0 if node.op in ("Add", "Sub") else 1)
    return node.op in ("Sum", "Mean", "Max", "Min") and len(node.inputs) == 1


def _neutral(graph: Graph, name: str, number: int) -> bool:
    """A constant of one element that changes nothing: 0 added or 1 multiplied."""
    tensor = graph.tensor(name)
    if not (graph.is_constant(name) or name in graph.values) or not tensor.known or tensor.elements != 1:
        return False
    value = graph.value(name)
    return value is not None and bool((value == number).all())


def _forward(graph: Graph, node: Node) -> bool:
    """Of a Slice that takes everything: it does not turn an axis round."""
    steps = node.attributes.get("steps")
    if steps is None and len(node.inputs) > 4 and node.inputs[4]:
        steps = graph.integers(node.inputs[4])
    return steps is None or all(int(step) > 0 for step in steps)


def _composite_layer(composite: Composite) -> Layer:
    kind = RECOGNISED[composite.op]
    return Layer(kind, list(composite.inputs), [composite.output], composite.members, dict(composite.attributes))


def _node_layer(graph: Graph, node: Node) -> Layer:
    attributes = dict(node.attributes)
    if node.op in WINDOWS:
        attributes |= _window(graph, node)
    if node.op in ("Softmax", "Hardmax", "LogSoftmax") and graph.opsets.get("", 13) < 13:
        attributes["flattens"] = True
    inputs = list(node.inputs)
    while inputs and not inputs[-1]:
        inputs.pop()
    return Layer(node.op, inputs, [name for name in node.outputs if name], (node.name,), attributes)


def _window(graph: Graph, node: Node) -> dict[str, Any]:
    """Kernel, strides, dilations and pads of every spatial axis, ``auto_pad`` worked out."""
    source, result = _sizes(graph, node.inputs[0])[2:], _sizes(graph, node.outputs[0])[2:]
    rank = len(source)
    kernel = node.attributes.get("kernel_shape")
    if kernel is None:
        kernel = _sizes(graph, node.inputs[1])[2:]
    kernel = tuple(int(k) for k in kernel)
    strides = tuple(int(s) for s in node.attributes.get("strides") or (1,) * rank)
    dilations = tuple(int(d) for d in node.attributes.get("dilations") or (1,) * rank)
    pads = tuple(int(p) for p in node.attributes.get("pads") or (0,) * (2 * rank))
    auto = node.attributes.get("auto_pad", "NOTSET")
    auto = auto.decode() if isinstance(auto, bytes) else str(auto)
    if auto == "VALID":
        pads = (0,) * (2 * rank)
    elif auto.startswith("SAME") or "output_shape" in node.attributes:
        pads = _same(node.op, auto, source, result, kernel, strides, dilations)
    group = int(node.attributes.get("group", 1))
    return {"kernel_shape": kernel, "strides": strides, "dilations": dilations, "pads": pads, "group": group}


def _same(
    op: str,
    auto: str,
    source: tuple[int, ...],
    result: tuple[int, ...],
    kernel: tuple[int, ...],
    strides: tuple[int, ...],
    dilations: tuple[int, ...],
) -> tuple[int, ...]:
    low, high = [], []
    for size, out, k, stride, dilation in zip(source, result, kernel, strides, dilations, strict=True):
        reach = (k - 1) * dilation + 1
        covered = (size - 1) * stride + reach - out if op == "ConvTranspose" else (out - 1) * stride + reach - size
        total = max(0, covered)
        small, large = total // 2, total - total // 2
        low.append(large if auto == "SAME_LOWER" else small)
        high.append(small if auto == "SAME_LOWER" else large)
    return (*low, *high)


def drop_unread(program: Program) -> None:
    """Layers whose results nobody reads are not in the toolkit's table."""
    read = set(program.outputs)
    kept: list[Layer] = []
    for layer in reversed(program.layers):
        if read.isdisjoint(layer.outputs):
            program.folded |= dict.fromkeys(layer.nodes, ())
            continue
        read.update(layer.inputs)
        kept.append(layer)
    program.layers = kept[::-1]
