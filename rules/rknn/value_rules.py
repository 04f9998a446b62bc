"""11x: shapes and values that are only known when the network runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .wording import refused


def _argument(details: Mapping[str, Any]) -> str:
    return f"input {details['index']} of {details['op']} ('{details['tensor']}') is computed when the network runs"


@rule("RKN111", "dynamic-operator", Level.ERROR, on=Model, confidence="measured")
def dynamic_operator(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Control flow, or another operator that is refused because its result has no fixed size.

    What it does: finds Loop, If and DynamicQuantizeLinear.

    Why it matters: build stops. An If whose condition is an input or a constant gives no more than "KeyError" and
    the name of the condition.

    What to do instead: export for the one case that is needed (torch.jit.trace takes the branch it sees), unroll
    loops, or run the parts as models of their own.

    Source: measured with rknn-toolkit2 2.5.0. rockchip-linux/rknn-toolkit2#359.
    """
    yield from refused(plan, "dynamic-operator", lambda d: f"{d['op']} is not built, whatever is inside it")


dynamic_operator.bad(lambda g: g.conv(8, 16).op("DynamicQuantizeLinear", dtype="uint8").op("Relu"))
dynamic_operator.good(lambda g: g.conv(8, 16).op("Relu"))


@rule("RKN112", "dynamic-argument", Level.ERROR, on=Model, confidence="measured")
def dynamic_argument(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Size of a result that is only known when the network runs.

    What it does: finds operators whose size follows from a value that is not constant: NonMaxSuppression, NonZero
    and Unique always; Reshape, Expand, Tile, TopK, Slice, Range, Resize, Pad, Compress when their shape, count or
    bounds are computed from the data.

    Why it matters: build stops at the first one.

    What to do instead: cut the detection post-processing off and do it on the host: load_onnx(outputs=[...]) with
    the tensors before it. For computed shapes, export with fixed sizes and fold them with onnxsim.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "dynamic-argument", _argument)


dynamic_argument.bad(lambda g: g.conv(8, 16).op("NonZero", shape=(4, 9), dtype="int64"))
dynamic_argument.good(lambda g: g.input(1, 16).op("Reshape", g.constant([4, 4]), shape=(4, 4)))


@rule("RKN113", "random-operator", Level.ERROR, on=Model, confidence="measured")
def random_operator(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator that draws random numbers.

    What it does: finds RandomNormal, RandomUniform and their Like forms.

    Why it matters: build stops. Bernoulli and Multinomial are built, for the CPU.

    What to do instead: make the noise an input of the network.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "random-operator", lambda d: f"{d['op']} is not built")


random_operator.bad(lambda g: g.conv(8, 16).op("RandomNormalLike"))
random_operator.good(lambda g: g.conv(8, 16).op("Relu"))


@rule("RKN114", "constant-outputs", Level.ERROR, on=Model, confidence="measured")
def constant_outputs(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Nothing is left to compute.

    What it does: finds networks all of whose outputs are constant: shape arithmetic, slices that take nothing.

    Why it matters: build stops.

    What to do instead: check the outputs given to load_onnx, and bounds of Slice.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "constant-outputs", lambda d: f"all outputs are constant ({', '.join(d['outputs'])})")


constant_outputs.bad(lambda g: g.input(1, 8, 4, 4).op("Shape", shape=(4,), dtype="int64"))
constant_outputs.good(lambda g: g.conv(8, 16))


@rule("RKN115", "input-leads-nowhere", Level.ERROR, on=Model, confidence="measured")
def input_leads_nowhere(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Input that only operators read from which no output can be reached.

    What it does: finds inputs of the network whose readers are dead ends.

    Why it matters: the toolkit takes the dead end away and trips over the input that is left. An input that nothing
    reads at all does no harm.

    What to do instead: delete the operators that lead nowhere, and the input, with onnxsim or onnx-graphsurgeon
    (graph.cleanup()).

    Fix safety: safe; the operators are taken out, and the input, which does no harm without them, stays.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    fix = Fix("drop-dead-nodes", "safe", "take them out")
    for found in refused(plan, "input-leads-nowhere", lambda d: f"input '{d['input']}' leads to no output"):
        yield offering(found, model.graph, fix)


input_leads_nowhere.bad(lambda g: g.input(1, 8, name="b").op("Neg").input(1, 8, name="a").relu())
input_leads_nowhere.good(lambda g: g.input(1, 8).relu())


RULES: list[Rule] = [
    dynamic_operator,
    dynamic_argument,
    random_operator,
    constant_outputs,
    input_leads_nowhere,
]
