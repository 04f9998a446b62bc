"""Two whole networks on a KV260, and the same with SiLU: how many DPU subgraphs, what splits them, and the load."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from lintmodel.api import Report, check_graph
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.planning import Placement
from lintmodel.rules.dpu.engines import engines
from lintmodel.rules.dpu.memory import load
from lintmodel.rules.dpu.network import network
from lintmodel.rules.dpu.partition import partition
from lintmodel.target import load_target

Build = Callable[[GraphBuilder], GraphBuilder]


def relu(g: GraphBuilder) -> GraphBuilder:
    return g.relu()


def relu6(g: GraphBuilder) -> GraphBuilder:
    return g.clip()


def silu(g: GraphBuilder) -> GraphBuilder:
    return g.silu()


def resnet18(g: GraphBuilder, act: Build, classes: int = 30) -> GraphBuilder:
    """With the normalisations folded, as the quantiser has it."""

    def block(g: GraphBuilder, ins: int, outs: int, stride: int) -> GraphBuilder:
        def body(g: GraphBuilder) -> GraphBuilder:
            return act(g.conv(ins, outs, stride=stride)).conv(outs, outs)

        def skip(g: GraphBuilder) -> GraphBuilder:
            return g if ins == outs else g.conv(ins, outs, kernel=1, stride=stride)

        return act(g.branch(body, skip))

    act(g.conv(3, 64, kernel=7, stride=2, size=224)).max_pool(3, 2, (1, 1, 1, 1))
    ins = 64
    for outs in (64, 128, 256, 512):
        block(g, ins, outs, 1 if outs == 64 else 2)
        block(g, outs, outs, 1)
        ins = outs
    return g.global_average_pool().flatten().gemm(512, classes)


def mobilenet_v2(g: GraphBuilder, act: Build, classes: int = 1000) -> GraphBuilder:
    def block(g: GraphBuilder, ins: int, outs: int, stride: int, expand: int) -> GraphBuilder:
        def body(g: GraphBuilder) -> GraphBuilder:
            wide = ins * expand
            if expand > 1:
                act(g.conv(ins, wide, kernel=1))
            return act(g.depthwise(wide, stride=stride)).conv(wide, outs, kernel=1)

        return g.branch(body, lambda g: g) if stride == 1 and ins == outs else body(g)

    act(g.conv(3, 32, stride=2, size=224))
    ins = 32
    for expand, outs, times, stride in (
        *((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2)),
        *((6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1)),
    ):
        for k in range(times):
            block(g, ins, outs, 1 if k else stride, expand)
            ins = outs
    return act(g.conv(320, 1280, kernel=1)).global_average_pool().flatten().gemm(1280, classes)


def checked(build: Callable[[GraphBuilder, Build], GraphBuilder], act: Build, target: str = "kv260") -> Report:
    return check_graph(normalize(build(GraphBuilder(), act).graph()), load_target(target))


@pytest.mark.parametrize(("build", "act"), [(resnet18, relu), (mobilenet_v2, relu6)])
def test_one_subgraph_and_nothing_to_say(build: Callable[[GraphBuilder, Build], GraphBuilder], act: Build) -> None:
    report = checked(build, act)
    assert (report.verdict, report.runtime, report.fits, report.plan.segments) == ("accepted", "ok", "yes", 1)
    assert {step.unit for step in report.plan.steps} == {"dpu"}
    assert [f.rule for f in report.findings if f.rule.startswith("DPU")] == []


@pytest.mark.parametrize(("build", "silus", "subgraphs"), [(resnet18, 17, 21), (mobilenet_v2, 35, 36)])
def test_every_silu_is_three_operations_on_the_cpu(
    build: Callable[[GraphBuilder, Build], GraphBuilder], silus: int, subgraphs: int
) -> None:
    """A subgraph ends at every SiLU. The three strided shortcuts of ResNet come from SiLUs and go to additions that
    wait for another one, so that each is a subgraph of its own."""
    report = checked(build, silu)
    on_cpu = [step.op for step in report.plan.steps if step.unit == "cpu"]
    assert report.plan.segments == subgraphs
    assert on_cpu.count("aten::silu") == silus
    assert len(on_cpu) == 3 * silus and set(on_cpu) == {"aten::silu", "permute"}
    assert report.runtime == "fails"
    found = [f for f in report.findings if f.rule == "DPU621"]
    assert [f.message for f in found] == [
        f"the board has no kernel for aten::silu, which {silus} layers on the CPU need"
    ]
    placed = {node.placement for node in report.nodes if node.op == "SiLU"}
    assert placed == {Placement.UNSUPPORTED}


# ---- memory and load


def test_memory_of_resnet18() -> None:
    memory = checked(resnet18, relu).plan.memory
    maps = 112 * 112 * 64 + 56 * 56 * 64
    assert (memory["feature"].peak, memory["feature"].capacity, memory["feature"].spills) == (maps, 512 * 1024, True)
    assert memory["WORKSPACE"].peak == maps
    assert (memory["weights"].peak, memory["weights"].capacity) == (3 * 3 * (512 // 16) * 16 * 16, 512 * 1024)
    assert memory["bias"].peak == 512
    parameters = 11_689_512 - 9600 - 513_000 + 512 * 30 + 30
    normalised = 4800  # a bias for each scale and shift that torchvision counts as a parameter
    assert memory["CONST"].peak == parameters + normalised


def test_load_of_mobilenet_v2() -> None:
    graph = normalize(mobilenet_v2(GraphBuilder(), relu6).graph())
    target = load_target("kv260")
    found = load(partition(network(graph), graph, engines(target), target), graph, target)
    assert found.cpu_macs == 0
    assert found.conv_macs + found.depthwise_macs == pytest.approx(300.8e6, rel=0.001)
    assert found.busiest == "arithmetic unit"
    assert found.cycles == -(-found.depthwise_macs // 64)
    facts = dict(checked(mobilenet_v2, relu6).plan.facts)
    assert "at 64 a cycle instead of 2,048" in facts["multiply-accumulates"]
    assert "CONST" in facts["board memory"] and "estimate" in facts["board memory"]
    assert "measured networks reach 2.5 % (efficientnet-b0) to 64 % (resnet18)" in facts["time, lower bound"]


def test_without_a_known_clock_cycles_are_given() -> None:
    assert "cycles" in dict(checked(resnet18, relu, "vek280").plan.facts)["time, lower bound"]
    assert " ms," not in dict(checked(resnet18, relu, "vek280").plan.facts)["time, lower bound"]


def test_open_sizes_leave_the_memory_open() -> None:
    graph = normalize(GraphBuilder().input(1, 3, "h", "w").op("Conv", shape=(1, 8, "h", "w")).graph())
    report = check_graph(graph, load_target("kv260"))
    assert report.fits == "unknown" and report.not_checked


@pytest.mark.parametrize(
    ("build", "kernel"),
    [
        (lambda g: g.conv(3, 16).sigmoid().conv(16, 16), None),
        (lambda g: g.conv(3, 16).op("Tanh"), None),
        (lambda g: g.conv(3, 16).op("Softplus").conv(16, 16), "aten::softplus"),
        (lambda g: g.conv(3, 16).op("Neg").conv(16, 16), "neg"),
        (lambda g: g.conv(3, 16, kernel=17, size=64).conv(16, 16), None),
    ],
)
def test_kernels_of_the_runtime(build: Build, kernel: str | None) -> None:
    report = check_graph(normalize(build(GraphBuilder()).graph()), load_target("kv260"))
    missing = [step.details["missing_kernel"] for step in report.plan.steps if "missing_kernel" in step.details]
    assert missing == ([kernel] if kernel else [])
    assert report.runtime == ("fails" if kernel else "ok")
    assert any(f.rule == "DPU621" for f in report.findings) == bool(kernel)
