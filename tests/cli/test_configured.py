"""Configuration, suppressions and baselines as the commands use them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from conftest import write_model
from edge_target import SHEET

if TYPE_CHECKING:
    from conftest import Run

EDG = ("--select", "EDG")


@pytest.fixture
def configured(folder: Path) -> Path:
    (folder / "lintmodel.toml").write_text(f'targets = ["{SHEET}"]\nselect = ["EDG"]\n')
    return folder


def add(folder: Path, text: str) -> None:
    file = folder / "lintmodel.toml"
    file.write_text(file.read_text() + text)


def test_targets_and_rules_come_from_the_file(run: Run, configured: Path) -> None:
    done = run("check", "softmax.onnx")
    assert done.code == 1
    assert done.out.startswith("softmax.onnx: EDG102 Softmax has no kernel [last]\n")


def test_models_of_the_file_are_checked_when_none_is_named(run: Run, configured: Path) -> None:
    add(configured, '[[models]]\npath = "kernel.onnx"\n')
    done = run("check", "--fail-on", "warning")
    assert done.code == 1
    assert "kernel.onnx" in done.out
    assert "softmax.onnx" not in done.out


def test_fail_on_and_levels(run: Run, configured: Path) -> None:
    assert run("check", "kernel.onnx").code == 0
    add(configured, '[levels]\nEDG101 = "error"\n')
    assert run("check", "kernel.onnx").code == 1
    assert run("check", "kernel.onnx", "--config", "fail-on=never").code == 0
    assert run("check", "kernel.onnx", "--target", SHEET, "--isolated", *EDG).code == 0


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ('[per-node-ignores]\n"la*" = ["EDG102"]\n', "per-node-ignores of 'la*'"),
        ('[per-file-ignores]\n"soft*.onnx" = ["edge-unsupported"]\n', "per-file-ignores"),
    ],
)
def test_what_is_ignored_stays_in_the_report_with_its_reason(run: Run, configured: Path, text: str, why: str) -> None:
    add(configured, text)
    done = run("check", "softmax.onnx")
    assert (done.code, "Suppressed: 1 by configuration." in done.out) == (0, True)
    report = json.loads(run("check", "softmax.onnx", "--format", "json").out)["reports"][0]
    assert report["findings"] == []
    assert [(item["rule"], item["why"]) for item in report["suppressed"]] == [("EDG102", why)]


def test_excluded_models_are_left_out_even_when_named(run: Run, configured: Path) -> None:
    (configured / "lintmodel.toml").write_text(f'targets = ["{SHEET}"]\nexclude = ["softmax.onnx"]\n')
    assert "softmax" not in run("check", ".").out
    assert run("check", "softmax.onnx").code == 0


def test_options_of_the_file_go_to_the_target_they_name(run: Run, configured: Path) -> None:
    add(configured, '[options.edge]\nptq = "no"\n')
    done = run("check", "good.onnx")
    assert (done.code, "option ptq is" in done.err) == (2, True)


def test_a_rule_without_such_an_option_says_so(run: Run, configured: Path) -> None:
    add(configured, "[rules.EDG101]\nmargin = 3\n")
    done = run("check", "good.onnx")
    assert (done.code, done.err) == (2, "lintmodel: error: rule EDG101 edge-kernel has no option 'margin'\n")


def test_show_settings(run: Run, configured: Path) -> None:
    add(configured, '[[models]]\npath = "good.onnx"\nignore = ["GRF"]\n')
    lines = run("check", "--show-settings", "good.onnx").out.splitlines()
    assert lines[0] == f"# {configured / 'lintmodel.toml'}"
    assert json.loads("\n".join(lines[1:])) == {"targets": [SHEET], "select": ["EDG"], "ignore": ["GRF"]}


# ---- baseline


def test_a_baseline_hides_what_is_known_and_counts(run: Run, configured: Path) -> None:
    assert run("baseline", "write", "softmax.onnx").out.startswith("lintmodel-baseline.json: 1 finding of 1 report")
    known = run("check", "softmax.onnx", "--baseline", "lintmodel-baseline.json")
    assert known.code == 0
    assert "Baseline: 0 new, 1 unchanged, 0 gone." in known.out
    write_model(configured / "softmax.onnx", kernel=5)
    mended = run("check", "softmax.onnx", "--baseline", "lintmodel-baseline.json")
    assert "Baseline: 1 new, 0 unchanged, 1 gone." in mended.out


def test_a_baseline_survives_other_nodes_and_another_folder(run: Run, configured: Path) -> None:
    run("baseline", "write", "softmax.onnx")
    (configured / "sub").mkdir()
    (configured / "sub/lintmodel.toml").write_text(f'targets = ["{SHEET}"]\nselect = ["EDG"]\n')
    done = run("check", configured / "softmax.onnx", "--baseline", configured / "lintmodel-baseline.json")
    assert (done.code, "0 new, 1 unchanged" in done.out) == (0, True)


def test_reasons_in_a_baseline_are_kept_and_told(run: Run, configured: Path) -> None:
    run("baseline", "write", "softmax.onnx", "kernel.onnx")
    file = configured / "lintmodel-baseline.json"
    values = json.loads(file.read_text())
    values["findings"][1]["reason"] = "the host does it"
    file.write_text(json.dumps(values))
    run("baseline", "write", "softmax.onnx")
    assert [entry.get("reason") for entry in json.loads(file.read_text())["findings"]] == [None, "the host does it"]
    found = json.loads(run("check", "softmax.onnx", "--baseline", file, "--format", "json").out)
    assert found["reports"][0]["suppressed"][0]["why"] == "the host does it"
    assert found["baseline"] == {"new": 0, "unchanged": 1, "gone": 0}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [(None, "cannot be read"), ("{", "is no baseline"), ("{}", "its schema is not lintmodel-baseline/1")],
)
def test_a_broken_baseline_is_one_sentence(run: Run, configured: Path, text: str | None, sentence: str) -> None:
    if text is not None:
        (configured / "known.json").write_text(text)
    done = run("check", "good.onnx", "--baseline", "known.json")
    assert done.code == 2
    assert sentence in done.err
    assert done.err.count("\n") == 1


def test_an_option_of_a_rule(run: Run, folder: Path) -> None:
    write_model(folder / "wide.onnx")
    assert "times = 2.0" in run("rule", "RKN302").out
    done = run("check", "wide.onnx", "-t", "rk3588", "--config", "rules.RKN302.times=true")
    assert (done.code, "option times is of type float, not True" in done.err) == (2, True)


def test_an_option_decides_whether_a_rule_finds_something() -> None:
    from lintmodel.api import check_graph
    from lintmodel.ir import GraphBuilder
    from lintmodel.target import load_target

    graph = GraphBuilder().conv(3, 64, kernel=3, size=256).max_pool(8).conv(64, 64).conv(64, 64).graph()
    target = load_target("rk3588")
    assert "RKN302" in [f.rule for f in check_graph(graph, target).findings]
    options = {"RKN302": {"times": 1000.0}}
    assert "RKN302" not in [f.rule for f in check_graph(graph, target, rule_options=options).findings]


def test_fingerprints_survive_renamed_neighbours_and_another_order(run: Run, configured: Path) -> None:
    import onnx

    run("baseline", "write", "softmax.onnx")
    model = onnx.load(configured / "softmax.onnx")
    model.graph.node[0].name = "renamed"
    model.graph.node.insert(0, onnx.helper.make_node("Relu", ["x"], ["extra"], "first"))
    model.graph.node[1].input[0] = "extra"
    onnx.save(model, configured / "softmax.onnx")
    done = run("check", "softmax.onnx", "--baseline", "lintmodel-baseline.json")
    assert "Baseline: 0 new, 1 unchanged, 0 gone." in done.out
