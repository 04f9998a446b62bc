"""From the graph a front end read to the graph that plans and rules are made from."""

from __future__ import annotations

from ..ir import Graph
from .composites import recognise
from .propagation import propagate
from .quantization import with_quantization

__all__ = ["normalize", "propagate", "recognise", "with_quantization"]


def normalize(graph: Graph) -> Graph:
    """Works out the shapes and small values the file leaves open, and recognises operators spelled in several nodes.

    No node is changed or removed: shapes are in ``tensors``, values in ``values``, what was recognised in
    ``composites``. A size that cannot be told stays a symbol.
    """
    return recognise(with_quantization(propagate(graph)))
