"""TFM2xx: shapes."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target


@rule("TFM201", "shape-left-open", Level.ERROR, on=Model, confidence="measured", layout="NHWC")
def shape_left_open(model: Model, plan: Plan, tflm: Target) -> Iterator[Found]:
    """Reshape to a shape of another number of elements: the file leaves a size open.

    What it does: finds RESHAPE operators whose output, as the file states it, has not as many elements as the input.

    Why it matters: a converter that could not fix a size writes 1 in its place and means "any". TensorFlow Lite works
    the size out when it runs; TensorFlow Lite Micro takes the file by its word and fails to allocate the tensors.

    What to do instead: fix the size of the model's input (batch 1) before converting, so that no size is left open.

    Source: tflite-micro, reshape_common.cc; measured with the wheel of PyPI.
    """
    for refusal in plan.refused("reshape-size"):
        before, after = ("x".join(map(str, refusal.details[key])) for key in ("before", "after"))
        yield Found(f"reshapes {before} to {after}", node=refusal.node, vendor_message=refusal.vendor_message)


shape_left_open.bad(lambda g: g.input(1, 4, 4, 8).op("RESHAPE", shape=(1, 1, 8)))
shape_left_open.good(lambda g: g.input(1, 4, 4, 8).op("RESHAPE", shape=(1, 16, 8)))

RULES = [shape_left_open]
