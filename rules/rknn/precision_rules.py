"""14x: what cannot be built in the precision asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.ir import GraphBuilder
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .wording import refused


def _already(details: Mapping[str, Any]) -> str:
    count = details["count"]
    return "the network is quantised" + (f" ({count} QuantizeLinear and DequantizeLinear)" if count else "")


def _stored(g: GraphBuilder) -> GraphBuilder:
    """A value that is made int8 and float again."""
    scale, zero = g.constant(0.1), g.zeros(dtype="int8")
    return (
        g.input(1, 8)
        .op("QuantizeLinear", scale, zero, dtype="int8")
        .op("DequantizeLinear", scale, zero, dtype="float32")
    )


@rule("RKN141", "no-int8", Level.ERROR, on=Model, confidence="measured", target="rk2118", options={"quantized": True})
def no_int8(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """int8 on a chip that computes in float16 only.

    What it does: finds builds with quantisation, and networks with QuantizeLinear and DequantizeLinear, for such a
    chip (rk2118).

    Why it matters: the compiler stops at the first convolution.

    What to do instead: build with do_quantization=False from the floating-point model.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "no-int8", lambda d: f"{d['chip']} has no int8")


no_int8.bad(lambda g: g.conv(8, 16))
no_int8.good(lambda g: g.conv(8, 16))


@rule(
    "RKN142", "no-float16", Level.ERROR, on=Model, confidence="measured", target="rv1106", options={"quantized": False}
)
def no_float16(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """float16 on a chip that computes in int8 only.

    What it does: finds builds without quantisation for such a chip (rv1103, rv1106, rv1103b, rv1106b).

    Why it matters: build refuses do_quantization=False.

    What to do instead: build with do_quantization=True and a calibration data set; layers that lose too much can
    stay in 16 bits with quantized_hybrid_level or w16a16i_dfp.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "no-float16", lambda d: f"{d['chip']} has no float16")


no_float16.bad(lambda g: g.conv(8, 16))
no_float16.good(lambda g: g.conv(8, 16))


@rule("RKN143", "already-quantized", Level.ERROR, on=Model, confidence="measured")
def already_quantized(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Quantised network, and quantisation asked for.

    What it does: finds networks with QuantizeLinear or DequantizeLinear, and quantised TFLite files, that are built
    with do_quantization=True.

    Why it matters: build stops.

    What to do instead: do_quantization=False: the network stays int8, with the scales it has. (Here: `-O
    quantized=false`.)

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "already-quantized", _already)


already_quantized.bad(lambda g: _stored(g))
already_quantized.good(lambda g: g.conv(8, 16))


@rule("RKN144", "nothing-to-quantize", Level.ERROR, on=Model, confidence="measured")
def nothing_to_quantize(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """No floating-point tensor in a network that is to be quantised.

    What it does: finds networks that compute with whole numbers or truth values only.

    Why it matters: the calibration finds nothing; the compiler crashes with the advice to use float16.

    What to do instead: compute this part on the host, or build it with do_quantization=False.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "nothing-to-quantize", lambda d: f"only {', '.join(d['dtypes'])} in the network")


nothing_to_quantize.bad(lambda g: g.input(1, 16, dtype="int32").op("Abs"))
nothing_to_quantize.good(lambda g: g.input(1, 16).op("Abs"))


@rule("RKN145", "same-outputs", Level.ERROR, on=Model, confidence="measured")
def same_outputs(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Two outputs with the same values.

    What it does: finds outputs that differ by Identity, Dropout or a Reshape to the same shape only.

    Why it matters: the toolkit makes one tensor of both, and the quantisation does not find the other: "KeyError"
    and its name.

    What to do instead: name one of them in load_onnx(outputs=[...]) and copy it on the host.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(
        plan, "same-outputs", lambda d: f"outputs '{d['first']}' and '{d['second']}' are the same tensor"
    )


same_outputs.bad(lambda g: g.conv(8, 16).output().op("Identity"))
same_outputs.good(lambda g: g.conv(8, 16).output().relu())


@rule("RKN146", "custom-output", Level.ERROR, on=Model, confidence="measured")
def custom_output(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Output made by an operator that RKNN does not know.

    What it does: finds outputs of the network that operators of com.microsoft or ai.onnx.ml make, or
    GroupNormalization, in a quantised build.

    Why it matters: such an operator becomes a custom one on the CPU; the quantisation looks for its int8 output and
    stops with "KeyError".

    What to do instead: do_quantization=False, or another operator behind it, or cut the network before it.

    Fix safety: safe; GroupNormalization becomes the operators that it is made of.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    for found in refused(plan, "custom-output", lambda d: f"output '{d['output']}' is made by {d['op']}"):
        norms = {node.name for node in model.graph.nodes if node.op == "GroupNormalization" and not node.domain}
        fix = Fix("decompose-group-norm", "safe", "the operators it is made of")
        yield offering(found, model.graph, fix if found.node in norms else None)


custom_output.bad(lambda g: g.with_opset(18).conv(8, 16).op("GroupNormalization", g.zeros(4), g.zeros(4), num_groups=4))
custom_output.good(lambda g: g.conv(8, 16).relu())


@rule("RKN147", "scalar-input", Level.ERROR, on=Model, confidence="measured")
def scalar_input(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Input that is a single number without dimensions.

    What it does: finds inputs of rank 0 in a quantised build.

    Why it matters: the quantisation stops with "IndexError: list index out of range".

    What to do instead: give the input the shape [1].

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "scalar-input", lambda d: f"input '{d['input']}' has no dimensions")


scalar_input.bad(lambda g: g.input().relu())
scalar_input.good(lambda g: g.input(1).relu())


RULES: list[Rule] = [
    no_int8,
    no_float16,
    already_quantized,
    nothing_to_quantize,
    same_outputs,
    custom_output,
    scalar_input,
]
