"""RKNN-Toolkit 1.x: its vendor's table of operators and limits, node by node. Documented, not measured.

The toolkit has no layer table that could be predicted, and no CPU to fall back to: a node is taken or refused.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from lintmodel.ir import Graph, Node
from lintmodel.planning import NotChecked, Placement, Plan, Refusal, Step
from lintmodel.planning.plan import Verdict
from lintmodel.target import Target

OPERATOR, LIMIT = "toolkit1-operator", "toolkit1-limit"
_POOLS = frozenset({"MaxPool", "AveragePool"})
_MAPS = frozenset(
    {"Conv", "ConvTranspose", "BatchNormalization", "InstanceNormalization", "Resize", "Upsample", *_POOLS}
)
"""Operators that the table has for one and two dimensions, and not for three."""


def plan(graph: Graph, target: Target) -> Plan:
    """A step on the NPU for every node, unless the table says that the toolkit cannot load it."""
    composed = _composed(graph, target)
    refused = [*_opset(graph, target)]
    open_nodes: list[str] = []
    for node in graph.nodes:
        if node.name in composed:
            continue
        problems = list(_problems(graph, node, target))
        refused += problems
        if not problems and not _listed(graph, node, target):
            open_nodes.append(node.name)
    at = {refusal.node for refusal in refused}
    verdict: Verdict = "rejected" if refused else "unknown" if open_nodes else "accepted"
    return Plan(
        steps=tuple(Step("npu", node.native_op, (node.name,)) for node in graph.nodes if node.name not in at),
        placements={n.name: Placement.UNSUPPORTED if n.name in at else Placement.ACCELERATED for n in graph.nodes},
        refusals=tuple(refused),
        verdict=verdict,
        runtime="unknown",
        not_checked=tuple(_not_checked(open_nodes, target)),
    )


def _not_checked(open_nodes: Sequence[str], target: Target) -> Iterator[NotChecked]:
    if open_nodes:
        why = f"the vendor's table for {target.toolchain_name} does not have these operators"
        yield NotChecked("whether the toolkit loads them", why, tuple(open_nodes))
    yield NotChecked(
        "layers, memory and speed", f"{target.toolchain_name} documents none of them, and was not recorded"
    )


def _composed(graph: Graph, target: Target) -> set[str]:
    """Nodes of patterns that the table has as one operator, though some of the nodes alone are refused."""
    known = target.operators["onnx_composites"]
    return {name for composite in graph.composites if composite.op in known for name in composite.members}


def _listed(graph: Graph, node: Node, target: Target) -> bool:
    if all(graph.is_constant(name) for name in node.inputs if name):
        return True
    return (node.native_op if graph.format == "tflite" else node.op) in target.operators[
        "tflite" if graph.format == "tflite" else "onnx"
    ]


def _opset(graph: Graph, target: Target) -> Iterator[Refusal]:
    opset = graph.opsets.get("") if graph.format == "onnx" else None
    least, most = int(target.limit("min_opset")), int(target.limit("max_opset"))
    if opset is not None and not least <= opset <= most:
        yield _says(LIMIT, None, f"the model uses opset {opset}; {target.toolchain} loads {least} to {most}")


def _says(kind: str, node: Node | None, words: str) -> Refusal:
    return Refusal(kind, node.name if node else None, None, {"says": words})


def _problems(graph: Graph, node: Node, target: Target) -> Iterator[Refusal]:
    if graph.format != "onnx" or node.domain not in ("", "ai.onnx"):
        return
    op = node.op
    if all(graph.is_constant(name) for name in node.inputs if name) and op not in ("RandomNormal", "RandomUniform"):
        return
    if op in target.operators["onnx_refused"]:
        yield _says(OPERATOR, node, f"{target.toolchain_name} loads no {op} from ONNX")
        return
    for words in _limits(graph, node, quantized=bool(target.options["quantized"])):
        yield _says(LIMIT, node, words)


def _limits(graph: Graph, node: Node, *, quantized: bool) -> Iterator[str]:
    """The table's limits, for what the file says of the node."""
    op, shapes = node.op, [_shape(graph, name) for name in node.inputs]
    first = shapes[0] if shapes else None
    if op in _MAPS and first is not None and len(first) == 5:
        yield f"{op} of three dimensions; the NPU has one and two"
    if op in _POOLS and first is not None and len(first) == 3:
        yield f"{op} of one dimension, which is not loaded from ONNX"
    if op in ("Upsample", "Resize") and first is not None and len(first) == 3:
        yield f"{op} of one dimension; the NPU has two"
    if op in ("Conv", "ConvTranspose"):
        dilations = _integers(node, "dilations")
        if len(dilations) == 2 and min(dilations) > 1 and dilations[0] != dilations[1]:
            yield f"dilations are {dilations[0]} and {dilations[1]}; both above 1, they are equal"
    if op == "MaxPool":
        yield from _max_pool(graph, node)
    if op == "Softmax" and first is not None and len(first) == 1:
        yield "the input has one dimension; Softmax takes two and more"
    if op == "Elu" and node.attributes.get("alpha", 1.0) != 1.0:
        yield f"alpha is {node.attributes['alpha']:g}; Elu is loaded with 1 only"
    if op in ("ArgMax", "ArgMin") and node.attributes.get("keepdims", 1):
        yield f"keepdims is 1; {op} is loaded with 0 only"
    if op == "LSTM" and first is not None and len(first) == 3 and first[1] != 1:
        yield f"the batch is {first[1]}; LSTM takes 1"
    if op == "Resize" and _word(node, "mode") == "cubic":
        yield "mode is cubic; Resize has nearest and linear"
    computed = not any(graph.is_constant(name) for name in node.inputs)
    if op == "Div" and computed and len(shapes) == 2 and None not in shapes and shapes[0] != shapes[1]:
        yield f"operands are {_by(shapes[0])} and {_by(shapes[1])}; Div does not broadcast"
    if op == "Pow":
        exponent = graph.value(node.inputs[1]) if len(node.inputs) > 1 else None
        if exponent is not None and exponent.size and float(exponent.min()) < 0:
            yield f"the exponent is {float(exponent.min()):g}; it must not be negative"
    if op == "Pad" and quantized and node.attributes.get("value", 0.0):
        yield f"the padding is {node.attributes['value']:g}; it is 0 when the model is quantised"


def _max_pool(graph: Graph, node: Node) -> Iterator[str]:
    if node.attributes.get("ceil_mode"):
        yield "ceil_mode is 1; MaxPool is loaded with 0 only"
    if any(size != 1 for size in _integers(node, "dilations")):
        yield "MaxPool is dilated; only a dilation of 1 is loaded"
    if len(node.outputs) > 1 and node.outputs[1] and graph.consumers(node.outputs[1]):
        yield "MaxPool gives indices, which are not loaded"


def _shape(graph: Graph, name: str) -> tuple[int, ...] | None:
    tensor = graph.tensor(name)
    return tensor.sizes if name and tensor.known else None


def _integers(node: Node, name: str) -> list[int]:
    value: Any = node.attributes.get(name) or ()
    return [int(each) for each in value] if isinstance(value, list | tuple) else [int(value)]


def _word(node: Node, name: str) -> str:
    value = node.attributes.get(name, "")
    return value.decode() if isinstance(value, bytes) else str(value)


def _by(shape: Sequence[int] | None) -> str:
    return "x".join(map(str, shape or ()))
