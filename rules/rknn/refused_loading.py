"""Models that do not load: opset, inputs, and operators that ONNX Runtime cannot run or whose results have no size.

Source: measured with rknn-toolkit2 2.5.0 (which brings every model to opset 19 and runs it once with ONNX Runtime).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lintmodel.ir import Node, Tensor
from lintmodel.planning import Refusal

from .subject import Subject

RUNTIME = "onnxruntime.capi.onnxruntime_pybind11_state"
TYPES = {"float32": "float", "float64": "double", "float16": "float16"}
"""ONNX Runtime's words for element types; the others it calls as we do."""


def refusals(subject: Subject) -> Iterator[Refusal]:
    for check in CHECKS if subject.onnx else CHECKS[1:2]:
        yield from check(subject)


def _opset(subject: Subject) -> Iterator[Refusal]:
    opset, limit = subject.graph.opsets.get("", 0), int(subject.target.limit("max_opset"))
    if opset > limit:
        message = f"ValueError: Unsupport onnx opset {opset}, need <= {limit}!"
        yield Refusal("opset-not-loaded", None, message, {"opset": opset, "limit": limit})


def _input_shapes(subject: Subject) -> Iterator[Refusal]:
    graph = subject.graph
    opened = [graph.tensor(name) for name in graph.inputs if _open(graph.tensor(name))]
    if opened:
        shape = [size if isinstance(size, int) or size != "?" else "" for size in opened[0].shape or ()]
        message = f"ValueError: The input shape {shape} of '{opened[0].name}' is not support!"
        shapes = {tensor.name: tensor.shape for tensor in opened}
        yield Refusal("dynamic-input", None, message, {"inputs": shapes})


def _open(tensor: Tensor) -> bool:
    return not tensor.known or 0 in tensor.sizes


def _input_types(subject: Subject) -> Iterator[Refusal]:
    for name in subject.graph.inputs:
        dtype = subject.graph.tensor(name).dtype
        if dtype in subject.target.operators["refused_input_types"]:
            said = "object" if dtype == "string" else dtype
            message = f"ValueError: Not support input data type '{said}'!"
            yield Refusal("input-type", None, message, {"input": name, "dtype": dtype})


def _sparse(subject: Subject) -> Iterator[Refusal]:
    read = {name for node in subject.graph.nodes for name in node.inputs if name}
    for name in sorted(read):
        if subject.graph.tensor(name).sparse:
            message = f"ValueError: Can not find tensor value info for '{name}'!"
            yield Refusal("sparse-initializer", None, message, {"tensor": name})


def _operators(subject: Subject) -> Iterator[Refusal]:
    """Operators that nobody knows."""
    graph = subject.graph
    unknown = {problem.node for problem in graph.problems if problem.kind == "unknown-operator"}
    known = subject.target.operators["onnxruntime_domains"]
    for node in graph.nodes:
        newer = not node.domain and node.op in subject.target.operators["newer_than_opset_19"]
        foreign = node.domain and not (node.domain in known and node.domain in graph.opsets)
        if node.name in unknown or newer or foreign:
            yield _not_registered(subject, node)
        elif node.domain.startswith("ai.onnx.preview"):
            message = f"{RUNTIME}.Fail: [ONNXRuntimeError] : 1 : FAIL : Fatal error: "
            message += f"{node.domain}:{node.op}(-1) is not a registered function/op"
            yield Refusal("operator-not-loaded", node.name, message, {"op": node.op, "domain": node.domain})


def _not_registered(subject: Subject, node: Node) -> Refusal:
    def spelled(names: tuple[str, ...]) -> str:
        tensors = (subject.graph.tensor(name) for name in names if name)
        return ", ".join(f'"{t.name}": tensor({TYPES.get(t.dtype, t.dtype)})' for t in tensors)

    imported = not node.domain or node.domain in subject.graph.opsets
    version = subject.target.limit("max_opset") if not node.domain else subject.graph.opsets.get(node.domain)
    ending = (
        f"No Op registered for {node.op} with domain_version of {version}"
        if imported
        else f"No opset import for domain '{node.domain}'"
    )
    message = (
        f"{RUNTIME}.InvalidGraph: [ONNXRuntimeError] : 10 : INVALID_GRAPH : This is an invalid model. In Node, "
        f'("{node.name}", {node.op}, "{node.domain}", -1) : ({spelled(node.inputs)}) -> ({spelled(node.outputs)}) , '
        f"Error {ending}"
    )
    return Refusal("operator-not-loaded", node.name, message, {"op": node.op, "domain": node.domain})


def _kernels(subject: Subject) -> Iterator[Refusal]:
    """Operators that ONNX Runtime reads and cannot run, so that the toolkit cannot either."""
    small = subject.target.operators["small_integers"]
    for node in subject.live:
        dtypes = {subject.graph.tensor(name).dtype for name in node.inputs if name}
        reason = ""
        if node.op in subject.target.operators["onnxruntime_without_kernel"] and not node.domain:
            reason = "in any element type"
        elif "bfloat16" in dtypes:
            reason = "in bfloat16"
        elif node.op in ("Add", "Sub", "Mul", "Div") and not node.domain and dtypes & small:
            reason = f"in {', '.join(sorted(dtypes & small))}"
        if reason:
            message = (
                f"{RUNTIME}.NotImplemented: [ONNXRuntimeError] : 9 : NOT_IMPLEMENTED : Could not find an "
                f"implementation for {node.op} node with name '{node.name}'"
            )
            yield Refusal("operator-not-run", node.name, message, {"op": node.op, "reason": reason})


def _dropout_masks(subject: Subject) -> Iterator[Refusal]:
    """Dropout with its second result, of the one opset whose conversion misses it."""
    opset = subject.graph.opsets.get("", 0)
    if opset != subject.target.limit("dropout_mask_opset"):
        return
    for node in subject.graph.nodes:
        if node.op == "Dropout" and not node.domain and len([name for name in node.outputs if name]) > 1:
            message = f"ValueError: Not support 'Dropout' of opset-{opset}!"
            details = {"op": node.op, "reason": f"with a mask, in opset {opset},"}
            yield Refusal("operator-not-run", node.name, message, details)


def _contradictions(subject: Subject) -> Iterator[Refusal]:
    """Inputs of an operator whose shapes do not go together."""
    for problem in subject.graph.problems:
        if problem.kind == "invalid-graph" and problem.node is not None:
            node = subject.graph.node(problem.node)
            what = "Incompatible dimensions" + (" for matrix multiplication" if node.op == "MatMul" else "")
            message = (
                f"{RUNTIME}.Fail: [ONNXRuntimeError] : 1 : FAIL : Node ({node.name}) Op ({node.op}) "
                f"[ShapeInferenceError] {what}"
            )
            yield Refusal("contradictory-shapes", node.name, message, {"why": problem.message})


def _unsized(subject: Subject) -> Iterator[Refusal]:
    """Results of operators of ONNX Runtime's own, for which ONNX infers no shape, with more operators behind them."""
    graph = subject.graph
    for node in subject.live:
        if node.domain not in subject.target.operators["unsized_domains"]:
            continue
        if any(graph.consumers(name) and not graph.tensor(name).known for name in node.outputs if name):
            message = "TypeError: 'NoneType' object is not iterable"
            yield Refusal("custom-operator-shape", node.name, message, {"op": node.op, "domain": node.domain})


def _not_tensors(subject: Subject) -> Iterator[Refusal]:
    """Results that are sequences or maps."""
    for node in subject.live:
        if node.op in subject.target.operators["refused_sequences"] and not node.domain:
            message = f"ValueError: The Op of '{node.op}' is not supported yet, please remove it and try again!"
        elif node.op in subject.target.operators["makes_no_tensor"]:
            message = "KeyError: 0"
        else:
            continue
        yield Refusal("sequence-operator", node.name, message, {"op": node.op})
        return  # the others only read what this one makes


CHECKS: tuple[Callable[[Subject], Iterator[Refusal]], ...] = (
    _opset,
    _input_shapes,
    _input_types,
    _sparse,
    _operators,
    _kernels,
    _dropout_masks,
    _contradictions,
    _unsized,
    _not_tensors,
)
