"""Configurations of RKNN-Toolkit 1 and 2: recognised by content, checked, migrated."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lintmodel.api import Report, check
from lintmodel.cli import main
from lintmodel.errors import LintmodelError, UnreadableModel
from lintmodel.fixing import mend
from lintmodel.frontends import read
from lintmodel.ir import Document
from lintmodel.rules.rknn import KIND, check_document, configured_options, recognise
from lintmodel.target import load_target

OLD = """\
running: {model_type: onnx}
parameters:
  mxnet: {symbol: a.json, params: a.params}
  onnx:
    model: best.onnx
config:
  channel_mean_value: '123.675 116.28 103.53 58.395' # ImageNet
  reorder_channel: '0 1 2'
  batch_size: 1
  target_platform: ['rk3399pro']
  quantized_dtype: 'asymmetric_quantized-u8'
build:
  do_quantization: True
  dataset: ./dataset.txt
  pre_compile: False
export_rknn:
  export_path: best.rknn
init_runtime:
  target: rk3399pro
  device_id: null
inference:
  inputs: &img {path: test.jpg}
  inputs_pass_through: None
eval_perf:
  inputs: *img
  is_print: True
"""
SEED = Path(__file__).resolve().parents[3] / "shared" / "truth" / "seed" / "rknn_toolkit1.yaml"


def written(tmp_path: Path, text: str, name: str = "rknn.yaml") -> str:
    path = tmp_path / name
    path.write_text(text)
    return str(path)


def found(report: Report) -> set[tuple[str, int | None]]:
    return {(f.rule, f.location.line if f.location else None) for f in report.findings}


def test_every_argument_of_the_older_toolkit_is_named_with_its_line(tmp_path: Path) -> None:
    report = check(written(tmp_path, OLD), "rk3588")
    assert report.verdict == "rejected"
    assert found(report) == {
        *(("RKN502", line) for line in (7, 8, 9, 15, 25)),
        ("RKN504", 10),
        ("RKN504", 19),
        ("RKN505", 11),
        ("RKN512", 23),
    }
    said = {f.message.partition("; ")[2] for f in report.findings}
    assert "write mean_values: [[123.675, 116.28, 103.53]] and std_values: [[58.395, 58.395, 58.395]]" in said
    assert "write w8a8" in said


def test_nothing_is_wrong_with_it_under_the_older_toolkit(tmp_path: Path) -> None:
    path = written(tmp_path, OLD)
    report = check(path, "rk3399pro", toolchain="1.6")
    assert (report.verdict, report.findings) == ("accepted", ())
    assert [(f.rule, f.level.name) for f in check(path, "rk3399pro").findings] == [("RKN505", "WARNING")]
    assert [f.rule for f in check(path, "rv1126@1.6").findings] == ["RKN511"]


@pytest.mark.skipif(not SEED.is_file(), reason="no folder 'shared' beside the repository")
def test_the_configuration_of_a_user_of_toolkit_1() -> None:
    assert check(str(SEED), "rk3399pro@1.6").findings == ()
    rules = [f.rule for f in check(str(SEED), "rk3588").findings]
    assert set(rules) == {"RKN502", "RKN504", "RKN505", "RKN512"}
    assert len(rules) == 15


def test_it_is_migrated_as_text(tmp_path: Path) -> None:
    document, target = read(written(tmp_path, OLD)), load_target("rk3588")
    assert isinstance(document, Document)
    from dataclasses import replace

    document = replace(document, kind=KIND)
    safe = mend(document, target)
    assert (
        "mean_values: [[123.675, 116.28, 103.53]]\n  std_values: [[58.395, 58.395, 58.395]] # ImageNet\n" in safe.text
    )
    assert "target_platform: ['rk3399pro']" in safe.text and "pre_compile" not in safe.text
    assert safe.plan.verdict == "rejected"
    whole = mend(document, target, unsafe=True)
    assert whole.plan.verdict == "accepted" and whole.plan.refusals == ()
    assert "target_platform: rk3588\n  quantized_dtype: w8a8\n" in whole.text


@pytest.mark.parametrize(
    ("text", "known"),
    [
        ("target_platform: rk3588\nquantized_dtype: w8a8\n", True),
        ('{"config": {"target_platform": "rk3588"}, "build": {"do_quantization": false}}', True),
        ("config: {reorder_channel: '2 1 0'}\n", True),
        ("rknn.config: {quantized_dtype: w8a8}\n", True),
        ("export_rknn: {export_path: a}\n", True),
        ("config: {lr: 0.1}\nbuild: {jobs: 2}\n", False),
        ("mean_values: [[0, 0, 0]]\n", False),
        ("config: [1, 2]\n", False),
    ],
)
def test_recognised_by_content(tmp_path: Path, text: str, known: bool) -> None:
    path = written(tmp_path, text, "settings.txt")
    document = read(path)
    assert isinstance(document, Document)
    assert (recognise(document) is not None) is known
    if not known:
        with pytest.raises(UnreadableModel, match="that no rule pack knows"):
            check(path, "rk3588")


def test_a_plain_list_of_arguments_is_one_of_config(tmp_path: Path) -> None:
    report = check(
        written(tmp_path, "target_platform: rk3588\nquantised_dtype: w8a8\nquantized_method: row\n"), "rk3588"
    )
    assert found(report) == {("RKN501", 2), ("RKN506", 3)}
    assert "did you mean 'quantized_dtype'?" in report.findings[0].message


def test_json_and_repeated_keys(tmp_path: Path) -> None:
    text = (
        '{\n "config": {"target_platform": "rk3588",\n  "std_values": [[0, 1, 1]],\n  "std_values": [[0, 1, 1]]}\n}\n'
    )
    report = check(written(tmp_path, text, "rknn.json"), "rk3588")
    assert found(report) == {("RKN510", 3), ("RKN514", 4)} or found(report) == {("RKN510", 4), ("RKN514", 4)}
    assert report.verdict == "miscompiled"


@pytest.mark.parametrize(
    "text",
    [
        "config: {target_platform: 5, mean_values: [[null]], std_values: {a: 1}, dynamic_input: 3}\n",
        "config: {target_platform: [], quantized_dtype: [w8a8], optimization_level: [3], quantized_method: 3}\n",
        "config: {target_platform: rk3588, quantized_algorithm: {a: b}, op_target: 1, inputs_yuv_fmt: 1}\n",
        "build: {dataset: {a: b}, do_quantization: maybe}\nload_onnx: [1]\ninit_runtime: {target: {}}\n",
        "config: {target_platform: null, channel_mean_value: [1, 2], reorder_channel: 3, mean_values: [[], []]}\n",
        "config: {target_platform: rk3588, mean_values: [[[1, 2]], 3], std_values: [1, [2]]}\nparameters: 3\n",
    ],
)
@pytest.mark.parametrize("target", ["rk3588", "rv1106", "rk1808", "rk3399pro@1.6"])
def test_strange_values_are_findings_and_no_traceback(tmp_path: Path, text: str, target: str) -> None:
    path = written(tmp_path, text)
    report = check(path, target)
    assert report.verdict in ("accepted", "rejected", "miscompiled")
    document = report.document
    assert document is not None
    if target == "rk3588":
        mend(document, load_target(target), unsafe=True)


def test_a_configuration_decides_for_the_models_given_with_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "config: {target_platform: rk3588}\nbuild: {do_quantization: false}\n")
    document = read(path)
    assert isinstance(document, Document)
    assert configured_options(document, load_target("rk3588")) == {"quantized": False}
    assert main(["check", "--config-file", path, "--target", "rk3588", "--format", "json"]) == 0
    [report] = json.loads(capsys.readouterr().out)["reports"]
    assert report["document"]["kind"] == KIND
    assert main(["check", "--config-file", path, "--target", "k210"]) == 2
    assert "has no configuration files" in capsys.readouterr().err


def test_a_file_named_as_configuration_need_not_look_like_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, "build: {pre_compile: true}\n")
    with pytest.raises(LintmodelError):
        check(path, "rk3588")
    assert main(["check", "--config-file", path, "--target", "rk3588"]) == 1
    out = capsys.readouterr().out
    assert "RKN502" in out and "RKN508" in out


def test_every_chip_takes_its_own_types() -> None:
    from lintmodel.rules.rknn.config_rules import configured

    def refused(chip: str, dtype: str) -> bool:
        plan = check_document(configured(target_platform=chip, quantized_dtype=dtype), load_target(chip))
        return plan.verdict == "rejected"

    chips = (
        "rk3562",
        "rk3566",
        "rk3568",
        "rk3576",
        "rk3588",
        "rv1103",
        "rv1106",
        "rv1103b",
        "rv1106b",
        "rv1126b",
        "rk2118",
    )
    assert {chip for chip in chips if not refused(chip, "w8a16")} == {"rk3562"}
    assert {chip for chip in chips if not refused(chip, "w4a16")} == {"rk3576", "rv1126b"}
    assert not any(refused(chip, dtype) for chip in chips for dtype in ("w8a8", "w16a16i_dfp"))
