"""A compiled kmodel: what its header says about loading and running it. The network itself is not looked at."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lintmodel.ir import Document
from lintmodel.planning import NotChecked, Plan, Pool
from lintmodel.target import Target

from .runtime_support import chosen_runtime, fits, loaders, runtime_of

MADE_BY = {3: "nncase 0.1", 4: "nncase 0.2", 5: "nncase 1.x"}
"""Source: kendryte/nncase#252."""
FIRST_LAYERS = {"maixpy": frozenset({"Conv"})}
"""Of version 3. Source: MaixPy-v1 d8901fd, Maix_kpu.c: "first layer should be conv layer"."""
ANY_FIRST_LAYER = frozenset({"Conv", "FullyConnected"})
"""Source: kendryte-standalone-sdk 02576ba, lib/drivers/kpu.c, kpu_run_kmodel: others return -1."""
MODULES = frozenset({"stackvm", "k210"})
"""Module types the K210's runtime of nncase 1.x can make."""


def check_document(document: Document, target: Target) -> Plan:
    """The plan of a kmodel: accepted, because the toolchain made it; whether it is loaded and fits."""
    values = document.values
    memory = memory_of(values, target)
    main = memory["main"].peak
    broken = not_loaded(values, target)
    return Plan(
        memory=memory,
        verdict="accepted",
        runtime="fails" if broken else runtime_of(values["version"], target),
        fits="yes" if fits(main, target) else "no",
        facts=(
            ("made by", MADE_BY.get(values["version"], "unknown")),
            ("loaded by", ", ".join(loaders(values["version"], target)) or "no known runtime"),
        ),
        not_checked=(NotChecked("the network's layers", "a compiled model is read as far as its header"),),
    )


def not_loaded(values: Mapping[str, Any], target: Target) -> bool:
    """Something besides the version keeps the runtime from loading or running it."""
    return bool(other_chip(values) or missing_layers(values, target) or first_layer_refused(values, target))


def other_chip(values: Mapping[str, Any]) -> str:
    """For which other chip the file was made; empty for the K210's own and for the CPU's (version 4)."""
    if values["version"] == 5:
        return next((module["type"] for module in values.get("modules", ()) if module["type"] not in MODULES), "")
    known = (0,) if values["version"] == 3 else (0, 1)
    architecture = values.get("architecture", 0)
    return "" if architecture in known else f"architecture {architecture}"


def missing_layers(values: Mapping[str, Any], target: Target) -> list[str]:
    """Layers of version 3 that its runtime has no code for, each once."""
    if values["version"] != 3:
        return []
    return sorted(set(values.get("layers", ())) - target.operators["kmodel3"])


def first_layer_refused(values: Mapping[str, Any], target: Target) -> bool:
    """The runtime hands the picture to the first layer of version 3, which must be of a kind it can."""
    layers = values.get("layers", ())
    allowed = FIRST_LAYERS.get(chosen_runtime(target) or "", ANY_FIRST_LAYER)
    return values["version"] == 3 and bool(layers) and layers[0] not in allowed


def memory_of(values: Mapping[str, Any], target: Target) -> dict[str, Pool]:
    """Main memory while it runs: the file itself, and what it asks for besides."""
    parts = {"model": values.get("bytes", 0)}
    if values["version"] == 5:
        data = sum(module["pools"].get("data", 0) for module in values.get("modules", ()))
        parts = {"input": values.get("input_pool", 0), "output": values.get("output_pool", 0), "data": data, **parts}
    else:
        parts = {"data": values.get("main_memory", 0), **parts}
    return {"main": Pool(sum(parts.values()), target.pools["main"].bytes, parts=parts)}
