"""Which rewrite of the network mends what the toolkit makes of a node. Only ONNX files are rewritten."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from lintmodel.findings import Fix, Found, offering
from lintmodel.ir import Conv, Graph, Node, Pad, Pool, Reduce, Resize, Slice

from .spellings import bounded_by_constant, focuses

FOCUS = Fix("focus-to-conv", "safe", "a convolution with stride 2 and weights of zeros and ones")
MISH = Fix("decompose-mish", "safe", "x * Tanh(Softplus(x))")
CLIP = Fix("min-max-to-clip", "safe", "Clip")
MAXIMUM = Fix("min-to-max", "safe", "-Max(-a, -b)")
STRIDED_POOL = Fix("slice-to-max-pool", "safe", "a 1x1 maximum pool with the stride")
PICKED = Fix("split-to-convs", "safe", "a 1x1 convolution that picks the channels out")
LINEAR = Fix("resize-linear", "unsafe", "linear in place of cubic")
CROP = Fix("negative-pad-to-slice", "safe", "Slice")


def off_the_cpu(found: Found, graph: Graph) -> Found:
    """The finding about a node on the CPU with the rewrite that brings its work to the NPU."""
    node = next((node for node in graph.nodes if node.name == found.node and not node.domain), None)
    if node is None or node.op not in _ON_CPU:
        return found
    fix = _ON_CPU[node.op](graph, node)
    details = {"coordinates": "half_pixel"} if fix is not None and fix.id == "resize-coordinates" else {}
    return offering(found, graph, fix, **details)


def respelled(found: Found, graph: Graph) -> Found:
    """The finding about a node that RKNN-Toolkit 1.x does not load, with a rewrite to one that it does."""
    node = next((node for node in graph.nodes if node.name == found.node and not node.domain), None)
    if node is None:
        return found
    if node.op in ("Min", "Max") and of_bound(graph, node) is CLIP:
        return offering(found, graph, CLIP)
    if node.op == "Resize" and node.attributes.get("mode") in ("cubic", b"cubic"):
        return offering(found, graph, LINEAR)
    indices = len(node.outputs) > 1 and node.outputs[1]
    return offering(found, graph, _ceil_mode(graph, node)) if node.op == "MaxPool" and not indices else found


def only_batch_open(graph: Graph) -> bool:
    """The one thing that is open about the inputs is a symbol as their first dimension."""
    shapes = [graph.tensor(name).shape for name in graph.inputs]
    sizes = [size for shape in shapes for size in (shape or ("",))[1:]]
    return all(shape for shape in shapes) and all(isinstance(size, int) and size > 0 for size in sizes)


def strides_in_a_pool(graph: Graph, name: str | None) -> bool:
    """A convolution whose strides a maximum pool could have in its place: 1x1, and no prime factor over 7."""
    node = next((node for node in graph.nodes if node.name == name and node.op == "Conv"), None)
    if node is None or len(strides := Conv(graph, node).stride) != 2:
        return False
    return all(_without_small_factors(stride) == 1 for stride in strides)


def _without_small_factors(number: int) -> int:
    for factor in (2, 3, 5, 7):
        while number > 1 and number % factor == 0:
            number //= factor
    return number


def cuts_only(graph: Graph, node: Node) -> bool:
    """A Pad none of whose amounts is above 0."""
    amounts = Pad(graph, node).amounts
    return amounts is not None and max(map(max, amounts), default=0) <= 0


def _average_pool(graph: Graph, node: Node) -> Fix | None:
    pool = Pool(graph, node)
    if node.attributes.get("ceil_mode"):
        return _ceil_mode(graph, node)
    padded = pool.fixed and pool.rank == 2 and any(pool.pads) and not node.attributes.get("count_include_pad")
    words = "padding that counts, and a factor for the pixels at the border"
    return Fix("average-pool-padding", "safe", words) if padded else None


def _ceil_mode(graph: Graph, node: Node) -> Fix | None:
    pool = Pool(graph, node)
    counted = node.op == "AveragePool" and node.attributes.get("count_include_pad")
    if not node.attributes.get("ceil_mode") or not pool.fixed or pool.rank != 2 or counted:
        return None
    return Fix("drop-ceil-mode", "safe", "padding at the end, and no rounding up")


def _resize(graph: Graph, node: Node) -> Fix | None:
    resize = Resize(graph, node)
    if not resize.fixed or resize.rank != 2 or resize.mode != "linear":
        return None
    if any(scale != int(scale) for scale in resize.scale):
        return Fix("resize-nearest", "unsafe", "nearest in place of linear")
    aligned = node.attributes.get("coordinate_transformation_mode") == "align_corners"
    return Fix("resize-coordinates", "unsafe", "half_pixel in place of align_corners") if aligned else None


def _slice(graph: Graph, node: Node) -> Fix | None:
    bounds, shape = Slice(graph, node).bounds, graph.tensor(node.inputs[0]).shape
    if bounds is None or shape is None or len(bounds) != 4:
        return None
    if any(node in nodes for nodes in focuses(graph)):
        return FOCUS
    whole = [(0, size, 1) for size in shape]
    if list(bounds[2:]) == whole[2:]:
        return PICKED if bounds[0] == whole[0] else None
    begins = all(start == 0 and step > 0 for start, _, step in bounds[2:])
    ends = all(len(range(*each)) == -(-int(size) // each[2]) for each, size in zip(bounds[2:], shape[2:], strict=True))
    return STRIDED_POOL if list(bounds[:2]) == whole[:2] and begins and ends else None


def _space_to_depth(graph: Graph, node: Node) -> Fix | None:
    return FOCUS if node.attributes.get("blocksize") == 2 else None


def of_bound(graph: Graph, node: Node) -> Fix | None:
    """What Min, and Max with a constant, are on the NPU."""
    constant = {each.name: constant for each, constant in bounded_by_constant(graph)}.get(node.name)
    if constant is None or not graph.tensor(node.outputs[0]).dtype.startswith("float"):
        return None
    return CLIP if constant else MAXIMUM if node.op == "Min" else None


def _reduce_max(graph: Graph, node: Node) -> Fix | None:
    x = graph.tensor(node.inputs[0])
    over_map = x.known and len(x.sizes) == 4 and set(Reduce(graph, node).axes or ()) == {2, 3}
    return Fix("max-to-global-pool", "safe", "GlobalMaxPool") if over_map else None


_ON_CPU: Mapping[str, Callable[[Graph, Node], Fix | None]] = {
    "AveragePool": _average_pool,
    "MaxPool": _ceil_mode,
    "Max": of_bound,
    "Min": of_bound,
    "Mish": lambda graph, node: MISH,
    "Pad": lambda graph, node: CROP if cuts_only(graph, node) else None,
    "ReduceMax": _reduce_max,
    "Resize": _resize,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
}
"""By the operator of the node that the layers on the CPU are there for."""
