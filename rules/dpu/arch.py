"""``arch.json``, with which the compiler is told the DPU, against the DPU of a target."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lintmodel.errors import LintmodelError
from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import NotChecked, Plan
from lintmodel.registry import rule
from lintmodel.target import Target, load_target

KIND = "vitis-arch"
"""The kind of these documents."""


def recognise(document: Document) -> str | None:
    """A mapping with a fingerprint, or with a DPU's name, and nothing else."""
    found = document.values.keys() - {"name"}
    return KIND if found and found <= {"fingerprint", "target"} else None


def check_arch(document: Document, target: Target) -> Plan:
    """Whether the board runs what is compiled with this file. What is compiled is not in it, so nothing is refused."""
    compiled = compiled_for(document, target)
    if compiled is None:
        why = "its fingerprint or target is none that a release of Vitis AI registers"
        return Plan(not_checked=(NotChecked("the fingerprint", why),), verdict="unknown", runtime="unknown")
    facts = (("compiles for", compiled), (f"{target.name} with {target.toolchain}", str(target.limit("fingerprint"))))
    return Plan(runtime="ok" if compiled == target.limit("fingerprint") else "fails", facts=facts)


def compiled_for(document: Document, target: Target) -> str | None:
    """The fingerprint that the compiler of the target's release puts into a model; None where it is not known."""
    given, name = document.values.get("fingerprint"), document.values.get("target")
    try:
        if given is not None:
            return hex(given if isinstance(given, int) else int(str(given), 16))
        if isinstance(name, str) and re.fullmatch(r"\w+", name):
            return str(load_target(name, target.version).limit("fingerprint"))
    except (ValueError, KeyError, LintmodelError):
        pass
    return None


@rule("DPU622", "fingerprint-mismatch", Level.ERROR, on=Document, confidence="documented")
def fingerprint_mismatch(arch: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """arch.json of another DPU than the board's.

    What it does: compares the fingerprint in an arch.json, or that of the DPU it names, with the target's in the
    release of Vitis AI that is asked for. The same B4096 has three: 0x1000020f6014407 up to 2.0, 0x101000016010407 in
    2.5 and 0x101000056010407 from 3.0 on.

    Why it matters: the compiler writes the fingerprint into the model, and the runtime refuses to load one that is not
    its own. XLNX_ENABLE_FINGERPRINT_CHECK=0 only hides that.

    What to do instead: the arch.json of the board's image, and the release of Vitis AI the image was made with.

    Source: Vitis AI 1.4 to 3.5, target_factory; Xilinx/Vitis-AI#263, #673, #975, #1149.
    """
    compiled, own = compiled_for(arch, dpu), str(dpu.limit("fingerprint"))
    if compiled is not None and compiled != own:
        key = "fingerprint" if "fingerprint" in arch.values else "target"
        said = f"CHECK fingerprint fail! model_fingerprint {compiled} is un-matched with actual dpu_fingerprint {own}"
        release = f"{dpu.toolchain_name} {dpu.version}"
        yield Found(f"compiles for {compiled}; {dpu.name} with {release} has {own}", said, key=key)


fingerprint_mismatch.bad(lambda: Document("arch.json", KIND, {"fingerprint": "0x1000020f6014407"}))
fingerprint_mismatch.bad(lambda: Document("arch.json", KIND, {"target": "DPUCZDX8G_ISA1_B3136"}))
fingerprint_mismatch.good(lambda: Document("arch.json", KIND, {"fingerprint": "0x101000016010407"}))
fingerprint_mismatch.good(lambda: Document("arch.json", KIND, {"target": "DPUCZDX8G_ISA1_B4096"}))

RULES = [fingerprint_mismatch]
