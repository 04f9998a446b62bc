"""Whether the DPU takes an operation, and every limit that it breaks where it does not.

Source: Vitis AI 2.5, hardware/dpu_partition.py and dpu_op_filter.py, and UG1414's tables of operators where those
overlook a limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from lintmodel.ir import Conv, ConvTranspose, Elementwise, Graph, Pad, Pool, Resize
from lintmodel.target import Target

from . import windows
from .engines import Engines
from .network import Operation, fixed
from .reasons import Reason

LATER = frozenset({"3.0", "3.5"})
"""Releases that ask the compiler itself."""
ARGMAX_CHANNELS = 128
"""Source: UG1414 3.5's table as transcribed by others, not verified."""
BILINEAR_SCALES = (2, 4)
"""With half-pixel centres, as the quantiser hands every resize over that keeps corners unaligned."""
FUSED_WITH = {
    "conv2d": ("relu", "relu6", "prelu", "leaky_relu", "hswish", "hsigmoid"),
    "conv_transpose_2d": ("relu", "relu6", "prelu", "leaky_relu"),
    "depthwise_conv2d": ("relu", "relu6", "prelu", "leaky_relu"),
}
"""Activations that the partition takes with the layer before them, whatever else the DPU can do."""
MAX_REDUCED = 4095
"""Values the maximum is taken of. Source: UG1414's table as transcribed by others, not verified."""


def verdict(operation: Operation, graph: Graph, dpu: Engines, target: Target) -> list[Reason]:
    """All that speaks against the DPU; empty where it takes the operation."""
    kind = operation.kind
    if kind in ("permute", "transpose"):
        return _moved(operation)
    if operation.op not in _convertible(target) or kind in _NOT_CONVERTIBLE:
        return [_not_convertible(kind, operation.op)]
    if kind == "hardtanh":
        return [_not_convertible("hardtanh", "Clip")]
    if operation.op in target.operators["cpu_only"]:
        return [Reason("cpu-only-operator", f"DPU does not support {kind}", {"op": operation.op})]
    return list(_limits(operation, graph, dpu))


def _convertible(target: Target) -> frozenset[str]:
    later = target.operators["convertible_later"] if target.version in LATER else frozenset()
    return target.operators["convertible"] | later


_NOT_CONVERTIBLE = frozenset({"conv1d", "depthwise_conv1d", "conv_transpose_1d", "maxpool1d", "avgpool1d"})
"""Operators that have no form over one dimension. Source: Vitis AI 2.5, dpu_partition.py."""


def _not_convertible(kind: str, op: str) -> Reason:
    return Reason("not-convertible", f"{kind} can't be converted to XIR.", {"op": op})


def _moved(operation: Operation) -> list[Reason]:
    if operation.kind == "transpose":
        return []
    kind = "layout-permute" if operation.inserted else "permute"
    return [Reason(kind, "DPU does not support permute", {"order": operation.order})]


def _limits(operation: Operation, graph: Graph, dpu: Engines) -> Iterator[Reason]:
    kind, node = operation.kind, operation.node
    if kind == "softmax":
        yield Reason("overlooked-operator", None, {"op": "Softmax"}, overlooked=True)
    elif operation.op in ("ArgMax", "Gelu", "PRelu"):
        yield from _later(operation, graph, dpu)
    elif kind == "max":
        yield from _maximum(operation, graph, dpu)
    elif kind.endswith("3d"):
        if not dpu.volumes:
            said = f"{dpu.name} does not support {kind}. Only DPUCVDX8G support this."
            yield Reason("volume-convolution", said, {"dpu": dpu.name})
    elif kind == "conv2d" and (conv := Conv(graph, node)).fixed:
        yield from windows.convolution(conv, dpu)
    elif kind == "depthwise_conv2d" and (conv := Conv(graph, node)).fixed:
        yield from windows.depthwise(conv, dpu)
    elif kind.endswith("conv_transpose_2d") and (deconv := ConvTranspose(graph, node)).fixed:
        yield from windows.transposed(deconv, dpu, separate=kind.startswith("depthwise"))
    elif kind in ("maxpool", "avgpool", "adaptive_avg_pool2d") and (pool := Pool(graph, node)).fixed:
        yield from windows.pool(pool, dpu)
    elif kind in ("elemwise_add", "elemwise_mul"):
        yield from _elementwise(Elementwise(graph, node), kind == "elemwise_mul", dpu)
    elif kind == "resize" and (resize := Resize(graph, node)).fixed and resize.rank == 2:
        yield from _resize(resize, dpu)
    elif kind == "pad" and (pad := Pad(graph, node)).mode not in ("constant", "symmetric"):
        yield Reason("pad-mode", "DPU only support CONSTANT or SYMMETRIC mode.", {"mode": pad.mode})


def _later(operation: Operation, graph: Graph, dpu: Engines) -> Iterator[Reason]:
    """Operators that releases 3.x can convert: the arithmetic unit has some of them."""
    sizes = graph.tensor(operation.node.inputs[0]).shape or ()
    channels = sizes[1] if len(sizes) > 1 else 0
    has = {
        "ArgMax": dpu.argmax and isinstance(channels, int) and channels <= ARGMAX_CHANNELS,
        "PRelu": "prelu" in dpu.alu | dpu.conv.activations,
    }
    if not has.get(operation.op, False):
        yield Reason("cpu-only-operator", f"{operation.kind} can't be assigned to DPU.", {"op": operation.op})


def _maximum(operation: Operation, graph: Graph, dpu: Engines) -> Iterator[Reason]:
    """The inspector has no rule for it; the table of operators has it for some DPUs."""
    sizes = graph.tensor(operation.node.inputs[0])
    reduced = prod(sizes.sizes) // max(prod(graph.tensor(operation.outputs[0]).sizes), 1) if sizes.known else 0
    if not {"max_reduce", "comp_temp"} & dpu.alu or reduced > MAX_REDUCED:
        yield Reason(
            "overlooked-operator", None, {"op": "ReduceMax", "reduced": reduced, "dpu": dpu.name}, overlooked=True
        )


def _elementwise(view: Elementwise, multiplies: bool, dpu: Engines) -> Iterator[Reason]:
    engine = "multiplication of two maps" if multiplies else "addition"
    prefix, numbers = "", {"engine": engine, "dpu": dpu.name}
    if multiplies and any(fixed(view.graph, name) for name in view.node.inputs):
        failed = _as_depthwise(view, dpu)
        if failed is None:
            return
        prefix = f"Try to convert mul to DepthwiseConv2d failed.{failed}"
        numbers["engine"] = "multiplication with a constant"
    word = "mult" if multiplies else "add"
    if not dpu.eltwise:
        yield Reason("missing-engine", f"{prefix}{dpu.name} does not have eltwise-engine", numbers)
    elif word not in dpu.eltwise:
        said = f"{prefix}{dpu.name} does not support eltwise {'MUL' if multiplies else 'ADD'}."
        yield Reason("missing-engine", said, numbers)


def _as_depthwise(view: Elementwise, dpu: Engines) -> str | None:
    """A product with a constant is a 1x1 depthwise convolution; what AMD says where it cannot be, None where it can."""
    graph = view.graph
    constant = next(graph.tensor(name) for name in view.node.inputs if fixed(graph, name))
    varying = next((graph.tensor(name) for name in view.node.inputs if not fixed(graph, name)), None)
    if varying is None or not varying.known or not constant.known or not varying.sizes:
        return None
    sizes, values = varying.sizes, constant.sizes or (1,)
    last = (sizes[0], *sizes[2:], sizes[1]) if len(sizes) == 4 and view.node.layout == "NCHW" else sizes
    if len(last) > 4 or len(values) != 1 or values[0] not in (1, last[-1]):
        return (
            f"mul's input  has the tensor dimension {list(last)} and weights has the tensor dimenstion {tuple(values)}."
        )
    engine = dpu.depthwise
    if engine is None:
        return f"{dpu.name} does not have depthwise-conv-engine."
    if 1 not in engine.kernel:
        return f"'kernel'(1 x 1) is not in DPU supported range({engine.kernel.listed()})."
    most = dpu.channel_factor * engine.channels
    return f"DPU only supports 'input_channel'({last[-1]}) less than ({most})" if last[-1] > most else None


def _resize(resize: Resize, dpu: Engines) -> Iterator[Reason]:
    mode = str(resize.node.attributes.get("coordinate_transformation_mode", "half_pixel"))
    numbers = {"scale": resize.scale, "mode": "bilinear" if resize.mode == "linear" else resize.mode}
    if resize.mode == "cubic":
        yield _not_convertible("aten::upsample_bicubic2d", "cubic Resize")
        return
    if resize.mode == "nearest":
        if any(scale != int(scale) for scale in resize.scale):
            yield Reason("resize", None, numbers, overlooked=True)
        most = dpu.channel_factor * dpu.input_channels
        if resize.in_channels > most:
            said = f"DPU only supports 'input_channel'({resize.in_channels}) less than ({most})"
            yield Reason("input-channels", said, {"channels": resize.in_channels, "limit": most})
        return
    prefix = "Try to convert BlinearUpsamle2d to transpose depthwise conv2d failed."
    aligned = mode == "align_corners"
    why = _bilinear(resize, (*BILINEAR_SCALES, 8) if aligned else BILINEAR_SCALES, dpu)
    if aligned:
        refusal = "DPU does not support align_corners = True" if why else None
        yield Reason("resize", refusal, {**numbers, "aligned": True}, overlooked=not why)
    elif why:
        message = f"{prefix}{why}DPU does not support BILINEAR mode.(only support NEAREST mode)."
        yield Reason("resize", message, numbers)


def _bilinear(resize: Resize, scales: tuple[int, ...], dpu: Engines) -> str:
    """What keeps a bilinear resize from being a transposed depthwise convolution; empty for nothing."""
    height, width = resize.scale
    if height not in scales or width not in scales:
        return f"resize output / input scale is {[width, height]}"
    if height != width:
        return "scale_w is not equal with scale_h"
    engine = dpu.depthwise
    if engine is None:
        return f"{dpu.name} does not have depthwise-conv-engine."
    scale, kernel = int(height), int(2 * height)
    if not windows.fits_transposed(kernel, scale, engine.kernel):
        return f"'kernel / stride'({kernel} / {scale}) is not in DPU supported range{engine.kernel.listed()}."
    most = dpu.channel_factor * engine.channels
    if resize.in_channels > most:
        return f"DPU only supports 'input_channel'({resize.in_channels}) less than ({most})"
    return ""
