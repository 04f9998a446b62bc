"""Outputs before the detection head instead of those behind it"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...ir import Graph
from ...ir.dtypes import onnx_number
from ..change import Change, rewrite


@rewrite("cut-head", "unsafe", detailed=True)
def cut_head(graph: Graph, details: Sequence[Mapping[str, Any]] = ()) -> Iterator[Change]:
    """The model ends at tensors that a finding names; what stood behind them is the application's to do."""
    named = [list(each["outputs"]) for each in details if each.get("outputs")]
    if not named or set(named[0]) == set(graph.outputs):
        return
    names = list(dict.fromkeys(str(name) for name in named[0]))
    maker = graph.producer(names[0])
    if maker is not None and all(graph.producer(name) and graph.tensor(name).known for name in names):
        text = f"the model ends at {', '.join(names)}"
        yield Change(maker.name, text, whole=lambda model: _cut(model, graph, names))


def _cut(model: Any, graph: Graph, names: Sequence[str]) -> Any:
    from onnx import helper

    from ..onnx_edit import reads

    cut = type(model)()
    cut.CopyFrom(model)
    needed = set(names)
    for k in reversed(range(len(cut.graph.node))):
        if needed.isdisjoint(cut.graph.node[k].output):
            del cut.graph.node[k]
        else:
            needed.update(reads(cut.graph.node[k]))
    made = {name for node in cut.graph.node for name in node.output}
    for entries in (cut.graph.initializer, cut.graph.value_info):
        for k in reversed(range(len(entries))):
            if entries[k].name not in needed or (entries is cut.graph.value_info and entries[k].name not in made):
                del entries[k]
    del cut.graph.output[:]
    for name in names:
        tensor = graph.tensor(name)
        cut.graph.output.append(helper.make_tensor_value_info(name, onnx_number(tensor.dtype), tensor.sizes))
    return cut
