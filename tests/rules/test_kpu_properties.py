"""What must hold for every network, whatever is in it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lintmodel.api import Report, check_graph
from lintmodel.ir import Graph, GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.planning import Placement
from lintmodel.target import load_target

Step = Callable[[GraphBuilder], GraphBuilder]
CHANNELS = 8


def _convs() -> st.SearchStrategy[Step]:
    return st.builds(
        lambda kernel, stride, dilation, groups: (
            lambda g: g.conv(CHANNELS, CHANNELS, kernel=kernel, stride=stride, dilation=dilation, groups=groups)
        ),
        st.sampled_from([1, 3, 5, (1, 3)]),
        st.sampled_from([1, 2, 3, (1, 2)]),
        st.sampled_from([1, 1, 2]),
        st.sampled_from([1, 1, 2, CHANNELS]),
    )


def _pools() -> st.SearchStrategy[Step]:
    return st.builds(
        lambda kernel, stride, average: lambda g: (g.average_pool if average else g.max_pool)(kernel, stride),
        st.sampled_from([2, 3, 4]),
        st.sampled_from([1, 2]),
        st.booleans(),
    )


POINTWISE: list[Step] = [
    lambda g: g.relu(),
    lambda g: g.clip(),
    lambda g: g.sigmoid(),
    lambda g: g.silu(),
    lambda g: g.batch_norm(CHANNELS),
    lambda g: g.op("HardSwish"),
    lambda g: g.op("Elu"),
    lambda g: g.op("PRelu", g.zeros(CHANNELS, 1, 1)),
    lambda g: g.op("Softmax", axis=1),
    lambda g: g.op("Mystery"),
]

BRANCHES = st.builds(
    lambda inner, join: lambda g: g.branch(inner, lambda g: g.conv(CHANNELS, CHANNELS), join=join),
    st.sampled_from([lambda g: g, lambda g: g.relu(), lambda g: g.conv(CHANNELS, CHANNELS).silu()]),
    st.sampled_from(["Add", "Mul"]),
)
STEPS: st.SearchStrategy[Step] = st.one_of(_convs(), _pools(), st.sampled_from(POINTWISE), BRANCHES)


@st.composite
def networks(draw: st.DrawFn) -> Graph:
    """A chain of operators with branches, on maps from tiny to too large."""
    size = draw(st.sampled_from([5, 16, 33, 64, 260]))
    g = GraphBuilder().input(1, CHANNELS, size, size)
    for step in draw(st.lists(STEPS, min_size=1, max_size=7)):
        if min(int(n) for n in g.shape[2:]) >= 5:
            g = step(g)
    if not g._nodes:
        g.relu()
    return normalize(g.graph())


def checked(graph: Graph, **options: object) -> Report:
    return check_graph(graph, load_target("k210", options=options))


@given(networks())
@settings(max_examples=150, deadline=None)
def test_every_node_is_placed_and_every_bad_placement_explained(graph: Graph) -> None:
    report = checked(graph)
    assert set(report.plan.placements) == {node.name for node in graph.nodes}
    assert sum(report.counts.values()) == len(report.nodes)
    named = {finding.node for finding in report.findings}
    for node, placement in report.plan.placements.items():
        if placement in (Placement.FALLBACK, Placement.PARTIAL, Placement.UNSUPPORTED):
            assert node in named, f"{node} is {placement} and no finding says why"


@given(networks())
@settings(max_examples=60, deadline=None)
def test_a_rejection_has_an_error_and_an_acceptance_none(graph: Graph) -> None:
    report = checked(graph)
    # KPU302 speaks of the board's memory, not of the compiler.
    codes = {f.rule for f in report.findings if f.level.name == "ERROR" and f.rule.startswith("KPU")}
    errors = codes - {"KPU302"}
    assert (report.verdict == "rejected") == bool(report.plan.refusals)
    assert bool(errors) == bool(report.plan.refusals)
    assert not codes & {"KPU301", "KPU302"} or report.fits == "no"


@given(networks())
@settings(max_examples=40, deadline=None)
def test_without_quantisation_nothing_runs_on_the_kpu(graph: Graph) -> None:
    report = checked(graph, ptq=False)
    assert not [step for step in report.plan.steps if step.unit == "kpu"]
    assert any(f.rule == "KPU401" for f in report.findings)


@given(networks())
@settings(max_examples=40, deadline=None)
def test_planning_is_repeatable_and_leaves_the_graph_alone(graph: Graph) -> None:
    before = (graph.nodes, dict(graph.tensors))
    first, second = checked(graph), checked(graph)
    assert first.to_dict() == second.to_dict()
    assert (graph.nodes, dict(graph.tensors)) == before


@pytest.mark.parametrize("count", [1, 40])
def test_steps_grow_with_the_network(count: int) -> None:
    g = GraphBuilder().conv(8, 8, size=16)
    for _ in range(count - 1):
        g.conv(8, 8)
    report = checked(normalize(g.graph()))
    assert [s.op for s in report.plan.steps if s.unit == "kpu"].count("KPUConv2D") == count
    assert report.plan.segments == 1
