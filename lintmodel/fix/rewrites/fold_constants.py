"""Shape(x), Gather, Concat -> a constant"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ...ir import Constant, Graph, Node
from ...ir.dtypes import bits
from ..change import Change, rewrite
from ..patterns import plain

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEFT_ALONE = frozenset(
    {
        "Constant",
        "QuantizeLinear",
        "DequantizeLinear",
        "DynamicQuantizeLinear",
        "RandomNormal",
        "RandomNormalLike",
        "RandomUniform",
        "RandomUniformLike",
        "Multinomial",
        "Bernoulli",
        "Dropout",
    }
)
"""What is a constant already, what toolchains read quantisation from, and what differs each time it is run."""
ROOM = 65_536
"""Bytes a folded constant may be larger than what it is computed from: a ConstantOfShape is not worth megabytes."""


@rewrite("fold-constants", "safe")
def fold_constants(graph: Graph) -> Iterator[Change]:
    """What is computed from constants alone, and the arithmetic of shapes that are known, becomes a constant."""
    fixed: dict[str, Node] = {}
    for node in graph.nodes:
        if plain(node) and node.op not in LEFT_ALONE and _foldable(graph, node, fixed):
            fixed |= {name: node for name in node.outputs if name}
    values: dict[str, Array | None] = {}
    for node in _at_the_end(graph, fixed).values():
        if _swells(graph, node, fixed):
            continue
        found = {name: _value(graph, name, fixed, values) for name in node.outputs if name}
        constants = {name: value for name, value in found.items() if value is not None}
        if len(constants) < len(found):
            continue
        readers = tuple(reader.name for name in node.outputs for reader in graph.consumers(name))
        text = f"the result of {node.op} is known and becomes a constant"
        yield Change(node.name, text, (node.name,), constants=constants, also=readers)


def _foldable(graph: Graph, node: Node, fixed: dict[str, Node]) -> bool:
    if all(name in graph.values for name in node.outputs if name):
        return True
    return all(graph.is_constant(name) or name in fixed for name in node.inputs if name) and not any(
        graph.tensor(name).dtype in ("string", "unknown") for name in node.outputs if name
    )


def _at_the_end(graph: Graph, fixed: dict[str, Node]) -> dict[str, Node]:
    """Nodes, by name, whose results are read by something that is not folded itself."""
    folded = {node.name: node for node in fixed.values()}
    ends = {}
    for name, node in fixed.items():
        kept = any(reader.name not in folded for reader in graph.consumers(name)) or name in graph.captured
        if kept and not any(each in graph.outputs for each in node.outputs):
            ends[node.name] = node
    return ends


def _value(graph: Graph, name: str, fixed: dict[str, Node], values: dict[str, Array | None]) -> Array | None:
    """From the file, from the shapes, or computed; None where the bytes are not there."""
    if name not in values:
        if name in fixed and name not in graph.values:
            _compute(graph, fixed[name], fixed, values)
        else:
            values[name] = graph.value(name)
    return values.get(name)


def _compute(graph: Graph, node: Node, fixed: dict[str, Node], values: dict[str, Array | None]) -> None:
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    values.update(dict.fromkeys(node.outputs))
    inputs = {name: _value(graph, name, fixed, values) for name in node.inputs if name}
    if any(value is None for value in inputs.values()):
        return
    attributes = {k: _tensor(v) if isinstance(v, Constant) else v for k, v in node.attributes.items()}
    try:
        made = helper.make_node(node.op, list(node.inputs), list(node.outputs), **attributes)
        outputs = [helper.make_tensor_value_info(name, 0, None) for name in node.outputs if name]
        infos = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
            for name, value in inputs.items()
            if value is not None
        ]
        opsets = [helper.make_opsetid("", graph.opsets.get("", 17))]
        model = helper.make_model(helper.make_graph([made], "one", infos, outputs), opset_imports=opsets)
        results = ReferenceEvaluator(model).run(None, inputs)
    except Exception:  # the evaluator lacks operators, and raises whatever numpy does
        return
    values.update(zip((name for name in node.outputs if name), results, strict=True))


def _tensor(value: Constant) -> Any:
    from onnx import numpy_helper

    array = value.load()
    if array is None:
        raise ValueError("its bytes are not there")
    return numpy_helper.from_array(array)


def _swells(graph: Graph, node: Node, fixed: dict[str, Node]) -> bool:
    """The results are much larger than the constants of the file that they are computed from, or of unknown size."""
    after = [_bytes(graph, name) for name in node.outputs if name]
    stored: dict[str, int] = {}
    names = list(node.inputs)
    while names:
        name = names.pop()
        if name in fixed:
            names += [each for each in fixed[name].inputs if each not in stored]
        stored[name] = 0 if name in fixed or not name else _bytes(graph, name) or 0
    return any(size is None for size in after) or sum(size or 0 for size in after) > ROOM + sum(stored.values())


def _bytes(graph: Graph, name: str) -> int | None:
    tensor = graph.tensor(name)
    if name in graph.values:
        return int(graph.values[name].nbytes)
    return tensor.elements * bits(tensor.dtype) // 8 if tensor.known else None
