"""19x: what RKNN-Toolkit 1.x cannot load, by its vendor's table."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.ir import Graph
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .rewrites import respelled
from .toolkit1 import LIMIT, OPERATOR


@rule("RKN190", OPERATOR, Level.ERROR, on=Model, confidence="documented", target="rk1808")
def toolkit1_operator(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator that RKNN-Toolkit 1.x does not load from ONNX.

    What it does: looks every operator up in the vendor's table. SiLU, GELU, Mish, HardSwish and LayerNormalization
    are recognised in the operators that exporters write them with, and are loaded.

    Why it matters: load_onnx stops. This toolkit has no CPU operators to fall back to on the board.

    What to do instead: where the table has the operator for PyTorch (pixel_shuffle, tile, ceil, cos, erf), load the
    traced .pt model with load_pytorch. Else write it with others, or cut the model before it and compute the rest on
    the host.

    Fix safety: safe; Min and Max with a constant become Clip.

    Source: RKNN_OP_Support_And_Limit.xlsx of RKNN-Toolkit 1.7.5, column Load ONNX.
    """
    yield from _told(model.graph, plan, OPERATOR)


toolkit1_operator.bad(lambda g: g.conv(3, 8).op("Softplus"))
toolkit1_operator.bad(lambda g: g.conv(3, 8).op("DepthToSpace", shape=(1, 2, 64, 64), blocksize=2))
toolkit1_operator.good(lambda g: g.with_opset(12).conv(3, 8).silu())


@rule("RKN191", LIMIT, Level.ERROR, on=Model, confidence="documented", target="rk1808")
def toolkit1_limit(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator outside the limits of RKNN-Toolkit 1.x, or an opset it does not load.

    What it does: holds dilations, dimensions, ceil_mode and indices of pools, alpha of Elu, keepdims of ArgMax, the
    batch of LSTM, the mode of Resize, operands of Div and Pow, padding values and the opset against the vendor's
    table. Opsets {min_opset} to {max_opset} are loaded.

    Why it matters: load_onnx or build stops.

    What to do instead: export with opset_version=12, and within the limit that the message names.

    Fix safety: safe for the opset and ceil_mode: the same is written otherwise. Unsafe for a cubic Resize, which
    becomes a linear one.

    Source: RKNN_OP_Support_And_Limit.xlsx and RKNN_OP_Support_V1.7.5.md of RKNN-Toolkit 1.7.5.
    """
    for found in _told(model.graph, plan, LIMIT):
        yield found if found.node else _converted(found, model.graph, chip)


def _converted(found: Found, graph: Graph, chip: Target) -> Found:
    """The finding about the opset with the nearest one that is loaded."""
    opset = min(max(graph.opsets.get("", 0), int(chip.limit("min_opset"))), int(chip.limit("max_opset")))
    return offering(found, graph, Fix("convert-opset", "safe", f"opset {opset}"), opset=opset)


toolkit1_limit.bad(lambda g: g.with_opset(13).conv(3, 8))
toolkit1_limit.bad(lambda g: g.with_opset(12).conv(3, 8).op("Elu", alpha=0.5))
toolkit1_limit.good(lambda g: g.with_opset(12).conv(3, 8).op("Elu", alpha=1.0))


def _told(graph: Graph, plan: Plan, kind: str) -> Iterator[Found]:
    for refusal in plan.refused(kind):
        yield respelled(Found(str(refusal.details["says"]), refusal.vendor_message, refusal.node), graph)


RULES: list[Rule] = [toolkit1_operator, toolkit1_limit]
