"""Graphs whose shapes or values are only known when they run, and those of which nothing is left to run.

Source: measured with rknn-toolkit2 2.5.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lintmodel.ir import Node
from lintmodel.planning import Refusal

from .subject import Subject

CONTROL = frozenset({"Loop", "If", "DynamicQuantizeLinear"})
"""Operators that are refused whatever they read."""
CONSTANTS = {
    "NonZero": (0,),
    "Unique": (0,),
    "NonMaxSuppression": (0,),
    "Compress": (1,),
    "Reshape": (1,),
    "Expand": (1,),
    "Tile": (1,),
    "TopK": (1,),
    "Slice": (1, 2, 3, 4),
    "Range": (1, 0, 2),
    "Resize": (2, 3),
    "Pad": (1,),
    "ConstantOfShape": (0,),
}
"""Inputs that must be constant, because the size of the result depends on them."""
RANDOM = frozenset({"RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike"})


def refusals(subject: Subject) -> Iterator[Refusal]:
    for check in CHECKS:
        yield from check(subject)


def _dynamic_operators(subject: Subject) -> Iterator[Refusal]:
    for node in subject.of(*CONTROL):
        condition = subject.read(node)
        if node.op == "If" and (condition in subject.graph.inputs or condition in subject.constant):
            message = f"KeyError: '{condition}'"
        else:
            message = (
                f"ValueError: The {node.op}('{node.name}') will cause the graph to be a dynamic graph! "
                "Remove it manually and try again!"
            )
        yield Refusal("dynamic-operator", node.name, message, {"op": node.op})


def _dynamic_arguments(subject: Subject) -> Iterator[Refusal]:
    for node in subject.of(*CONSTANTS):
        index = next((k for k in CONSTANTS[node.op] if _computed(subject, node, k)), None)
        if index is None:
            continue
        if _made_of_nothing(subject, node):
            message = f"ValueError: The shape of '{node.outputs[0]}' is (2, 0), it is abnormal!"
        elif node.op == "ConstantOfShape":
            message = "AttributeError: 'numpy.ndarray' object has no attribute 'data_type'"
        else:
            message = (
                f"ValueError: The input {index} of {node.op}('{node.name}') need to be constant! "
                "It will cause the graph to be a dynamic graph!"
            )
        details = {"op": node.op, "index": index, "tensor": subject.read(node, index)}
        yield Refusal("dynamic-argument", node.name, message, details)


def _computed(subject: Subject, node: Node, index: int) -> bool:
    name = subject.read(node, index)
    return bool(name) and name not in subject.constant


def _made_of_nothing(subject: Subject, node: Node) -> bool:
    """NonZero of whole numbers that are an input of the network: the toolkit tries it on zeros."""
    source = subject.read(node)
    integers = subject.tensor(node).dtype.startswith(("int", "uint"))
    return node.op == "NonZero" and source in subject.graph.inputs and integers


def _random(subject: Subject) -> Iterator[Refusal]:
    for node in subject.graph.nodes:
        if node.op in RANDOM and not node.domain:
            message = (
                f"Found Random node '{node.name}', which is not supported, please remove it manually and try again!"
            )
            yield Refusal("random-operator", node.name, message, {"op": node.op})


def _nothing_left(subject: Subject) -> Iterator[Refusal]:
    outputs = subject.graph.outputs
    if outputs and all(name in subject.constant for name in outputs):
        message = f"ValueError: All outputs {list(outputs)} of model are constants, The model is invalid!"
        yield Refusal("constant-outputs", None, message, {"outputs": outputs})


def _inputs_of_dead_nodes(subject: Subject) -> Iterator[Refusal]:
    """An input that only operators read from which no output can be reached."""
    if not subject.onnx:
        return
    read = {name for node in subject.live for name in node.inputs} | set(subject.graph.outputs) | subject.graph.captured
    for name in subject.graph.inputs:
        consumers = subject.graph.consumers(name)
        if consumers and name not in read and not all(node.op in ("Shape", "Size") for node in consumers):
            message = "TypeError: argument of type 'NoneType' is not iterable"
            yield Refusal("input-leads-nowhere", consumers[0].name, message, {"input": name})


CHECKS: tuple[Callable[[Subject], Iterator[Refusal]], ...] = (
    _dynamic_operators,
    _dynamic_arguments,
    _random,
    _nothing_left,
    _inputs_of_dead_nodes,
)
