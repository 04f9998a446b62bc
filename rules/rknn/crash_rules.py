"""12x: layers on which the toolkit's optimiser or compiler stops or crashes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .rewrites import CROP, LINEAR, cuts_only
from .wording import refused, times


def _padded(details: Mapping[str, Any]) -> str:
    amounts = ", ".join(f"{before} and {after}" for before, after in details["amounts"] if before or after)
    return f"Pad with {amounts} zeros goes into a convolution"


def _tile(details: Mapping[str, Any]) -> str:
    limits = details["limits"]
    return (
        f"stride {details['stride']} with kernel {details['kernel']}; "
        f"with strides over {limits['stride']} kernels up to {limits['kernel']} are built"
    )


@rule("RKN121", "pad-before-conv", Level.ERROR, on=Model, confidence="measured")
def pad_before_conv(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Pad with zeros directly before a convolution.

    What it does: finds Pad in constant mode with zeros, its amounts stored in the file as an initialiser or
    Constant, all of whose readers are convolutions.

    Why it matters: version 2.5.0 takes the Pad into the convolution with code that writes to a read-only array, and
    build stops. 2.3.2 builds it. TensorFlow and Keras models have one before every convolution of stride 2.

    What to do instead: put the amounts into the pads of the convolution, which is the same; or
    rknn.config(disable_rules=['fuse_pad_into_conv']), at the price of a Pad layer each.

    Fix safety: safe; the zeros become the padding of the convolutions.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    fix = Fix("pad-into-conv", "safe", "the padding of the convolution")
    for found in refused(plan, "pad-before-conv", _padded):
        yield offering(found, model.graph, fix)


pad_before_conv.bad(
    lambda g: (
        g.input(1, 8, 16, 16).op("Pad", g.constant([0, 0, 1, 1, 0, 0, 1, 1]), shape=(1, 8, 18, 18)).conv(8, 16, pads=0)
    )
)
pad_before_conv.good(
    lambda g: g.input(1, 8, 16, 16).op("Pad", g.constant([0, 0, 1, 1, 0, 0, 1, 1]), shape=(1, 8, 18, 18)).max_pool(3, 2)
)
pad_before_conv.good(lambda g: g.conv(8, 16))


@rule("RKN122", "gather-one-channel", Level.ERROR, on=Model, confidence="measured")
def gather_one_channel(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Gather of one channel, directly behind a convolution.

    What it does: finds Gather over the channels with a single index that has no dimensions (x[:, 3] in PyTorch),
    whose input is the result of a convolution that nothing else reads.

    Why it matters: the toolkit fuses the two and stops with "len() of unsized object".

    What to do instead: x[:, 3:4] and squeeze, which exports as Slice and Squeeze; or
    rknn.config(disable_rules=['fuse_conv_gather']).

    Fix safety: safe; the channel is cut out by a Slice.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    fix = Fix("gather-to-slice", "safe", "Slice and Reshape")
    for found in refused(plan, "gather-one-channel", lambda d: "takes one channel out of a convolution's result"):
        yield offering(found, model.graph, fix)


gather_one_channel.bad(lambda g: g.conv(8, 16).op("Gather", g.constant(3), shape=(1, 32, 32), axis=1))
gather_one_channel.good(lambda g: g.conv(8, 16).relu().op("Gather", g.constant(3), shape=(1, 32, 32), axis=1))


@rule("RKN123", "layernorm-without-epsilon", Level.ERROR, on=Model, confidence="measured")
def layernorm_without_epsilon(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """LayerNormalization without an epsilon in the file.

    What it does: finds the operator LayerNormalization (opset 17) whose attribute epsilon is left out, which means
    1e-5.

    Why it matters: the toolkit reads the attribute without looking whether it is there: "KeyError:
    'LayerNormalization'", in 2.3.2 and 2.5.0.

    What to do instead: write epsilon into the node. With disable_rules=['convert_layernorm_to_exnorm'] it builds
    too, on the CPU.

    Fix safety: safe; 1e-5 is what leaving it out means.

    Source: measured with rknn-toolkit2 2.5.0. rockchip-linux/rknn-toolkit2#296.
    """
    fix = Fix("layer-norm-epsilon", "safe", "write 1e-5, the default, into the file")
    for found in refused(plan, "layernorm-without-epsilon", lambda d: "has no epsilon"):
        yield offering(found, model.graph, fix)


layernorm_without_epsilon.bad(
    lambda g: g.with_opset(17).input(1, 50, 64).op("LayerNormalization", g.zeros(64), axis=-1)
)
layernorm_without_epsilon.good(
    lambda g: g.with_opset(17).input(1, 50, 64).op("LayerNormalization", g.zeros(64), axis=-1, epsilon=1e-5)
)


@rule("RKN124", "layernorm-over-map", Level.ERROR, on=Model, confidence="measured", options={"quantized": False})
def layernorm_over_map(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """LayerNormalization over channels, height and width.

    What it does: finds LayerNormalization of a 4-D map with axis 1.

    Why it matters: where the scale is laid out for the NPU, build stops: "cannot reshape array". float16
    everywhere, int8 on rk3566 and rk3568.

    What to do instead: GroupNorm with one group and a scale per channel, or normalise over the channels only.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "layernorm-over-map", lambda d: f"normalises over {times(d['shape'])}")


layernorm_over_map.bad(
    lambda g: g.with_opset(17).conv(8, 16, size=8).op("LayerNormalization", g.zeros(16, 8, 8), axis=1, epsilon=1e-5)
)
layernorm_over_map.good(
    lambda g: g.with_opset(17).conv(8, 16, size=8).op("LayerNormalization", g.zeros(8), axis=-1, epsilon=1e-5)
)


@rule("RKN125", "cubic-resize", Level.ERROR, on=Model, confidence="measured")
def cubic_resize(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Resize with cubic interpolation.

    What it does: finds Resize in mode cubic that changes the size.

    Why it matters: the toolkit crashes (signal 11), on every chip.

    What to do instead: mode linear or nearest; by a whole factor they run on the NPU.

    Fix safety: unsafe; linear interpolation gives other values; check the result.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    for found in refused(
        plan,
        "cubic-resize",
        lambda d: f"cubic Resize from {times(d['before'])} to {times(d['after'])} crashes the toolkit",
    ):
        yield offering(found, model.graph, LINEAR)


cubic_resize.bad(lambda g: g.input(1, 8, 20, 20).op("Resize", shape=(1, 8, 40, 40), mode="cubic"))
cubic_resize.good(lambda g: g.input(1, 8, 20, 20).op("Resize", shape=(1, 8, 40, 40), mode="linear"))


@rule("RKN126", "operator-axes", Level.ERROR, on=Model, confidence="measured")
def operator_axes(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """MaxPool or Resize of something with depth.

    What it does: finds MaxPool and Resize of 5-D tensors. Convolutions, AveragePool and global pools of these
    build.

    Why it matters: the toolkit crashes (signal 6).

    What to do instead: do it in two steps on 4-D tensors: height and width with the depth in the batch, then the
    depth.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(
        plan,
        "operator-axes",
        lambda d: f"{d['op']} of {d['axes']} dimensions crashes the toolkit; it takes {d['limit']}",
    )


operator_axes.bad(
    lambda g: g.input(1, 8, 8, 8, 8).op("MaxPool", shape=(1, 8, 4, 4, 4), kernel_shape=(2, 2, 2), strides=(2, 2, 2))
)
operator_axes.good(lambda g: g.input(1, 8, 8, 8).max_pool(2))


@rule("RKN127", "negative-pad", Level.ERROR, on=Model, confidence="measured", target="rk3562")
def negative_pad(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Pad by negative amounts.

    What it does: finds Pad that cuts off, on chips whose compiler does not build it (all but rk3566, rk3568 and
    rk3588).

    Why it matters: the compiler stops.

    What to do instead: Slice, which is the same.

    Fix safety: safe; a Slice cuts off the same.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    for found in refused(plan, "negative-pad", lambda d: "negative amounts in Pad"):
        cuts = any(node.name == found.node and cuts_only(model.graph, node) for node in model.graph.nodes)
        yield offering(found, model.graph, CROP if cuts else None)


negative_pad.bad(lambda g: g.conv(8, 16).op("Pad", g.constant([0, 0, -1, -1, 0, 0, -1, -1]), shape=(1, 16, 30, 30)))
negative_pad.good(lambda g: g.conv(8, 16).op("Pad", g.constant([0, 0, 1, 1, 0, 0, 1, 1]), shape=(1, 16, 34, 34)))


@rule("RKN128", "conv-transpose-tile", Level.ERROR, on=Model, confidence="measured")
def conv_transpose_tile(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Transposed convolution with a large kernel and a large stride.

    What it does: finds transposed convolutions whose stride the chip does not have and whose kernel is so large
    that not even one line of it fits into its buffer.

    Why it matters: the compiler stops.

    What to do instead: two or more transposed convolutions by 2, 4 or 8; or Resize and a convolution.

    Source: measured with rknn-toolkit2 2.5.0. Limits by trying sizes with 16 channels.
    """
    yield from refused(plan, "conv-transpose-tile", _tile)


conv_transpose_tile.bad(lambda g: g.conv_transpose(16, 16, kernel=64, stride=32, pad=16))
conv_transpose_tile.good(lambda g: g.conv_transpose(16, 16, kernel=16, stride=8, pad=4))


@rule("RKN129", "division-by-input", Level.ERROR, on=Model, confidence="measured")
def division_by_input(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Whole numbers divided by an input.

    What it does: finds Div of whole numbers whose divisor is an input of the network.

    Why it matters: the toolkit tries the network on zeros and crashes (signal 8).

    What to do instead: convert to floating point before, or make the divisor a constant.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "division-by-input", lambda d: f"{d['dtype']} division by an input of the network")


division_by_input.bad(
    lambda g: g.input(1, 8, dtype="int32", name="b").input(1, 8, dtype="int32", name="a").op("Div", "b")
)
division_by_input.good(
    lambda g: g.input(1, 8, dtype="int32").op("Div", g.constant(2)).op("Cast", dtype="float32", to=1)
)


@rule("RKN131", "mask", Level.ERROR, on=Model, confidence="measured", target="rk2118")
def mask(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Where by a mask that is computed, on a chip without truth values.

    What it does: finds Where whose mask is not constant, on rk2118.

    Why it matters: the compiler stops.

    What to do instead: multiply with a mask of 0 and 1 in floating point.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "mask", lambda d: "the mask is computed; this chip has no truth values")


mask.bad(
    lambda g: (
        g.input(1, 8, 4, 4, dtype="bool", name="m")
        .input(1, 8, 4, 4, name="a")
        .op("Neg")
        .input(1, 8, 4, 4, name="z")
        .at("m")
        .op("Where", "a", "z", dtype="float32")
    )
)
mask.good(lambda g: g.conv(8, 16).relu())


RULES: list[Rule] = [
    pad_before_conv,
    gather_one_channel,
    layernorm_without_epsilon,
    layernorm_over_map,
    cubic_resize,
    operator_axes,
    negative_pad,
    conv_transpose_tile,
    division_by_input,
    mask,
]
