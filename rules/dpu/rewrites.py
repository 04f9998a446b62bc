"""Which rewrite of the network brings an operation to the DPU. Only ONNX files are rewritten; what an engine does not
take either is not offered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lintmodel.findings import Fix
from lintmodel.ir import BatchNormalization, Conv, Graph, Node, Pool, Resize, Slice
from lintmodel.planning import Plan, Step

from .engines import Engines, Range, activations_behind
from .network import clip_limits, fixed
from .verdicts import BILINEAR_SCALES
from .windows import bank_words

WEIGHTED = frozenset({"Conv", "ConvTranspose", "Gemm"})
SCALING = frozenset({"Add", "Sub", "Mul", "Div"})
DENSE = Fix("dense-groups", "safe", "one group, with zeros between the groups")
FOLDED = Fix("fold-scale", "safe", "part of the weights before it")
RELU = Fix("silu-to-relu", "unsafe", "ReLU, trained again")
PLAIN = Fix("leaky-relu-to-relu", "unsafe", "ReLU, trained again")
UNLIMITED = Fix("relu6-to-relu", "unsafe", "ReLU, trained again")
NEAREST = Fix("resize-nearest", "unsafe", "nearest")


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands."""

    graph: Graph
    plan: Plan
    dpu: Engines
    step: Step

    @property
    def node(self) -> Node:
        """The last of its own nodes."""
        return self.graph.node(self.step.nodes[-1])


def for_operator(place: Place, op: str) -> Fix | None:
    """For an operator that no DPU has: one that this DPU has, in its place."""
    find = _FOR_OPERATOR.get(op)
    return find(place) if find is not None and place.step.nodes else None


def for_pool(place: Place) -> tuple[Fix | None, int]:
    """For a pool with too large a window: smaller ones, and the largest the engine takes."""
    graph, node = place.graph, place.node
    if node.op not in ("MaxPool", "GlobalAveragePool"):
        return None, 0
    pool = Pool(graph, node)
    engine = place.dpu.average_pool if pool.kind == "average" else place.dpu.max_pool
    limit = engine.kernel.largest if engine is not None else 0
    if engine is None or not pool.fixed or not _without_gaps(engine.kernel):
        return None, 0
    if pool.is_global:
        side = pool.height
        divides = any(side % part == 0 and side // part <= limit for part in range(2, limit + 1))
        split = Fix("split-global-pool", "safe", "a pool of parts, and a global one of what they give")
        return (split if side == pool.width and divides else None), limit
    if _in_a_pyramid(graph, node):
        return Fix("chain-spp", "safe", "small pools, each behind the one before"), limit
    stacks = max(pool.kernel) > limit and pool.dilation == (1, 1) and not node.attributes.get("ceil_mode")
    return (Fix("stack-max-pool", "safe", "small pools behind each other") if stacks else None), limit


def for_groups(place: Place) -> Fix | None:
    """An ordinary convolution, where its weights fit."""
    if place.node.op != "Conv" and place.graph.node(place.step.nodes[0]).op != "Conv":
        return None
    conv = Conv(place.graph, place.graph.node(place.step.nodes[0]))
    if conv.rank != 2 or not fixed(place.graph, conv.node.inputs[1]):
        return None
    return DENSE if bank_words(conv.kernel, conv.in_channels, place.dpu) <= place.dpu.weights.depth else None


def for_scale(graph: Graph, node: Node) -> Fix | None:
    """A sum or product with a constant, directly behind a layer whose weights can take it in."""
    source = next((name for name in node.inputs if name and not fixed(graph, name)), "")
    maker = graph.producer(source)
    alone = len(graph.consumers(source)) == 1 and source not in graph.outputs
    return FOLDED if maker is not None and maker.op in WEIGHTED and alone and _constant(graph, node) else None


def for_resize(place: Place, *, aligned: bool) -> Fix | None:
    """Corners not aligned where only that is in the way; nearest for other whole scales."""
    resize = Resize(place.graph, place.node)
    if not resize.fixed or any(scale != int(scale) for scale in resize.scale):
        return None
    if aligned and resize.mode == "linear" and _bilinear(resize, place.dpu):
        return Fix("resize-coordinates", "unsafe", "half_pixel in place of align_corners")
    return NEAREST if resize.mode != "nearest" else None


def for_normalisation(graph: Graph, name: str, dpu: Engines) -> Fix | None:
    """A normalisation that no layer before it takes in: the one behind it, or a depthwise convolution in its place."""
    norm = BatchNormalization(graph, graph.node(name))
    readers = graph.consumers(norm.node.outputs[0])
    if len(readers) == 1 and readers[0].op == "Conv" and norm.node.outputs[0] not in graph.outputs:
        behind = Conv(graph, readers[0])
        if behind.fixed and not any(behind.pads):
            return Fix("fold-batch-norm", "safe", "part of the weights behind it")
    maps = len(graph.tensor(norm.node.inputs[0]).shape or ()) == 4
    if not maps or dpu.depthwise is None or 1 not in dpu.depthwise.kernel:
        return None
    return Fix("batch-norm-to-conv", "safe", "a depthwise 1x1 convolution in its place")


def for_preprocessing(graph: Graph, node: Node) -> Fix | None:
    """Scaling of the input that the first layer can take in. Behind sums there may be no padding: what is padded is 0
    after them."""
    last = node
    while True:
        readers = graph.consumers(last.outputs[0])
        if len(readers) != 1 or last.outputs[0] in graph.outputs or not _constant(graph, last):
            return None
        if readers[0].op not in SCALING:
            break
        last = readers[0]
    layer = readers[0]
    if layer.op == "Conv" and layer.inputs[0] == last.outputs[0]:
        conv = Conv(graph, layer)
        takes = conv.fixed and (last.op in ("Mul", "Div") or not any(conv.pads))
    else:
        takes = layer.op == "Gemm" and layer.inputs[0] == last.outputs[0]
    return Fix("fold-preprocessing", "safe", "part of the weights of the first layer") if takes else None


def _maker(place: Place) -> tuple[Step | None, bool]:
    """The step that makes what an activation reads, and whether nothing else reads that."""
    graph, own = place.graph, set(place.step.nodes)
    made = {name for each in own for name in graph.node(each).outputs}
    read = [name for each in place.step.nodes for name in graph.node(each).inputs if name not in made]
    source = next((name for name in read if not fixed(graph, name)), "")
    maker = graph.producer(source)
    alone = own.issuperset(reader.name for reader in graph.consumers(source)) and source not in graph.outputs
    return next((step for step in place.plan.steps if maker is not None and maker.name in step.nodes), None), alone


def _takes_hard(place: Place, word: str) -> bool:
    """A hard activation would run on the DPU here: by its arithmetic unit, or behind a convolution of which nothing
    else reads the result, with an engine that has it."""
    maker, alone = _maker(place)
    if place.dpu.alu:
        return True
    fused = maker is not None and maker.unit == "dpu" and maker.op == "conv2d" and alone
    return fused and maker is not None and word in activations_behind(maker.op, place.dpu)


def for_hard(place: Place) -> Fix:
    """For a HardSwish that stands alone: ReLU6 where the engine before it has that, else ReLU."""
    maker, _ = _maker(place)
    clipped = Fix("silu-to-relu6", "unsafe", "ReLU6, trained again")
    return clipped if maker is None or "relu6" in activations_behind(maker.op, place.dpu) else RELU


def _smooth(place: Place) -> Fix | None:
    maker, _ = _maker(place)
    has = maker is None or "hswish" in activations_behind(maker.op, place.dpu)
    hard = Fix("silu-to-hardswish", "unsafe", "HardSwish, trained again")
    return hard if has and _takes_hard(place, "hswish") else RELU


def _sigmoid(place: Place) -> Fix | None:
    return (
        Fix("sigmoid-to-hardsigmoid", "unsafe", "HardSigmoid, trained again")
        if _takes_hard(place, "hsigmoid")
        else None
    )


def _prelu(place: Place) -> Fix | None:
    slopes = place.graph.value(place.node.inputs[1])
    equal = slopes is not None and slopes.size > 0 and bool((slopes == slopes.reshape(-1)[0]).all())
    return Fix("prelu-to-leaky-relu", "safe", "one slope for all channels") if equal else PLAIN


def _clip(place: Place) -> Fix | None:
    limits = clip_limits(place.graph, place.node)
    return UNLIMITED if limits is not None and limits[0] == 0 and 0 < limits[1] < float("inf") else None


def _bound(place: Place) -> Fix | None:
    graph, node = place.graph, place.node
    bounds = [graph.tensor(name) for name in node.inputs if fixed(graph, name)]
    single = len(node.inputs) == 2 and len(bounds) == 1 and bounds[0].known and bounds[0].elements == 1
    floats = graph.tensor(node.outputs[0]).dtype.startswith("float")
    return Fix("min-max-to-clip", "safe", "Clip or Relu") if single and floats else None


def _split(place: Place) -> Fix | None:
    node = place.node
    maps = len(place.graph.tensor(node.inputs[0]).shape or ()) == 4
    picks = Fix("split-to-convs", "safe", "1x1 convolutions that pick the channels out")
    return picks if maps and node.attributes.get("axis", 0) in (1, -3) else None


def _slice(place: Place) -> Fix | None:
    graph, node = place.graph, place.node
    bounds, shape = Slice(graph, node).bounds, graph.tensor(node.inputs[0])
    if bounds is None or not shape.known or len(bounds) != 4:
        return None
    if _of_focus(graph, node):
        return Fix("focus-to-conv", "safe", "a convolution with stride 2 and weights of zeros and ones")
    whole = [(0, size, 1) for size in shape.sizes]
    if list(bounds[2:]) == whole[2:]:
        return Fix("split-to-convs", "safe", "a 1x1 convolution that picks the channels out")
    full = all(
        start == 0 and step > 0 and len(range(start, stop, step)) == -(-size // step)
        for (start, stop, step), size in zip(bounds[2:], shape.sizes[2:], strict=True)
    )
    pooled = Fix("slice-to-max-pool", "safe", "a 1x1 maximum pool with the stride")
    return pooled if full and list(bounds[:2]) == whole[:2] else None


def _of_focus(graph: Graph, node: Node) -> bool:
    """Part of a Focus: every second pixel of a map four times over, joined."""
    while (readers := graph.consumers(node.outputs[0])) and readers[0].op == "Slice":
        node = readers[0]
    if len(readers) != 1 or readers[0].op != "Concat" or len(readers[0].inputs) != 4:
        return False
    return len({_root(graph, name) for name in readers[0].inputs}) == 1 and _halves(graph, readers[0])


def _halves(graph: Graph, concat: Node) -> bool:
    """Each part is a quarter of the map it comes from."""
    for name in concat.inputs:
        part, whole = graph.tensor(name), graph.tensor(_root(graph, name))
        if not part.known or not whole.known or len(part.sizes) != 4:
            return False
        if tuple(2 * size for size in part.sizes[2:]) != whole.sizes[2:] or part.sizes[1] != whole.sizes[1]:
            return False
    return True


def _root(graph: Graph, name: str) -> str:
    """What a chain of slices reads."""
    while (maker := graph.producer(name)) is not None and maker.op == "Slice":
        name = maker.inputs[0]
    return name


def _subtract(place: Place) -> Fix | None:
    graph, node = place.graph, place.node
    if len(node.inputs) != 2 or not fixed(graph, node.inputs[1]):
        return None
    added = Fix("subtract-to-add", "safe", "the sum with the negative")
    return for_scale(graph, node) or (added if "add" in place.dpu.eltwise else None)


def _divide(place: Place) -> Fix | None:
    graph, node = place.graph, place.node
    if len(node.inputs) != 2 or not fixed(graph, node.inputs[1]):
        return None
    multiplied = Fix("divide-to-multiply", "safe", "the product with the reciprocal")
    single = graph.tensor(node.inputs[1]).known and graph.tensor(node.inputs[1]).elements == 1
    by_engine = "mult" in place.dpu.eltwise or (single and place.dpu.depthwise is not None)
    return for_scale(graph, node) or (multiplied if by_engine else None)


def _cubic(place: Place) -> Fix | None:
    resize = Resize(place.graph, place.node)
    if resize.fixed and _bilinear(resize, place.dpu):
        return Fix("resize-linear", "unsafe", "linear")
    return for_resize(place, aligned=False)


_FOR_OPERATOR: Mapping[str, Callable[[Place], Fix | None]] = {
    **dict.fromkeys(("SiLU", "Mish", "Gelu"), _smooth),
    **dict.fromkeys(("Elu", "Selu", "Celu", "ThresholdedRelu", "Softplus"), lambda place: PLAIN),
    **dict.fromkeys(("Min", "Max"), _bound),
    **dict.fromkeys(
        ("Squeeze", "Unsqueeze"), lambda place: Fix("squeeze-to-reshape", "safe", "Reshape, which the DPU has")
    ),
    "Clip": _clip,
    "Div": _divide,
    "PRelu": _prelu,
    "Sigmoid": _sigmoid,
    "Slice": _slice,
    "Split": _split,
    "Sub": _subtract,
    "cubic Resize": _cubic,
}
"""By the word for the operator in what speaks against it."""


def _in_a_pyramid(graph: Graph, node: Node) -> bool:
    """Smaller pools read the same map, and all of them keep its size (SPP)."""
    sides = [_same_size(graph, each) for each in graph.consumers(node.inputs[0]) if each.op == "MaxPool"]
    own = _same_size(graph, node)
    return own > 0 and any(0 < side < own for side in sides)


def _same_size(graph: Graph, node: Node) -> int:
    """Side of an odd square window that keeps the map's size; 0 for other pools."""
    pool = Pool(graph, node)
    if not pool.fixed or pool.rank != 2 or pool.stride != (1, 1) or pool.dilation != (1, 1):
        return 0
    side = pool.kernel[0]
    return side if side % 2 and pool.kernel == (side, side) and pool.pads == (side // 2,) * 4 else 0


def _without_gaps(sizes: Range) -> bool:
    return all(size in sizes for size in range(2, sizes.largest + 1))


def _bilinear(resize: Resize, dpu: Engines) -> bool:
    return dpu.depthwise is not None and resize.scale[0] == resize.scale[1] and resize.scale[0] in BILINEAR_SCALES


def _constant(graph: Graph, node: Node) -> bool:
    """One of two inputs is a constant, a single number or one for each channel."""
    values = [graph.tensor(name) for name in node.inputs if name and fixed(graph, name)]
    shape = graph.tensor(node.outputs[0]).shape or ()
    channels = shape[1] if len(shape) > 1 else 0
    return len(node.inputs) == 2 and len(values) == 1 and values[0].known and values[0].elements in (1, channels)
