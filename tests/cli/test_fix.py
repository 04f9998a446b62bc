"""``lintmodel fix``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import lintmodel
from lintmodel.fixing import ABSENT, TextEdit, changed, diff, edited, overlaps

if TYPE_CHECKING:
    from conftest import Run

FIXTURES = Path(__file__).resolve().parents[2] / "fixtures"
RESIDUAL = FIXTURES / "ai8x" / "stray-write-gap.yaml"
GIVEN = ("--target", "max78000", "--input-shape", "4x16x16")


def comments(text: str) -> list[str]:
    return [line.partition("#")[2] for line in text.splitlines() if "#" in line]


def verdict(path: Path) -> tuple[str, list[str]]:
    report = lintmodel.check(path, "max78000", input_shapes={"input": (4, 16, 16)})
    return report.verdict, [finding.rule for finding in report.findings if finding.rule == "AIX331"]


def one_layer(path: Path, *lines: str, first: str = "op: conv2d") -> Path:
    """Two layers, the second with the lines given."""
    text = f"arch: a\ndataset: d\nlayers:\n  - {first}\n    processors: 0xf\n    output_processors: 0xf\n"
    text += "    out_offset: 0x2000\n    kernel_size: 3x3\n    pad: 1\n    out_channels: 4\n    in_channels: 4\n"
    text += "    activate: ReLU\n" + "\n".join(lines) + "\n"
    path.write_text(text)
    return path


SECOND = ("  - op: conv2d  # second", "    activate: ReLU", "    out_channels: 4")


# ---- the residual network with two defects


def test_the_diff_is_what_mends_it_and_nothing_else(run: Run) -> None:
    before = RESIDUAL.read_bytes()
    done = run("fix", RESIDUAL, *GIVEN, "--unsafe-fixes", "--diff")
    assert done.code == 1
    lines = [line for line in done.out.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]
    assert lines == [
        "-    write_gap: 1  # not wanted by copy",
        "+    # not wanted by copy",
        "+    in_sequences: stem",
        "+    in_offset: 0x0000",
    ]
    assert "2 places would be fixed" in done.err
    assert RESIDUAL.read_bytes() == before


def test_the_mended_file_is_clean_and_has_every_comment(run: Run, tmp_path: Path) -> None:
    before = RESIDUAL.read_text()
    mended = tmp_path / "mended.yaml"
    assert verdict(RESIDUAL) == ("miscompiled", ["AIX331", "AIX331"])
    assert run("fix", RESIDUAL, *GIVEN, "--unsafe-fixes", "-o", mended).code == 0
    assert verdict(mended)[1] == [] and verdict(mended)[0] != "miscompiled"
    assert comments(mended.read_text()) == comments(before)
    assert RESIDUAL.read_text() == before
    again = run("fix", mended, *GIVEN, "--unsafe-fixes", "--diff")
    assert (again.code, again.out) == (0, "")


def test_unsafe_fixes_are_hidden_and_a_new_file_is_written(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    path.write_bytes(RESIDUAL.read_bytes())
    done = run("fix", path, *GIVEN)
    assert done.code == 1
    assert "nothing fixed; 2 more with --unsafe-fixes; 2 errors stay" in done.out
    assert run("fix", path, *GIVEN, "--in-place").code == 1
    assert path.read_bytes() == RESIDUAL.read_bytes() and [p.name for p in tmp_path.iterdir()] == ["network.yaml"]
    done = run("fix", path, *GIVEN, "--unsafe-fixes")
    assert done.code == 0
    assert done.out.startswith(f"{path}:26:16: AIX331 layers.1: write_gap taken away")
    assert f"2 places fixed in {tmp_path / 'network.fixed.yaml'}" in done.out
    assert path.read_bytes() == RESIDUAL.read_bytes()
    assert verdict(tmp_path / "network.fixed.yaml")[1] == []


def test_two_targets_and_chosen_rules(run: Run, tmp_path: Path) -> None:
    given = ("--target", "max78000,max78002", "--input-shape", "4x16x16", "--unsafe-fixes", "--diff")
    done = run("fix", RESIDUAL, *given)
    assert done.code == 1 and "2 places would be fixed" in done.err
    assert run("fix", RESIDUAL, *given, "--ignore", "AIX331").out == ""
    path = tmp_path / "network.yaml"
    path.write_bytes(RESIDUAL.read_bytes())
    (tmp_path / "lintmodel.toml").write_text('[per-node-ignores]\n"copy" = ["AIX331"]\n')
    assert "write_gap: 1  # not wanted" not in run("fix", path, *given).out
    (tmp_path / "lintmodel.toml").write_text('[per-file-ignores]\n"*.yaml" = ["AIX331"]\n')
    assert run("fix", path, *given).out == ""


def test_check_fix_mends_in_place_and_reports_on_the_rest(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    path.write_bytes(RESIDUAL.read_bytes())
    shown = run("check", path, *GIVEN, "--unsafe-fixes", "--diff")
    assert shown.code == 1 and "+    in_sequences: stem" in shown.out and path.read_bytes() == RESIDUAL.read_bytes()
    done = run("check", path, *GIVEN, "--fix", "--unsafe-fixes", "--exit-non-zero-on-fix")
    assert done.code == 1 and "AIX331" not in done.out and "2 places fixed" in done.err
    assert verdict(path)[1] == []
    done = run("check", path, *GIVEN, "--fix", "--unsafe-fixes", "--exit-non-zero-on-fix")
    assert (done.code, done.err) == (0, "")


def test_in_place_keeps_line_ends_and_byte_order_mark(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "network.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + RESIDUAL.read_bytes().replace(b"\n", b"\r\n"))
    assert run("fix", path, *GIVEN, "--unsafe-fixes", "--in-place").code == 0
    found = path.read_bytes()
    assert found.startswith(b"\xef\xbb\xbf#") and b"in_sequences: stem\r\n" in found
    assert found.count(b"\n") == found.count(b"\r\n")
    assert verdict(path)[1] == []


def test_a_producer_without_a_name_gets_one(run: Run, tmp_path: Path) -> None:
    path, mended = tmp_path / "network.yaml", tmp_path / "mended.yaml"
    path.write_text(RESIDUAL.read_text().replace("  - name: stem\n    out_offset", "  - out_offset"))
    assert run("fix", path, *GIVEN, "--unsafe-fixes", "-o", mended).code == 0
    text = mended.read_text()
    assert "  - name: out1\n    out_offset: 0x0\n" in text and "    in_sequences: out1\n" in text
    assert verdict(mended)[1] == []


# ---- other repairs


def test_defaults_are_safe_and_change_nothing(run: Run, tmp_path: Path) -> None:
    rest = ("    kernel_size: 3x3", "    pad: 1", "    max_pool: 2", "    processors: 0xf", "    out_offset: 0")
    path = one_layer(tmp_path / "n.yaml", *SECOND, *rest, first="activation: none")
    text = path.read_text().replace("    activate: ReLU\n", "", 1)
    path.write_text(text)
    mended = tmp_path / "m.yaml"
    run("fix", path, *GIVEN, "-o", mended)
    assert "  - op: conv2d\n    activation: none\n" in mended.read_text()
    assert "    pool_stride: 1\n" in mended.read_text() or "  - pool_stride: 1\n" in mended.read_text()
    assert "# second" in mended.read_text()


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        (("    kernel_size: 1x1", "    processors: 0xf", "    out_offset: 0"), "pad: 0\n"),
        (("    kernel_size: 3x3", "    pad: 1", "    processors: 0x7", "    out_offset: 0"), "0x000000000000000f\n"),
        (("    kernel_size: 3x3", "    pad: 1", "    processors: 0xf", "    out_offset: 0x2000"), "out_offset: 0x0000"),
        (("    kernel_size: 3x3", "    pad: 1", "    processors: 0xf", "    in_offset: 0x1000"), "in_offset: 0x2000"),
    ],
)
def test_what_is_refused_is_mended_on_request_only(
    run: Run, tmp_path: Path, lines: tuple[str, ...], wanted: str
) -> None:
    path, mended = one_layer(tmp_path / "n.yaml", *SECOND, *lines), tmp_path / "m.yaml"
    run("fix", path, *GIVEN, "-o", mended)
    assert wanted not in mended.read_text().partition("# second")[2]
    assert run("fix", path, *GIVEN, "--unsafe-fixes", "-o", mended).code == 0
    assert wanted in mended.read_text().partition("layers")[2] and "# second" in mended.read_text()
    assert lintmodel.check(mended, "max78000", input_shapes={"input": (4, 16, 16)}).verdict not in (
        "rejected",
        "miscompiled",
    )


def test_layers_in_braces_are_left_alone(run: Run, tmp_path: Path) -> None:
    path = one_layer(tmp_path / "n.yaml", "  - {op: conv2d, kernel_size: 1x1, processors: 0xf, out_channels: 4}")
    done = run("fix", path, *GIVEN, "--unsafe-fixes", "--diff")
    assert done.out == ""


def test_layers_that_are_none_are_left_alone(run: Run, tmp_path: Path) -> None:
    path = one_layer(tmp_path / "n.yaml", "  - word", "  - kernel_size: 1x1", "    processors: 0xf")
    done = run("fix", path, *GIVEN, "--unsafe-fixes", "--diff")
    assert (done.code, done.out) == (0, "") and "bug" not in done.err


# ---- mistakes


def test_what_fix_does_not_take(run: Run, tmp_path: Path) -> None:
    done = run("fix", RESIDUAL, *GIVEN, "--diff", "--in-place")
    assert done.code == 2 and "--diff and --in-place exclude each other" in done.err
    done = run("fix", RESIDUAL, *GIVEN, "-o", RESIDUAL)
    assert done.code == 2 and "--in-place writes over it" in done.err
    done = run("fix", RESIDUAL, "--target", "k210")
    assert done.code == 2 and "is not made for target k210" in done.err
    assert run("fix", "--target", "k210").code == 2


# ---- the engine


def test_edits() -> None:
    assert edited("abc", [TextEdit(1, 1, "x"), TextEdit(1, 2, "y"), TextEdit(1, 1, "z")]) == "axzyc"
    with pytest.raises(ValueError, match="overlaps"):
        edited("abc", [TextEdit(0, 2, ""), TextEdit(1, 3, "")])
    assert overlaps([TextEdit(0, 2, "")], [TextEdit(1, 3, "")])
    assert overlaps([TextEdit(1, 1, "x")], [TextEdit(0, 3, "")])
    assert not overlaps([TextEdit(1, 1, "x")], [TextEdit(1, 1, "y"), TextEdit(1, 2, "z")])


def test_changes_do_not_touch_the_values_they_are_made_of() -> None:
    values = {"layers": [{"a": 1, "b": 2}]}
    assert changed(values, [("layers.0.a", ABSENT), ("layers.0.c", 3)]) == {"layers": [{"b": 2, "c": 3}]}
    assert values == {"layers": [{"a": 1, "b": 2}]}


def test_diff_of_a_text_without_a_last_line_end() -> None:
    assert diff("f", "a\nb", "a\nc").endswith("-b\n\\ No newline at end of file\n+c\n\\ No newline at end of file\n")
    assert diff("f", "a", "a") == ""


def test_a_repair_that_hides_what_it_mends_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each proposal is wrong in its own way: other values than it says, an error more, a problem that stays, and a
    safe one that changes the network."""
    from lintmodel.api import read_model
    from lintmodel.fixing import Repair, mend
    from lintmodel.ir import Document
    from lintmodel.rules import ai8x
    from lintmodel.target import load_target

    document = read_model(RESIDUAL, {"input": (4, 16, 16)})
    assert isinstance(document, Document)
    at = document.text.index("write_gap: 1  # not wanted") + len("write_gap: ")

    def repair(new: str, value: int, safety: str, mends: str | None) -> Repair:
        edit = (TextEdit(at, at + 1, new),)
        return Repair("AIX331", safety, "", "layers.1", edit, (("layers.1.write_gap", value),), mends)

    proposals = [
        repair("0", 1, "unsafe", "reads-wrong-memory"),
        repair("99", 99, "unsafe", None),
        repair("2", 2, "unsafe", "reads-wrong-memory"),
        repair("0", 0, "safe", "reads-wrong-memory"),
        repair("[", 0, "unsafe", None),
    ]
    monkeypatch.setattr(ai8x, "fixes", lambda *_: iter(proposals))
    assert mend(document, load_target("max78000"), unsafe=True).repairs == ()
    proposals.append(repair("0", 0, "unsafe", "reads-wrong-memory"))
    done = mend(document, load_target("max78000"), unsafe=True)
    assert done.repairs == (proposals[-1],) and "write_gap: 0  # not wanted" in done.text
