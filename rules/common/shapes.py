"""Shapes that are open, unknown, or not what the file says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Graph, Node, Shape, Tensor
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .problems import told
from .words import listed, sizes


@rule("GRF201", "dynamic-batch", Level.WARNING, on=Model, confidence="documented")
def dynamic_batch(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The batch size of an input is not a number.

    What it does: finds inputs whose first dimension is a symbol. All of them are one finding.

    Why it matters: embedded accelerators run one fixed batch. Their compilers refuse a symbol, take it for 1, or
    compute with a huge number in its place.

    What to do instead: leave dynamic_axes (or dynamic_shapes) out of torch.onnx.export; or fix the size in the file
    with lintmodel fix. To see the verdict for a size without touching the file: --input-shape NAME=1x3x224x224.

    Fix safety: safe; the batch becomes 1, which is what the other sizes of the network are worked out with.

    Source: ONNX IR specification, symbolic dimensions.
    """
    inputs = [tensor for tensor in _open_inputs(model.graph) if _is_symbol(tensor, 0)]
    if inputs:
        alone = all(isinstance(size, int) for tensor in inputs for size in (tensor.shape or ())[1:])
        fix = Fix("freeze-batch", "safe", "a batch of 1") if alone and model.graph.format == "onnx" else None
        yield _open(inputs, [0], "the batch size", fix)


dynamic_batch.bad(lambda g: g.input("N", 3, 32, 32).relu())
dynamic_batch.good(lambda g: g.input(1, 3, 32, 32).relu())
dynamic_batch.good(lambda g: g.input(1, 3, "height", 32).relu())


@rule("GRF202", "dynamic-shape", Level.WARNING, on=Model, confidence="documented")
def dynamic_shape(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """A size of an input, other than the batch, is not a number.

    What it does: finds inputs with symbols behind the first dimension, and inputs for which the file states no shape
    at all. All of them are one finding.

    Why it matters: memory and tiling are worked out when the model is compiled, for one size. Checks of sizes and
    memory cannot be made before the size is known, and are reported as not checked.

    What to do instead: export with the size the camera or sensor gives, or write it into the file with
    lintmodel fix --input-shape NAME=1x3x224x224. To see the verdict for a size without touching the file:
    --input-shape NAME=1x3x224x224.

    Source: ONNX IR specification, symbolic dimensions.
    """
    inputs = [
        tensor
        for tensor in _open_inputs(model.graph)
        if tensor.shape is None or any(_is_symbol(tensor, i) for i in range(1, len(tensor.shape)))
    ]
    if inputs:
        axes = sorted({i for t in inputs for i in range(1, len(t.shape or ())) if _is_symbol(t, i)})
        yield _open(inputs, axes, "the shape")


def _open_inputs(graph: Graph) -> list[Tensor]:
    return [tensor for tensor in map(graph.tensor, graph.inputs) if not tensor.known]


def _is_symbol(tensor: Tensor, axis: int) -> bool:
    shape = tensor.shape or ()
    return axis < len(shape) and isinstance(shape[axis], str)


def _open(inputs: Sequence[Tensor], axes: Sequence[int], what: str, fix: Fix | None = None) -> Found:
    symbols = list(dict.fromkeys(str((t.shape or ())[i]) for t in inputs for i in axes if _is_symbol(t, i)))
    named = [s for s in symbols if s != "?"]
    dims = f" ({', '.join(named)})" if named else ""
    many = "inputs" if len(inputs) > 1 else "input"
    shapes = ", ".join(sizes(t.shape) for t in inputs[:3])
    option = " ".join(f"--input-shape {t.name}={_example(t.shape)}" for t in inputs[:3])
    return Found(
        f"{what}{dims} of {many} {listed([t.name for t in inputs])} is open: {shapes}",
        fix=fix or Fix("fix-input-shape", "display", f"export with fixed sizes; to check one size: {option}"),
        details={"inputs": [t.name for t in inputs], "dims": symbols},
    )


def _example(shape: Shape | None) -> str:
    """The shape with its batch as 1 and other open sizes as letters to fill in."""
    if shape is None:
        return "1x..."
    return "x".join(str(d) if isinstance(d, int) else "1" if i == 0 else "N" for i, d in enumerate(shape))


dynamic_shape.bad(lambda g: g.input(1, 3, "height", "width").relu())
dynamic_shape.good(lambda g: g.input("N", 3, 32, 32).relu())


@rule("GRF203", "dynamic-signature", Level.NOTE, on=Model, confidence="documented")
def dynamic_signature(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """A TFLite file leaves sizes open that its tensors fix.

    What it does: compares every tensor's shape with its shape signature. A batch of 1 that is open is not reported.

    Why it matters: toolchains compile for the shape, which the converter filled in with 1 wherever the signature is
    open. Where that is another dimension than the batch, what is compiled is not what you mean to run.

    What to do instead: convert with a fixed input shape: a concrete function with a full tf.TensorSpec, or
    tf.keras.Input(batch_size=1, ...).

    Source: TensorFlow Lite schema, Tensor.shape_signature.
    """
    found = list(told(model, "dynamic-signature"))
    if found:
        from lintmodel.fix.tflite_edit import follows_inputs

        fix = Fix("freeze-signature", "safe", "write the shapes into the signature")
        yield from (replace(each, fix=fix if follows_inputs(model.graph) else None) for each in found)


dynamic_signature.bad(
    lambda g: g.conv(8, 16).problem("dynamic-signature", "the shape signature of 'x' is ?x8x32x32, its shape 1x8x32x32")
)
dynamic_signature.good(lambda g: g.conv(8, 16))


@rule("GRF204", "missing-shape", Level.WARNING, on=Model, confidence="documented")
def missing_shape(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The shape of a result is nowhere stated and cannot be worked out.

    What it does: after shape inference, finds the operators all of whose inputs have known shapes and whose result
    does not, each kind of operator once. What follows from such a result is not reported again.

    Why it matters: the shape depends on values that are only known at run time (NonZero, NonMaxSuppression, a
    Reshape to a computed size), or the operator is one that shape inference does not know. No compiler can plan
    memory for it, and no check behind it can be made.

    What to do instead: cut the network before this operator and do the rest on the CPU. For an operator of your
    own, write the shape into the file's value_info.

    Source: ONNX operator specification and shape inference; lintmodel's own propagation.
    """
    graph = model.graph
    kinds: dict[str, list[tuple[Node, Shape | None]]] = {}
    for node in graph.nodes:
        if node.op in _HANDLES or any(name and not graph.tensor(name).known for name in node.inputs):
            continue
        unknown = [graph.tensor(n) for n in node.outputs if _is_used(graph, n) and not graph.tensor(n).known]
        if unknown:
            kinds.setdefault(node.native_op, []).append((node, unknown[0].shape))
    for native_op, found in kinds.items():
        node, shape = found[0]
        known = f"is known only as {sizes(shape)}" if shape is not None else "is not known"
        times = f" ({len(found)} such nodes)" if len(found) > 1 else ""
        message = f"the shape of {native_op}'s result {known}, although its inputs' shapes are{times}"
        yield Found(message, node=node.name, details={"nodes": [each.name for each, _ in found]})


_HANDLES = frozenset({"VAR_HANDLE", "HASHTABLE"})
"""TFLite's references to state, which have no shape."""


def _is_used(graph: Graph, name: str) -> bool:
    return bool(name) and bool(graph.consumers(name) or name in graph.outputs or name in graph.captured)


missing_shape.bad(lambda g: g.input(1, 8).op("NonZero", shape=(2, "?"), dtype="int64"))
missing_shape.good(lambda g: g.input(1, 8).relu())
missing_shape.good(lambda g: g.input("N", 8).relu())


@rule("GRF205", "shape-conflict", Level.WARNING, on=Model, confidence="documented")
def shape_conflict(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The file states another shape for a result than the operator gives.

    What it does: works out every shape from the inputs and compares it with the one the file states. The file's is
    used from there on.

    Why it matters: compilers that check refuse the model ("shape mismatch"); those that do not reserve the wrong
    amount of memory.

    What to do instead: delete the stale value_info and infer shapes again (onnx.shape_inference.infer_shapes); it is
    often left over from an edited input size.

    Fix safety: safe; what is computed does not change.

    Source: ONNX operator specification, shape inference.
    """
    fix = Fix("infer-shapes", "safe", "write the shapes as they come out") if model.graph.format == "onnx" else None
    yield from (replace(found, fix=fix) for found in told(model, "shape-conflict"))


shape_conflict.bad(lambda g: g.conv(8, 16).op("Relu", shape=(1, 16, 31, 32)))
shape_conflict.good(lambda g: g.conv(8, 16).op("Relu", shape=(1, 16, 32, 32)))


RULES: list[Rule] = [dynamic_batch, dynamic_shape, dynamic_signature, missing_shape, shape_conflict]
