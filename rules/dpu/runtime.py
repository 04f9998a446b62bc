"""Whether the board can run what is left to the CPU: for every operation there it loads a kernel."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.planning import Plan, Runtime, Step
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .partition import Partition, Placed

XIR = {
    "conv2d": "conv2d-fix",
    "depthwise_conv2d": "depthwise-conv2d-fix",
    "conv_transpose_2d": "transposed-conv2d-fix",
    "depthwise_conv_transpose_2d": "transposed-depthwise-conv2d-fix",
    "conv3d": "conv3d",
    "conv_transpose_3d": "transposed-conv3d",
    "dense": "conv2d-fix",
    "matmul": "matmul",
    "avgpool": "pool-fix",
    "adaptive_avg_pool2d": "pool-fix",
    "maxpool": "pool-fix",
    "elemwise_add": "add",
    "elemwise_mul": "mul",
    "elementwise_sub": "sub",
    "elemwise_div": "div",
    "relu": "relu",
    "relu6": "relu6",
    "leaky_relu": "leaky-relu",
    "prelu": "prelu",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
    "hardtanh": "clamp",
    "hsigmoid": "hard-sigmoid-fix",
    "hswish": "hard-swish",
    "softmax": "softmax",
    "concat": "concat",
    "strided_slice": "strided_slice-fix",
    "resize": "resize",
    "pad": "pad-fix",
    "reshape": "reshape",
    "flatten": "flatten",
    "squeeze": "squeeze",
    "unsqueeze": "reshape",
    "permute": "transpose",
    "transpose": "transpose",
    "mean": "reduction_mean",
    "max": "reduction_max",
    "sum": "reduction_sum",
    "exp": "exp",
    "neg": "neg",
    "pixel_shuffle": "pixel-shuffle",
    "pixel_unshuffle": "pixel-shuffle",
    "batch_norm": "batchnorm",
}
"""What an operation is called in the compiled model, by the quantiser's name. Slices and paddings are between maps that
are quantised, and are compiled as such. Sources: Xilinx/Vitis-AI 3.5, xop_creator.py; Xilinx/Vitis-AI#1187 for
strided_slice-fix."""


def missing_kernel(placed: Placed, target: Target) -> str | None:
    """The name under which the runtime looks in vain for a kernel of an operation that is left to the CPU."""
    kind = placed.operation.kind
    name = XIR.get(kind, kind)
    if placed.on_dpu:
        return None
    if any(reason.kind == "not-convertible" for reason in placed.reasons):
        return kind
    return None if name in target.operators["cpu_kernels"] else name


def runtime_of(found: Partition, target: Target) -> Runtime:
    """Whether the runtime finds a kernel for all that is on the CPU."""
    return "fails" if any(missing_kernel(placed, target) for placed in found.placed) else "ok"


@rule("DPU621", "no-cpu-kernel", Level.ERROR, on=Model, confidence="source")
def no_cpu_kernel(model: Model, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Operator on the CPU that the board has no kernel for.

    What it does: looks every operation that is left to the CPU up in the list of kernels that Vitis AI's runtime has.
    Operations without a form in XIR have none. Each kernel that is missing is named once, with its first layer.

    Why it matters: quantiser and compiler pass, and loading the model on the board ends in a fatal error: the runtime
    opens libvart_op_imp_NAME.so for every operator of a CPU subgraph.

    What to do instead: cut the network there and compute the rest in the application; an operator that the DPU has
    (hard-swish behind a convolution for SiLU, a strided convolution for slices); or write the kernel and register it
    as a custom operator.

    Source: Xilinx/Vitis-AI 3.5, src/vai_library/cpu_task/CMakeLists.txt; Xilinx/Vitis-AI#802 (resize), #1187
    (strided_slice-fix).
    """
    missing: dict[str, list[Step]] = {}
    for step in plan.steps:
        if "missing_kernel" in step.details:
            missing.setdefault(step.details["missing_kernel"], []).append(step)
    for kernel, steps in missing.items():
        layers = "1 layer" if len(steps) == 1 else f"{len(steps)} layers"
        message = f"the board has no kernel for {kernel}, which {layers} on the CPU need{'s' * (len(steps) == 1)}"
        said = f"[VAILIB_CPU_RUNNER_OPEN_LIB_ERROR][dlopen can not open lib!] libvart_op_imp_{kernel}.so"
        if any(reason["kind"] == "not-convertible" for reason in steps[0].details.get("reasons", ())):
            said = f"The quantizer recognize new op `{kernel}` as a float operator by default."
        yield Found(message, said, next(iter(steps[0].nodes), None))


no_cpu_kernel.bad(lambda g: g.conv(16, 16).op("Slice", g.constant([0]), g.constant([8]), g.constant([1])))
no_cpu_kernel.bad(lambda g: g.conv(3, 16).op("Softplus").conv(16, 16))
no_cpu_kernel.good(lambda g: g.conv(3, 16).sigmoid())

RULES = [no_cpu_kernel]
