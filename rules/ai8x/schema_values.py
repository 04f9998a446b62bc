"""The values of one layer: types, words and numbers, each held against what ``izer/yamlcfg.py`` takes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from lintmodel.errors import did_you_mean
from lintmodel.planning import Refusal
from lintmodel.target import Target

from .wording import Grade, problem, shown

OPERATORS = (
    *("conv1d", "conv2d", "convtranspose2d", "none", "passthrough", "linear", "fc", "mlp", "add", "sub"),
    *("or", "bitwiseor", "bitwise_or", "xor", "bitwisexor", "bitwise_xor"),
)
ELTWISE = ("add", "sub", "xor", "or")
_USUAL_OPERATORS = ("conv2d", "conv1d", "convtranspose2d", "linear", "passthrough", *ELTWISE)
_PASSTHROUGH = ("none", "passthrough", *OPERATORS[8:])
_ELTWISE_OPERATORS = OPERATORS[8:]
_LINEAR = ("linear", "fc", "mlp")
ACTIVATIONS = ("relu", "abs", "none")
DATA_FORMATS = ("chw", "big", "hwc", "little")
OPERATOR_KEYS = ("convolution", "operation", "operator", "op")

_WORDS = (*OPERATOR_KEYS, "activate", "activation", "eltwise", "data_format", "name")
_NUMBERS = (
    *("pad", "output_pad", "operands", "out_offset", "write_gap", "read_gap", "in_skip", "in_channel_skip"),
    *("groups", "conv_groups", "sequence", "snoop_sequence"),
)
_NUMBERS_OR_NOTHING = ("in_offset", "in_channels", "out_channels", "output_shift")
_PAIRS = ("max_pool", "avg_pool", "pool_stride", "pool_dilation", "dilation", "stride")
_SWITCHES = ("streaming", "flatten", "pool_first", "bypass", "calcx4", "tcalc", "readahead", "output")
_OFF = ("false", "no", "off", "n", "f", "0", "none", "")


def layer_values(layer: Mapping[str, Any], path: str, node: str, sequence: int, target: Target) -> Iterator[Refusal]:
    """What is wrong with one layer's values. ``path`` is the layer's dotted path with a dot behind."""
    at = _Layer(layer, path, node, f" (found in layer sequence {sequence} in YAML configuration).", target)
    for check in (_types, _masks, _words, _numbers, _kernel, _stride, _companions, _switches):
        yield from check(at)


@dataclass(frozen=True)
class _Layer:
    keys: Mapping[str, Any]
    path: str
    node: str
    found: str
    """What izer says behind every message."""
    target: Target

    def wrong(self, kind: str, key: str, says: str, said: str | None, grade: Grade = "rejects") -> Refusal:
        where = self.path + key if key in self.keys else self.path.removesuffix(".")
        message = said + self.found if said and grade == "rejects" else said
        return problem(kind, where, says, message, self.node, grade=grade)

    def word(self, *names: str) -> str | None:
        """The first of these keys that is there, in lower case; None when its value is no word."""
        value = next((self.keys[name] for name in names if name in self.keys), None)
        return value.lower() if isinstance(value, str) else None

    @property
    def operator(self) -> str:
        return self.word(*OPERATOR_KEYS) or "conv2d"

    @property
    def pools(self) -> bool:
        return "max_pool" in self.keys or "avg_pool" in self.keys

    @property
    def eltwise(self) -> bool:
        return "eltwise" in self.keys or self.operator in _ELTWISE_OPERATORS


def _is_number(value: Any) -> bool:
    return isinstance(value, int)


def _types(at: _Layer) -> Iterator[Refusal]:
    for key, value in at.keys.items():
        if key in _WORDS and not isinstance(value, str):
            said = f"AttributeError: '{type(value).__name__}' object has no attribute 'lower'"
            yield at.wrong("wrong-type", key, f"{key} is a word, not {shown(value)}", said, "crashes")
        number = key in _NUMBERS or (key in _NUMBERS_OR_NOTHING and value is not None)
        if number and not _is_number(value):
            says = f"{key} is a whole number, not {shown(value)}"
            yield at.wrong("wrong-type", key, says + _unquoted(value), _type_error(value), "crashes")
        if key in _PAIRS and not _is_number(value):
            sizes = value if isinstance(value, list) else []
            if len(sizes) != 2 or not all(map(_is_number, sizes)):
                says = f"{key} is a whole number or a list of two, not {shown(value)}"
                yield at.wrong("wrong-type", key, says + _unquoted(value), _type_error(value), "crashes")


def _unquoted(value: Any) -> str:
    return "; write it without quotes" if isinstance(value, str) and value.strip().isdigit() else ""


def _type_error(value: Any) -> str:
    return f"TypeError: '<' not supported between instances of '{type(value).__name__}' and 'int'"


def mask(value: Any) -> Any:
    """A processor map as izer reads it: text is hexadecimal, dots and underscores are left out."""
    if not isinstance(value, str):
        return value
    try:
        return int(value.replace(".", "").replace("_", ""), 16)
    except ValueError:
        return value


def _masks(at: _Layer) -> Iterator[Refusal]:
    bits = int(at.target.limit("processors"))
    for key in ("processors", "output_processors"):
        value = mask(at.keys.get(key))
        if key == "processors" and value is None:
            says = "processors is missing" if key not in at.keys else "processors has no value"
            yield at.wrong("processors-missing", key, says, "`processors` must not be zero or missing")
        elif key in at.keys and (not isinstance(value, int) or not 1 <= value < 1 << bits):
            says = f"{key} is a number of {bits} bits with one set for every processor, not {shown(at.keys[key])}"
            yield at.wrong("processors-missing", key, says, f"`{key}` must be an int from 1 to 2**{bits}-1")


def _words(at: _Layer) -> Iterator[Refusal]:
    lists = (
        (next((key for key in OPERATOR_KEYS if key in at.keys), "op"), OPERATORS, _USUAL_OPERATORS),
        ("activate" if "activate" in at.keys else "activation", ACTIVATIONS, ACTIVATIONS),
        ("eltwise", ELTWISE, ELTWISE),
    )
    for key, known, usual in lists:
        value = at.keys.get(key)
        if isinstance(value, str) and value.lower() not in known:
            hint = did_you_mean(value.lower(), list(known)) or f"; there are {', '.join(usual)}"
            said = f'Unknown value "{value}" for `{key}`'
            yield at.wrong("unknown-word", key, f"{key} has no value '{value}'{hint}", said)
    value = at.keys.get("data_format")
    if isinstance(value, str) and value.lower() not in DATA_FORMATS:
        says = f"data_format is HWC or CHW, not '{value}'"
        yield at.wrong("unknown-word", "data_format", says, "Unknown value for `data_format`")


def _numbers(at: _Layer) -> Iterator[Refusal]:
    keys = at.keys
    if "quantization" in keys:
        value = keys["quantization"]
        value = value.lower() if isinstance(value, str) else value
        widths = at.target.limit("weight_bits")
        if value not in (*widths, "bin", "binary"):
            known = f"{', '.join(map(str, widths[:-1]))} or {widths[-1]}"
            says = f"weights have {known} bits or are binary, not {shown(value)}"
            yield at.wrong("value-range", "quantization", says, "`quantization` must be 1, 2, 4, 8 or bin/binary")
    for key in ("pad", "output_pad"):
        if _is_number(keys.get(key)) and keys[key] < 0:
            says = f"{key} is {keys[key]}; it cannot be negative"
            yield at.wrong("value-range", key, says, f"Unsupported value {keys[key]} for `{key}`")
    if "output_width" in keys and keys["output_width"] not in (8, 32):
        says = f"outputs have 8 or 32 bits, not {shown(keys['output_width'])}"
        yield at.wrong("value-range", "output_width", says, "`output_width` must be 8 or 32")
    if "in_dim" in keys and not _is_number(keys["in_dim"]):
        value = keys["in_dim"]
        if not isinstance(value, list) or len(value) > 2:
            says = f"in_dim is a number or a list of height and width, not {shown(value)}"
            said = "`in_dim` must be an integer or list not exceeding two dimensions"
            yield at.wrong("value-range", "in_dim", says, said)
    most = int(at.target.limit("max_operands"))
    if at.eltwise and _is_number(keys.get("operands")) and not 2 <= keys["operands"] <= most:
        says = f"an element-wise operation has 2 to {most} operands, not {keys['operands']}"
        yield at.wrong("value-range", "operands", says, f"`operands` has to be 2..{most}")
    for key in ("buffer_shift", "buffer_insert"):
        if key in keys and not _is_number(keys[key]):
            says = f"{key} is a whole number, not {shown(keys[key])}"
            yield at.wrong("value-range", key, says, f"`{key}` must be an integer")
        elif key in keys and keys[key] <= 0:
            says = f"{key} is at least 1, not {keys[key]}"
            yield at.wrong("value-range", key, says, f"`{key}` must be a positive integer")


def _kernel(at: _Layer) -> Iterator[Refusal]:
    if "kernel_size" not in at.keys:
        return
    value = str(at.keys["kernel_size"]).lower()
    taps = int(at.target.limit("max_conv1d_kernel"))
    said = f"Unsupported value `{value}` for `kernel_size`"
    if at.operator in _LINEAR:
        said = "Cannot configure `kernel_size` for fully connected layers"
        yield at.wrong("kernel-size", "kernel_size", "a fully connected layer has no kernel_size", said)
    elif at.operator == "convtranspose2d" and value != "3x3":
        yield at.wrong("kernel-size", "kernel_size", f"a transposed convolution is 3x3, not {value}", said)
    elif at.operator == "conv2d" and value not in ("1x1", "3x3"):
        hint = {"5x5": "; two 3x3 reach as far", "7x7": "; three 3x3 reach as far"}.get(value, "")
        yield at.wrong("kernel-size", "kernel_size", f"a convolution is 1x1 or 3x3, not {value}{hint}", said)
    elif at.operator in ("conv1d", *_PASSTHROUGH) and not (value.isdigit() and 1 <= int(value) <= taps):
        what = f"conv1d has 1 to {taps} taps" if at.operator == "conv1d" else "a layer without weights has no kernel"
        yield at.wrong("kernel-size", "kernel_size", f"{what}, not {value}", said)


def _stride(at: _Layer) -> Iterator[Refusal]:
    value = at.keys.get("stride")
    if isinstance(value, list):
        if len(value) != 2 or not all(map(_is_number, value)):
            return
        if value[0] != value[1]:
            said = "`stride` values must be equal in both dimensions"
            yield at.wrong("stride-value", "stride", f"the strides {value[0]} and {value[1]} differ", said)
            return
        value = value[0]
    if not _is_number(value):
        return
    if at.pools and value != 1:
        says = f"a layer that pools has stride 1, not {value}; the pool has its own pool_stride"
        yield at.wrong("stride-value", "stride", says, "Cannot set `stride` to non-default value when pooling")
    elif not at.pools and at.operator == "convtranspose2d" and value != 2:
        says = f"a transposed convolution has stride 2, not {value}"
        said = "Cannot set `stride` to non-default value for ConvTranspose2D"
        yield at.wrong("stride-value", "stride", says, said)


def _companions(at: _Layer) -> Iterator[Refusal]:
    """Keys that mean nothing without another one."""
    keys = at.keys
    if "dilation" in keys and at.operator in _PASSTHROUGH:
        says = "dilation needs a convolution, and this layer has none"
        yield at.wrong("key-without-use", "dilation", says, "`dilation` requires a convolution operator")
    if "operands" in keys and not at.eltwise:
        says = "operands needs an element-wise operation (eltwise)"
        said = "`operands` can only be used with element-wise operations"
        yield at.wrong("key-without-use", "operands", says, said)
    if "pool_dilation" in keys and not at.pools:
        says = "pool_dilation needs max_pool or avg_pool"
        yield at.wrong("key-without-use", "pool_dilation", says, "`pool_dilation` requires pooling")
    window = keys.get("max_pool", keys.get("avg_pool", 1))
    if "pool_first" in keys and not keys["pool_first"] and (not at.eltwise or window in (1, [1, 1])):
        says = "pool_first: false needs a pool and an element-wise operation in the same layer"
        said = "`pool_first: False` requires both pooling and element-wise operations"
        yield at.wrong("key-without-use", "pool_first", says, said)
    if "buffer_shift" in keys and "in_sequences" not in keys:
        says = "buffer_shift needs the name of the buffer in in_sequences"
        said = "The `buffer_shift` operation requires the name of the buffer (`in_sequences`) to be specified"
        yield at.wrong("key-without-use", "buffer_shift", says, said)
    if "buffer_insert" in keys and "out_offset" not in keys:
        says = "buffer_insert needs out_offset"
        said = "The `buffer_insert` operation requires `out_offset` to be specified"
        yield at.wrong("key-without-use", "buffer_insert", says, said)


def _switches(at: _Layer) -> Iterator[Refusal]:
    """Python takes every text but the empty one for true, and YAML 1.1 reads y and n as text."""
    for key in _SWITCHES:
        value = at.keys.get(key)
        if isinstance(value, str) and value and value.lower() in _OFF:
            says = f"{key} is the text '{value}', which izer takes for true; write {key}: false"
            yield at.wrong("switch-as-text", key, says, None, "miscompiles")
