"""One layer's keys with izer's aliases and defaults: what ``izer/yamlcfg.py`` makes of the text, before any shape.

Whatever is written wrongly takes the default here; the schema rules say that it is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from lintmodel.ir import Document

from .network import INPUT, Eltwise, Op, Pair

_OPS: Mapping[str, tuple[Op, Eltwise]] = {
    "conv1d": ("conv1d", "none"),
    "conv2d": ("conv2d", "none"),
    "convtranspose2d": ("convtranspose2d", "none"),
    "none": ("passthrough", "none"),
    "passthrough": ("passthrough", "none"),
    "add": ("passthrough", "add"),
    "sub": ("passthrough", "sub"),
    "or": ("passthrough", "or"),
    "bitwiseor": ("passthrough", "or"),
    "bitwise_or": ("passthrough", "or"),
    "xor": ("passthrough", "xor"),
    "bitwisexor": ("passthrough", "xor"),
    "bitwise_xor": ("passthrough", "xor"),
    "linear": ("linear", "none"),
    "fc": ("linear", "none"),
    "mlp": ("linear", "none"),
}
_OP_KEYS = ("convolution", "operation", "operator", "op")
_BUFFER = -2
"""In ``in_sequences``: the data buffer."""
UNKNOWN = -3
"""In ``in_sequences``: a name that no layer has."""


@dataclass(frozen=True, slots=True)
class Settings:
    """A layer as it is written, with defaults; nothing that depends on other layers but the default padding."""

    position: int
    """In the list of the file, from 0."""
    name: str | None
    op: Op
    eltwise: Eltwise
    operands: int
    processors: int
    output_processors: int | None
    kernel: Pair
    pad: Pair
    output_pad: Pair
    stride: Pair
    dilation: Pair
    pool: Pair
    pool_kind: str
    pool_stride: Pair
    pool_dilation: Pair
    pool_first: bool
    groups: int
    flatten: bool
    streaming: bool
    bits: int | None
    output_width: int
    chw: bool
    activation: str | None
    in_channels: int | None
    out_channels: int | None
    in_dim: Pair | None
    in_offset: int | None
    out_offset: int
    in_sequences: tuple[int, ...] | None
    next_sequence: int | None
    write_gap: int
    read_gap: int
    bypass: bool
    weight_source: int | None
    keys: Mapping[str, Any]


def settings(document: Document) -> list[Settings]:
    """Every layer of the description, in the order of the file."""
    layers = [layer for layer in _list(document.values.get("layers")) if isinstance(layer, Mapping)]
    names = _names(layers)
    buffers = [b.get("name") for b in _list(document.values.get("data_buffer")) if isinstance(b, Mapping)]
    names.update({str(name).lower(): _BUFFER for name in buffers if name is not None})
    width = _default_pad(layers)
    return [_settings(position, layer, names, width) for position, layer in enumerate(layers)]


def _settings(position: int, keys: Mapping[str, Any], names: Mapping[str, int], default_pad: Pair) -> Settings:
    op, eltwise = _op(keys)
    own = str(keys.get("eltwise", "")).lower()
    if own in ("add", "sub", "xor", "or"):
        eltwise = cast("Eltwise", own)
    conv1d = op == "conv1d"
    pad = default_pad if op not in ("passthrough", "linear") else (0, 0)
    if (value := _int(keys, "pad")) is not None:
        pad = (value, value)
    pool, kind = _pool(keys)
    given_stride = _pair(keys.get("pool_stride"))
    activation = str(keys.get("activate", keys.get("activation", "none"))).lower()
    name = keys.get("name")
    return Settings(
        position=position,
        name=None if name is None else str(name),
        op=op,
        eltwise=eltwise,
        operands=1 if eltwise == "none" else _int(keys, "operands") or 2,
        processors=_mask(keys.get("processors")) or 0,
        output_processors=_mask(keys.get("output_processors")),
        kernel=_kernel(keys, op),
        pad=(pad[0], 0) if conv1d else pad,
        output_pad=_output_pad(keys, op),
        stride=_stride(keys, op, kind),
        dilation=_one_dimensional(_pair(keys.get("dilation")) or (1, 1), conv1d),
        pool=_one_dimensional(pool, conv1d),
        pool_kind=kind,
        pool_stride=_one_dimensional(given_stride or (1, 1), conv1d),
        pool_dilation=_one_dimensional(_pair(keys.get("pool_dilation")) or (1, 1), conv1d),
        pool_first=bool(keys.get("pool_first", True)),
        groups=_int(keys, "conv_groups", "groups") or 1,
        flatten=bool(keys.get("flatten", False)),
        streaming=bool(keys.get("streaming", False)),
        bits=_bits(keys.get("quantization")),
        output_width=_int(keys, "output_width") or 8,
        chw=str(keys.get("data_format", "hwc")).lower() in ("chw", "big"),
        activation=activation if activation in ("relu", "abs") else None,
        in_channels=_int(keys, "in_channels"),
        out_channels=_int(keys, "out_channels"),
        in_dim=_dim(keys.get("in_dim")),
        in_offset=_int(keys, "in_offset"),
        out_offset=_int(keys, "out_offset") or 0,
        in_sequences=_sequences(keys.get("in_sequences"), names),
        next_sequence=_sequence(keys.get("next_sequence"), names),
        write_gap=_int(keys, "write_gap") or 0,
        read_gap=_int(keys, "in_skip", "read_gap") or 0,
        bypass=bool(keys.get("bypass", False)),
        weight_source=_sequence(keys.get("weight_source"), names),
        keys=keys,
    )


def _default_pad(layers: Sequence[Mapping[str, Any]]) -> Pair:
    """1 on every side; but the default is one list that all layers share, so a conv1d without ``pad`` takes the
    columns' padding away from every layer without ``pad``."""
    poisoned = any(_op(layer)[0] == "conv1d" and "pad" not in layer for layer in layers)
    return (1, 0) if poisoned else (1, 1)


def _op(keys: Mapping[str, Any]) -> tuple[Op, Eltwise]:
    word = next((str(keys[key]).lower() for key in _OP_KEYS if key in keys), "conv2d")
    return _OPS.get(word, ("conv2d", "none"))


def _kernel(keys: Mapping[str, Any], op: Op) -> Pair:
    word = str(keys.get("kernel_size", "")).lower()
    if op in ("passthrough", "linear"):
        return 1, 1
    if op == "conv1d":
        return (int(word), 1) if word.isdigit() and int(word) > 0 else (9, 1)
    height, x, width = word.partition("x")
    if x and height.isdigit() and width.isdigit() and int(height) and int(width):
        return int(height), int(width)
    return 3, 3


def _stride(keys: Mapping[str, Any], op: Op, pool_kind: str) -> Pair:
    if op == "convtranspose2d":
        return 2, 2
    value = _pair(keys.get("stride"))
    if value is None or pool_kind != "none":
        return 1, 1
    return (value[0], 1) if op == "conv1d" else (value[0], value[0])


def _output_pad(keys: Mapping[str, Any], op: Op) -> Pair:
    value = _int(keys, "output_pad")
    if value is None:
        value = 1 if op == "convtranspose2d" else 0
    return value, value


def _pool(keys: Mapping[str, Any]) -> tuple[Pair, str]:
    for key, kind in (("max_pool", "max"), ("avg_pool", "avg")):
        if key in keys:
            return _pair(keys[key]) or (1, 1), kind
    return (1, 1), "none"


def _one_dimensional(pair: Pair, conv1d: bool) -> Pair:
    return (pair[0], 1) if conv1d else pair


def _bits(value: Any) -> int | None:
    if isinstance(value, str):
        return -1 if value.lower() in ("bin", "binary") else None
    return value if value in (1, 2, 4, 8) else None


def _mask(value: Any) -> int | None:
    if isinstance(value, str):
        try:
            value = int(value.replace(".", "").replace("_", ""), 16)
        except ValueError:
            return None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**64 else None


def _names(layers: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Layers by name, the first of a name winning."""
    found: dict[str, int] = {"input": INPUT}
    for index, layer in enumerate(layers):
        if layer.get("name") is not None:
            found.setdefault(str(layer["name"]).lower(), index)
    return found


def _sequences(value: Any, names: Mapping[str, int]) -> tuple[int, ...] | None:
    if value is None:
        return None
    items = value if isinstance(value, list) else [value]
    found = [_sequence(item, names) for item in items]
    return tuple(UNKNOWN if index is None else index for index in found) or None


def _sequence(value: Any, names: Mapping[str, int]) -> int | None:
    """The index of a layer given by index or name; ``stop`` is -1."""
    if isinstance(value, str):
        return -1 if value.lower() == "stop" else names.get(value.lower())
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _dim(value: Any) -> Pair | None:
    if isinstance(value, list):
        return (_pair(value) if len(value) == 2 else _pair([*value, 1])) if value else None
    return (value, 1) if isinstance(value, int) and not isinstance(value, bool) else None


def _pair(value: Any) -> Pair | None:
    items = value if isinstance(value, list) else [value, value]
    if len(items) != 2 or not all(isinstance(item, int) and not isinstance(item, bool) for item in items):
        return None
    return items[0], items[1]


def _int(keys: Mapping[str, Any], *names: str) -> int | None:
    value = next((keys[name] for name in names if name in keys), None)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
