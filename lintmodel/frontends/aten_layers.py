"""PyTorch's layers as ONNX's operators: convolutions, dense layers, pools, normalisations, attention, resizing."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod, sqrt
from typing import Any

from .aten import Lowering, Translation
from .pt2_program import Value

# ---- convolutions and dense layers


def _convolution(g: Lowering) -> None:
    x, weight, bias = g.tensor("input", "self"), g.tensor("weight"), g.tensor("bias")
    kernel = [n for n in g.shape(weight)[2:] if isinstance(n, int)]
    count = len(kernel)
    transposed = bool(g.arg("transposed", False)) or "conv_transpose" in g.call.op
    strides, dilations = g.ints("stride", count, 1), g.ints("dilation", count, 1)
    padding = g.arg("padding", 0)
    if isinstance(padding, str):  # the smaller half of an odd border stands before
        around = [d * (k - 1) if padding == "same" else 0 for k, d in zip(kernel, dilations, strict=True)]
        pads = (*(p // 2 for p in around), *(p - p // 2 for p in around))
    else:
        pads = g.ints("padding", count, 0) * 2
    more: dict[str, Any] = {}
    output_padding = g.ints("output_padding", count, 0)
    if transposed and any(output_padding):
        more["output_padding"] = output_padding
    g.give(
        "ConvTranspose" if transposed else "Conv",
        x,
        weight,
        bias,
        kernel_shape=tuple(kernel),
        strides=strides,
        pads=pads,
        dilations=dilations,
        group=g.arg("groups", 1),
        auto_pad="NOTSET",
        **more,
    )


def _linear(g: Lowering) -> None:
    x, weight, bias = g.tensor("input", "self"), g.tensor("weight"), g.tensor("bias")
    if len(g.shape(x)) == 2:
        g.give("Gemm", x, weight, bias, alpha=1.0, beta=1.0, transA=0, transB=1)
        return
    turned = g.turned(weight, (1, 0)) or g.emit("Transpose", weight, perm=(1, 0))
    if bias:
        g.give("Add", g.emit("MatMul", x, turned), bias)
    else:
        g.give("MatMul", x, turned)


def _addmm(g: Lowering) -> None:
    bias, a, b = g.tensor("self", "input"), g.tensor("mat1"), g.tensor("mat2")
    g.give("Gemm", a, b, bias, alpha=float(g.arg("alpha", 1)), beta=float(g.arg("beta", 1)), transA=0, transB=0)


def _matmul(g: Lowering) -> None:
    g.give("MatMul", g.tensor("self", "input"), g.tensor("mat2", "other", "tensor2"))


def _baddbmm(g: Lowering) -> None:
    x, like = g.emit("MatMul", g.tensor("batch1"), g.tensor("batch2")), g.dtype(g.tensor("batch1"))
    bias = g.tensor("self")
    if g.arg("alpha", 1) != 1:
        x = g.emit("Mul", x, g.number(g.arg("alpha"), like))
    if g.arg("beta", 1) != 1:
        bias = g.emit("Mul", bias, g.number(g.arg("beta"), like))
    g.give("Add", x, bias)


def _einsum(g: Lowering) -> None:
    g.give("Einsum", *g.tensors_of("tensors"), equation=g.arg("equation"))


# ---- pools


def _pool(op: str) -> Translation:
    """``stride`` left out is the kernel's size."""

    def translate(g: Lowering) -> None:
        x = g.tensor("self", "input")
        count = int(g.call.op.partition("pool")[2][0])
        kernel = g.ints("kernel_size", count, 1)
        strides = g.ints("stride", count, 1) if g.call.arguments.get("stride") else kernel
        same: dict[str, Any] = {"kernel_shape": kernel, "strides": strides, "pads": g.ints("padding", count, 0) * 2}
        same |= {"ceil_mode": int(bool(g.arg("ceil_mode", False))), "auto_pad": "NOTSET"}
        if op == "MaxPool":
            g.give(op, x, dilations=g.ints("dilation", count, 1), storage_order=0, **same)
        else:
            g.give(op, x, count_include_pad=int(bool(g.arg("count_include_pad", True))), **same)

    return translate


def _adaptive(op: str) -> Translation:
    """To one value for each channel a reduction; to a divisor of the size a pool, as PyTorch's own translation has
    it."""

    def translate(g: Lowering) -> None:
        x, result = g.tensor("self", "input"), g.result
        count = int(g.call.op.partition("pool")[2][0])
        sizes, wanted = g.shape(x)[-count:], (result.shape or ())[-count:]
        if all(n == 1 for n in wanted):
            if op == "AveragePool":
                _mean(g, x, count)
            else:
                g.give("ReduceMax", x, g.numbers(range(-1, -count - 1, -1)), keepdims=1, noop_with_empty_axes=0)
            return
        pairs = [(n, m) for n, m in zip(sizes, wanted, strict=True) if isinstance(n, int) and isinstance(m, int)]
        if len(pairs) < count or any(n % m for n, m in pairs):
            raise ValueError("windows of different sizes")
        kernel = tuple(n // m for n, m in pairs)
        g.give(op, x, kernel_shape=kernel, strides=kernel, pads=(0, 0) * count, ceil_mode=0, auto_pad="NOTSET")

    return translate


def _mean(g: Lowering, x: str, count: int) -> None:
    """The mean of each channel. Of feature maps that lie channels last PyTorch's own translation lays the result out
    again, element by element, which the exporter writes as a Gather."""
    axes = g.numbers(range(-1, -count - 1, -1))
    if not _channels_last(g):
        g.give("ReduceMean", x, axes, keepdims=1, noop_with_empty_axes=0)
        return
    mean = g.emit("ReduceMean", x, axes, keepdims=1, noop_with_empty_axes=0)
    where = g.constant(lambda: None, g.result.shape or (), "int64", f"{g.call.name}.order")
    g.give("Gather", g.emit("Reshape", mean, g.numbers([-1]), allowzero=0), where, axis=0)


def _channels_last(g: Lowering) -> bool:
    """As PyTorch decides it from sizes and strides (c10/core/MemoryFormat.h, is_channels_last_strides_2d)."""
    found = g.call.arguments.get("self")
    kind = g.program.types.get(found.name) if isinstance(found, Value) else None
    if kind is None or len(kind.strides) != 4 or not all(isinstance(n, int) for n in (*kind.strides, *kind.shape)):
        return False
    least = 0
    for axis in (1, 3, 2, 0):
        size, stride = int(kind.shape[axis]), int(kind.strides[axis])
        if not size or stride < least or (axis == 1 and not stride) or (axis == 0 and least == kind.strides[1]):
            return False
        least = stride * max(size, 1)
    return True


# ---- normalisations


def _batch_norm(g: Lowering) -> None:
    x, names = g.tensor("input", "self"), ("weight", "bias", "running_mean", "running_var")
    parameters = [g.tensor(name) for name in names]
    channels = g.shape(x)[1]
    for k, value in ((0, 1.0), (1, 0.0)):
        if not parameters[k]:
            parameters[k] = g.numbers([value] * int(channels), g.dtype(x))
    if not all(parameters) or g.arg("training", False):
        raise ValueError("statistics of the batch")
    g.give("BatchNormalization", x, *parameters, epsilon=float(g.arg("eps", 1e-5)), momentum=0.9, training_mode=0)


def _layer_norm(g: Lowering) -> None:
    x = g.tensor("input", "self")
    axes = len(g.arg("normalized_shape"))
    weight, bias = g.tensor("weight"), g.tensor("bias")
    if not weight:
        weight = _ones(g, g.shape(x)[-axes:], g.dtype(x))
    g.give("LayerNormalization", x, weight, bias, axis=-axes, epsilon=float(g.arg("eps", 1e-5)), stash_type=1)


def _ones(g: Lowering, shape: Any, dtype: str) -> str:
    def values() -> Any:
        import numpy as np

        return np.ones(shape, "float32")

    return g.constant(values, tuple(shape), dtype, f"{g.call.name}.ones")


def _group_norm(g: Lowering) -> None:
    """Until operator set 21 an InstanceNormalization of the groups, then scale and bias of the channels."""
    x, groups = g.tensor("input", "self"), g.first("num_groups", "group")
    shape, like = g.shape(x), g.dtype(x)
    apart = g.emit("Reshape", x, g.numbers([0, groups, -1]))
    ones, zeros = g.numbers([1.0] * groups, like), g.numbers([0.0] * groups, like)
    normal = g.emit("InstanceNormalization", apart, ones, zeros, epsilon=float(g.arg("eps", 1e-5)))
    back = g.numbers([n if isinstance(n, int) else 0 for n in shape])
    channels = int(shape[1])
    weight = g.tensor("weight") or g.numbers([1.0] * channels, like)
    bias = g.tensor("bias") or g.numbers([0.0] * channels, like)
    scaled = g.emit("Mul", g.emit("Reshape", normal, back), g.over_channels(weight, len(shape)))
    g.give("Add", scaled, g.over_channels(bias, len(shape)))


def _instance_norm(g: Lowering) -> None:
    x = g.tensor("input", "self")
    channels, like = int(g.shape(x)[1]), g.dtype(x)
    weight = g.tensor("weight") or g.numbers([1.0] * channels, like)
    bias = g.tensor("bias") or g.numbers([0.0] * channels, like)
    g.give("InstanceNormalization", x, weight, bias, epsilon=float(g.arg("eps", 1e-5)))


def _rms_norm(g: Lowering) -> None:
    x, weight = g.tensor("input", "self"), g.tensor("weight")
    axes, like = g.numbers(range(-len(g.arg("normalized_shape")), 0)), g.dtype(x)
    squares = g.emit("ReduceMean", g.emit("Pow", x, g.number(2.0, like)), axes, keepdims=1, noop_with_empty_axes=0)
    size = g.emit("Add", squares, g.number(float(g.arg("eps", 1.1920928955078125e-07)), like))
    root = g.emit("Reciprocal", g.emit("Sqrt", size))
    if weight:
        g.give("Mul", g.emit("Mul", x, root), weight)
    else:
        g.give("Mul", x, root)


# ---- attention


def _attention(g: Lowering) -> None:
    """softmax(q k^T / sqrt(size)) v; the exporter multiplies either side with the root of the scale."""
    q, k, v, mask = (g.tensor(name) for name in ("query", "key", "value", "attn_mask"))
    mask = mask or g.tensor("attn_bias")
    like, shape = g.dtype(q), g.shape(k)
    size = g.shape(q)[-1]
    scale = g.arg("scale") or 1 / sqrt(size if isinstance(size, int) else 1)
    root = g.numbers([sqrt(scale)], like)
    rows = [n if isinstance(n, int) else -1 for n in shape]
    count = [n for n in shape[:-2] if isinstance(n, int)]
    flat_shape = (prod(count), *shape[-2:]) if len(count) == len(shape) - 2 else None
    flat = g.emit("Reshape", k, g.numbers([-1, rows[-2], rows[-1]]), shape=flat_shape, allowzero=0)
    turned = g.emit("Reshape", g.emit("Transpose", flat, perm=(0, 2, 1)), _back(g, rows), allowzero=0)
    scores = g.emit("MatMul", g.emit("Mul", q, root), g.emit("Mul", turned, root))
    if g.arg("is_causal", False):
        mask = _triangle(g, g.shape(q)[-2], shape[-2], like)
    masked = bool(mask) and g.dtype(mask) == "bool"
    if masked:
        mask = g.emit("Where", mask, g.number(0.0, like), g.number(float("-inf"), like), dtype=like)
    if mask:
        scores = g.emit("Add", scores, mask)
    weights = g.emit("Softmax", scores, axis=-1)
    if masked:  # rows that may look at nothing are 0 / 0
        weights = g.emit("Where", g.emit("IsNaN", weights, dtype="bool"), g.number(0.0, like), weights, dtype=like)
    g.give("MatMul", weights, v)


def _back(g: Lowering, rows: list[int]) -> str:
    return g.numbers([*rows[:-2], rows[-1], rows[-2]])


def _triangle(g: Lowering, rows: Any, columns: Any, dtype: str) -> str:
    """What a position may look at: all before it. A constant of the exported file."""

    def values() -> Any:
        import numpy as np

        return np.where(np.tri(rows, columns), 0, -np.inf).astype("float32") if rows * columns < 1 << 24 else None

    return g.constant(values, (rows, columns), dtype, f"{g.call.name}.causal")


# ---- resizing


def _resize(mode: str) -> Translation:
    """By scales where the program has them, else to a size."""

    def translate(g: Lowering) -> None:
        x = g.tensor("self", "input")
        result = g.result.shape or ()
        rank = len(result)
        scales = g.arg("scale_factors") or [
            s for n in ("scales_d", "scales_h", "scales_w", "scales") if (s := g.arg(n))
        ]
        aligned = bool(g.arg("align_corners", False))
        where = "asymmetric" if mode == "nearest" else "align_corners" if aligned else "pytorch_half_pixel"
        if mode == "nearest" or (len(scales) == rank - 2 and "vec" in g.call.target):
            by_scale = len(scales) == rank - 2
        else:
            by_scale = False
        if "nearest_exact" in g.call.op:
            where = "half_pixel"
        factors = g.numbers([1.0, 1.0, *scales], "float32") if by_scale else ""
        sizes = "" if by_scale else g.numbers([n if isinstance(n, int) else -1 for n in result])
        g.give(
            "Resize",
            x,
            "",
            factors,
            sizes,
            mode=mode,
            coordinate_transformation_mode=where,
            nearest_mode="floor",
            cubic_coeff_a=-0.75,
        )

    return translate


def _grid_sample(g: Lowering) -> None:
    modes, borders = ("linear", "nearest", "cubic"), ("zeros", "border", "reflection")
    g.give(
        "GridSample",
        g.tensor("input"),
        g.tensor("grid"),
        mode=modes[g.arg("interpolation_mode", 0)],
        padding_mode=borders[g.arg("padding_mode", 0)],
        align_corners=int(bool(g.arg("align_corners", False))),
    )


# ---- quantised programs


def _quantize(g: Lowering) -> None:
    x = g.tensor("input")
    scale, zero = _scale(g, x)
    g.give("QuantizeLinear", x, scale, zero, axis=g.arg("axis"))


def _dequantize(g: Lowering) -> None:
    x = g.tensor("input")
    scale, zero = _scale(g, x)
    g.give("DequantizeLinear", x, scale, zero, axis=g.arg("axis"))


def _scale(g: Lowering, x: str) -> tuple[str, str]:
    """One number each, or a tensor with one for each channel."""
    stored = str(g.arg("dtype", g.dtype(x)))
    scale = g.tensor("scales", "scale") or g.number(float(g.arg("scale")), "float32")
    zero = g.tensor("zero_points", "zero_point") or g.number(int(g.arg("zero_point", 0)), stored)
    return scale, zero


_RESIZED = {"nearest": "nearest", "_nearest_exact": "nearest", "linear": "linear", "bilinear": "linear"}
_RESIZED |= {"trilinear": "linear", "bicubic": "cubic"}
_NORMS = ("batch_norm", "_native_batch_norm_legit_no_training", "cudnn_batch_norm", "native_batch_norm")
_ATTENTIONS = ("", "_flash_attention", "_flash_attention_for_cpu", "_efficient_attention")

LAYERS: Mapping[str, Translation] = {
    **{f"aten.{name}": _convolution for name in ("convolution", "_convolution", "conv1d", "conv2d", "conv3d")},
    **{f"aten.conv_transpose{n}d": _convolution for n in (1, 2, 3)},
    "aten.linear": _linear,
    "aten.addmm": _addmm,
    "aten.mm": _matmul,
    "aten.bmm": _matmul,
    "aten.matmul": _matmul,
    "aten.baddbmm": _baddbmm,
    "aten.einsum": _einsum,
    **{f"aten.max_pool{n}d": _pool("MaxPool") for n in (1, 2, 3)},
    **{f"aten.max_pool{n}d_with_indices": _pool("MaxPool") for n in (2, 3)},
    **{f"aten.avg_pool{n}d": _pool("AveragePool") for n in (1, 2, 3)},
    **{f"aten.{p}adaptive_avg_pool{n}d": _adaptive("AveragePool") for n in (1, 2, 3) for p in ("", "_")},
    **{f"aten.adaptive_max_pool{n}d": _adaptive("MaxPool") for n in (1, 2, 3)},
    **{f"aten.{name}": _batch_norm for name in _NORMS},
    "aten.layer_norm": _layer_norm,
    "aten.native_layer_norm": _layer_norm,
    "aten.group_norm": _group_norm,
    "aten.native_group_norm": _group_norm,
    "aten.instance_norm": _instance_norm,
    "aten.rms_norm": _rms_norm,
    **{f"aten.{'_' if kind else ''}scaled_dot_product{kind or '_attention'}": _attention for kind in _ATTENTIONS},
    **{f"aten.upsample_{name}{n}d": _resize(mode) for name, mode in _RESIZED.items() for n in (1, 2, 3)},
    **{f"aten._upsample{name}{n}d": _resize("nearest") for name in ("_nearest_exact",) for n in (1, 2, 3)},
    **{f"aten._upsample_{name}2d_aa": _resize(_RESIZED[name]) for name in ("bilinear", "bicubic")},
    "aten.grid_sampler": _grid_sample,
    "aten.grid_sampler_2d": _grid_sample,
    "quantized_decomposed.quantize_per_tensor": _quantize,
    "quantized_decomposed.quantize_per_channel": _quantize,
    "quantized_decomposed.dequantize_per_tensor": _dequantize,
    "quantized_decomposed.dequantize_per_channel": _dequantize,
}
