"""An input with the same name as an initialiser -> the initialiser alone"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...ir import Graph
from ..change import Change, rewrite


@rewrite("drop-initializer-inputs", "safe")
def drop_initializer_inputs(graph: Graph) -> Iterator[Change]:
    """Initialisers that the file lists among its inputs too are initialisers alone (IR version 4 and newer)."""
    listed = any(problem.kind == "initializer-is-input" for problem in graph.problems)
    if listed and int(graph.metadata.get("ir_version", 0)) >= 4:
        yield Change("", "initialisers are no inputs of the model any more", whole=_without)


def _without(model: Any) -> Any:
    result = type(model)()
    result.CopyFrom(model)
    stored = {
        each.name for each in (*model.graph.initializer, *(each.values for each in model.graph.sparse_initializer))
    }
    for k in reversed(range(len(result.graph.input))):
        if result.graph.input[k].name in stored:
            del result.graph.input[k]
    return result
