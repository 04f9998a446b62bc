"""What the board's runtime makes of a compiled model, and of what a toolchain would compile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from kmodel_writer import kmodel_3, kmodel_4, kmodel_5

from lintmodel.api import Report, check, check_document, check_graph
from lintmodel.errors import UsageError
from lintmodel.findings import Level
from lintmodel.ir import GraphBuilder, document
from lintmodel.normalize import normalize
from lintmodel.rules.kpu import other_versions
from lintmodel.rules.kpu.runtime_support import available, loaders, runtime_of
from lintmodel.target import load_target

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures" / "models"
SHARED = Path(__file__).resolve().parents[3] / "shared" / "models" / "kmodel"


def codes(report: Report) -> set[str]:
    return {finding.rule for finding in report.findings}


def kmodel(options: dict[str, Any] | None = None, /, **values: Any) -> Report:
    return check_document(document("kmodel", **values), load_target("k210", options=options))


@pytest.mark.parametrize(
    ("runtime", "firmware", "expected"),
    [
        ("any", "none", ("ok", "ok", "unknown")),
        ("maixpy", "none", ("ok", "ok", "fails")),
        ("maixpy", "maixpy-full", ("ok", "ok", "fails")),
        ("maixpy", "maixpy-minimum", ("ok", "fails", "fails")),
        ("any", "maixpy-minimum", ("ok", "fails", "fails")),
        ("canmv", "none", ("ok", "ok", "unknown")),
        ("any", "canmv", ("ok", "ok", "unknown")),
        ("standalone", "none", ("ok", "ok", "ok")),
    ],
)
def test_which_runtime_loads_which_version(runtime: str, firmware: str, expected: tuple[str, ...]) -> None:
    target = load_target("k210", options={"runtime": runtime, "firmware": firmware})
    assert tuple(runtime_of(version, target) for version in (3, 4, 5)) == expected
    for version, word in zip((3, 4, 5), expected, strict=True):
        report = check_document(document("kmodel", version=version), target)
        assert (report.verdict, report.runtime) == ("accepted", word)
        levels = [finding.level for finding in report.findings if finding.rule == "KPU601"]
        warned = [Level.WARNING] if (runtime, firmware) != ("any", "none") else []
        assert levels == {"ok": [], "unknown": warned, "fails": [Level.ERROR]}[word]


def test_a_version_nobody_loads() -> None:
    assert runtime_of(9, load_target("k210")) == "fails"
    assert list(loaders(9, load_target("k210"))) == []


def test_runtime_and_firmware_that_contradict() -> None:
    with pytest.raises(UsageError, match="the firmware maixpy-full has the runtime maixpy, not canmv"):
        kmodel({"runtime": "canmv", "firmware": "maixpy-full"}, version=4)


def test_what_maixpy_says_of_a_version_5_file() -> None:
    (found,) = [f for f in kmodel({"runtime": "maixpy"}, version=5).findings if f.rule == "KPU601"]
    assert found.message == (
        "a kmodel of version 5, which MaixPy does not load; loaded by: CanMV (some builds), the standalone SDK"
    )
    assert found.vendor_message is not None
    assert "load error:2003, ERR_KMODEL_FORMAT: layer_header.body_size <=0" in found.vendor_message
    assert found.location is not None
    assert found.location.file == "example.kmodel"


# ---- memory


@pytest.mark.parametrize(
    ("firmware", "left"),
    [
        ("none", 6291456),
        ("maixpy-full", 6291456 - 2097152 - 524288),
        ("maixpy-minimum", 6291456 - 1048576 - 524288),
        ("canmv", 6291456 - 2097152 - 768432),
    ],
)
def test_what_a_firmware_leaves(firmware: str, left: int) -> None:
    assert available(load_target("k210", options={"firmware": firmware})) == left
    for needed, word in ((left, "yes"), (left + 1, "no")):
        report = kmodel({"firmware": firmware}, version=4, bytes=needed - 1000, main_memory=1000)
        assert report.fits == word
        assert ("KPU606" in codes(report)) == (word == "no")
        assert report.plan.memory["main"].peak == needed
        assert report.plan.memory["main"].capacity == 6291456


def test_memory_of_version_5_is_the_sum_the_compiler_prints(tmp_path: Path) -> None:
    (tmp_path / "m.kmodel").write_bytes(kmodel_5(data=50000))
    report = check(str(tmp_path / "m.kmodel"), "k210")
    size = (tmp_path / "m.kmodel").stat().st_size
    assert report.plan.memory["main"].parts == {"input": 4096, "output": 40, "data": 50000, "model": size}


def network(**options: Any) -> Report:
    graph = normalize(GraphBuilder().conv(512, 512, kernel=3, size=8).conv(512, 512, kernel=3).graph())
    return check_graph(graph, load_target("k210", options=options))


def test_a_network_in_what_the_firmware_leaves() -> None:
    alone, beside = network(), network(firmware="maixpy-full")
    needed = alone.plan.memory["main"].peak
    assert 3670016 < needed < 6291456
    assert (alone.fits, codes(alone) & {"KPU302"}) == ("yes", set())
    assert (beside.fits, codes(beside) & {"KPU302"}) == ("no", {"KPU302"})
    assert beside.plan.memory["main"] == alone.plan.memory["main"]
    (found,) = [f for f in beside.findings if f.rule == "KPU302"]
    assert found.message.endswith("; maixpy-full leaves 3,584 KiB")


# ---- compiled from source


@pytest.mark.parametrize(
    ("runtime", "word", "level"),
    [
        ("any", "unknown", None),
        ("standalone", "ok", None),
        ("canmv", "unknown", Level.WARNING),
        ("maixpy", "fails", Level.ERROR),
    ],
)
def test_what_the_toolchain_makes_is_loaded_or_not(runtime: str, word: str, level: Level | None) -> None:
    graph = normalize(GraphBuilder().conv(8, 16).graph())
    report = check_graph(graph, load_target("k210", options={"runtime": runtime}))
    assert (report.verdict, report.runtime) == ("accepted", word)
    assert [f.level for f in report.findings if f.rule == "KPU602"] == ([] if level is None else [level])


def test_a_rejected_network_is_not_loaded_at_all() -> None:
    graph = normalize(GraphBuilder().conv(8, 16).op("Mod").graph())
    report = check_graph(graph, load_target("k210", options={"runtime": "maixpy"}))
    assert (report.verdict, report.runtime) == ("rejected", "unknown")
    assert "KPU602" not in codes(report)


# ---- what else is in a header


def test_layers_without_code() -> None:
    report = kmodel(version=3, layers=("Conv", "MaxPool2D", "QuantizedFullyConnected", "MaxPool2D", "layer type 99"))
    (found,) = report.findings
    assert found.message == "the runtime has no code for MaxPool2D, QuantizedFullyConnected, layer type 99"
    assert report.runtime == "fails"
    assert kmodel(version=4, layers=("MaxPool2D",)).findings == ()


@pytest.mark.parametrize(
    ("values", "chip"),
    [
        ({"version": 3, "architecture": 2}, "architecture 2"),
        ({"version": 4, "architecture": 2}, "architecture 2"),
        ({"version": 5, "modules": ({"type": "k510", "pools": {}},)}, "k510"),
    ],
)
def test_made_for_another_chip(values: dict[str, Any], chip: str) -> None:
    report = kmodel(**values)
    assert [f.message for f in report.findings] == [f"the file was made for another chip ({chip})"]
    assert report.runtime == "fails"


@pytest.mark.parametrize(
    ("first", "runtime", "word"),
    [
        ("Conv", "maixpy", "ok"),
        ("FullyConnected", "maixpy", "fails"),
        ("FullyConnected", "standalone", "ok"),
        ("FullyConnected", "any", "ok"),
        ("Quantize", "any", "fails"),
        ("Quantize", "standalone", "fails"),
    ],
)
def test_first_layer(first: str, runtime: str, word: str) -> None:
    report = kmodel({"runtime": runtime}, version=3, layers=(first, "Dequantize"))
    assert report.runtime == word
    assert ("KPU604" in codes(report)) == (word == "fails")


def test_outputs_to_be_set() -> None:
    outputs = ({"bytes": 4000, "dtype": "float32"}, {"bytes": 10, "dtype": "uint8"})
    report = kmodel({"runtime": "maixpy"}, version=4, outputs=outputs)
    assert [f.message for f in report.findings] == [
        "output 0 has 1,000 values: call kpu.set_outputs(task, 0, w, h, c) with w*h*c = 1000 before kpu.forward",
        "output 1 has 10 values: call kpu.set_outputs(task, 1, w, h, c) with w*h*c = 10 before kpu.forward",
    ]
    assert report.runtime == "ok"
    assert kmodel({"runtime": "standalone"}, version=4, outputs=outputs).findings == ()


def test_file_name(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(kmodel_4())
    report = check(str(tmp_path / "model.bin"), "k210", options={"runtime": "maixpy"})
    assert "KPU607" in codes(report)
    assert "KPU607" not in codes(check(str(tmp_path / "model.bin"), "k210"))


def test_files_end_to_end(tmp_path: Path) -> None:
    for name, data, loaded in (("3", kmodel_3(), "ok"), ("4", kmodel_4(), "ok"), ("5", kmodel_5(), "fails")):
        path = tmp_path / f"{name}.kmodel"
        path.write_bytes(data)
        report = check(str(path), "k210", options={"firmware": "maixpy-full"})
        assert (report.verdict, report.runtime, report.fits) == ("accepted", loaded, "yes")


def test_every_error_finding_of_a_failing_file() -> None:
    """Whoever fails says why, at a level that counts for the exit code."""
    for values in ({"version": 5}, {"version": 3, "layers": ("Softmax",)}, {"version": 3, "architecture": 1}):
        for runtime in ("any", "maixpy", "canmv", "standalone"):
            report = kmodel({"runtime": runtime}, **values)
            errors = [f for f in report.findings if f.level is Level.ERROR]
            assert (report.runtime == "fails") == bool(errors), (values, runtime)


def test_real_files() -> None:
    if not SHARED.is_dir():
        pytest.skip("no folder 'shared/models/kmodel' beside the repository")
    found = {}
    for path in SHARED.glob("*/*.kmodel"):
        report = check(str(path), "k210", options={"firmware": "maixpy-full"})
        found[path.stem[:12]] = (report.runtime, report.fits)
    assert found == {
        "face_detect_": ("ok", "yes"),
        "face_mask_de": ("ok", "yes"),
        "multimedia_s": ("ok", "yes"),
        "benchmark_mo": ("fails", "no"),
    }


# ---- while the runtime is left open


def classifier(**options: Any) -> Report:
    return check(str(FIXTURES / "wiki_zeropadding_240x320.tflite"), "k210", options=options)


def test_the_report_says_who_loads_it_and_what_the_other_needs() -> None:
    report = classifier()
    assert report.runtime == "unknown"
    (note,) = [f for f in report.findings if f.rule == "KPU608"]
    assert note.message == (
        "nncase 1.9 makes a kmodel of version 5, loaded by CanMV (some builds), the standalone SDK; MaixPy refuses it "
        "(error 2003) and loads those of nncase 0.2, which converts this network"
    )


def test_with_the_runtime_named_the_refusal_is_an_error_and_the_note_is_gone() -> None:
    report = classifier(runtime="maixpy")
    (refused,) = [f for f in report.findings if f.rule == "KPU602"]
    assert refused.message.endswith("; MaixPy loads those of nncase 0.2, which converts this network")
    assert "layer_header.body_size <=0" in (refused.vendor_message or "")
    assert "KPU608" not in codes(report)


def test_what_does_not_fit_names_the_version_that_does() -> None:
    (other,) = [f for f in classifier().findings if f.rule == "KPU161"]
    assert other.message == (
        "nncase 1.9 makes more of it than fits into the memory; "
        "nncase 0.2 converts it, 16 of 16 convolutions on the KPU"
    )


def test_large_networks_are_not_planned_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(other_versions, "LARGEST", 3)
    report = classifier()
    assert "KPU161" not in codes(report)
    (note,) = [f for f in report.findings if f.rule == "KPU608"]
    assert note.message.endswith("MaixPy refuses it (error 2003)")
