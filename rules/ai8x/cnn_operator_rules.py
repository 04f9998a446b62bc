"""AIX611 to AIX618: other operators of a plain network."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Concat, Gemm, Operator
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .cnn_words import here


@rule("AIX611", "cnn-activation", Level.ERROR, on=Operator, confidence="documented")
def cnn_activation(view: Operator, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Activation the chip does not have.

    What it does: finds activations other than ReLU and Abs: Sigmoid, LeakyReLU, ReLU6, SiLU and the like.

    Why it matters: a layer's `activate` is ReLU, Abs or none; there is no other way to write it down.

    What to do instead: ReLU, after training again. Values are clipped to -128..127 behind every layer anyway, so
    ReLU serves for ReLU6.

    Fix safety: unsafe; the network has to be trained again.

    Source: ai8x-synthesis, izer/yamlcfg.py 310; ai8x-training, README.md.
    """
    yield from here(plan, "cnn-activation", view, ai8x)


cnn_activation.bad(lambda g: g.conv(8, 16).sigmoid())
cnn_activation.good(lambda g: g.conv(8, 16).relu())


@rule("AIX612", "cnn-loose-activation", Level.ERROR, on=Operator, confidence="measured")
def cnn_loose_activation(view: Operator, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Activation that no layer can take in.

    What it does: finds ReLU and Abs that do not stand directly behind a convolution or dense layer which nothing
    else reads, as behind the sum of a residual block.

    Why it matters: the activation belongs to a layer with weights: izer stops at one of a layer without.

    What to do instead: behind a sum, exact: a 1x1 convolution with unit weights (64, with output_shift 1) that
    takes the sum in flight and has the activation. Or train with the activation before the sum.

    Fix safety: safe behind a maximum pool, with which it changes places.

    Source: ai8x-synthesis, izer/izer.py 594; the unit convolution is not measured.
    """
    yield from here(plan, "cnn-loose-activation", view, ai8x)


cnn_loose_activation.bad(lambda g: g.conv(8, 8).branch(lambda b: b, lambda b: b.conv(8, 8)).relu())
cnn_loose_activation.good(lambda g: g.conv(8, 8).branch(lambda b: b, lambda b: b.conv(8, 8).relu()))


@rule("AIX613", "cnn-operator", Level.ERROR, on=Operator, confidence="documented")
def cnn_operator(view: Operator, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Operator that is no layer of the chip.

    What it does: finds operators for which a description has no word. A softmax behind the last layer is not among
    them: the CPU does it.

    Why it matters: nothing runs between the layers, so the network cannot be described.

    What to do instead: leave it out, replace it by convolutions, pools and sums, or cut the network there and do
    the rest on the CPU.

    Fix safety: safe; a mean, a slice, a Split or a SpaceToDepth becomes the pool or convolution that computes the same.

    Source: ai8x-synthesis, izer/yamlcfg.py; ai8x-training, README.md.
    """
    yield from here(plan, "cnn-operator", view, ai8x)


cnn_operator.bad(lambda g: g.conv(8, 16).op("Resize", shape=(1, 16, 64, 64)))
cnn_operator.good(lambda g: g.conv(8, 16).op("Identity"))


@rule("AIX614", "cnn-eltwise", Level.ERROR, on=Operator, confidence="documented")
def cnn_eltwise(view: Operator, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Element-wise operation the chip does not have.

    What it does: finds products, quotients and the like of two maps, operands of different shapes, more than
    {max_operands} operands, and constants that no layer before can take in.

    Why it matters: the chip adds, subtracts, and combines bits with or and xor, of maps of one shape.

    What to do instead: scale samples before they are loaded; fold constants into weights; replace a gate (a
    product) by a sum and train again.

    Source: ai8x-synthesis, izer/yamlcfg.py 402 and 416.
    """
    yield from here(plan, "cnn-eltwise", view, ai8x)


cnn_eltwise.bad(lambda g: g.conv(8, 8).branch(lambda b: b, lambda b: b.conv(8, 8), join="Mul"))
cnn_eltwise.good(lambda g: g.conv(8, 8).branch(lambda b: b, lambda b: b.conv(8, 8)))


@rule("AIX615", "cnn-concat", Level.ERROR, on=Concat, confidence="documented")
def cnn_concat(view: Concat, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Concatenation the chip cannot read.

    What it does: finds concatenations along another axis than the channels, and parts (all but the last) whose
    channels are no multiple of 4.

    Why it matters: a concatenation costs nothing where its parts lie in processors side by side, and four of these
    share a memory.

    What to do instead: make the channels multiples of 4, or put the odd part last.

    Source: ai8x-training, README.md; ai8x-synthesis, izer/backend/max7800x.py 749.
    """
    yield from here(plan, "cnn-concat", view, ai8x)


cnn_concat.bad(lambda g: g.conv(8, 6).branch(lambda b: b, lambda b: b.conv(6, 8), join="Concat"))
cnn_concat.good(lambda g: g.conv(8, 8).branch(lambda b: b, lambda b: b.conv(8, 6), join="Concat"))


@rule("AIX616", "cnn-reshape", Level.ERROR, on=Operator, confidence="documented")
def cnn_reshape(view: Operator, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Reshape that moves values between channels and pixels.

    What it does: finds reshapes other than flattening and the adding or leaving out of axes of size 1.

    Why it matters: a layer reads a map as it was written; only a dense layer flattens it.

    What to do instead: leave it out of the network, or cut the network there.

    Source: ai8x-synthesis, izer/yamlcfg.py; ai8x-training, README.md.
    """
    yield from here(plan, "cnn-reshape", view, ai8x)


cnn_reshape.bad(lambda g: g.conv(8, 16).op("Reshape", g.constant([1, 4, 64, 64]), shape=(1, 4, 64, 64)))
cnn_reshape.good(lambda g: g.conv(8, 16, size=4).flatten().gemm(256, 10))


@rule("AIX617", "cnn-loose-normalisation", Level.ERROR, on=Operator, confidence="documented")
def cnn_loose_normalisation(view: Operator, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Normalisation without a convolution before it.

    What it does: finds batch normalisation that does not stand directly behind a convolution or dense layer which
    nothing else reads.

    Why it matters: the chip has none; ai8x-training folds it into the weights before (batchnormfuser.py, or in
    training).

    What to do instead: fold it into the layer behind it (exact in floating point where that has no padding), or
    move it behind a convolution.

    Fix safety: safe; it is folded where that is exact.

    Source: ai8x-training, README.md; ai8x-synthesis, izer/checkpoint.py 115.
    """
    yield from here(plan, "cnn-loose-normalisation", view, ai8x)


cnn_loose_normalisation.bad(lambda g: g.conv(8, 16).relu().batch_norm(16))
cnn_loose_normalisation.good(lambda g: g.conv(8, 16).batch_norm(16).relu())


@rule("AIX618", "cnn-dense", Level.ERROR, on=Gemm, confidence="measured")
def cnn_dense(view: Gemm, plan: Plan, ai8x: Target) -> Iterator[Found]:
    """Dense layer that is too wide.

    What it does: finds dense layers with more than {max_dense_features} outputs or channels, and flattened maps of
    more than {max_flatten_pixels} pixels or {max_flatten_values} values.

    Why it matters: izer stops.

    What to do instead: pool before flattening, or fewer features; trained again.

    Source: ai8x-synthesis, izer/izer.py 549; ai8x-training, ai8x.py and README.md.
    """
    yield from here(plan, "cnn-dense", view, ai8x)


cnn_dense.bad(lambda g: g.conv(8, 4, size=32).flatten().gemm(4096, 10))
cnn_dense.good(lambda g: g.conv(8, 4, size=16).flatten().gemm(1024, 10))

RULES = [
    cnn_activation,
    cnn_loose_activation,
    cnn_operator,
    cnn_eltwise,
    cnn_concat,
    cnn_reshape,
    cnn_loose_normalisation,
    cnn_dense,
]
