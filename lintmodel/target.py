"""Capability sheets: what a chip and its toolchain can do, as numbers with their sources.

A sheet is a YAML file, ours in ``targets/`` or the user's own (``--target ./myboard.yaml`` with ``extends: k210``)::

    name: k210
    family: kpu
    title: Kendryte K210 (KPU)
    toolchain: {name: nncase, default: "1.9", versions: {"1.9": {}}}
    limits:
      max_channels: {value: 1024, unit: channels, source: "nncase v1.9.0, kpu_utils.h"}
    pools:
      kpu: {bytes: 2097152, align: 64, source: "nncase v1.9.0, runtime_types.h"}
    operators:
      onnx: {names: [Abs, Add], source: "nncase v1.9.0, opcode.def"}
    options:
      ptq: {default: true, values: [true, false], help: "..."}

A sheet that extends another may change values and add options, and may not invent limits the rules do not know.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .errors import UsageError, did_you_mean


@dataclass(frozen=True, slots=True)
class Memory:
    """One memory of the chip."""

    bytes: int | None
    align: int = 1
    source: str = ""


@dataclass(frozen=True, slots=True)
class OptionSpec:
    """An option of the target. ``values`` empty: anything of the default's type."""

    default: Any
    values: tuple[Any, ...] = ()
    help: str = ""


@dataclass(frozen=True)
class Target:
    """A chip with one version of its toolchain and the options in force."""

    name: str
    family: str
    title: str
    toolchain_name: str
    version: str
    """The toolchain version in force."""
    versions: tuple[str, ...]
    limits: Mapping[str, Any]
    """Plain values by name; their sources are in ``sources``."""
    sources: Mapping[str, str]
    """Source of every limit, pool and operator table, by name."""
    units: Mapping[str, str] = field(default_factory=dict)
    pools: Mapping[str, Memory] = field(default_factory=dict)
    operators: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Operator tables by name: ``onnx``, ``tflite``, ..."""
    option_specs: Mapping[str, OptionSpec] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    """Options in force: the sheet's defaults and what the user set."""
    aliases: tuple[str, ...] = ()
    notes: str = ""
    path: str = ""

    @property
    def toolchain(self) -> str:
        """As reports print it: ``nncase 1.9``."""
        return f"{self.toolchain_name} {self.version}"

    def limit(self, name: str) -> Any:
        """A limit of the sheet. Raises KeyError: a rule asked for a number that its family's sheets do not have."""
        return self.limits[name]

    def with_options(self, options: Mapping[str, Any]) -> Target:
        """The same target with options set. Raises UsageError for one it does not have or cannot take."""
        for key, value in options.items():
            spec = self.option_specs.get(key)
            if spec is None:
                known = sorted(self.option_specs)
                raise UsageError(
                    f"target {self.name} has no option '{key}'"
                    + (did_you_mean(key, known) or (f"; it has {', '.join(known)}" if known else ""))
                )
            if spec.values and value not in spec.values:
                raise UsageError(f"target {self.name}: {key} is one of {', '.join(map(str, spec.values))}, not {value}")
        return replace(self, options={**self.options, **options})
