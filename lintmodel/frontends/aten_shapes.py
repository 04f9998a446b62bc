"""PyTorch's operators that move elements, and those that make tensors of nothing, as ONNX's operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..ir import Dim, Shape
from .aten import Lowering, Translation, is_folded

_END = (1 << 63) - 1
_PAD_MODES = {"replicate": "edge", "circular": "wrap"}


def _reshape(g: Lowering) -> None:
    """To the shape asked for, -1 included; of sizes not known before the network runs at most one can be written."""
    x = g.tensor("self", "input")
    asked = g.first("size", "shape")
    wanted = list(asked) if isinstance(asked, list | tuple) else list(g.result.shape or ())
    if sum(not isinstance(n, int) or n == -1 for n in wanted) > 1:
        wanted = [_size(n, k, g.shape(x)) for k, n in enumerate(g.result.shape or ())]
    g.give("Reshape", x, g.numbers(wanted), allowzero=int(0 not in wanted))


def _size(size: Dim, axis: int, before: Shape) -> int:
    """A size of a new shape: 0, which keeps the one that was there, for a symbol at the same place."""
    if isinstance(size, int):
        return size
    return 0 if axis < len(before) and before[axis] == size else -1


def _to_result(g: Lowering) -> None:
    """Flatten, squeeze and the like of a rank that ONNX's own operator does not have."""
    x, result = g.tensor("self", "input"), g.result
    wanted = [_size(n, k, g.shape(x)) for k, n in enumerate(result.shape or ())]
    g.give("Reshape", x, g.numbers(wanted), allowzero=int(0 not in wanted))


def _unsqueeze(g: Lowering) -> None:
    axis = g.arg("dim")
    g.give("Unsqueeze", g.tensor("self"), g.numbers([axis]))


def _squeeze(g: Lowering) -> None:
    x, dims = g.tensor("self"), g.arg("dim")
    shape = g.shape(x)
    asked = [dims] if isinstance(dims, int) else list(dims if dims is not None else range(len(shape)))
    ones = [axis % len(shape) for axis in asked if shape and shape[axis] == 1]
    if ones:
        g.give("Squeeze", x, g.numbers(ones))
    else:
        g.give_same(x)


def _permute(g: Lowering) -> None:
    x = g.tensor("self", "input")
    rank = len(g.shape(x))
    _give_turned(g, x, tuple(d % rank for d in g.arg("dims", ())))


def _transpose(g: Lowering) -> None:
    """Two axes exchanged; the two last ones where none are named (``t``, ``mT``)."""
    x = g.tensor("self", "input")
    rank = len(g.shape(x))
    if rank < 2:
        g.give_same(x)
        return
    order = list(range(rank))
    a, b = g.first("dim0", "axis0", default=-2), g.first("dim1", "axis1", default=-1)
    order[a], order[b] = order[b], order[a]
    _give_turned(g, x, tuple(order))


def _give_turned(g: Lowering, x: str, order: tuple[int, ...]) -> None:
    """The transpose of a constant is a constant, however large."""
    turned = g.turned(x, order)
    if turned:
        g.give_same(turned)
    else:
        g.give("Transpose", x, perm=order)


def _movedim(g: Lowering) -> None:
    x = g.tensor("self")
    rank = len(g.shape(x))
    source, target = ([v] if isinstance(v, int) else list(v) for v in (g.arg("source"), g.arg("destination")))
    order = [k for k in range(rank) if k not in [s % rank for s in source]]
    for to, axis in sorted((t % rank, s % rank) for s, t in zip(source, target, strict=True)):
        order.insert(to, axis)
    g.give("Transpose", x, perm=tuple(order))


def _expand(g: Lowering) -> None:
    x, result = g.tensor("self"), g.result
    if g.shape(x) == result.shape:
        g.give_same(x)
        return
    g.give("Expand", x, g.numbers([n if isinstance(n, int) else 1 for n in result.shape or ()]))


def _repeat(g: Lowering) -> None:
    x, repeats = g.tensor("self"), list(g.first("repeats", "dims", default=()))
    missing = len(repeats) - len(g.shape(x))
    if missing > 0:
        x = g.emit("Reshape", x, g.numbers([1] * missing + [_size(n, -1, ()) for n in g.shape(x)]))
    elif g.call.op == "aten.repeat":
        x = g.emit("Expand", x, g.numbers([1] * len(repeats)))  # which the exporter leaves in
    g.give("Tile", x, g.numbers(repeats))


# ---- joining and taking apart


def _cat(g: Lowering) -> None:
    parts = [name for name in g.tensors_of("tensors") if g.shape(name) != (0,)]
    axis = g.first("dim", "axis", default=0)
    if len(parts) == 1:
        g.give_same(parts[0])
    else:
        g.give("Concat", *parts, axis=axis % max(len(g.shape(parts[0])), 1) if axis >= 0 else axis)


def _stack(g: Lowering) -> None:
    axis = g.arg("dim", 0)
    g.give("Concat", *(g.emit("Unsqueeze", x, g.numbers([axis])) for x in g.tensors_of("tensors")), axis=axis)


def _split(g: Lowering) -> None:
    """Into parts of sizes that the results state."""
    x, axis = g.tensor("self"), g.arg("dim", 0)
    sizes = [(g.result_at(k).shape or ())[axis] for k in range(len(g.call.outputs))]
    if len(sizes) == 1:
        g.give_same(x)
    else:
        g.give_all("Split", x, g.numbers(sizes), axis=axis)


def _chunk(g: Lowering) -> None:
    """Equal parts by their number, others by their sizes."""
    axis, count = g.arg("dim", 0), len(g.call.outputs)
    if count > 1 and len({(g.result_at(k).shape or ())[axis] for k in range(count)}) == 1:
        g.give_all("Split", g.tensor("self"), axis=axis, num_outputs=count)
    else:
        _split(g)


def _unbind(g: Lowering) -> None:
    x, axis = g.tensor("self"), g.arg("dim", 0)
    for k in range(len(g.call.outputs)):
        part = g.emit("Slice", x, g.numbers([k]), g.numbers([k + 1]), g.numbers([axis]))
        g.give_part(k, "Squeeze", part, g.numbers([axis]))


def _slice(g: Lowering) -> None:
    x, axis = g.tensor("self"), g.arg("dim", 0)
    start, end, step = g.arg("start", 0), g.arg("end", _END), g.arg("step", 1)
    if g.shape(x) == g.result.shape and step == 1:
        g.give_same(x)
        return
    if not isinstance(start, int) or not isinstance(end, int):
        raise ValueError("the part taken is not known before the network runs")
    where = (g.numbers([n]) for n in (start, end, axis, step))
    g.give("Slice", x, *where)


def _narrow(g: Lowering) -> None:
    start, length = g.arg("start"), g.arg("length")
    where = (g.numbers([n]) for n in (start, start + length, g.arg("dim")))
    g.give("Slice", g.tensor("self"), *where)


def _select(g: Lowering) -> None:
    g.give("Gather", g.tensor("self"), g.number(g.arg("index"), "int64"), axis=g.arg("dim"))


def _index_select(g: Lowering) -> None:
    g.give("Gather", g.tensor("self"), g.tensor("index"), axis=g.arg("dim"))


def _gather(g: Lowering) -> None:
    g.give("GatherElements", g.tensor("self"), g.tensor("index"), axis=g.arg("dim"))


def _embedding(g: Lowering) -> None:
    g.give("Gather", g.tensor("weight"), g.tensor("indices"))


def _index(g: Lowering) -> None:
    """Indexing with tensors: GatherND of the axes they stand for."""
    x, indices = g.tensor("self"), g.tensors_of("indices")
    given = [k for k, name in enumerate(indices) if name]
    if any(g.dtype(indices[k]) == "bool" for k in given):
        raise ValueError("how many elements a mask takes is not known before the network runs")
    rank = len(g.shape(x))
    order = [*given, *(k for k in range(rank) if k not in given)]
    if order != list(range(rank)):
        x = g.turned(x, tuple(order)) or g.emit("Transpose", x, perm=tuple(order))
    shapes = [g.shape(indices[k]) for k in given]
    broad = max(shapes, key=len)
    if all(is_folded(g.tensors[indices[k]]) for k in given):
        where = g.constant(lambda: None, (*broad, len(given)), "int64", f"{g.call.name}.where")
        _gather_many(g, x, where, given, rank, len(broad))
        return
    parts = []
    for k in given:
        name = indices[k]
        if g.shape(name) != broad:
            name = g.emit("Expand", name, g.numbers(broad))
        parts.append(g.emit("Unsqueeze", name, g.numbers([-1])))
    where = g.emit("Concat", *parts, axis=-1) if len(parts) > 1 else parts[0]
    _gather_many(g, x, where, given, rank, len(broad))


def _gather_many(g: Lowering, x: str, where: str, given: list[int], rank: int, wide: int) -> None:
    """The elements of the leading axes, and the axes put back where indexing leaves them."""
    between = given[0] > 0 and given == list(range(given[0], given[0] + len(given)))
    if not between:
        g.give("GatherND", x, where, batch_dims=0)
        return
    found = g.emit("GatherND", x, where, batch_dims=0)
    front = given[0]
    result_rank = rank - len(given) + wide
    g.give("Transpose", found, perm=(*range(wide, wide + front), *range(wide), *range(wide + front, result_rank)))


def _roll(g: Lowering) -> None:
    """What goes off one end comes in at the other: two slices, joined the other way round, for each axis."""
    x, shifts, dims = g.tensor("self"), _list(g.arg("shifts")), _list(g.arg("dims", []))
    if not dims:
        raise ValueError("a roll over all elements at once")
    for k, (shift, dim) in enumerate(zip(shifts, dims, strict=True)):
        axis = dim % len(g.shape(g.tensor("self")))
        size = g.shape(g.tensor("self"))[axis]
        if not isinstance(size, int):
            raise ValueError("the axis has no fixed size")
        cut = -shift % size
        front = g.emit("Slice", x, g.numbers([0]), g.numbers([cut]), g.numbers([axis]))
        back = g.emit("Slice", x, g.numbers([cut]), g.numbers([size]), g.numbers([axis]))
        x = (g.give if k == len(dims) - 1 else g.emit)("Concat", back, front, axis=axis)


def _list(value: Any) -> list[int]:
    return [value] if isinstance(value, int) else list(value)


def _flip(g: Lowering) -> None:
    dims = list(g.arg("dims"))
    count = len(dims)
    ends = g.numbers([-_END] * count)
    g.give("Slice", g.tensor("self"), g.numbers([-1] * count), ends, g.numbers(dims), g.numbers([-1] * count))


def _pad(g: Lowering) -> None:
    """PyTorch counts borders from the last axis, before and after; ONNX from the first, all before and all after."""
    x, pairs = g.tensor("self"), list(g.first("pad", "padding", default=()))
    rank, mode, value = len(g.shape(x)), g.arg("mode", "constant"), g.arg("value")
    name = g.call.op.partition(".")[2]
    mode = {"reflection": "reflect", "replication": "edge"}.get(name.partition("_")[0], _PAD_MODES.get(mode, mode))
    before, after = [0] * rank, [0] * rank
    for k in range(len(pairs) // 2):
        before[rank - 1 - k], after[rank - 1 - k] = pairs[2 * k], pairs[2 * k + 1]
    border = g.number(float(value or 0), g.dtype(x)) if mode == "constant" else ""
    g.give("Pad", x, g.numbers([*before, *after]), border, mode=mode)


def _pixel_shuffle(g: Lowering) -> None:
    g.give("DepthToSpace", g.tensor("self"), blocksize=g.arg("upscale_factor"), mode="CRD")


def _pixel_unshuffle(g: Lowering) -> None:
    x, r = g.tensor("self"), g.arg("downscale_factor")
    n, c, h, w = (d if isinstance(d, int) else -1 for d in g.shape(x))
    parts = g.emit("Reshape", x, g.numbers([n, c, h // r, r, w // r, r]))
    turned = g.emit("Transpose", parts, perm=(0, 1, 3, 5, 2, 4))
    g.give("Reshape", turned, g.numbers([n, c * r * r, h // r, w // r]))


def _channel_shuffle(g: Lowering) -> None:
    x, groups = g.tensor("self"), g.arg("groups")
    n, c, h, w = (d if isinstance(d, int) else -1 for d in g.shape(x))
    parts = g.emit("Reshape", x, g.numbers([n, groups, c // groups, h, w]))
    g.give("Reshape", g.emit("Transpose", parts, perm=(0, 2, 1, 3, 4)), g.numbers([n, c, h, w]))


# ---- made of nothing


def _made(value: float | None = None, argument: str = "") -> Translation:
    """A tensor filled with one number."""

    def translate(g: Lowering) -> None:
        number = value if value is not None else g.arg(argument, 0)
        result = g.result

        def values() -> Any:
            import numpy as np

            small = result.known and result.elements <= 1 << 20 and result.dtype != "unknown"
            dtype = "float32" if result.dtype == "bfloat16" else result.dtype
            return np.full(result.sizes, number, dtype) if small else None

        g.give_constant(values if isinstance(number, int | float) else None)

    return translate


def _arange(g: Lowering) -> None:
    result, start, step = g.result, g.arg("start", 0), g.arg("step", 1)

    def values() -> Any:
        import numpy as np

        small = result.known and result.elements <= 1 << 20 and result.dtype != "unknown"
        if not small or not isinstance(start, int | float):
            return None
        return (np.arange(result.elements) * step + start).astype(result.dtype)

    g.give_constant(values)


def _tensor_copy(g: Lowering) -> None:
    """``x.copy_(y)``: x holds y from here on."""
    source = g.tensor("src")
    if g.shape(source) == g.result.shape:
        g.give_same(source)
    else:
        g.give("Expand", source, g.numbers(g.result.shape or ()))


SHAPES: Mapping[str, Translation] = {
    "aten.view": _reshape,
    "aten.reshape": _reshape,
    "aten._unsafe_view": _reshape,
    "aten._reshape_copy": _reshape,
    "aten.view_copy": _reshape,
    "aten.flatten": _to_result,
    "aten.unflatten": _to_result,
    "aten.ravel": _to_result,
    "aten.view_as": _to_result,
    "aten.reshape_as": _to_result,
    "aten.unsqueeze": _unsqueeze,
    "aten.squeeze": _squeeze,
    "aten.permute": _permute,
    "aten.transpose": _transpose,
    "aten.swapaxes": _transpose,
    "aten.t": _transpose,
    "aten.numpy_T": _transpose,
    "aten.mT": _transpose,
    "aten.movedim": _movedim,
    "aten.expand": _expand,
    "aten.expand_as": _expand,
    "aten.broadcast_to": _expand,
    "aten.repeat": _repeat,
    "aten.tile": _repeat,
    "aten.cat": _cat,
    "aten.concat": _cat,
    "aten.concatenate": _cat,
    "aten.stack": _stack,
    "aten.split": _split,
    "aten.split_with_sizes": _split,
    "aten.tensor_split": _split,
    "aten.chunk": _chunk,
    "aten.unsafe_chunk": _chunk,
    "aten.unsafe_split": _split,
    "aten.unbind": _unbind,
    "aten.slice": _slice,
    "aten.narrow": _narrow,
    "aten.select": _select,
    "aten.index_select": _index_select,
    "aten.gather": _gather,
    "aten.embedding": _embedding,
    "aten.index": _index,
    "aten._unsafe_index": _index,
    "aten.roll": _roll,
    "aten.flip": _flip,
    "aten.pad": _pad,
    "aten.constant_pad_nd": _pad,
    **{f"aten.{kind}_pad{n}d": _pad for kind in ("reflection", "replication") for n in (1, 2, 3)},
    "aten.pixel_shuffle": _pixel_shuffle,
    "aten.pixel_unshuffle": _pixel_unshuffle,
    "aten.channel_shuffle": _channel_shuffle,
    "aten.native_channel_shuffle": _channel_shuffle,
    "aten.zeros": _made(0),
    "aten.new_zeros": _made(0),
    "aten.zeros_like": _made(0),
    "aten.ones": _made(1),
    "aten.new_ones": _made(1),
    "aten.ones_like": _made(1),
    "aten.empty": _made(0),
    "aten.empty_like": _made(0),
    "aten.full": _made(argument="fill_value"),
    "aten.new_full": _made(argument="fill_value"),
    "aten.full_like": _made(argument="fill_value"),
    "aten.scalar_tensor": _made(argument="s"),
    "aten.arange": _arange,
    "aten.linspace": lambda g: g.give_constant(),
    "aten.eye": lambda g: g.give_constant(),
    "aten.copy": _tensor_copy,
}
