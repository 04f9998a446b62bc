"""Networks of people who brought a model to a K210 and wrote down what they ran into: the report says it at once.

The first is a series on MNIST under MaixPy (float outputs of 3.4e38, 0.7 s a picture, a MobileNetV2 with Shape and Pack
in it); the second a board maker's guide, whose classifier has a ZeroPadding2D before each convolution with stride 2.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check
from lintmodel.report import Look
from lintmodel.report.rich import render

FIXTURES = Path(__file__).resolve().parents[1] / "fixtures"
LINES = 40
"""A terminal's first screen."""


def checked(name: str, version: str = "1.9", **options: Any) -> Report:
    return check(str(FIXTURES / "models" / name), f"k210@{version}", options=options)


def first_screen(report: Report) -> str:
    """As one line, so that sentences can be looked for across line ends."""
    lines = render([report], [], Look(width=100)).splitlines()[:LINES]
    return " ".join(" ".join(lines).split())


def messages(report: Report, rule: str) -> list[str]:
    return [finding.message for finding in report.findings if finding.rule == rule]


def test_float_digits_say_why_outputs_saturate() -> None:
    report = checked("mnist_float.tflite")
    screen = first_screen(report)
    assert "accepted for k210 (nncase 1.9)" in screen
    assert "KPU411 float-input-range" in screen
    assert "input 'image' (1x28x28x1) is float32 and a camera gives 0..255" in screen
    assert "all outputs saturate at +-3.402823e+38; divide by 255" in screen


def test_float_digits_say_what_keeps_pools_off_the_accelerator() -> None:
    report = checked("mnist_float.tflite")
    assert [f.node for f in report.findings if f.rule == "KPU111"] == ["pool1", "pool2"]
    assert "the convolution before it has no padding" in first_screen(report)


def test_digits_with_bytes_in_need_no_division() -> None:
    report = checked("mnist_float.tflite", input_type="uint8")
    assert messages(report, "KPU411") == []
    assert report.plan.memory["input"].peak == 28 * 28
    assert checked("mnist_float.tflite").plan.memory["input"].peak == 4 * 28 * 28


def test_unquantised_digits_do_not_use_the_accelerator() -> None:
    """0.7 s a picture became 0.04 s when the author quantised."""
    report = checked("mnist_float.tflite", ptq=False)
    assert "without post-training quantisation nothing runs on the KPU" in first_screen(report)
    assert {step.unit for step in report.plan.steps} == {"cpu"}


def test_digits_quantised_by_tensorflow_are_rejected() -> None:
    report = checked("mnist_uint8.tflite")
    screen = first_screen(report)
    assert "rejected for k210 (nncase 1.9)" in screen
    assert "KPU403 quantized-conv" in screen
    assert "int8 output without its real range: the compiler crashes" in screen
    fixes = {f.fix.text for f in report.findings if f.rule == "KPU403" and f.fix}
    assert fixes == {"convert the float model and let nncase quantise it"}


def test_mobilenetv2_shape_and_pack_cost_nothing_in_this_version() -> None:
    report = checked("mobilenetv2_mnist.tflite")
    by_name = {node.name: node for node in report.nodes}
    arithmetic = [node for node in report.nodes if node.op in ("Shape", "Slice", "Stack", "Reshape")]
    assert [node.native_op for node in arithmetic] == 2 * ["SHAPE", "STRIDED_SLICE", "PACK", "RESHAPE"]
    assert {str(node.placement) for node in arithmetic} == {"free"}
    assert str(by_name["scores"].placement) == "fallback"


def test_mobilenetv2_names_the_layer_its_author_suspected() -> None:
    """A 1x1 convolution of 320 to 1280 channels, 410,880 parameters with its bias."""
    report = checked("mobilenetv2_mnist.tflite")
    screen = first_screen(report)
    assert "accepted for k210 (nncase 1.9)" in screen
    assert "fits in memory: yes" in screen
    assert "last_conv 1280 output channels; the KPU has at most 1024" in screen
    last = next(node for node in report.nodes if node.name == "last_conv")
    assert last.weight_bytes == 4 * 410_880
    assert str(last.placement) == "fallback"


def test_mobilenetv2_says_that_its_maps_are_too_small() -> None:
    report = checked("mobilenetv2_mnist.tflite")
    screen = first_screen(report)
    assert "the map is 2x2, and the KPU takes 4x4 at least" in screen
    assert "KPU205 small-map" in screen
    assert len(messages(report, "KPU205")) == 33


def test_mobilenetv2_has_room_in_the_accelerators_memory() -> None:
    """The author wondered whether one layer was larger than 2 MB."""
    kpu = checked("mobilenetv2_mnist.tflite").plan.memory["kpu"]
    assert (kpu.peak, kpu.capacity) == (122_880, 2_097_152)


def test_mobilenetv2_is_refused_by_the_compiler_its_author_had() -> None:
    """ncc 0.2 stopped at Shape and Pack; and what it called weights divergence was the size of the result."""
    report = checked("mobilenetv2_mnist.tflite", "0.2")
    assert report.verdict == "rejected"
    refused = " ".join(f.vendor_message or "" for f in report.findings if f.level.name == "ERROR")
    assert "SHAPE" in refused and "PACK" in refused
    assert any(text.startswith("result has 256 values, under 1024") for text in messages(report, "KPU152"))
    assert messages(report, "KPU161") == [
        "nncase 0.2 rejects it; nncase 1.9 converts it, 52 of 54 convolutions on the KPU; 0.1 rejects it"
    ]


def test_error_2003_is_told_before_anything_is_compiled() -> None:
    report = checked("mobilenetv2_mnist.tflite", runtime="maixpy")
    assert "MaixPy says: [MAIXPY]kpu: load error:2003, ERR_KMODEL_FORMAT: layer_header.body_size" in first_screen(
        report
    )


def test_zero_padding_classifier_pads_for_free() -> None:
    report = checked("wiki_zeropadding_240x320.tflite")
    placements = {node.name: str(node.placement) for node in report.nodes}
    assert {placements[name] for name in placements if name.startswith("pad")} == {"free"}
    # The first and the last convolution also turn the file's layout round.
    assert [name for name in placements if name.startswith("conv") and placements[name] != "accelerated"] == [
        "conv0",
        "conv15",
    ]
    assert messages(report, "KPU203") == messages(report, "KPU206") == []
    assert report.plan.segments == 1
    assert sum(step.op == "KPUConv2D" for step in report.plan.steps) == 16


def test_zero_padding_classifier_converts_with_the_compiler_of_its_guide() -> None:
    report = checked("wiki_zeropadding_240x320.tflite", "0.1")
    assert (report.verdict, report.fits, report.runtime) == ("accepted", "yes", "ok")
    assert messages(report, "KPU142") == messages(report, "KPU147") == []


def test_zero_padding_classifier_is_too_large_because_of_its_dense_layer() -> None:
    report = checked("wiki_zeropadding_240x320.tflite")
    screen = first_screen(report)
    assert "fits in memory: no" in screen
    assert "KPU302 main-memory-overflow" in screen
    assert "6,962 KiB are needed" in screen
    assert "76800 inputs to 2 outputs run on the CPU; the KPU has at most 1024 of either" in screen
    assert "kpu" in report.plan.memory and report.plan.memory["kpu"].peak == 1_213_440


def test_the_same_classifier_with_same_padding_pads_on_the_cpu(tmp_path: Path) -> None:
    """The guide's warning: other paddings with a stride are computed in software."""
    sys.path.insert(0, str(FIXTURES))
    try:
        from build import wiki_zeropadding_240x320
    finally:
        sys.path.remove(str(FIXTURES))
    path = tmp_path / "same.tflite"
    path.write_bytes(wiki_zeropadding_240x320(zero_padding=False))
    report = check(str(path), "k210@1.9")
    screen = first_screen(report)
    assert [f.node for f in report.findings if f.rule == "KPU203"] == ["conv0", "conv1", "conv10"]
    assert "padding is (0, 0, 1, 1) (top, left, bottom, right); the KPU has 1 on every side" in screen
    free = checked("wiki_zeropadding_240x320.tflite").plan
    assert sum(step.op == "Pad" for step in report.plan.steps) > sum(step.op == "Pad" for step in free.steps)
    assert report.plan.memory["data"].peak >= free.memory["data"].peak


@pytest.mark.parametrize("name", ["mnist_float", "mobilenetv2_mnist", "wiki_zeropadding_240x320"])
def test_verdict_comes_first(name: str) -> None:
    assert first_screen(checked(f"{name}.tflite")).startswith("accepted for k210 (nncase 1.9)")
