"""The smallest change that makes a network fit into the KPU's memory: found by planning changed networks.

Nothing is guessed from bytes: what the allocator makes of other sizes cannot be told without placing them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import gcd, lcm
from typing import TypeVar

from lintmodel.ir import Activation, Constant, Conv, Gemm, Graph, Node, Pool, Tensor
from lintmodel.normalize import propagate
from lintmodel.planning import Plan
from lintmodel.target import Target

from .plan import plan

OVERFLOW = "kpu-memory-overflow"
LARGEST = 500
"""Networks of more nodes are not planned again: up to 8 plans of half a second each are as long as one may wait."""
SIZES, WIDTHS = 31, 7
"""Candidates of each kind. Halving the list each time, they take 5 and 3 plans at most."""
STEPS = (32, 16, 8)
"""Pixels: what networks divide their input by. The smaller the step, the nearer the size."""

T = TypeVar("T")


@dataclass(frozen=True)
class Change:
    """What fits, each on its own; None where nothing was found."""

    input: tuple[int, ...] | None = None
    """Shape of the input, its aspect ratio kept."""
    dense: bool = False
    """With that input a dense layer has fewer inputs."""
    channels: tuple[int, int] | None = None
    """Output channels of the layer whose map finds no room, before and after."""
    untried: str = ""
    """Why nothing was tried."""


def smallest_change(graph: Graph, planned: Plan, kpu: Target) -> Change:
    """The nearest smaller input, and the nearest smaller number of channels of the layer whose map finds no room,
    with which the network is not refused for its memory, nor for anything that it is not refused for now.

    ``graph`` is a normalised network, ``planned`` its plan. Makes 8 further plans at most.
    """
    overflow = planned.refused(OVERFLOW)
    if not overflow:
        return Change()
    if len(graph.nodes) > LARGEST:
        return Change(untried=f"the network has {len(graph.nodes)} nodes")
    known = {refusal.kind for refusal in planned.refusals} - {OVERFLOW}

    def fits(changed: Graph | None) -> bool:
        return changed is not None and {refusal.kind for refusal in plan(changed, kpu).refusals} <= known

    size = _first(_sizes(graph), lambda s: fits(resized(graph, *s)))
    node, before = _layer(graph, overflow[0].node)
    channels = _first(_channels(before), lambda c: fits(narrowed(graph, node, c)))
    changed = resized(graph, *size) if size else None
    return Change(
        input=changed.tensor(_picture(graph) or "").sizes if changed else None,
        dense=changed is not None and _dense_differs(graph, changed),
        channels=(before, channels) if channels else None,
    )


def _first(candidates: Sequence[T], fits: Callable[[T], bool]) -> T | None:
    """The first that fits, in a list where what stands behind one that fits, fits too."""
    low, high = 0, len(candidates)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(candidates[middle]) else (middle + 1, high)
    return candidates[low] if low < len(candidates) else None


# ---- a smaller picture


def _picture(graph: Graph) -> str | None:
    """The only input that is a feature map of known size."""
    found = [name for name in graph.inputs if graph.tensor(name).known and len(graph.tensor(name).sizes) == 4]
    return found[0] if len(found) == 1 else None


def _high_wide(graph: Graph, name: str) -> tuple[int, int]:
    """The axes that hold height and width."""
    return (1, 2) if any(node.layout == "NHWC" for node in graph.consumers(name)) else (2, 3)


def _sizes(graph: Graph) -> list[tuple[int, int]]:
    """Smaller heights and widths, the largest first. The aspect ratio is kept where sizes that are multiples of 8
    allow it; the steps are the largest power of two that the present size is a multiple of, 32 at most."""
    name = _picture(graph)
    if name is None:
        return []
    high, wide = (graph.tensor(name).sizes[axis] for axis in _high_wide(graph, name))
    unit = gcd(high, wide)
    if unit == 0:
        return []
    high_part, wide_part = high // unit, wide // unit
    usual = next((step for step in STEPS if unit % step == 0), STEPS[-1])
    for step in STEPS[STEPS.index(usual) :]:
        count = lcm(step // gcd(high_part, step), step // gcd(wide_part, step))
        while unit // count > SIZES:
            count *= 2
        multiples = range((unit - 1) // count * count, 0, -count)
        if multiples:
            return [(high_part * k, wide_part * k) for k in multiples]
    widths = range((wide - 1) // 8 * 8, 0, -8 * -(-wide // (8 * SIZES)))
    return [(max(8, round(high * width / wide / 8) * 8), width) for width in widths]


def resized(graph: Graph, height: int, width: int) -> Graph | None:
    """The network for a picture of another size, with all shapes worked out again; None where sizes fixed in it do
    not allow that. Dense layers take as many inputs as there then are."""
    name = _picture(graph)
    if name is None:
        return None
    sizes = list(graph.tensor(name).sizes)
    for axis, size in zip(_high_wide(graph, name), (height, width), strict=True):
        sizes[axis] = size
    return _worked_out(graph, graph.nodes, {name: replace(graph.tensor(name), shape=tuple(sizes))})


# ---- fewer channels


def _layer(graph: Graph, name: str | None) -> tuple[Node | None, int]:
    """The convolution of that name and its output channels."""
    node = next((node for node in graph.nodes if node.name == name and node.op in Conv.ops), None)
    if node is None or not Conv(graph, node).fixed:
        return None, 0
    return node, Conv(graph, node).out_channels


def _channels(before: int) -> list[int]:
    """Smaller numbers of channels, the largest first: multiples of 8."""
    if before <= 8:
        return []
    step = 8 * -(-before // (8 * (WIDTHS + 1)))
    return list(range((before - 1) // step * step, 0, -step))


THROUGH = (Activation.ops | Pool.ops | {"Pad", "Identity", "Dropout", "Flatten"}) - {"PRelu"}
"""Operators that keep channels apart and have no weights for them."""


def narrowed(graph: Graph, node: Node | None, channels: int) -> Graph | None:
    """The network with fewer output channels of one convolution, what reads them changed to suit; None where that
    is not simple: a sum, a concatenation, shared weights, an output of the network."""
    if node is None or Conv(graph, node).groups != 1:
        return None
    tensors: dict[str, Tensor] = {}
    nodes = {node.name: node}

    def cut(conv: Node, axis: int, *, outputs: bool) -> bool:
        for index, name in enumerate(conv.inputs[1:]):
            tensor = graph.tensor(name)
            if tensor.constant is None or not tensor.known or len(graph.consumers(name)) > 1:
                return False
            if index == 0 or outputs:
                sizes = list(tensor.sizes)
                sizes[axis if index == 0 else 0] = channels
                tensors[name] = replace(tensor, shape=tuple(sizes), constant=Constant(_nothing))
        return True

    if not cut(node, 0, outputs=True):
        return None
    waiting = [node.outputs[0]]
    while waiting:
        name = waiting.pop()
        if name in graph.outputs:
            return None
        for reader in graph.consumers(name):
            if reader.op in Conv.ops:
                conv, last = Conv(graph, reader), -1 if reader.layout == "NHWC" else 0
                if conv.groups == 1:
                    if not cut(reader, -1 if reader.layout == "NHWC" else 1, outputs=False):
                        return None
                    continue
                if not conv.depthwise or conv.in_channels != conv.out_channels or not cut(reader, last, outputs=True):
                    return None
                nodes[reader.name] = replace(reader, attributes={**reader.attributes, "group": channels})
            elif reader.op not in THROUGH and reader.op not in Gemm.ops:
                return None
            if reader.op not in Gemm.ops:
                waiting.append(reader.outputs[0])
    return _worked_out(graph, [nodes.get(known.name, known) for known in graph.nodes], tensors)


def _nothing() -> None:
    """Values of weights that were never trained."""


# ---- shapes


def _worked_out(graph: Graph, nodes: Sequence[Node], changed: Mapping[str, Tensor]) -> Graph | None:
    """The graph with changed nodes and tensors; what follows from them is worked out again, also where the file
    states it. None where that contradicts what is fixed in the file or leaves a size open."""
    made = {name for node in nodes for name in node.outputs if name and not graph.is_constant(name)}
    tensors = {**graph.tensors, **changed, **_reshapes(graph)}
    tensors |= {name: replace(graph.tensor(name), shape=None, declared=False) for name in made}
    blank = graph.with_(nodes=tuple(nodes), tensors=tensors, values={})
    found = propagate(blank)
    if dense := _dense_weights(found):
        found = propagate(blank.with_(tensors={**tensors, **dense}))
    if len(found.problems) > len(graph.problems) or not all(_settled(graph, found, node) for node in nodes):
        return None
    stated = {name: replace(found.tensor(name), declared=graph.tensor(name).declared) for name in made}
    return found.with_(tensors={**found.tensors, **stated})


def _reshapes(graph: Graph) -> dict[str, Tensor]:
    """Targets of Reshapes to rows of fixed length, the length left open."""
    import numpy as np

    found = {}
    for node in graph.nodes:
        target = node.inputs[1] if node.op == "Reshape" and len(node.inputs) > 1 else ""
        sizes = graph.integers(target) if target and graph.is_constant(target) else None
        if sizes is not None and len(sizes) == 2 and sizes[1] > 0 and sizes[0] in (-1, 1):
            value = np.array([1, -1], graph.tensor(target).dtype)
            found[target] = replace(graph.tensor(target), constant=Constant.of(value))
    return found


def _dense_weights(graph: Graph) -> dict[str, Tensor]:
    """Matrices of dense layers that have other inputs than before, for as many as there are now."""
    found = {}
    for node in graph.nodes:
        gemm = Gemm(graph, node) if node.op in Gemm.ops else None
        if gemm is None or not gemm.weighted or not gemm.x.known or not gemm.b.known or len(gemm.b.sizes) != 2:
            continue
        length = gemm.x.sizes[-1]
        if length != gemm.in_features:
            transposed = node.attributes.get("transB") or node.attributes.get("adj_y")
            sizes = (gemm.out_features, length) if transposed else (length, gemm.out_features)
            found[gemm.b.name] = replace(gemm.b, shape=sizes, constant=Constant(_nothing))
    return found


def _settled(before: Graph, after: Graph, node: Node) -> bool:
    """Sizes that were known are known, and a Reshape keeps its number of elements."""
    if any(before.tensor(name).known and not after.tensor(name).known for name in node.outputs if name):
        return False
    if node.op != "Reshape":
        return True
    source, result = after.tensor(node.inputs[0]), after.tensor(node.outputs[0])
    return not (source.known and result.known) or source.elements == result.elements


def _dense_differs(before: Graph, after: Graph) -> bool:
    matrices = (node.inputs[1] for node in after.nodes if node.op in Gemm.ops and len(node.inputs) > 1)
    return any(before.tensor(name).shape != after.tensor(name).shape for name in matrices)
