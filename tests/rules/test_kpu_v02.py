"""nncase 0.2: what it refuses, where layers run, why convolutions stay in float32, and the memory it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from lintmodel import api
from lintmodel.findings import Finding
from lintmodel.ir import Constant, Graph, GraphBuilder, Tensor
from lintmodel.ir.graph import Layout
from lintmodel.normalize import normalize
from lintmodel.planning import Placement, Plan
from lintmodel.rules.kpu.compiler import make
from lintmodel.rules.kpu.compiler.program import Value
from lintmodel.rules.kpu.legacy import v02_memory
from lintmodel.rules.kpu.legacy.v02_memory import Placed, TailFit
from lintmodel.rules.kpu.legacy.v02_passes import run_passes
from lintmodel.rules.kpu.legacy.v02_program import LegacyProgram, span
from lintmodel.target import load_target

V02 = load_target("k210@0.2")
Build = Callable[[GraphBuilder], GraphBuilder]


def checked(build: Build, layout: Layout = "NHWC", version: str = "0.2", **options: Any) -> api.Report:
    graph = normalize(build(GraphBuilder(layout)).graph())
    return api.check_graph(graph, load_target("k210", version).with_options(options))


def planned(build: Build, layout: Layout = "NHWC", **options: Any) -> Plan:
    return checked(build, layout, **options).plan


def ops(plan: Plan) -> list[str]:
    return [step.op for step in plan.steps]


def found(report: api.Report, code: str) -> list[Finding]:
    return [finding for finding in report.findings if finding.rule == code]


def weighted(*values: float, size: int = 8) -> Build:
    """A 1x1 convolution from one channel with these weights."""
    weights = [[[[value]]] for value in values]
    shape = (1, len(values), size, size)
    return lambda g: g.input(1, 1, size, size).op("Conv", g.constant(weights), shape=shape, kernel_shape=(1, 1))


# ---- what is read


@pytest.mark.parametrize(
    ("operator", "layout", "message"),
    [
        ("Sigmoid", "NCHW", "Fatal: Not supported ONNX opcode: Sigmoid"),
        ("SpaceToDepth", "NCHW", "Fatal: Not supported ONNX opcode: SpaceToDepth"),
        ("Tanh", "NHWC", "Fatal: Not supported tflite opcode: TANH"),
    ],
)
def test_operators_it_does_not_list(operator: str, layout: Layout, message: str) -> None:
    plan = planned(lambda g: g.conv(8, 8).op(operator, blocksize=1), layout)
    assert plan.verdict == "rejected"
    assert [refusal.vendor_message for refusal in plan.refused("operator-not-imported")] == [message]


@pytest.mark.parametrize(("operator", "layout"), [("Relu", "NCHW"), ("Sigmoid", "NHWC"), ("Abs", "NHWC")])
def test_operators_it_lists(operator: str, layout: Layout) -> None:
    plan = planned(lambda g: g.conv(8, 8).op(operator), layout)
    assert plan.verdict == "accepted"
    assert plan.placements[f"{operator.lower()}_0"] == Placement.FREE


def test_tables_have_the_tags_operators() -> None:
    assert (len(V02.operators["onnx"]), len(V02.operators["tflite"])) == (36, 40)


def test_initialiser_is_no_operand() -> None:
    report = checked(lambda g: g.conv(8, 8).op("Add", g.zeros(8, 1, 1, name="bias")), "NCHW")
    (finding,) = found(report, "KPU158")
    assert finding.vendor_message == "Fatal: Cannot find associated output node for input bias"
    assert checked(lambda g: g.conv(8, 8).op("Add", g.zeros(8))).plan.verdict == "accepted"


def test_full_integer_file_is_refused_for_its_input_and_its_biases() -> None:
    plan = planned(lambda g: g.conv(8, 8).quantized())
    messages = [refusal.vendor_message for refusal in plan.refused("element-type")]
    assert messages[0] == "Fatal: Invalid tesnor type"
    assert "Expect FLOAT32 tensor but got INT8" in str(messages[1])


def test_activation_it_does_not_know() -> None:
    plan = planned(lambda g: g.conv(8, 8).op("Add", g.zeros(8), activation="Tanh"))
    assert [r.vendor_message for r in plan.refused("fused-activation")] == ["Fatal: Not supported activation: TANH"]


def test_depth_multiplier() -> None:
    refused = planned(lambda g: g.conv(8, 16, groups=8)).refused("depth-multiplier")
    assert "with depth_multiplier 2 is not supported" in str(refused[0].vendor_message)
    assert planned(lambda g: g.conv(8, 8, groups=8)).verdict == "accepted"


@pytest.mark.parametrize(("stride", "verdict"), [(1, "miscompiled"), (2, "rejected")])
def test_transposed_convolution_from_onnx(stride: int, verdict: str) -> None:
    assert planned(lambda g: g.conv_transpose(8, 8, kernel=3, stride=stride, pad=1), "NCHW").verdict == verdict


def test_transposed_convolution_from_tflite_runs_on_the_cpu() -> None:
    plan = planned(lambda g: g.conv(8, 8).conv_transpose(8, 8, kernel=3, stride=2, pad=1))
    assert plan.verdict == "accepted"
    assert plan.placements["convtranspose_0"] == Placement.FALLBACK
    assert "Conv2DTranspose" in ops(plan)


@pytest.mark.parametrize(("pads", "misread"), [((0, 0, 1, 1), True), ((1, 1, 1, 1), False), ((1, 0, 0, 1), False)])
def test_pads_are_read_in_another_order(pads: tuple[int, int, int, int], misread: bool) -> None:
    """Wrong where left is not bottom."""
    report = checked(lambda g: g.conv(8, 8, stride=2, pads=pads).op("ReduceMean", shape=(1, 1, 1, 1)), "NCHW")
    assert (report.plan.verdict == "miscompiled") is misread
    assert bool(found(report, "KPU155")) is misread


def test_maximum_pool_is_wrong_from_onnx_only() -> None:
    build: Build = lambda g: g.conv(8, 8).max_pool(2)  # noqa: E731
    assert [planned(build, layout).verdict for layout in ("NCHW", "NHWC")] == ["miscompiled", "accepted"]


def test_attribute_that_is_left_out() -> None:
    report = checked(lambda g: g.conv(8, 8).op("Softmax"), "NCHW")
    assert [f.vendor_message for f in found(report, "KPU157")] == ["Fatal: bad optional access"]


# ---- where convolutions run


@pytest.mark.parametrize(
    ("build", "placement"),
    [
        (lambda g: g.conv(8, 16), Placement.ACCELERATED),
        (lambda g: g.conv(8, 16, kernel=5), Placement.FALLBACK),
        (lambda g: g.conv(8, 16, size=4), Placement.ACCELERATED),
        (lambda g: g.conv(8, 16, size=3), Placement.FALLBACK),
        (lambda g: g.conv(3, 4, size=(256, 64)), Placement.ACCELERATED),
        (lambda g: g.conv(3, 4, size=(257, 64)), Placement.FALLBACK),
        (lambda g: g.conv(3, 4, size=(64, 512)), Placement.ACCELERATED),
        (lambda g: g.conv(3, 4, size=(64, 513)), Placement.FALLBACK),
        (lambda g: g.conv(1024, 4, kernel=1, size=8), Placement.ACCELERATED),
        (lambda g: g.conv(1025, 4, kernel=1, size=8), Placement.FALLBACK),
        (lambda g: g.conv(4, 1025, kernel=1, size=8), Placement.FALLBACK),
        (lambda g: g.conv(8, 16, pads=0), Placement.PARTIAL),
        (lambda g: g.conv(8, 16, pads=2), Placement.PARTIAL),
        (lambda g: g.conv(8, 16, dilation=2), Placement.PARTIAL),
        (lambda g: g.conv(8, 16, dilation=2, stride=2), Placement.FALLBACK),
        (lambda g: g.conv(8, 16, stride=3), Placement.PARTIAL),
        (lambda g: g.depthwise(8, stride=2), Placement.PARTIAL),
        (lambda g: g.conv(8, 16, stride=2, size=31), Placement.PARTIAL),
    ],
)
def test_placement(build: Build, placement: Placement) -> None:
    assert planned(build).placements["conv_0"] == placement


@pytest.mark.parametrize(
    ("build", "steps"),
    [
        (lambda g: g.conv(8, 16, stride=2, pads=1), ["KPUConv2D"]),
        (lambda g: g.conv(8, 16, pads=0), ["KPUConv2D", "Pad"]),
        (lambda g: g.depthwise(8, stride=2), ["KPUConv2D", "StridedSlice"]),
        (lambda g: g.conv(8, 16, kernel=5), ["Quantize", "QuantizedConv2D"]),
        (lambda g: g.conv(8, 16).max_pool(2), ["KPUConv2D"]),
        (lambda g: g.depthwise(8).max_pool(2), ["KPUConv2D", "ReduceWindow2D"]),
        (lambda g: g.conv(8, 16).relu(), ["KPUConv2D"]),
        (
            lambda g: g.conv(8, 16).branch(lambda g: g.conv(16, 16), lambda g: g),
            ["KPUConv2D"] * 2 + ["QuantizedBinary"],
        ),
    ],
)
def test_steps(build: Build, steps: list[str]) -> None:
    """On the way from the input's upload to the output's Dequantize."""
    around = {"KPUUpload", "Dequantize", "Transpose"} | ({"Quantize"} if "Quantize" not in steps else set())
    assert [op for op in ops(planned(build)) if op not in around] == steps


def test_input_that_goes_to_the_kpu_is_handed_over_there() -> None:
    plan = planned(lambda g: g.conv(3, 8), input_type="uint8")
    assert ops(plan) == ["KPUConv2D", "Dequantize"]
    assert [(b.pool, b.bytes) for b in plan.buffers if b.birth == 0] == [("kpu", 2 * 32 * 64)]


@pytest.mark.parametrize(
    ("ins", "outs", "on_kpu"), [(64, 16, True), (64, 15, False), (1024, 16, True), (1025, 16, False)]
)
def test_dense_layer_needs_1024_weights(ins: int, outs: int, on_kpu: bool) -> None:
    """and at most 1024 inputs."""
    plan = planned(lambda g: g.input(1, ins).op("Gemm", g.zeros(outs, ins), g.zeros(outs), shape=(1, outs), transB=1))
    assert ops(plan)[-1] == ("Dequantize" if on_kpu else "MatMul")
    assert plan.placements["gemm_0"] == (Placement.PARTIAL if on_kpu else Placement.FALLBACK)


def test_four_by_four_pool_with_another_stride() -> None:
    refusal = planned(lambda g: g.conv(8, 16).max_pool(4, 2)).refused("pool-stride")[0]
    assert refusal.vendor_message == "Fatal: Shapes must be same, but got [1,16,15,15] and [1,16,8,8]"
    assert planned(lambda g: g.conv(8, 16).max_pool(4, 4)).verdict == "accepted"


def test_without_quantisation_nothing_runs_on_the_kpu() -> None:
    assert ops(planned(lambda g: g.conv(8, 16).relu(), ptq=False)) == ["Conv2D", "Binary"]


# ---- why convolutions stay in float32


@pytest.mark.parametrize(("values", "wide"), [((40.0, -24.0), False), ((40.0, -24.001), True), ((-65.0,), True)])
def test_range_of_weights(values: tuple[float, ...], wide: bool) -> None:
    report = checked(weighted(*values), "NCHW")
    assert bool(found(report, "KPU151")) is wide
    assert (report.plan.placements["conv_0"] == Placement.FALLBACK) is wide


@pytest.mark.parametrize(
    ("values", "measured"),
    [
        ([3.0, -1.0], 4.0),
        ([2.0, 5.0], 5.0),
        ([-2.0, -1.0], 2.0),
        ([1.0], 1.1),
        ([0.0], 0.1),
        ([2000.0, -3000.0], 2000.0),
    ],
)
def test_range_has_zero_in_it_and_is_clipped(values: list[float], measured: float) -> None:
    builder = GraphBuilder()
    name = builder.constant(values, "w")
    assert span(builder.input(1).op("Identity").graph().tensor(name)) == pytest.approx(measured)


def test_weights_that_are_not_in_the_file_are_reported() -> None:
    graph = normalize(GraphBuilder("NHWC").conv(8, 16).graph())
    missing = {
        name: tensor if tensor.constant is None else _without_values(graph, name)
        for name, tensor in graph.tensors.items()
    }
    plan = api.check_graph(graph.with_(tensors=missing), V02).plan
    assert [(n.what, n.nodes) for n in plan.not_checked] == [("range of weights", ("conv_0",))]
    assert planned(lambda g: g.conv(8, 16)).not_checked == ()


def _without_values(graph: Graph, name: str) -> Tensor:
    return replace(graph.tensor(name), constant=Constant(lambda: None))


@pytest.mark.parametrize(("size", "small"), [(7, True), (8, False)])
def test_small_results_are_not_quantised(size: int, small: bool) -> None:
    """16 channels: 784 values, and 1024."""
    report = checked(lambda g: g.conv(8, 16, kernel=5, size=size))
    assert ("Conv2D" in ops(report.plan)) is small
    assert ("QuantizedConv2D" in ops(report.plan)) is not small
    messages = [str(finding.vendor_message) for finding in found(report, "KPU152")]
    assert ["weights divergence" in message for message in messages] == [True] * small


def test_convolution_between_two_of_the_kpu_stays_in_float() -> None:
    report = checked(lambda g: g.conv(8, 16).conv(16, 16, kernel=5).conv(16, 16))
    assert [f.node for f in found(report, "KPU153")] == ["conv_1"]
    assert [op for op in ops(report.plan) if "Conv2D" in op] == ["KPUConv2D", "Conv2D", "KPUConv2D"]


# ---- memory


def test_gaps_are_filled_from_their_end() -> None:
    memory = TailFit()
    assert [memory.allocate(100), memory.allocate(50)] == [0, 100]
    memory.free(0, 100)
    assert memory.allocate(40) == 60
    assert memory.allocate(70) == 150
    memory.free(60, 40)
    assert memory.gaps == [(0, 100)]
    assert memory.end == 220


def speech_recogniser() -> LegacyProgram:
    """The network of a kmodel of version 4 that MaixPy's scripts come with, read off its layers. Its last two
    convolutions are on the KPU from the start: the build that made it left the padding before them alone."""
    p = LegacyProgram(V02)

    def conv(x: Value, out: int, kernel: int, stride: int = 1) -> Value:
        inputs = [x, p.constant((out, x.shape[1], kernel, kernel), None, span=1.0), p.constant((out,))]
        border = (kernel // 2,) * 2
        return make.conv2d(p, inputs, pad_h=border, pad_w=border, stride=(stride, stride)).out

    def pointwise(x: Value, out: int) -> Value:
        inputs = [x, p.constant((out, x.shape[1], 1, 1)), p.constant((out,))]
        return make.kpu_candidate(p, inputs, depthwise=False, kernel=1, pool="bypass", clamp=False).out

    def cut(x: Value, amount: int) -> Value:
        return make.pad(p, x, [(0, 0), (0, 0), (0, 0), (0, amount)]).out

    given = p.add("input", (), [(1, 1, 28, 80)], place="input", name="x")
    p.inputs.append(given)
    x = conv(conv(conv(given.out, 24, 3, 2), 48, 3, 2), 48, 3)
    x = make.bitcast(p, make.transpose(p, x, (0, 1, 3, 2)).out, (1, 960, 7, 1)).out
    x = cut(pointwise(pointwise(cut(x, 3), 512), 512), -3)
    p.outputs.append(p.add("output", [make.transpose(p, x, (0, 2, 3, 1)).out], (), name="y"))
    return p


def test_a_real_kmodel() -> None:
    """Its header asks for 33,600 bytes of main memory, which is what is in use at the worst moment."""
    program = speech_recogniser()
    run_passes(program, ptq=True, byte_input=True)
    schedule = v02_memory.scheduled(program)
    kinds = ["kpu_conv2d"] * 3 + ["transpose", "pad", "kpu_upload", "kpu_conv2d", "kpu_conv2d"]
    assert [op.kind for op in schedule.ops] == [*kinds, "pad", "transpose", "dequantize"]
    data, _ = v02_memory.place(schedule.of("data"), 8)
    assert data.least == 33_600
    kpu = {b.value.op.kind: b.size for b in schedule.of("kpu")}
    assert (kpu["input"], kpu["kpu_upload"]) == (3_584, 107_520)


def test_clip_on_its_own_is_two_operations() -> None:
    plan = planned(lambda g: g.input(1, 10).op("Clip"), ptq=False)
    assert ops(plan) == ["Binary", "Binary"]
    assert sorted((b.birth, b.death) for b in plan.buffers) == [(0, 4), (3, 5), (4, 6)]


def test_buffers_that_live_together_do_not_overlap() -> None:
    def network(g: GraphBuilder) -> GraphBuilder:
        g.conv(3, 16, size=64).branch(lambda g: g.conv(16, 16).conv(16, 16), lambda g: g)
        return g.max_pool(3, 1).conv(16, 32).branch(lambda g: g.conv(32, 32), lambda g: g, join="Concat").conv(64, 8)

    buffers = planned(network).buffers
    assert len(buffers) > 10
    for a in buffers:
        for b in buffers:
            if a is not b and a.pool == b.pool and a.birth < b.death and b.birth < a.death:
                assert a.offset is not None and b.offset is not None
                assert a.offset + a.bytes <= b.offset or b.offset + b.bytes <= a.offset


@pytest.mark.parametrize(("out", "verdict"), [(16, "accepted"), (17, "rejected")])
def test_kpu_memory(out: int, verdict: str) -> None:
    plan = planned(lambda g: g.conv(16, out, size=256), input_type="uint8")
    assert plan.verdict == verdict
    assert plan.memory["kpu"].peak == (16 + out) * 256 * 256
    messages = [refusal.vendor_message for refusal in plan.refused("kpu-memory-overflow")]
    assert messages == ["Fatal: KPU allocator cannot allocate more memory."] * (out > 16)


def test_where_only_first_fit_fails_the_solver_decides() -> None:
    """The maps in use are 2 MiB at most; first-fit leaves a gap."""
    plan = planned(lambda g: g.conv(8, 32, size=128).conv(32, 64).conv(64, 64))
    assert plan.memory["kpu"].least == 2_097_152 < plan.memory["kpu"].peak
    assert (plan.verdict, plan.fits) == ("unknown", "unknown")
    assert [missing.what for missing in plan.not_checked] == ["KPU memory"]


def test_overflow_says_where_the_map_finds_no_room() -> None:
    program = speech_recogniser()
    value = program.inputs[0].out
    _, overflow = v02_memory.place([Placed(value, "kpu", 640, 0, 2), Placed(value, "kpu", 500, 1, 3)], 64, 1024)
    assert overflow is not None
    assert (overflow.size, overflow.free, overflow.live) == (500, 384, 640)


# ---- other versions


def test_names_the_version_that_converts() -> None:
    report = checked(lambda g: g.conv(8, 16).average_pool(2).relu(), "NCHW", "1.9")
    text = "nncase 1.9 rejects it; nncase 0.2 converts it, 1 of 1 convolutions on the KPU; 0.1 rejects it"
    assert [finding.message for finding in found(report, "KPU161")] == [text]


def test_names_the_version_with_more_on_the_kpu() -> None:
    report = checked(lambda g: g.conv(8, 16).conv(16, 16).max_pool(16).conv(16, 8, kernel=1))
    assert [f.message for f in found(report, "KPU161")] == [
        "3 of 3 convolutions on the KPU with nncase 1.9, 2 with 0.2"
    ]


@pytest.mark.parametrize("build", [lambda g: g.conv(8, 16), lambda g: g.conv(8, 16, kernel=5)])
def test_says_nothing_where_no_version_does_more(build: Build) -> None:
    assert found(checked(build), "KPU161") == []


def test_large_networks_are_not_planned_again() -> None:
    def network(g: GraphBuilder, layers: int) -> GraphBuilder:
        g.input(1, 8, 8, 8)
        for _ in range(layers):
            g.relu()
        return g.op("Sigmoid")

    assert found(checked(lambda g: network(g, 198), "NCHW"), "KPU161")
    assert found(checked(lambda g: network(g, 199), "NCHW"), "KPU161") == []
