"""Damaged, strange and real TFLite files."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tflite_writer import Op, Subgraph, T, finish, ints, tflite_model

from lintmodel.errors import UnreadableModel
from lintmodel.frontends.tflite import read_tflite
from lintmodel.ir import Conv, Graph, Pad, Slice, Transpose, view

SHARED = Path(__file__).resolve().parents[3] / "shared"
X = T("x", (1, 8, 6, 4))


def kinds(graph: Graph) -> list[str]:
    return [problem.kind for problem in graph.problems]


# ---- files that are not what they should be


def small_model() -> bytes:
    tensors = [
        T("x", (1, 8, 8, 3), "INT8", scales=[0.5], zero_points=[3]),
        T("w", (4, 3, 3, 3), "INT8", zeros=True, scales=[0.5] * 4),
        T("y", (1, 8, 8, 4)),
        ints("p", 0, 0, 1, 1, 1, 1, 0, 0, shape=(4, 2)),
        T("z", (1, 10, 10, 4)),
    ]
    ops = [Op("CONV_2D", "x w -", "y", "Conv2DOptions", StrideW=1, StrideH=1), Op("PAD", "y p", "z")]
    more = [Subgraph([T("p", (1,)), T("q", (1,))], [Op("FlexErf", "p", "q")], "p", "q", "other")]
    return tflite_model(tensors, ops, "x", "z", more=more, metadata={"min_runtime_version": b"1.5.0"})


def unreadable(path: Path, data: bytes) -> UnreadableModel:
    path.write_bytes(data)
    with pytest.raises(UnreadableModel) as caught:
        read_tflite(path)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    return caught.value


def test_not_a_tflite_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="does not exist"):
        read_tflite(tmp_path / "missing.tflite")
    assert "cannot be read" in unreadable(tmp_path / "m", b"").reason
    assert unreadable(tmp_path / "m", b"PK\x03\x04 and so on").offset == 4
    cut = unreadable(tmp_path / "m", b"\x80\0\0\0TFL3")
    assert (cut.reason, cut.offset) == ("is truncated: it has 8 bytes and begins at byte 128", 8)


def test_weights_behind_the_end(tmp_path: Path) -> None:
    data = tflite_model([X, T("w", (64,), zeros=True), T("y", (1,))], [Op("ADD", "x w", "y")], "x", "y", external=True)
    error = unreadable(tmp_path / "m", data[:-100])
    assert f"it ends at byte {len(data) - 100}, and the values of 'w' go to byte {len(data)};" in error.reason
    assert error.offset == len(data) - 100


CONTRADICTIONS = [
    (
        [X, T("y", (1,))],
        [Op("CONV_2D", "x x", "y", "Conv2DOptions", StrideW=1)],
        r"operator 0 \(CONV_2D\): strides is \(0, 1\)",
    ),
    ([X, T("w", (9,), data=[1.0]), T("y", (1,))], [Op("ADD", "x w", "y")], "'w' has 4 bytes of values and needs 36"),
    ([X, T("y", (1, -7))], [Op("RELU", "x", "y")], r"tensor 'y' has the shape \[1, -7\]"),
    ([X, T("y", (1,), fields={"Buffer": 77})], [Op("RELU", "x", "y")], "buffer 77 is used"),
    (
        [X, T("y", (1,))],
        [Op("CALL_ONCE", "x", "y", "CallOnceOptions", InitSubgraphIndex=5)],
        "init is subgraph 5, there are 1",
    ),
]


@pytest.mark.parametrize(("tensors", "ops", "reason"), CONTRADICTIONS)
def test_contradictions(tmp_path: Path, tensors: list[T], ops: list[Op], reason: str) -> None:
    assert re.search(reason, unreadable(tmp_path / "m", tflite_model(tensors, ops, "x", "y")).reason)


def test_no_subgraph(tmp_path: Path) -> None:
    assert "it has no subgraph" in unreadable(tmp_path / "m", finish({"Version": 3})).reason


def test_tables_listed_many_times_do_not_take_for_ever(tmp_path: Path) -> None:
    """10,000 subgraphs that are all the same one of 1,000 tensors: 10 million tensors in a file of 100 kB."""
    subgraph = ("SubGraph", {"Tensors": [("Tensor", {"Shape": [1]})] * 1000})
    data = finish({"Version": 3, "Subgraphs": [subgraph] * 10_000})
    assert len(data) < 100_000
    begin = time.perf_counter()
    assert "its tables refer to one another in circles or overlap" in unreadable(tmp_path / "m", data).reason
    assert time.perf_counter() - begin < 10


SMALL = small_model()
MUTATIONS = st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), max_size=8)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(MUTATIONS, st.integers(0, len(SMALL)))
def test_any_bytes_end_in_a_graph_or_a_sentence(tmp_path: Path, mutations: list[tuple[int, int]], cut: int) -> None:
    data = bytearray(SMALL)
    for at, value in mutations:
        data[at] = value
    path = tmp_path / "m.tflite"
    path.write_bytes(bytes(data[:cut] if cut % 2 else data))
    try:
        graph = read_tflite(path)
    except UnreadableModel as error:
        assert error.reason
        return
    for holder, node in graph.walk():
        assert all(name in holder.tensors for name in (*node.inputs, *node.outputs) if name)
    for tensor in graph.tensors.values():
        value = graph.value(tensor.name)
        assert value is None or value.shape == tensor.shape


def test_every_cut_ends_in_a_graph_or_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "m.tflite"
    for length in range(0, len(SMALL), 7):
        path.write_bytes(SMALL[:length])
        with pytest.raises(UnreadableModel):
            read_tflite(path)


# ---- the models beside the repository

SHARED_MODELS = sorted([*SHARED.glob("models/tflite/*/*.tflite"), *SHARED.glob("truth/kpu/models/*.tflite")])


@pytest.mark.skipif(not SHARED_MODELS, reason="no folder 'shared' beside the repository")
def test_shared_models() -> None:
    for path in SHARED_MODELS:
        graph = read_tflite(path)
        assert graph.inputs or graph.nodes, path
        for holder, node in graph.walk():
            assert all(name in holder.tensors for name in (*node.inputs, *node.outputs) if name), (path, node)
            assert node.layout == "NHWC"
        assert not {"invalid-graph", "unknown-operator"} & set(kinds(graph)), path
        dynamic = "dynamic-signature" in kinds(graph)
        for holder, node in graph.walk():
            found = view(holder, node)
            if dynamic or found is None or not found.fixed:
                continue
            if isinstance(found, Pad) and found.amounts is not None:
                padded = tuple(
                    size + before + after for size, (before, after) in zip(found.x.sizes, found.amounts, strict=True)
                )
                assert padded == found.y.sizes, (path, node)
            elif isinstance(found, Slice) and found.bounds is not None:
                assert np.prod([len(range(*bound)) for bound in found.bounds]) == found.y.elements, (path, node)
            elif isinstance(found, Transpose):
                assert tuple(found.x.sizes[axis] for axis in found.permutation) == found.y.sizes, (path, node)
            elif type(found) is Conv:
                top, left, bottom, right = found.pads
                (kh, kw), (sh, sw), (dh, dw) = found.kernel, found.stride, found.dilation
                assert found.out_height == (found.height + top + bottom - (kh - 1) * dh - 1) // sh + 1, (path, node)
                assert found.out_width == (found.width + left + right - (kw - 1) * dw - 1) // sw + 1, (path, node)
