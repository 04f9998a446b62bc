"""1xx: what nncase 0.1 refuses, and what it accepts and computes differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import GraphBuilder
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from ..kmodel import ANY_FIRST_LAYER
from ..runtime_support import runtime_name
from ..wording import refused, size
from .v01_runtime import first_refused, without_code

VERSION = "0.1"


@rule("KPU141", "format-not-read", Level.ERROR, on=Model, toolchain=VERSION)
def format_not_read(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Network in a format that nncase 0.1 does not read.

    What it does: finds networks that are not TFLite files when nncase is 0.1. The layers are looked at all the same,
    as a converter to TFLite would write them: normalisation and activation inside the convolution before them, padding
    of one pixel as an operator of its own. What the converter really writes can differ.

    Why it matters: nncase 0.1 reads TFLite, Caffe and Paddle files. For any other format it stops before it opens the
    file.

    What to do instead: convert the network to TFLite in float32, and check that file.

    Source: nncase v0.1.0-rc5, src/NnCase.Cli/Program.cs; nncase issue 18 shows the message.
    """
    yield from refused(plan, "format-not-read", lambda d: f"nncase 0.1 reads TFLite, not {_format(d['format'])}")


def _format(name: str) -> str:
    return {"onnx": "ONNX", "pt2": "exported PyTorch", "torch": "PyTorch"}.get(name, name)


format_not_read.bad(lambda g: g.conv(8, 16))


@format_not_read.good
def _tflite(g: GraphBuilder) -> GraphBuilder:
    return GraphBuilder("NHWC").conv(8, 16)


@rule("KPU142", "conv-not-matched", Level.ERROR, on=Model, layout="NHWC", toolchain=VERSION)
def conv_not_matched(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Convolution that fits none of nncase 0.1's patterns.

    What it does: finds convolutions that do not become one of the KPU's, and says everything that keeps them from it.

    Why it matters: nncase 0.1 has no convolution on the CPU. It accepts 1x1 with stride 1; 3x3 with stride 1 and
    padding "same", depthwise ones too; 3x3 with padding "valid" behind a padding of one pixel on every side, with
    stride 1, and with stride 2 over a map of even size; 3x3 with stride 2 and padding "same" over a map of even size;
    and a depthwise 3x3 with stride 2 behind such a padding when a 1x1 convolution alone reads it. Everything else
    stops the conversion, which names the kind of layer and not the layer.

    What to do instead: for stride 2 put ZeroPadding2D(((1, 1), (1, 1))) before a convolution with padding="valid",
    over a map of even height and width. Two 3x3 convolutions instead of a 5x5 one. Or nncase 0.2, which leaves such
    layers to the CPU.

    Source: nncase v0.1.0-rc5, src/NnCase.Converter.K210/Transforms and Converters/Stages/Convert/Converter.cs; nncase
    issues 7, 14, 52, 166; Sipeed's guide to models on the K210.
    """
    yield from refused(plan, "conv-not-matched", lambda d: str(d["reason"]))


conv_not_matched.bad(lambda g: g.conv(8, 16, kernel=5))
conv_not_matched.bad(lambda g: g.conv(8, 16, kernel=3, pads=0))
conv_not_matched.bad(lambda g: g.conv(8, 16, kernel=3, stride=2, size=31))
conv_not_matched.bad(lambda g: g.depthwise(8, kernel=3, stride=2, pads=(0, 0, 1, 1)).conv(8, 16, kernel=1))
conv_not_matched.good(lambda g: g.conv(8, 16, kernel=3, stride=2, size=32))
conv_not_matched.good(lambda g: g.depthwise(8, kernel=3, stride=2).conv(8, 16, kernel=1))


@rule("KPU143", "map-under-4x4", Level.ERROR, on=Model, layout="NHWC", toolchain=VERSION)
def map_under_4x4(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Map smaller than 4x4 before or behind a convolution, with nncase 0.1.

    What it does: finds convolutions whose input, or whose result after the stride or the pool that is fused into them,
    is lower or narrower than {min_height} pixels.

    Why it matters: the KPU's maps are at least 4x4. Later versions leave such a layer or its pool to the CPU; 0.1
    stops, with a message that always speaks of a depthwise convolution.

    What to do instead: a larger picture, or one stride or pool less. A pool that 0.1 does not fuse (3x3 with stride
    2, or one that a second layer reads around) may make a smaller map.

    Source: nncase v0.1.0-rc5, src/NnCase.Converter.K210/Model/Layers/K210Conv2d.cs.
    """
    yield from refused(
        plan,
        "map-under-4x4",
        lambda d: f"{d['which']} of the KPU's convolution is {size((d['height'], d['width']))}; 4x4 is the least",
    )


map_under_4x4.bad(lambda g: g.conv(8, 16, size=3))
map_under_4x4.bad(lambda g: g.conv(8, 16, size=6).max_pool(2))
map_under_4x4.bad(lambda g: g.conv(8, 16, stride=2, size=6))
map_under_4x4.good(lambda g: g.conv(8, 16, size=4))
map_under_4x4.good(lambda g: g.conv(8, 16, size=8).max_pool(2))


@rule("KPU144", "pad-amounts", Level.ERROR, on=Model, layout="NHWC", toolchain=VERSION)
def pad_amounts(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Padding other than one pixel on every side, with nncase 0.1.

    What it does: finds padding whose amounts are not [[0,0],[1,1],[1,1],[0,0]].

    Why it matters: nncase 0.1 knows this one padding, as part of the convolution behind it, and stops at any other.
    Keras's own MobileNet pads ((0, 1), (0, 1)) before its strides.

    What to do instead: ZeroPadding2D(((1, 1), (1, 1))), and train again: the network sees other borders.

    Source: nncase v0.1.0-rc5, src/NnCase.Converter/Converters/TfLiteToGraphConverter.cs; nncase issue 142.
    """
    yield from refused(
        plan,
        "pad-amounts",
        lambda d: f"pads {_amounts(d)}; nncase 0.1 has [[0, 0], [1, 1], [1, 1], [0, 0]] only",
        Fix("pad-symmetric", "display", "pad one pixel on every side"),
    )


def _amounts(details: Mapping[str, Any]) -> str:
    amounts = details["amounts"]
    return "amounts that are not in the file" if amounts is None else str([list(pair) for pair in amounts])


@pad_amounts.bad
def _keras_pad(g: GraphBuilder) -> GraphBuilder:
    pads = g.input(1, 32, 32, 8).constant([[0, 0], [0, 1], [0, 1], [0, 0]])
    return g.op("Pad", pads, shape=(1, 33, 33, 8)).conv(8, 16, stride=2, pads=0)


@pad_amounts.good
def _even_pad(g: GraphBuilder) -> GraphBuilder:
    pads = g.input(1, 32, 32, 8).constant([[0, 0], [1, 1], [1, 1], [0, 0]])
    return g.op("Pad", pads, shape=(1, 34, 34, 8)).conv(8, 16, stride=2, pads=0)


@rule("KPU145", "layer-left-over", Level.ERROR, on=Model, layout="NHWC", toolchain=VERSION)
def layer_left_over(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Layer that nncase 0.1 reads and then cannot write.

    What it does: finds layers that are good for a pattern only and stand outside of it: LeakyReLU and its spelling as
    a product and a maximum anywhere but right behind a convolution without activation, padding that no convolution
    takes in, a Reshape that is neither taken back by the next nor makes everything one row.

    Why it matters: these have no layer in a kmodel of version 3, and the conversion stops.

    What to do instead: put the activation right behind the convolution, and before the pool. Let one convolution alone
    read the padding. End the network before the Reshape, which changes no byte.

    Source: nncase v0.1.0-rc5, src/NnCase.Converter.K210/Converters/Stages/Convert/Converter.cs and Converters/Layers.
    """
    yield from refused(
        plan, "layer-left-over", lambda d: f"no pattern takes in this {d['layer']}, and a kmodel has no such layer"
    )


layer_left_over.bad(lambda g: g.conv(8, 16).max_pool(3, 2).op("LeakyRelu", alpha=0.1))
layer_left_over.bad(lambda g: g.conv(8, 16).op("Reshape", shape=(1, 64, 16, 16), new_shape=(1, 64, 16, 16)).conv(16, 8))
layer_left_over.good(lambda g: g.conv(8, 16).op("LeakyRelu", alpha=0.1).max_pool(2))


@rule("KPU146", "argument-not-read", Level.ERROR, on=Model, layout="NHWC", toolchain=VERSION)
def argument_not_read(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Operator with a parameter, shape or input that nncase 0.1's TFLite importer does not take.

    What it does: finds Reshapes whose shape is not among the operator's options, tensors with other than 2 or 4 axes,
    concatenations that are not written as along axis 3, means over other axes than [1, 2], products with more than a
    single number, weights that are not float32, fused activations other than ReLU and ReLU6, constants as operands,
    and inputs that several operators read.

    Why it matters: the importer was written for the files of TensorFlow 1.x. It stops, often with a message about an
    index or an object.

    What to do instead: a float32 file from the old converter (TensorFlow 1.x, or converter.experimental_new_converter
    = False while TensorFlow still had it), which writes the shape of a Reshape where 0.1 looks for it;
    GlobalAveragePooling2D instead of Flatten. Or nncase 0.2.

    Source: nncase v0.1.0-rc5, src/NnCase.Converter/Converters/TfLiteToGraphConverter.cs; nncase issues 28 and 67.
    """
    yield from refused(plan, "argument-not-read", lambda d: str(d["what"]))


argument_not_read.bad(lambda g: g.conv(8, 16).op("Reshape", shape=(1, 16384)))
argument_not_read.bad(lambda g: g.conv(8, 16).branch(lambda g: g.conv(16, 16), lambda g: g.conv(16, 16), join="Mul"))
argument_not_read.bad(lambda g: g.input(1, 16, 16, 8).branch(lambda g: g.conv(8, 8), lambda g: g.conv(8, 8)))
argument_not_read.good(lambda g: g.conv(8, 16).op("Reshape", shape=(1, 16384), new_shape=(1, 16384)))


@rule("KPU147", "computed-differently", Level.ERROR, on=Model, layout="NHWC", toolchain=VERSION)
def computed_differently(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Layer that nncase 0.1 accepts and computes otherwise than the network says.

    What it does: finds what the compiler does not look at although the result depends on it: the dilation of a
    convolution; the activation fused into an addition, a concatenation or a pool on the CPU; an addition of maps of
    two sizes; Softmax and Sigmoid over a map, of which the first values are computed, as many as there are channels;
    a batch; more channels or pixels than the KPU's registers count. A convolution with stride 2 and padding "same"
    over an even size is a warning: TensorFlow pads it right and below, the KPU on every side, so that every value is
    taken one pixel further up and left. Another is a map larger than {max_height}x{max_width}.

    Why it matters: the conversion says nothing, and the board's results are wrong. Residual networks of the ResNet
    kind lose the ReLU behind every addition.

    What to do instead: no dilation; an activation behind a convolution, not behind the sum; Softmax and Sigmoid of a
    map in the firmware. For stride 2 ZeroPadding2D(((1, 1), (1, 1))) and padding="valid". Or nncase 0.2.

    Source: nncase v0.1.0-rc5, TfLiteToGraphConverter.cs, K210Stride2Conv2dTransform.cs, Converters/Layers (Softmax.cs,
    Logistic.cs, Add.cs) and Model/Hardware; nncase issue 47. None of it was measured.
    """
    high, wide = kpu.limit("max_height"), kpu.limit("max_width")
    for step in plan.steps if kpu.version == VERSION else ():
        node = step.nodes[0] if step.nodes else None
        for ignored in step.details.get("ignored", ()):
            yield Found(f"nncase 0.1 leaves out {ignored}; the board computes something else", node=node)
        if step.details.get("shifted"):
            text = "stride 2 with padding 'same': the KPU takes every value one pixel further up and left"
            fix = Fix("pad-symmetric", "display", "pad one pixel on every side and convolve with padding 'valid'")
            yield Found(text, node=node, fix=fix, level=Level.WARNING)
        height, width = step.details.get("map", (0, 0))
        if height > high or width > wide:
            text = f"input is {height}x{width} (height x width), which nncase 0.1 does not compare with the KPU's"
            yield Found(f"{text} {high}x{wide}; what the chip does is not known", node=node, level=Level.WARNING)


computed_differently.bad(lambda g: g.conv(8, 16, dilation=2))
computed_differently.bad(lambda g: g.conv(8, 16).op("Softmax"))
computed_differently.bad(lambda g: g.conv(8, 16, stride=2, pads=(0, 0, 1, 1)))
computed_differently.good(lambda g: g.conv(8, 16, stride=2))
computed_differently.good(lambda g: g.conv(8, 16).average_pool(32).op("Softmax"))


@rule("KPU148", "layer-without-code", Level.ERROR, on=Model, layout="NHWC", toolchain=VERSION)
def layer_without_code(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Layer of a version 3 kmodel that the board's runtime cannot run.

    What it does: finds layers that nncase 0.1 writes and its runtime has no code for, such as a maximum pool in
    float32; and networks that do not begin with a layer the runtime gives its input to.

    Why it matters: the conversion succeeds. The board stops in the middle of the network, with a message only in debug
    builds, or returns -1 before it begins; MaixPy says 2007, ERR_GET_CONV_LAYER.

    What to do instead: let a convolution of the KPU come first, and pool behind a layer that the KPU computes; or
    nncase 0.2.

    Source: kendryte-standalone-sdk 02576ba, lib/drivers/kpu.c; MaixPy-v1 d8901fd, Maix_kpu.c. Whether MaixPy's closed
    library has the same layers is unverified.
    """
    if kpu.version != VERSION or plan.verdict == "rejected":
        return
    for step in without_code(plan.steps, kpu):
        said, speaker = 'assert(!"Layer is not supported.")', {"speaker": "the board"}
        yield Found(f"the runtime has no code for {step.op}", said, node=step.nodes[0], details=speaker)
    first = first_refused(plan.steps, kpu)
    if first is not None:
        allowed = " or ".join(sorted(ANY_FIRST_LAYER))
        message = f"the kmodel begins with {first.op}; {runtime_name(kpu)} begins with {allowed}"
        yield Found(message, node=first.nodes[0] if first.nodes else None)


layer_without_code.bad(lambda g: g.conv(8, 16).average_pool(3, 2).max_pool(2))
layer_without_code.bad(lambda g: g.gemm(64, 10))
layer_without_code.good(lambda g: g.conv(8, 16).max_pool(3, 2))

RULES = [
    format_not_read,
    conv_not_matched,
    map_under_4x4,
    pad_amounts,
    layer_left_over,
    argument_not_read,
    computed_differently,
    layer_without_code,
]
