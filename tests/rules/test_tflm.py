"""The arena's plan where no recording reaches: control flow, working memory, what a converter folds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tflite_writer import Op, Subgraph, T, ints, tflite_model

from lintmodel.api import Report, check_graph, read_model
from lintmodel.ir import GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.planning import Placement
from lintmodel.target import load_target


def planned(g: GraphBuilder, **options: object) -> Report:
    return check_graph(normalize(g.graph()), load_target("generic", options=options))


def arena(g: GraphBuilder, **options: object) -> int:
    return planned(g, **options).plan.memory["arena"].peak


def written(tmp_path: Path, model: bytes) -> Report:
    path = tmp_path / "model.tflite"
    path.write_bytes(model)
    return check_graph(read_model(path), load_target("generic"))


def test_every_layer_runs_on_the_cpu() -> None:
    report = planned(GraphBuilder("NHWC").conv(3, 8).relu().op("TOPK_V2"))
    assert [step.unit for step in report.plan.steps] == ["cpu"] * 3
    assert list(report.plan.placements.values()) == [Placement.FALLBACK, Placement.FALLBACK, Placement.UNSUPPORTED]


def test_input_and_output_of_a_layer_lie_side_by_side() -> None:
    assert arena(GraphBuilder("NHWC").conv(3, 8, size=32)) == 4 * 32 * 32 * (3 + 8)


@pytest.mark.parametrize(
    ("build", "layers"),
    [
        (lambda g: g.conv(3, 8).relu(), 1),
        (lambda g: g.conv(3, 8).clip(), 1),
        (lambda g: g.conv(3, 8).clip(0, 1), 2),
        (lambda g: g.conv(3, 8).batch_norm(8).relu(), 1),
        (lambda g: g.conv(3, 8).output().relu(), 2),
        (lambda g: g.conv(3, 8).sigmoid(), 2),
        (lambda g: g.conv(3, 8).op("Identity").op("Dropout"), 1),
        (lambda g: g.input(1, 8, 4, 4).batch_norm(8).relu(), 2),
    ],
)
def test_of_an_onnx_file_runs_what_a_converter_leaves(
    build: Callable[[GraphBuilder], GraphBuilder], layers: int
) -> None:
    report = planned(build(GraphBuilder()))
    assert len(report.plan.steps) == layers
    assert sum(p is Placement.FREE for p in report.plan.placements.values()) == len(report.graph.nodes) - layers


def test_dtype_option_takes_a_float_model_as_quantised() -> None:
    assert arena(GraphBuilder().conv(3, 8), dtype="int8") == 32 * 32 * (3 + 8)


def test_arena_option_is_the_capacity() -> None:
    needed = 4 * 32 * 32 * (3 + 8)
    small, enough = (planned(GraphBuilder().conv(3, 8), arena=size) for size in (needed - 1, needed))
    assert (small.fits, small.runtime) == ("no", "fails")
    assert [f.message for f in small.findings if f.rule == "TFM301"] == [
        "the head of the arena takes 45,056 bytes of 45,055; 45,056 are alive together, in whatever order they lie"
    ]
    assert (enough.fits, enough.runtime) == ("unknown", "ok")


def test_open_sizes_leave_the_arena_unknown() -> None:
    report = planned(GraphBuilder().input("batch", 3, 32, 32).op("Relu"))
    assert report.verdict == "unknown"
    assert report.plan.memory == {}
    assert report.not_checked[0].what == "arena"


def test_both_branches_have_room_while_their_operator_runs(tmp_path: Path) -> None:
    def branch(name: str, op: str) -> Subgraph:
        return Subgraph([T("a", (256,)), T("b", (256,))], [Op(op, "a", "b")], "a", "b", name)

    model = tflite_model(
        [T("c", (1,), "BOOL"), T("x", (256,)), T("y", (256,))],
        [Op("IF", "c x", "y", "IfOptions", ThenSubgraphIndex=1, ElseSubgraphIndex=2)],
        "c x",
        "y",
        more=[branch("then", "ABS"), branch("else", "NEG")],
    )
    report = written(tmp_path, model)
    assert [step.op for step in report.plan.steps] == ["IF", "ABS", "NEG"]
    # x and y over both branches, and one branch's two tensors at a time; the condition behind them.
    assert report.plan.memory["arena"].peak == 4 * 1024 + 16


def test_variables_lie_outside_the_head(tmp_path: Path) -> None:
    state = T("state", (10,), fields={"IsVariable": True})
    model = tflite_model([T("x", (10,)), state, T("y", (10,))], [Op("ADD", "x state", "y", "AddOptions")], "x", "y")
    memory = written(tmp_path, model).plan.memory
    assert (memory["arena"].peak, memory["variables"].peak) == (96, 48)


def test_working_memory_of_a_kernel(tmp_path: Path) -> None:
    """MEAN in int8: an accumulator for every result, a counter for every dimension, one for every axis."""
    scale = {"scales": [0.5], "zero_points": [0]}
    tensors = [T("x", (1, 4, 4, 8), "INT8", **scale), ints("axes", 1, 2), T("y", (1, 8), "INT8", **scale)]
    model = tflite_model(tensors, [Op("MEAN", "x axes", "y", "ReducerOptions")], "x", "y")
    (step,) = written(tmp_path, model).plan.steps
    assert [buffer.bytes for buffer in step.writes] == [8, 4 * 8, 4 * 4, 4 * 2]


def test_detection_postprocessing_is_named_as_not_checked(tmp_path: Path) -> None:
    inputs = "boxes scores anchors"
    shapes = {"boxes": (1, 10, 4), "scores": (1, 10, 2), "anchors": (10, 4), "out": (1, 5, 4)}
    tensors = [T(name, shape) for name, shape in shapes.items()]
    model = tflite_model(tensors, [Op("TFLite_Detection_PostProcess", inputs, "out")], inputs, "out")
    report = written(tmp_path, model)
    assert report.verdict == "accepted"
    assert report.not_checked[0].what == "arena, of which this is the least"


def test_values_found_by_folding_take_no_room() -> None:
    g = GraphBuilder().conv(3, 8, size=8)
    shape = g.constant(np.int64([1, 512]))
    report = planned(g.op("Reshape", shape, shape=(1, 512)))
    assert {buffer.tensor for buffer in report.plan.buffers} == {"x", "conv_0_out", "reshape_0_out"}
