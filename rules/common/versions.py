"""Versions of the operator set."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

OLDEST = 6
"""Operator sets before it have other attributes (``consumed_inputs``, ``broadcast``, ``axis``): ONNX changelog."""
NEWEST = 28
"""The operator set of onnx 1.23, the newest that lintmodel is tested with."""


@rule("GRF601", "opset-too-old", Level.WARNING, on=Model, confidence="documented")
def opset_too_old(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The model follows an older version of ONNX's operators than the toolchain reads.

    What it does: compares the operator set of the file with the oldest one the toolchain reads; where the target
    does not say, with 6, from which on lintmodel reads models.

    Why it matters: operators have changed their attributes and meaning: what was an attribute is now an input, and
    broadcasting had to be asked for. An importer that expects the newer form misses parameters.

    What to do instead: export again with a newer opset_version, or convert the file with lintmodel fix.

    Fix safety: safe; each operator is written as the other version defines it, with onnx's own converter where the
    two differ.

    Source: ONNX operator changelog; the target's sheet (min_opset).
    """
    opset, oldest = _opset(model), int(target.limits.get("min_opset", OLDEST))
    if opset is not None and opset < oldest:
        reader = target.toolchain if "min_opset" in target.limits else "lintmodel"
        text = f"the model uses opset {opset}; {reader} reads {oldest} and newer"
        yield Found(text, fix=Fix("convert-opset", "safe", f"opset {oldest}"), details={"opset": oldest})


opset_too_old.bad(lambda g: g.with_opset(5).conv(8, 16))
opset_too_old.good(lambda g: g.with_opset(13).conv(8, 16))


@rule("GRF602", "opset-too-new", Level.WARNING, on=Model, confidence="documented")
def opset_too_new(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """The model follows a newer version of ONNX's operators than the toolchain knows.

    What it does: compares the operator set of the file with the newest one the toolchain knows; where the target
    does not say, with 28, the newest that lintmodel is tested with.

    Why it matters: toolchains refuse a newer set, or read its operators by the older definition, in which an input
    that was an attribute before is not looked at.

    What to do instead: export with opset_version set to what the toolchain knows. lintmodel fix converts files that
    cannot be exported again.

    Fix safety: safe; each operator is written as the older version defines it. Where it has none, nothing is done.

    Source: ONNX operator changelog; the target's sheet (max_opset).
    """
    opset, newest = _opset(model), int(target.limits.get("max_opset", NEWEST))
    if opset is not None and opset > newest:
        reader = target.toolchain if "max_opset" in target.limits else "lintmodel"
        text = f"the model uses opset {opset}; {reader} knows up to {newest}"
        yield Found(text, fix=Fix("convert-opset", "safe", f"opset {newest}"), details={"opset": newest})


def _opset(model: Model) -> int | None:
    return model.graph.opsets.get("") if model.graph.format == "onnx" else None


opset_too_new.bad(lambda g: g.with_opset(99).conv(8, 16))
opset_too_new.good(lambda g: g.with_opset(11).conv(8, 16))


RULES: list[Rule] = [opset_too_old, opset_too_new]
