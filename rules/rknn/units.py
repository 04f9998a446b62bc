"""NPU or CPU, row by row: what the layer table's ``Target`` column says, and which CPU rows the board can run.

Layers that a chip's NPU never does are the sheet's tables ``cpu`` and ``cpu_on_this_chip``; the functions below know
the layers whose place depends on attributes, shapes and neighbours. Every condition was read off layer tables that
RKNN-Toolkit2 2.5.0 printed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from .layout import channel_unit
from .program import Layer, Program, Shape


def decide_units(program: Program) -> None:
    """Sets ``unit`` of every layer. Reshapes come last: theirs depends on where their neighbours run."""
    never = program.target.operators["cpu"] | program.target.operators["cpu_on_this_chip"]
    reshapes = []
    for layer in program.layers:
        if layer.kind == "Reshape":
            reshapes.append(layer)
        condition = CONDITIONS.get(layer.kind)
        on_cpu = layer.kind in never or (condition is not None and condition(program, layer))
        layer.unit = "cpu" if on_cpu else "npu"
    reshapes_on_cpu(program, reshapes)


def no_kernel(program: Program, layer: Layer) -> bool:
    """The layer runs on the CPU, and the chip's runtime has no kernel for it: ``rknn_init`` fails on the board."""
    return layer.unit == "cpu" and layer.kind not in program.target.operators["runtime_cpu_kernels"]


# ---- layout rows


def reshapes_on_cpu(program: Program, reshapes: Sequence[Layer]) -> None:
    """Decides the Reshape rows. A tensor is stored plain when its rank is not 4 or a CPU row touches it, and in blocks
    of channels otherwise. Relabelling a plain tensor is free; between plain and blocked the channels must fill their
    blocks, which chips with the ``any`` rule do in hardware whatever the shapes."""
    rule = program.target.limit("npu_reshape")
    made_on_cpu = {out for layer in program.layers if _plain_row(program, layer) for out in layer.outputs}
    read_on_cpu = {name for layer in program.layers if _plain_row(program, layer) for name in layer.inputs}
    for layer in reshapes:
        source, result = layer.inputs[0], layer.outputs[0]
        before, after = program.shape(source), program.shape(result)
        plain_before = len(before) != 4 or source in made_on_cpu
        plain_after = len(after) != 4 or result in read_on_cpu
        if not program.values[result].dtype.startswith(("int8", "float16")):
            on_npu = False
        elif plain_before and plain_after and _moves_nothing(program, layer):
            on_npu = True
        elif rule == "any":
            on_npu = not _too_long(program, before, after)
        else:
            unit = _block(program, result)
            blocked = not plain_before and not plain_after
            on_npu = RESHAPES[rule](before, after, unit, blocked=blocked)
        layer.unit = "npu" if on_npu else "cpu"


def _moves_nothing(program: Program, layer: Layer) -> bool:
    """Both tensors are plain, and no conversion to float16 reads the new one where that is a layer of the NPU."""
    readers = program.consumers(layer.outputs[0])
    return not (program.target.limit("npu_reshape_width") and any(r.kind == "exDataConvert" for r in readers))


def _plain_row(program: Program, layer: Layer) -> bool:
    """The row works on plain tensors. A conversion in front of a CPU Softmax counts as part of it."""
    if layer.kind == "exDataConvert" and layer.unit == "npu":
        readers = program.consumers(layer.outputs[0])
        return bool(readers) and all(reader.unit == "cpu" for reader in readers)
    return layer.unit == "cpu" and layer.kind != "Reshape"


def _block(program: Program, name: str) -> int:
    """Channels that are stored together, for the tensor's element type."""
    return channel_unit(program.target, program.values[name].dtype)


def _aligned(before: Shape, after: Shape, unit: int, *, blocked: bool) -> bool:
    """Both sides fill their blocks, or the last axis stays as it is; RK3588."""
    if prod(before) >= 8_000_000:
        return False
    if before == after or (len(before) == len(after) == 4 and before[-1] == after[-1]):
        return True
    if len(before) < 3 and after[: len(before)] == before and set(after[len(before) :]) == {1}:
        return True
    return _plane(before) % unit == 0 and _plane(after) % unit == 0


def _same_blocks(before: Shape, after: Shape, unit: int, *, blocked: bool) -> bool:
    """The blocks of channels stay what they are; RK3566 and RK3568."""
    if blocked:
        if before[:2] == after[:2]:
            return True
        return prod(before[2:]) == prod(after[2:]) and before[1] % unit == 0 and after[1] % unit == 0
    tall, flat = (after, before) if len(before) != 4 else (before, after)
    if len(tall) != 4 or tall[2:] != (1, 1) or tall[1] % unit:
        return False
    return prod(flat[:1]) == tall[0] or prod(flat) == tall[1]


RESHAPES: dict[str, Callable[..., bool]] = {"aligned": _aligned, "same_blocks": _same_blocks}


def _plane(shape: Shape) -> int:
    """Elements of one channel; the channels where that is one."""
    plane = prod(shape[2:])
    return plane if plane != 1 else (shape[1] if len(shape) > 1 else prod(shape))


def _too_long(program: Program, before: Shape, after: Shape) -> bool:
    limit = program.target.limit("npu_reshape_width")
    return bool(limit) and (prod(before) >= 8_000_000 or (len(after) == 4 and after[-1] > limit))


def _transpose(program: Program, layer: Layer) -> bool:
    limit, before, perm = program.target.limit, program.shape(layer.inputs[0]), _perm(layer)
    if not program.values[layer.inputs[0]].dtype.startswith(("int8", "float16")):
        return True
    if perm == ROWS_TO_WIDTH and before[2:] == (1, 1):
        return before[0] % int(limit("npu_transpose_rows")) != 0
    if limit("npu_transpose_side") and max(before) >= limit("npu_transpose_side"):
        return True
    if limit("npu_transpose") == "hw_swap":
        unit = _block(program, layer.inputs[0])
        return not (perm == (0, 3, 2, 1) and before[1] % unit == 0 and before[-1] % unit == 0)
    if limit("npu_transpose_plane") and perm == (0, 2, 3, 1) and before[2] * before[3] > limit("npu_transpose_plane"):
        return True
    if limit("npu_transpose_lines") and perm[1:2] == (3,) and before[1] * before[2] > limit("npu_transpose_lines"):
        return True
    tall = program.quantized and perm == (0, 3, 2, 1) and before[2] > 1
    return bool(tall and before[2] % 16 and not limit("npu_transpose_0321_tall_int8"))


ROWS_TO_WIDTH = (3, 1, 2, 0)
"""(n,c,1,1) to (1,c,1,n)."""


def _perm(layer: Layer) -> tuple[int, ...]:
    return tuple(layer.attributes.get("perm", ()))


# ---- one row's own attributes and shapes


def _softmax(program: Program, layer: Layer) -> bool:
    shape = program.shape(layer.inputs[0])
    axis = int(layer.attributes.get("axis", -1)) % len(shape)
    rule = program.target.limit("npu_softmax")
    if rule == "channels":
        return axis != 1
    if rule == "batch_kept":
        return axis == 0 or shape[axis] > 8192
    if rule == "plane":
        return axis != 1 and shape[2] * shape[3] > 8192 and shape[2] > 1
    if rule == "even":
        return prod(shape) >= 4_000_000 or (shape[axis] > 8192 and shape[axis] % 2 == 1)
    return False


def _convert(program: Program, layer: Layer) -> bool:
    """Conversions of a vector must fill blocks of channels."""
    shape = program.shape(layer.inputs[0])
    unit = _block(program, layer.inputs[0])
    small = shape[-1] < program.target.limit("npu_convert_any_below")
    return prod(shape[:-1]) == 1 and shape[-1] % unit != 0 and not small


def _pow(program: Program, layer: Layer) -> bool:
    exponent = constant_scalar(program, layer.inputs[1]) if len(layer.inputs) > 1 else layer.attributes.get("exponent")
    if exponent in (2.0, 3.0):
        return False
    return not (exponent == 0.5 and not program.quantized)


def _div(program: Program, layer: Layer) -> bool:
    return program.quantized or program.constant(layer.inputs[0])


def _sqrt(program: Program, layer: Layer) -> bool:
    return program.quantized


def _max(program: Program, layer: Layer) -> bool:
    return any(program.constant(n) and prod(program.shape(n)) == 1 for n in layer.inputs if n)


def _wide_integers(program: Program, layer: Layer) -> bool:
    """64-bit sums and joins; the RK3566 does none of 32 bits either."""
    wide = {"int64", "uint64", "int32"} if program.target.limit("npu_reshape") == "same_blocks" else {"int64", "uint64"}
    return program.values[layer.outputs[0]].dtype in wide


def _max_pool(program: Program, layer: Layer) -> bool:
    return len([name for name in layer.outputs if name]) > 1


def _average_pool(program: Program, layer: Layer) -> bool:
    attributes = layer.attributes
    pads = any(attributes.get("pads", ()) or ())
    if pads and not attributes.get("count_include_pad", 0):
        return True
    if not attributes.get("ceil_mode", 0) or not _ceil_matters(program, layer):
        return False
    return f"{program.dtype} {'padded' if pads else 'plain'}" not in program.target.limit("npu_ceil_average")


def _ceil_matters(program: Program, layer: Layer) -> bool:
    before, attributes = program.shape(layer.inputs[0])[2:], layer.attributes
    kernel = list(attributes["kernel_shape"])
    strides = list(attributes.get("strides") or [1] * len(kernel))
    pads = list(attributes.get("pads") or [0] * 2 * len(kernel))
    return any((size + pads[k] + pads[k + len(kernel)] - kernel[k]) % strides[k] for k, size in enumerate(before))


def _resize(program: Program, layer: Layer) -> bool:
    attributes = layer.attributes
    if word(attributes.get("mode", "nearest")) == "nearest":
        return False
    before, after = program.shape(layer.inputs[0])[2:], program.shape(layer.outputs[0])[2:]
    growth = [b / a for a, b in zip(before, after, strict=True)]
    mode = word(attributes.get("coordinate_transformation_mode", "half_pixel"))
    if mode == "tf_crop_and_resize":
        return True
    odd_factors = bool(program.target.limit("npu_resize_any_factor"))
    if mode == "align_corners":
        return not odd_factors or max(growth) > 2
    return not odd_factors and any(g != int(g) and 1 / g != int(1 / g) for g in growth)


def _slice(program: Program, layer: Layer) -> bool:
    steps = layer.attributes.get("steps")
    if steps is None and len(layer.inputs) > 4:
        steps = constant_integers(program, layer.inputs[4])
    if not steps:
        return False
    if max(steps) > 1 or min(steps) < -1:
        return True
    return min(steps) < 0 and not program.target.limit("npu_negative_step")


def _pad(program: Program, layer: Layer) -> bool:
    pads = layer.attributes.get("pads")
    if pads is None and len(layer.inputs) > 1:
        pads = constant_integers(program, layer.inputs[1])
    if pads and min(pads) < 0 and program.target.limit("npu_reshape") != "any":
        return True
    before, after = program.shape(layer.inputs[0]), program.shape(layer.outputs[0])
    if len(before) == 4 and before[1] != after[1]:
        return before[1] % _block(program, layer.inputs[0]) != 0
    return word(layer.attributes.get("mode", "constant")) == "reflect" and not program.target.limit("npu_reflect_pad")


def _repeat(program: Program, layer: Layer) -> bool:
    """Expand over the batch, Tile over the batch or a plane."""
    before, after = program.shape(layer.inputs[0]), program.shape(layer.outputs[0])
    before = (1,) * (len(after) - len(before)) + before
    changed = [k for k, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
    return 0 in changed or (layer.kind == "Tile" and bool(set(changed) & {2, 3}))


def _cast(program: Program, layer: Layer) -> bool:
    kinds = {program.values[name].dtype for name in (layer.inputs[0], layer.outputs[0])}
    return bool(kinds & {"int32", "int64", "uint64"})


def _gather(program: Program, layer: Layer) -> bool:
    """Looking rows up in a table, by indices that are data."""
    return not program.constant(layer.inputs[1]) or len(program.shape(layer.outputs[0])) > 4


def _reduce_max(program: Program, layer: Layer) -> bool:
    if not program.target.limit("npu_reduce_max"):
        return True
    before, after = program.shape(layer.inputs[0]), program.shape(layer.outputs[0])
    return not (len(before) == 4 and len(after) == 4 and before[1] != after[1] and before[2:] == after[2:])


def _conv_transpose(program: Program, layer: Layer) -> bool:
    stride = max(layer.attributes.get("strides") or (1,))
    kernel = max(program.shape(layer.inputs[1])[2:])
    return bool(kernel > program.target.limit("npu_transposed_kernel") and stride >= 16)


CONDITIONS: dict[str, Callable[[Program, Layer], bool]] = {
    "Add": _wide_integers,
    "AveragePool": _average_pool,
    "Cast": _cast,
    "Concat": _wide_integers,
    "ConvTranspose": _conv_transpose,
    "Div": _div,
    "Expand": _repeat,
    "Gather": _gather,
    "Max": _max,
    "MaxPool": _max_pool,
    "Mul": _wide_integers,
    "Pad": _pad,
    "Pow": _pow,
    "ReduceMax": _reduce_max,
    "Resize": _resize,
    "Slice": _slice,
    "Sqrt": _sqrt,
    "Sub": _wide_integers,
    "Tile": _repeat,
    "Transpose": _transpose,
    "exDataConvert": _convert,
    "exSoftmax13": _softmax,
}


def constant_integers(program: Program, name: str) -> tuple[int, ...] | None:
    """A small constant's values; None where it is none, or where its values are not there."""
    value = constant_values(program, name)
    return None if value is None else tuple(int(x) for x in value.reshape(-1))


def constant_scalar(program: Program, name: str) -> float | None:
    """The value of a constant of one element, else None."""
    value = constant_values(program, name)
    return float(value.reshape(-1)[0]) if value is not None and value.size == 1 else None


def constant_values(program: Program, name: str) -> Any:
    """The values of a constant as an array; None where it is none, or where its values are not there."""
    found = program.values.get(name) if name else None
    return found.load() if found is not None and found.constant and found.load is not None else None


def word(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
