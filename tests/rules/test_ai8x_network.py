"""ai8x: defaults, channels and dimensions of a description, and what its memories hold."""

from __future__ import annotations

from typing import Any

import pytest

from lintmodel import api
from lintmodel.ir import Document
from lintmodel.rules.ai8x.bias_memory import bias_memory
from lintmodel.rules.ai8x.example import described
from lintmodel.rules.ai8x.kernel_memory import kernel_memory
from lintmodel.rules.ai8x.network import Network, passes, processors_for
from lintmodel.rules.ai8x.resolve import resolve
from lintmodel.target import Target, load_target

CONV1D = {"op": "conv1d", "kernel_size": 3}
FULL = 2**64 - 1


def chip(name: str = "max78000", args: str = "") -> Target:
    return load_target(name, options={"izer_args": args})


def resolved(document: Document, name: str = "max78000", args: str = "") -> Network:
    return resolve(document, chip(name, args))


def findings(document: Document, name: str = "max78000", args: str = "") -> list[str]:
    report = api.check_graph(document, chip(name, args))
    return [finding.rule for finding in report.findings if str(finding.level) == "error"]


def test_channels_and_dimensions_are_traced() -> None:
    network = resolved(described({"output_processors": 0xFF}, {"max_pool": 2, "pool_stride": 2}, weights=_two()))
    first, second = network.layers
    assert (first.in_channels, first.out_channels, first.in_dim, first.out_dim) == (4, 8, (8, 8), (8, 8))
    assert (second.in_channels, second.pooled_dim, second.out_dim) == (8, (4, 4), (4, 4))
    assert network.known and network.unknown == ()


def _two() -> dict[str, Any]:
    return {"a.op.weight": (8, 4, 3, 3), "b.op.weight": (4, 8, 3, 3)}


def test_offsets_and_masks_have_izers_defaults() -> None:
    network = resolved(described({"out_offset": 0x1000}, {"processors": 0xF0}, {"in_sequences": [0]}))
    assert network.layers[0].output_processors == 0xF0
    assert network.layers[1].in_offset == 0x1000
    assert network.layers[2].in_offset == network.layers[1].out_offset, "the layer before, not the one that is read"
    assert network.layers[2].output_processors == 0xF, "packed from processor 0 on"


def test_a_conv1d_without_pad_takes_the_columns_padding_from_all_layers_without_pad() -> None:
    network = resolved(described({"pad": None}, {**CONV1D, "pad": None}))
    assert network.layers[0].pad == (1, 0)
    assert network.layers[0].out_dim == (8, 6)
    assert resolved(described({"pad": None}, {**CONV1D, "pad": 1})).layers[0].pad == (1, 1)


def test_names_and_the_input_can_be_read() -> None:
    network = resolved(described({"name": "Stem"}, {}, {"in_sequences": ["input", "stem"], "processors": 0xFF}))
    assert network.layers[2].in_sequences == (-1, 0)
    assert network.layers[2].in_channels == 8


def test_flatten_divides_the_channels_by_the_pixels() -> None:
    layer = {"op": "linear", "flatten": True, "kernel_size": None, "pad": None}
    found = resolved(described(layer, weights={"fc.op.weight": (10, 256)})).layers[0]
    assert (found.in_channels, found.out_channels, found.out_dim) == (4, 10, (1, 1))


@pytest.mark.parametrize(
    ("channels", "turns", "share"), [(3, 1, 3), (64, 1, 64), (65, 2, 36), (100, 2, 52), (192, 3, 64)]
)
def test_processors_for_channels(channels: int, turns: int, share: int) -> None:
    assert (passes(channels), processors_for(channels)) == (turns, share)


def test_missing_input_and_checkpoint_are_said_and_leave_the_verdict_open() -> None:
    bare = Document("bare.yaml", "ai8x", described().values)
    report = api.check_graph(bare, chip())
    assert report.verdict == "unknown"
    assert len({item.why for item in report.not_checked}) >= 2
    assert "weights" not in report.plan.memory


def test_a_mask_without_doubt_gives_the_channels() -> None:
    bare = Document("bare.yaml", "ai8x", described({"output_processors": 0xFF}).values, input_shape=(4, 8, 8))
    assert resolved(bare).layers[0].out_channels == 8
    wide = Document("wide.yaml", "ai8x", described({"output_processors": FULL}).values, input_shape=(4, 8, 8))
    assert resolved(wide).layers[0].out_channels is None, "64 processors are 64 channels or a multiple"


@pytest.mark.parametrize(("bits", "words"), [(8, 64), (4, 32), (2, 16), (1, 8)])
def test_kernel_words_follow_the_bits(bits: int, words: int) -> None:
    layer = {"processors": FULL, "output_processors": FULL, "quantization": bits}
    found = resolved(described(layer, shape=(64, 8, 8), weights={"a.op.weight": (64, 64, 3, 3)}))
    memory = kernel_memory(found, chip())
    assert memory.words[0] == words
    assert sum(memory.bytes.values()) == 64 * 64 * 9 * bits // 8


def test_gaps_in_the_output_mask_cost_words() -> None:
    packed = resolved(described({"output_processors": 0xF}))
    gapped = resolved(described({"output_processors": 0x1111}))
    assert kernel_memory(packed, chip()).words[0] == 4
    assert kernel_memory(gapped, chip()).words[0] == 13


def test_layers_begin_at_multiples_of_four_words() -> None:
    weights = {"a.op.weight": (5, 4, 3, 3), "b.op.weight": (4, 5, 3, 3)}
    found = resolved(described({"output_processors": 0x1F}, {"processors": 0x1F}, weights=weights))
    assert kernel_memory(found, chip()).offsets == {0: 0, 1: 8}


def test_biases_go_to_the_emptiest_quadrant() -> None:
    full = {"processors": FULL, "output_processors": FULL}
    weights: dict[str, tuple[int, ...]] = {}
    for name in "abc":
        weights |= {f"{name}.op.weight": (64, 64, 3, 3), f"{name}.op.bias": (64,)}
    found = resolved(described(full, full, full, shape=(64, 8, 8), weights=weights))
    assert sorted(bias_memory(found, chip()).used) == [0, 64, 64, 64]


def test_every_refusal_is_said_at_its_layer() -> None:
    report = api.check_graph(described({"stride": 2}, {"pad": 3, "dilation": 2}), chip())
    said = {(finding.rule, finding.node) for finding in report.findings if finding.rule < "AIX2"}
    assert said == {("AIX101", "layer 0"), ("AIX102", "layer 1"), ("AIX102", "layer 1"), ("AIX103", "layer 1")}
    assert report.verdict == "rejected"


@pytest.mark.parametrize(
    ("layer", "args", "rule"),
    [
        (
            {"streaming": True, "op": "passthrough", "activate": None, "kernel_size": None, "pad": None},
            "--fifo",
            "AIX223",
        ),
        ({**CONV1D, "processors": 0xFFFFFFFFF}, "", "AIX102"),
    ],
)
def test_what_only_the_larger_chip_refuses(layer: dict[str, Any], args: str, rule: str) -> None:
    wide = layer["op"] == "conv1d"
    shape, weights = ((68, 8, 1), {"a.op.weight": (4, 68, 3)}) if wide else ((4, 8, 8), {})
    document = described(layer, shape=shape, weights=weights)
    assert rule in findings(document, "max78002", args)
    assert not (wide and rule in findings(document, "max78000", args))


def test_depthwise_layers_are_the_larger_chips() -> None:
    document = described({"groups": 4}, weights={"a.op.weight": (4, 1, 3, 3)})
    assert "AIX104" in findings(document)
    assert findings(document, "max78002") == []


def test_the_verdict_of_a_clean_description() -> None:
    report = api.check_graph(described({}, {}), chip())
    assert (report.verdict, report.fits) == ("accepted", "yes")
    assert [step.details["kernel_words"] for step in report.plan.steps] == [4, 4]
    assert report.plan.memory["weights"].peak == 2 * 4 * 4 * 9


def test_a_wrong_read_is_miscompiled() -> None:
    assert api.check_graph(described({}, {}, {"in_offset": 0x1000}), chip()).verdict == "miscompiled"


def test_streaming_buffers_keep_clear_of_each_other() -> None:
    stream = {"streaming": True}
    near = described({**stream, "out_offset": 0x10}, {**stream, "in_offset": 0, "out_offset": 0x2000})
    far = described({**stream, "out_offset": 0x1000}, {**stream, "out_offset": 0x2000})
    assert "AIX224" in findings(near, args="--fifo")
    assert "AIX224" not in findings(far, args="--fifo")
