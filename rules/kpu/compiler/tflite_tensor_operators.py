"""What the TFLite importer makes of operators that move, cut, join or reduce tensors.

Source: nncase v1.9.0, src/importer/tflite/ops; measured with nncase 1.9.0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lintmodel.ir import Node, Pad, Slice

from . import make
from .importer import DTYPES, CannotImport, Importer, Operator
from .program import Value
from .tflite_operators import mismatch, nchw, nhwc, parameters, real, stored

if TYPE_CHECKING:
    import numpy as np


def concat(im: Importer, node: Node) -> Value:
    values = [im.read(index) for index in range(len(node.inputs))]
    return make.concat(im.program, values, im.attribute("axis", 0) % len(values[0].shape)).out


def stack(im: Importer, node: Node) -> Value:
    p, axis = im.program, im.attribute("axis", 0)
    values = [im.read(index) for index in range(len(node.inputs))]
    axis %= len(values[0].shape) + 1
    grown = [make.bitcast(p, v, (*v.shape[:axis], 1, *v.shape[axis:])).out for v in values]
    return make.bitcast(p, make.concat(p, grown, axis).out, im.output_shape()).out


def reshape(im: Importer, node: Node) -> Value:
    """RESHAPE, EXPAND_DIMS: whatever shape the file states for the output."""
    return make.bitcast(im.program, im.read(), im.output_shape()).out


def same(im: Importer, node: Node) -> Value:
    return make.bitcast(im.program, im.read(), im.read().shape).out


def squeeze(im: Importer, node: Node) -> Value:
    x = im.read()
    gone = {axis % len(x.shape) for axis in im.axes() or ()}
    return make.bitcast(im.program, x, [size for axis, size in enumerate(x.shape) if axis not in gone]).out


def pad(im: Importer, node: Node) -> Value:
    amounts = Pad(im.graph, node).amounts
    if amounts is None:
        raise CannotImport(node.name)
    value = 0.0
    if im.has(2):
        value = im.floats(2)[0]
    elif im.tensor(0).dtype == "uint8":
        value = -128.0
    mode = str(im.attribute("mode", "constant"))
    return make.pad(im.program, im.read(), amounts, mode, value).out


def slice_(im: Importer, node: Node) -> Value:
    bounds = Slice(im.graph, node).bounds
    if bounds is None:
        raise CannotImport(node.name)
    begin, end, strides = zip(*bounds, strict=True)
    cut = make.slice_(im.program, im.read(), begin, end, strides).out
    return make.bitcast(im.program, cut, im.output_shape()).out if node.native_op == "STRIDED_SLICE" else cut


def split(im: Importer, node: Node) -> list[Value]:
    x = im.read()
    axis = im.attribute("axis", 0) % len(x.shape)
    shapes = [im.fixed(im.graph.tensor(name)) for name in node.outputs]
    sizes = tuple(shape[axis] for shape in shapes)
    return im.program.add("split", [x], shapes, dtype=x.dtype, axis=axis, sizes=sizes).outputs


def transpose(im: Importer, node: Node) -> Value:
    perm = im.attribute("perm", None)
    if perm is None:
        raise CannotImport(node.name)
    return stored(im, node, make.transpose(im.program, real(im), perm).out)


def resize(im: Importer, node: Node) -> Value:
    x = nchw(im, real(im))
    shape = im.output_shape()
    made = im.program.add(
        "resize", [x], [(*x.shape[:2], *shape[1:3])], dtype=x.dtype, mode=str(im.attribute("mode", "nearest"))
    )
    return stored(im, node, nhwc(im, made.out))


def reduce(im: Importer, node: Node) -> Value:
    dtype = im.tensor(0).dtype
    if dtype in ("uint8", "int8"):
        mismatch(im, node, "Reduce", dtype)
    x = real(im) if dtype in ("uint8", "int8") else im.read()
    axes = tuple(axis % len(x.shape) for axis in im.integers(1))
    function = node.op.removeprefix("Reduce").lower()
    return make.reduce(im.program, function, x, axes, bool(im.attribute("keepdims", 0))).out


def reduce_arg(im: Importer, node: Node) -> Value:
    output = im.graph.tensor(node.outputs[0])
    return im.program.add("reduce_arg", [im.read()], [im.output_shape()], dtype=DTYPES.get(output.dtype, "i32")).out


def cast(im: Importer, node: Node) -> Value:
    x = im.read()
    dtype = DTYPES.get(im.graph.tensor(node.outputs[0]).dtype, "f32")
    return im.program.add("convert", [x], [x.shape], dtype=dtype).out


def _transposed_before(im: Importer, x: Value) -> None:
    """Before 1.7 the importer moved the channels of what it quantised, four axes or not."""
    if not im.version.since(1, 7) and len(x.shape) != 4 and x.op.kind != "constant":
        im.refuse("quantize-rank", "", rank=len(x.shape))


def quantize(im: Importer, node: Node) -> Value:
    _transposed_before(im, im.read())
    x, output = im.read(), im.graph.tensor(node.outputs[0])
    dtype = DTYPES.get(output.dtype, "u8")
    return im.program.add("quantize", [x], [x.shape], dtype=dtype, range=parameters(im, output)).out


def dequantize(im: Importer, node: Node) -> Value:
    _transposed_before(im, im.read())
    return make.dequantize(im.program, im.read(), parameters(im, im.tensor(0))).out


def shape(im: Importer, node: Node) -> Value:
    sizes = im.read().shape

    def load() -> np.ndarray[Any, Any]:
        import numpy as np

        return np.asarray(sizes, "int32")

    return im.program.constant((len(sizes),), load, "i32")


def gather(im: Importer, node: Node) -> Value:
    x, indices = im.read(0), im.read(1)
    index = (
        indices if indices.dtype == "i32" else im.program.add("convert", [indices], [indices.shape], dtype="i32").out
    )
    axis = im.attribute("axis", 0) % len(x.shape)
    return im.program.add("gather", [x, index], [im.output_shape()], dtype=x.dtype, axis=axis).out


def tile(im: Importer, node: Node) -> Value:
    x = start = im.read()
    repeats = im.integers(1)
    for axis in reversed(range(len(x.shape))):
        if repeats[axis] != 1:
            x = make.concat(im.program, [x] * repeats[axis], axis).out
    return make.bitcast(im.program, x, x.shape).out if x is start else x


def compare(im: Importer, node: Node) -> Value:
    a, b = im.read(0), im.read(1)
    shape = make.broadcast_shape(a.shape, b.shape)
    return im.program.add("compare", [a, b], [shape], dtype="u8", function=node.op.lower()).out


def space_to_batch(im: Importer, node: Node) -> Value:
    """In the compiler's layout; dissolves when a convolution and the way back follow."""
    x, (height, width), pads = nchw(im, im.read()), _two(im.integers(1)), im.integers(2)
    return nhwc(im, _batched(im, x, "space_to_batch", (height, width), pads))


def batch_to_space(im: Importer, node: Node) -> Value:
    x, (height, width), crops = nchw(im, im.read()), _two(im.integers(1)), im.integers(2)
    return nhwc(im, _batched(im, x, "batch_to_space", (height, width), crops))


def _batched(im: Importer, x: Value, kind: str, block: tuple[int, int], border: tuple[int, ...]) -> Value:
    n, h, w, c = im.output_shape()
    attrs: dict[str, Any] = {"block": block, "border_h": tuple(border[:2]), "border_w": tuple(border[2:4])}
    return im.program.add(kind, [x], [(n, c, h, w)], dtype=x.dtype, **attrs).out


def _two(values: tuple[int, ...]) -> tuple[int, int]:
    if len(values) != 2:
        raise CannotImport("only 4-D maps")
    return values[0], values[1]


REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceProd")
COMPARISONS = ("Equal", "NOT_EQUAL", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")

OPERATORS: dict[str, Operator] = {
    "Concat": concat,
    "Stack": stack,
    "Reshape": reshape,
    "Unsqueeze": reshape,
    "FAKE_QUANT": same,
    "Squeeze": squeeze,
    "Pad": pad,
    "Slice": slice_,
    "Split": split,
    "Transpose": transpose,
    "Resize": resize,
    **dict.fromkeys(REDUCTIONS, reduce),
    "ArgMax": reduce_arg,
    "ArgMin": reduce_arg,
    "Cast": cast,
    "QuantizeLinear": quantize,
    "DequantizeLinear": dequantize,
    "Shape": shape,
    "Gather": gather,
    "Tile": tile,
    **dict.fromkeys(COMPARISONS, compare),
    "SpaceToBatch": space_to_batch,
    "BatchToSpace": batch_to_space,
}
