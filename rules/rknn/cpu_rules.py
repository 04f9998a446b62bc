"""15x: what runs on the CPU, and what the NPU only does with help from there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping

from lintmodel.findings import Found, Level
from lintmodel.ir import Graph
from lintmodel.planning import Placement, Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .owners import owner
from .rewrites import off_the_cpu

LAYOUT = frozenset({"Reshape", "Transpose"})
SOFTMAX = frozenset({"exSoftmax13", "Hardmax", "LogSoftmax", "exDataConvert"})
WINDOWS = frozenset({"AveragePool", "MaxPool", "MaxUnpool", "LpPool", "Resize", "exConvTransposePad", "Pad"})
ARITHMETIC = frozenset({"Div", "Max", "Min", "Pow", "Sqrt", "Cast", "ReduceMax", "ReduceMin", "ReduceL2"})
SLICES = frozenset({"Slice", "SpaceToDepth", "Gather", "Tile", "Expand"})
NAMED = LAYOUT | SOFTMAX | WINDOWS | ARITHMETIC | SLICES


@rule("RKN151", "operator-not-on-npu", Level.WARNING, on=Model, confidence="measured")
def operator_not_on_npu(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator that the NPU does not have.

    What it does: finds operators whose layer the compiler puts on the CPU whatever their size: TopK, ArgMax,
    GridSample, comparisons, trigonometry, Floor, Erf on its own, scattering, and others (`lintmodel target` lists
    them).

    Why it matters: the data leave the NPU, are converted, computed on one or more cores and come back. Where the
    chip's runtime has no code for the operator, the model does not even load: RKN601.

    What to do instead: cut the model before a tail of such operators and compute it on the host; write activations
    with operators that fuse (Erf inside a GELU, Softplus, Tanh and Mul for Mish, HardSwish); GlobalMaxPool for
    ReduceMax over height and width.

    Fix safety: safe; the operator Mish becomes x * Tanh(Softplus(x)).

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from _on_cpu(model.graph, plan, lambda op: op not in NAMED)


operator_not_on_npu.bad(lambda g: g.conv(8, 16).op("Floor"))
operator_not_on_npu.good(lambda g: g.conv(8, 16).op("Sigmoid"))


@rule("RKN152", "layout-on-cpu", Level.WARNING, on=Model, confidence="measured", target="rk3566")
def layout_on_cpu(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Reshape or Transpose on the CPU.

    What it does: finds layers Reshape and Transpose, the user's own and those that the toolkit puts before and
    behind others, that the compiler leaves to the CPU. One finding per operator with all the layers that it causes.

    Why it matters: feature maps lie in blocks of channels. Where the chip's NPU cannot move between the blocks
    (rk3566 and rk3568: whenever channels change; rk3588: when a side does not fill its blocks), the CPU does it.

    What to do instead: stay with N,C,H,W to the end of the model and reshape on the host; channels and the last
    dimension in multiples of 16 (8 on rk3566 and rk3568); attention with 1x1 convolutions in place of MatMul on 3-D
    tensors.

    Source: measured with rknn-toolkit2 2.5.0; airockchip/rknn-toolkit2#490.
    """
    yield from _on_cpu(model.graph, plan, lambda op: op in LAYOUT)


layout_on_cpu.bad(lambda g: g.conv(8, 16).op("Transpose", shape=(1, 32, 32, 16), perm=(0, 2, 3, 1)))
layout_on_cpu.good(lambda g: g.conv(8, 16))


@rule("RKN153", "softmax-on-cpu", Level.WARNING, on=Model, confidence="measured", target="rk3566")
def softmax_on_cpu(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Softmax on the CPU, or the conversion to floating point before it.

    What it does: finds the layers exSoftmax13, LogSoftmax, Hardmax and exDataConvert that the compiler leaves to
    the CPU: on rk3566 and rk3568 every Softmax, on other chips those over long or odd axes.

    Why it matters: for a classifier it costs little. Inside attention, or in the box decoding (DFL) of YOLOv8 and
    newer, it stands in the middle of the network, with a Transpose and a conversion on both sides.

    What to do instead: leave the Softmax of a classifier out: the largest class is the same. Cut detection heads
    before the DFL and decode on the host. LogSoftmax is on the CPU everywhere.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from _on_cpu(model.graph, plan, lambda op: op in SOFTMAX)


softmax_on_cpu.bad(lambda g: g.conv(8, 16).op("Softmax", axis=1))
softmax_on_cpu.good(lambda g: g.conv(8, 16).relu())


@rule("RKN154", "window-on-cpu", Level.WARNING, on=Model, confidence="measured")
def window_on_cpu(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Pool, Resize, Pad or transposed convolution with CPU work because of one attribute.

    What it does: finds these layers on the CPU: AveragePool with padding and count_include_pad=0, ceil_mode where
    it changes the size, MaxPool with indices, linear Resize by factors that are not whole or with align_corners,
    Pad over the channels, and the layer exConvTransposePad that puts zeros between the values for strides the chip
    does not have.

    Why it matters: the same operator with another value of that attribute runs on the NPU.

    What to do instead: AveragePool: count_include_pad=1 or no padding. ceil_mode=0 with explicit padding. Resize:
    nearest, or linear by 2, 4 or 8 with half_pixel. Transposed convolution: stride 2, 4 or 8.

    Fix safety: safe for pools (padding that counts, and a factor for the border; padding in place of ceil_mode) and for
    a Pad that cuts off. Unsafe for Resize: other pixels are read, so that the result has to be checked.

    Source: measured with rknn-toolkit2 2.5.0; airockchip/rknn-toolkit2#316, #217, #441.
    """
    yield from _on_cpu(model.graph, plan, lambda op: op in WINDOWS)


window_on_cpu.bad(lambda g: g.conv(8, 16).average_pool(3, 1, (1, 1, 1, 1)))
window_on_cpu.good(lambda g: g.conv(8, 16).average_pool(2))


@rule("RKN155", "slice-on-cpu", Level.WARNING, on=Model, confidence="measured")
def slice_on_cpu(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Slice with a step, SpaceToDepth, Gather, Tile or Expand on the CPU.

    What it does: finds these layers on the CPU: Slice with a step over 1, SpaceToDepth, table look-ups, Tile over
    height and width, Expand over the batch.

    Why it matters: the Focus layer of YOLOv5 and YOLOX is four such slices of the full picture, before the first
    convolution.

    What to do instead: Focus: a 6x6 convolution with stride 2, which is what newer versions have, or a convolution
    with fixed weights. Every second value: MaxPool with kernel 1 and stride 2. Tile: Concat. Embeddings: look up on
    the host.

    Fix safety: safe; Focus becomes a convolution with weights of zeros and ones, every second pixel a 1x1 maximum pool
    with the stride, every second channel a 1x1 convolution.

    Source: measured with rknn-toolkit2 2.5.0 (2.3.2 had Focus on the NPU).
    """
    yield from _on_cpu(model.graph, plan, lambda op: op in SLICES)


slice_on_cpu.bad(lambda g: g.conv(8, 16).op("SpaceToDepth", shape=(1, 64, 16, 16), blocksize=2))
slice_on_cpu.good(lambda g: g.conv(8, 16).op("DepthToSpace", shape=(1, 4, 64, 64), blocksize=2))


@rule("RKN156", "arithmetic-on-cpu", Level.WARNING, on=Model, confidence="measured")
def arithmetic_on_cpu(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Arithmetic that has another spelling on the NPU.

    What it does: finds on the CPU: Div of two maps in int8, constant / x in float16, Min, Max with a constant, Pow
    with other exponents than 2 and 3, Sqrt in int8, Cast, ReduceMax, ReduceMin.

    Why it matters: the vendor's list names several of them as NPU operators; the compiler does not put them there.
    Min above all: without a CPU kernel on rv1103 and rv1106 the model does not load (RKN601).

    What to do instead: x / constant: x * (1 / constant). Min and Max with constants: Clip. Min(a, b): -Max(-a, -b).
    ReduceMax over height and width: GlobalMaxPool. Otherwise float16 for this layer (quantized_hybrid_level).

    Fix safety: safe; Clip, -Max(-a, -b) and GlobalMaxPool compute the same.

    Source: measured with rknn-toolkit2 2.5.0; airockchip/rknn-toolkit2#482, #359.
    """
    yield from _on_cpu(model.graph, plan, lambda op: op in ARITHMETIC)


arithmetic_on_cpu.bad(lambda g: g.conv(8, 8).op("Min", "x"))
arithmetic_on_cpu.good(lambda g: g.conv(8, 16).op("Clip", g.constant(0.0), g.constant(6.0)))


def _on_cpu(graph: Graph, plan: Plan, chosen: Callable[[str], bool]) -> Iterator[Found]:
    """A finding for every node with such layers on the CPU; one for all of those the toolkit made for no node."""
    layers: dict[str | None, Counter[str]] = {}
    for step in plan.steps:
        if step.unit == "cpu" and chosen(step.op):
            layers.setdefault(owner(step), Counter())[step.op] += 1
    for node, found in layers.items():
        yield off_the_cpu(Found(_said(node, found, plan.placements), node=node), graph)


def _said(node: str | None, found: Counter[str], placements: Mapping[str, Placement]) -> str:
    layers = ", ".join(op if count == 1 else f"{op} ({count} times)" for op, count in found.items())
    helping = node is not None and placements.get(node) == Placement.PARTIAL
    return f"{layers} on the CPU" + (" beside what the NPU does" if helping else "")


RULES: list[Rule] = [
    operator_not_on_npu,
    layout_on_cpu,
    softmax_on_cpu,
    window_on_cpu,
    slice_on_cpu,
    arithmetic_on_cpu,
]
