"""What is wrong with a description as YAML, before any shape: keys, types, words and values of single layers.

Follows ``izer/yamlcfg.py`` from top to bottom, but goes on after the first mistake. A value that was found wrong here
is taken for the default everywhere else, so that nothing is said twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from lintmodel.errors import did_you_mean
from lintmodel.ir import Document
from lintmodel.planning import Refusal
from lintmodel.target import Target

from .schema_values import layer_values
from .wording import problem, shown

TOP_KEYS = ("arch", "dataset", "layers", "bias", "unload", "output_map", "weights", "snoop", "data_buffer")
LAYER_KEYS = (
    *("name", "processors", "output_processors", "op", "operation", "operator", "convolution", "kernel_size", "pad"),
    *("stride", "dilation", "groups", "conv_groups", "activate", "activation", "max_pool", "avg_pool", "pool_stride"),
    *("pool_dilation", "pool_first", "eltwise", "operands", "flatten", "in_channels", "in_dim", "in_crop"),
    *("in_sequences", "in_offset", "in_skip", "read_gap", "in_channel_skip", "out_channels", "out_offset", "write_gap"),
    *("output_width", "output_shift", "output_pad", "output", "data_format", "quantization", "streaming", "sequence"),
    *("next_sequence", "snoop_sequence", "simulated_sequence", "bypass", "bias_group", "bias_quadrant", "calcx4"),
    *("tcalc", "readahead", "weight_source", "buffer_shift", "buffer_insert"),
)
_FOREIGN = {
    "padding": "pad",
    "stride_pool": "pool_stride",
    "pooling": "max_pool",
    "maxpool": "max_pool",
    "avgpool": "avg_pool",
    "kernel": "kernel_size",
    "act": "activate",
    "relu": "activate",
    "input": "in_sequences",
    "inputs": "in_sequences",
    "channels": "in_channels",
    "bits": "quantization",
    "weight_bits": "quantization",
    "format": "data_format",
    "concat": "in_sequences",
    "add": "eltwise",
    "type": "op",
    "network": "arch",
}
"""What other tools call a key."""
ALIASES = (
    ("in_skip", "read_gap"),
    ("activation", "activate"),
    ("convolution", "operation", "operator", "op"),
    ("conv_groups", "groups"),
    ("bias_quadrant", "bias_group"),
)
"""Keys of which a layer has one at most, in izer's order."""
_BUFFER_KEYS = {
    "unload": (("processors", "dim", "offset", "width", "write_gap", "channels"), ("dim", "offset")),
    "data_buffer": (("processors", "dim", "offset", "width", "channels", "name"), ("dim", "offset", "name")),
}
"""Keys of the entries of a list at the top, and those that must be there besides processors and channels."""

Layer = Mapping[str, Any]


def refusals(document: Document, target: Target) -> tuple[Refusal, ...]:
    """Everything that izer refuses or crashes on while it reads the file."""
    return tuple(_refusals(document, target))


def _refusals(document: Document, target: Target) -> Iterator[Refusal]:
    values, file = document.values, PurePath(document.path).name
    yield from _duplicates(document)
    yield from _unknown(values, TOP_KEYS, "", None, f"Configuration file {file} contains unknown key(s): ")
    for key in ("layers", "arch", "dataset"):
        if key not in values:
            said = f"Configuration file {file} does not contain `layers`, `arch`, or `dataset`."
            yield problem("missing-key", "", f"the key {key} is missing", said)
    for key in ("arch", "dataset"):
        if key in values and not isinstance(values[key], str):
            said = "AttributeError: object has no attribute 'lower'"
            yield problem("wrong-type", key, f"{key} is a word, not {shown(values[key])}", said, grade="crashes")
    layers = values.get("layers", [{}])
    if not isinstance(layers, list) or not layers:
        yield problem("wrong-type", "layers", f"layers is a list, not {shown(layers)}", None, grade="crashes")
        return
    yield from _layers(layers, file, target)
    yield from _names(layers, values)
    for key, (known, required) in _BUFFER_KEYS.items():
        yield from _buffers(values.get(key), key, known, required, file)


# ---- keys


def _duplicates(document: Document) -> Iterator[Refusal]:
    for path in document.duplicates:
        key = path.rpartition(".")[2]
        line = document.positions.get(f"{path}:key", (0, 0))[0]
        line_again = f"{path}:again"
        says = f"the key {key} is there twice, first in line {line}"
        said = f"Found duplicate key {key} while constructing a mapping"
        yield problem("duplicate-key", line_again, says, said, _node_of(path, document.values))


def _node_of(path: str, values: Mapping[str, Any]) -> str | None:
    """The layer that a dotted path lies in."""
    parts = path.split(".")
    layers = values.get("layers")
    if len(parts) < 3 or parts[0] != "layers" or not isinstance(layers, list) or not parts[1].isdigit():
        return None
    index = int(parts[1])
    return node_name(index, layers[index]) if index < len(layers) else None


def node_name(index: int, layer: Any) -> str:
    """How findings call a layer: by its name, else by its number."""
    name = layer.get("name") if isinstance(layer, Mapping) else None
    return name if isinstance(name, str) and name else f"layer {index}"


def _unknown(
    values: Mapping[str, Any], known: Sequence[str], path: str, node: str | None, said: str, end: str = "."
) -> Iterator[Refusal]:
    strange = [key for key in values if key not in known]
    for key in strange:
        near = _FOREIGN.get(key.lower())
        hint = f"; did you mean '{near}'?" if near in known else did_you_mean(key, list(known))
        if key == "<<":
            hint = ": izer does not merge mappings; write the keys out"
        listed = "{" + ", ".join(map(repr, strange)) + "}"
        yield problem("unknown-key", f"{path}{key}:key", f"there is no key {key}{hint}", f"{said}{listed}{end}", node)


def _layers(layers: Sequence[Any], file: str, target: Target) -> Iterator[Refusal]:
    most = int(target.limit("max_layers"))
    sequence, seen, told = 0, set(), False
    for index, layer in enumerate(layers):
        path, node = f"layers.{index}.", node_name(index, layer)
        if not isinstance(layer, Mapping):
            says = f"a layer is a mapping of keys to values, not {shown(layer)}"
            yield problem("wrong-type", f"layers.{index}", says, None, node, grade="crashes")
            continue
        prefix = f"Configuration file {file} contains unknown key(s) for `layers`: "
        yield from _unknown(layer, LAYER_KEYS, path, node, prefix)
        if isinstance(layer.get("sequence"), int):
            sequence = layer["sequence"]
        found = f" (found in layer sequence {sequence} in YAML configuration)."
        if sequence >= most and not told:
            told = True
            says = f"{target.name} runs {most} layers, and this is number {sequence + 1}"
            said = f"This device supports up to {most} layers{found}"
            yield problem("too-many-layers", f"layers.{index}", says, said, node)
        if sequence in seen:
            says = f"sequence {sequence} is taken by an earlier layer"
            yield problem("sequence-taken", f"{path}sequence", says, f"Layer was already specified{found}", node)
        seen.add(sequence)
        for names in ALIASES:
            present = [name for name in names if name in layer]
            if len(present) > 1:
                says = f"{' and '.join(present)} mean the same; a layer has one of them"
                said = f"Duplicate key for {'/'.join(f'`{name}`' for name in names)}{found}"
                yield problem("duplicate-key", f"{path}{present[-1]}:key", says, said, node)
        yield from layer_values(layer, path, node, sequence, target)
        sequence += 1


def _buffers(entries: Any, key: str, known: Sequence[str], required: Sequence[str], file: str) -> Iterator[Refusal]:
    if entries is None:
        return
    if not isinstance(entries, list):
        yield problem("wrong-type", key, f"{key} is a list, not {shown(entries)}", None, grade="crashes")
        return
    for index, entry in enumerate(entries):
        path = f"{key}.{index}"
        if not isinstance(entry, Mapping):
            says = f"an entry of {key} is a mapping, not {shown(entry)}"
            yield problem("wrong-type", path, says, None, grade="crashes")
            continue
        said = f"Configuration file {file} contains unknown key(s) for `{key}`."
        for refusal in _unknown(entry, known, f"{path}.", None, "", ""):
            yield problem("unknown-key", refusal.details["key"], refusal.details["says"], said)
        missing = [name for name in ("processors", "channels", *required) if name not in entry]
        if missing:
            listed = ", ".join(f"`{name}`" for name in ("processors", "channels", *required[:-1]))
            said = f"`{key}` sequence in configuration file {file} does not contain {listed} or `{required[-1]}`."
            yield problem("missing-key", path, f"{key} needs {' and '.join(missing)}", said)


# ---- names


def _names(layers: Sequence[Any], values: Mapping[str, Any]) -> Iterator[Refusal]:
    """Names that are taken or reserved, and names that no layer has."""
    taken: dict[str, int] = {}
    for index, layer in enumerate(layers):
        name = layer.get("name") if isinstance(layer, Mapping) else None
        if not isinstance(name, str):
            continue
        path, node = f"layers.{index}.name", f"layer {index}"
        found = f"for `name` (found in layer sequence {index} in YAML configuration)."
        if name.lower() == "input":
            says = "this name means the network's own input; choose another"
            yield problem("layer-name", path, says, f"Duplicate layer name {name}  {found}", node)
        elif name.lower() in taken:
            says = f"the name is taken by layer number {taken[name.lower()]}; upper and lower case are the same"
            yield problem("layer-name", path, says, f"Duplicate layer name {name}  {found}", node)
        elif name.lower() == "stop":
            says = "this name means the end of the network; choose another"
            yield problem("layer-name", path, says, f"Using reserved name {name} {found}", node)
        taken.setdefault(name.lower(), index)
    listed = values.get("data_buffer")
    buffers = [entry.get("name") for entry in listed if isinstance(entry, Mapping)] if isinstance(listed, list) else []
    known = {*taken, "input", *(name for name in buffers if isinstance(name, str))}
    for index, layer in enumerate(layers):
        if isinstance(layer, Mapping):
            yield from _references(layer, index, known)


def _references(layer: Layer, index: int, known: set[str]) -> Iterator[Refusal]:
    for key in ("next_sequence", "simulated_sequence", "weight_source", "in_sequences"):
        given = layer.get(key)
        for position, word in enumerate(given if isinstance(given, list) else [given]):
            if not isinstance(word, str) or word.lower() in known:
                continue
            if key in ("next_sequence", "simulated_sequence") and word.lower() == "stop":
                continue
            said = (
                f"Could not find the `{key}` layer name `{word.lower()}` in layer sequence {index} "
                "of the YAML configuration file."
            )
            path = f"layers.{index}.{key}" + (f".{position}" if isinstance(given, list) else "")
            says = f"{key} names a layer that is not there" + (did_you_mean(word.lower(), sorted(known)))
            yield problem("unknown-layer", path, says, said, node_name(index, layer))
