"""Operators no accelerator takes, and graphs that break the rules of their own format."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Graph, Node, Operator
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .problems import told
from .words import counted

_CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap", "WHILE", "CALL_ONCE", "CALL"})


@rule("GRF101", "control-flow", Level.WARNING, on=Operator, confidence="documented")
def control_flow(operator: Operator, plan: Plan, target: Target) -> Iterator[Found]:
    """The network decides while it runs what to compute.

    What it does: finds If, Loop, Scan, SequenceMap and TFLite's IF, WHILE, CALL and CALL_ONCE.

    Why it matters: accelerators run a fixed list of steps. A compiler for one either refuses the model or leaves
    the whole body to the CPU, and the lengths of the results are not known beforehand.

    What to do instead: export with fixed shapes and with the branch that is used; a loop with a fixed number of
    steps can be unrolled. An If in an exported PyTorch model often only guards a squeeze or a reshape and goes away
    when the input shape is fixed (onnxsim folds it).

    Source: ONNX operator specification (If, Loop, Scan); TensorFlow Lite schema (IfOptions, WhileOptions).
    """
    node = operator.node
    if node.op not in _CONTROL_FLOW or node.domain:
        return
    bodies = [f"{name} ({counted(len(body.nodes), 'node')})" for name, body in node.subgraphs.items()]
    inside = f" with {', '.join(bodies)}" if bodies else ""
    yield Found(f"{node.native_op} is control flow{inside}{_decided(operator.graph, node)}")


def _decided(graph: Graph, node: Node) -> str:
    """An If whose condition is known already."""
    value = graph.value(node.inputs[0]) if node.op == "If" and node.inputs else None
    if value is None or value.size != 1:
        return ""
    return f"; its condition is always {str(bool(value.reshape(-1)[0])).lower()}, so only one branch is needed"


control_flow.bad(lambda g: g.input(1, 8).op("If", then_branch="then", else_branch="else"))
control_flow.bad(lambda g: g.input(1, 8).op("Loop"))
control_flow.good(lambda g: g.input(1, 8).op("Where", "x", "x"))


@rule("GRF102", "custom-operator", Level.WARNING, on=Model, confidence="documented")
def custom_operator(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """An operator that only one runtime, or only its author's, knows.

    What it does: finds operators of other domains than ONNX's own (com.microsoft, a project's own), operators that
    no version of ONNX defines, and TFLite's custom and Flex operators. Each kind is reported once.

    Why it matters: a compiler has no definition of it. It refuses the model, or needs a plug-in for this operator.

    What to do instead: com.microsoft operators come from ONNX Runtime's optimiser: give the model from before it.
    Convert TFLite models without SELECT_TF_OPS. Cut pre- and postprocessing with custom operators off the network.

    Source: ONNX IR specification, operator sets; TensorFlow Lite guide, custom operators and Select TF operators.
    """
    compiled = {problem.node for problem in model.graph.problems if problem.kind == "already-compiled"}
    unknown = {problem.node for problem in model.graph.problems if problem.kind == "unknown-operator"}
    kinds: dict[tuple[str, str], list[str]] = {}
    for node in model.graph.nodes:
        if (node.domain or node.name in unknown) and node.name not in compiled:
            kinds.setdefault((node.domain, node.native_op), []).append(node.name)
    for (domain, op), names in kinds.items():
        times = f", {len(names)} times in this model" if len(names) > 1 else ""
        yield Found(f"{op} {_origin(domain)}{times}", node=names[0], details={"nodes": names})


def _origin(domain: str) -> str:
    if domain == "tflite.flex":
        return "is a TensorFlow operator that TFLite runs through its Flex delegate"
    if domain == "tflite.custom":
        return "is a custom operator: its code is not part of TFLite"
    return f"comes from the operator set '{domain}'" if domain else "is no operator of the model's format"


custom_operator.bad(lambda g: g.conv(8, 16).op("FusedConv", domain="com.microsoft"))
custom_operator.bad(lambda g: g.conv(8, 16).op("Swoosh").problem("unknown-operator", "ONNX has no operator 'Swoosh'"))
custom_operator.good(lambda g: g.conv(8, 16).relu())


@rule("GRF103", "training-mode", Level.NOTE, on=Operator, confidence="documented")
def training_mode(operator: Operator, plan: Plan, target: Target) -> Iterator[Found]:
    """A Dropout or BatchNormalization still works as in training.

    What it does: finds BatchNormalization with training_mode=1 (or, before opset 14, with more than one output in
    use) and Dropout whose input training_mode is true.

    Why it matters: a Dropout in training drops values at random, and a BatchNormalization takes its mean and
    variance from the one image it sees. Compilers ignore the flag or refuse the operator; the results differ.

    What to do instead: call model.eval() before the export, and leave torch.onnx.export's argument training alone.

    Source: ONNX operator specification, Dropout-13 and BatchNormalization-15.
    """
    node, graph = operator.node, operator.graph
    if node.op == "BatchNormalization":
        used = [name for name in node.outputs[1:] if name and (graph.consumers(name) or name in graph.outputs)]
        if node.attributes.get("training_mode"):
            yield Found("BatchNormalization has training_mode=1: mean and variance come from the input itself")
        elif used:
            yield Found(f"BatchNormalization gives out its running statistics ({counted(len(used), 'output')} in use)")
    elif node.op == "Dropout" and len(node.inputs) > 2 and node.inputs[2]:
        value = graph.value(node.inputs[2])
        if value is not None and value.any():
            yield Found("Dropout has training_mode=true: it drops values at random")


training_mode.bad(lambda g: g.conv(8, 16).op("Dropout", g.constant(0.5), g.constant(True)))
training_mode.good(lambda g: g.conv(8, 16).op("Dropout", g.constant(0.5), g.constant(False)))
training_mode.good(lambda g: g.conv(8, 16).batch_norm(16))


@rule("GRF104", "variable-tensor", Level.NOTE, on=Model, confidence="documented")
def variable_tensor(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The network keeps values from one run to the next.

    What it does: reports variable tensors of TFLite models, as streaming and recurrent networks have them.

    Why it matters: compilers for accelerators take a function of its inputs. State is refused, or is set to zero
    before every run.

    What to do instead: make the state an input and an output, and carry it from run to run in your own program.

    Source: TensorFlow Lite schema, Tensor.is_variable.
    """
    yield from told(model, "variable-tensor")


variable_tensor.bad(lambda g: g.conv(8, 16).problem("variable-tensor", "keeps values from one run to the next: 'h'"))
variable_tensor.good(lambda g: g.conv(8, 16))


@rule("GRF105", "invalid-graph", Level.ERROR, on=Model, confidence="documented")
def invalid_graph(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The model breaks the rules of its own format.

    What it does: finds inputs that nothing makes, tensors that two nodes write, cycles, graph outputs that do not
    exist, and local functions that cannot be expanded.

    Why it matters: every reader of the format may refuse such a file, and those that do not may each make another
    network of it.

    What to do instead: export the model again; look at the tool that last wrote the file. onnx.checker says whether
    a repaired file is valid.

    Source: ONNX IR specification, graphs (single assignment, acyclic, names).
    """
    yield from told(model, "invalid-graph")


invalid_graph.bad(lambda g: g.conv(8, 16).problem("invalid-graph", "reads 'y', which nothing makes"))
invalid_graph.good(lambda g: g.conv(8, 16))


@rule("GRF106", "unsorted-nodes", Level.WARNING, on=Model, confidence="documented")
def unsorted_nodes(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The file lists nodes before the nodes whose results they need.

    What it does: compares the order of the nodes in the file with the order they depend on each other in.

    Why it matters: ONNX requires the nodes to be sorted, and importers that read them one after the other fail at
    the first that is too early. lintmodel sorts them and goes on.

    What to do instead: sort the nodes, for example with onnx-graphsurgeon's Graph.toposort, or save with a tool that
    does so.

    Source: ONNX IR specification, graphs ("nodes must be topologically sorted").
    """
    yield from told(model, "not-sorted")


unsorted_nodes.bad(lambda g: g.conv(8, 16).problem("not-sorted", "nodes are not in execution order"))
unsorted_nodes.good(lambda g: g.conv(8, 16).relu())


@rule("GRF107", "empty-graph", Level.WARNING, on=Model, confidence="documented")
def empty_graph(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The model has no operator.

    What it does: reports a graph without nodes.

    Why it matters: there is nothing to run, so whatever is said about the model says nothing.

    What to do instead: export again and look at the exporter's warnings: the outputs may be the inputs or constants.

    Source: ONNX IR specification, graphs.
    """
    if not model.graph.nodes:
        yield Found(f"the graph has no node; it has {counted(len(model.graph.outputs), 'output')}")


empty_graph.bad(lambda g: g.input(1, 8))
empty_graph.good(lambda g: g.input(1, 8).relu())


@rule("GRF108", "already-compiled", Level.ERROR, on=Model, confidence="documented")
def already_compiled(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The file was compiled for another chip.

    What it does: finds the operators that compilers leave in a TFLite file: edgetpu-custom-op, ethos-u, DISPATCH_OP
    and the like.

    Why it matters: the network is now one block of another chip's code. No other toolchain can take it apart.

    What to do instead: give the .tflite or .onnx file that was compiled.

    Source: Coral Edge TPU compiler, Arm Vela and LiteRT documentation.
    """
    yield from told(model, "already-compiled")


already_compiled.bad(lambda g: g.conv(8, 16).problem("already-compiled", "already compiled for the Coral Edge TPU"))
already_compiled.good(lambda g: g.conv(8, 16))


RULES: list[Rule] = [
    control_flow,
    custom_operator,
    training_mode,
    variable_tensor,
    invalid_graph,
    unsorted_nodes,
    empty_graph,
    already_compiled,
]
