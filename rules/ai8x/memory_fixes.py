"""Repairs of data memory: a layer that reads other bytes than it should, an output that is put over an input."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.fixing import ABSENT
from lintmodel.planning import Plan
from lintmodel.target import Target

from .data_memory import called
from .edits import Change
from .network import INPUT, Layer, Network
from .placement import overwrites
from .replay import ReadError, replay

Proposal = tuple[str, str, str, int, str, tuple[Change, ...]]
STEP = 0x1000
"""Between the places that are tried for an output."""
MISREAD, OVERWRITES = "reads-wrong-memory", "output-overwrites-input"


def memory_fixes(network: Network, plan: Plan, target: Target) -> Iterator[Proposal]:
    """Only where the plan, which has replayed the network, found something."""
    kinds = {refusal.kind for refusal in plan.refusals}
    if MISREAD in kinds:
        for error in replay(network, target).errors:
            layer = network.layers[error.layer]
            for node, text, changes in _misread(network, layer, error, target):
                yield f"reads {error.layer}", "AIX331", MISREAD, node, text, changes
    if OVERWRITES in kinds:
        for found in overwrites(network, target):
            if found.before != found.layer:
                for text, changes in _moved(network, network.layers[found.layer], target):
                    yield f"over {found.layer}", "AIX332", OVERWRITES, found.layer, text, changes


Way = tuple[int, str, tuple[Change, ...]]


def _misread(network: Network, layer: Layer, error: ReadError, target: Target) -> Iterator[Way]:
    causes = set(error.causes)
    if not causes or (error.by == INPUT and causes - {"offset", "processors"}):
        return
    maker = network.layers[error.by] if error.by != INPUT else None
    if maker is not None and causes & {"overwritten", "past-end"}:
        for text, changes in _moved(network, maker, target):
            yield maker.index, text, changes
        return
    if maker is not None and "stray-gap" in causes:
        text = f"write_gap taken away, as no layer that reads {called(network, maker.index)} wants it"
        rest = _own(network, layer, causes)
        yield maker.index, text, ((maker.index, "write_gap", ABSENT, ""), *rest)
        return
    if maker is not None and "operand-gap" in causes:
        gap = layer.operands * (layer.read_gap + 1) - 1
        wrong = [s for s in dict.fromkeys(layer.sources) if s != INPUT and network.layers[s].write_gap != gap]
        operands = tuple((s, "write_gap", gap, str(gap)) for s in wrong)
        text = f"write_gap: {gap} for the {layer.operands} operands of {called(network, layer.index)}"
        yield wrong[0], text, operands
        return
    if maker is not None and "gapped-copy" in causes:
        yield layer.index, *_original(network, layer, maker)
    own = _own(network, layer, causes)
    if maker is not None and causes & {"gapped-copy", "gap"}:
        gap = maker.write_gap
        own = ((layer.index, "read_gap", gap, str(gap)), *own)
    if own:
        yield layer.index, ", ".join(f"{key}: {text}" for _, key, _, text in own), own


def _original(network: Network, layer: Layer, copy: Layer) -> tuple[str, tuple[Change, ...]]:
    """Reads what a layer copies, and not the copy. The layer that wrote it gets a name if it has none."""
    source = copy.sources[0]
    changes: list[Change] = []
    if source == INPUT:
        name = "input"
    else:
        given = network.layers[source].keys.get("name")
        name = str(given) if given is not None else _new_name(network, source)
        if given is None:
            changes.append((source, "name", name, name))
    # Of two lines added at one place the first comes first.
    changes.append((layer.index, "in_sequences", name, name))
    changes.append((layer.index, "in_offset", copy.in_offset, f"0x{copy.in_offset:04x}"))
    if layer.processors != copy.processors:
        changes.append((layer.index, "processors", copy.processors, f"0x{copy.processors:016x}"))
    what = "the input" if source == INPUT else called(network, source)
    text = f"reads {what} and not {called(network, copy.index)}, its copy with gaps"
    return text, tuple(changes)


def _new_name(network: Network, index: int) -> str:
    taken = {layer.name.lower() for layer in network} | {"input"}
    return next(name for name in (f"out{index}", *(f"out{index}_{k}" for k in range(99))) if name not in taken)


def _own(network: Network, layer: Layer, causes: set[str]) -> tuple[Change, ...]:
    """Where the layer's sources are."""
    sources = [network.layers[source] for source in layer.sources if source != INPUT]
    first = network.layers[0]
    changes: list[Change] = []
    if "offset" in causes:
        offset = min((source.out_offset for source in sources), default=first.in_offset)
        changes.append((layer.index, "in_offset", offset, f"0x{offset:04x}"))
    if "processors" in causes:
        mask = 0
        for source in sources:
            mask |= source.output_processors or 0
        mask = mask or first.processors
        changes.append((layer.index, "processors", mask, f"0x{mask:016x}"))
    return tuple(changes)


def _moved(network: Network, layer: Layer, target: Target) -> Iterator[tuple[str, tuple[Change, ...]]]:
    """The output at another place, and its readers with it. Operands that lie word by word beside others stay."""
    readers = [other for other in network if layer.index in other.sources]
    if layer.write_gap or any(len(other.sources) > 1 for other in readers):
        return
    for offset in range(0, int(target.limit("data_instance_bytes")), STEP):
        if offset != layer.out_offset:
            text = f"0x{offset:04x}"
            follow = tuple((o.index, "in_offset", offset, text) for o in readers if "in_offset" in o.keys)
            said = f"out_offset: {text}, where nothing is that is still needed"
            yield said, ((layer.index, "out_offset", offset, text), *follow)
