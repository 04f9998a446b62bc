"""Pad, Conv -> Conv with pads"""

from __future__ import annotations

from collections.abc import Iterator

from ...ir import Graph, Node, Pad
from ..change import Change, NewNode, rewrite
from ..patterns import constant, like, not_negative, of_op, writable

WINDOWED = ("Conv", "MaxPool", "AveragePool")


@rewrite("pad-into-conv", "safe")
def pad_into_conv(graph: Graph) -> Iterator[Change]:
    """Zeros put around a map become the padding of the Conv, AveragePool or (of values not below 0) MaxPool that
    reads it."""
    for pad in of_op(graph, "Pad"):
        y, amounts = pad.outputs[0], Pad(graph, pad).amounts
        if amounts is None or len(amounts) < 3 or any(n < 0 for pair in amounts for n in pair):
            continue
        if (
            any(amounts[0])
            or any(amounts[1])
            or not pads_zeros(graph, pad)
            or y in graph.outputs
            or y in graph.captured
        ):
            continue
        readers = graph.consumers(y)
        new = [_with_pads(graph, pad, reader, amounts[2:]) for reader in readers]
        windows = [each for each in new if each is not None]
        if windows and len(windows) == len(new):
            ops = ", ".join(dict.fromkeys(each.op for each in windows))
            text = f"the padding {_words(amounts[2:])} goes into the {ops}"
            yield Change(pad.name, text, (pad.name, *(reader.name for reader in readers)), tuple(windows))


def _with_pads(graph: Graph, pad: Node, reader: Node, amounts: tuple[tuple[int, int], ...]) -> NewNode | None:
    """The reader with the padding as its own; None where that is not exact."""
    y = pad.outputs[0]
    if reader.op not in WINDOWED or reader.domain or reader.inputs[0] != y or reader.inputs.count(y) != 1:
        return None
    pads = _added(reader, amounts) if writable(reader) else None
    extra = _exact(graph, pad, reader, pads)
    if extra is None:
        return None
    return like(reader, (pad.inputs[0], *reader.inputs[1:]), None, pads=pads, auto_pad=None, **extra)


def pads_zeros(graph: Graph, pad: Node) -> bool:
    if pad.attributes.get("mode", "constant") != "constant":
        return False
    if len(pad.inputs) > 2 and pad.inputs[2]:
        value = constant(graph, pad.inputs[2])
        return value is not None and not value.any()
    return not pad.attributes.get("value", 0)


def _added(reader: Node, amounts: tuple[tuple[int, int], ...]) -> tuple[int, ...] | None:
    """The reader's padding and that of the Pad."""
    auto, rank = str(reader.attributes.get("auto_pad", "NOTSET")), len(amounts)
    own = tuple(reader.attributes.get("pads") or (0,) * 2 * rank) if auto != "VALID" else (0,) * 2 * rank
    if auto not in ("NOTSET", "VALID") or len(own) != 2 * rank:
        return None
    return tuple(n + amounts[k % rank][k // rank] for k, n in enumerate(own))


def _exact(graph: Graph, pad: Node, reader: Node, pads: tuple[int, ...] | None) -> dict[str, int] | None:
    """Further attributes the reader needs; None where its own padding is something else than zeros."""
    if pads is None:
        return None
    if reader.op == "Conv":
        return {}
    kernel = reader.attributes.get("kernel_shape", ())
    small = len(kernel) * 2 == len(pads) and all(n < kernel[k % len(kernel)] for k, n in enumerate(pads))
    if (
        not small
        or reader.attributes.get("ceil_mode", 0)
        or any(n != 1 for n in reader.attributes.get("dilations", ()))
    ):
        return None
    if reader.op == "MaxPool":  # pads with the lowest number there is, and every window reaches into the map
        alone = len(reader.outputs) == 1 and not any(reader.attributes.get("pads") or ())
        return {} if alone and not_negative(graph, pad.inputs[0]) else None
    counts = not any(reader.attributes.get("pads") or ()) or reader.attributes.get("count_include_pad", 0)
    return {"count_include_pad": 1} if counts else None


def _words(amounts: tuple[tuple[int, int], ...]) -> str:
    return " ".join(f"{low}+{high}" for low, high in amounts)
