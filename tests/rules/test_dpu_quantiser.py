"""The quantiser's configuration: findings all at once, where they stand, and what mends them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import Report, check, read_model
from lintmodel.cli import main
from lintmodel.errors import UnreadableModel
from lintmodel.fixing import Mended, mend
from lintmodel.ir import Document
from lintmodel.rules.dpu.quantiser.edits import change, set_value
from lintmodel.rules.dpu.quantiser.words import DEFAULTS
from lintmodel.target import load_target

TARGET = "DPUCZDX8G_ISA1_B4096"

PRINTED = (Path(__file__).resolve().parents[2] / "fixtures" / "dpu" / "quant_default.json").read_text()
"""The defaults as guides print them, in a file."""


def configuration(tmp_path: Path, text: str | dict[str, Any]) -> Path:
    path = tmp_path / "quant.json"
    path.write_text(text if isinstance(text, str) else json.dumps(text, indent=2))
    return path


def checked(tmp_path: Path, text: str | dict[str, Any], release: str = "3.5") -> Report:
    return check(configuration(tmp_path, text), TARGET, toolchain=release)


def mended(tmp_path: Path, text: str | dict[str, Any], *, unsafe: bool = False, release: str = "3.5") -> Mended:
    found = read_model(configuration(tmp_path, text))
    assert isinstance(found, Document)
    return mend(found, load_target(TARGET, release), unsafe=unsafe)


# ---- the printed defaults


def test_the_printed_defaults_are_refused_for_two_reasons(tmp_path: Path) -> None:
    report = checked(tmp_path, PRINTED)
    assert report.verdict == "rejected"
    found = [(f.rule, f.location.line, f.location.column) for f in report.findings if f.location]
    assert found == [("DPU502", 17, 19), ("DPU517", 12, 19)]
    prefix = "[VAIQ_ERROR][QUANTIZER_TORCH_QUANT_CONFIG]: "
    assert [f.vendor_message for f in report.findings] == [
        f"{prefix}The scale_type of input should be in the list ['poweroftwo', 'float']",
        f"{prefix}Only support half_up round method in activation quantization of DPU device if datatype is int",
    ]


def test_their_fix_passes_and_touches_nothing_else(tmp_path: Path) -> None:
    done = mended(tmp_path, PRINTED)
    assert done.plan.verdict == "accepted"
    assert {repair.safety for repair in done.repairs} == {"safe"}
    assert done.text == PRINTED.replace("power_of_two", "poweroftwo").replace(
        '"modal"\n  }\n',
        '"modal"\n  },\n  "tensor_quantize_config": {\n    "activation": {\n      "round_mode": "half_up"\n'
        "    }\n  }\n",
    )
    assert checked(tmp_path, done.text).findings == ()


def test_the_command_mends_in_place(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = str(configuration(tmp_path, PRINTED))
    assert main(["fix", path, "--target", f"{TARGET}@3.5", "--in-place"]) == 0
    assert "nothing is refused" in capsys.readouterr().out
    assert main(["check", path, "--target", f"{TARGET}@3.5"]) == 0


# ---- releases


def test_the_built_in_defaults_pass_in_every_release(tmp_path: Path) -> None:
    for release in ("2.5", "3.0", "3.5"):
        own = {tensor: {k: v for k, v in d.items() if k != "datatype"} for tensor, d in DEFAULTS.items()}
        report = checked(tmp_path, {"target_device": "DPU", "tensor_quantize_config": own}, release)
        assert (report.verdict, report.findings) == ("accepted", ())


def test_releases_differ(tmp_path: Path) -> None:
    text = {"target_device": "DPU", "convert_silu_to_hswish": True, "overall_quantize_config": {"method": "maxmin"}}
    assert [f.rule for f in checked(tmp_path, text, "2.5").findings] == ["DPU501", "DPU512"]
    assert checked(tmp_path, text, "3.0").findings == ()
    wide = {"target_device": "DPU", "tensor_quantize_config": {"bias": {"bit_width": 32}}}
    assert checked(tmp_path, wide, "3.0").verdict == "accepted"
    assert checked(tmp_path, wide, "3.5").verdict == "rejected"


def test_a_release_without_configurations_is_not_checked(tmp_path: Path) -> None:
    report = checked(tmp_path, PRINTED, "2.0")
    assert (report.verdict, report.findings) == ("unknown", ())
    assert "takes no configuration file" in report.not_checked[0].why


# ---- everything at once


def test_all_mistakes_are_found_at_once(tmp_path: Path) -> None:
    text = {
        "fancy": 1,
        "target_device": "DPU",
        "include_cle": "yes",
        "overall_quantize_config": {"symmetry": False, "per_channel": True, "bit_width": 40, "round_mode": "half_even"},
        "tensor_quantize_config": {"weights": {"scale_type": "float"}, "bias": {"bit_width": 16}},
        "layer_quantize_config": [
            {"layer_type": "torch.nn.Conv2d", "quantizable_data_type": ["weights"]},
            {"layer_name": "a", "overall_quantize_config": {"methods": "diffs"}},
        ],
    }
    found = [f.rule for f in checked(tmp_path, text).findings]
    assert found == [
        *("DPU501", "DPU501", "DPU502", "DPU503", "DPU511", "DPU513", "DPU514", "DPU517", "DPU518", "DPU519"),
        *("DPU520", "DPU531", "DPU536"),
    ]


def test_one_setting_for_several_tensors_is_told_once(tmp_path: Path) -> None:
    text = {"target_device": "DPU", "overall_quantize_config": {"symmetry": False}}
    text["layer_quantize_config"] = [{"layer_type": "Linear", "quantizable_data_type": ["bias", "activation"]}]
    report = checked(tmp_path, text)
    assert [f.message for f in report.findings] == [
        "symmetry of input, weights, bias and activation is false; the DPU takes true only"
    ]


def test_parameters_at_the_top_belong_into_a_block(tmp_path: Path) -> None:
    report = checked(tmp_path, {"include_cle": True, "target_device": "DPU", "bit_width": 8})
    assert [f.message for f in report.findings] == [
        "there is no key bit_width at the top; it belongs into overall_quantize_config"
    ]


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ({"overall_quantize_config": {"bit_width": 16}}, "DPU531"),
        ({"overall_quantize_config": {"bit_width": 4}}, "DPU531"),
        ({"overall_quantize_config": {"signed": False}}, "DPU532"),
        ({"target_device": "NPU", "include_cle": True}, "DPU533"),
        ({"quantizable_data_type": ["weights"]}, "DPU535"),
        ({"tensor_quantize_config": {"bias": {"calib_statistic_method": "max"}}}, "DPU536"),
        ({"overall_quantize_config": {"percentage": 99.0}}, "DPU536"),
        ({"keep_add_layer_accuracy": True}, "DPU537"),
        ({"overall_quantize_config": {"datatype": "float16"}}, "DPU539"),
    ],
)
def test_what_the_quantiser_lets_through(tmp_path: Path, text: dict[str, Any], rule: str) -> None:
    report = checked(tmp_path, {"target_device": "DPU", **text})
    assert report.verdict == "accepted"
    assert [f.rule for f in report.findings] == [rule]
    assert report.findings[0].location and report.findings[0].location.line


def test_a_percentage_that_a_later_block_sets_back(tmp_path: Path) -> None:
    text = {
        "target_device": "GPU",
        "overall_quantize_config": {
            "scale_type": "float",
            "method": "percentile",
            "calib_statistic_method": "max",
            "percentage": 99.0,
        },
        "tensor_quantize_config": {"weights": {"signed": True}},
    }
    messages = [f.message for f in checked(tmp_path, text).findings]
    assert "sets the percentage of weights back from 99.0 to 99.99: a block has its own" in messages


def test_another_chip_says_what_the_file_is(tmp_path: Path) -> None:
    with pytest.raises(UnreadableModel, match="is a vitis-quant-config, which is not made for target k210"):
        check(configuration(tmp_path, PRINTED), "k210")


def test_the_report_says_what_a_configuration_comes_to(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["check", str(configuration(tmp_path, PRINTED)), "--target", f"{TARGET}@3.5"]) == 1
    said = capsys.readouterr().out
    assert "DPU517" in said and "target device DPU" in said


# ---- fixes


@pytest.mark.parametrize(
    ("text", "unsafe"),
    [
        ({"target_device": "DPU", "overall_quantize_config": {"round_mode": "half_up"}}, False),
        ({"target_device": "DPU", "overall_quantize_config": {"round_mode": "half_even", "symmetry": False}}, False),
        ({"target_device": "DPU", "overall_quantize_config": {"per_channel": "no", "narrow_range": True}}, False),
        ({"target_device": "DPU", "tensor_quantize_config": {"bias": {"bit_width": 32}}}, False),
        ({"target_device": "DPU", "tensor_quantize_config": {"weights": {"round_mode": "half_up"}}}, False),
        ({"target_device": "DPU", "overall_quantize_config": {"method": "mse"}}, True),
        ({"target_device": "DPU", "overal_quantize_config": {"bit_width": 8}, "include_cle": True}, True),
        ({"include_cle": True}, True),
        (
            {
                "target_device": "DPU",
                "layer_quantize_config": [
                    {
                        "layer_type": "Conv2d",
                        "quantizable_data_type": ["activation", "bias"],
                        "overall_quantize_config": {"round_mode": "std_round", "bit_width": 8},
                    }
                ],
            },
            False,
        ),
    ],
)
def test_fixes_are_accepted(tmp_path: Path, text: dict[str, Any], unsafe: bool) -> None:
    if unsafe:
        assert mended(tmp_path, text).plan.verdict == "rejected"
    done = mended(tmp_path, text, unsafe=unsafe)
    assert done.before.text != done.text
    assert (done.plan.verdict, checked(tmp_path, done.text).verdict) == ("accepted", "accepted")


def test_what_cannot_be_mended_is_left_alone(tmp_path: Path) -> None:
    text = {"target_device": "GPU", "overall_quantize_config": {"method": "mse"}, "fancy": 1}
    done = mended(tmp_path, text, unsafe=True)
    assert (done.repairs, done.text) == ((), done.before.text)


@pytest.mark.parametrize(
    ("text", "path", "after"),
    [
        ("{}", "a", '{"a": true}'),
        ('{"b": 1}', "a", '{"b": 1, "a": true}'),
        ('{\n\t"b": {"c": 1} }', "a", '{\n\t"b": {"c": 1},\n\t"a": true }'),
        ('{\r\n  "b": []\r\n}', "a", '{\r\n  "b": [],\r\n  "a": true\r\n}'),
        ('{"b": {\n  "c": 1}}', "b.a", '{"b": {\n  "c": 1,\n  "a": true}}'),
        ('{"a": "x, \\"y\\"", "b": 1}', "a", '{"a": true, "b": 1}'),
        ('{"l": [{"b": 1}]}', "l.0.a", '{"l": [{"b": 1, "a": true}]}'),
    ],
)
def test_edits_of_the_text(tmp_path: Path, text: str, path: str, after: str) -> None:
    from lintmodel.fixing import changed, edited
    from lintmodel.frontends.json_text import read_json

    (tmp_path / "c").write_bytes(text.encode())
    found = read_json(tmp_path / "c")
    assert edited(found.text, set_value(found, path, True)) == after
    assert changed(found.values, [change(found, path, True) or ("", None)]) == json.loads(after)
