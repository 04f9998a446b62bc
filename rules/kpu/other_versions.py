"""16x: what another version of the compiler would make of the network."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from lintmodel.findings import Found, Level
from lintmodel.ir import Conv, Graph
from lintmodel.planning import Placement, Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target, load_target

from .runtime_support import NAMES, loads

LARGEST = 200
"""Networks of so many nodes are not planned again."""
OTHERS = ("0.1", "0.2", "1.9")
"""Versions that are planned; those between 1.0 and 1.9 differ little from 1.9."""
ON_KPU = (Placement.ACCELERATED, Placement.PARTIAL)


@rule("KPU161", "other-version-differs", Level.NOTE, on=Model)
def other_version_differs(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Another version of nncase does more for this network.

    What it does: when the chosen version refuses the network, computes it wrongly, makes more of it than fits into
    the memory, or leaves convolutions to the CPU, plans it with 0.1, 0.2 and 1.9 too and names the nearest of them
    that converts it or brings more convolutions onto the KPU, and what the others do. Networks of 200 nodes and more
    are left out.

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
    trouble = plan.verdict in ("rejected", "miscompiled") or plan.fits == "no"
    if not trouble and here == total:
        return
    others = {version: planned(graph, kpu, version) for version in _nearest(kpu)}
    counts = {version: _convolutions(graph, other)[1] for version, other in others.items()}
    better = [
        version
        for version, other in others.items()
        if other.verdict == "accepted" and other.fits != "no" and (trouble or counts[version] > here)
    ]
    if not better:
        return
    best = better[0]
    count = f"{counts[best]} of {total} convolutions on the KPU"
    if trouble:
        rest = [f"{version} {said(other)}" for version, other in others.items() if version not in better]
        text = f"{kpu.toolchain} {said(plan)}; {kpu.toolchain_name} {best} converts it"
        yield Found("; ".join([f"{text}, {count}" if total else text, *rest]))
    else:
        yield Found(f"{count} with {kpu.toolchain_name} {best}, {here} with {kpu.version}")


def planned(graph: Graph, kpu: Target, version: str) -> Plan:
    """What another version of the toolchain makes of the network, with the same options."""
    from .plan import plan

    return plan(graph, _loaded(kpu.path or kpu.name, version).with_options(kpu.options))


def for_runtime(graph: Graph, kpu: Target, runtime: str) -> str | None:
    """The newest other version whose kmodels a runtime loads, and what that version makes of the network; None for
    networks that are too large to plan again."""
    if len(graph.nodes) >= LARGEST:
        return None
    for version in reversed(OTHERS):
        other = _loaded(kpu.path or kpu.name, version)
        if version != kpu.version and loads(runtime, int(other.limit("kmodel_version")), kpu) == "ok":
            what = said(planned(graph, kpu, version), "this network")
            return f"{NAMES[runtime]} loads those of {kpu.toolchain_name} {version}, which {what}"
    return None


def said(plan: Plan, network: str = "it") -> str:
    """What a plan comes to, as the end of a sentence that begins with a version."""
    if plan.verdict == "rejected":
        return f"rejects {network}"
    if plan.verdict == "miscompiled":
        return f"computes {network} wrongly"
    if plan.fits == "no":
        return f"makes more of {network} than fits into the memory"
    return f"converts {network}" if plan.verdict == "accepted" else f"may convert {network}"


def _convolutions(graph: Graph, plan: Plan) -> tuple[int, int]:
    """All convolutions, and those that run on the KPU."""
    names = [node.name for node in graph.nodes if node.op in Conv.ops]
    return len(names), sum(plan.placements.get(name) in ON_KPU for name in names)


def _nearest(kpu: Target) -> list[str]:
    """The other versions of the sheet, the nearest first."""
    position = {version: k for k, version in enumerate(kpu.versions)}
    known = [version for version in OTHERS if version in position and version != kpu.version]
    return sorted(known, key=lambda version: abs(position[version] - position[kpu.version]))


@cache
def _loaded(sheet: str, version: str) -> Target:
    return load_target(sheet, version)


other_version_differs.bad(lambda g: g.conv(8, 16).average_pool(2).relu())
other_version_differs.good(lambda g: g.conv(8, 16))
other_version_differs.good(lambda g: g.conv(8, 16, kernel=5))

RULES = [other_version_differs]
