"""What the ONNX importer makes of convolutions, pools, dense layers, activations and normalisation.

Source: nncase v1.9.0, src/importer/onnx/ops; measured with nncase 1.9.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from lintmodel.ir import Conv, ConvTranspose, Node, Pool

from . import make
from .importer import CannotImport, Importer, Operator
from .program import Value

LOWEST, HIGHEST = -3.4e38, 3.4e38
"""What Clip takes for limits that are left out."""


def conv(im: Importer, node: Node) -> Value:
    """1-D convolutions become 2-D ones with width 1."""
    im.need_value_info(node.outputs[0])
    p, x, weights = im.program, im.read(0), im.read(1)
    flat = len(x.shape) == 3
    if len(x.shape) not in (3, 4):
        raise CannotImport(node.name)
    bias = im.read(2) if im.has(2) else im.zeros(weights.shape[0])
    top, left, bottom, right = _pads(im, node, x)
    view = Conv(im.graph, node)
    if flat:
        x = make.bitcast(p, x, (*x.shape, 1)).out
        weights = make.bitcast(p, weights, (*weights.shape, 1)).out
    made = make.conv2d(
        p,
        [x, weights, bias],
        groups=view.groups,
        pad_h=(top, bottom),
        pad_w=(left, right),
        stride=view.stride,
        dilation=view.dilation,
    ).out
    return make.bitcast(p, made, made.shape[:3]).out if flat else made


def _pads(im: Importer, node: Node, x: Value) -> tuple[int, int, int, int]:
    view = Conv(im.graph, node)
    if str(node.attributes.get("auto_pad", "NOTSET")).startswith("SAME") and not view.x.known:
        raise CannotImport(node.name)
    return view.pads


def conv_transpose(im: Importer, node: Node) -> Value:
    im.need_value_info(node.outputs[0])
    view = ConvTranspose(im.graph, node)
    p, x, weights = im.program, im.read(0), im.read(1)
    if len(x.shape) != 4:
        raise CannotImport(node.name)
    turned = (weights.shape[1] * view.groups, weights.shape[0] // view.groups, *weights.shape[2:])
    bias = im.read(2) if im.has(2) else im.zeros(turned[0])
    top, left, bottom, right = view.pads
    sizes = []
    for axis, before, after in ((0, top, bottom), (1, left, right)):
        reach = (turned[2 + axis] - 1) * view.dilation[axis] + 1
        grown = view.stride[axis] * (x.shape[2 + axis] - 1)
        sizes.append(grown + view.output_padding[axis] + reach - before - after)
    return p.add(
        "conv2d_transpose",
        [x, p.constant(turned), bias],
        [(x.shape[0], turned[0], *sizes)],
        groups=view.groups,
        pad_h=(top, bottom),
        pad_w=(left, right),
        stride=view.stride,
        dilation=view.dilation,
        output_padding=view.output_padding,
        clamp=False,
    ).out


def pool(im: Importer, node: Node) -> Value:
    """Ceil mode is ignored. Only 4-D maps are taken."""
    view = Pool(im.graph, node)
    x = im.read(0)
    if len(x.shape) != 4:
        im.refuse(
            "pool-rank",
            "ValueError: Image with 4-dimensional shape is expected on the input of pooling operators.",
            rank=len(x.shape),
        )
        raise CannotImport(node.name)
    kernel = (x.shape[2], x.shape[3]) if view.is_global else view.kernel
    top, left, bottom, right = (0, 0, 0, 0) if view.is_global else view.pads
    function = "max" if view.kind == "max" else "mean"
    stride = (1, 1) if view.is_global else view.stride
    return make.reduce_window(im.program, function, x, kernel, stride, (top, bottom), (left, right)).out


def gemm(im: Importer, node: Node) -> Value:
    p, a, b = im.program, im.read(0), im.read(1)
    if im.attribute("transA", 0):
        a = make.transpose(p, a, (1, 0)).out
    if im.attribute("transB", 0):
        b = make.transpose(p, b, (1, 0)).out
    a = make.binary(p, "mul", im.scalar(im.attribute("alpha", 1.0)), a).out
    product = make.matmul(p, a, b, im.zeros(b.shape[1])).out
    if not im.has(2):
        return product
    return make.binary(
        p, "add", product, make.binary(p, "mul", im.scalar(im.attribute("beta", 1.0)), im.read(2)).out
    ).out


def matmul(im: Importer, node: Node) -> Value:
    """Higher ranks are folded to three, or two where the batch is 1."""
    im.need_value_info(node.outputs[0])
    p, a, b = im.program, im.read(0), im.read(1)
    left, right = _three(a.shape, (1, 1)), _three(b.shape, (1,)) if len(b.shape) > 1 else (1, b.shape[0], 1)
    first, second = make.bitcast(p, a, left).out, make.bitcast(p, b, right).out
    if left[0] == 1:
        first = make.bitcast(p, first, left[1:]).out
    if right[0] == 1:
        second = make.bitcast(p, second, right[1:]).out
    product = make.matmul(p, first, second, im.zeros(right[2])).out
    return make.bitcast(p, product, im.output_shape()).out


def _three(shape: Sequence[int], front: tuple[int, ...]) -> tuple[int, ...]:
    if len(shape) <= 2:
        return ((1, 1) if len(shape) == 1 else (1,)) + tuple(shape)
    batch = 1
    for size in shape[:-2]:
        batch *= size
    return (batch, shape[-2], shape[-1])


def relu(im: Importer, node: Node) -> Value:
    return make.binary(im.program, "max", im.read(), im.scalar(0.0)).out


def leaky_relu(im: Importer, node: Node) -> Value:
    x = im.read()
    return make.binary(
        im.program, "max", x, make.binary(im.program, "mul", x, im.scalar(im.attribute("alpha", 0.01))).out
    ).out


def prelu(im: Importer, node: Node) -> Value:
    """Before 1.7 the larger of x and its product with the slope, which is right for slopes up to 1 only."""
    p, x, slope, zero = im.program, im.read(0), im.read(1), im.scalar(0.0)
    if not im.version.since(1, 7):
        return make.binary(p, "max", x, make.binary(p, "mul", x, slope).out).out
    high = make.binary(p, "max", x, zero).out
    low = make.binary(p, "mul", make.binary(p, "min", x, zero).out, slope).out
    return make.binary(p, "add", high, low).out


def sigmoid(im: Importer, node: Node) -> Value:
    x = im.read()
    return im.program.add("sigmoid", [x], [x.shape]).out


def hard_sigmoid(im: Importer, node: Node) -> Value:
    return _hard_sigmoid(im, im.read(), im.attribute("alpha", 0.2), im.attribute("beta", 0.5))


def hard_swish(im: Importer, node: Node) -> Value:
    x = im.read()
    return make.binary(im.program, "mul", x, _hard_sigmoid(im, x, 1 / 6, 0.5)).out


def _hard_sigmoid(im: Importer, x: Value, alpha: float, beta: float) -> Value:
    p = im.program
    line = make.binary(p, "add", make.binary(p, "mul", x, im.scalar(alpha)).out, im.scalar(beta)).out
    return make.binary(p, "max", make.binary(p, "min", line, im.scalar(1.0)).out, im.scalar(0.0)).out


def elu(im: Importer, node: Node) -> Value:
    p, x = im.program, im.read()
    low = make.binary(p, "sub", make.unary(p, "exp", x).out, im.scalar(1.0)).out
    low = make.binary(
        p, "mul", make.binary(p, "min", low, im.scalar(0.0)).out, im.scalar(im.attribute("alpha", 1.0))
    ).out
    return make.binary(p, "add", low, make.binary(p, "max", x, im.scalar(0.0)).out).out


def selu(im: Importer, node: Node) -> Value:
    p, x = im.program, im.read()
    low = make.binary(p, "sub", make.unary(p, "exp", x).out, im.scalar(1.0)).out
    low = make.binary(p, "mul", make.binary(p, "min", low, im.scalar(0.0)).out, im.scalar(1.67326)).out
    both = make.binary(p, "add", low, make.binary(p, "max", x, im.scalar(0.0)).out).out
    return make.binary(p, "mul", both, im.scalar(1.0507)).out


def celu(im: Importer, node: Node) -> Value:
    p, x, alpha = im.program, im.read(), im.attribute("alpha", 1.0)
    high = make.binary(p, "max", x, im.scalar(0.0)).out
    low = make.unary(p, "exp", make.binary(p, "div", x, im.scalar(alpha)).out).out
    low = make.binary(p, "mul", make.binary(p, "sub", low, im.scalar(1.0)).out, im.scalar(alpha)).out
    return make.binary(p, "add", high, make.binary(p, "min", low, im.scalar(0.0)).out).out


def softplus(im: Importer, node: Node) -> Value:
    p = im.program
    return make.unary(p, "log", make.binary(p, "add", make.unary(p, "exp", im.read()).out, im.scalar(1.0)).out).out


def softsign(im: Importer, node: Node) -> Value:
    p, x = im.program, im.read()
    return make.binary(p, "div", x, make.binary(p, "add", make.unary(p, "abs", x).out, im.scalar(1.0)).out).out


def clip(im: Importer, node: Node) -> Value:
    x = im.read()
    low = im.read(1) if im.has(1) else im.scalar(im.attribute("min", LOWEST))
    high = im.read(2) if im.has(2) else im.scalar(im.attribute("max", HIGHEST))
    return im.program.add("clamp", [x, low, high], [x.shape]).out


def unary(im: Importer, node: Node) -> Value:
    return make.unary(im.program, node.op.lower(), im.read()).out


def binary(im: Importer, node: Node) -> Value:
    p, a, b = im.program, im.read(0), im.read(1)
    if b.dtype != a.dtype:
        b = p.add("convert", [b], [b.shape], dtype=a.dtype).out
    return make.binary(p, node.op.lower(), a, b).out


def sum_(im: Importer, node: Node) -> Value:
    total = im.read()
    for index in range(1, len(node.inputs)):
        total = make.binary(im.program, "add", total, im.read(index)).out
    return total


def batch_normalization(im: Importer, node: Node) -> Value:
    """Four operations; none is folded into the convolution before it while the mean is not zero."""
    p, x = im.program, im.read()
    rank = len(x.shape)

    def channelwise(value: Value) -> Value:
        if len(value.shape) == rank - 1 and rank != 2:
            return value
        return make.bitcast(p, value, (value.shape[0], *(1,) * (rank - 2))).out

    scale, bias, mean, variance = (channelwise(im.read(index)) for index in range(1, 5))
    centred = make.binary(p, "sub", x, mean).out
    shifted = make.binary(p, "add", variance, im.scalar(im.attribute("epsilon", 1e-5))).out
    normal = make.binary(p, "mul", centred, make.unary(p, "rsqrt", shifted).out).out
    return make.binary(p, "add", make.binary(p, "mul", normal, scale).out, bias).out


def instance_normalization(im: Importer, node: Node) -> Value:
    p, x = im.program, im.read()
    axes = tuple(range(2, len(x.shape)))
    shape = (x.shape[1], *(1,) * len(axes))
    scale, bias = (make.bitcast(p, im.read(index), shape).out for index in (1, 2))
    centred = make.binary(p, "sub", x, make.reduce(p, "mean", x, axes, True).out).out
    variance = make.reduce(p, "mean", make.unary(p, "square", centred).out, axes, True).out
    root = make.unary(p, "sqrt", make.binary(p, "add", variance, im.scalar(im.attribute("epsilon", 1e-5))).out).out
    ratio = make.binary(p, "div", make.binary(p, "mul", scale, centred).out, root).out
    return make.binary(p, "add", ratio, bias).out


def layer_normalization(im: Importer, node: Node) -> Value:
    x, scale = im.read(0), im.read(1)
    bias = im.read(2) if im.has(2) else im.program.constant(scale.shape)
    return im.program.add("layernorm", [x, scale, bias], [x.shape]).out


UNARY: tuple[str, ...] = (
    "Sqrt",
    "Exp",
    "Log",
    "Abs",
    "Neg",
    "Ceil",
    "Floor",
    "Round",
    "Sin",
    "Cos",
    "Tanh",
    "Erf",
    "Sign",
    "Rsqrt",
)
UNARY += ("Acos", "Acosh", "Asin", "Asinh", "Cosh", "Sinh")
BINARY = ("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max")

OPERATORS: dict[str, Operator] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": pool,
    "AveragePool": pool,
    "GlobalMaxPool": pool,
    "GlobalAveragePool": pool,
    "Gemm": gemm,
    "MatMul": matmul,
    "Relu": relu,
    "LeakyRelu": leaky_relu,
    "PRelu": prelu,
    "Sigmoid": sigmoid,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
    "Elu": elu,
    "Selu": selu,
    "Celu": celu,
    "Softplus": softplus,
    "Softsign": softsign,
    "Clip": clip,
    "Sum": sum_,
    "BatchNormalization": batch_normalization,
    "InstanceNormalization": instance_normalization,
    "LayerNormalization": layer_normalization,
    **dict.fromkeys(UNARY, unary),
    **dict.fromkeys(BINARY, binary),
}
