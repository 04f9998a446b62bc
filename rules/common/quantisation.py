"""Element types that accelerators have no units for."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Graph, Node
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .problems import told
from .words import counted, listed


@rule("GRF401", "float64-tensor", Level.WARNING, on=Model, confidence="documented")
def float64_tensor(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Values are computed in double precision.

    What it does: finds the inputs and the nodes with which float64 begins; what only carries it on is counted.
    Values that are known when the model is compiled (scales, sizes) do not count.

    Why it matters: no accelerator has it, and many importers know no such type. It also doubles the memory.

    What to do instead: call model.float() before the export, and look for numpy arrays and Python floats that were
    turned into tensors without dtype=torch.float32.

    Source: ONNX IR specification, tensor element types.
    """
    graph = model.graph
    inputs = [name for name in graph.inputs if graph.tensor(name).dtype == "float64"]
    nodes = [node for node in graph.nodes if _computes_float64(graph, node)]
    if inputs:
        many = "inputs" if len(inputs) > 1 else "input"
        yield Found(f"{many} {listed(inputs)} in float64{_behind(len(nodes))}", details={"inputs": inputs})
    sources = [node for node in nodes if not any(_flows_float64(graph, name) for name in node.inputs)]
    for node in sources:
        yield Found(f"{node.native_op} makes float64 values{_behind(len(nodes) - len(sources))}", node=node.name)


def _computes_float64(graph: Graph, node: Node) -> bool:
    return any(_flows_float64(graph, name) for name in node.outputs)


def _flows_float64(graph: Graph, name: str) -> bool:
    """A float64 tensor that is not known before the model runs."""
    return graph.tensor(name).dtype == "float64" and name not in graph.values and not graph.is_constant(name)


def _behind(count: int) -> str:
    return f", and {counted(count, 'node')} behind carry them on" if count else ""


float64_tensor.bad(lambda g: g.input(1, 8, dtype="float64").relu())
float64_tensor.bad(lambda g: g.input(1, 8).op("Cast", dtype="float64", to=11).relu())
float64_tensor.good(lambda g: g.input(1, 8).relu())


@rule("GRF402", "sparse-tensor", Level.NOTE, on=Model, confidence="documented")
def sparse_tensor(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Weights are stored sparse.

    What it does: reports TFLite tensors with sparsity parameters.

    Why it matters: most importers read dense tensors only. lintmodel does not read their values, so checks that need
    them are not made.

    What to do instead: convert without the sparsity optimisation; stored zeros cost nothing but file size.

    Source: TensorFlow Lite schema, SparsityParameters.
    """
    yield from told(model, "sparse-tensor")


sparse_tensor.bad(lambda g: g.conv(8, 16).problem("sparse-tensor", "weights are stored sparse: 'w'"))
sparse_tensor.good(lambda g: g.conv(8, 16))


RULES: list[Rule] = [float64_tensor, sparse_tensor]
