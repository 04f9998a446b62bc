"""What is offered for layers of a network that have no form on the chip: rewrites of the ONNX file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lintmodel.findings import Fix
from lintmodel.ir import Conv, Graph, Reduce, Slice, view
from lintmodel.planning import Refusal

SIDE = 3
"""Of the largest kernel, in pixels: izer/yamlcfg.py 441."""

_TO_RELU = dict.fromkeys(("SiLU", "Mish", "Gelu", "HardSwish"), "silu-to-relu")
_TO_RELU |= dict.fromkeys(("LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Softplus"), "leaky-relu-to-relu")
_TO_RELU |= {"ThresholdedRelu": "leaky-relu-to-relu", "Clip": "relu6-to-relu"}
_POOLS = {
    "GlobalAveragePool": Fix("split-global-pool", "safe", "two pools behind each other"),
    "GlobalMaxPool": Fix("split-global-pool", "safe", "two pools behind each other"),
    "MaxPool": Fix("stack-max-pool", "safe", "several pools behind each other"),
    "ReduceMean": Fix("mean-to-global-pool", "safe", "a global average pool"),
}


def offered(refusal: Refusal, graph: Graph) -> tuple[Fix | None, Mapping[str, Any]]:
    """The rewrite that makes a layer of the chip of it, and what the rewrite needs to know."""
    d = refusal.details
    op = graph.node(refusal.node).op if refusal.node else ""
    match refusal.kind:
        case "cnn-stride" if len(set(d["stride"])) == 1 and len(d["stride"]) == 2 and not _uneven(graph, refusal):
            return Fix("stride-to-pool", "safe", "stride 1 here and a 1x1 pool with the stride"), {}
        case "cnn-kernel" if len(d["kernel"]) == 2 and max(d["kernel"]) <= SIDE:
            return Fix("square-kernel", "safe", "rows and columns of zeros"), {}
        case "cnn-padding" if len(d["pads"]) == 4 and len(set(d["pads"])) > 1:
            return Fix("pad-symmetric", "unsafe", "the same padding on every side"), {}
        case "cnn-groups":
            return Fix("dense-groups", "safe", "one group, with zeros between the groups"), {}
        case "cnn-transposed" if tuple(d["kernel"]) == (2, 2):
            return Fix("conv-transpose-3x3", "safe", "3x3 with a row and a column of zeros"), {}
        case "cnn-pool-window" if "most" in d:
            return _POOLS.get(op), {"limit": d["most"]}
        case "cnn-loose-activation" if refusal.node and d["behind"] == "pool":
            maker = graph.producer(graph.node(refusal.node).inputs[0])
            if maker is not None and maker.op == "MaxPool":
                return Fix("activation-before-pool", "safe", "put it before the pool"), {}
        case "cnn-activation" if d["op"] in _TO_RELU:
            return Fix(_TO_RELU[d["op"]], "unsafe", "ReLU, after training again"), {}
        case "cnn-operator":
            return _respelt(graph, refusal.node or ""), {}
        case "cnn-loose-normalisation":
            return Fix("fold-batch-norm", "safe", "folded into the layer behind it"), {}
    return None, {}


def _uneven(graph: Graph, refusal: Refusal) -> bool:
    """Padding that differs between the sides: it is mended first, as long as the stride hides a pixel."""
    return len(set(Conv(graph, graph.node(refusal.node or "")).pads)) > 1


def _respelt(graph: Graph, name: str) -> Fix | None:
    """The layer that computes what an operator does that is none."""
    node = graph.node(name)
    found = view(graph, node)
    if node.op == "ReduceMax" and isinstance(found, Reduce) and found.axes == (2, 3):
        return Fix("max-to-global-pool", "safe", "a global maximum pool")
    if node.op == "Split" and int(node.attributes.get("axis", 0)) == 1:
        return Fix("split-to-convs", "safe", "1x1 convolutions that pick the channels")
    if node.op == "SpaceToDepth" and node.attributes.get("blocksize") == 2:
        return Fix("focus-to-conv", "safe", "a 3x3 convolution with stride 2")
    if isinstance(found, Slice) and found.bounds is not None and len(found.bounds) == 4:
        first, channels, *map_axes = found.bounds
        whole = [(0, size, 1) for size in found.x.sizes]
        if [first, *map_axes] == [whole[0], *whole[2:]]:
            return Fix("split-to-convs", "safe", "a 1x1 convolution that picks the channels")
        if [first, channels] == whole[:2] and all(start == 0 and step > 0 for start, _, step in map_axes):
            return Fix("slice-to-max-pool", "safe", "a 1x1 maximum pool with that stride")
    return None
