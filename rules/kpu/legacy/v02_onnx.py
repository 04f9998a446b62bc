"""What nncase 0.2 makes of ONNX operators, its mistakes included.

Source: nncase v0.2.0-beta4, src/importer/onnx/ops.
"""

from __future__ import annotations

from math import ceil

from lintmodel.ir import Conv, ConvTranspose, Node, Pad
from lintmodel.target import Target

from ..compiler import make, onnx_operators, onnx_tensor_operators
from ..compiler.importer import CannotImport, Dialect, Importer, Operator
from ..compiler.program import Value
from .v02_importer import LegacyImporter
from .v02_misread import misread_pool, read_pads


def legacy(im: Importer) -> LegacyImporter:
    assert isinstance(im, LegacyImporter)
    return im


def conv(im: Importer, node: Node) -> Value:
    im = legacy(im)
    x, view = im.read(0), Conv(im.graph, node)
    _need_initializers(im, node)
    if len(x.shape) != 4:
        raise im.crash("the convolution has not two spatial dimensions")
    weight = im.tensor(1).sizes
    high, wide = read_pads(view)
    im.note_misread(node)
    inputs = [x, im.weights(1, weight), im.zeros(weight[0])]
    return make.conv2d(
        im.program,
        inputs,
        groups=view.groups,
        pad_h=high,
        pad_w=wide,
        stride=view.stride,
        dilation=view.dilation,
    ).out


def _need_initializers(im: LegacyImporter, node: Node) -> None:
    for index, word in ((1, "weight"), (2, "bias")):
        if im.has(index) and not im.is_initializer(node.inputs[index]):
            why = f"the {word} is not an initialiser"
            raise im.crash(why, f"Fatal: Can't find initializer for {word} input")


def conv_transpose(im: Importer, node: Node) -> Value:
    """The output's size leaves the stride out, so that only stride 1 passes the compiler's own check. Weights are
    taken as out x in, which they are not."""
    im = legacy(im)
    x, view = im.read(0), ConvTranspose(im.graph, node)
    _need_initializers(im, node)
    if len(x.shape) != 4:
        raise im.crash("the convolution has not two spatial dimensions")
    weight, pads = im.tensor(1).sizes, read_pads(view)
    sizes = [x.shape[2 + k] + view.dilation[k] * (weight[2 + k] - 1) - sum(pads[k]) for k in (0, 1)]
    back = [make.window(sizes[k], weight[2 + k], view.stride[k], view.dilation[k], pads[k]) for k in (0, 1)]
    if tuple(back) != x.shape[2:]:
        im.refuse("conv-transpose-size", "Fatal: Invalid conv2d transpose shape", stride=view.stride)
        raise CannotImport(node.name)
    im.note_misread(node)
    shape = (x.shape[0], weight[1], *sizes)
    return im.program.add("conv2d_transpose", [x, im.weights(1, weight)], [shape]).out


def pool(im: Importer, node: Node) -> Value:
    if misread_pool(im.graph, node):
        legacy(im).misread.append(node.name)
    return _made(onnx_operators.pool(im, node))


def binary(im: Importer, node: Node) -> Value:
    a, b = im.read(0), im.read(1)
    return make.binary(im.program, node.op.lower(), a, b).out


def sqrt(im: Importer, node: Node) -> Value:
    p = im.program
    return make.binary(p, "div", im.scalar(1.0), make.unary(p, "rsqrt", im.read()).out).out


def leaky_relu(im: Importer, node: Node) -> Value:
    raise legacy(im).crash("the importer leaves one input of a LeakyRelu unconnected")


def matmul(im: Importer, node: Node) -> Value:
    im = legacy(im)
    a = im.read(0)
    product = im.read(1)
    if len(a.shape) != 2 or len(product.shape) != 2:
        raise im.crash("a matrix product of other than two dimensions", "Fatal: inputs must be 2 rank")
    b = im.weights(1, product.shape) if im.graph.is_constant(node.inputs[1]) else product
    return make.matmul(im.program, a, b, im.zeros(product.shape[1])).out


def softmax(im: Importer, node: Node) -> Value:
    axis = int(str(legacy(im).required("axis")))
    x = im.read()
    return make.softmax(im.program, x, axis % len(x.shape), whole=False).out


def concat(im: Importer, node: Node) -> Value:
    legacy(im).required("axis")
    return _made(onnx_tensor_operators.concat(im, node))


def lp_normalization(im: Importer, node: Node) -> Value:
    im = legacy(im)
    for name in ("axis", "p"):
        im.required(name)
    p, x = im.program, im.read()
    axes = (im.attribute("axis", -1) % len(x.shape),)
    if im.attribute("p", 2) == 1:
        raise im.crash("the importer makes only half of an L1 normalisation")
    total = make.reduce(p, "sum", make.unary(p, "square", x).out, axes, True).out
    root = make.unary(p, "rsqrt", make.binary(p, "max", total, im.scalar(1e-10)).out).out
    return make.binary(p, "mul", x, root).out


def pad(im: Importer, node: Node) -> Value:
    """The amounts of the last two axes are kept and applied to the first two."""
    amounts = Pad(im.graph, node).amounts
    if amounts is None:
        raise CannotImport(node.name)
    if any(any(amount) for amount in amounts):
        raise legacy(im).crash("the importer pads batch and channels instead of height and width")
    return im.read()


def reshape(im: Importer, node: Node) -> Value:
    if 0 in (im.integers(1) if im.has(1) else ()):
        raise legacy(im).crash("a 0 in the shape is not replaced by the input's size")
    return _made(onnx_tensor_operators.reshape(im, node))


def resize(im: Importer, node: Node) -> Value:
    im = legacy(im)
    for name in ("mode", "coordinate_transformation_mode"):
        im.required(name)
    scales = node.inputs[1 if len(node.inputs) == 2 else 2]
    if len(node.inputs) != 4 and im.is_initializer(scales):
        raise im.crash("scales are read from Constant nodes only, not from initialisers")
    return _made(onnx_tensor_operators.resize(im, node))


def slice_(im: Importer, node: Node) -> Value:
    """Ends are not cut to the input's size, and open ends of 64 bits become -1."""
    x = im.read()
    made = _made(onnx_tensor_operators.slice_(im, node))
    ends = node.attributes.get("ends") or im.integers(2)
    axes = im.axes() if "starts" in node.attributes else im.integers(3) if im.has(3) else None
    for k, axis in enumerate(axes if axes is not None else range(len(ends))):
        size, end = x.shape[axis], _int32(int(ends[k]))
        step, begin = made.op.attrs["strides"][axis], made.op.attrs["begin"][axis]
        length = ceil(((end if end >= 0 else size + end) - begin) / step)
        if length != made.shape[axis]:
            text = f"the end {ends[k]} of axis {axis} is not cut to the size {size}"
            raise legacy(im).crash(text)
    return made


def _int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


def _made(result: object) -> Value:
    assert isinstance(result, Value)
    return result


def _refusal(node: Node, target: Target) -> str | None:
    known = node.native_op in target.operators["onnx"]
    return None if known else f"Fatal: Not supported ONNX opcode: {node.native_op}"


UNARY = ("Abs", "Ceil", "Cos", "Exp", "Floor", "Log", "Neg", "Sin")
REDUCTIONS = ("ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum")

OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(UNARY, onnx_operators.unary),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Min", "Max"), binary),
    **dict.fromkeys(REDUCTIONS, onnx_tensor_operators.reduce),
    "AveragePool": pool,
    "Concat": concat,
    "Constant": onnx_tensor_operators.constant,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "LeakyRelu": leaky_relu,
    "LpNormalization": lp_normalization,
    "MatMul": matmul,
    "MaxPool": pool,
    "Pad": pad,
    "Relu": onnx_operators.relu,
    "Reshape": reshape,
    "Resize": resize,
    "Slice": slice_,
    "Softmax": softmax,
    "Sqrt": sqrt,
    "Squeeze": onnx_tensor_operators.squeeze,
    "Transpose": onnx_tensor_operators.transpose,
}

ONNX = Dialect(
    OPERATORS,
    _refusal,
    types=frozenset({"float32", "uint8", "unknown"}),
    type_refusal='Fatal: Data type of input "{name}" is not supported',
)
