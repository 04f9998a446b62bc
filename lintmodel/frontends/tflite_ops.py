"""TFLite's operators in the words of ONNX: the table.

The conventions that differ from ONNX, because TFLite has nothing that corresponds:

* a fused activation is the attribute ``activation`` (Relu, Relu6, ReluN1To1, Tanh, SignBit), absent when there is none;
* ``Stack``, ``Unstack``, ``SpaceToBatch`` and ``BatchToSpace`` are operators of their own;
* operators that ONNX does not have keep TFLite's name; the attributes of an operator that is not listed are not read;
* parameters that are inputs in TFLite (sizes, axes, paddings) stay inputs, and are attributes too when constant.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .tflite_attributes import (
    SLICE_MASKS,
    Attributes,
    Operation,
    conv,
    conv_3d,
    depthwise,
    from_input,
    gelu,
    mirror_pad,
    new_shape,
    pads,
    pool,
    response_normalization,
    slice_,
    squeeze,
    strided_slice,
    transpose,
    transpose_conv,
)
from .tflite_tables import Damaged


@dataclass(frozen=True, slots=True)
class Operator:
    """How a TFLite operator reads in ONNX's words."""

    op: str
    options: str = ""
    """Name of the schema's table of options."""
    fields: Mapping[str, str] = field(default_factory=dict)
    """Attribute to field of that table."""
    fixed: Mapping[str, Any] = field(default_factory=dict)
    """Attributes that are the same for all nodes."""
    more: Callable[[Operation], Attributes] | None = None
    """Attributes that have to be worked out."""
    inputs: tuple[int, ...] | None = None
    """TFLite's input positions in ONNX's order (-1 leaves one out); None when they are the same."""
    subgraphs: Mapping[str, str] = field(default_factory=dict)
    """Attribute to the field that holds the index of a subgraph; the attribute becomes the subgraph's name."""


_ACTIVATIONS = {1: "Relu", 2: "ReluN1To1", 3: "Relu6", 4: "Tanh", 5: "SignBit"}
"""ActivationFunctionType of the schema."""


def attributes(operator: Operator, operation: Operation) -> Attributes:
    """The ONNX-style attributes of one operation. Raises Damaged for a stride, window or block below 1."""
    found = dict(operator.fixed)
    for name, accessor in operator.fields.items():
        value = getattr(operation.options, accessor)()
        found[name] = int(value) if isinstance(value, bool) else value
    if operator.more:
        found.update(operator.more(operation))
    fused = getattr(operation.options, "FusedActivationFunction", None)
    if fused and fused():
        found["activation"] = _ACTIVATIONS.get(fused(), f"activation {fused()}")
    for name in ("strides", "dilations", "kernel_shape", "blocksize"):
        sizes = found.get(name, 1)
        if min(sizes if isinstance(sizes, tuple) else (sizes,)) < 1:
            raise Damaged(f"{name} is {sizes}")
    return found


# ---- the table

_RESIZE = {"align_corners": "AlignCorners", "half_pixel_centers": "HalfPixelCenters"}
_KEEPDIMS = {"keepdims": "KeepDims"}
_ARG = from_input("axis", 1, single=True)
_CLIPS = {"cell_clip": "CellClip", "proj_clip": "ProjClip"}
_TRANSPOSED = (2, 1, 3, 0)
"""Output shape, weights, data, bias become data, weights, bias, output shape."""

OPERATORS: dict[str, Operator] = {
    # Windows
    "CONV_2D": Operator("Conv", "Conv2DOptions", more=conv),
    "DEPTHWISE_CONV_2D": Operator("Conv", "DepthwiseConv2DOptions", more=depthwise),
    "CONV_3D": Operator("Conv", "Conv3DOptions", more=conv_3d),
    "TRANSPOSE_CONV": Operator("ConvTranspose", "TransposeConvOptions", more=transpose_conv, inputs=_TRANSPOSED),
    "CONV_3D_TRANSPOSE": Operator("ConvTranspose", "Conv3DOptions", more=conv_3d, inputs=_TRANSPOSED),
    "AVERAGE_POOL_2D": Operator("AveragePool", "Pool2DOptions", more=pool),
    "MAX_POOL_2D": Operator("MaxPool", "Pool2DOptions", more=pool),
    "L2_POOL_2D": Operator("L2_POOL_2D", "Pool2DOptions", more=pool),
    # Matrices
    "FULLY_CONNECTED": Operator(
        "Gemm",
        "FullyConnectedOptions",
        {"keep_num_dims": "KeepNumDims", "weights_format": "WeightsFormat"},
        {"transB": 1},
    ),
    "BATCH_MATMUL": Operator("MatMul", "BatchMatMulOptions", {"adj_x": "AdjX", "adj_y": "AdjY"}),
    # Two tensors, value by value
    "ADD": Operator("Add", "AddOptions"),
    "SUB": Operator("Sub", "SubOptions"),
    "MUL": Operator("Mul", "MulOptions"),
    "DIV": Operator("Div", "DivOptions"),
    "MINIMUM": Operator("Min"),
    "MAXIMUM": Operator("Max"),
    "POW": Operator("Pow"),
    "FLOOR_MOD": Operator("Mod", fixed={"fmod": 0}),
    "ADD_N": Operator("Sum"),
    "EQUAL": Operator("Equal"),
    "GREATER": Operator("Greater"),
    "GREATER_EQUAL": Operator("GreaterOrEqual"),
    "LESS": Operator("Less"),
    "LESS_EQUAL": Operator("LessOrEqual"),
    "LOGICAL_AND": Operator("And"),
    "LOGICAL_OR": Operator("Or"),
    "LOGICAL_NOT": Operator("Not"),
    "BITWISE_XOR": Operator("BitwiseXor"),
    "SELECT": Operator("Where"),
    "SELECT_V2": Operator("Where"),
    # Activations and functions of one tensor
    "RELU": Operator("Relu"),
    "RELU6": Operator("Clip", fixed={"min": 0.0, "max": 6.0}),
    "RELU_N1_TO_1": Operator("Clip", fixed={"min": -1.0, "max": 1.0}),
    "RELU_0_TO_1": Operator("Clip", fixed={"min": 0.0, "max": 1.0}),
    "LEAKY_RELU": Operator("LeakyRelu", "LeakyReluOptions", {"alpha": "Alpha"}),
    "PRELU": Operator("PRelu"),
    "ELU": Operator("Elu", fixed={"alpha": 1.0}),
    "GELU": Operator("Gelu", "GeluOptions", more=gelu),
    "HARD_SWISH": Operator("HardSwish"),
    "LOGISTIC": Operator("Sigmoid"),
    "TANH": Operator("Tanh"),
    "ABS": Operator("Abs"),
    "CEIL": Operator("Ceil"),
    "COS": Operator("Cos"),
    "EXP": Operator("Exp"),
    "FLOOR": Operator("Floor"),
    "LOG": Operator("Log"),
    "NEG": Operator("Neg"),
    "ROUND": Operator("Round"),
    "SIGN": Operator("Sign"),
    "SIN": Operator("Sin"),
    "SQRT": Operator("Sqrt"),
    "SOFTMAX": Operator("Softmax", "SoftmaxOptions", {"beta": "Beta"}, {"axis": -1}),
    "LOG_SOFTMAX": Operator("LogSoftmax", fixed={"axis": -1}),
    "L2_NORMALIZATION": Operator("LpNormalization", "L2NormOptions", fixed={"p": 2, "axis": -1}),
    "LOCAL_RESPONSE_NORMALIZATION": Operator(
        "LRN", "LocalResponseNormalizationOptions", {"beta": "Beta", "bias": "Bias"}, more=response_normalization
    ),
    # Types and quantisation
    "CAST": Operator("Cast"),
    "QUANTIZE": Operator("QuantizeLinear"),
    "DEQUANTIZE": Operator("DequantizeLinear"),
    "FAKE_QUANT": Operator(
        "FAKE_QUANT",
        "FakeQuantOptions",
        {"min": "Min", "max": "Max", "num_bits": "NumBits", "narrow_range": "NarrowRange"},
    ),
    # Reductions
    "MEAN": Operator("ReduceMean", "ReducerOptions", _KEEPDIMS),
    "SUM": Operator("ReduceSum", "ReducerOptions", _KEEPDIMS),
    "REDUCE_MAX": Operator("ReduceMax", "ReducerOptions", _KEEPDIMS),
    "REDUCE_MIN": Operator("ReduceMin", "ReducerOptions", _KEEPDIMS),
    "REDUCE_PROD": Operator("ReduceProd", "ReducerOptions", _KEEPDIMS),
    "REDUCE_ANY": Operator("REDUCE_ANY", "ReducerOptions", _KEEPDIMS),
    "REDUCE_ALL": Operator("REDUCE_ALL", "ReducerOptions", _KEEPDIMS),
    "ARG_MAX": Operator("ArgMax", fixed={"keepdims": 0}, more=_ARG),
    "ARG_MIN": Operator("ArgMin", fixed={"keepdims": 0}, more=_ARG),
    "CUMSUM": Operator("CumSum", "CumsumOptions", {"exclusive": "Exclusive", "reverse": "Reverse"}),
    "TOPK_V2": Operator("TopK", fixed={"axis": -1, "largest": 1, "sorted": 1}),
    # Shapes and places
    "RESHAPE": Operator("Reshape", "ReshapeOptions", more=new_shape),
    "SQUEEZE": Operator("Squeeze", "SqueezeOptions", more=squeeze),
    "EXPAND_DIMS": Operator("Unsqueeze", more=from_input("axes", 1)),
    "TRANSPOSE": Operator("Transpose", more=transpose),
    "CONCATENATION": Operator("Concat", "ConcatenationOptions", {"axis": "Axis"}),
    "PACK": Operator("Stack", "PackOptions", {"axis": "Axis"}),
    "UNPACK": Operator("Unstack", "UnpackOptions", {"axis": "Axis", "num": "Num"}),
    "SPLIT": Operator(
        "Split",
        "SplitOptions",
        {"num_outputs": "NumSplits"},
        more=from_input("axis", 0, single=True),
        inputs=(1, -1, 0),
    ),
    "SPLIT_V": Operator(
        "Split", "SplitVOptions", {"num_outputs": "NumSplits"}, more=from_input("axis", 2, single=True)
    ),
    "PAD": Operator("Pad", fixed={"mode": "constant"}, more=pads),
    "PADV2": Operator("Pad", fixed={"mode": "constant"}, more=pads),
    "MIRROR_PAD": Operator("Pad", "MirrorPadOptions", more=mirror_pad),
    "SLICE": Operator("Slice", more=slice_),
    "STRIDED_SLICE": Operator("Slice", "StridedSliceOptions", SLICE_MASKS, more=strided_slice),
    "TILE": Operator("Tile"),
    "BROADCAST_TO": Operator("Expand"),
    "SHAPE": Operator("Shape"),
    "RANGE": Operator("Range"),
    "GATHER": Operator("Gather", "GatherOptions", {"axis": "Axis", "batch_dims": "BatchDims"}),
    "GATHER_ND": Operator("GatherND"),
    "ONE_HOT": Operator("OneHot", "OneHotOptions", {"axis": "Axis"}),
    "REVERSE_SEQUENCE": Operator(
        "ReverseSequence", "ReverseSequenceOptions", {"time_axis": "SeqDim", "batch_axis": "BatchDim"}
    ),
    "RESIZE_BILINEAR": Operator("Resize", "ResizeBilinearOptions", _RESIZE, {"mode": "linear"}),
    "RESIZE_NEAREST_NEIGHBOR": Operator("Resize", "ResizeNearestNeighborOptions", _RESIZE, {"mode": "nearest"}),
    "SPACE_TO_DEPTH": Operator("SpaceToDepth", "SpaceToDepthOptions", {"blocksize": "BlockSize"}),
    "DEPTH_TO_SPACE": Operator("DepthToSpace", "DepthToSpaceOptions", {"blocksize": "BlockSize"}),
    "SPACE_TO_BATCH_ND": Operator("SpaceToBatch"),
    "BATCH_TO_SPACE_ND": Operator("BatchToSpace"),
    # Sequences. LSTM without a prefix is one step of it; all keep TFLite's inputs, a tensor for every gate.
    "UNIDIRECTIONAL_SEQUENCE_LSTM": Operator(
        "LSTM", "UnidirectionalSequenceLSTMOptions", _CLIPS | {"time_major": "TimeMajor"}, {"direction": "forward"}
    ),
    "BIDIRECTIONAL_SEQUENCE_LSTM": Operator(
        "LSTM", "BidirectionalSequenceLSTMOptions", _CLIPS | {"time_major": "TimeMajor"}, {"direction": "bidirectional"}
    ),
    "LSTM": Operator("LSTM", "LSTMOptions", _CLIPS),
    "UNIDIRECTIONAL_SEQUENCE_RNN": Operator(
        "RNN", "SequenceRNNOptions", {"time_major": "TimeMajor"}, {"direction": "forward"}
    ),
    "BIDIRECTIONAL_SEQUENCE_RNN": Operator(
        "RNN", "BidirectionalSequenceRNNOptions", {"time_major": "TimeMajor"}, {"direction": "bidirectional"}
    ),
    "SVDF": Operator("SVDF", "SVDFOptions", {"rank": "Rank"}),
    # Control flow: the attributes name subgraphs of the file
    "IF": Operator(
        "If", "IfOptions", subgraphs={"then_branch": "ThenSubgraphIndex", "else_branch": "ElseSubgraphIndex"}
    ),
    "WHILE": Operator("WHILE", "WhileOptions", subgraphs={"cond": "CondSubgraphIndex", "body": "BodySubgraphIndex"}),
    "CALL_ONCE": Operator("CALL_ONCE", "CallOnceOptions", subgraphs={"init": "InitSubgraphIndex"}),
    "CALL": Operator("CALL", "CallOptions", subgraphs={"body": "Subgraph"}),
    "STABLEHLO_COMPOSITE": Operator(
        "STABLEHLO_COMPOSITE", "StableHLOCompositeOptions", subgraphs={"decomposition": "DecompositionSubgraphIndex"}
    ),
}
