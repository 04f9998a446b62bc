"""10x: models that the toolkit does not load."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.ir import GraphBuilder
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .wording import refused


def _not_registered(details: Mapping[str, Any]) -> str:
    domain = details["domain"]
    return f"ONNX Runtime has no operator '{details['op']}'" + (f" of the domain {domain}" if domain else "")


def _microsoft(g: GraphBuilder) -> GraphBuilder:
    """An operator of ONNX Runtime's between two others."""
    g.input(1, 16, 8, 8).op("BiasGelu", g.zeros(16), shape=(1, 16, "a", "b"), domain="com.microsoft")
    return g.op("Relu")


@rule("RKN101", "opset-not-loaded", Level.ERROR, on=Model, confidence="measured")
def opset_not_loaded(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Opset newer than the toolkit reads.

    What it does: compares the opset the file says it follows with {max_opset}, the newest that load_onnx takes.

    Why it matters: load_onnx stops, whatever operators the network has. RKNN-Toolkit2 2.3.2 has the same limit.

    What to do instead: torch.onnx.export(..., opset_version=19) or older; 12 is what the vendor's own exports use.
    Of a file that is there: lintmodel fix.

    Fix safety: safe; each operator is written as the older opset defines it.

    Source: measured with rknn-toolkit2 2.5.0. airockchip/rknn-toolkit2#539.
    """
    for found in refused(
        plan, "opset-not-loaded", lambda d: f"opset {d['opset']}; the toolkit reads up to {d['limit']}"
    ):
        limit = int(chip.limit("max_opset"))
        yield offering(found, model.graph, Fix("convert-opset", "safe", f"opset {limit}"), opset=limit)


opset_not_loaded.bad(lambda g: g.with_opset(20).conv(8, 16))
opset_not_loaded.good(lambda g: g.with_opset(19).conv(8, 16))


@rule("RKN102", "input-type", Level.ERROR, on=Model, confidence="measured")
def input_type(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Input in an element type that the toolkit does not take.

    What it does: finds inputs of the network that are strings, complex numbers, or whole numbers other than int8,
    uint8, int32 and int64.

    Why it matters: build stops at the first one.

    What to do instead: leave the tokeniser or decoder that reads it out of the network and compute it on the host;
    make whole numbers int32 or int64.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "input-type", lambda d: f"input '{d['input']}' is {d['dtype']}")


input_type.bad(lambda g: g.input(1, 8, dtype="uint16").op("Cast", dtype="float32", to=1))
input_type.good(lambda g: g.input(1, 8, dtype="int32").op("Cast", dtype="float32", to=1))


@rule("RKN103", "uint8-tensor", Level.ERROR, on=Model, confidence="measured")
def uint8_tensor(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Bytes inside the network.

    What it does: finds Cast from or to uint8 that is left in the network, as in models that take a camera's bytes
    and convert them themselves.

    Why it matters: the compiler has no layout for uint8 tensors and stops. rk3562, rv1103b and rk2118 say "Meet
    unsupported conv", others "Not Support Dtype: 2".

    What to do instead: give the network a floating-point input. The runtime takes bytes all the same: pass type
    RKNN_TENSOR_UINT8, and put the scaling into mean_values and std_values of rknn.config.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "uint8-tensor", lambda d: f"converts {d['from']} to {d['to']}")


uint8_tensor.bad(lambda g: g.input(1, 3, 32, 32, dtype="uint8").op("Cast", dtype="float32", to=1).conv(3, 8))
uint8_tensor.good(lambda g: g.input(1, 3, 32, 32).conv(3, 8))


@rule("RKN104", "operator-not-loaded", Level.ERROR, on=Model, confidence="measured")
def operator_not_loaded(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator that ONNX Runtime does not know.

    What it does: finds operators that are not in ONNX up to opset {max_opset}, and those of domains other than
    ai.onnx, ai.onnx.ml and com.microsoft: layers of a training framework, of a quantiser (Brevitas, QONNX), of
    another compiler, and ops of one's own.

    Why it matters: the toolkit runs the network once with ONNX Runtime while it loads it, so that what ONNX Runtime
    cannot read it cannot build. Registering a custom operator in the toolkit comes after that.

    What to do instead: export with standard operators (Gelu as Erf or Tanh, a quantiser's nodes as QuantizeLinear
    and DequantizeLinear), or cut the network before the operator.

    Fix safety: safe; Gelu becomes the operators that it is made of.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    for found in refused(plan, "operator-not-loaded", _not_registered):
        yield offering(found, model.graph, _parts(model, found.node))


def _parts(model: Model, name: str | None) -> Fix | None:
    gelu = any(node.name == name and node.op == "Gelu" and not node.domain for node in model.graph.nodes)
    return Fix("decompose-gelu", "safe", "the operators it is made of") if gelu else None


operator_not_loaded.bad(lambda g: g.conv(8, 16).op("Quant", domain="onnx.brevitas"))
operator_not_loaded.bad(lambda g: g.with_opset(19).conv(8, 16).op("Gelu"))
operator_not_loaded.good(lambda g: g.conv(8, 16).op("Erf"))


@rule("RKN105", "operator-not-run", Level.ERROR, on=Model, confidence="measured")
def operator_not_run(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator or element type that ONNX Runtime reads and cannot run.

    What it does: finds DeformConv, operators on bfloat16, sums and products of 8- and 16-bit whole numbers, and
    Dropout with its second output in opset {dropout_mask_opset}, the one that the toolkit does not convert.

    Why it matters: the toolkit runs the network once with ONNX Runtime while it loads it, and stops.

    What to do instead: DeformConv: an ordinary convolution, retrained. bfloat16: export in float32. Whole numbers:
    compute in int32. Dropout: export in evaluation mode, or convert to opset 12.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "operator-not-run", lambda d: f"{d['op']} {d['reason']} cannot be run by the toolkit")


operator_not_run.bad(lambda g: g.conv(8, 16).op("DeformConv", g.zeros(16, 16, 1, 1), g.zeros(1, 2, 64, 64)))
operator_not_run.bad(lambda g: g.input(1, 8, dtype="bfloat16").op("Relu"))
operator_not_run.good(lambda g: g.conv(8, 16).op("Relu"))


@rule("RKN106", "sequence-operator", Level.ERROR, on=Model, confidence="measured")
def sequence_operator(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator on sequences or maps.

    What it does: finds operators that make or read a sequence, a map or an optional value.

    Why it matters: RKNN has tensors only: build stops, for some with no more than "KeyError: 0".

    What to do instead: SplitToSequence: Split, or Slice with constants. ZipMap: convert the scikit-learn model with
    zipmap=False. SequenceConstruct and ConcatFromSequence: Concat.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "sequence-operator", lambda d: f"{d['op']} makes or reads something that is no tensor")


sequence_operator.bad(lambda g: g.input(4, 16).op("SequenceConstruct"))
sequence_operator.good(lambda g: g.input(4, 16).op("Concat", "x", shape=(8, 16), axis=0))


@rule("RKN107", "custom-operator-shape", Level.ERROR, on=Model, confidence="measured")
def custom_operator_shape(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator of ONNX Runtime's own in the middle of the network.

    What it does: finds operators of the domain com.microsoft whose result other operators read and whose shape is
    not in the file. onnxruntime's optimiser writes them (FusedConv, BiasGelu, SkipLayerNormalization).

    Why it matters: ONNX infers no shape for them; the toolkit stops over the missing shape without naming the
    operator.

    What to do instead: give the toolkit the model as it was before onnxruntime optimised it
    (optimized_model_filepath and onnxruntime.transformers write these).

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(
        plan,
        "custom-operator-shape",
        lambda d: f"{d['op']} of {d['domain']} is read by other operators, and its result has no known shape",
    )


custom_operator_shape.bad(lambda g: _microsoft(g))
custom_operator_shape.good(lambda g: g.conv(8, 16).op("Relu").conv(16, 8))


@rule("RKN108", "contradictory-shapes", Level.ERROR, on=Model, confidence="measured")
def contradictory_shapes(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator whose inputs do not go together.

    What it does: finds operators whose inputs have shapes that contradict each other.

    Why it matters: ONNX Runtime, with which the toolkit loads the network, stops.

    What to do instead: export again; if the shapes of the inputs were changed by hand, the constants inside
    (Reshape, Expand) have to follow.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "contradictory-shapes", lambda d: str(d["why"]))


contradictory_shapes.bad(lambda g: g.input(1, 3).op("MatMul", g.zeros(4, 4), shape=(1, 4)))
contradictory_shapes.good(lambda g: g.input(1, 4).op("MatMul", g.zeros(4, 4), shape=(1, 4)))


@rule("RKN109", "sparse-initializer", Level.ERROR, on=Model, confidence="measured")
def sparse_initializer(model: Model, plan: Plan, chip: Target) -> Iterator[Found]:
    """Weights stored as a sparse tensor.

    What it does: finds initialisers that the file stores as the places and values of what is not zero.

    Why it matters: the toolkit looks for them among the dense ones and stops.

    What to do instead: store them dense; a sparse tensor saves nothing on the NPU.

    Source: measured with rknn-toolkit2 2.5.0.
    """
    yield from refused(plan, "sparse-initializer", lambda d: f"'{d['tensor']}' is stored as a sparse tensor")


sparse_initializer.bad(lambda g: g.input(1, 4).op("MatMul", g.constant([[1.0]] * 4, sparse=True), shape=(1, 1)))
sparse_initializer.good(lambda g: g.input(1, 4).op("MatMul", g.constant([[1.0]] * 4), shape=(1, 1)))


RULES: list[Rule] = [
    opset_not_loaded,
    input_type,
    uint8_tensor,
    operator_not_loaded,
    operator_not_run,
    sequence_operator,
    custom_operator_shape,
    contradictory_shapes,
    sparse_initializer,
]
