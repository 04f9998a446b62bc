"""The committed fixtures are what their scripts write, and are what their names say."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from lintmodel import frontends
from lintmodel.api import check
from lintmodel.errors import InvalidTarget, UnreadableModel
from lintmodel.ir import Graph
from lintmodel.target import load_target

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
MODELS = FIXTURES / "models"

READABLE = {
    # file: format, nodes of the main graph, operators that must be among them
    "mobilenet_v1_025_96.onnx": ("onnx", 58, {"Conv", "Clip", "GlobalAveragePool", "Gemm", "Softmax"}),
    "yolo_head.onnx": ("onnx", 10, {"Conv", "Sigmoid", "Mul", "Resize", "Concat"}),
    "dynamic_batch.onnx": ("onnx", 5, {"Conv", "Gemm"}),
    "custom_op.onnx": ("onnx", 3, {"AntiAlias"}),
    "unsorted.onnx": ("onnx", 3, {"Conv", "Relu", "MaxPool"}),
    "float64.onnx": ("onnx", 2, {"Conv"}),
    "control_flow.onnx": ("onnx", 2, {"If"}),
    "residual.tflite": ("tflite", 7, {"Conv", "Add", "ReduceMean", "Gemm", "Softmax"}),
    "int8.tflite": ("tflite", 5, {"Conv", "AveragePool", "Reshape"}),
    "edgetpu.tflite": ("tflite", 1, {"edgetpu-custom-op"}),
    "mobilenetv2_mnist.tflite": ("tflite", 74, {"Conv", "Add", "ReduceMean", "Shape", "Slice", "Stack", "Reshape"}),
    "wiki_zeropadding_240x320.tflite": ("tflite", 25, {"Pad", "Conv", "Reshape", "Gemm", "Softmax"}),
    "mnist_float.tflite": ("tflite", 9, {"Conv", "MaxPool", "Reshape", "Gemm", "Softmax"}),
    "mnist_uint8.tflite": ("tflite", 11, {"QuantizeLinear", "Conv", "MaxPool", "Gemm"}),
}
UNREADABLE = {
    # file: a word the sentence must have
    "truncated.onnx": "truncated",
    "truncated.tflite": "truncated",
    "empty.onnx": "empty",
    "lfs_pointer.onnx": "LFS",
}
# Recorded with nncase 1.9.0.20230322 for the K210, uint8 calibration on random data: how often it executes each step,
# and the bytes of its memories (the KPU's own, input, output, data, the model file's body).
COMPILED = {
    "digits/digits.onnx": (
        {
            "Binary": 4,
            "Conv2D": 1,
            "Copy": 2,
            "Dequantize": 5,
            "KPUConv2D": 7,
            "KPUDownload": 5,
            "KPUUpload": 4,
            "Pad": 1,
            "Quantize": 4,
            "Reduce": 1,
            "ReduceWindow2D": 1,
            "Slice": 1,
            "TableLookup1D": 1,
        },
        {"kpu": 12288, "input": 4096, "output": 40, "data": 49152, "model": 17848},
    ),
    "models/yolo_head.onnx": (
        {"Copy": 1, "Dequantize": 3, "KPUConv2D": 4, "KPUDownload": 3, "KPUUpload": 2, "Quantize": 2, "ResizeImage": 1},
        {"kpu": 23040, "input": 38400, "output": 36000, "data": 77000, "model": 6720},
    ),
    "models/residual.tflite": (
        {
            "Copy": 1,
            "Dequantize": 4,
            "KPUConv2D": 5,
            "KPUDownload": 4,
            "KPUUpload": 4,
            "Pad": 3,
            "Quantize": 4,
            "Reduce": 1,
            "Softmax": 1,
            "Transpose": 1,
        },
        {"kpu": 6528, "input": 12288, "output": 16, "data": 30528, "model": 7768},
    ),
    "models/mobilenetv2_mnist.tflite": (
        {
            "Conv2D": 9,
            "Copy": 11,
            "Dequantize": 41,
            "KPUConv2D": 55,
            "KPUDownload": 41,
            "KPUUpload": 38,
            "Pad": 36,
            "Quantize": 38,
            "Reduce": 1,
            "Slice": 2,
            "Softmax": 1,
        },
        {"kpu": 122880, "input": 3136, "output": 40, "data": 226576, "model": 4320064},
    ),
    "models/wiki_zeropadding_240x320.tflite": (
        {
            "Conv2D": 1,
            "Copy": 1,
            "Dequantize": 1,
            "KPUConv2D": 16,
            "KPUDownload": 1,
            "KPUUpload": 1,
            "Pad": 1,
            "Quantize": 1,
            "Softmax": 1,
            "Transpose": 2,
        },
        {"kpu": 1213440, "input": 921600, "output": 8, "data": 5376000, "model": 831448},
    ),
    "models/mnist_float.tflite": (
        {
            "Copy": 1,
            "Dequantize": 5,
            "KPUConv2D": 5,
            "KPUDownload": 5,
            "KPUUpload": 5,
            "Pad": 2,
            "Quantize": 5,
            "ReduceWindow2D": 2,
            "Softmax": 1,
            "Transpose": 1,
        },
        {"kpu": 40960, "input": 3136, "output": 40, "data": 126224, "model": 101296},
    ),
    "models/unsorted.onnx": (
        {"Dequantize": 1, "KPUConv2D": 1, "KPUDownload": 1, "KPUUpload": 1, "Quantize": 1},
        {"kpu": 6144, "input": 12288, "output": 8192, "data": 5120, "model": 2032},
    ),
}
# The same compiler's refusals of the others: the verdict of each.
REFUSED = ("dynamic_batch.onnx", "custom_op.onnx", "control_flow.onnx", "float64.onnx", "int8.tflite", "edgetpu.tflite")
REFUSED += ("mnist_uint8.tflite",)


def test_committed_models_are_what_build_writes() -> None:
    run = subprocess.run([sys.executable, FIXTURES / "build.py", "--check"], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (0, "")


def test_every_model_is_expected_here() -> None:
    assert {path.name for path in MODELS.iterdir()} == {*READABLE, *UNREADABLE, "broken_sheet.yaml"}


@pytest.mark.parametrize("name", READABLE)
def test_reads(name: str) -> None:
    file_format, nodes, operators = READABLE[name]
    graph = frontends.read(str(MODELS / name))
    assert (graph.format, len(graph.nodes)) == (file_format, nodes)
    assert operators <= {node.op for node in graph.nodes}


@pytest.mark.parametrize("name", UNREADABLE)
def test_unreadable_says_why(name: str) -> None:
    with pytest.raises(UnreadableModel) as caught:
        frontends.read(str(MODELS / name))
    assert UNREADABLE[name].lower() in str(caught.value).lower()
    assert name in str(caught.value)


def test_shows_what_it_is_named_after() -> None:
    def read(name: str) -> Graph:
        return frontends.read(str(MODELS / name))

    assert read("dynamic_batch.onnx").tensor("image").shape == ("batch", 3, 32, 32)
    assert read("float64.onnx").tensor("image").dtype == "float64"
    assert next(n for n in read("custom_op.onnx").nodes if n.op == "AntiAlias").domain == "com.example"
    assert [node.name for node in read("unsorted.onnx").nodes] == ["conv1", "relu1", "y"]
    branches = next(n for n in read("control_flow.onnx").nodes if n.op == "If").subgraphs
    assert {key: [n.op for n in body.nodes] for key, body in branches.items()} == {
        "then_branch": ["Neg"],
        "else_branch": ["Relu"],
    }
    # The weights' shapes are known although the file that would hold their values is not there.
    mobilenet = read("mobilenet_v1_025_96.onnx")
    assert mobilenet.tensor("pw13_w").shape == (256, 256, 1, 1)
    assert mobilenet.value("pw13_w") is None
    quantised = read("int8.tflite").tensor("depthwise/weights").quantization
    assert quantised is not None and len(quantised.scales) == 8 and quantised.axis == 3


def test_broken_sheet_names_file_line_and_key() -> None:
    with pytest.raises(InvalidTarget, match=r"broken_sheet\.yaml:6: .*max_chanels"):
        load_target(str(MODELS / "broken_sheet.yaml"))


def test_digits_recognises_the_samples() -> None:
    import onnxruntime

    samples = np.load(FIXTURES / "digits/samples.npz")
    session = onnxruntime.InferenceSession(str(FIXTURES / "digits/digits.onnx"), providers=["CPUExecutionProvider"])
    answers = [int(session.run(["logits"], {"image": image[None]})[0].argmax()) for image in samples["image"]]
    assert answers == samples["label"].tolist() == list(range(10))


def test_digits_keeps_what_its_report_is_about() -> None:
    graph = frontends.read(str(FIXTURES / "digits/digits.onnx"))
    operators = [node.op for node in graph.nodes]
    assert {op: operators.count(op) for op in ("Conv", "BatchNormalization", "MaxPool", "Add", "Gemm")} == {
        "Conv": 6,
        "BatchNormalization": 1,
        "MaxPool": 1,
        "Add": 1,
        "Gemm": 1,
    }
    assert all(graph.tensor(output).known for node in graph.nodes for output in node.outputs)


@pytest.mark.parametrize("name", COMPILED)
def test_plan_is_the_compilers(name: str) -> None:
    steps, memory = COMPILED[name]
    report = check(str(FIXTURES / name), "k210")
    assert Counter(step.op for step in report.plan.steps) == steps
    assert {pool: report.plan.memory[pool].peak for pool in memory} == memory
    assert report.verdict == "accepted"


@pytest.mark.parametrize("name", REFUSED)
def test_rejected_as_by_the_compiler(name: str) -> None:
    assert check(str(MODELS / name), "k210").verdict == "rejected"
