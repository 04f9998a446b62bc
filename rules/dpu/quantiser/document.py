"""The quantiser's verdict on a configuration: everything it refuses, and everything it lets through that it should not.

A configuration is for the quantiser, not for the chip; the target says which release reads it and what the board has.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from lintmodel.ir import Document
from lintmodel.planning import NotChecked, Plan
from lintmodel.target import Target

from .conflicts import conflicts
from .reading import Reading, Remark, Settings, read_configuration
from .words import DEVICES, LAYER, OVERALL, RELEASES, SWITCHES, TENSOR, TENSORS, shown, together

KIND = "vitis-quant-config"
"""The kind of these documents."""
_MARKS = {*SWITCHES, OVERALL, TENSOR, LAYER, "quantizable_data_type"}


def recognise(document: Document) -> str | None:
    """A mapping with any key that only this file has, or one that names a device."""
    values = document.values
    return KIND if _MARKS & values.keys() or values.get("target_device") in DEVICES else None


def reading_of(document: Document, target: Target) -> Reading:
    """What the target's release makes of a configuration. Releases before 2.5 read none; 2.5's rules are used."""
    release = _release(target)
    reading = read_configuration(document, release)
    refused = (*reading.refusals, *conflicts(reading, release))
    return replace(reading, refusals=refused, remarks=(*reading.remarks, *_let_through(reading)))


def check_configuration(document: Document, target: Target) -> Plan:
    """The plan of a configuration: a verdict and what is refused, all of it."""
    if target.version not in RELEASES:
        why = f"the quantiser of {target.toolchain} takes no configuration file; that came with {RELEASES[0]}"
        return Plan(not_checked=(NotChecked("the configuration", why),), verdict="unknown", runtime="unknown")
    reading = reading_of(document, target)
    return Plan(
        refusals=reading.refusals,
        verdict="rejected" if reading.refusals else "accepted",
        runtime="unknown",
        facts=tuple(_facts(reading, target)),
    )


def _release(target: Target) -> str:
    return target.version if target.version in RELEASES else RELEASES[0]


def _facts(reading: Reading, target: Target) -> Iterator[tuple[str, str]]:
    """What every tensor comes to, once where it is the same for all."""
    yield "read by", f"vai_q_pytorch of {target.toolchain}"
    yield "target device", str(reading.device) if reading.device is not None else "not given"
    model = reading.scopes[0].tensors
    lines: dict[str, list[str]] = {}
    for tensor in TENSORS:
        settings = model[tensor]
        words = f"{settings['bit_width'].value} bit, {settings['method'].value}, {settings['scale_type'].value}"
        lines.setdefault(f"{words}, {settings['round_mode'].value}", []).append(tensor)
    for words, tensors in lines.items():
        yield ", ".join(tensors), words
    if len(reading.scopes) > 1:
        yield "layer entries", str(len(reading.scopes) - 1)


# ---- what the quantiser lets through


def _let_through(reading: Reading) -> Iterator[Remark]:
    device = reading.device
    if device is None:
        return
    if device != "DPU":
        yield _device(device)
        return
    found: dict[tuple[str, str, str], list[str]] = {}
    for scope in reading.scopes:
        for tensor in scope.quantised:
            for kind, key, says in _of_tensor(scope.tensors[tensor]):
                tensors = found.setdefault((kind, key, says), [])
                if tensor not in tensors:
                    tensors.append(tensor)
    for (kind, key, says), tensors in found.items():
        yield Remark(kind, key, f"{together(tensors)} {'is' if len(tensors) == 1 else 'are'} {says}")


def _device(device: object) -> Remark:
    if device not in DEVICES:
        near = ", and names are not compared without regard to case" if str(device).upper() in DEVICES else ""
        says = f"target_device is {shown(device)}, which the quantiser takes without a word and holds to no rule{near}"
        return Remark("unknown-target-device", "target_device", says)
    return Remark("not-for-the-dpu", "target_device", f"target_device is {device}; this target is a DPU")


def _of_tensor(settings: Settings) -> Iterator[tuple[str, str, str]]:
    """Kind, path of the value, and what the tensor is."""
    kind, width, signed = settings["datatype"], settings["bit_width"], settings["signed"]
    if kind.value != "int":
        yield "float-datatype", kind.key, f"{kind.value}, which no rule of the quantiser looks at; the DPU has int8"
        return
    if width.value != 8 or isinstance(width.value, bool):
        yield "bit-width-not-8", width.key, f"{shown(width.value)} bits wide; the DPU computes in int8"
    if not signed.value:
        yield "unsigned", signed.key, "unsigned; the DPU computes with signed integers"
