"""1xx: operators that run on the CPU, and activations that the layer before them cannot take."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.ir import GraphBuilder
from lintmodel.planning import Plan, Step
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .engines import ACTIVATIONS, activations_behind, engines
from .rewrites import PLAIN, RELU, UNLIMITED, Place, for_hard, for_operator, for_resize
from .wording import begins, broken, counted, node_of, reasons


@rule("DPU120", "not-convertible", Level.WARNING, on=Model, confidence="measured")
def not_convertible(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Operator that has no form in XIR, the language the compiler reads.

    What it does: finds operators that are not in the release's list of convertible ones: SiLU, GELU, Mish, ELU,
    Softplus, Split, ArgMax, LayerNormalization, limits other than 0 and 6, and all others the quantiser does not know.

    Why it matters: each runs on the CPU and ends a DPU subgraph. Around operators that the quantiser knows from
    PyTorch alone it changes feature maps from channels last to channels first and back, also on the CPU, so that one
    SiLU costs three steps there.

    What to do instead: HardSwish for SiLU (the quantiser's convert_silu_to_hswish does it, retrain or fine-tune),
    ReLU for GELU, 1x1 convolutions for Split. What stands at the end of the network can be cut off and computed in the
    application.

    Fix safety: safe for Split, Min and Max with a constant, and PReLU with one slope. Unsafe for activations: HardSwish
    where this DPU has it, else ReLU, and the network has to be trained again; unsafe for a cubic Resize.

    Source: dpu_partition.py of Vitis AI 2.5, xop_creator.py of 3.5; measured with the partition rules of 2.5.
    """
    has = engines(dpu)
    for step in plan.steps:
        for reason in reasons(step, "not-convertible"):
            around = _changes_around(model, plan, step)
            costs = f" with {counted(around, 'change')} of layout around it" if around else ""
            text = f"{reason['op']} has no form in XIR: it runs on the CPU{costs}{begins(step)}"
            found = Found(text, reason["vendor_message"], node_of(step))
            yield offering(found, model.graph, for_operator(Place(model.graph, plan, has, step), str(reason["op"])))


def _changes_around(model: Model, plan: Plan, step: Step) -> int:
    """Inserted changes of layout that only this operator asks for."""
    written = set(model.graph.node(step.nodes[-1]).outputs) if step.nodes else set()
    before = sum(name not in model.graph.tensors for name in step.reads)
    after = sum(other.op == "permute" and "at" in other.details and other.reads[0] in written for other in plan.steps)
    return before + after


not_convertible.bad(lambda g: g.conv(8, 16).silu().conv(16, 8))
not_convertible.bad(lambda g: g.conv(8, 16).clip(-1.0, 1.0))
not_convertible.good(lambda g: g.conv(8, 16).clip(0.0, 6.0).conv(16, 8))


@rule("DPU121", "cpu-only-operator", Level.WARNING, on=Model, confidence="measured")
def cpu_only_operator(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Operator that no DPU computes.

    What it does: finds Sigmoid, Tanh, Sub, Div, Slice, Neg, Exp and sums: XIR has them, no engine does.

    Why it matters: each runs on the CPU, and what follows is a DPU subgraph of its own.

    What to do instead: HardSigmoid for Sigmoid (the quantiser's convert_sigmoid_to_hsigmoid), a strided convolution for
    slices in front of the network (Focus), 1x1 convolutions for slices of channels. Subtraction and division by
    constants belong into the preprocessing or into the weights of the first convolution.

    Fix safety: safe for Focus, slices, and Sub and Div with constants, which become convolutions, pools, sums, products
    or weights. Unsafe for Sigmoid: with HardSigmoid the network has to be trained again.

    Source: dpu_partition.py of Vitis AI 2.5; measured with it.
    """
    has = engines(dpu)

    def mended(found: Found, step: Step, reason: Mapping[str, Any]) -> Found:
        place = Place(model.graph, plan, has, step)
        return offering(found, model.graph, for_operator(place, str(reason["op"])))

    yield from broken(plan, "cpu-only-operator", lambda r: f"{r['op']} runs on the CPU; no DPU has it", mended)


cpu_only_operator.bad(lambda g: g.conv(8, 16).sigmoid().conv(16, 8))
cpu_only_operator.good(lambda g: g.conv(8, 16).op("HardSigmoid", alpha=1 / 6, beta=0.5).conv(16, 8))


@rule(
    "DPU122",
    "hard-activation-alone",
    Level.WARNING,
    on=Model,
    confidence="measured",
    target="DPUCZDX8G_ISA0_B4096_MAX_BG2",
)
def hard_activation_alone(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """HardSigmoid or HardSwish behind anything but a convolution, on a DPU without arithmetic unit.

    What it does: finds the two activations behind depthwise convolutions, additions and pools on DPUs whose engines
    are separate ones (ISA 0, Alveo).

    Why it matters: there only a convolution takes such an activation with it; alone it runs on the CPU. MobileNetV3
    splits at every depthwise layer.

    What to do instead: ReLU6 behind depthwise layers, or a board and release with ISA 1.

    Fix safety: unsafe; with ReLU6 or ReLU in the place of HardSwish the network has to be trained again.

    Source: dpu_op_filter.py of Vitis AI 2.5 (filter_hard_sigmoid, check_nonlinear); measured with it.
    """
    has = engines(dpu)

    def mended(found: Found, step: Step, reason: Mapping[str, Any]) -> Found:
        fix = for_hard(Place(model.graph, plan, has, step)) if reason["op"] == "HardSwish" else None
        return offering(found, model.graph, fix)

    yield from broken(
        plan,
        "hard-activation-alone",
        lambda r: f"{r['op']} is not behind a convolution, and {r['dpu']} has no unit for it",
        mended,
    )


hard_activation_alone.bad(lambda g: g.depthwise(8, kernel=3).op("HardSwish"))
hard_activation_alone.good(lambda g: g.conv(8, 8).op("HardSwish"))


@rule("DPU123", "overlooked-operator", Level.WARNING, on=Model, confidence="documented")
def overlooked_operator(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Softmax, or a maximum over channels that the DPU has no unit for.

    What it does: finds Softmax, and ReduceMax on DPUs without an arithmetic unit or over more than 4,095 values.

    Why it matters: they run on the CPU. AMD's inspector of release 2.5 has no rule for them and reports the DPU.

    What to do instead: compute them in the application, behind the network: the largest class is the same before and
    after Softmax.

    Source: UG1414 3.5, Currently Supported Operators; its limit on maxima as transcribed by others, not verified. That
    the 2.5 inspector lets them pass was measured.
    """
    yield from broken(
        plan,
        "overlooked-operator",
        lambda r: f"{r['op']} runs on the CPU" + (f": it is over {r['reduced']} values" if "reduced" in r else ""),
    )


overlooked_operator.bad(lambda g: g.gemm(16, 10).op("Softmax", axis=1))
overlooked_operator.good(lambda g: g.conv(16, 8).op("ReduceMax", shape=(1, 1, 32, 32), axes=(1,), keepdims=1))


@rule("DPU124", "resize", Level.WARNING, on=Model, confidence="measured")
def resize(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Resize by a scale or in a mode the DPU does not have.

    What it does: bilinear resizes become transposed depthwise convolutions, which there are for 2 and 4, the same both
    ways, with corners not aligned; nearest ones take whole scales.

    Why it matters: the resize runs on the CPU. For aligned corners and for broken nearest scales AMD's inspector of
    release 2.5 reports the DPU.

    What to do instead: nearest by a whole scale, or bilinear by 2 or 4 with align_corners=False; 8 is 2 and 4 behind
    each other.

    Fix safety: unsafe; other pixels are read, so that the result has to be checked.

    Source: dpu_op_filter.py of Vitis AI 2.5, UG1414 3.5; measured with the partition rules of 2.5.
    """

    def words(reason: Any) -> str:
        aligned = " with aligned corners" if reason.get("aligned") else ""
        scale = "x".join(f"{step:g}" for step in reason["scale"])
        return f"{reason['mode']} resize by {scale}{aligned}; the DPU has whole nearest scales, and bilinear 2 and 4"

    has = engines(dpu)

    def mended(found: Found, step: Step, reason: Mapping[str, Any]) -> Found:
        fix = for_resize(Place(model.graph, plan, has, step), aligned=bool(reason.get("aligned")))
        return offering(found, model.graph, fix, coordinates="half_pixel")

    yield from broken(plan, "resize", words, mended)


def _resized(g: GraphBuilder, scale: float, mode: str) -> GraphBuilder:
    g.conv(3, 16, size=16)
    out = int(16 * scale)
    scales = g.constant([1.0, 1.0, scale, scale])
    return g.op("Resize", "", scales, shape=(1, 16, out, out), mode=mode, coordinate_transformation_mode="half_pixel")


resize.bad(lambda g: _resized(g, 8, "linear"))
resize.bad(lambda g: _resized(g, 1.5, "nearest"))
resize.good(lambda g: _resized(g, 2, "linear"))


@rule("DPU125", "pad-mode", Level.WARNING, on=Model, confidence="source")
def pad_mode(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Padding with reflected or repeated values.

    What it does: finds Pad in a mode other than constant (and symmetric, which ONNX does not have).

    Why it matters: padding with zeros goes into the next layer, any other runs on the CPU.

    What to do instead: pad with zeros in the convolution itself.

    Source: dpu_op_filter.py of Vitis AI 2.5, UG1414 3.5.
    """
    yield from broken(plan, "pad-mode", lambda r: f"pads in mode {r['mode']}; the DPU pads with constants")


pad_mode.bad(
    lambda g: g.conv(3, 8, size=16).op(
        "Pad", g.constant([0, 0, 1, 1, 0, 0, 1, 1]), shape=(1, 8, 18, 18), mode="reflect"
    )
)
pad_mode.good(lambda g: g.conv(3, 8, size=16).op("Pad", g.constant([0, 0, 1, 1, 0, 0, 1, 1]), shape=(1, 8, 18, 18)))


@rule("DPU126", "permute", Level.WARNING, on=Model, confidence="measured")
def permute(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Change of the order of axes that has to be made.

    What it does: finds Transpose nodes whose result is needed in another order than the maps are stored in. A
    transposition to channels last costs nothing: maps are stored that way. One that swaps two axes is PyTorch's
    transpose, which the inspector reports on the DPU.

    Why it matters: it runs on the CPU. Detection heads and channel shuffles are where such nodes come from.

    What to do instead: cut the network at the last convolution and reorder in the application.

    Source: dpu_partition.py of Vitis AI 2.5; measured with it. Xilinx/Vitis-AI#508, #449, #1252.
    """
    yield from broken(plan, "permute", lambda r: f"moves the axes to {','.join(map(str, r['order']))} on the CPU")


permute.bad(
    lambda g: (
        g.conv(3, 18, size=16)
        .op("Reshape", g.constant([1, 3, 6, 16, 16]), shape=(1, 3, 6, 16, 16))
        .op("Transpose", shape=(1, 3, 16, 16, 6), perm=(0, 1, 3, 4, 2))
    )
)
permute.good(lambda g: g.conv(3, 18, size=16).op("Transpose", shape=(1, 16, 16, 18), perm=(0, 2, 3, 1)))


@rule("DPU127", "leaky-slope", Level.WARNING, on=Model, confidence="documented")
def leaky_slope(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """LeakyRelu with a slope that the quantiser changes.

    What it does: compares the slope with 26/256, the only one the DPU has.

    Why it matters: the quantiser sets the slope to 0.1015625 and prints a warning (QUANTIZER_TORCH_LEAKYRELU). Slopes
    near 0.1 hardly suffer; with 0.2 or 0.01 the network computes something else than was trained. With the option
    leaky_relu_approximate off the activation runs on the CPU.

    What to do instead: train or fine-tune with a slope of 26/256.

    Fix safety: unsafe; the network has to be trained again with this slope, or be checked with it.

    Source: UG1414; dpu_op_filter.py of Vitis AI 2.5; Xilinx/Vitis-AI#336, #449, #593.
    """
    for node in model.graph.nodes:
        slope = float(node.attributes.get("alpha", 0.01)) if node.op == "LeakyRelu" else None
        if slope is not None and abs(slope - dpu.limit("leaky_slope")) > 1e-6:
            said = "QUANTIZER_TORCH_LEAKYRELU: Force to change negative_slope"
            has = float(dpu.limit("leaky_slope"))
            found = Found(f"slope is {slope:g}; the quantiser makes it {has:g} (26/256)", said, node.name)
            fix = Fix("leaky-relu-slope", "unsafe", f"slope {has:g}, trained again")
            yield offering(found, model.graph, fix, slope=has)


leaky_slope.bad(lambda g: g.conv(8, 16).op("LeakyRelu", alpha=0.2))
leaky_slope.good(lambda g: g.conv(8, 16).op("LeakyRelu", alpha=26 / 256))


@rule("DPU128", "activation-producer", Level.WARNING, on=Model, confidence="documented")
def activation_producer(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Activation that the engine of the layer before it does not compute.

    What it does: holds every activation on the DPU against the list of the engine that makes its input: element-wise
    engines mostly have ReLU alone, arithmetic units ReLU and ReLU6.

    Why it matters: an activation in the list costs nothing; one outside it is a step of its own, and compilers have
    left it to the CPU: a YOLOX with HardSwish behind additions came out in 11 subgraphs. AMD's inspector of release
    2.5 reports the DPU, and the placement given here follows it.

    What to do instead: ReLU behind additions and products; other activations behind convolutions.

    Fix safety: unsafe; with ReLU the network has to be trained again.

    Source: Vitis AI, target_factory (nonlinear types of each engine); Xilinx/Vitis-AI#1245, #336, #1214; not measured.
    """
    dpu_engines = engines(dpu)
    makers = {name: step for step in plan.steps for node in step.nodes for name in model.graph.node(node).outputs}
    for step in plan.steps:
        maker = makers.get(step.reads[0]) if step.reads else None
        word = ACTIVATIONS.get(step.op)
        if (
            step.unit != "dpu"
            or maker is None
            or maker.unit != "dpu"
            or word is None
            or word in activations_behind(maker.op, dpu_engines)
        ):
            continue
        engine = (
            "element-wise" if maker.op.startswith("elemwise") else "depthwise" if "depth" in maker.op else "convolution"
        )
        listed = ", ".join(sorted(activations_behind(maker.op, dpu_engines))) or "no activation"
        text = f"{word} is behind an operator whose engine ({engine}) has {listed}"
        fix = _PLAIN.get(step.op) if "relu" in activations_behind(maker.op, dpu_engines) else None
        yield offering(Found(text, None, node_of(step)), model.graph, fix)


_PLAIN = {"relu6": UNLIMITED, "leaky_relu": PLAIN, "hswish": RELU}
"""What makes ReLU of an activation, by the quantiser's name."""


activation_producer.bad(lambda g: g.conv(8, 8).branch(lambda b: b.conv(8, 8), lambda b: b).op("HardSwish"))
activation_producer.good(lambda g: g.conv(8, 8).branch(lambda b: b.conv(8, 8), lambda b: b).relu())


RULES = [
    *(not_convertible, cpu_only_operator, hard_activation_alone, overlooked_operator, resize, pad_mode, permute),
    *(leaky_slope, activation_producer),
]
