"""60x: models that build, and that the board refuses to load."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .owners import owner
from .rewrites import off_the_cpu

KERNELS = "runtime_cpu_kernels"


@rule("RKN601", "cpu-kernel-missing", Level.ERROR, on=Model, confidence="documented", target="rv1106")
def cpu_kernel_missing(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Layer on the CPU for which the runtime on the board has no code.

    What it does: looks up every layer that the compiler puts on the CPU in the vendor's list of CPU operators of this
    chip's runtime. rv1103, rv1106 and their B versions have eleven, rk2118 none, the others 96.

    Why it matters: the compiler marks any operator for the CPU and build and export return 0. On the board rknn_init
    fails with "unsupport cpu X op" and "rknn fallback cpu failed". No simulator shows it.

    What to do instead: get the layer onto the NPU (the rules RKN15x say how), cut the model before it, or register a
    custom operator with rknn_register_custom_ops.

    Fix safety: as that of the rule among RKN15x which is about the layer.

    Source: RKNN compiler support operator list 2.3.2, section CPU operators; airockchip/rknn-toolkit2#145, #217, #276,
    #316, #359, #482, #557, #560; airockchip/rknn_model_zoo#312, #445. Not tried on a board.
    """
    if plan.runtime != "fails":
        return
    missing: dict[str, list[str | None]] = {}
    for step in plan.steps:
        if step.unit == "cpu" and step.op not in chip.operators[KERNELS]:
            missing.setdefault(step.op, []).append(owner(step))
    for op, found in missing.items():
        times = f" ({len(found)} layers)" if len(found) > 1 else ""
        message = f"E RKNN: unsupport cpu {op} op, op name: {op}:{found[0] or ''}; rknn fallback cpu failed"
        text = f"{op}{times} is left to the CPU, and the runtime of {chip.name} has no CPU code for it"
        yield off_the_cpu(Found(text, message, found[0], details={"speaker": "rknn_init"}), model.graph)


cpu_kernel_missing.bad(lambda g: g.conv(8, 16).op("Floor"))
cpu_kernel_missing.good(lambda g: g.conv(8, 16).relu())

RULES: list[Rule] = [cpu_kernel_missing]
