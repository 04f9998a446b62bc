"""What the exporter simplifies in a translated program, so that the graph is the one of the ONNX file.

Batch normalisations go into the convolution or dense layer before them, borders of zeros into the convolution behind
them, reshapes and transpositions in a row become one, and what nothing reads is gone. (onnxscript 0.7.2, the default
rules of its rewriter.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..ir import Constant, Node, Tensor


def tidy(
    nodes: Sequence[Node], tensors: Mapping[str, Tensor], outputs: Sequence[str]
) -> tuple[list[Node], dict[str, Tensor]]:
    """The nodes and the tensors they need."""
    state = _State({node.name: node for node in nodes}, dict(tensors), outputs)
    for name in list(state.nodes):
        node = state.nodes.get(name)
        rule = _RULES.get(node.op) if node is not None and not node.domain else None
        if node is not None and rule is not None:
            rule(state, node)
    for node in [n for n in state.nodes.values() if n.op == "Reshape" and _changes_nothing(state, n)]:
        _bypass(state, state.nodes[node.name])
    _shared(state)
    kept = _needed(list(state.nodes.values()), outputs)
    read = {name for node in kept for name in (*node.inputs, *node.outputs)} | set(outputs)
    inputs_kept = {name: t for name, t in state.tensors.items() if name in read or t.constant is None}
    made = {name for node in nodes for name in node.outputs}
    return kept, {name: t for name, t in inputs_kept.items() if name in read or name not in made}


class _State:
    def __init__(self, nodes: dict[str, Node], tensors: dict[str, Tensor], outputs: Sequence[str]) -> None:
        self.nodes, self.tensors, self.outputs = nodes, tensors, set(outputs)
        self.maker = {out: node.name for node in nodes.values() for out in node.outputs}
        self.readers: dict[str, int] = {}
        for node in nodes.values():
            for name in node.inputs:
                self.readers[name] = self.readers.get(name, 0) + 1

    def before(self, node: Node, *ops: str, alone: bool = True) -> Node | None:
        """The node that makes the first input, when it is one of these and (``alone``) nothing else reads it."""
        name = node.inputs[0]
        found = self.nodes.get(self.maker.get(name, ""))
        if found is None or found.op not in ops or found.domain:
            return None
        shared = self.readers.get(name, 0) > 1 or name in self.outputs
        return None if alone and shared else found

    def put(self, old: Node, new: Node) -> None:
        """In the same place, under the same name."""
        for name in old.inputs:
            self.readers[name] = self.readers.get(name, 1) - 1
        for name in new.inputs:
            self.readers[name] = self.readers.get(name, 0) + 1
        self.nodes[old.name] = new
        self.maker |= dict.fromkeys(new.outputs, new.name)

    def drop(self, node: Node) -> None:
        for name in node.inputs:
            self.readers[name] = self.readers.get(name, 1) - 1
        del self.nodes[node.name]

    def constant(self, name: str) -> bool:
        tensor = self.tensors.get(name)
        return tensor is not None and tensor.constant is not None

    def values(self, name: str) -> Any:
        tensor = self.tensors.get(name)
        return tensor.constant.load() if tensor is not None and tensor.constant is not None else None

    def number(self, name: str) -> float | None:
        """The value of a constant of one element."""
        tensor = self.tensors.get(name)
        if tensor is None or tensor.constant is None or not tensor.known or tensor.elements != 1:
            return None
        values = self.values(name)
        return None if values is None else float(values.reshape(-1)[0])

    def integers(self, name: str) -> tuple[int, ...] | None:
        values = self.values(name)
        return None if values is None else tuple(int(n) for n in values.reshape(-1))


def _batch_norm(state: _State, norm: Node) -> None:
    """Into the layer before it: the layer keeps its name and place, and writes what the normalisation wrote."""
    layer = state.before(norm, "Conv", "ConvTranspose", "Gemm")
    if layer is None or not state.constant(layer.inputs[1]) or not all(map(state.constant, norm.inputs[1:])):
        return
    if layer.op == "Gemm" and layer.attributes.get("transA"):
        return
    weight, bias = f"{norm.name}.weight", f"{norm.name}.bias"
    old, scale = state.tensors[layer.inputs[1]], state.tensors[norm.inputs[1]]
    state.tensors[weight] = Tensor(weight, old.shape, old.dtype, Constant(lambda: _scaled(state, layer, norm)))
    state.tensors[bias] = Tensor(bias, scale.shape, scale.dtype, Constant(lambda: _shifted(state, layer, norm)))
    shifted = _shifted(state, layer, norm)
    zero = shifted is not None and not shifted.any()  # of a network that was not trained: the exporter leaves it out
    inputs = (layer.inputs[0], weight) if zero else (layer.inputs[0], weight, bias)
    folded = replace(layer, inputs=inputs, outputs=norm.outputs[:1])
    state.drop(norm)
    state.put(layer, folded)


def _scaled(state: _State, layer: Node, norm: Node) -> Any:
    """The layer's weights, each output channel times its scale over its deviation."""
    import numpy as np

    weight, scale, variance = (state.values(n) for n in (layer.inputs[1], norm.inputs[1], norm.inputs[4]))
    if weight is None or scale is None or variance is None:
        return None
    factor = scale / np.sqrt(variance + norm.attributes["epsilon"])
    if layer.op != "ConvTranspose":
        return weight * factor.reshape(-1, *([1] * (weight.ndim - 1)))
    groups = layer.attributes["group"]
    apart = weight.reshape(groups, -1, *weight.shape[1:]) * factor.reshape(groups, 1, -1, *([1] * (weight.ndim - 2)))
    return apart.reshape(weight.shape)


def _shifted(state: _State, layer: Node, norm: Node) -> Any:
    import numpy as np

    scale, shift, mean, variance = (state.values(name) for name in norm.inputs[1:5])
    own = state.values(layer.inputs[2]) if len(layer.inputs) > 2 and layer.inputs[2] else 0.0
    if scale is None or shift is None or mean is None or variance is None or own is None:
        return None
    return shift + (own - mean) * scale / np.sqrt(variance + norm.attributes["epsilon"])


def _border(state: _State, conv: Node) -> None:
    """A border of zeros is the convolution's own padding."""
    pad = state.before(conv, "Pad")
    pads = state.integers(pad.inputs[1]) if pad is not None and pad.attributes.get("mode") == "constant" else None
    if pad is None or pads is None or min(pads) < 0:
        return
    rank = len(pads) // 2
    value = state.integers(pad.inputs[2]) if len(pad.inputs) > 2 else (0,)
    if any(pads[:2]) or any(pads[rank : rank + 2]) or value != (0,):
        return
    own = conv.attributes["pads"]
    more = (*pads[2:rank], *pads[rank + 2 :])
    attributes = {**conv.attributes, "pads": tuple(a + b for a, b in zip(own, more, strict=True))}
    state.drop(pad)
    state.put(conv, replace(conv, inputs=(pad.inputs[0], *conv.inputs[1:]), attributes=attributes))


Bounds = tuple[float | None, float | None]


def _bound(state: _State, node: Node) -> None:
    """Bounds in a row become one Clip: a maximum and a minimum, a Relu before or behind a Clip, two Clips."""
    first = state.before(node, "Relu", "Clip", "Max", "Min")
    inner, outer = (_bounds(state, each) if each is not None else None for each in (first, node))
    if first is None or inner is None or outer is None:
        return
    if first.op == node.op != "Clip" or {first.op, node.op} in ({"Relu", "Max"}, {"Relu", "Min"}):
        return
    low, high = (_within(each, outer) for each in inner)
    low, high = (outer[0] if low is None else low), (outer[1] if high is None else high)
    dtype = state.tensors[node.outputs[0]].dtype
    names = [_number(state, f"{node.name}.{end}", value, dtype) for end, value in (("min", low), ("max", high))]
    state.drop(first)
    joined = replace(node, op="Clip", inputs=(first.inputs[0], *names), attributes={})
    state.put(node, joined)
    _bound(state, joined)


def _within(value: float | None, bounds: Bounds) -> float | None:
    """A bound after other bounds were put on it."""
    if value is None:
        return None
    low, high = bounds
    value = value if low is None else max(value, low)
    return value if high is None else min(value, high)


def _bounds(state: _State, node: Node) -> Bounds | None:
    """Lower and upper bound that a node puts on its first input; None where they are no single numbers."""
    if node.op == "Relu":
        return 0.0, None
    found = [state.number(name) if name else None for name in node.inputs[1:3]]
    if any(name and value is None for name, value in zip(node.inputs[1:], found, strict=False)):
        return None
    low, high = (*found, None, None)[:2]
    return {"Max": (low, None), "Min": (None, low)}.get(node.op, (low, high))


def _number(state: _State, name: str, value: float | None, dtype: str) -> str:
    if value is None:
        return ""
    state.tensors[name] = Tensor(name, (), dtype, Constant(lambda: _array([value], dtype).reshape(())))
    return name


def _reshape(state: _State, node: Node) -> None:
    """Of two in a row the second alone says the shape."""
    first = state.before(node, "Reshape", alone=False)
    wanted = state.integers(node.inputs[1])
    if first is not None and wanted is not None and 0 not in wanted:
        state.put(node, replace(node, inputs=(first.inputs[0], node.inputs[1])))


def _changes_nothing(state: _State, node: Node) -> bool:
    """A reshape to the shape that was there."""
    before, after = (state.tensors.get(name) for name in (node.inputs[0], node.outputs[0]))
    return before is not None and after is not None and before.known and before.shape == after.shape


def _transpose(state: _State, node: Node) -> None:
    first = state.before(node, "Transpose")
    if first is not None:
        order, then = first.attributes["perm"], node.attributes["perm"]
        perm = tuple(order[k] for k in then)
        node_ = replace(node, inputs=(first.inputs[0],), attributes={**node.attributes, "perm": perm})
        state.put(node, node_)
        node = node_
    if node.attributes["perm"] == tuple(range(len(node.attributes["perm"]))):
        _bypass(state, node)


def _unsqueeze(state: _State, node: Node) -> None:
    """Two in a row insert their axes at once."""
    first = state.before(node, "Unsqueeze", alone=False)
    axes, before = state.integers(node.inputs[1]), state.integers(first.inputs[1]) if first is not None else None
    if first is None or axes is None or before is None or len(axes) != 1 or len(before) != 1 or min(axes + before) < 0:
        return
    moved = before[0] + (axes[0] <= before[0])
    name, both = f"{node.name}.axes", sorted((axes[0], moved))
    state.tensors[name] = Tensor(name, (2,), "int64", Constant(lambda: _array(both, "int64")))
    state.put(node, replace(node, inputs=(first.inputs[0], name)))


def _array(values: Sequence[float], dtype: str) -> Any:
    import numpy as np

    return np.array(values, "float32" if dtype in ("bfloat16", "unknown") else dtype)


def _shared(state: _State) -> None:
    """What is computed twice is computed once; of two results of the network the second is a copy."""
    seen: dict[str, str] = {}
    renamed: dict[str, str] = {}
    for name in list(state.nodes):
        node = _renamed(state, name, renamed)
        key = f"{node.domain}:{node.op}{node.inputs}{sorted(node.attributes.items())}{len(node.outputs)}"
        first = state.nodes[seen.setdefault(key, name)]
        if first.name == name:
            continue
        if state.outputs.isdisjoint(node.outputs):
            renamed |= dict(zip(node.outputs, first.outputs, strict=True))
            del state.nodes[name]
        elif state.outputs.isdisjoint(first.outputs):
            renamed |= dict(zip(first.outputs, node.outputs, strict=True))
            state.nodes[first.name] = replace(first, outputs=node.outputs)
            del state.nodes[name]
        elif len(node.outputs) == 1:
            state.nodes[name] = replace(node, op="Identity", inputs=first.outputs, attributes={})
    for name in list(state.nodes):
        _renamed(state, name, renamed)


def _renamed(state: _State, name: str, names: dict[str, str]) -> Node:
    node = state.nodes[name]
    if any(n in names for n in node.inputs):
        node = state.nodes[name] = replace(node, inputs=tuple(_last(n, names) for n in node.inputs))
    return node


def _last(name: str, names: dict[str, str]) -> str:
    while name in names:
        name = names[name]
    return name


def _bypass(state: _State, node: Node) -> None:
    """A node that does nothing."""
    if node.outputs[0] in state.outputs:
        return
    for reader in list(state.nodes.values()):
        if node.outputs[0] in reader.inputs:
            state.put(reader, replace(reader, inputs=_with(reader.inputs, node.outputs[0], node.inputs[0])))
    state.drop(node)


def _with(names: tuple[str, ...], old: str, new: str) -> tuple[str, ...]:
    return tuple(new if name == old else name for name in names)


_RULES = {
    "BatchNormalization": _batch_norm,
    "Clip": _bound,
    "Max": _bound,
    "Min": _bound,
    "Relu": _bound,
    "Conv": _border,
    "Reshape": _reshape,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}


def _needed(nodes: Sequence[Node], outputs: Sequence[str]) -> list[Node]:
    """Without those whose results nothing reads."""
    wanted, kept = set(outputs), []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            wanted.update(node.inputs)
            kept.append(node)
    return kept[::-1]
