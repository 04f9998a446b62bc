"""Shapes of a node's outputs from those of its inputs, for every format alike.

A size that depends on one that is not known stays a symbol: ``?``, or the name it has where it is carried through
unchanged. Feature maps of nodes with ``layout="NHWC"`` are read as they are stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..ir import Node, Shape
from ..ir.dtypes import onnx_dtype
from . import rearrange, windows
from .known import Known, Mismatch, broadcast

Shapes = Sequence[Shape | None]


def output_shapes(node: Node, known: Known) -> Shapes:
    """One shape per output, None where it cannot be told; empty for operators without a rule here.

    Raises Mismatch when the inputs' shapes do not go together.
    """
    rule = _RULES.get(node.op) if not node.domain else None
    if rule is None:
        return ()
    try:
        return rule(node, known)
    except Mismatch:
        raise
    except (IndexError, KeyError, TypeError, ValueError, ZeroDivisionError, OverflowError):
        return ()  # the node breaks its operator's own definition: nothing can be said about its result


def output_dtype(node: Node, known: Known, index: int) -> str:
    """Element type of an output, ``"unknown"`` where it cannot be told."""
    if node.domain or node.op not in _RULES:
        return "unknown"
    if node.op in _BOOLEAN:
        return "bool"
    if node.op in _INT64 or (node.op in ("TopK", "MaxPool") and index == 1):
        return "int64"
    if node.op == "ConstantOfShape":
        stored = node.attributes.get("value")
        value = stored.load() if stored is not None else None
        return "float32" if value is None else str(value.dtype)
    if node.op == "Cast":
        to = node.attributes.get("to")
        return onnx_dtype(to) if isinstance(to, int) else str(to or "unknown").lower()
    if node.op in ("ConvInteger", "MatMulInteger"):
        return "int32"
    if node.op in ("QuantizeLinear", "QLinearConv", "QLinearMatMul"):
        zero_point = node.inputs[-1] if len(node.inputs) > 2 else ""
        return known.dtype(zero_point) if node.op == "QuantizeLinear" and zero_point else "unknown"
    source = {"Where": 1, "DequantizeLinear": 1, "OneHot": 2}.get(node.op, 0)
    return known.dtype(node.inputs[source]) if source < len(node.inputs) else "unknown"


# ---- value by value


def _same(node: Node, known: Known) -> Shapes:
    return [known.shape(node.inputs[0])]


def _same_twice(node: Node, known: Known) -> Shapes:
    return [known.shape(node.inputs[0])] * len(node.outputs)


def _broadcast(node: Node, known: Known) -> Shapes:
    if node.attributes.get("broadcast") and node.attributes.get("axis") is not None:
        return [known.shape(node.inputs[0])]  # before opset 7 the second operand was fitted to an axis of the first
    if node.native_op == "SELECT":  # TFLite: the condition may choose whole rows
        return [known.shape(node.inputs[1])]
    return [broadcast(*(known.shape(name) for name in node.inputs))]


# ---- products


def _gemm(node: Node, known: Known) -> Shapes:
    a, b = known.shape(node.inputs[0]), known.shape(node.inputs[1])
    if a is None or b is None or len(a) != 2 or len(b) != 2:
        return [None]
    rows, length = reversed(a) if node.attributes.get("transA") else a
    same, columns = reversed(b) if node.attributes.get("transB") else b
    # TFLite's fully connected layer also takes data of another shape, whose elements it puts in rows.
    return [(rows, columns) if length == same or isinstance(length, str) or isinstance(same, str) else None]


def _matmul(node: Node, known: Known) -> Shapes:
    a, b = known.shape(node.inputs[0]), known.shape(node.inputs[1])
    if a is not None and node.attributes.get("adj_x"):  # TFLite
        a = (*a[:-2], a[-1], a[-2])
    if b is not None and node.attributes.get("adj_y"):
        b = (*b[:-2], b[-1], b[-2])
    return [_matrix_product(a, b)]


def _qlinear_matmul(node: Node, known: Known) -> Shapes:
    return [_matrix_product(known.shape(node.inputs[0]), known.shape(node.inputs[3]))]


def _matrix_product(a: Shape | None, b: Shape | None) -> Shape | None:
    if not a or not b:
        return None
    length, same = a[-1], b[-2] if len(b) > 1 else b[-1]
    if isinstance(length, int) and isinstance(same, int) and length != same:
        raise Mismatch(f"its first input has {length} columns, its second {same} rows; a product needs as many")
    batch = broadcast(a[:-2], b[:-2])
    rows, columns = a[-2:-1], b[-1:] if len(b) > 1 else ()
    return None if batch is None else (*batch, *rows, *columns)


# ---- fewer or more elements


def _reduce(node: Node, known: Known) -> Shapes:
    x, axes = known.shape(node.inputs[0]), rearrange.axes_of(node, known)
    keeps = bool(node.attributes.get("keepdims", 1))
    if x is None or axes is None:
        return [("?",) * len(x) if x is not None and keeps else None]
    if not axes and node.attributes.get("noop_with_empty_axes"):
        return [x]
    gone = {axis % len(x) for axis in axes} or set(range(len(x)))
    return [_without(x, gone, keeps=keeps)]


def _arg(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None or (len(node.inputs) > 1 and "axis" not in node.attributes):  # TFLite: the axis is an input
        return [None]
    axis = int(node.attributes.get("axis", 0)) % len(x)
    return [_without(x, {axis}, keeps=bool(node.attributes.get("keepdims", 1)))]


def _without(x: Shape, gone: set[int], *, keeps: bool) -> Shape:
    return tuple(1 if i in gone else d for i, d in enumerate(x) if keeps or i not in gone)


def _topk(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None:
        return [None] * len(node.outputs)
    k = (node.attributes["k"],) if "k" in node.attributes else known.ints(node.inputs[1])
    axis = int(node.attributes.get("axis", -1)) % len(x)
    return [(*x[:axis], int(k[0]) if k else "?", *x[axis + 1 :])] * len(node.outputs)


def _one_hot(node: Node, known: Known) -> Shapes:
    indices, depth = known.shape(node.inputs[0]), known.ints(node.inputs[1])
    if indices is None:
        return [None]
    axis = int(node.attributes.get("axis", -1)) % (len(indices) + 1)
    return [(*indices[:axis], depth[0] if depth else "?", *indices[axis:])]


# ---- shapes as values


def _shape(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None:
        return [("?",)]
    return [(len(x[node.attributes.get("start", 0) : node.attributes.get("end", len(x))]),)]


def _size(node: Node, known: Known) -> Shapes:
    return [()]


def _constant_of_shape(node: Node, known: Known) -> Shapes:
    wanted, length = known.ints(node.inputs[0]), known.shape(node.inputs[0])
    if wanted is not None:
        return [wanted]
    return [("?",) * length[0] if length and isinstance(length[0], int) else None]


def _range(node: Node, known: Known) -> Shapes:
    start, limit, delta = (known.value(name) for name in node.inputs)
    if start is None or limit is None or delta is None:
        return [("?",)]
    count = (limit.item() - start.item()) / delta.item()
    return [(max(0, -int(-count // 1)),)]


def _non_zero(node: Node, known: Known) -> Shapes:
    x, value = known.shape(node.inputs[0]), known.value(node.inputs[0])
    return [(len(x), int((value != 0).sum()) if value is not None else "?") if x is not None else ("?", "?")]


def _nms(node: Node, known: Known) -> Shapes:
    return [("?", 3)]


def _grid_sample(node: Node, known: Known) -> Shapes:
    x, grid = known.shape(node.inputs[0]), known.shape(node.inputs[1])
    return [(*x[:2], *grid[1:-1]) if x is not None and grid is not None else None]


_COMPARISONS = "Equal Greater GreaterOrEqual Less LessOrEqual And Or Xor"
_BOOLEAN = frozenset((*_COMPARISONS.split(), "Not", "IsNaN", "IsInf"))
_INT64 = frozenset(("Shape", "Size", "ArgMax", "ArgMin", "NonZero", "NonMaxSuppression"))

Rule = Callable[[Node, Known], Shapes]

_UNARY = """
    Relu LeakyRelu PRelu Sigmoid Tanh Clip HardSigmoid HardSwish Elu Selu Celu Softplus Softsign Gelu Mish Swish SiLU
    ThresholdedRelu Exp Log Sqrt Abs Neg Erf Reciprocal Sign Floor Ceil Round Sin Cos Tan Asin Acos Atan Sinh Cosh
    Asinh Acosh Atanh Not BitwiseNot IsNaN IsInf Identity Cast CastLike Softmax LogSoftmax Hardmax Shrink CumSum Trilu
    BatchNormalization InstanceNormalization LayerNormalization GroupNormalization RMSNormalization LRN LpNormalization
    MeanVarianceNormalization QuantizeLinear DequantizeLinear ScatterND ScatterElements Scatter ReverseSequence
    EyeLike RandomNormalLike RandomUniformLike Bernoulli
"""
_ELEMENTWISE = f"""
    Add Sub Mul Div Pow Mod Min Max Sum Mean Where BitShift BitwiseAnd BitwiseOr BitwiseXor {_COMPARISONS}
"""
_REDUCTIONS = """
    ReduceMean ReduceMax ReduceMin ReduceSum ReduceProd ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceSumSquare
"""

_BY_RULE: tuple[tuple[Rule, str], ...] = (
    (_same, _UNARY),
    (_same_twice, "Dropout"),
    (_broadcast, _ELEMENTWISE),
    (windows.conv, "Conv ConvInteger"),
    (windows.qlinear_conv, "QLinearConv"),
    (windows.conv_transpose, "ConvTranspose"),
    (windows.pool, "MaxPool AveragePool LpPool"),
    (windows.global_pool, "GlobalMaxPool GlobalAveragePool GlobalLpPool"),
    (windows.resize, "Resize Upsample"),
    (windows.depth_to_space, "DepthToSpace"),
    (windows.space_to_depth, "SpaceToDepth"),
    (_gemm, "Gemm"),
    (_matmul, "MatMul MatMulInteger"),
    (_qlinear_matmul, "QLinearMatMul"),
    (rearrange.reshape, "Reshape"),
    (rearrange.flatten, "Flatten"),
    (rearrange.transpose, "Transpose"),
    (rearrange.squeeze, "Squeeze"),
    (rearrange.unsqueeze, "Unsqueeze"),
    (rearrange.concat, "Concat"),
    (rearrange.split, "Split"),
    (rearrange.stack, "Stack"),
    (rearrange.unstack, "Unstack"),
    (rearrange.part, "Slice"),
    (rearrange.pad, "Pad"),
    (rearrange.gather, "Gather"),
    (rearrange.gather_elements, "GatherElements"),
    (rearrange.gather_nd, "GatherND"),
    (rearrange.expand, "Expand"),
    (rearrange.tile, "Tile"),
    (_reduce, _REDUCTIONS),
    (_arg, "ArgMax ArgMin"),
    (_topk, "TopK"),
    (_one_hot, "OneHot"),
    (_shape, "Shape"),
    (_size, "Size"),
    (_constant_of_shape, "ConstantOfShape"),
    (_range, "Range"),
    (_non_zero, "NonZero"),
    (_nms, "NonMaxSuppression"),
    (_grid_sample, "GridSample"),
)
_RULES: dict[str, Rule] = {op: rule for rule, ops in _BY_RULE for op in ops.split()}
