"""nncase 0.1: what it accepts, what it refuses and in which words, and what it computes otherwise."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.target import load_target

Network = Callable[[GraphBuilder], GraphBuilder]
ONE_PIXEL = [[0, 0], [1, 1], [1, 1], [0, 0]]


def checked(network: Network, layout: str = "NHWC", **options: object) -> Report:
    graph = normalize(network(GraphBuilder(layout)).graph())  # type: ignore[arg-type]
    return check_graph(graph, load_target("k210", "0.1", options))


def said(report: Report) -> list[tuple[str, str | None]]:
    """Names and vendor messages of the errors."""
    return [(f.name, f.vendor_message) for f in report.findings if str(f.level) == "error"]


def placed(report: Report) -> dict[str, str]:
    return {node.name: str(node.placement) for node in report.nodes}


def steps(report: Report) -> list[str]:
    return [step.op for step in report.plan.steps]


def zero_padding(g: GraphBuilder) -> GraphBuilder:
    """Keras's ZeroPadding2D(1)"""
    n, high, wide, channels = (int(size) for size in g.shape)
    return g.op("Pad", g.constant(ONE_PIXEL), shape=(n, high + 2, wide + 2, channels))


def fused(g: GraphBuilder, channels: int, stride: int = 1, padding: str = "SAME_UPPER") -> GraphBuilder:
    """3x3 convolution with ReLU inside, as TFLite has it."""
    n, high, wide, inputs = (int(size) for size in g.shape)
    lost = 2 if padding == "VALID" else 0
    shape = (n, -(-(high - lost) // stride), -(-(wide - lost) // stride), channels)
    weights = (g.zeros(channels, 3, 3, inputs), g.zeros(channels))
    return g.op("Conv", *weights, shape=shape, strides=(stride, stride), auto_pad=padding, activation="Relu", group=1)


def classifier(g: GraphBuilder, *, padded: bool = True, size: tuple[int, int] = (240, 320)) -> GraphBuilder:
    """The example of Sipeed's guide to models on the K210; not padded, its strides have padding "same"."""
    g.input(1, *size, 3)
    for channels, stride in ((32, 2), (32, 2), (32, 1), (32, 1), (32, 2), (64, 1), (64, 1)):
        if stride == 2 and padded:
            zero_padding(g)
            fused(g, channels, 2, "VALID")
        else:
            fused(g, channels, stride)
    _, high, wide, channels = (int(n) for n in g.shape)
    inputs = high * wide * channels
    return g.op("Reshape", shape=(1, inputs), new_shape=(1, inputs)).gemm(inputs, 2).op("Softmax")


# ---- the guide's classifier


def test_classifier_of_the_guide_is_accepted() -> None:
    report = checked(classifier)
    assert (report.verdict, report.runtime, report.fits) == ("accepted", "ok", "yes")
    assert said(report) == []
    places = placed(report)
    assert {places[name] for name in places if name.startswith("conv")} == {"accelerated"}
    assert {places[name] for name in places if name.startswith("pad")} == {"free"}
    assert (places["gemm_0"], places["softmax_0"], places["reshape_0"]) == ("fallback", "fallback", "fallback")
    assert steps(report) == ["Conv"] * 7 + ["Dequantize", "TensorflowFlatten", "FullyConnected", "Softmax"]


def test_same_padding_with_stride_2_is_accepted_and_shifted() -> None:
    report = checked(lambda g: classifier(g, padded=False))
    assert report.verdict == "accepted"
    shifted = [f for f in report.findings if f.name == "computed-differently"]
    assert [(f.node, str(f.level)) for f in shifted] == [(name, "warning") for name in ("conv_0", "conv_1", "conv_4")]
    assert not [f for f in checked(classifier).findings if f.name == "computed-differently"]


def test_same_padding_with_stride_2_needs_an_even_map() -> None:
    report = checked(lambda g: classifier(g, padded=False, size=(226, 226)))  # 226, 113, 57
    assert report.verdict == "rejected"
    assert set(said(report)) == {("conv-not-matched", "Fatal: Layer Conv2d is not supported")}
    assert placed(report)["conv_1"] == placed(report)["conv_4"] == "unsupported"
    assert placed(report)["conv_0"] == "accelerated"


def test_padded_stride_2_needs_an_even_map_too() -> None:
    report = checked(lambda g: fused(zero_padding(g.input(1, 31, 31, 8)), 16, 2, "VALID"))
    assert said(report) == [("conv-not-matched", "Fatal: Dimensions must be equal.")]
    assert placed(report) == {"pad_0": "unsupported", "conv_0": "unsupported"}


# ---- convolutions


@pytest.mark.parametrize(
    "network",
    [
        lambda g: g.conv(8, 16),
        lambda g: g.conv(8, 16, kernel=1),
        lambda g: g.depthwise(8),
        lambda g: g.conv(8, 16, stride=2),
        lambda g: g.conv(8, 16, stride=2, pads=(0, 0, 1, 1)),
        lambda g: g.depthwise(8, stride=2).conv(8, 16, kernel=1),
        lambda g: g.conv(8, 16, size=4),
        lambda g: g.conv(8, 16).op("LeakyRelu", alpha=0.1).max_pool(2),
        lambda g: g.conv(8, 16).average_pool(4),
    ],
)
def test_all_on_the_kpu(network: Network) -> None:
    report = checked(network)
    assert report.verdict == "accepted"
    assert "accelerated" in placed(report).values()
    assert set(placed(report).values()) <= {"accelerated", "free"}


@pytest.mark.parametrize(
    ("network", "name", "message"),
    [
        (lambda g: g.conv(8, 16, kernel=5), "conv-not-matched", "Fatal: Layer Conv2d is not supported"),
        (lambda g: g.conv(8, 16, pads=0), "conv-not-matched", "Fatal: Layer Conv2d is not supported"),
        (lambda g: g.conv(8, 16, kernel=1, stride=2), "conv-not-matched", "Fatal: Layer Conv2d is not supported"),
        (
            lambda g: g.depthwise(8, stride=2, pads=(0, 0, 1, 1)).conv(8, 16, kernel=1),
            "conv-not-matched",
            "Fatal: Layer DepthwiseConv2d is not supported",
        ),
        (lambda g: g.conv(8, 16, size=3), "map-under-4x4", "Fatal: Layer Conv2d is not supported"),
        (
            lambda g: g.conv(8, 16, stride=2, size=6),
            "map-under-4x4",
            "Lower than 4x4 output is not supported in dwConv2d.",
        ),
        (
            lambda g: g.conv(8, 16, size=6).max_pool(2),
            "map-under-4x4",
            "Lower than 4x4 output is not supported in dwConv2d.",
        ),
        (lambda g: g.conv(8, 16).relu(), "operator-not-imported", "Fatal: Layer RELU is not supported"),
        (lambda g: g.conv(8, 16).op("HardSwish"), "operator-not-imported", "Fatal: Layer 117 is not supported"),
        (
            lambda g: g.conv(8, 16).average_pool(3, 2).op("LeakyRelu", alpha=0.1),
            "layer-left-over",
            "Fatal: Layer LeakyRelu is not supported",
        ),
        (
            lambda g: g.conv(8, 16).op("Reshape", shape=(1, 16384)),
            "argument-not-read",
            "Fatal: Object reference not set to an instance of an object.",
        ),
        (
            lambda g: g.conv(8, 16).branch(lambda g: g.conv(16, 16), lambda g: g.conv(16, 16), join="Mul"),
            "argument-not-read",
            "Fatal: Layer tflite.Operator is not supported: Only scalar multiply is supported",
        ),
        (
            lambda g: g.conv(8, 16, groups=8),
            "depth-multiplier",
            "Fatal: Layer DEPTHWISE_CONV_2D is not supported: depth_multiplier must be 1",
        ),
        (lambda g: g.conv(8, 64, size=256), "kpu-memory-overflow", "Fatal: KPU ran out of memory."),
    ],
)
def test_refused_in_the_vendor_s_words(network: Network, name: str, message: str) -> None:
    report = checked(network)
    assert report.verdict == "rejected"
    assert said(report) == [(name, message)]


def test_only_one_padding_is_read() -> None:
    def keras(g: GraphBuilder) -> GraphBuilder:
        pads = g.input(1, 32, 32, 8).constant([[0, 0], [0, 1], [0, 1], [0, 0]])
        return fused(g.op("Pad", pads, shape=(1, 33, 33, 8)), 16, 2, "VALID")

    report = checked(keras)
    names = [name for name, _ in said(report)]
    assert names[0] == "pad-amounts"
    assert "Only paddings of [[0,0],[1,1],[1,1],[0,0]]" in (said(report)[0][1] or "")


def test_everything_wrong_is_named() -> None:
    report = checked(lambda g: g.conv(8, 16, kernel=5).conv(16, 16).op("Mystery").conv(16, 8, kernel=7))
    assert {(f.name, f.node) for f in report.findings if str(f.level) == "error"} == {
        ("operator-not-imported", "mystery_0"),
        ("conv-not-matched", "conv_0"),
        ("conv-not-matched", "conv_2"),
    }
    assert placed(report)["conv_1"] == "accelerated"


# ---- what runs on the CPU


def test_layers_on_the_cpu() -> None:
    report = checked(lambda g: g.conv(8, 16).branch(lambda g: g, lambda g: g.conv(16, 16)).max_pool(3, 2))
    assert steps(report) == ["Conv", "Conv", "QuantizedAdd", "QuantizedMaxPool2D", "Dequantize"]
    assert placed(report)["add_0"] == placed(report)["maxpool_0"] == "fallback"


def test_concatenation_of_maps_nobody_else_reads_is_free() -> None:
    inner: Network = lambda g: g.conv(16, 16)  # noqa: E731
    report = checked(lambda g: g.conv(8, 16).branch(inner, inner, join="Concat").conv(32, 8))
    assert placed(report)["concat_0"] == "free"
    assert steps(report) == ["Conv", "Conv", "Conv", "Upload", "Conv", "Dequantize"]


def test_dense_layer_on_the_kpu_and_too_wide_for_it() -> None:
    small = checked(lambda g: g.conv(8, 16).average_pool(32).gemm(16, 10))
    assert placed(small)["gemm_0"] == "partial"
    wide = checked(lambda g: g.conv(8, 16).average_pool(32).gemm(16, 1025))
    assert placed(wide)["gemm_0"] == "fallback"
    assert "FullyConnected" in steps(wide)


def test_without_quantisation_no_convolution_is_accepted() -> None:
    report = checked(lambda g: g.conv(8, 16), ptq=False)
    assert said(report) == [("conv-not-matched", "Fatal: Layer Conv2d is not supported")]


# ---- accepted, and computed otherwise or not at all


@pytest.mark.parametrize(
    ("network", "left_out"),
    [
        (lambda g: g.conv(8, 16, dilation=2), "the dilation 2x2"),
        (lambda g: g.conv(8, 16).op("Softmax"), "all but the first 16 of 16384 values"),
        (lambda g: g.conv(8, 16).op("Sigmoid"), "all but the first 16 of 16384 values"),
        (lambda g: g.conv(8, 1025, kernel=1), "the channels beyond 1024"),
        (lambda g: g.input(2, 32, 32, 8).conv(8, 16), "all but the first of 2 pictures"),
    ],
)
def test_miscompiled(network: Network, left_out: str) -> None:
    report = checked(network)
    assert report.verdict == "miscompiled"
    assert [name for name, _ in said(report)] == ["computed-differently"]
    assert any(left_out in f.message for f in report.findings)


def test_activation_behind_a_sum_is_lost() -> None:
    def residual(g: GraphBuilder, **attributes: str) -> GraphBuilder:
        start = g.conv(8, 16).current
        return g.conv(16, 16).op("Add", start, **attributes)

    assert checked(lambda g: residual(g, activation="Relu")).verdict == "miscompiled"
    assert checked(residual).verdict == "accepted"


def test_runtime_has_no_float_maximum_pool() -> None:
    report = checked(lambda g: g.conv(8, 16).average_pool(3, 2).max_pool(2))
    assert (report.verdict, report.runtime) == ("accepted", "fails")
    assert [name for name, _ in said(report)] == ["layer-without-code"]


def test_runtime_begins_with_a_convolution() -> None:
    report = checked(lambda g: g.gemm(64, 10))
    assert report.runtime == "fails"
    assert checked(lambda g: g.conv(8, 16).average_pool(32).gemm(16, 10)).runtime == "ok"


# ---- other formats


def test_onnx_is_not_read_and_its_layers_are_looked_at() -> None:
    report = checked(lambda g: g.conv(8, 16).batch_norm(16).relu().max_pool(2).conv(16, 8, kernel=7), "NCHW")
    assert said(report) == [
        ("format-not-read", "Fatal: input-format"),
        ("conv-not-matched", "Fatal: Layer Conv2d is not supported"),
    ]
    assert placed(report) == {
        "conv_0": "accelerated",
        "batchnormalization_0": "free",
        "relu_0": "free",
        "maxpool_0": "free",
        "conv_1": "unsupported",
    }


# ---- memory


def test_bytes() -> None:
    """A map of 32x32 with 8 channels in, 16 out: rows of two channels. Written to main memory as bytes and float32."""
    memory = checked(lambda g: g.conv(8, 16)).plan.memory
    assert memory["kpu"].peak == 8 // 2 * 32 * 64 + 16 // 2 * 32 * 64
    assert memory["data"].peak == 16 * 32 * 32 * (1 + 4)
    weights, registers, channels = 8 * 16 * 9, 96, 16 * 8
    header, body = 28 + 8 + 2 * 8, 24
    start = -(-(header + body) // 8) * 8 + registers
    first = -(-start // 128) * 128 + weights
    scale = -(-first // 128) * 128 + channels
    assert memory["model"].peak == -(-scale // 256) * 256 + 16 * 8 + 16 + 6 * 4
    assert memory["main"].peak == memory["data"].peak + memory["model"].peak


def test_maps_that_fit_at_the_worst_moment() -> None:
    assert checked(lambda g: g.conv(16, 16, size=256)).verdict == "accepted"
    report = checked(lambda g: g.conv(16, 17, size=256))
    assert report.plan.refused("kpu-memory-overflow")[0].details["least"] == (16 + 17) * 256 * 256


# ---- held against a file that the compiler made

MASK_DETECTOR = [
    *[(8, 3, "s2", 0), (8, 3, "dw", 29696), (16, 1, "", 0), (16, 3, "dw", 26624), (32, 1, "s2", 0)],
    *[(32, 3, "dw", 28672), (32, 1, "", 0), (32, 3, "dw", 28672), (64, 1, "s2", 0), (64, 3, "dw", 30720)],
    *[(64, 1, "", 0), (64, 3, "dw", 30720), (128, 1, "s2", 0)],
    *[(128, 3, "dw", 31744), (128, 1, "", 0)] * 5,
    *[(128, 3, "dw", 31744), (256, 1, "s2", 0), (256, 3, "dw", 32256), (256, 1, "", 0), (256, 3, "dw", 32256)],
    *[(1024, 1, "", 0), (35, 1, "", 32696)],
]
"""Output channels, kernel, kind and row of the KPU's memory of every convolution, as the registers in
kendryte-standalone-demo e89c354, face_mask_detect/detect_5.kmodel, have them. A 1x1 convolution with stride 2 carries
the stride of the depthwise one before it. The picture is 256x320."""


def mask_detector(g: GraphBuilder) -> GraphBuilder:
    channels = 3
    g.input(1, 256, 320, 3)
    for index, (outputs, kernel, kind, _) in enumerate(MASK_DETECTOR):
        strided = kind == "dw" and MASK_DETECTOR[index + 1][2] == "s2"
        if kernel == 3 and (kind == "s2" or strided):
            zero_padding(g)
        pads = 0 if kernel == 1 or kind == "s2" or strided else 1
        stride = 2 if strided or (kind == "s2" and kernel == 3) else 1
        g.conv(channels, outputs, kernel=kernel, stride=stride, pads=pads, groups=outputs if kind == "dw" else 1)
        channels = outputs
    return g


def test_addresses_memory_and_length_of_a_published_kmodel() -> None:
    report = checked(mask_detector)
    assert report.verdict == "accepted"
    assert steps(report) == ["Conv"] * 30 + ["Dequantize"]
    convs = [step for step in report.plan.steps if step.op == "Conv"]
    rows = [
        write.offset // 64
        for step in convs
        for write in step.writes
        if write.pool == "kpu" and write.offset is not None
    ]
    assert rows == [row for *_, row in MASK_DETECTOR]
    assert report.plan.memory["data"].peak == 14000
    assert report.plan.memory["model"].peak == 555176
    assert placed(report).keys() >= {"pad_0", "conv_29"}
