"""What is said of bytes that are no ONNX model, and that nothing but UnreadableModel comes of any bytes."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import parser

from lintmodel.errors import UnreadableModel
from lintmodel.frontends.onnx import read_onnx
from lintmodel.ir import Graph
from lintmodel.normalize import normalize

SHARED = Path(__file__).resolve().parents[3] / "shared"

SMALL = parser.parse_model(
    """<ir_version: 9, opset_import: ["" : 17, "local" : 1], producer_name: "test">
    net (float[N,4,8,8] x, bool c) => (float[M,K] y, float[N,4,16,16] z)
    <float[4,4,1,1] w = {1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16}, float[4] scale = {1,1,2,2}>
    {
        a = local.silu(x)
        b = Conv(a, w)
        s = Shape(b)
        i = Constant<value_ints=[0]>()
        n = Constant<value_ints=[-1]>()
        g = Gather(s, i)
        t = Concat<axis=0>(g, n)
        r = Reshape(b, t)
        y = If (c) <then_branch = yes () => (y1) { y1 = Relu(r) }, else_branch = no () => (y2) { y2 = Neg(r) }>
        z = Resize<mode="nearest">(x, , scale)
    }
    <opset_import: ["" : 17], domain: "local"> silu (a) => (b) { s = Sigmoid(a) b = Mul(a, s) }"""
).SerializeToString()


def refusal(path: Path) -> UnreadableModel:
    with pytest.raises(UnreadableModel) as raised:
        read_onnx(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)
    return raised.value


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 5\n", "is a Git LFS pointer"),
        (b"ir_version: 8\ngraph {\n  node {\n    op_type: 'Relu'\n  }\n}\n", "is an ONNX model"),
        (b'<ir_version: 8, opset_import: ["" : 17]>\nnet (float x) => (float y) { y = Relu(x) }', "is an ONNX model"),
        (b"\x1c\x00\x00\x00TFL3" + b"\0" * 64, "is no ONNX model: it is a TensorFlow Lite model"),
        (b"\xff" * 200, "is of no known format"),
        (bytes(range(1, 200)) * 3, ""),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(data)
    assert words in refusal(path).reason


def test_a_file_that_is_not_there_and_one_that_is_a_directory(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.onnx").reason == "does not exist"
    assert refusal(tmp_path).reason == "is a directory, not a model file"


def test_a_truncated_file_says_how_much_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(SMALL[:300])
    error = refusal(path)
    assert error.offset == 300
    assert error.reason.startswith("is cut short: ")
    whole = onnx.ModelProto.FromString(SMALL)
    path.write_bytes(onnx.ModelProto(ir_version=9, graph=whole.graph).SerializeToString()[:-7])
    assert refusal(path).reason == "is cut short: 7 more bytes should follow; fetch or export the model again"


def test_a_damaged_file(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = onnx.ModelProto(ir_version=9, producer_name="test").SerializeToString()
    path.write_bytes(model + b"\x3a\x04\x0a\x7f\x00\x00")  # a graph of 4 bytes whose first node has 127
    assert "damaged" in refusal(path).reason


def test_more_than_two_gibibytes(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.truncate((1 << 31) + (1 << 30))  # sparse: takes no room on the disk
    assert refusal(path).reason == (
        "is 3.0 GiB, and protobuf cannot hold more than 2 GiB in one file; save the weights in a file beside it "
        "(onnx.save with save_as_external_data=True)"
    )


def test_names_that_are_not_utf8_are_made_text(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(SMALL.replace(b"\x05scale", b"\x05sc\xe4le"))
    graph = read_onnx(path)
    assert graph.value("sc\ufffdle").tolist() == [1, 1, 2, 2]
    assert graph.nodes[-1].inputs == ("x", "", "sc\ufffdle")
    assert graph.problems == ()


def test_weights_shorter_than_their_shape_have_no_value(tmp_path: Path) -> None:
    model = onnx.ModelProto.FromString(SMALL)
    model.graph.initializer[0].dims[0] = 1000
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    assert read_onnx(path).value("w") is None


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fuzz") / "model.onnx"


def outcome(path: Path, data: bytes) -> Graph | None:
    """The graph, None where the bytes are refused. Anything else escapes and fails the test."""
    path.write_bytes(data)
    started = time.perf_counter()
    try:
        return normalize(read_onnx(path))
    except UnreadableModel as error:
        assert "\n" not in error.reason
        return None
    finally:
        assert time.perf_counter() - started < 5


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(end=st.integers(0, len(SMALL)))
def test_truncated_bytes_are_read_or_refused(scratch: Path, end: int) -> None:
    outcome(scratch, SMALL[:end])


@FUZZ
@given(changes=st.lists(st.tuples(st.integers(0, len(SMALL) - 1), st.integers(0, 255)), min_size=1, max_size=8))
def test_changed_bytes_are_read_or_refused(scratch: Path, changes: list[tuple[int, int]]) -> None:
    data = bytearray(SMALL)
    for at, byte in changes:
        data[at] = byte
    graph = outcome(scratch, bytes(data))
    if graph is not None:
        names = [n.name for n in graph.nodes]
        assert len(set(names)) == len(names)
        assert all(isinstance(n, str) for node in graph.nodes for n in (node.op, *node.inputs, *node.outputs))


@FUZZ
@given(data=st.binary(max_size=400))
def test_random_bytes_are_read_or_refused(scratch: Path, data: bytes) -> None:
    outcome(scratch, data)


BAD_ON_PURPOSE = ("linting_an_onnx_model_bad_graph.onnx", "models_bad_graph_with_parallel_invalid_nodes.onnx")
PUBLIC = sorted(SHARED.glob("**/*.onnx"))


@pytest.mark.skipif(not PUBLIC, reason="the recorded models are not beside this repository")
def test_recorded_models_are_read_or_refused() -> None:
    refused, conflicts, invalid = {}, [], []
    for path in PUBLIC:
        try:
            graph = normalize(read_onnx(path))
        except UnreadableModel as error:
            refused[path.name] = error.reason
            continue
        assert len({n.name for n in graph.nodes}) == len(graph.nodes), path
        for node in graph.nodes:
            for name in node.outputs:
                assert not name or isinstance(graph.tensor(name).shape, tuple | None)
        conflicts += [(path.name, p) for p in graph.problems if p.kind == "shape-conflict"]
        invalid += [(path.name, p) for p in graph.problems if p.kind == "invalid-graph"]
    assert set(refused.values()) <= {"is a Git LFS pointer, not the model; run 'git lfs pull' to fetch it"}, refused
    assert conflicts == []
    assert {name for name, _ in invalid} == {p.name for p in PUBLIC if p.name.endswith(BAD_ON_PURPOSE)}


def test_weights_are_only_touched_when_asked(tmp_path: Path) -> None:
    """The time of reading does not depend on the size of the weights beyond parsing them."""
    model = onnx.ModelProto.FromString(SMALL)
    weight = onnx.numpy_helper.from_array(np.zeros((4000, 1000), np.float32), "large")
    model.graph.initializer.append(weight)
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())

    def seconds(action: object) -> float:
        best = 1e9
        for _ in range(3):
            started = time.process_time()
            action()  # type: ignore[operator]
            best = min(best, time.process_time() - started)
        return best

    parse = seconds(lambda: onnx.ModelProto.FromString(path.read_bytes()))
    assert seconds(lambda: normalize(read_onnx(path))) < parse + 0.05
