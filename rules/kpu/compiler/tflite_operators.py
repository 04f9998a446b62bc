"""What the TFLite importer makes of convolutions, pools, dense layers and functions of one or two tensors.

Feature maps are N,H,W,C in the file and N,C,H,W in the compiler: a Transpose goes before and behind. Quantised
tensors are dequantised before and quantised behind where the importer thought of it; where it did not, the types do
not match and it stops, or it reads a parameter that is not there and crashes.

Source: nncase v1.9.0, src/importer/tflite/ops; measured with nncase 1.9.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from lintmodel.ir import Conv, ConvTranspose, Node, Pool, Tensor

from . import make
from .importer import DTYPES, CannotImport, Importer, Operator
from .program import Range, Value

TO_NCHW, TO_NHWC = (0, 3, 1, 2), (0, 2, 3, 1)
CLAMPS = {"Relu", "Relu6", "ReluN1To1"}
"""Fused activations that become a convolution's range; any other is refused."""


def check_outputs(im: Importer, node: Node, values: Sequence[Value]) -> None:
    """Types and shapes must be those the file states."""
    for name, value in zip(node.outputs, values, strict=False):
        tensor = im.graph.tensor(name)
        if tensor.known and (tensor.sizes or (1,)) != value.shape:
            ours, theirs = (",".join(map(str, shape)) for shape in (value.shape, tensor.sizes or (1,)))
            im.refuse("shape-mismatch", f"[{ours}] != [{theirs}]", made=value.shape, declared=tensor.sizes)
        if tensor.dtype not in im.dialect.types:
            im.refuse_type(tensor)


def mismatch(im: Importer, node: Node, consumer: str, dtype: str, suffix: str = "") -> None:
    """The importer connects a dequantised value to an operation typed as the file's integers."""
    name = node.outputs[0]
    text = f"{name}{suffix and '/' + suffix}[Dequantize]->{name}{suffix and '/' + consumer.lower()}[{consumer}]"
    im.refuse("quantized-operator", f"{text} has type mismatch: [f32]->[{DTYPES.get(dtype, dtype)}]", dtype=dtype)


def parameters(im: Importer, tensor: Tensor) -> Range:
    """Zero point and scale of a tensor; without them the importer reads what is not there."""
    found = tensor.quantization
    if found is None or not found.scales:
        im.refuse("quantization-missing", "", tensor=tensor.name, dtype=tensor.dtype)
        return (0.0, 1.0)
    return (float(found.zero_points[0]) if found.zero_points else 0.0, found.scales[0])


def real(im: Importer, index: int = 0) -> Value:
    """An input in float32, dequantised if need be."""
    tensor, value = im.tensor(index), im.read(index)
    if tensor.dtype == "float32":
        return value
    if tensor.dtype not in im.dialect.types and value.op.kind != "constant":
        im.refuse_type(tensor)
    return make.dequantize(im.program, value, parameters(im, tensor)).out


def stored(im: Importer, node: Node, value: Value, index: int = 0) -> Value:
    """The result in the type of the output, quantised when the input was."""
    output = im.graph.tensor(node.outputs[0])
    if im.tensor(index).dtype == "float32" or output.dtype == "float32":
        return value
    dtype = DTYPES.get(output.dtype, "u8")
    return im.program.add("quantize", [value], [value.shape], dtype=dtype, range=parameters(im, output)).out


def nchw(im: Importer, value: Value) -> Value:
    if len(value.shape) != 4:
        raise CannotImport("not a feature map")
    return make.transpose(im.program, value, TO_NCHW).out


def nhwc(im: Importer, value: Value) -> Value:
    return make.transpose(im.program, value, TO_NHWC).out


def clamps(im: Importer) -> bool:
    activation = im.attribute("activation", None)
    if activation is not None and activation not in CLAMPS:
        text = f"RuntimeError: Unsupported activation: {str(activation).upper()}"
        im.refuse("fused-activation", text, activation=activation)
    return activation in CLAMPS


def conv(im: Importer, node: Node) -> Value:
    view = Conv(im.graph, node)
    p, x = im.program, nchw(im, real(im, 0))
    depthwise = node.native_op == "DEPTHWISE_CONV_2D"
    weights = make.transpose(p, real(im, 1), (3, 0, 1, 2) if depthwise else TO_NCHW).out
    groups = 1
    if depthwise:
        multiplier = im.attribute("depth_multiplier", 1)
        groups = 1 if x.shape[1] == 1 and multiplier == weights.shape[0] else weights.shape[0]
        if groups != 1 and multiplier != 1:
            name = im.tensor(1).name.split("/")[0]
            message = f"RuntimeError: DepthwiseConv2d {name} with depth_multiplier {multiplier} is not supported"
            im.refuse("depth-multiplier", message, in_channels=x.shape[1], out_channels=weights.shape[0])
    output = im.graph.tensor(node.outputs[0])
    if output.dtype != "float32" and not (output.quantization and output.quantization.has_range):
        im.refuse("quantized-conv", "", dtype=output.dtype)
    if not im.has(2):
        im.refuse("conv-without-bias", "")
    bias = real(im, 2) if im.has(2) else im.zeros(weights.shape[0])
    top, left, bottom, right = view.pads
    made = make.conv2d(
        p,
        [x, weights, bias],
        groups=groups,
        pad_h=(top, bottom),
        pad_w=(left, right),
        stride=view.stride,
        dilation=view.dilation,
        clamp=clamps(im) or output.dtype != "float32",
    )
    return stored(im, node, nhwc(im, made.out))


def conv_transpose(im: Importer, node: Node) -> Value:
    """The padding is that of a convolution over the output; a fused activation is ignored."""
    view = ConvTranspose(im.graph, node)
    p, x = im.program, nchw(im, real(im, 0))
    weights = make.transpose(p, real(im, 1), TO_NCHW).out
    shape = im.output_shape()
    sizes = (shape[0], shape[3], shape[1], shape[2])
    pads = [_border(sizes[2 + axis], weights.shape[2 + axis], view.stride[axis], _same(node)) for axis in (0, 1)]
    bias = im.read(2) if im.has(2) else im.zeros(sizes[1])
    made = p.add(
        "conv2d_transpose",
        [x, weights, bias],
        [sizes],
        groups=1,
        pad_h=pads[0],
        pad_w=pads[1],
        stride=view.stride,
        dilation=(1, 1),
        output_padding=(0, 0),
        clamp=False,
    )
    return stored(im, node, nhwc(im, made.out))


def _same(node: Node) -> bool:
    return str(node.attributes.get("auto_pad", "")).startswith("SAME")


def _border(size: int, kernel: int, stride: int, same: bool) -> tuple[int, int]:
    """Padding before and after of a window over ``size``; none without SAME."""
    total = max(0, (-(-size // stride) - 1) * stride + kernel - size) if same else 0
    return total // 2, total - total // 2


def pool(im: Importer, node: Node) -> Value:
    view = Pool(im.graph, node)
    x = nchw(im, real(im))
    top, left, bottom, right = view.pads
    function = "max" if view.kind == "max" else "mean"
    clamps(im)
    made = make.reduce_window(im.program, function, x, view.kernel, view.stride, (top, bottom), (left, right))
    return stored(im, node, nhwc(im, made.out))


def dense(im: Importer, node: Node) -> Value:
    p, x = im.program, real(im, 0)
    weights = make.transpose(p, real(im, 1), (1, 0)).out
    if not im.version.since(1, 6) and not im.has(2):
        im.refuse("dense-without-bias", "")
    rows = make.bitcast(p, x, make.reshaped((-1, weights.shape[0]), x.elements)).out
    bias = real(im, 2) if im.has(2) else im.zeros(weights.shape[1])
    product = make.matmul(p, rows, weights, bias, clamp=clamps(im)).out
    return stored(im, node, make.bitcast(p, product, im.output_shape()).out)


def matmul(im: Importer, node: Node) -> Value:
    p, sides = im.program, []
    for index, flag in enumerate(("adj_x", "adj_y")):
        x = real(im, index)
        if im.attribute(flag, 0):
            perm = list(range(len(x.shape)))
            perm[-2:] = perm[:-3:-1]
            x = make.transpose(p, x, perm).out
        batch = 1
        for size in x.shape[:-2]:
            batch *= size
        sides.append(make.bitcast(p, x, (batch, *x.shape[-2:])).out)
    product = make.matmul(p, sides[0], sides[1], im.zeros(sides[1].shape[-1])).out
    return stored(im, node, make.bitcast(p, product, im.output_shape()).out)


def binary(im: Importer, node: Node) -> Value:
    dtype = im.tensor(0).dtype
    if dtype in ("uint8", "int8"):
        mismatch(im, node, "Binary", dtype, "input_a_dequant")
    a, b = real_or_integer(im, 0), real_or_integer(im, 1)
    return make.binary(im.program, node.op.lower(), a, b, clamp=clamps(im)).out


def real_or_integer(im: Importer, index: int) -> Value:
    """Quantised bytes are dequantised; whole numbers are too before 1.6."""
    dequantised = im.tensor(index).dtype in ("uint8", "int8") or not im.version.since(1, 6)
    return real(im, index) if dequantised else im.read(index)


def floor_divide(im: Importer, node: Node) -> Value:
    p = im.program
    return stored(im, node, make.unary(p, "floor", make.binary(p, "div", real(im, 0), real(im, 1)).out).out)


def squared_difference(im: Importer, node: Node) -> Value:
    p = im.program
    _needs_float(im, node, "Binary")
    return make.unary(p, "square", make.binary(p, "sub", im.read(0), im.read(1)).out).out


def _needs_float(im: Importer, node: Node, consumer: str) -> None:
    dtype = im.tensor(0).dtype
    if dtype != "float32":
        mismatch(im, node, consumer, dtype)


def relu(im: Importer, node: Node) -> Value:
    _needs_float(im, node, "Binary")
    return make.binary(im.program, "max", real(im), im.scalar(0.0)).out


def prelu(im: Importer, node: Node) -> Value:
    _needs_float(im, node, "Binary")
    p, x, slope, zero = im.program, real(im, 0), real(im, 1), im.scalar(0.0)
    high = make.binary(p, "max", x, zero).out
    low = make.binary(p, "mul", make.binary(p, "min", x, zero).out, slope).out
    return make.binary(p, "add", high, low).out


def leaky_relu(im: Importer, node: Node) -> Value:
    _needs_float(im, node, "Binary")
    p, x = im.program, real(im)
    return make.binary(p, "max", x, make.binary(p, "mul", x, im.scalar(im.attribute("alpha", 0.0))).out).out


def clip(im: Importer, node: Node) -> Value:
    """RELU6 only; the others are not listed."""
    _needs_float(im, node, "Clamp")
    x = real(im)
    low, high = im.scalar(im.attribute("min", 0.0)), im.scalar(im.attribute("max", 6.0))
    return im.program.add("clamp", [x, low, high], [x.shape]).out


def hard_swish(im: Importer, node: Node) -> Value:
    if im.tensor(0).dtype != "float32":
        im.refuse("quantized-conv", "", dtype=im.tensor(0).dtype)
    p, x = im.program, real(im)
    line = make.binary(p, "add", make.binary(p, "mul", x, im.scalar(1 / 6)).out, im.scalar(0.5)).out
    step = make.binary(p, "max", make.binary(p, "min", line, im.scalar(1.0)).out, im.scalar(0.0)).out
    return make.binary(p, "mul", x, step).out


def sigmoid(im: Importer, node: Node) -> Value:
    _needs_float(im, node, "Sigmoid")
    x = real(im)
    return im.program.add("sigmoid", [x], [x.shape]).out


def tanh(im: Importer, node: Node) -> Value:
    _needs_float(im, node, "Binary")
    p = im.program
    power = make.unary(p, "exp", make.binary(p, "mul", real(im), im.scalar(2.0)).out).out
    below = make.binary(p, "add", power, im.scalar(1.0)).out
    return make.binary(p, "div", make.binary(p, "sub", power, im.scalar(1.0)).out, below).out


def unary(im: Importer, node: Node) -> Value:
    _needs_float(im, node, "Unary")
    return make.unary(im.program, node.op.lower(), real(im)).out


def softmax(im: Importer, node: Node) -> Value:
    dtype = im.tensor(0).dtype
    if dtype != "float32":
        mismatch(im, node, "Softmax", dtype)
    x = real(im)
    return make.softmax(im.program, x, len(x.shape) - 1, whole=im.version.since(1, 6)).out


def log_softmax(im: Importer, node: Node) -> Value:
    dtype = im.tensor(0).dtype
    if dtype != "float32":
        mismatch(im, node, "Reduce", dtype)
    p, x = im.program, real(im)
    axes = (len(x.shape) - 1,)
    shifted = make.binary(p, "sub", x, make.reduce(p, "max", x, axes, True).out).out
    total = make.reduce(p, "sum", make.unary(p, "exp", shifted).out, axes, True).out
    return make.binary(p, "sub", shifted, make.unary(p, "log", total).out).out


def l2_normalization(im: Importer, node: Node) -> Value:
    _needs_float(im, node, "Unary")
    p, x = im.program, real(im)
    axes = tuple(range(1, len(x.shape))) or (0,)
    total = make.reduce(p, "sum", make.unary(p, "square", x).out, axes, True).out
    root = make.unary(p, "rsqrt", make.binary(p, "max", total, im.scalar(1e-10)).out).out
    return make.binary(p, "mul", x, root).out


UNARY = ("Abs", "Ceil", "Cos", "Exp", "Floor", "Log", "Neg", "Round", "Sin", "Sqrt")

OPERATORS: dict[str, Operator] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "MaxPool": pool,
    "AveragePool": pool,
    "Gemm": dense,
    "MatMul": matmul,
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Mod"), binary),
    "FLOOR_DIV": floor_divide,
    "SQUARED_DIFFERENCE": squared_difference,
    "Relu": relu,
    "PRelu": prelu,
    "LeakyRelu": leaky_relu,
    "Clip": clip,
    "HardSwish": hard_swish,
    "Sigmoid": sigmoid,
    "Tanh": tanh,
    **dict.fromkeys(UNARY, unary),
    "RSQRT": lambda im, node: make.unary(im.program, "rsqrt", real(im)).out,
    "SQUARE": lambda im, node: make.unary(im.program, "square", real(im)).out,
    "Softmax": softmax,
    "LogSoftmax": log_softmax,
    "LpNormalization": l2_normalization,
}
