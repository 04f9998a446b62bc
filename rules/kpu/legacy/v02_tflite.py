"""What nncase 0.2 makes of TFLite operators.

Source: nncase v0.2.0-beta4, src/importer/tflite/ops.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from lintmodel.ir import Conv, Node
from lintmodel.target import Target

from ..compiler import make, tflite_operators, tflite_tensor_operators
from ..compiler.importer import CannotImport, Dialect, Importer, Operator
from ..compiler.program import Value
from ..compiler.tflite_operators import nchw, nhwc
from .v02_importer import LegacyImporter
from .v02_onnx import legacy

CLAMPS = {None, "Relu", "Relu6", "ReluN1To1"}


def clamped(im: Importer) -> bool:
    """A fused activation sets limits. Others are refused."""
    activation = im.attribute("activation", None)
    if activation not in CLAMPS:
        text = f"Fatal: Not supported activation: {str(activation).upper()}"
        im.refuse("fused-activation", text, activation=activation)
    return activation is not None


def conv(im: Importer, node: Node) -> Value:
    im = legacy(im)
    view = Conv(im.graph, node)
    x, depthwise = nchw(im, im.read(0)), node.native_op == "DEPTHWISE_CONV_2D"
    _need_weights(im, node)
    out, high, wide, within = _sizes(im.tensor(1).sizes, depthwise=depthwise)
    multiplier = im.attribute("depth_multiplier", 1) if depthwise else 1
    groups = out if depthwise else 1
    if depthwise and x.shape[1] == 1 and multiplier == out:
        groups = 1
    elif multiplier != 1:
        name = im.tensor(1).name.split("/")[0]
        message = f"Fatal: DepthwiseConv2d {name} with depth_multiplier {multiplier} is not supported"
        im.refuse("depth-multiplier", message, in_channels=x.shape[1], out_channels=out)
        raise CannotImport(node.name)
    top, left, bottom, right = view.pads
    made = make.conv2d(
        im.program,
        [x, im.weights(1, (out, within, high, wide)), im.zeros(out)],
        groups=groups,
        pad_h=(top, bottom),
        pad_w=(left, right),
        stride=view.stride,
        dilation=view.dilation,
        clamp=clamped(im),
    )
    return nhwc(im, made.out)


def _sizes(stored: Sequence[int], *, depthwise: bool) -> tuple[int, int, int, int]:
    """Outputs, height, width and inputs of one group of stored weights."""
    if depthwise:
        return stored[3], stored[1], stored[2], stored[0]
    return stored[0], stored[1], stored[2], stored[3]


def _need_weights(im: LegacyImporter, node: Node) -> None:
    """Weights in float32 or int8 and a bias in float32, all in the file."""
    if not im.has(2):
        im.refuse("conv-without-bias", "")
        raise CannotImport(node.name)
    for index in (1, 2):
        tensor = im.tensor(index)
        if tensor.constant is None:
            raise im.crash(f"'{tensor.name}' is not a constant")
        kind = tensor.dtype.upper()
        if tensor.dtype != "float32" and (index == 2 or tensor.dtype != "int8" or node.op == "Gemm"):
            text = f"Fatal: Tensor ({tensor.name}) of type {kind} is not supported"
            if index == 2:
                text = f"Fatal: Tensor ({tensor.name}) Expect FLOAT32 tensor but got {kind}"
            elif node.op == "Gemm":
                text = "Fatal: Invalid tesnor type"
            im.refuse("element-type", text, dtype=tensor.dtype)
            raise CannotImport(node.name)
    im.note_misread(node)


def conv_transpose(im: Importer, node: Node) -> Value:
    made = tflite_operators.conv_transpose(im, node)
    assert isinstance(made, Value)
    op = made.op.maker()
    attrs, kernel = op.attrs, op.input(1).shape[2:]
    back = [
        make.window(op.out.shape[2 + k], kernel[k], attrs["stride"][k], 1, attrs[("pad_h", "pad_w")[k]]) for k in (0, 1)
    ]
    if tuple(back) != op.input().shape[2:]:
        im.refuse("conv-transpose-size", "Fatal: Invalid conv2d transpose shape", stride=attrs["stride"])
    return made


def dense(im: Importer, node: Node) -> Value:
    im = legacy(im)
    p, x = im.program, im.read(0)
    _need_weights(im, node)
    outs, ins = im.tensor(1).sizes
    rows = make.bitcast(p, x, make.reshaped((-1, ins), x.elements)).out
    weights = im.weights(1, (ins, outs))
    return make.matmul(p, rows, weights, im.zeros(outs), clamp=clamped(im)).out


def pool(im: Importer, node: Node) -> Value:
    clamped(im)
    made = tflite_operators.pool(im, node)
    assert isinstance(made, Value)
    return made


def binary(im: Importer, node: Node) -> Value:
    return make.binary(im.program, node.op.lower(), im.read(0), im.read(1), clamp=clamped(im)).out


def concat(im: Importer, node: Node) -> Value:
    """A negative axis is compared with positions, and so with none."""
    if im.attribute("axis", 0) < 0:
        raise legacy(im).crash(f"axis {im.attribute('axis', 0)} is not counted from the end")
    made = tflite_tensor_operators.concat(im, node)
    assert isinstance(made, Value)
    return made


def logistic(im: Importer, node: Node) -> Value:
    p, one = im.program, im.scalar(1.0)
    power = make.unary(p, "exp", make.unary(p, "neg", im.read()).out).out
    return make.binary(p, "div", one, make.binary(p, "add", one, power).out).out


def softmax(im: Importer, node: Node) -> Value:
    p, x = im.program, im.read()
    axes = (len(x.shape) - 1,)
    shifted = make.binary(p, "sub", x, make.reduce(p, "max", x, axes, True).out).out
    scaled = make.binary(p, "mul", shifted, im.scalar(im.attribute("beta", 1.0))).out
    power = make.unary(p, "exp", scaled).out
    return make.binary(p, "div", power, make.reduce(p, "sum", power, axes, True).out).out


def space_to_batch(im: Importer, node: Node) -> Value:
    p, x = im.program, im.read()
    block, borders = im.integers(1), im.integers(2)
    spatial, rest = len(block), len(x.shape) - 1 - len(block)
    amounts = [(0, 0), *((borders[2 * k], borders[2 * k + 1]) for k in range(spatial)), *([(0, 0)] * rest)]
    padded = make.pad(p, x, amounts).out
    batch, *sizes = padded.shape
    inner = [part for k in range(spatial) for part in (sizes[k] // block[k], block[k])]
    apart = make.bitcast(p, padded, (batch, *inner, *sizes[spatial:])).out
    outer = [2 * k + 2 for k in range(spatial)]
    perm = [*outer, 0, *(2 * k + 1 for k in range(spatial)), *(2 * spatial + 1 + k for k in range(rest))]
    moved = make.transpose(p, apart, perm).out
    return make.bitcast(
        p, moved, (batch * prod(block), *(sizes[k] // block[k] for k in range(spatial)), *sizes[spatial:])
    ).out


def reshape(im: Importer, node: Node) -> Value:
    """The second input is read without a look whether it is there."""
    if node.native_op == "RESHAPE" and (not im.has(1) or not im.graph.is_constant(node.inputs[1])):
        raise legacy(im).crash("the new shape is not a constant input")
    return make.bitcast(im.program, im.read(), im.output_shape()).out


def _refusal(node: Node, target: Target) -> str | None:
    if not node.domain and node.native_op in target.operators["tflite"]:
        return None
    return f"Fatal: Not supported tflite opcode: {'CUSTOM' if node.domain else node.native_op}"


UNARY = ("Abs", "Ceil", "Cos", "Exp", "Floor", "Log", "Neg", "Sin")
REDUCTIONS = ("ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum")

OPERATORS: dict[str, Operator] = {
    **dict.fromkeys(UNARY, tflite_operators.unary),
    **dict.fromkeys(("Add", "Sub", "Mul", "Div", "Min", "Max"), binary),
    **dict.fromkeys(REDUCTIONS, tflite_tensor_operators.reduce),
    "AveragePool": pool,
    "Clip": tflite_operators.clip,
    "Concat": concat,
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": dense,
    "LeakyRelu": tflite_operators.leaky_relu,
    "LpNormalization": tflite_operators.l2_normalization,
    "MaxPool": pool,
    "Pad": tflite_tensor_operators.pad,
    "RSQRT": tflite_operators.OPERATORS["RSQRT"],
    "Relu": tflite_operators.relu,
    "Reshape": reshape,
    "Resize": tflite_tensor_operators.resize,
    "Sigmoid": logistic,
    "Slice": tflite_tensor_operators.slice_,
    "Softmax": softmax,
    "SpaceToBatch": space_to_batch,
    "Transpose": tflite_tensor_operators.transpose,
}

TFLITE = Dialect(
    OPERATORS,
    _refusal,
    check=tflite_operators.check_outputs,
    types=frozenset({"float32"}),
    type_refusal="Fatal: Invalid tesnor type",
    states_outputs=True,
)
