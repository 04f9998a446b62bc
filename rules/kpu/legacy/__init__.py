"""nncase before 1.0, two compilers of their own: v0.1 (rc5, all or an error) and v0.2 (beta4, with CPU fallback)."""

from lintmodel.ir import Graph
from lintmodel.planning import Plan
from lintmodel.target import Target


def plan(graph: Graph, target: Target) -> Plan:
    """What the version of the target does with the network."""
    if target.version == "0.1":
        from . import v01

        return v01.plan(graph, target)
    from . import v02

    return v02.plan(graph, target)
