"""2xx: shapes and parameters that make the conversion fail."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Graph, Slice
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .wording import refused, shape


@rule("KPU221", "symbolic-size", Level.ERROR, on=Model, confidence="measured")
def symbolic_size(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Size that is not fixed.

    What it does: finds inputs and outputs with a symbolic dimension, such as a dynamic batch.

    Why it matters: nncase reads an unknown size as a huge number. It stops as soon as two shapes are compared.

    What to do instead: export with fixed sizes, or let lintmodel see the fixed network:
    `--input-shape NAME=1x3x224x224`.

    Fix safety: safe; an open batch becomes 1. Other sizes are written into the file when they are given to lintmodel
    fix.

    Source: nncase v1.9.0, importer/onnx/onnx_importer.cpp get_shape; measured with nncase 1.9.0.
    """
    yield from refused(
        plan,
        "symbolic-size",
        lambda d: f"'{d['tensor']}' is {shape(d['declared'])}: {_unknown(d['declared'])} not fixed",
        Fix("freeze-batch", "safe", "a batch of 1") if _batch_alone(model) else _FROZEN,
    )


_FROZEN = Fix("fix-input-shape", "display", "export with fixed sizes, or lintmodel fix --input-shape NAME=SIZES")


def _batch_alone(model: Model) -> bool:
    """Nothing but the batch of the inputs is open."""
    shapes = [model.graph.tensor(name).shape for name in model.graph.inputs]
    return all(shape is not None and all(isinstance(size, int) for size in shape[1:]) for shape in shapes)


def _unknown(sizes: Sequence[int | str]) -> str:
    symbolic = [(axis, size) for axis, size in enumerate(sizes) if isinstance(size, str)]
    names = [f"dimension {axis}" if size == "?" else f"'{size}'" for axis, size in symbolic]
    return f"{', '.join(names)} {'is' if len(names) == 1 else 'are'}"


symbolic_size.bad(lambda g: g.input("batch", 3, 32, 32).conv(3, 8))
symbolic_size.good(lambda g: g.input(1, 3, 32, 32).conv(3, 8))


_PADDED = Fix("drop-ceil-mode", "safe", "padding in the place of ceil_mode")
_RESHAPED = Fix("squeeze-to-reshape", "safe", "Reshape in its place")
_RESPELT = {
    "ReduceMean": Fix("mean-to-global-pool", "safe", "a global average pool in its place"),
    "ReduceMax": Fix("max-to-global-pool", "safe", "a global maximum pool in its place"),
    "Squeeze": _RESHAPED,
    "Unsqueeze": _RESHAPED,
    "MaxPool": _PADDED,
    "AveragePool": _PADDED,
}


@rule("KPU222", "shape-mismatch", Level.ERROR, on=Model, confidence="measured")
def shape_mismatch(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Shape that comes out different from what the file states.

    What it does: finds outputs whose shape, as nncase computes it, is not the one in the file. An output without a
    shape is read as a single value.

    Why it matters: nncase compares the two and stops. Operators it reads differently are a cause: it ignores
    ceil_mode of pools, and the axes of Squeeze and of reductions where they are inputs (opset 13 and later).

    What to do instead: run shape inference before conversion, or spell the operator with attributes (opset 12).

    Fix safety: safe; reductions over the map become global pools, Squeeze becomes Reshape, and a pool that rounds its
    size up gets padding.

    Source: nncase v1.9.0, ir/connectors.cpp, importer/onnx/ops; measured with nncase 1.9.0.
    """
    names = {node.name for node in model.graph.nodes}
    for refusal in plan.refused("shape-mismatch"):
        made, declared = refusal.details.get("made"), refusal.details.get("declared")
        text = f"nncase computes {shape(made)}; the file states {shape(declared or ())}" if made else "shapes differ"
        op = model.graph.node(refusal.node).op if refusal.node in names else ""
        yield Found(text, refusal.vendor_message, refusal.node, _RESPELT.get(op))


shape_mismatch.bad(lambda g: g.input(1, 8, 1, 1).op("Squeeze", g.constant([2, 3]), shape=(1, 8)))
shape_mismatch.good(lambda g: g.input(1, 8, 1, 1).op("Squeeze", shape=(1, 8), axes=(2, 3)))


def _sparse(model: Model, node: str) -> bool:
    """It reads a sparse initialiser, whose shape no shape inference writes where nncase looks."""
    return any(model.graph.tensor(name).sparse for name in model.graph.node(node).inputs if name)


@rule("KPU223", "missing-value-info", Level.ERROR, on=Model, confidence="measured")
def missing_value_info(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Intermediate shape that the file does not state.

    What it does: finds convolutions, matrix products, Split, Gather and a few more whose output has no entry in the
    ONNX file's value_info.

    Why it matters: nncase does no shape inference of its own. It looks these shapes up and stops where there is none.

    What to do instead: `onnx.save(onnx.shape_inference.infer_shapes(onnx.load("m.onnx")), "out.onnx")`, or onnxsim.

    Fix safety: safe; the computation does not change.

    Source: nncase v1.9.0, importer/onnx/onnx_importer.cpp get_shape; measured with nncase 1.9.0; nncase issue 1022.
    """
    yield from refused(
        plan,
        "missing-value-info",
        lambda d: f"the file does not state the shape of '{d['tensor']}'",
        lambda node: (
            None if _sparse(model, node) else Fix("infer-shapes", "safe", "write inferred shapes into the file")
        ),
    )


missing_value_info.bad(lambda g: g.conv(8, 16).relu().without_value_info())
missing_value_info.good(lambda g: g.conv(8, 16).relu())


@rule("KPU224", "parameter-not-constant", Level.ERROR, on=Model, confidence="measured")
def parameter_not_constant(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Shape, axes or sizes that are computed in the network.

    What it does: finds Reshape, Slice, Pad, Resize, Expand and others with a parameter that is neither an initialiser
    nor the output of a Constant or Shape node, even where its value is known.

    Why it matters: nncase reads such parameters while importing and cannot compute them. Exports of PyTorch code that
    uses x.shape are full of them.

    What to do instead: fold the computation with onnxsim, or export with fixed sizes.

    Fix safety: safe; the computation does not change.

    Source: nncase v1.9.0, importer/onnx/onnx_importer.h get_constant_value; measured with nncase 1.9.0.
    """
    yield from refused(
        plan,
        "parameter-not-constant",
        lambda d: (
            f"parameter '{d['parameter']}' is computed, not a constant"
            if d["parameter"]
            else "a parameter is left out that nncase needs"
        ),
        Fix("fold-constants", "safe", "fold the shape arithmetic"),
    )


parameter_not_constant.bad(lambda g: g.input(2, dtype="int64").input(1, 8, 4, 4).op("Reshape", "x", shape=(1, 128)))
parameter_not_constant.good(lambda g: g.input(1, 8, 4, 4).op("Reshape", g.constant([1, 128]), shape=(1, 128)))


@rule("KPU225", "strided-slice-channels", Level.ERROR, on=Model, confidence="measured")
def strided_slice_channels(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Every second pixel of an input that does not have three channels.

    What it does: finds `x[:, :, ::2, ::2]` directly on the network's input (as in YOLOv5's Focus), where the input
    has not three channels.

    Why it matters: nncase puts a convolution with three channels in front of such a Slice, whatever the input has,
    and stops because the shapes differ.

    What to do instead: a convolution with stride 2 in the place of Focus, or slice in the firmware.

    Fix safety: safe; a 1x1 maximum pool with that stride takes the same pixels.

    Source: nncase v1.9.0, strided_slice_conv2d_pool.cpp; measured with nncase 1.9.0.
    """
    yield from refused(
        plan,
        "strided-slice-channels",
        lambda d: f"the input has {d['channels']} channels; nncase assumes 3 here",
        lambda node: _thinned(model.graph, node),
    )


def _thinned(graph: Graph, node: str) -> Fix:
    """One that does not begin at the first pixel is part of a Focus."""
    bounds = Slice(graph, graph.node(node)).bounds or ()
    if any(start for start, _, _ in bounds):
        return Fix("focus-to-conv", "safe", "one 3x3 convolution with stride 2 in the place of all slices")
    return Fix("slice-to-max-pool", "safe", "a 1x1 maximum pool with that stride")


strided_slice_channels.bad(
    lambda g: g.input(1, 8, 32, 32).op(
        "Slice", shape=(1, 8, 16, 16), starts=(0, 0), ends=(32, 32), axes=(2, 3), steps=(2, 2)
    )
)
strided_slice_channels.good(
    lambda g: g.input(1, 3, 32, 32).op(
        "Slice", shape=(1, 3, 16, 16), starts=(0, 0), ends=(32, 32), axes=(2, 3), steps=(2, 2)
    )
)

RULES = [
    symbolic_size,
    shape_mismatch,
    missing_value_info,
    parameter_not_constant,
    strided_slice_channels,
]
