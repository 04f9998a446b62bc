"""What the ONNX importer makes of operators that move, cut, join or reduce tensors.

Source: nncase v1.9.0, src/importer/onnx/ops; measured with nncase 1.9.0.
"""

from __future__ import annotations

from math import floor, prod
from typing import TYPE_CHECKING, Any

from lintmodel.ir import Node

from . import make
from .importer import DTYPES, CannotImport, Importer, Operator
from .program import Value

if TYPE_CHECKING:
    import numpy as np


def concat(im: Importer, node: Node) -> Value:
    values = [im.read(index) for index in range(len(node.inputs))]
    axis = im.attribute("axis", 0) % len(values[0].shape)
    for value in values[1:]:
        if any(a != b for k, (a, b) in enumerate(zip(value.shape, values[0].shape, strict=True)) if k != axis):
            im.refuse("shape-mismatch", "ValueError: inputs are not compatible to concat", axis=axis)
            raise CannotImport(node.name)
    return make.concat(im.program, values, axis).out


def same(im: Importer, node: Node) -> Value:
    """Identity and Dropout."""
    x = im.read()
    return make.bitcast(im.program, x, x.shape).out


def flatten(im: Importer, node: Node) -> Value:
    x = im.read()
    axis = im.attribute("axis", 1) % (len(x.shape) + 1)
    return make.bitcast(im.program, x, (*x.shape[:axis], prod(x.shape[axis:]))).out


def reshape(im: Importer, node: Node) -> Value:
    x = im.read()
    wanted = im.attribute("shape", None)
    sizes = list(wanted) if wanted is not None else list(im.integers(1))
    if not im.attribute("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return make.bitcast(im.program, x, make.reshaped(sizes, prod(x.shape))).out


def squeeze(im: Importer, node: Node) -> Value:
    """Reads the axes from the attribute only: the input that opset 13 brought is ignored, and all axes of size 1 go."""
    x = im.read()
    axes = im.axes()
    if axes is None:
        axes = tuple(axis for axis, size in enumerate(x.shape) if size == 1)
    gone = {axis % len(x.shape) for axis in axes}
    return make.bitcast(im.program, x, [size for axis, size in enumerate(x.shape) if axis not in gone]).out


def unsqueeze(im: Importer, node: Node) -> Value:
    x = im.read()
    axes = im.axes()
    axes = im.integers(1) if axes is None else axes
    rank = len(x.shape) + len(axes)
    new = {axis % rank for axis in axes}
    sizes = iter(x.shape)
    return make.bitcast(im.program, x, [1 if axis in new else next(sizes) for axis in range(rank)]).out


def transpose(im: Importer, node: Node) -> Value:
    x = im.read()
    return make.transpose(im.program, x, im.attribute("perm", tuple(reversed(range(len(x.shape)))))).out


def slice_(im: Importer, node: Node) -> Value:
    x = im.read()
    rank = len(x.shape)
    if "starts" in node.attributes:
        starts, ends = im.attribute("starts", ()), im.attribute("ends", ())
        axes, steps = im.axes(), im.axes("steps")
    else:
        starts, ends = im.integers(1), im.integers(2)
        axes = im.integers(3) if im.has(3) else None
        steps = im.integers(4) if im.has(4) else None
    begin, end, strides = [0] * rank, list(x.shape), [1] * rank
    for k, axis in enumerate(axes if axes is not None else range(len(starts))):
        size = x.shape[axis]
        low, high = (max(-size - 1, min(size, int(bound[k]))) for bound in (starts, ends))
        strides[axis] = int(steps[k]) if steps is not None else 1
        begin[axis] = low + size if low < 0 else low
        end[axis] = high + size if high < 0 else high
    return make.slice_(im.program, x, begin, end, strides).out


def split(im: Importer, node: Node) -> list[Value]:
    x = im.read()
    for output in node.outputs:
        im.need_value_info(output)
    axis = im.attribute("axis", 0) % len(x.shape)
    sizes = im.attribute("split", None)
    if sizes is None:
        sizes = im.integers(1) if im.has(1) else [x.shape[axis] // len(node.outputs)] * len(node.outputs)
    shapes = [(*x.shape[:axis], int(size), *x.shape[axis + 1 :]) for size in sizes]
    return im.program.add("split", [x], shapes, dtype=x.dtype, axis=axis, sizes=tuple(int(s) for s in sizes)).outputs


def pad(im: Importer, node: Node) -> Value:
    x = im.read()
    amounts = im.attribute("pads", None)
    amounts = im.integers(1) if amounts is None else amounts
    half = len(amounts) // 2
    value = im.attribute("value", 0.0)
    if im.has(2):
        value = (im.floats(2) or (0.0,))[0]
    pads = [(int(amounts[k]), int(amounts[k + half])) for k in range(half)]
    return make.pad(im.program, x, pads, str(im.attribute("mode", "constant")), float(value)).out


def resize(im: Importer, node: Node) -> Value:
    """Scales first, then sizes; sizes are rounded down."""
    x = im.read()
    scales: tuple[float, ...] = tuple(im.attribute("scales", ()))
    if not scales:
        scales = im.floats(1 if len(node.inputs) == 2 else 2)
    if scales:
        height, width = (floor(size * scale) for size, scale in zip(x.shape[2:], scales[2:], strict=True))
    else:
        height, width = im.integers(3)[2:]
    shape = (*x.shape[:2], height, width)
    return im.program.add("resize", [x], [shape], dtype=x.dtype, mode=str(im.attribute("mode", "nearest"))).out


def reduce(im: Importer, node: Node) -> Value:
    """Reads the axes from the attribute only; without it all axes are reduced."""
    x, p = im.read(), im.program
    axes = [axis % len(x.shape) for axis in im.axes() or range(len(x.shape))]
    keep = bool(im.attribute("keepdims", 1))
    function = node.op.removeprefix("Reduce").lower()
    if function == "l2":
        squares = make.unary(p, "square", x).out
        return make.unary(p, "sqrt", make.reduce(p, "sum", squares, axes, keep).out).out
    if function == "l1":
        return make.reduce(p, "sum", make.unary(p, "abs", x).out, axes, keep).out
    if function == "sumsquare":
        return make.reduce(p, "sum", make.unary(p, "square", x).out, axes, keep).out
    if function == "logsum":
        return make.unary(p, "log", make.reduce(p, "sum", x, axes, keep).out).out
    if function == "logsumexp":
        return make.unary(p, "log", make.reduce(p, "sum", make.unary(p, "exp", x).out, axes, keep).out).out
    return make.reduce(p, function, x, axes, keep).out


def reduce_arg(im: Importer, node: Node) -> Value:
    im.need_value_type(node.outputs[0])
    x = im.read()
    axis, keep = im.attribute("axis", 0) % len(x.shape), im.attribute("keepdims", 1)
    shape = [1 if k == axis else size for k, size in enumerate(x.shape) if keep or k != axis] or [1]
    return im.program.add("reduce_arg", [x], [shape], dtype="i64", axis=axis).out


def softmax(im: Importer, node: Node) -> Value:
    """Before opset 13 on the tensor folded to two dimensions."""
    p, x = im.program, im.read()
    opset = im.graph.opsets.get("", 13)
    axis = im.attribute("axis", 1 if opset < 13 else -1) % len(x.shape)
    whole = im.version.since(1, 6)
    if opset >= 13:
        return make.softmax(p, x, axis, whole=whole).out
    folded = make.bitcast(p, x, (prod(x.shape[:axis]), prod(x.shape[axis:]))).out
    return make.bitcast(p, make.softmax(p, folded, 1, whole=whole).out, x.shape).out


def log_softmax(im: Importer, node: Node) -> Value:
    p, x = im.program, im.read()
    opset = im.graph.opsets.get("", 13)
    axis = im.attribute("axis", 1 if opset < 13 else -1) % len(x.shape)
    axes = (axis,) if opset >= 13 else tuple(range(axis, len(x.shape)))
    shifted = make.binary(p, "sub", x, make.reduce(p, "max", x, axes, True).out).out
    total = make.reduce(p, "sum", make.unary(p, "exp", shifted).out, axes, True).out
    return make.binary(p, "sub", shifted, make.unary(p, "log", total).out).out


def constant(im: Importer, node: Node) -> Value:
    return im.value(node.outputs[0])


def shape(im: Importer, node: Node) -> Value:
    sizes = im.read().shape

    def load() -> np.ndarray[Any, Any]:
        import numpy as np

        return np.asarray(sizes, "int64")

    return im.program.constant((len(sizes),), load, "i64")


def constant_of_shape(im: Importer, node: Node) -> Value:
    sizes = im.integers(0)
    folded = im.graph.value(node.outputs[0])
    return im.program.constant(sizes or (1,), (lambda: folded) if folded is not None else None)


def cast(im: Importer, node: Node) -> Value:
    x = im.read()
    return im.program.add(
        "convert", [x], [x.shape], dtype=DTYPES.get(im.graph.tensor(node.outputs[0]).dtype, "f32")
    ).out


def gather(im: Importer, node: Node) -> Value:
    im.need_value_info(node.outputs[0])
    x, indices = im.read(0), im.read(1)
    index = im.program.add("convert", [indices], [indices.shape], dtype="i32").out
    axis = im.attribute("axis", 0) % len(x.shape)
    return im.program.add("gather", [x, index], [im.output_shape()], dtype=x.dtype, axis=axis).out


def looked_up(im: Importer, node: Node) -> list[Value]:
    """Operators whose output's shape the importer looks up in the file."""
    im.need_value_info(node.outputs[0])
    return im.plain(node)


def expand(im: Importer, node: Node) -> Value:
    x, sizes = im.read(), im.integers(1)

    def load() -> np.ndarray[Any, Any]:
        import numpy as np

        return np.ones(sizes, "float32")

    return make.binary(im.program, "mul", x, im.program.constant(sizes, load)).out


def tile(im: Importer, node: Node) -> Value:
    """A Concat of the tensor with itself for every axis that repeats, last axis first."""
    x = im.read()
    repeats = im.integers(1)
    for axis in reversed(range(len(x.shape))):
        if repeats[axis] != 1:
            x = make.concat(im.program, [x] * repeats[axis], axis).out
    return x if x is not im.read() else make.bitcast(im.program, x, x.shape).out


def depth_to_space(im: Importer, node: Node) -> Value:
    p, x, k = im.program, im.read(), im.attribute("blocksize", 1)
    n, c, h, w = x.shape
    if str(im.attribute("mode", "DCR")) == "CRD":
        apart, perm = (n, c // k // k, k, k, h, w), (0, 1, 4, 2, 5, 3)
    else:
        apart, perm = (n, k, k, c // k // k, h, w), (0, 3, 4, 1, 5, 2)
    moved = make.transpose(p, make.bitcast(p, x, apart).out, perm).out
    return make.bitcast(p, moved, (n, c // k // k, h * k, w * k)).out


def space_to_depth(im: Importer, node: Node) -> Value:
    p, x, k = im.program, im.read(), im.attribute("blocksize", 1)
    n, c, h, w = x.shape
    moved = make.transpose(p, make.bitcast(p, x, (n, c, h // k, k, w // k, k)).out, (0, 3, 5, 1, 2, 4)).out
    return make.bitcast(p, moved, (n, c * k * k, h // k, w // k)).out


def where(im: Importer, node: Node) -> Value:
    p, condition, a, b = im.program, im.read(0), im.read(1), im.read(2)
    converted = p.add("convert", [condition], [condition.shape], dtype="f32").out
    shape = make.broadcast_shape(make.broadcast_shape(condition.shape, a.shape), b.shape)
    return p.add("ternary", [converted, a, b], [shape], dtype=a.dtype).out


def compare(im: Importer, node: Node) -> Value:
    a, b = im.read(0), im.read(1)
    function = node.op.lower()
    return im.program.add(
        "compare", [a, b], [make.broadcast_shape(a.shape, b.shape)], dtype="u8", function=function
    ).out


UNSCALED = (0.0, 1.0)
"""Zero point and scale with which truth values become real numbers and back."""


def logical_not(im: Importer, node: Node) -> Value:
    im.need_value_type(node.outputs[0])
    p, x = im.program, im.read()
    turned = make.unary(p, "logical_not", make.dequantize(p, x, UNSCALED).out).out
    return p.add("quantize", [turned], [turned.shape], dtype="u8", range=UNSCALED).out


def logical_and(im: Importer, node: Node) -> Value:
    im.need_value_type(node.outputs[0])
    p = im.program
    a, b = (make.dequantize(p, im.read(index), UNSCALED).out for index in (0, 1))
    both = make.binary(p, "logical_and", a, b).out
    return p.add("quantize", [both], [both.shape], dtype="u8", range=UNSCALED).out


def quantize(im: Importer, node: Node) -> Value:
    im.need_value_type(node.outputs[0])
    x = im.read()
    zero_point, scale = _parameters(im, node)
    dtype = DTYPES.get(im.graph.tensor(node.outputs[0]).dtype, "u8")
    return im.program.add("quantize", [x], [x.shape], dtype=dtype, range=(zero_point, scale)).out


def dequantize(im: Importer, node: Node) -> Value:
    x = im.read()
    return make.dequantize(im.program, x, _parameters(im, node)).out


def _parameters(im: Importer, node: Node) -> tuple[float, float]:
    """Zero point and scale; only one pair for the whole tensor is taken."""
    scales = im.floats(1)
    if len(scales) > 1:
        task = "per-tensor quantization" if node.op == "QuantizeLinear" else "per-tensor dequantize"
        im.refuse("per-axis-quantization", f"RuntimeError: scale: only support {task}.", scales=len(scales))
    tensor = im.graph.tensor(node.inputs[0] if node.op == "DequantizeLinear" else node.outputs[0])
    if im.has(2) and tensor.dtype not in ("uint8", "int8"):
        im.refuse(
            "quantized-type", f"RuntimeError: {node.op}: unsupported data type:{tensor.dtype}", dtype=tensor.dtype
        )
    return (im.floats(2)[0] if im.has(2) else 0.0), scales[0]


REDUCTIONS = ("Mean", "Max", "Min", "Sum", "Prod", "L1", "L2", "SumSquare", "LogSum", "LogSumExp")
COMPARISONS = ("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")

OPERATORS: dict[str, Operator] = {
    "Concat": concat,
    "Identity": same,
    "Dropout": same,
    "Flatten": flatten,
    "Reshape": reshape,
    "Squeeze": squeeze,
    "Unsqueeze": unsqueeze,
    "Transpose": transpose,
    "Slice": slice_,
    "Split": split,
    "Pad": pad,
    "Resize": resize,
    "Upsample": resize,
    "ArgMax": reduce_arg,
    "ArgMin": reduce_arg,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "Constant": constant,
    "Shape": shape,
    "ConstantOfShape": constant_of_shape,
    "Cast": cast,
    "Gather": gather,
    "GatherElements": looked_up,
    "GatherND": looked_up,
    "Compress": looked_up,
    "OneHot": looked_up,
    "Expand": expand,
    "Tile": tile,
    "DepthToSpace": depth_to_space,
    "SpaceToDepth": space_to_depth,
    "Where": where,
    "Not": logical_not,
    "And": logical_and,
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    **{f"Reduce{name}": reduce for name in REDUCTIONS},
    **dict.fromkeys(COMPARISONS, compare),
}
