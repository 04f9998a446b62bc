"""4xx: what the camera delivers and what the network was trained on, and how well weights fit into 8 bits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Conv, Elementwise, Graph, Node
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .wording import cpu_work, quantized, shape, work

if TYPE_CHECKING:
    import numpy as np

IMAGE_CHANNELS = (1, 3)
LEAST_STEPS = 4
"""Of the 128 steps to either side of zero. Our own line: a weight of average size then has about two bits."""
STEPS = 128


@rule("KPU411", "float-input-range", Level.NOTE, on=Model, confidence="documented")
def float_input_range(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Picture handed over in float32, though the camera delivers 0 to 255.

    What it does: finds float32 inputs with 1 or 3 channels that no operator of the network scales, when the option
    `input_type` is float32.

    Why it matters: most networks are trained on 0 to 1 or -1 to 1. Fed with the camera's bytes as they are, all
    outputs saturate: MaixPy then prints nothing but 3.402823e+38 and -3.402823e+38, and no message says why. In
    float32 the input also takes four times the memory, and the CPU quantises it before the first layer.

    What to do instead: hand over bytes, and let the conversion say what they stand for. nncase 1.x: `preprocess`,
    `input_type = "uint8"`, `input_range = [0, 1]`, `mean` and `std`. nncase 0.2: `--inference-type uint8
    --input-mean 0 --input-std 1`, which stand for (pixel / 255 - mean) / std. Here: `-O input_type=uint8`. Otherwise
    divide in the firmware, before the network runs.

    Source: nncase v1.9.0, docs/USAGE_EN.md; nncase v0.2.0-beta4, src/data/dataset.cpp; reports of users of MaixPy.
    """
    if kpu.options.get("input_type") != "float32" or kpu.version == "0.1":
        return  # nncase 0.1 has no float32 input: its first convolution reads the camera's bytes
    for name in model.graph.inputs:
        if not _is_picture(model.graph, name) or _scaled(model.graph, name):
            continue
        sizes = shape(model.graph.tensor(name).sizes)
        way = "input_type='uint8' and input_range=[0, 1]"
        if kpu.version.startswith("0."):
            way = "--inference-type uint8 --input-mean 0 --input-std 1"
        yield Found(
            f"input '{name}' ({sizes}) is float32 and a camera gives 0..255: trained on 0..1, all outputs saturate at "
            f"+-3.402823e+38; divide by 255, or convert with {way}",
            fix=Fix("byte-input", "display", f"convert with {way}"),
        )


float_input_range.bad(lambda g: g.input(1, 3, 32, 32).conv(3, 8))
float_input_range.good(lambda g: g.input(1, 8, 32, 32).conv(8, 8))
float_input_range.good(lambda g: g.input(1, 3, 32, 32, dtype="uint8").op("Cast", dtype="float32").conv(3, 8))


@rule("KPU412", "preprocessing-in-graph", Level.WARNING, on=Model, confidence="measured")
def preprocessing_in_graph(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Scaling of the picture as operators of the network.

    What it does: finds additions, subtractions, products and quotients with constants right behind a picture input
    that run on the CPU.

    Why it matters: each is a loop over the whole picture in float32 (with one constant a table lookup, with one for
    each channel a Binary), before the KPU can begin. The same sums cost nothing inside the first convolution.

    What to do instead: leave the scaling out of the network and give nncase `mean` and `std`; or fold it into the
    first convolution: weights divided by the deviation, the mean into the bias.

    Fix safety: safe; a product goes into the first convolution's weights, a sum where that convolution has no padding
    (behind the subtraction of the mean padding is 0, which no bias can say).

    Source: nncase v1.9.0, src/transforms/neutral/fuse_unary.cpp; measured with nncase 1.9.0; nncase issue 428.
    """
    if not quantized(kpu):
        return
    for name in model.graph.inputs:
        nodes = _scaled(model.graph, name) if _is_picture(model.graph, name) else []
        extra = sum((cpu_work(plan, node.name) for node in nodes), start=cpu_work(plan, ""))
        if extra:
            operators = ", ".join(node.native_op for node in nodes)
            sizes = shape(model.graph.tensor(name).sizes)
            runs = "run" if len(nodes) > 1 else "runs"
            text = f"{operators} on input '{name}' {runs} on the CPU over the whole {sizes} picture ({work(extra)})"
            yield Found(text, node=nodes[0].name, fix=_without_scaling(model.graph, {node.name for node in nodes}))


def _without_scaling(graph: Graph, nodes: set[str]) -> Fix:
    from lintmodel.fix.rewrites.fold_preprocessing import fold_preprocessing

    if graph.format == "onnx" and any(not nodes.isdisjoint(each.remove) for each in fold_preprocessing.places(graph)):
        return Fix("fold-preprocessing", "safe", "fold into the first convolution's weights")
    return Fix("fold-scaling", "display", "give nncase mean and std instead")


preprocessing_in_graph.bad(lambda g: g.input(1, 3, 32, 32).op("Div", g.constant([255.0])).conv(3, 8))
preprocessing_in_graph.bad(
    lambda g: g.input(1, 3, 32, 32).op("Sub", g.zeros(3, 1, 1)).op("Mul", g.zeros(3, 1, 1)).conv(3, 8)
)
preprocessing_in_graph.good(lambda g: g.input(1, 3, 32, 32).conv(3, 8))


@rule("KPU413", "weight-range", Level.NOTE, on=Conv)
def weight_range(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Weights that reach too far for 8 bits.

    What it does: finds convolutions whose weights, where their values are in the file, span more than
    {weights_quantize_threshold} from the smallest to the largest.

    Why it matters: nncase 0.2 leaves such a convolution to the CPU in float32 ("Fallback to float conv2d due to
    weights divergence"). nncase 1.x has no such limit and quantises it, each output channel with 256 steps of its
    own, and loses precision.

    What to do instead: train with weight decay, or with batch normalisation behind the convolution; look for dead
    channels, whose folded normalisation divides by almost nothing. In 0.2 `--weights-quantize-threshold` moves the
    limit.

    Source: nncase v0.2.0-beta4, src/transforms/hlir/k210/fake_kpu_conv2d.cpp and src/cli/modes.h; nncase v1.9.0,
    kpu_conv2d.cpp, where the test is commented out; nncase issue 164.
    """
    limit = kpu.limit("weights_quantize_threshold")
    weights = _by_output(conv)
    if weights is None or kpu.version == "0.2":  # there weights-divergence speaks of it
        return
    low, high = min(0.0, float(weights.min())), max(0.0, float(weights.max()))
    if high - low > limit:
        step = float(abs(weights).max()) / STEPS
        effect = "nncase 0.2 takes it for divergence and computes in float32 on the CPU"
        if kpu.version != "0.2":
            effect = f"8 bits leave steps of {step:.2g} in the widest channel ({effect})"
        yield Found(f"weights span {low:.4g} to {high:.4g}, more than {limit}; {effect}")


weight_range.bad(lambda g: g.input(1, 1, 8, 8).op("Conv", g.constant([[[[40.0]]], [[[-30.0]]]]), shape=(1, 2, 8, 8)))
weight_range.good(lambda g: g.input(1, 1, 8, 8).op("Conv", g.constant([[[[40.0]]], [[[-20.0]]]]), shape=(1, 2, 8, 8)))


@rule("KPU414", "weight-outlier", Level.NOTE, on=Conv)
def weight_outlier(conv: Conv, plan: Plan, kpu: Target) -> Iterator[Found]:
    """One weight far larger than the others of its channel.

    What it does: finds convolutions, where their weights are in the file, with an output channel whose largest weight
    is more than 32 times the average of those that are not zero.

    Why it matters: the 256 steps of a channel reach from minus to plus its largest weight. A weight of average size
    then has fewer than 4 of them, which is about what 3 bits hold.

    What to do instead: train with weight decay or clip the weights; in nncase 1.9 `use_mse_quant_w` chooses a
    narrower range.

    Source: nncase v1.9.0, kpu_conv2d.cpp quantize_weights; the limit is our own.
    """
    weights = _by_output(conv)
    if weights is None or not weights.size:
        return
    import numpy as np

    sizes = np.abs(weights)
    largest = sizes.max(axis=1)
    average = sizes.sum(axis=1) / np.maximum(1, np.count_nonzero(sizes, axis=1))
    uneven = largest * LEAST_STEPS > average * STEPS
    if uneven.any():
        worst = int(np.argmax(np.where(uneven, largest / np.maximum(average, 1e-30), 0)))
        yield Found(
            f"{int(uneven.sum())} of {len(largest)} output channels have an outlier; in channel {worst} the largest "
            f"weight is {largest[worst]:.3g} and the average one {average[worst]:.2g}, "
            f"{STEPS * average[worst] / largest[worst]:.1f} of {STEPS} steps"
        )


weight_outlier.bad(
    lambda g: g.input(1, 64, 8, 8).op("Conv", g.constant([[[[9.0]]] + [[[0.01]]] * 63]), shape=(1, 1, 8, 8))
)
weight_outlier.good(
    lambda g: g.input(1, 64, 8, 8).op("Conv", g.constant([[[[0.2]]] + [[[0.01]]] * 63]), shape=(1, 1, 8, 8))
)


def _is_picture(graph: Graph, name: str) -> bool:
    tensor = graph.tensor(name)
    if tensor.dtype != "float32" or not tensor.known or len(tensor.sizes) != 4:
        return False
    nhwc = any(node.layout == "NHWC" for node in graph.consumers(name))
    return tensor.sizes[3 if nhwc else 1] in IMAGE_CHANNELS


def _scaled(graph: Graph, name: str) -> list[Node]:
    """The operators with constants, one behind the other, that stand between an input and the network itself."""
    found: list[Node] = []
    while len(readers := graph.consumers(name)) == 1 and readers[0].op in ("Add", "Sub", "Mul", "Div"):
        if not Elementwise(graph, readers[0]).with_constant:
            break
        found.append(readers[0])
        name = readers[0].outputs[0]
    return found


def _by_output(conv: Conv) -> np.ndarray[tuple[int, int], np.dtype[np.floating]] | None:
    """The weights as output channels x weights of each; None where they are not there or not real numbers."""
    if conv.weight.dtype not in ("float32", "float64") or not conv.weight.elements:
        return None
    weights = conv.graph.value(conv.weight.name)
    if weights is None:
        return None
    last = conv.node.layout == "NHWC" and conv.groups > 1
    return (weights.reshape(-1, weights.shape[-1]).T if last else weights.reshape(weights.shape[0], -1)).astype(
        "float32", copy=False
    )


RULES = [float_input_range, preprocessing_in_graph, weight_range, weight_outlier]
