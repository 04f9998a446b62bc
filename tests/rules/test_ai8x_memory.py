"""Data memory of ai8x networks: what the replay finds, what it names as the cause, and what it lets alone."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import lintmodel
from lintmodel.ir import Document
from lintmodel.rules.ai8x.data_memory import data_memory
from lintmodel.rules.ai8x.example import described
from lintmodel.rules.ai8x.placement import overwrites
from lintmodel.rules.ai8x.replay import ReadError, address_errors, replay
from lintmodel.rules.ai8x.resolve import resolve
from lintmodel.target import load_target

RESIDUAL = Path(__file__).parents[2] / "fixtures" / "ai8x" / "stray-write-gap.yaml"
SHAPE = (4, 8, 8)


def errors(document: Document, target: str = "max78000", args: str = "") -> list[ReadError]:
    chip = load_target(target).with_options({"izer_args": args})
    return address_errors(resolve(document, chip), chip)


def causes(*layers: dict[str, Any], target: str = "max78000", **more: Any) -> list[tuple[int, tuple[str, ...], int]]:
    return [(error.layer, error.causes, error.by) for error in errors(described(*layers, **more), target)]


# ---- a residual network as people write them


def mended(text: str) -> str:
    text = text.replace("    write_gap: 1  # not wanted by copy\n", "")
    return text.replace(
        "    processors: 0x00f0  # block 1", "    in_sequences: stem\n    in_offset: 0x0\n    processors: 0x00f0"
    )


def test_the_seeds_defect_is_found_at_its_layers_and_named(tmp_path: Path) -> None:
    report = lintmodel.check(RESIDUAL, "max78000", input_shapes={"input": (4, 16, 16)})
    found = [f for f in report.findings if f.rule == "AIX331"]
    assert [f.node for f in found] == ["copy", "block"]
    assert "stem) has write_gap 1, which no layer that reads it wants" in found[0].message
    assert "(copy) leaves gaps (write_gap 1) for layer 4" in found[1].message
    assert "lies without them at in_offset 0x0000" in found[1].message
    assert "`read_gap` 0 does not match the `write_gap` 1 of layer 1 (stem)" in (found[0].vendor_message or "")
    text = RESIDUAL.read_text().splitlines()
    lines = [f.location.line for f in found if f.location]
    assert len(lines) == 2 and lines[0] is not None and "not wanted by copy" in text[lines[0] - 1]


def test_the_repaired_network_is_clean(tmp_path: Path) -> None:
    repaired = tmp_path / "repaired.yaml"
    repaired.write_text(mended(RESIDUAL.read_text()))
    report = lintmodel.check(repaired, "max78000", input_shapes={"input": (4, 16, 16)})
    assert [f.message for f in report.findings if f.rule == "AIX331"] == []
    assert report.verdict != "miscompiled"


# ---- causes


def test_a_chain_is_clean_on_both_chips() -> None:
    for target in ("max78000", "max78002"):
        chip = load_target(target)
        network = resolve(described({}, {}, {}), chip)
        assert replay(network, chip) == replay(network, chip)
        assert replay(network, chip).checked == 3 and replay(network, chip).errors == ()


def test_a_gap_that_nobody_wants() -> None:
    (error,) = errors(described({}, {"write_gap": 1}, {}))
    assert (error.layer, error.causes, error.by) == (2, ("stray-gap",), 1)
    assert (error.wrong, error.read) == (4 * 63, 4 * 64), "only the first pixel is where it is looked for"
    assert (error.processor, error.address, error.channel, error.pixel) == (0, 4, 0, 1)


def test_a_read_gap_that_fits_is_right() -> None:
    assert causes({}, {"write_gap": 1}, {"read_gap": 1}, target="max78002") == []


def test_a_wrong_offset() -> None:
    assert causes({}, {}, {"in_offset": 0x1000}) == [(2, ("offset",), 1)]


def test_another_layers_offset_by_default() -> None:
    layers = ({"name": "a"}, {}, {"in_sequences": "a", "out_offset": 0x4000})
    assert causes(*layers) == [(2, ("offset",), 0)]


def test_other_processors() -> None:
    assert causes({}, {"output_processors": 0xF0}, {"processors": 0xF}) == [(2, ("processors",), 1)]


def test_two_causes_at_once() -> None:
    found = causes({}, {"output_processors": 0xF0, "write_gap": 1}, {"processors": 0xF, "in_offset": 0x1000})
    assert found == [(2, ("stray-gap", "offset", "processors"), 1)]


def test_a_map_overwritten_while_it_is_needed() -> None:
    late = {"in_sequences": "kept", "in_offset": 0x2000, "out_offset": 0x4000}
    found = errors(described({"name": "kept"}, {}, {}, late))
    assert [(e.layer, e.causes, e.by) for e in found] == [(3, ("overwritten",), 2)]
    assert found[0].holds is not None and found[0].holds.layer == 2


def concatenation(*names: str) -> tuple[dict[str, Any], ...]:
    second = {"name": "b", "in_sequences": "input", "in_offset": 0, "output_processors": 0xF0, "out_offset": 0x2000}
    both = {"in_sequences": list(names), "processors": 0xFF, "in_offset": 0x2000, "out_offset": 0x4000}
    return {"name": "a"}, second, both


def test_order_of_a_concatenation() -> None:
    weights = {"a.op.weight": (4, 4, 3, 3), "b.op.weight": (4, 4, 3, 3), "c.op.weight": (4, 8, 3, 3)}
    assert causes(*concatenation("a", "b"), weights=weights) == []
    assert causes(*concatenation("b", "a"), weights=weights) == [(2, ("order",), 1)]


def residual(first: int = 0x2000, second: int = 0x2004, gap: int = 1) -> tuple[dict[str, Any], ...]:
    one = {"name": "a", "out_offset": first, "write_gap": gap}
    two = {"name": "b", "in_sequences": "input", "in_offset": 0, "out_offset": second, "write_gap": gap}
    return one, two, {"in_sequences": ["a", "b"], "in_offset": 0x2000, "eltwise": "add", "out_offset": 0x4000}


def test_operands_of_an_element_wise_layer() -> None:
    assert causes(*residual()) == []
    assert [cause[1] for cause in causes(*residual(second=0x3000, gap=0))] == [("operand-gap",)]


# ---- what is read


def test_bytes_that_a_pool_steps_over_do_not_matter() -> None:
    """The last row and column of 9x9 are never looked at by a pool of 2x2 with stride 2."""
    pooled = {"in_sequences": "input", "in_offset": 0, "max_pool": 2, "pool_stride": 2, "out_offset": 0x4000}
    last_row = 9 * 8 * 4
    over = {"out_offset": last_row, "max_pool": 9, "kernel_size": "1x1", "pad": 0}
    weights = {"a.op.weight": (4, 4, 1, 1), "b.op.weight": (4, 4, 3, 3)}
    assert causes(over, pooled, weights=weights, shape=(4, 9, 9)) == []
    assert causes({**over, "out_offset": last_row - 8}, pooled, weights=weights, shape=(4, 9, 9)) != []


def test_planes_of_a_chw_input_are_followed() -> None:
    chip = load_target("max78000")
    network = resolve(described({"data_format": "CHW", "processors": 0x1111, "output_processors": 0xF}, {}), chip)
    assert replay(network, chip).checked == 2
    assert replay(network, chip).errors == ()


def test_several_passes() -> None:
    weights = {"a.op.weight": (100, 4, 3, 3), "b.op.weight": (4, 100, 3, 3)}
    wide = (1 << 52) - 1
    layers = ({"output_processors": wide}, {"processors": wide, "out_offset": 0x4000})
    assert causes(*layers, weights=weights) == []
    assert causes(layers[0], {**layers[1], "in_offset": 0x2004}, weights=weights) == [(1, ("offset",), 0)]


@pytest.mark.parametrize(("offset", "found"), [(0x2110, [(2, ("overwritten",), 1)]), (0x2200, [])])
def test_a_dilated_conv1d_also_writes_before_its_output(offset: int, found: list[Any]) -> None:
    """9 values of 4 bytes, over the last of what layer 0 has written."""
    plain = {"op": "conv1d", "kernel_size": 1, "pad": 0}
    dilated = {"op": "conv1d", "kernel_size": 3, "pad": 0, "dilation": 9, "out_offset": offset}
    again = {**plain, "in_sequences": "kept", "in_offset": 0x2000, "out_offset": 0x4000}
    weights = {"a.op.weight": (4, 4, 1), "b.op.weight": (4, 4, 3), "c.op.weight": (4, 4, 1)}
    layers = ({**plain, "name": "kept"}, dilated, again)
    assert causes(*layers, weights=weights, shape=(4, 64, 1)) == found


# ---- what is not said


def unchecked(document: Document, args: str = "") -> list[str]:
    chip = load_target("max78000").with_options({"izer_args": args})
    return [item.why for item in replay(resolve(document, chip), chip).unchecked]


def test_what_is_not_replayed_is_said() -> None:
    (why,) = unchecked(replace(described({}, {}), input_shape=None))
    assert "shape" in why
    assert "a FIFO" in unchecked(described({}), "--fifo")[0]
    assert any("rolling" in why for why in unchecked(described({"streaming": True}, {"streaming": True}), "--fifo"))
    assert any("over its own input" in why for why in unchecked(described({"out_offset": 0x80}), "--overlap-data"))
    assert unchecked(described({}, {}), "--overlap-data") == []
    assert any("32 bits" in why for why in unchecked(described({"output_width": 32, "activate": None}, {})))
    assert any("output processors" in why for why in unchecked(described({}, {"output_processors": 7}, {})))


def test_not_replayed_reaches_the_report_with_its_layers() -> None:
    chip = load_target("max78000")
    _, said = data_memory(resolve(described({"output_width": 32, "activate": None, "name": "wide"}, {}), chip), chip)
    assert [item.nodes for item in said] == [("layer 1",)]


# ---- what the tool itself refuses


def over(*layers: dict[str, Any], target: str = "max78000", args: str = "", **more: Any) -> list[tuple[int, int, str]]:
    chip = load_target(target).with_options({"izer_args": args})
    return [(o.layer, o.before, f"{o.address:#x}") for o in overwrites(resolve(described(*layers, **more), chip), chip)]


def test_output_over_the_input() -> None:
    assert over({"out_offset": 0x80}) == [(0, -1, "0x400080")]
    assert over({"out_offset": 0x80}, target="max78002") == [(0, -1, "0x1800080")]
    assert over({"out_offset": 0x100}) == [], "the input ends at 0x100"
    assert over({"out_offset": 0x80}, args="--overlap-data") == []


def test_the_words_of_another_quadrant_are_not_these() -> None:
    assert over({"processors": 0xF, "output_processors": 0xF0000, "out_offset": 0}) == []
    assert over({"processors": 0xF0000, "output_processors": 0xF0000, "out_offset": 0}) == [(0, -1, "0x800000")]


def test_one_lane_of_a_word_counts_for_all() -> None:
    weights = {"a.op.weight": (2, 2, 3, 3)}
    layer = {"processors": 0x3, "output_processors": 0xC, "out_offset": 0}
    assert over(layer, shape=(2, 8, 8), weights=weights) == [(0, -1, "0x400000")]


def test_the_tool_forgets_older_maps() -> None:
    """Which is why the replay is needed."""
    late = {"in_sequences": "kept", "in_offset": 0x2000, "out_offset": 0x4000}
    assert over({"name": "kept"}, {}, {}, late) == []
    kept = {"name": "kept", "output": True}
    assert [found[:2] for found in over(kept, {}, {}, late)] == [(2, 0)]


def test_gaps_reach_further_and_the_fifo_leaves_memory_alone() -> None:
    assert over({"out_offset": 0x2000, "write_gap": 1}, {"out_offset": 0x2100}) == [(1, 0, "0x402100")]
    between = {"out_offset": 0x2104, "write_gap": 1}
    assert over({"out_offset": 0x2000, "write_gap": 1}, between) == [], "between the words of layer 0"
    assert over({"out_offset": 0x80}, args="--fifo") == []


@pytest.mark.parametrize("target", ["max78000", "max78002"])
def test_it_takes_under_a_second(target: str) -> None:
    wide = (1 << 64) - 1
    names = {f"l{number}.op.weight": (64, 64, 3, 3) for number in range(32)}
    layers = [{"processors": wide, "output_processors": wide, "out_offset": 0x4000 * (1 - n % 2)} for n in range(32)]
    chip = load_target(target)
    network = resolve(described(*layers, weights=names, shape=(64, 64, 64)), chip)
    start = time.perf_counter()
    assert replay(network, chip).checked == 32
    assert overwrites(network, chip) == []
    assert time.perf_counter() - start < 1
