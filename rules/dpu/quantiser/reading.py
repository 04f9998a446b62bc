"""The configuration as the quantiser understands it: for every tensor every parameter, and the place that says so.

Follows ``parse_config_file`` from top to bottom, but goes on after the first mistake: a value that it refuses is left
out, so that what held before goes on to hold and nothing is said twice. Values that it takes for absent (null, 0, an
empty word) are absent here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from lintmodel.errors import did_you_mean
from lintmodel.ir import Document
from lintmodel.planning import Refusal

from .words import (
    DEFAULTS,
    FLAGS,
    LAYER,
    LAYER_KEYS,
    OVERALL,
    PARAMETERS,
    RESERVED,
    SWITCHES,
    TENSOR,
    TENSORS,
    TOP_KEYS,
    VALUES,
    either,
    known,
    said,
    shown,
    together,
)


@dataclass(frozen=True, slots=True)
class Setting:
    """The value of one parameter of one tensor."""

    value: Any
    key: str = ""
    """Dotted path of the value that says so; empty where it is the quantiser's default."""


Settings = Mapping[str, Setting]


@dataclass(frozen=True, slots=True)
class Scope:
    """The tensors of the whole model, or those of the layers that one entry speaks of."""

    path: str
    """Dotted path of the entry; empty for the whole model."""
    tensors: Mapping[str, Settings]
    """Of the model all four, of an entry those that it names."""
    quantised: tuple[str, ...] = TENSORS
    """The tensors that the rules of the device are held against."""


@dataclass(frozen=True, slots=True)
class Remark:
    """Something the quantiser lets through. ``kind`` is the name of the rule."""

    kind: str
    key: str
    says: str


@dataclass(frozen=True, slots=True)
class Reading:
    device: Any
    """What ``target_device`` says; None where it is missing."""
    scopes: tuple[Scope, ...]
    refusals: tuple[Refusal, ...]
    remarks: tuple[Remark, ...]


def read_configuration(document: Document, release: str) -> Reading:
    """What a release (one of :data:`~.words.RELEASES`) makes of a configuration."""
    return _Reader(release).read(document)


def refusal(
    kind: str,
    key: str,
    says: str,
    vendor_message: str | None,
    *,
    grade: Literal["rejects", "crashes"] = "rejects",
    **details: Any,
) -> Refusal:
    """A refusal that has its words already; ``key`` is the dotted path of the value it is about."""
    return Refusal(kind, None, vendor_message, {"key": key, "says": says, "grade": grade, **details})


@dataclass
class _Reader:
    release: str
    refused: list[Refusal] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)

    def read(self, document: Document) -> Reading:
        values = document.values
        for path in document.duplicates:
            says = f"{path.rpartition('.')[2]} is there twice; the last one counts"
            self.remarks.append(Remark("quantiser-duplicate-key", f"{path}:again", says))
        self._keywords(values)
        self._switches(values)
        if "target_device" not in values:
            says = "target_device is missing; the quantiser has no default for it in a file"
            self._crash("no-target-device", "", says, "KeyError: 'target_device'")
        model = {tensor: self._defaults(tensor) for tensor in TENSORS}
        self._blocks(values, "", model, TENSORS)
        scopes = [Scope("", model), *self._layers(values, model)]
        self._unquantised(values)
        return Reading(values.get("target_device"), tuple(scopes), tuple(self.refused), tuple(self.remarks))

    def _defaults(self, tensor: str) -> dict[str, Setting]:
        return {key: Setting(value) for key, value in DEFAULTS[tensor].items()}

    # ---- keys

    def _keywords(self, values: Mapping[str, Any]) -> None:
        """Keys that are not known, and blocks that are not made of keys."""
        self._strange(values, TOP_KEYS, "", end=" ")
        self._block_keywords(values, "")
        layers = values.get(LAYER, [])
        if not isinstance(layers, list):
            fine = isinstance(layers, Mapping | str) and not layers  # nothing to go through, so it goes through
            if not fine:
                says = f"{LAYER} is a list of layers, not {shown(layers)}"
                self._crash("quantiser-wrong-structure", LAYER, says, _no_items(layers, of_list=True))
            return
        for index, entry in enumerate(layers):
            path = f"{LAYER}.{index}"
            if not isinstance(entry, Mapping):
                says = f"a layer is a mapping of keys to values, not {shown(entry)}"
                self._crash("quantiser-wrong-structure", path, says, _no_items(entry))
                continue
            self._strange(entry, LAYER_KEYS, f"{path}.")
            self._block_keywords(entry, f"{path}.")

    def _block_keywords(self, values: Mapping[str, Any], path: str) -> None:
        if OVERALL in values and self._is_block(values[OVERALL], f"{path}{OVERALL}"):
            self._strange(values[OVERALL], PARAMETERS, f"{path}{OVERALL}.")
        if TENSOR in values and self._is_block(values[TENSOR], f"{path}{TENSOR}"):
            self._strange(values[TENSOR], TENSORS, f"{path}{TENSOR}.")
            for tensor, block in values[TENSOR].items():
                if tensor in TENSORS and self._is_block(block, f"{path}{TENSOR}.{tensor}"):
                    self._strange(block, PARAMETERS, f"{path}{TENSOR}.{tensor}.")

    def _is_block(self, value: Any, path: str) -> bool:
        if isinstance(value, Mapping):
            return True
        says = f"{path.rpartition('.')[2]} is a mapping of keys to values, not {shown(value)}"
        self._crash("quantiser-wrong-structure", path, says, _no_items(value))
        return False

    def _strange(self, values: Mapping[str, Any], keys: tuple[str, ...], path: str, end: str = "") -> None:
        allowed = known(keys, self.release)
        for key in values:
            if key in allowed:
                continue
            message = said(f"Unsupported keyword in quantization config: '{key}'.{end}", self.release)
            if key in keys:
                hint = f" in release {self.release}"
            elif key in PARAMETERS and not path:
                hint = f" at the top; it belongs into {OVERALL}"
            else:
                hint = did_you_mean(key, list(allowed))
            says = f"there is no key {key}{hint}"
            self.refused.append(refusal("quantiser-unknown-key", f"{path}{key}:key", says, message, known=allowed))

    def _switches(self, values: Mapping[str, Any]) -> None:
        for key in SWITCHES:
            value = values.get(key)
            if value is not None and not isinstance(value, bool):
                self._ignored(key, f"{key} is {shown(value)}, neither true nor false; the quantiser passes over it")
            if key in RESERVED and value is True:
                says = f"{key} has no effect: the quantiser only prints that it comes with the next version"
                self.remarks.append(Remark("reserved-switch", key, says))
        opset = values.get("onnx_opset_version")
        if opset is not None and not isinstance(opset, int):
            self._ignored("onnx_opset_version", f"onnx_opset_version is {shown(opset)}, no whole number; passed over")

    # ---- blocks of parameters

    def _blocks(
        self, values: Mapping[str, Any], path: str, into: dict[str, dict[str, Setting]], tensors: Sequence[str]
    ) -> None:
        """The overall block for every tensor, then the tensors' own."""
        overall = values.get(OVERALL)
        if isinstance(overall, Mapping):
            told: set[tuple[str, str]] = set()
            for tensor in tensors:
                self._block(overall, f"{path}{OVERALL}", tensor, into.setdefault(tensor, {}), told)
        own = values.get(TENSOR)
        for tensor, block in own.items() if isinstance(own, Mapping) else ():
            if tensor in TENSORS and isinstance(block, Mapping):
                self._block(block, f"{path}{TENSOR}.{tensor}", tensor, into.setdefault(tensor, {}), set())

    def _block(
        self, block: Mapping[str, Any], path: str, tensor: str, into: dict[str, Setting], told: set[tuple[str, str]]
    ) -> None:
        """One block for one tensor. A mistake is told once, for the first tensor, as the quantiser would."""
        for key in known(PARAMETERS, self.release):
            if key == "percentage" or key not in block:
                continue
            value = block[key]
            if key == "calib_statistic_method" and tensor not in ("activation", "input"):
                if path.endswith(tensor):
                    self._ignored(f"{path}.{key}", f"{key} is for activation and input; of {tensor} it is passed over")
                continue
            if value is None or (key not in FLAGS and not value):
                if value is not None and (path, key) not in told:
                    told.add((path, key))
                    self._ignored(f"{path}.{key}", f"{key} is {shown(value)}, which counts as not given")
                continue
            wrong = _wrong(key, value, tensor, self.release)
            if wrong is None:
                into[key] = Setting(value, f"{path}.{key}")
            elif (path, key) not in told:
                told.add((path, key))
                self.refused.append(refusal("quantiser-illegal-value", f"{path}.{key}", *wrong))
        self._percentage(block, path, tensor, into, told)

    def _percentage(
        self, block: Mapping[str, Any], path: str, tensor: str, into: dict[str, Setting], told: set[tuple[str, str]]
    ) -> None:
        """Only a percentile has a percentage, and a block without one sets it back."""
        given, key = block.get("percentage"), f"{path}.percentage"
        if given is not None and (into.get("method") or Setting(None)).value != "percentile":
            if not any(told_path == path and what == "percentage" for told_path, what in told):
                told.add((path, "percentage"))
                self._ignored(key, "percentage is passed over: the method is not percentile")
        elif given is not None and (not isinstance(given, float) or not 0.0 < given <= 100.0):
            if (path, "percentage") not in told:
                told.add((path, "percentage"))
                message = said("Percentage should be larger than 0.0 and smaller than 100.0", self.release)
                says = f"percentage is {shown(given)}; it is a number with a point, above 0.0 and up to 100.0"
                self.refused.append(refusal("quantiser-illegal-value", key, says, message))
        elif given is not None:
            into["percentage"] = Setting(given, key)
        elif (into.get("method") or Setting(None)).value == "percentile":
            before = into.get("percentage")
            if before is not None and before.key and before.value != 99.99:
                says = f"sets the percentage of {tensor} back from {before.value} to 99.99: a block has its own"
                self._ignored(path, says)
            into["percentage"] = Setting(99.99)

    # ---- layers

    def _layers(self, values: Mapping[str, Any], model: Mapping[str, Settings]) -> Iterator[Scope]:
        """The last entry of a layer counts."""
        found: dict[tuple[str, str], Scope] = {}
        layers = values.get(LAYER)
        for index, entry in enumerate(layers if isinstance(layers, list) else ()):
            if not isinstance(entry, Mapping):
                continue
            path = f"{LAYER}.{index}"
            named = "layer_type" if entry.get("layer_type") else "layer_name"
            name = entry.get(named)
            if not name:
                self._ignored(path, "has neither layer_type nor layer_name, so it is passed over")
                continue
            if named == "layer_type" and entry.get("layer_name"):
                self._ignored(f"{path}.layer_name", "layer_name is passed over: layer_type comes first")
            if named == "layer_type" and not isinstance(name, str):
                message = f"AttributeError: '{type(name).__name__}' object has no attribute 'split'"
                says = f"layer_type is a word such as torch.nn.Conv2d, not {shown(name)}"
                self._crash("quantiser-wrong-structure", f"{path}.layer_type", says, message)
                continue
            tensors = self._layer_tensors(entry, path)
            if tensors is None:
                continue
            own = {tensor: dict(model[tensor]) for tensor in tensors}
            self._blocks(entry, f"{path}.", own, tensors)
            who = (named, name.split(".")[-1] if named == "layer_type" else shown(name))
            if who in found:
                says = f"a later entry of {named} {shown(name)} takes the place of this one"
                self._ignored(found.pop(who).path, says)
            found[who] = Scope(path, own, tensors)
        yield from (scope for (named, _), scope in found.items() if named == "layer_type")
        yield from (scope for (named, _), scope in found.items() if named == "layer_name")

    def _layer_tensors(self, entry: Mapping[str, Any], path: str) -> tuple[str, ...] | None:
        """Which tensors of its layers an entry is about: it has to say."""
        key = f"{path}.quantizable_data_type"
        given = entry.get("quantizable_data_type")
        if isinstance(given, list) and all(tensor in TENSORS for tensor in given):
            return tuple(dict.fromkeys(given))
        if given is None:
            says = f"quantizable_data_type is missing; an entry lists its tensors, of {together(TENSORS)}"
            self._crash("quantiser-wrong-structure", path, says, _no_items(given, of_list=True))
            return None
        if isinstance(given, str) and not given:
            return ()
        strange = next((one for one in given if one not in TENSORS), None) if isinstance(given, list | str) else given
        message = f"KeyError: {strange!r}" if isinstance(given, list | str) else _no_items(given, of_list=True)
        says = f"quantizable_data_type lists {either(TENSORS)}, not {shown(strange)}"
        self._crash("quantiser-wrong-structure", key, says, message)
        return None

    # ---- what is passed over

    def _unquantised(self, values: Mapping[str, Any]) -> None:
        given = values.get("quantizable_data_type")
        if "quantizable_data_type" in values and (not isinstance(given, list) or set(map(str, given)) != set(TENSORS)):
            says = f"quantizable_data_type {shown(given)} is passed over: all of {together(TENSORS)} are quantised"
            self.remarks.append(Remark("ignored-data-types", "quantizable_data_type", says))

    def _ignored(self, key: str, says: str) -> None:
        self.remarks.append(Remark("ignored-setting", key, says))

    def _crash(self, kind: str, key: str, says: str, message: str) -> None:
        self.refused.append(refusal(kind, key, says, message, grade="crashes"))


def _wrong(key: str, value: Any, tensor: str, release: str) -> tuple[str, str] | None:
    """What is wrong with a value: our words, and the quantiser's."""
    if key == "bit_width":
        if isinstance(value, int) and 0 <= value <= 32:
            return None
        message = f"The bit_width type of {tensor} should be int, and in range of [0,32]."
        says = f"bit_width is {shown(value)}; it is a whole number up to 32"
        return says, said(message, release, "QUANTIZER_TORCH_ILLEGAL_BITWIDTH")
    if key in FLAGS:
        if isinstance(value, bool):
            return None
        message = f"The {key} parameter of {tensor} should be a boolean"
        return f"{key} is {shown(value)}; it is true or false", said(message, release)
    if value in VALUES[key]:
        return None
    message = f"The {key} of {tensor} should be in the list {list(VALUES[key])}"
    return f"{key} is {shown(value)}; it is {either(VALUES[key])}", said(message, release)


def _no_items(value: Any, *, of_list: bool = False) -> str:
    """What Python says where a mapping was expected."""
    if of_list and not isinstance(value, Mapping | str):
        return f"TypeError: '{type(value).__name__}' object is not iterable"
    kind = "str" if of_list else type(value).__name__
    return f"AttributeError: '{kind}' object has no attribute 'items'"
