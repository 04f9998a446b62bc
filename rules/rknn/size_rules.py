"""20x: shapes that are refused, and sizes that overflow a register."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.ir import Shape
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .rewrites import only_batch_open, strides_in_a_pool
from .wording import refused


def _inputs(details: Mapping[str, Any]) -> str:
    found = (f"{name} {_sizes(shape)}" for name, shape in details["inputs"].items())
    return f"the shape of {', '.join(found)} is not fixed"


def _sizes(shape: Shape | None) -> str:
    return "(no shape)" if shape is None else f"[{', '.join(map(str, shape))}]"


def _rows(details: Mapping[str, Any]) -> str:
    limits = details["limits"]
    if details["rows"] > limits["bytes"]:
        what = f"the {details['kernel']} rows under the kernel take {details['rows']} bytes"
        return f"{what} of {details['width']} pixels; the buffer has {limits['bytes']}"
    return f"the image is {details['width']} pixels wide; the first convolution reads up to {limits['width']}"


@rule("RKN201", "dynamic-input", Level.ERROR, on=Model, confidence="measured")
def dynamic_input(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Input whose shape is not fixed.

    What it does: finds inputs with a symbolic size, a size of zero, or no shape at all. All of them are one
    finding.

    Why it matters: load_onnx stops.

    What to do instead: load_onnx(inputs=[...], input_size_list=[[1, 3, 640, 640]]) fixes the sizes (here: `--input-
    shape`), as exporting without dynamic_axes does. For several sizes in one model: rknn.config(dynamic_input=[[[1,
    3, 640, 640]], [[1, 3, 320, 320]]]).

    Fix safety: safe; where the batch alone is open it becomes 1.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    fix = Fix("freeze-batch", "safe", "a batch of 1") if only_batch_open(model.graph) else None
    for found in refused(plan, "dynamic-input", _inputs):
        yield offering(found, model.graph, fix)


dynamic_input.bad(lambda g: g.input("batch", 3, 32, 32).relu())
dynamic_input.good(lambda g: g.input(1, 3, 32, 32).relu())


@rule("RKN202", "output-axes", Level.ERROR, on=Model, confidence="measured", target="rk3566")
def output_axes(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Output of six dimensions or more.

    What it does: finds outputs with more than five dimensions on chips whose compiler crashes over them (rk3562,
    rk3566, rk3568, rv1103, rv1106, rk2118). Inside the network they are built.

    Why it matters: the toolkit crashes (signal 6).

    What to do instead: leave the last Reshape to the host.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "output-axes", lambda d: f"output '{d['output']}' has {d['axes']} dimensions")


output_axes.bad(lambda g: g.input(1, 2, 2, 4, 8, 8).relu())
output_axes.good(lambda g: g.input(1, 2, 4, 8, 8).relu())


@rule("RKN203", "image-width", Level.ERROR, on=Model, confidence="measured", target="rv1103b")
def image_width(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Image too wide for the first convolution.

    What it does: multiplies the width of the image with the rows under the kernel of the first convolution, 4 bytes
    a pixel in int8 and 8 in float16, and compares with the buffer of the chip (rk3562, rv1103b, rv1106b, rk2118).

    Why it matters: the compiler stops: "failed to tile argb mode layer!".

    What to do instead: cut the image into tiles, or begin with a smaller kernel (two 3x3 for one 7x7).

    Source: measured with rknn-toolkit2 2.5.0. Limits by trying widths.
    """
    yield from refused(plan, "image-width", _rows)


image_width.bad(lambda g: g.conv(3, 16, kernel=7, stride=2, size=1920))
image_width.good(lambda g: g.conv(3, 16, kernel=3, stride=2, size=1920))


@rule("RKN204", "stride-overflow", Level.ERROR, on=Model, confidence="measured")
def stride_overflow(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Stride that does not fit into its register.

    What it does: finds convolutions and average pools with a stride over 7 that halving does not bring down to 7
    (9, 11, 13, 15, 18), max pools whose stride has a prime factor over 7, and transposed convolutions with a stride
    over 8 that is not the kernel's own size.

    Why it matters: build returns 0 and the log says "The bit width of field value exceeds the limit": the model
    runs with another stride than the network's. Not seen on a board.

    What to do instead: a stride of at most 7, or 8, 10, 12, 14, 16; or two layers.

    Fix safety: safe; a convolution computes every pixel, and a maximum pool of single pixels takes those it is about:
    correct, at many times the work.

    Source: measured with rknn-toolkit2 2.5.0. airockchip/rknn-toolkit2#163, #193, #251, #364, #419.
    """
    pooled = Fix("stride-to-pool", "safe", "stride 1, and a 1x1 maximum pool with the stride behind it")
    for found in refused(
        plan, "stride-overflow", lambda d: f"{d['what']} needs {d['value']} in a register that ends at {d['limit']}"
    ):
        yield offering(found, model.graph, pooled if strides_in_a_pool(model.graph, found.node) else None)


stride_overflow.bad(lambda g: g.conv(8, 16, stride=9, size=64))
stride_overflow.good(lambda g: g.conv(8, 16, stride=10, size=64))


@rule("RKN205", "size-overflow", Level.ERROR, on=Model, confidence="measured")
def size_overflow(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Size that does not fit into its register.

    What it does: compares the width that convolutions read, the channels they write, and what Softmax,
    InstanceNormalization and Transpose have in one row, with the largest for which the compiler's log is clean on
    this chip.

    Why it matters: build returns 0 and the log says "The bit width of field value exceeds the limit": the layer
    computes something else. Not seen on a board. Detection heads come here when a reshape makes one row of all
    anchors.

    What to do instead: keep maps 4-D and cut the network before the reshape that makes the long row; tile the
    input; or op_target='cpu' for this one layer.

    Source: measured with rknn-toolkit2 2.5.0. Limits by trying sizes; airockchip/rknn-toolkit2#364, #419.
    """
    yield from refused(
        plan, "size-overflow", lambda d: f"{d['what']} is {d['value']}; without overflow up to {d['limit']}"
    )


size_overflow.bad(lambda g: g.conv(8, 16, size=192).op("InstanceNormalization", g.zeros(16), g.zeros(16)))
size_overflow.good(lambda g: g.conv(8, 16, size=128).op("InstanceNormalization", g.zeros(16), g.zeros(16)))


RULES: list[Rule] = [
    dynamic_input,
    output_axes,
    image_width,
    stride_overflow,
    size_overflow,
]
