"""Operators by what becomes of them on the accelerator."""

from __future__ import annotations

from lintmodel.ir import Pad
from lintmodel.ir.windows import Pads

NOTHING = frozenset({"Identity", "Dropout", "Constant", "Cast", "QuantizeLinear", "DequantizeLinear"})
RESHAPING = frozenset({"Flatten", "Reshape", "Squeeze", "Unsqueeze"})
ELTWISE = {"Add": "add", "Sum": "add", "Sub": "sub", "BitwiseXor": "xor", "BitwiseOr": "or"}
ACTIVATIONS = {"Relu": "relu", "Abs": "abs"}
FUNCTIONS = frozenset(
    {"LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid", "HardSwish", "Elu", "Selu", "Celu", "Softplus"}
    | {"Softsign", "Gelu", "Mish", "SiLU", "ThresholdedRelu", "Exp", "Log", "Sqrt", "Neg", "Erf", "ReLU6"}
)


def folded_pads(pad: Pad) -> Pads | None:
    """Top, left, bottom and right border of zeros that the one convolution behind it can take over."""
    node, amounts = pad.node, pad.amounts
    readers = pad.graph.consumers(node.outputs[0])
    if pad.mode != "constant" or amounts is None or len(readers) != 1 or readers[0].op != "Conv":
        return None
    spatial = amounts[1:-1] if node.layout == "NHWC" else amounts[2:]
    if len(spatial) not in (1, 2) or sum(map(sum, amounts)) != sum(map(sum, spatial)):
        return None
    (top, bottom), (left, right) = spatial[0], spatial[1] if len(spatial) == 2 else (0, 0)
    return top, left, bottom, right
