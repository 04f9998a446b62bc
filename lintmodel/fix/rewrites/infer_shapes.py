"""value_info that is missing or wrong -> the shapes as they are"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...ir import Graph
from ...ir.dtypes import onnx_number
from ..change import Change, rewrite


@rewrite("infer-shapes", "safe")
def infer_shapes(graph: Graph) -> Iterator[Change]:
    """The shape of every result is written into the file; one that is stated otherwise than it comes out is put
    right."""
    shapes = {
        name: sizes
        for name, sizes in worked_out(graph, {}).items()
        if not graph.tensor(name).declared or not graph.tensor(name).listed or graph.tensor(name).shape != sizes
    }
    yield from _stated(graph, shapes, f"{len(shapes)} shapes are written into the file")


@rewrite("freeze-batch", "safe")
def freeze_batch(graph: Graph) -> Iterator[Change]:
    """An open batch size becomes 1, with all shapes that follow from it."""
    inputs: dict[str, tuple[int, ...]] = {}
    for tensor in map(graph.tensor, graph.inputs):
        shape = tensor.shape
        if shape and isinstance(shape[0], str):
            rest = [size for size in shape[1:] if isinstance(size, int)]
            if len(rest) < len(shape) - 1:
                return
            inputs[tensor.name] = (1, *rest)
    if inputs:
        yield from _frozen(graph, inputs)


@rewrite("freeze-shapes", "safe", detailed=True)
def freeze_shapes(graph: Graph, details: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """Open sizes of inputs become those that are given for them, with all shapes that follow."""
    given = {name: tuple(sizes) for each in details for name, sizes in each.get("shapes", {}).items()}
    inputs = {name: sizes for name, sizes in given.items() if name in graph.inputs and not graph.tensor(name).known}
    if inputs:
        yield from _frozen(graph, inputs)


def worked_out(graph: Graph, inputs: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Shapes of all results that can be told, from the inputs' alone (these ones, where they are named), whatever the
    file states about results."""
    from ...normalize import propagate

    made = [name for node in graph.nodes for name in node.outputs if name and not graph.is_constant(name)]
    tensors = {
        name: replace(tensor, shape=None, declared=False)
        if name in made
        else replace(tensor, shape=inputs.get(name, tensor.shape))
        for name, tensor in graph.tensors.items()
    }
    known = propagate(graph.with_(tensors=tensors, values={}, problems=(), composites=()))
    return {name: known.tensor(name).sizes for name in made if known.tensor(name).known}


def _frozen(graph: Graph, inputs: Mapping[str, tuple[int, ...]]) -> Iterator[Change]:
    found = worked_out(graph, inputs)
    shapes = {n: s for n, s in found.items() if graph.tensor(n).listed and graph.tensor(n).shape != s}
    words = ", ".join(f"{name} is {'x'.join(map(str, sizes))}" for name, sizes in inputs.items())
    yield from _stated(graph, {**inputs, **shapes}, words)


def _stated(graph: Graph, shapes: Mapping[str, tuple[int, ...]], text: str) -> Iterator[Change]:
    """All nodes may be spoken of: the findings are about the first that is in the way."""
    known = {name: sizes for name, sizes in shapes.items() if onnx_number(graph.tensor(name).dtype)}
    if known:
        name = next(iter(known))
        maker = graph.producer(name)
        nodes = tuple(node.name for node in graph.nodes)
        yield Change(maker.name if maker else name, text, shapes=known, also=nodes)
