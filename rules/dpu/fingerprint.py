"""Which DPU an ``arch.json`` or a fingerprint means.

``arch.json`` lies on the board's image and says ``{"fingerprint": "0x101000056010407"}`` or has the name of a target.
Registered fingerprints have a sheet; those of DPUCZDX8G that are not registered are decoded bit by bit.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.errors import UnknownTarget
from lintmodel.target import Target, load_target

ARCHITECTURES = ("B512", "B800", "B1024", "B1152", "B1600", "B2304", "B3136", "B4096")
"""By bits 3 to 0 of a DPUCZDX8G's fingerprint. Source: Vitis AI 3.5, create_target_DPUCZDX8G.cpp."""
TYPES = {
    1: "DPUCZDX8G",
    2: "DPUCAHX8H",
    3: "DPUCAHX8L",
    5: "DPUCVDX8H",
    6: "DPUCVDX8G",
    7: "DPUCADF8H",
    9: "DPUCV2DX8G",
}
"""By bits 63 to 56. Source: Vitis AI 3.5, target_factory."""
DECODED = (0xF, 0xF << 8, 0b11 << 24, 1 << 26, 1 << 28, 1 << 29, 1 << 30, 0b11 << 32, 0b11 << 34)
"""Fields of an ISA 1 DPUCZDX8G: architecture, pixels of the arithmetic unit, bank groups, channel augmentation,
LeakyReLU behind convolutions and behind the arithmetic unit, arg-max, width of its pixels twice."""

BANK_GROUPS = 0b11 << 24
PRODUCTS = 1 << 36
"""Of ISA 0: the element-wise engine multiplies. Source: the registered _MAX and _MAX_EM differ in this bit."""


def target_sheet(description: str | Mapping[str, Any]) -> str | None:
    """A sheet for an ``arch.json`` (its values), or for a fingerprint that no sheet has; None for anything else.

    Raises UnknownTarget for a fingerprint that no release registers and that cannot be decoded.
    """
    if isinstance(description, str):
        return _unregistered(int(description, 16)) if re.fullmatch(r"0x[0-9a-fA-F]{8,16}", description) else None
    fingerprint, name = description.get("fingerprint"), description.get("target")
    if fingerprint is not None:
        return _of_fingerprint(fingerprint)
    return f"extends: {name}\nname: {name}\n" if isinstance(name, str) and re.fullmatch(r"\w+", name) else None


def _of_fingerprint(fingerprint: Any) -> str:
    try:
        word = hex(int(fingerprint, 16) if isinstance(fingerprint, str) else int(fingerprint))
    except (TypeError, ValueError):
        raise UnknownTarget(f"'{fingerprint}' is no fingerprint: 0x and up to 16 hexadecimal digits") from None
    target = load_target(word)  # sheets have their fingerprints as aliases
    # A target may have another fingerprint in one release only: then that release is meant.
    of = {version: load_target(word, version).limit("fingerprint") for version in target.versions}
    versions = [version for version, found in of.items() if found == word]
    toolchain = f'toolchain: {{default: "{versions[0]}"}}\n' if versions and target.version not in versions else ""
    return f'extends: "{word}"\nname: {target.name}\n{toolchain}'


def _unregistered(value: int) -> str:
    kind, isa = TYPES.get(value >> 56, "?"), value >> 48 & 0xFF
    if kind == "DPUCZDX8G" and isa == 1:
        return "\n".join(_isa1(value))
    found = "\n".join(_isa0(value)) if kind == "DPUCZDX8G" and isa == 0 else ""
    if not found:
        known = f"; its bits say {kind} with ISA {isa}" if kind != "?" else ""
        raise UnknownTarget(f"no release of Vitis AI registers the fingerprint {hex(value)}{known}")
    return found


def _isa1(value: int) -> Iterator[str]:
    """A DPUCZDX8G that was synthesised with a choice of its own."""
    name = f"DPUCZDX8G_ISA1_{_architecture(value)}"
    base = load_target(name, "3.5")
    unread = (value ^ int(base.limit("fingerprint"), 16)) & ~sum(DECODED) & (1 << 48) - 1
    if unread:
        raise UnknownTarget(f"fingerprint {hex(value)}: bits {unread:#x} differ from {name} and have no known meaning")
    alu, conv = dict(base.limit("alu")), dict(base.limit("conv"))
    alu["pixels"] = value >> 8 & 0xF
    alu["activations"] = ["relu", "relu6", *(["leaky"] if value >> 29 & 1 else [])]
    conv["activations"] = ["relu", "relu6", *(["leaky"] if value >> 28 & 1 else [])]
    limits = {"argmax": str(bool(value >> 30 & 1)).lower(), "alu": alu, "conv": conv}
    yield from _sheet(value, base, limits)


def _isa0(value: int) -> Iterator[str]:
    """What is registered as _MAX or _MIN, with another number of bank groups or with products of maps. Nothing where
    other bits differ too: registered targets do not tell those apart."""
    for choice, readable in (("MAX", BANK_GROUPS | PRODUCTS), ("MIN", BANK_GROUPS)):
        base = load_target(f"DPUCZDX8G_ISA0_{_architecture(value)}_{choice}", "2.0")
        if (value ^ int(base.limit("fingerprint"), 16)) & ~readable == 0:
            operations = ["add", "mult"] if value & PRODUCTS and choice == "MAX" else ["add"]
            yield from _sheet(value, base, {"eltwise": {**base.limit("eltwise"), "operations": operations}})
            return


def _architecture(value: int) -> str:
    if value & 0xF >= len(ARCHITECTURES):
        raise UnknownTarget(f"fingerprint {hex(value)}: bits 3 to 0 are {value & 0xF}; architectures go from 0 to 7")
    return ARCHITECTURES[value & 0xF]


def _sheet(value: int, base: Target, limits: Mapping[str, Any]) -> Iterator[str]:
    """The base's sheet with these limits, and as many banks of feature maps as the fingerprint says."""
    groups = (value & BANK_GROUPS) >> 24
    if not groups:
        raise UnknownTarget(f"fingerprint {hex(value)}: bits 25 to 24 give no bank of feature maps")
    shapes = base.limit("banks")
    others = {bank: shape for bank, shape in shapes.items() if not bank.startswith("VB")}
    feature = (base.pools["feature"].bytes or 0) // (len(shapes) - len(others)) * groups
    yield f"name: {base.name}_{hex(value)}"
    yield f"extends: {base.name}"
    yield f"title: AMD {base.name}, decoded from its fingerprint"
    yield f"notes: No release registers {hex(value)}; engines and banks are read from its bits."
    yield "limits:"
    yield f'  fingerprint: {{value: "{hex(value)}"}}'
    yield f"  banks: {{value: {dict.fromkeys([f'VB{k}' for k in range(groups)], shapes['VB0']) | others}}}"
    for limit, found in limits.items():
        yield f"  {limit}: {{value: {found}}}"
    yield f"pools: {{feature: {{bytes: {feature}}}}}"
