"""What makes a network fit into the KPU's memory, and how the memory's two numbers are found."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from lintmodel import api
from lintmodel.ir import Graph, GraphBuilder
from lintmodel.ir.graph import Layout
from lintmodel.normalize import normalize
from lintmodel.planning import Plan
from lintmodel.registry import pack_for
from lintmodel.rules.kpu import fitting
from lintmodel.rules.kpu.fitting import Change, narrowed, resized, smallest_change
from lintmodel.target import load_target

K210 = load_target("k210@1.9")
Build = Callable[[GraphBuilder], GraphBuilder]


def built(build: Build, layout: Layout = "NCHW") -> Graph:
    return normalize(build(GraphBuilder(layout)).graph())


def planned(graph: Graph) -> Plan:
    return pack_for("kpu").plan(graph, K210)


def fits(graph: Graph | None) -> bool:
    assert graph is not None
    return planned(graph).verdict == "accepted"


def in_pieces(g: GraphBuilder) -> GraphBuilder:
    """The last two maps are 2 MiB together, and the one before them left a gap in the wrong place."""
    return g.conv(8, 32, size=128).conv(32, 64).conv(64, 64)


def classifier(g: GraphBuilder) -> GraphBuilder:
    """240x320; the dense layer reads every pixel of the last map."""
    g.conv(3, 32, size=(240, 320)).relu().depthwise(32).relu().conv(32, 16).max_pool(2).flatten()
    return g.gemm(16 * 120 * 160, 10)


def test_fragmentation_has_two_numbers() -> None:
    refusal = planned(built(in_pieces)).refusals[0]
    assert refusal.kind == "kpu-memory-overflow"
    assert refusal.node == "conv_2"
    # 64 channels of 128x128, in and out, are the whole 2 MiB; they are placed behind the first map of 1 MiB.
    assert refusal.details["least"] == 2 * 64 * 128 * 128 == 2_097_152
    assert refusal.details["needed"] == 2_752_512


def test_overflow_without_fragmentation() -> None:
    details = planned(built(lambda g: g.conv(16, 17, size=256))).refusals[0].details
    # 33 channels of 256x256; nothing is in the way.
    assert details["least"] == details["needed"] == 33 * 256 * 256


def test_pool_of_an_overflow_shows_what_is_needed() -> None:
    plan = planned(built(in_pieces))
    assert (plan.memory["kpu"].peak, plan.memory["kpu"].capacity) == (2_752_512, 2_097_152)
    assert (plan.memory["kpu"].at, plan.fits) == ("conv_2", "no")


def test_peak_has_its_layer() -> None:
    kpu = planned(built(lambda g: g.conv(3, 8, size=64).conv(8, 32).conv(32, 4))).memory["kpu"]
    # Maps of 3, 8 and 32 channels one behind the other; the last one goes where the first two were.
    assert (kpu.peak, kpu.at) == ((3 + 8 + 32) * 64 * 64, "conv_1")


@pytest.mark.parametrize(
    ("build", "layout", "change"),
    [
        (in_pieces, "NCHW", Change(input=(1, 8, 96, 96))),
        (lambda g: g.conv(16, 17, size=256), "NCHW", Change(input=(1, 16, 224, 224))),
        (lambda g: g.conv(3, 48, size=224).conv(48, 48), "NHWC", Change(input=(1, 128, 128, 3))),
        (classifier, "NCHW", Change(input=(1, 3, 144, 192), dense=True, channels=(32, 8))),
        # The layer before the last one can be narrower; what the network gives out cannot.
        (lambda g: g.conv(3, 40, size=224).relu().conv(40, 8), "NCHW", Change((1, 3, 192, 192), False, (40, 24))),
        # A sum needs both its inputs alike: the channels are left alone.
        (
            lambda g: g.conv(3, 40, size=224).branch(lambda g: g.conv(40, 40), lambda g: g),
            "NCHW",
            Change(input=(1, 3, 128, 128)),
        ),
    ],
)
def test_smallest_change(build: Build, layout: Layout, change: Change) -> None:
    graph = built(build, layout)
    assert smallest_change(graph, planned(graph), K210) == change


def test_the_size_found_fits_and_the_next_does_not() -> None:
    graph = built(classifier)
    assert fits(resized(graph, 144, 192))
    assert not fits(resized(graph, 192, 256))
    node = graph.node("conv_0")
    assert fits(narrowed(graph, node, 8))
    assert not fits(narrowed(graph, node, 16))


def test_nothing_is_tried_for_what_fits() -> None:
    graph = built(lambda g: g.conv(8, 8))
    assert smallest_change(graph, planned(graph), K210) == Change()


def test_large_networks_are_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "LARGEST", 2)
    graph = built(in_pieces)
    assert "3 nodes" in smallest_change(graph, planned(graph), K210).untried
    finding = next(f for f in api.check_graph(graph, K210).findings if f.rule == "KPU301")
    assert re.search("no smaller size was tried: .*3 nodes", finding.message)


def test_at_most_eight_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = fitting.plan

    def counting(graph: Graph, target: object) -> Plan:
        made.append(graph)
        return real(graph, K210)

    monkeypatch.setattr(fitting, "plan", counting)
    # 252 is a multiple of 4 only: many sizes to choose from.
    graph = built(lambda g: g.conv(3, 1024, kernel=1, size=252).relu().conv(1024, 8, kernel=1))
    smallest_change(graph, planned(graph), K210)
    assert 0 < len(made) <= 8


@pytest.mark.parametrize(
    ("high", "wide", "first"),
    [
        (224, 224, (192, 192)),
        (240, 320, (192, 256)),
        (480, 640, (384, 512)),
        (100, 100, (96, 96)),
        (32, 32, (16, 16)),
        (231, 320, (224, 312)),
    ],
)
def test_sizes_keep_the_aspect_ratio(high: int, wide: int, first: tuple[int, int]) -> None:
    sizes = fitting._sizes(built(lambda g: g.conv(3, 4, kernel=1, size=(high, wide))))
    assert sizes[0] == first
    assert all(h < high and w < wide and h % 8 == w % 8 == 0 for h, w in sizes)
    assert len(sizes) <= fitting.SIZES


def test_overflow_at_no_convolution() -> None:
    """Two maps of 24 channels are put side by side for the sum, and these 48 find no room."""
    graph = built(lambda g: g.conv(3, 24, size=192).branch(lambda g: g.conv(24, 24), lambda g: g))
    (refusal,) = planned(graph).refusals
    assert (refusal.kind, refusal.node) == ("kpu-memory-overflow", "add_0")
    assert smallest_change(graph, planned(graph), K210) == Change(input=(1, 3, 128, 128))


def test_shapes_fixed_in_the_file_stop_the_change() -> None:
    def joined(g: GraphBuilder) -> GraphBuilder:
        """A detection head: the number of cells is written into the Reshape."""
        g.conv(3, 6, size=64)
        return g.op("Reshape", g.constant([1, 2, 3, 64, 64]), shape=(1, 2, 3, 64, 64))

    assert resized(built(joined), 32, 32) is None


def test_shapes_the_file_states_are_worked_out_again() -> None:
    graph = built(lambda g: g.conv(3, 8, stride=2, size=64).relu().max_pool(2))
    smaller = resized(graph, 32, 32)
    assert smaller is not None
    assert [smaller.tensor(node.outputs[0]).shape for node in smaller.nodes] == [(1, 8, 16, 16)] * 2 + [(1, 8, 8, 8)]
    assert all(smaller.tensor(node.outputs[0]).declared for node in smaller.nodes)
    assert graph.tensor("x").shape == (1, 3, 64, 64)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_channels_go_on_through_depthwise_layers(layout: Layout) -> None:
    graph = built(lambda g: g.conv(3, 16, size=32).relu().depthwise(16).relu().conv(16, 4), layout)
    narrow = narrowed(graph, graph.node("conv_0"), 8)
    assert narrow is not None
    axis = 1 if layout == "NCHW" else 3
    assert [(narrow.tensor(n.outputs[0]).sizes[axis], n.op) for n in narrow.nodes if n.op == "Conv"] == [
        (8, "Conv"),
        (8, "Conv"),
        (4, "Conv"),
    ]
    assert planned(narrow).verdict == "accepted"
    assert planned(narrow).memory["kpu"].peak < planned(graph).memory["kpu"].peak


def test_message_has_all_numbers() -> None:
    finding = next(f for f in api.check_graph(built(in_pieces), K210).findings if f.rule == "KPU301")
    assert finding.node == "conv_2"
    assert finding.vendor_message == "RuntimeError: Allocator has ran out of memory"
    assert finding.message == (
        "a map of 1,024 KiB finds no room: 1,024 KiB of 2,048 KiB are in use, the largest gap is 640 KiB; the maps "
        "take 2,048 KiB at the worst moment and the allocator needs 2,688 KiB to place them (they would fit, the "
        "memory is in pieces); fits with a 1x8x96x96 input (tried)"
    )
    assert finding.fix is not None and finding.fix.safety == "display"
