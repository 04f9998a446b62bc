"""Model-local functions of ONNX files, replaced by the nodes they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

# Functions may call functions: a file of a few hundred bytes can stand for any number of nodes.
MAX_NODES = 200_000


def inline_functions(model: Any) -> tuple[Any, str | None]:
    """The model with calls of its local functions replaced, and a sentence when that cannot be done.

    A model that calls none of its functions is returned as it is. Otherwise the result is a new model whose
    initialisers have names and types only: their bytes stay in the model given and are not copied.
    """
    functions = {_key(f.domain, f.name): f for f in model.functions}
    if not functions or not any(_key(n.domain, n.op_type) in functions for n in _nodes(model.graph.node)):
        return model, None
    try:
        count = _expanded(model.graph.node, functions)
    except RecursionError:
        return model, "a model-local function calls itself"
    if count > MAX_NODES:
        return model, f"its model-local functions stand for {count} nodes; more than {MAX_NODES} are not expanded"
    try:
        return _inlined(model), None
    except Exception as error:  # onnx's inliner raises whatever its C++ code raises
        return model, f"its model-local functions cannot be expanded: {first_line(error)}"


def first_line(error: Exception) -> str:
    """What a library has to say, short enough for one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _key(domain: str, name: str) -> tuple[str, str]:
    return ("" if domain == "ai.onnx" else domain, name)


def _nodes(nodes: Any) -> Iterator[Any]:
    """Every node, those in bodies of control flow included."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for body in (attribute.g, *attribute.graphs) if attribute.type in (5, 10) else ():  # GRAPH, GRAPHS
                yield from _nodes(body.node)


def _expanded(nodes: Any, functions: dict[tuple[str, str], Any]) -> int:
    """Number of nodes after all calls are replaced. Raises RecursionError for a function that calls itself."""
    sizes: dict[tuple[str, str], int | None] = {}

    def size(body: Any) -> int:
        total = 0
        for node in _nodes(body):
            key = _key(node.domain, node.op_type)
            if key not in functions:
                total += 1
                continue
            if key not in sizes:
                sizes[key] = None
                sizes[key] = size(functions[key].node)
            known = sizes[key]
            if known is None:
                raise RecursionError(key)
            total += known
        return total

    return size(nodes)


def _inlined(model: Any) -> Any:
    import onnx
    from onnx import inliner

    graph = model.graph
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import, functions=model.functions)
    light.graph.name = graph.name
    light.graph.node.extend(graph.node)
    light.graph.input.extend(graph.input)
    light.graph.output.extend(graph.output)
    light.graph.value_info.extend(graph.value_info)
    for tensor in graph.initializer:
        light.graph.initializer.add(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims)
    return inliner.inline_local_functions(light)
