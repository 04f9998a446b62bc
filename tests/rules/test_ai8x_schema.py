"""What is said of the YAML and of the checkpoint, against the words and values that izer takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lintmodel.api import read_model
from lintmodel.ir import Document, StoredTensor
from lintmodel.planning import Refusal
from lintmodel.rules.ai8x import checkpoint_rules, schema
from lintmodel.rules.ai8x.example import described
from lintmodel.rules.ai8x.resolve import resolve
from lintmodel.target import load_target

CHIP, BIG = load_target("max78000"), load_target("max78002")


def refused(document: Document) -> list[Refusal]:
    return list(schema.refusals(document, CHIP))


def said(document: Document) -> list[tuple[str, str, str | None]]:
    return [(r.kind, r.details["key"], r.vendor_message) for r in refused(document)]


IN = " (found in layer sequence 0 in YAML configuration)."


@pytest.mark.parametrize(
    ("layer", "kind", "key", "message"),
    [
        ({"quantization": 5}, "value-range", "quantization", "`quantization` must be 1, 2, 4, 8 or bin/binary" + IN),
        ({"pad": -1}, "value-range", "pad", "Unsupported value -1 for `pad`" + IN),
        ({"in_dim": [1, 2, 3]}, "value-range", "in_dim", "`in_dim` must be an integer or list not exceeding two dim"),
        ({"eltwise": "add", "operands": 17}, "value-range", "operands", "`operands` has to be 2..16" + IN),
        ({"eltwise": "mul", "operands": 3}, "unknown-word", "eltwise", 'Unknown value "mul" for `eltwise`' + IN),
        ({"op": "linear"}, "kernel-size", "kernel_size", "Cannot configure `kernel_size` for fully connected layers"),
        ({"op": "passthrough"}, "kernel-size", "kernel_size", "Unsupported value `3x3` for `kernel_size`" + IN),
        ({"op": "convtranspose2d", "stride": 1}, "stride-value", "stride", "Cannot set `stride` to non-default value"),
        ({"op": "none", "dilation": 2, "kernel_size": None}, "key-without-use", "dilation", "`dilation` requires a co"),
        ({"pool_dilation": 2}, "key-without-use", "pool_dilation", "`pool_dilation` requires pooling" + IN),
        ({"groups": 1, "conv_groups": 1}, "duplicate-key", "groups:key", "Duplicate key for `conv_groups`/`groups`"),
        ({"read_gap": 1, "in_skip": 1}, "duplicate-key", "read_gap:key", "Duplicate key for `in_skip`/`read_gap`"),
        ({"processors": 0}, "processors-missing", "processors", "`processors` must be an int from 1 to 2**64-1" + IN),
        ({"processors": 1 << 64}, "processors-missing", "processors", "`processors` must be an int from 1 to"),
        ({"processors": "0x12.zz"}, "processors-missing", "processors", "`processors` must be an int from 1 to"),
        ({"buffer_shift": 1}, "key-without-use", "buffer_shift", "The `buffer_shift` operation requires the name"),
        ({"buffer_shift": 0, "in_sequences": 0}, "value-range", "buffer_shift", "`buffer_shift` must be a positive"),
        ({"name": "Input"}, "layer-name", "name", "Duplicate layer name Input  for `name`" + IN),
        (
            {"next_sequence": "end"},
            "unknown-layer",
            "next_sequence",
            "Could not find the `next_sequence` layer name `end`",
        ),
        (
            {"in_sequences": ["input", "c"]},
            "unknown-layer",
            "in_sequences.1",
            "Could not find the `in_sequences` layer",
        ),
    ],
)
def test_one_mistake_is_one_refusal_at_its_key(layer: Mapping[str, Any], kind: str, key: str, message: str) -> None:
    [(found, where, words)] = said(described(layer))
    assert (found, where) == (kind, f"layers.0.{key}")
    assert words is not None
    assert words.startswith(message)


@pytest.mark.parametrize(
    "layer",
    [
        {"quantization": "Binary"},
        {"op": "FC", "kernel_size": None, "pad": None},
        {"op": "conv1d", "kernel_size": 1},
        {"op": "passthrough", "kernel_size": None},
        {"op": "convtranspose2d", "stride": 2},
        {"op": "bitwise_xor", "kernel_size": None, "operands": 16},
        {"eltwise": "add", "max_pool": 2, "pool_first": False},
        {"avg_pool": [2, 1], "pool_stride": [2, 1], "stride": [1, 1]},
        {"processors": "0xffff.ffff.ffff.ffff", "output_processors": (1 << 64) - 1},
        {"next_sequence": "STOP", "in_sequences": ["INPUT"]},
        {"in_dim": 16, "in_offset": None, "output_shift": -2, "write_gap": 1},
        {"name": "a", "weight_source": "A"},
    ],
)
def test_what_izer_takes_is_not_refused(layer: Mapping[str, Any]) -> None:
    assert said(described(layer)) == []


@pytest.mark.parametrize(
    "layer",
    [
        {"pad": [1, 1]},
        {"out_offset": "0x2000"},
        {"max_pool": [2]},
        {"name": 5},
        {"op": None, "operator": 3},
        "conv2d",
        7,
    ],
)
def test_other_kinds_of_values_crash_izer(layer: Any) -> None:
    document = described(layer) if isinstance(layer, Mapping) else described()
    if not isinstance(layer, Mapping):
        document = replace(document, values={**document.values, "layers": [layer]})
    [refusal] = refused(document)
    assert (refusal.kind, refusal.details["grade"]) == ("wrong-type", "crashes")


def test_all_mistakes_of_a_file_are_found_at_once() -> None:
    document = described({"padding": 1, "kernel_size": "5x5"}, {"activate": "swish", "processors": None}, extra=1)
    kinds = [kind for kind, _, _ in said(document)]
    assert sorted(kinds) == ["kernel-size", "processors-missing", "unknown-key", "unknown-key", "unknown-word"]


def test_every_unknown_key_has_its_own_place_and_izers_one_message() -> None:
    first, second = said(described({"padding": 1, "bits": 4}))
    assert first[:2] == ("unknown-key", "layers.0.padding:key")
    assert second[:2] == ("unknown-key", "layers.0.bits:key")
    words = "Configuration file example.yaml contains unknown key(s) for `layers`: {'padding', 'bits'}."
    assert first[2] == second[2] == words


@pytest.mark.parametrize("value", [None, [], "conv", {"a": 1}])
def test_layers_that_are_no_list_are_said_once(value: Any) -> None:
    document = described()
    [refusal] = refused(replace(document, values={**document.values, "layers": value}))
    assert (refusal.kind, refusal.details["key"]) == ("wrong-type", "layers")


def test_layers_are_counted_against_the_chip() -> None:
    document = described(*[{}] * 33)
    assert [r.kind for r in schema.refusals(document, CHIP)] == ["too-many-layers"]
    assert schema.refusals(document, BIG) == ()
    assert [r.node for r in schema.refusals(described(*[{}] * 130), BIG)] == ["layer 128"]


@pytest.mark.parametrize("key", ["unload", "data_buffer"])
def test_lists_at_the_top_have_keys_of_their_own(key: str) -> None:
    entry = {"processors": 1, "channels": 1, "dim": 4, "offset": 0, "name": "b"}
    if key == "unload":
        del entry["name"]
    assert said(described(**{key: [entry]})) == []
    [(kind, where, _)] = said(described(**{key: [{**entry, "size": 3}]}))
    assert (kind, where) == ("unknown-key", f"{key}.0.size:key")
    del entry["offset"]
    [(kind, where, _)] = said(described(**{key: [entry]}))
    assert (kind, where) == ("missing-key", f"{key}.0")


def test_a_key_twice_is_found_where_it_is_again(tmp_path: Path) -> None:
    path = tmp_path / "net.yaml"
    path.write_text("arch: a\ndataset: b\nlayers:\n- processors: 1\n  pad: 1\n  name: x\n  pad: 0\n")
    document = read_model(path)
    assert isinstance(document, Document)
    [refusal] = refused(document)
    assert (refusal.kind, refusal.node, refusal.details["says"]) == (
        "duplicate-key",
        "x",
        "the key pad is there twice, first in line 5",
    )
    assert document.positions[refusal.details["key"]] == (7, 3)


# ---- the checkpoint


def of_checkpoint(document: Document, **options: Any) -> list[Refusal]:
    chip = CHIP.with_options(options)
    return list(checkpoint_rules.refusals(resolve(document, chip), document, chip))


def tensor(*shape: int, least: float = -1, most: float = 1, whole: bool = True) -> StoredTensor:
    return StoredTensor(shape, zero=False, least=least, most=most, whole=whole, digest="d")


W = (4, 4, 3, 3)


@pytest.mark.parametrize(
    ("layers", "weights", "messages"),
    [
        ([{}], {"a.op.weight": W}, []),
        ([{}, {"op": "passthrough", "kernel_size": None}, {}], {"a.op.weight": W, "b.op.weight": W}, []),
        ([{}, {"weight_source": 0}], {"a.op.weight": W}, []),
        (
            [{}, {"kernel_size": "1x1", "name": "last"}],
            {"a.op.weight": (4, 4, 1, 1), "b.op.weight": W},
            [
                "The `kernel_size` for the 2D layer 0 should be set to 1x1 instead of 3x3.",
                "The `kernel_size` for the 2D layer 1 (last) should be set to 3x3 instead of 1x1.",
            ],
        ),
        (
            [{"op": "conv1d", "kernel_size": None}],
            {"a.op.weight": (4, 4, 3)},
            ["The `kernel_size` for the 1D layer 0 should be set to 3x1 instead of 9x1."],
        ),
        (
            [{}],
            {"a.op.weight": (4, 4)},
            ["The `kernel_size` for the MLP layer 0 should be set to 1x1 instead of 3x3."],
        ),
        (
            [{}, {"op": "none", "kernel_size": None}, {}],
            {"a.op.weight": W},
            ["Number of layers in the YAML configuration file (3) does not match the checkpoint file (2)."],
        ),
        (
            [{}],
            {"a.bn.weight": (4,), "a.op.weight": W, "b.bn.weight": (4,)},
            [
                (
                    "The checkpoint file contains 1-dimensional weights for `a.bn.weight` with dimensions (4,). "
                    "Ensure the BatchNorm layers have been folded."
                ),
            ],
        ),
    ],
)
def test_weights_are_held_against_the_layers_in_order(
    layers: list[Mapping[str, Any]], weights: Mapping[str, Any], messages: list[str]
) -> None:
    assert [r.vendor_message for r in of_checkpoint(described(*layers, weights=weights))] == messages


@pytest.mark.parametrize(
    ("bits", "least", "most", "crashes"),
    [
        (None, -128, 127, False),
        (8, -128, 127, False),
        (8, -129, 0, True),
        (4, -8, 7, False),
        (4, 0, 8, True),
        (1, -1, 0, False),
        (1, -1, 1, True),
        ("bin", -1, 1, False),
        ("bin", -2, 1, True),
    ],
)
def test_weights_have_to_fit_the_width_that_is_written(bits: Any, least: int, most: int, crashes: bool) -> None:
    document = described({"quantization": bits}, weights={"a.op.weight": tensor(*W, least=least, most=most)})
    assert [r.kind for r in of_checkpoint(document)] == (["checkpoint-values"] if crashes else [])


@pytest.mark.parametrize(("most", "crashes"), [(127 * 128 + 127, False), (128 * 128, True)])
def test_a_bias_has_8_bits_once_divided(most: float, crashes: bool) -> None:
    weights = {"a.op.weight": tensor(*W), "a.op.bias": tensor(4, least=0, most=most)}
    found = of_checkpoint(described(weights=weights))
    assert [r.kind for r in found] == (["checkpoint-values"] if crashes else [])
    assert of_checkpoint(described(weights=weights), izer_args="--no-bias 0") == []


def test_values_that_only_stand_in_are_not_judged() -> None:
    stand_in = StoredTensor(W, zero=False, least=1, most=1, whole=True)
    assert of_checkpoint(described({"quantization": 1}, weights={"a.op.weight": stand_in})) == []


def test_fractions_are_data_that_comes_out_wrong() -> None:
    weights = {"a.op.weight": tensor(*W, whole=False), "b.op.weight": tensor(*W, whole=False)}
    [found] = of_checkpoint(described({}, {}, weights=weights))
    assert (found.kind, found.details["grade"]) == ("checkpoint-not-quantised", "miscompiles")
    assert found.details["says"].startswith("a.op.weight and 1 more has values that are not whole numbers")


def test_izers_own_tests_have_no_checkpoint() -> None:
    document = described({}, weights={}, entries={}, arch="test")
    assert of_checkpoint(document) == []
    assert of_checkpoint(replace(document, checkpoint=None, values={**document.values, "arch": "net"})) == []
