"""16x: what another version of the compiler would make of the network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from lintmodel.findings import Found, Level
from lintmodel.ir import Conv, Graph
from lintmodel.planning import Placement, Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target, load_target

LARGEST = 200
"""Networks of so many nodes are not planned again."""
OTHERS = ("0.1", "0.2", "1.9")
"""Versions that are planned; those between 1.0 and 1.9 differ little from 1.9."""
ON_KPU = (Placement.ACCELERATED, Placement.PARTIAL)


@rule("KPU161", "other-version-differs", Level.NOTE, on=Model)
def other_version_differs(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Another version of nncase does more for this network.

    What it does: when the chosen version refuses the network, computes it wrongly, or leaves convolutions to the CPU,
    plans it with 0.1, 0.2 and 1.9 too and names the nearest of them that converts it or brings more convolutions onto
    the KPU. Networks of 200 nodes and more are left out.

    Why it matters: the three lines of nncase read different operators and use the KPU in different cases. They also
    make kmodels of different versions (3, 4 and 5), and not every firmware loads each.

    What to do instead: check with the version named, as in --target k210@0.2, and convert with it if the board's
    runtime loads its kmodels.

    Source: nncase v0.1.0-rc5, v0.2.0-beta4 and v1.9.0, as this pack restates them.
    """
    graph = model.graph
    if len(graph.nodes) >= LARGEST or not kpu.options.get("ptq", True) or plan.refused("symbolic-size"):
        return
    total, here = _convolutions(graph, plan)
    failed = plan.verdict in ("rejected", "miscompiled")
    if not failed and here == total:
        return
    from ..plan import plan as plan_with

    for version in _nearest(kpu):
        other = plan_with(graph, _target(kpu, version))
        _, there = _convolutions(graph, other)
        if other.verdict != "accepted" or not (failed or there > here):
            continue
        count = f"{there} of {total} convolutions on the KPU"
        if failed:
            verb = "rejects it" if plan.verdict == "rejected" else "computes it wrongly"
            text = f"{kpu.toolchain} {verb}; {kpu.toolchain_name} {version} converts it"
            yield Found(f"{text}, {count}" if total else text)
        else:
            yield Found(f"{count} with {kpu.toolchain_name} {version}, {here} with {kpu.version}")
        return


def _convolutions(graph: Graph, plan: Plan) -> tuple[int, int]:
    """All convolutions, and those that run on the KPU."""
    names = [node.name for node in graph.nodes if node.op in Conv.ops]
    return len(names), sum(plan.placements.get(name) in ON_KPU for name in names)


def _nearest(kpu: Target) -> list[str]:
    """The other versions of the sheet, the nearest first."""
    position = {version: k for k, version in enumerate(kpu.versions)}
    known = [version for version in OTHERS if version in position and version != kpu.version]
    return sorted(known, key=lambda version: abs(position[version] - position[kpu.version]))


def _target(kpu: Target, version: str) -> Target:
    return _loaded(kpu.path or kpu.name, version).with_options(kpu.options)


@cache
def _loaded(sheet: str, version: str) -> Target:
    return load_target(sheet, version)


other_version_differs.bad(lambda g: g.conv(8, 16).average_pool(2).relu())
other_version_differs.good(lambda g: g.conv(8, 16))
other_version_differs.good(lambda g: g.conv(8, 16, kernel=5))

RULES = [other_version_differs]
