"""Which runtime loads which compiled model, and how much memory the firmware leaves. The numbers are in the sheet."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.errors import UsageError
from lintmodel.planning import Runtime
from lintmodel.target import Target

NAMES = {"maixpy": "MaixPy", "canmv": "CanMV", "standalone": "the standalone SDK"}
"""Values of the option ``runtime`` but ``any``, and how they are spoken of."""
MAIXPY_MINIMUM = "maixpy-minimum"


def runtime_of(kmodel_version: int, target: Target) -> Runtime:
    """Whether the runtime of the options loads a kmodel of this version; with ``any``, whether all of them do. Unknown
    where it depends on the runtime, or on how the firmware was built. Raises UsageError for options that contradict."""
    chosen = chosen_runtime(target)
    found = {loads(name, kmodel_version, target) for name in ([chosen] if chosen else NAMES)}
    return found.pop() if len(found) == 1 else "unknown"


def chosen_runtime(target: Target) -> str | None:
    """The runtime of the options; left open there, that of the firmware. Raises UsageError where they contradict."""
    runtime, firmware = _option(target, "runtime", "any"), firmware_of(target)
    implied = firmware.partition("-")[0] if firmware else None
    if runtime == "any":
        return implied
    if implied and implied != runtime:
        raise UsageError(f"target {target.name}: the firmware {firmware} has the runtime {implied}, not {runtime}")
    return runtime


def firmware_of(target: Target) -> str | None:
    """The firmware of the options; None when there is none."""
    firmware = _option(target, "firmware", "none")
    return None if firmware == "none" else firmware


def loads(runtime: str, kmodel_version: int, target: Target) -> Runtime:
    """Whether one runtime loads a kmodel of this version."""
    minimum = runtime == "maixpy" and firmware_of(target) == MAIXPY_MINIMUM
    if kmodel_version in target.limit("maixpy_minimum_kmodels" if minimum else f"{runtime}_kmodels"):
        return "ok"
    return "unknown" if kmodel_version in target.limits.get(f"{runtime}_build_kmodels", ()) else "fails"


def loaders(kmodel_version: int, target: Target) -> Iterator[str]:
    """Names of the runtimes that load a kmodel of this version, and on what condition."""
    for runtime, name in NAMES.items():
        found = loads(runtime, kmodel_version, target)
        if found != "fails":
            yield name if found == "ok" else f"{name} (some builds)"


def runtime_name(target: Target) -> str:
    """The chosen runtime as it is spoken of: ``MaixPy (maixpy-minimum)``."""
    name, firmware = NAMES.get(chosen_runtime(target) or "", "any runtime"), firmware_of(target)
    return f"{name} ({firmware})" if firmware else name


def available(target: Target) -> int | None:
    """Bytes of main memory left for the model: all of it, less the firmware's code and heap."""
    whole, firmware = target.pools["main"].bytes, firmware_of(target)
    if whole is None or firmware is None:
        return whole
    key = firmware.replace("-", "_")
    return whole - int(target.limit(f"firmware_{key}")) - int(target.limit(f"heap_{key}"))


def fits(needed: int, target: Target) -> bool:
    """So many bytes are left beside the firmware."""
    left = available(target)
    return left is None or needed <= left


def _option(target: Target, name: str, default: str) -> str:
    return str(target.options.get(name, default))
