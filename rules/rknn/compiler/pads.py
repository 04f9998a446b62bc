"""Borders of zeros, which the convolution or pool behind can make itself."""

from __future__ import annotations

from ..program import Layer, Program


def fold_pads(program: Program) -> None:
    """A Pad of H and W with zeros whose sole reader is a convolution or a pool is part of that one's own border."""
    for pad in list(program.layers):
        if pad.kind != "Pad":
            continue
        reader = program.sole_consumer(pad.outputs[0])
        amounts = border(program, pad)
        if reader is None or reader.kind not in ("Conv", "MaxPool") or amounts is None:
            continue
        if reader.inputs[0] != pad.outputs[0] or "pads" not in reader.attributes or len(reader.attributes["pads"]) != 4:
            continue
        reader.attributes["pads"] = tuple(a + b for a, b in zip(reader.attributes["pads"], amounts, strict=True))
        reader.inputs[0] = pad.inputs[0]
        reader.nodes = (*pad.nodes, *reader.nodes)
        program.remove(pad)


def border(program: Program, pad: Layer) -> tuple[int, int, int, int] | None:
    """Top, left, bottom and right of a border of zeros around H and W; None when it is anything else."""
    if len(program.shape(pad.inputs[0])) != 4 or str(_text(pad.attributes.get("mode", "constant"))) != "constant":
        return None
    pads = pad.attributes.get("pads")
    if pads is None:
        pads = _numbers(program, pad, 1)
        value = _numbers(program, pad, 2)
    else:
        value = [pad.attributes.get("value", 0.0)]
    if pads is None or len(pads) != 8 or len(pad.inputs) > 3 or any(v != 0 for v in value or ()):
        return None
    low, high = [int(p) for p in pads[:4]], [int(p) for p in pads[4:]]
    if any(low[:2]) or any(high[:2]) or min(low + high) < 0:
        return None
    return (low[2], low[3], high[2], high[3])


def _numbers(program: Program, layer: Layer, position: int) -> list[float] | None:
    if len(layer.inputs) <= position or not layer.inputs[position]:
        return None
    load = program.values[layer.inputs[position]].load
    value = load() if load is not None else None
    return None if value is None else [float(v) for v in value.reshape(-1)]


def _text(value: object) -> object:
    return value.decode() if isinstance(value, bytes) else value
