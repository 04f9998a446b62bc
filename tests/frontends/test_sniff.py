"""What a file is, from its bytes."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from struct import pack

import pytest
from onnx import TensorProto, helper
from tflite_writer import T, tflite_model

from lintmodel.errors import UnreadableModel, UsageError
from lintmodel.frontends import read
from lintmodel.frontends.sniff import sniff

MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"


def onnx_bytes(*, producer: str = "pytorch", ir_version: int = 8) -> bytes:
    node = helper.make_node("Relu", ["x"], ["y"])
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"]
    model = helper.make_model(helper.make_graph([node], "g", ends[:1], ends[1:]), producer_name=producer)
    model.ir_version = ir_version
    return bytes(model.SerializeToString())


def zip_of(*names: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return buffer.getvalue()


def message(*fields: tuple[int, bytes | int]) -> bytes:
    """A protobuf of small fields: numbers as varints, bytes with their length."""
    out = b""
    for number, value in fields:
        tag = number << 3 | (0 if isinstance(value, int) else 2)
        out += bytes([tag]) if tag < 128 else bytes([tag & 127 | 128, tag >> 7])
        out += bytes([value]) if isinstance(value, int) else bytes([len(value)]) + value
    return out


GRAPH = message((1, message((1, b"x"), (2, b"y"), (4, b"Relu"))), (2, b"g"))
NODE_DEF = message((1, b"input"), (2, b"Placeholder"))
LAYER = message((1, b"conv1"), (2, b"Convolution"))
LEGACY_TORCH = b"\x80\x02" + bytes.fromhex("8a0a6cfc9c46f9206aa850192e") + b"\x80\x02M\xe9\x03."

KINDS: list[tuple[str, bytes, str, str]] = [
    # what, bytes, format, a word of the sentence
    ("onnx", onnx_bytes(), "onnx", "ONNX"),
    ("onnx, no producer", onnx_bytes(producer=""), "onnx", "ONNX"),
    ("onnx, only a graph", message((7, GRAPH)), "onnx", "ONNX"),
    ("onnx, graph first", message((7, GRAPH), (1, 8), (8, message((2, 17)))), "onnx", "ONNX"),
    ("onnx, opset first", message((8, message((1, b""), (2, 17))), (7, GRAPH)), "onnx", "ONNX"),
    ("onnx, cut in the graph", onnx_bytes()[:30], "onnx", "ONNX"),
    ("onnx, cut in the producer", onnx_bytes()[:8], "onnx", "ONNX"),
    ("onnx text", b'ir_version: 8\ngraph {\n  node {\n    input: "x"\n  }\n}\n', "onnx-text", "onnx.load"),
    (
        "onnx syntax",
        b'<ir_version: 8, opset_import: ["" : 17]>\ng (float[1] x) => (float[1] y) {}',
        "onnx-text",
        "onnxtxt",
    ),
    ("tflite", tflite_model([T("x", (1,))], [], "x", "x"), "tflite", "TensorFlow Lite"),
    ("tflite, cut", b"\x1c\0\0\0TFL3\0\0", "tflite", "TensorFlow Lite"),
    ("pt2", zip_of("m/archive_format", "m/models/model.json", "m/data/weights/w0"), "pt2", "torch.export"),
    ("pt2 of torch 2.7", zip_of("version", "serialized_exported_program.json"), "pt2", "torch.export"),
    ("python", b"import torch\nfrom torch import nn\n", "python", "net.py:Net"),
    ("torchscript", zip_of("m/data.pkl", "m/constants.pkl", "m/code/__torch__.py"), "torchscript", "TorchScript"),
    ("checkpoint", zip_of("archive/data.pkl", "archive/data/0", "archive/version"), "checkpoint", "checkpoint"),
    ("old checkpoint", LEGACY_TORCH, "checkpoint", "without the network"),
    ("pickle", b"\x80\x04\x95\x10\0\0\0\0\0\0\0}.", "pickle", "runs code"),
    ("keras 3", zip_of("metadata.json", "config.json", "model.weights.h5"), "keras", "Keras"),
    ("npz", zip_of("a.npy", "b.npy"), "numpy", "NumPy"),
    ("zip with a model", zip_of("readme", "net/yolo.onnx"), "zip", "net/yolo.onnx"),
    ("zip, cut", zip_of("archive/data.pkl", "archive/data/0")[:60], "zip", "cut short"),
    ("kmodel 3", pack("<7I", 3, 1, 0, 31, 0, 25200, 1) + bytes(64), "kmodel", "version 3"),
    ("kmodel 4", b"LDMK" + pack("<I", 4) + bytes(32), "kmodel", "version 4"),
    ("kmodel 5", b"LDMK" + pack("<I", 5) + bytes(32), "kmodel", "version 5"),
    ("rknn", b"RKNN\0\0\0\0\x02" + bytes(32), "rknn", "RKNN"),
    ("pte", pack("<I", 28) + b"ET12" + bytes(32), "pte", "ExecuTorch"),
    ("espdl", b"EDL2" + bytes(32), "espdl", "ESP-DL"),
    ("hdf5", b"\x89HDF\r\n\x1a\n" + bytes(32), "hdf5", "Keras"),
    ("saved model", message((1, 1), (2, message((1, message((2, b"tags")))))), "saved-model", "SavedModel"),
    ("frozen graph", message((1, NODE_DEF), (1, NODE_DEF), (4, message((1, 22)))), "graphdef", "frozen"),
    ("caffemodel", message((1, b"net"), (100, LAYER), (100, LAYER)), "caffemodel", "Caffe"),
    ("caffemodel, no name", message((100, LAYER), (100, LAYER)), "caffemodel", "Caffe"),
    ("xmodel", message((1, b"net"), (5, message((1, b"in"), (2, b"data-fix"))), (5, LAYER)), "xmodel", "compiled"),
    ("core ml", message((1, 4), (2, message((1, message((1, b"image"))))), (500, b"")), "coreml", "Core ML"),
    ("safetensors", pack("<Q", 60) + b'{"w":{"dtype":"F32"' + bytes(60), "safetensors", "weights without"),
    ("gguf", b"GGUF\x03\0\0\0" + bytes(32), "gguf", "GGUF"),
    ("tensorrt", b"ftrt" + bytes(32), "tensorrt", "TensorRT"),
    ("tensorrt with metadata", pack("<I", 14) + b'{"batch": 1, }' + b"ftrt" + bytes(32), "tensorrt", "TensorRT"),
    ("openvino", b'<?xml version="1.0"?>\n<net name="m" version="11">\n', "openvino", "OpenVINO"),
    ("ncnn", b"7767517\n75 83\nInput data 0 1 data\n", "ncnn", "ncnn"),
    ("prototxt", b'name: "net"\nlayer {\n  name: "data"\n}\n', "prototxt", "Caffe"),
    ("darknet", b"[net]\nbatch=64\n", "darknet", "Darknet"),
    ("ai8x", b"# a network\n---\narch: ai85net5\nlayers:\n  - out_offset: 0x2000\n", "ai8x", "ai8x-synthesis"),
    ("ai8x, names last", b"layers: # all\n  - pad: 1\ndataset: mnist\n", "ai8x", "ai8x-synthesis"),
    ("yaml, layers a number", b"arch: resnet\nlayers: 50\n", "yaml", "YAML"),
    ("yaml, layers further in", b"arch: x\nmodel:\n  layers:\n    - 1\n", "yaml", "YAML"),
    ("yaml, no dashes", b"target_platform: rk3588\nquantized_dtype: w8a8\n", "yaml", "YAML"),
    ("json", b'{"target": "DPUCZDX8G"}', "json", "JSON"),
    ("tfjs", b'{"format": "graph-model", "modelTopology": {}}', "tfjs", "TensorFlow.js"),
    ("lfs", b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git-lfs", "git lfs pull"),
    ("web page", b"\n<!DOCTYPE html><html><head>", "html", "web page"),
    ("prose", "Grüße".encode(), "text", "text"),
    ("text, cut in a letter", b"a" * 8191 + "ü".encode(), "text", "text"),
    ("gzip", b"\x1f\x8b\x08" + bytes(20), "gzip", "unpack"),
    ("zeros", bytes(500), "zeros", "zero bytes"),
    ("noise", bytes(range(128, 200)), "unknown", "80 81 82"),
    ("one byte", b"\x08", "unknown", "begins with 08"),
]


@pytest.mark.parametrize(("data", "kind", "word"), [row[1:] for row in KINDS], ids=[row[0] for row in KINDS])
def test_kind_by_bytes(tmp_path: Path, data: bytes, kind: str, word: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    found = sniff(path)
    assert (found.format, found.readable) == (kind, kind in ("onnx", "tflite", "pt2", "kmodel", "ai8x", "json", "yaml"))
    assert word in found.advice
    if not found.readable:
        with pytest.raises(UnreadableModel) as caught:
            read(path)
        assert str(caught.value) == f"{path}: {found.advice}"


def test_advice_is_one_sentence_without_a_full_stop(tmp_path: Path) -> None:
    path = tmp_path / "model.bin"
    for _, data, _, _ in KINDS:
        path.write_bytes(data)
        advice = sniff(path).advice
        assert advice.split()[0] in ("is", "does", "begins", "cannot"), advice
        assert not advice.endswith(".") and "\n" not in advice, advice


def test_no_file(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "saved_model.pb").touch()
    formats = {name: sniff(tmp_path / name).format for name in ("missing", "empty", "empty/below", "saved_model", ".")}
    assert formats == {
        "missing": "missing",
        "empty": "empty",
        "empty/below": "missing",
        "saved_model": "saved-model",
        ".": "directory",
    }
    assert sniff("nul\0byte").format == "missing"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="pipes are POSIX")
def test_pipe_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert sniff(tmp_path / "pipe").format == "special"


def test_every_beginning_of_an_onnx_model_is_onnx(tmp_path: Path) -> None:
    path, data = tmp_path / "m", onnx_bytes()
    for length in range(5, len(data)):
        path.write_bytes(data[:length])
        assert sniff(path).format == "onnx", length


def test_imports_nothing_heavy(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(onnx_bytes())
    code = (
        "import sys; from lintmodel.frontends.sniff import sniff; assert sniff(sys.argv[1]).readable;"
        "print([m for m in ('onnx', 'numpy', 'tflite', 'torch', 'zipfile') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


def test_read_dispatches(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(onnx_bytes())
    (tmp_path / "b").write_bytes(tflite_model([T("x", (1, 4))], [], "x", "x"))
    assert read(tmp_path / "a").format == "onnx"
    assert read(tmp_path / "b", {"x": (1, 4)}).format == "tflite"
    with pytest.raises(UsageError, match="input 'x' is 1x4 in the file, not 2x4"):
        read(tmp_path / "b", {"x": (2, 4)})
    with pytest.raises(UsageError, match=r"no input 'y' \(its inputs: x\)"):
        read(tmp_path / "b", {"y": (1, 4)})


# ---- the models beside the repository

FORMATS = {"yaml": "ai8x", "pb": "saved-model", "h5": "hdf5", "torch": "checkpoint", "onnx-external-data": "unknown"}


def test_shared_models() -> None:
    if not MODELS.is_dir():
        pytest.skip("no folder 'shared/models' beside the repository")
    with (MODELS / "MANIFEST.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for row in rows:
        expected = "git-lfs" if row["notes"] == "LFS-POINTER" else FORMATS.get(row["format"], row["format"])
        assert sniff(MODELS / row["path"]).format == expected, row["path"]
    assert len(rows) > 250
