"""LayerNormalization() -> LayerNormalization(epsilon=1e-05)"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph
from ..change import Change, rewrite
from ..patterns import like, of_op

EPSILON = 1e-5
"""ONNX operator specification: the default."""


@rewrite("layer-norm-epsilon", "safe")
def layer_norm_epsilon(graph: Graph) -> Iterator[Change]:
    """The epsilon of a LayerNormalization that leaves it out is written into the file."""
    for node in of_op(graph, "LayerNormalization"):
        if "epsilon" not in node.attributes:
            text = f"epsilon {EPSILON:g}, the default, is written out"
            yield Change(node.name, text, (node.name,), (like(node, epsilon=EPSILON),))
