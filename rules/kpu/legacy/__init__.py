"""nncase before 1.0, two compilers of their own: v0.1 (rc5, all or an error) and v0.2 (beta4, with CPU fallback)."""

from lintmodel.ir import Graph
from lintmodel.planning import Plan
from lintmodel.target import Target

from . import v01, v02


def plan(graph: Graph, target: Target) -> Plan:
    """What the version of the target does with the network."""
    return v01.plan(graph, target) if target.version == "0.1" else v02.plan(graph, target)
