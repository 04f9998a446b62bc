"""6xx and 9xx: releases of Vitis AI, and advice."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level, offering
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .engines import engines
from .network import fixed
from .rewrites import for_normalisation, for_preprocessing
from .wording import counted


@rule("DPU601", "unregistered-release", Level.WARNING, on=Model, confidence="source", toolchain="1.4")
def unregistered_release(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """The release of Vitis AI does not know this DPU.

    What it does: compares the release asked for with the last one that registers the target, and DPUCZDX8G with ISA 1
    with the first one that has it (2.5).

    Why it matters: the compiler of another release makes a model with another fingerprint, and the runtime refuses it:
    "CHECK fingerprint fail! model_fingerprint 0x... is un-matched with actual dpu_fingerprint 0x...".
    XLNX_ENABLE_FINGERPRINT_CHECK=0 only hides that.

    What to do instead: compile with the release of the board's image, for the fingerprint of its arch.json
    (--target arch.json).

    Source: Vitis AI 1.4 to 3.5, target_factory; Xilinx/Vitis-AI#263, #673, #975, #1149.
    """
    if not plan.segments:
        return  # nothing in the file would carry a fingerprint
    name, last = str(dpu.limit("dpu")), str(dpu.limit("release"))
    if _number(dpu.version) > _number(last):
        yield Found(f"{name} is registered up to Vitis AI {last}, not in {dpu.version}")
    elif name.startswith("DPUCZDX8G_ISA1") and _number(dpu.version) < (2, 5):
        yield Found(f"{name} is registered from Vitis AI 2.5 on, not in {dpu.version}")


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


unregistered_release.bad(lambda g: g.conv(3, 8))
unregistered_release.good(lambda g: g.input(1, 8).op("Softmax", axis=1))


@rule("DPU901", "input-normalisation", Level.NOTE, on=Model, confidence="measured")
def input_normalisation(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """The input is normalised inside the network.

    What it does: finds additions, subtractions, products and quotients with constants that read an input.

    Why it matters: subtraction and division run on the CPU ahead of the first DPU subgraph; products and additions
    take a step of the DPU, and the input is quantised before them.

    What to do instead: normalise in the application, or fold mean and scale into the first convolution: without
    padding the result is the same.

    Fix safety: safe; the first layer takes it in; where that has padding, products only.

    Source: measured with the partition rules of Vitis AI 2.5.
    """
    for node in model.graph.nodes:
        first = next((name for name in node.inputs if name in model.graph.inputs), None)
        constant = any(fixed(model.graph, name) for name in node.inputs if name)
        if first is not None and constant and node.op in ("Add", "Sub", "Mul", "Div"):
            message = f"{node.op} with a constant on the input; this can be done ahead of the network"
            yield offering(Found(message, None, node.name), model.graph, for_preprocessing(model.graph, node))


input_normalisation.bad(lambda g: g.input(1, 3, 32, 32).op("Sub", g.constant([0.5])).conv(3, 8))
input_normalisation.good(lambda g: g.input(1, 3, 32, 32).conv(3, 8))


@rule("DPU902", "lone-normalisation", Level.NOTE, on=Model, confidence="documented")
def lone_normalisation(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Normalisation that no layer takes in.

    What it does: counts BatchNormalization nodes that do not stand behind a convolution or dense layer of their own.

    Why it matters: each becomes a depthwise 1x1 convolution of its own, where the DPU can do that; older compilers
    stop ("Unsupported op: type: scale"). AMD's inspector of release 2.5 reports the DPU everywhere.

    What to do instead: convolution first, normalisation behind it.

    Fix safety: safe; it goes into the convolution behind it, or becomes the depthwise convolution that the compiler
    would make of it.

    Source: Xilinx/Vitis-AI#465; UG1414.
    """
    alone = [step.nodes[0] for step in plan.steps if step.op == "batch_norm"]
    if alone:
        text = f"{counted(len(alone), 'BatchNormalization')} behind no layer that could take it in"
        fix = for_normalisation(model.graph, alone[0], engines(dpu))
        yield offering(Found(text, None, alone[0]), model.graph, fix)


lone_normalisation.bad(lambda g: g.conv(8, 16).relu().batch_norm(16).conv(16, 8))
lone_normalisation.good(lambda g: g.conv(8, 16).batch_norm(16).relu().conv(16, 8))


RULES = [unregistered_release, input_normalisation, lone_normalisation]
