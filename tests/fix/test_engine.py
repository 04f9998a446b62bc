"""What the fixer keeps and what it refuses, with rewrites that are wrong in their own ways."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import onnx
import pytest
from nets import net, ops

from lintmodel.api import Report, check_graph
from lintmodel.findings import Finding, Fix, Level
from lintmodel.fix import rewrites
from lintmodel.fix.change import Change, NewNode, Rewrite, rewrite
from lintmodel.fix.network import FixedNetwork, fix_network
from lintmodel.fix.verify import NotVerified, Runs, delta
from lintmodel.ir import Graph
from lintmodel.target import Target, load_target

FOUR = net("(float[1,4] x) => (float[1,4] y) { a = Relu(x) b = Abs(a) c = Relu(b) y = Abs(c) }")
Fixed = Callable[..., FixedNetwork]


def swap(name: str, old: str, new: str, safety: Any = "safe") -> Rewrite:
    @rewrite(name, safety)
    def find(graph: Graph) -> Iterator[Change]:
        """One operator becomes another."""
        for node in graph.nodes:
            if node.op == old:
                yield Change(
                    node.name, f"{old} becomes {new}", (node.name,), (NewNode(new, node.inputs, node.outputs),)
                )

    return find


@pytest.fixture
def fixed(monkeypatch: pytest.MonkeyPatch) -> Fixed:
    """Fixes a network with these rewrites, which a finding offers at every node they are for."""

    def run(model: onnx.ModelProto, *made: Rewrite, unsafe: bool = False, bad: Sequence[str] = ()) -> FixedNetwork:
        monkeypatch.setattr(rewrites, "all_rewrites", lambda: {each.id: each for each in made})

        def report(graph: Graph, target: Target) -> Report:
            places = [(each, change.node) for each in made for change in each.find(graph)]
            found = [
                Finding("TST1", "test", Level.NOTE, "here", node, fix=Fix(each.id, each.safety))
                for each, node in places
            ]
            errors = [Finding("TST2", "bad", Level.ERROR, "bad", n.name) for n in graph.nodes if n.op in bad]
            return replace(check_graph(graph, target), findings=(*found, *errors))

        return fix_network(model, "", [load_target("k210")], unsafe=unsafe, report=report)

    return run


def test_what_computes_something_else_is_refused_alone(fixed: Fixed) -> None:
    """The second Abs stands behind a Relu too: both could go. A Relu in place of the first Relu's Abs cannot differ."""
    model = net("(float[1,4] x) => (float[1,4] y) { a = Relu(x) b = Abs(a) c = Neg(b) y = Abs(c) }")()
    found = fixed(model, swap("abs-to-relu", "Abs", "Relu"))
    assert ops(found.after) == "Relu Relu Neg Abs"
    assert len(found.refused) == 1 and "the outputs would differ by up to" in found.refused[0].why
    assert [len(each.changes) for each in found.applied] == [1]


def test_two_that_undo_each_other_come_to_an_end(fixed: Fixed) -> None:
    found = fixed(FOUR(), swap("one", "Abs", "Relu"), swap("other", "Relu", "Abs", "unsafe"), unsafe=True)
    assert any(refused.why == "it undoes what another fix did" for refused in found.refused) or found.applied
    assert found.changes < 20


def test_unsafe_ones_only_when_asked(fixed: Fixed) -> None:
    neg = swap("neg", "Abs", "Neg", "unsafe")
    assert fixed(FOUR(), neg).applied == []
    found = fixed(FOUR(), neg, unsafe=True)
    assert ops(found.after) == "Relu Neg Relu Neg" and found.applied[0].delta is not None
    assert found.applied[0].delta.largest > 0


def test_what_makes_a_target_complain_is_refused(fixed: Fixed) -> None:
    found = fixed(FOUR(), swap("abs-to-relu", "Abs", "Relu"), bad=["Relu"])
    assert found.applied == [] and "k210 would have 3 errors, not 2" in found.refused[-1].why


def test_an_invalid_result_is_refused(fixed: Fixed) -> None:
    found = fixed(FOUR(), swap("nonsense", "Abs", "NoSuchOperator"))
    assert found.applied == [] and "not be a valid model" in found.refused[0].why


def test_what_blows_up_is_refused(fixed: Fixed) -> None:
    @rewrite("many", "safe")
    def many(graph: Graph) -> Iterator[Change]:
        """Fifty nodes for one."""
        for node in graph.nodes:
            if node.op == "Relu":
                names = [node.inputs[0], *(f"n{k}" for k in range(49)), node.outputs[0]]
                parts = tuple(NewNode("Relu", (a,), (b,)) for a, b in pairwise(names))
                yield Change(node.name, "fifty", (node.name,), parts)

    found = fixed(FOUR(), many)
    assert found.applied == [] and "50 nodes would stand in its place" in found.refused[0].why


def test_what_mends_nothing_is_refused(fixed: Fixed) -> None:
    found = fixed(FOUR(), swap("again", "Abs", "Abs"))
    assert found.applied == [] and found.refused


def test_a_model_that_does_not_run_is_left_alone(fixed: Fixed) -> None:
    model = FOUR()
    model.opset_import.add(domain="mine", version=1)
    model.graph.node[0].domain, model.graph.node[0].op_type = "mine", "Own"
    found = fixed(model, swap("abs-to-relu", "Abs", "Relu"))
    assert found.applied == [] and "could not be proven" in found.refused[0].why and len(found.refused) == 1


# ---- outputs


def test_a_kept_run_is_that_of_the_same_model() -> None:
    first, second = FOUR(), FOUR()
    second.graph.node[1].op_type = "Neg"
    runs = Runs(None, {})
    assert runs.delta(first, first).largest == 0
    there = runs.delta(first, second)
    assert there.largest > 0 and runs.delta(second, second).largest == 0
    assert there == delta(first, second, None)


def test_an_open_size_takes_that_of_the_other_version() -> None:
    model, frozen = FOUR(), FOUR()
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_param = "N"
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_param = "N"
    assert delta(model, frozen, None).same


def test_what_cannot_be_compared() -> None:
    model, other = FOUR(), FOUR()
    other.graph.output.add().CopyFrom(helper_value("a"))
    with pytest.raises(NotVerified, match="2 outputs and had 1"):
        delta(model, other, None)
    wrong = FOUR()
    wrong.graph.node[0].op_type = "NoSuchOperator"
    with pytest.raises(NotVerified) as error:
        delta(wrong, model, None)
    assert error.value.before


def helper_value(name: str) -> onnx.ValueInfoProto:
    return onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 4])


def test_the_reference_evaluator_does_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert delta(FOUR(), FOUR(), None).same
    changed = FOUR()
    changed.graph.node[1].op_type = "Neg"
    assert not delta(FOUR(), changed, None).same
    assert np.isfinite(delta(FOUR(), changed, None).mean)


def test_a_size_that_was_open_may_show_more_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a target says only of a fixed size was there before."""
    from lintmodel.fix.rewrites import all_rewrites

    model = FOUR()
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    freeze = all_rewrites()["freeze-batch"]
    monkeypatch.setattr(rewrites, "all_rewrites", lambda: {freeze.id: freeze})

    def report(graph: Graph, target: Target) -> Report:
        found = [Finding("TST1", "open", Level.NOTE, "open", fix=Fix(freeze.id, "safe"))]
        if graph.tensor("x").known:
            found = [Finding("TST2", "bad", Level.ERROR, "bad", node.name) for node in graph.nodes]
        return replace(check_graph(graph, target), findings=tuple(found))

    found = fix_network(model, "", [load_target("generic")], report=report)
    assert len(found.applied) == 1 and len(found.reports[0].findings) == 4
