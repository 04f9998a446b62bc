"""Shapes of operators that move elements: another order, a part of a tensor, several tensors joined."""

from __future__ import annotations

from collections.abc import Sequence

from ..ir import Dim, Node, Shape
from ..ir.views import slice_range
from .known import Known, broadcast, product, total

Shapes = Sequence[Shape | None]


def reshape(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    stated = node.attributes.get("shape", node.attributes.get("new_shape"))
    wanted = stated if len(node.inputs) < 2 else known.ints(node.inputs[1])
    if wanted is None:
        length = known.shape(node.inputs[1]) if len(node.inputs) > 1 else None
        return [("?",) * length[0] if length and isinstance(length[0], int) else None]
    keeps = not node.attributes.get("allowzero")
    out: list[Dim] = [int(n) for n in wanted]
    for i, size in enumerate(out):
        if size == 0 and keeps:
            out[i] = x[i] if x is not None else "?"
    if -1 in out:
        at = out.index(-1)
        # Sizes that are copied from the input, and symbols that stand on both sides, are no part of the unknown one.
        copied = [i for i, n in enumerate(wanted) if n == 0 and keeps]
        out[at] = "?" if x is None else _rest([d for i, d in enumerate(x) if i not in copied], wanted, copied)
    return [tuple(out)]


def _rest(dims: Sequence[Dim], wanted: Sequence[int], copied: Sequence[int]) -> Dim:
    """The size that -1 stands for: what is left of ``dims`` beside the sizes asked for."""
    others = product([n for i, n in enumerate(wanted) if n != -1 and i not in copied])
    have = product(dims)
    if not isinstance(have, int):
        return have if others == 1 else "?"
    return have // others if isinstance(others, int) and others else "?"


def flatten(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None:
        return [("?", "?")]
    axis = int(node.attributes.get("axis", 1))
    axis = axis + len(x) if axis < 0 else axis
    return [(product(x[:axis]), product(x[axis:]))]


def transpose(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None:
        return [None]
    order = permutation(node, known, len(x))
    return [tuple(x[i] for i in order) if order is not None else ("?",) * len(x)]


def permutation(node: Node, known: Known, rank: int) -> tuple[int, ...] | None:
    """The order of a Transpose's axes, which is an input in TFLite; None when it is not constant."""
    if "perm" in node.attributes:
        return tuple(int(i) for i in node.attributes["perm"])
    return known.ints(node.inputs[1]) if len(node.inputs) > 1 else tuple(reversed(range(rank)))


def squeeze(node: Node, known: Known) -> Shapes:
    x, axes = known.shape(node.inputs[0]), axes_of(node, known)
    if x is None or axes is None:
        return [None]
    if not axes and not _has_axes(node):
        return [tuple(d for d in x if d != 1) if all(isinstance(d, int) for d in x) else None]
    gone = {axis % len(x) for axis in axes}
    return [tuple(d for i, d in enumerate(x) if i not in gone)]


def unsqueeze(node: Node, known: Known) -> Shapes:
    x, axes = known.shape(node.inputs[0]), axes_of(node, known)
    if x is None or axes is None:
        return [None]
    rank = len(x) + len(axes)
    new, rest = {axis % rank for axis in axes}, iter(x)
    return [tuple(1 if i in new else next(rest) for i in range(rank))]


def _has_axes(node: Node) -> bool:
    return "axes" in node.attributes or (len(node.inputs) > 1 and bool(node.inputs[1]))


def axes_of(node: Node, known: Known) -> tuple[int, ...] | None:
    """Axes from the attribute or the second input; empty when neither is there, None when they are not constant."""
    if "axes" in node.attributes:
        return tuple(int(a) for a in node.attributes["axes"])
    return known.ints(node.inputs[1]) if _has_axes(node) else ()


# ---- parts and joins


def concat(node: Node, known: Known) -> Shapes:
    shapes = [known.shape(name) for name in node.inputs]
    first = next((s for s in shapes if s is not None), None)
    if first is None:
        return [None]
    axis = int(node.attributes.get("axis", 1)) % len(first)
    out: list[Dim] = []
    for i in range(len(first)):
        dims = [s[i] if s is not None else "?" for s in shapes]
        if i == axis:
            out.append(total(dims))
        else:  # all the same: a number says what the symbols are
            out.append(next((d for d in dims if isinstance(d, int)), next((d for d in dims if d != "?"), "?")))
    return [tuple(out)]


def stack(node: Node, known: Known) -> Shapes:
    """TFLite's PACK: tensors of one shape, joined along a new axis."""
    x = known.shape(node.inputs[0])
    if x is None:
        return [None]
    axis = int(node.attributes["axis"]) % (len(x) + 1)
    return [(*x[:axis], len(node.inputs), *x[axis:])]


def unstack(node: Node, known: Known) -> Shapes:
    """TFLite's UNPACK, the inverse of stack."""
    x = known.shape(node.inputs[0])
    if x is None:
        return [None] * len(node.outputs)
    axis = int(node.attributes["axis"]) % len(x)
    return [(*x[:axis], *x[axis + 1 :])] * len(node.outputs)


def split(node: Node, known: Known) -> Shapes:
    x, count = known.shape(node.inputs[0]), len(node.outputs)
    if x is None:
        return [None] * count
    axis = int(node.attributes.get("axis", 0)) % len(x)
    sizes: Sequence[Dim] | None = node.attributes.get("split")
    if sizes is None and len(node.inputs) > 1 and node.inputs[1]:
        sizes = known.ints(node.inputs[1]) or ["?"] * count
    if sizes is None:
        sizes = _equal_parts(x[axis], count)
    if any(size == -1 for size in sizes):  # TFLite: what is left
        sizes = ["?" if size == -1 else size for size in sizes]
    return [(*x[:axis], size, *x[axis + 1 :]) for size in sizes]


def _equal_parts(size: Dim, count: int) -> Sequence[Dim]:
    if not isinstance(size, int):
        return ["?"] * count
    part = -(-size // count)
    return [part] * (count - 1) + [size - part * (count - 1)]


def part(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None:
        return [None]
    if any(node.attributes.get(mask) for mask in ("shrink_axis_mask", "new_axis_mask")):
        return [None]  # TFLite's STRIDED_SLICE also adds and removes axes; its file states the result
    starts, ends, axes, steps = slice_bounds(node, known)
    if axes is None:
        return [("?",) * len(x)]
    out: list[Dim] = list(x)
    for k, axis in enumerate(axes):
        size = x[axis]
        if starts is None or ends is None or steps is None:
            out[axis] = "?"
        elif isinstance(size, int):
            out[axis] = len(slice_range(starts[k], ends[k], steps[k], size))
        elif (starts[k], steps[k]) != (0, 1) or ends[k] < 2**31 - 1:  # a very large end means all of it
            out[axis] = "?"
    return [tuple(out)]


Numbers = Sequence[int] | None


def slice_bounds(node: Node, known: Known) -> tuple[Numbers, Numbers, Numbers, Numbers]:
    """Starts, ends, axes and steps of a Slice, from its attributes or its inputs; each None when not constant."""
    attributes, inputs = node.attributes, (*node.inputs, "", "", "", "")
    if "starts" in attributes:
        starts, ends = attributes["starts"], attributes["ends"]
        axes = attributes.get("axes") or tuple(range(len(starts)))
        return starts, ends, axes, attributes.get("steps") or (1,) * len(starts)
    if node.native_op in ("SLICE", "STRIDED_SLICE"):  # TFLite's inputs are others than ONNX's
        return None, None, None, None
    starts, ends = known.ints(inputs[1]), known.ints(inputs[2])
    count = known.shape(inputs[1]) or ("?",)
    length = count[0] if isinstance(count[0], int) else None
    counted = None if length is None else (range(length), (1,) * length)
    axes = known.ints(inputs[3]) if inputs[3] else counted and counted[0]
    steps = known.ints(inputs[4]) if inputs[4] else counted and counted[1]
    return starts, ends, axes, steps


def pad(node: Node, known: Known) -> Shapes:
    x = known.shape(node.inputs[0])
    if x is None:
        return [None]
    inputs = (*node.inputs, "", "", "")
    pads = node.attributes.get("pads", node.attributes.get("paddings"))
    if pads is None and node.native_op == "Pad":  # TFLite orders its input in another way
        pads = known.ints(inputs[1])
    axes = known.ints(inputs[3]) if inputs[3] else range(len(x))
    if pads is None or axes is None:
        return [("?",) * len(x)]
    out: list[Dim] = list(x)
    for k, axis in enumerate(axes):
        out[axis] = total((x[axis], int(pads[k]), int(pads[k + len(axes)])))
    return [tuple(out)]


def gather(node: Node, known: Known) -> Shapes:
    x, indices = known.shape(node.inputs[0]), known.shape(node.inputs[1])
    if x is None or indices is None:
        return [None]
    axis = int(node.attributes.get("axis", 0)) % len(x)
    return [(*x[:axis], *indices[int(node.attributes.get("batch_dims", 0)) :], *x[axis + 1 :])]


def gather_elements(node: Node, known: Known) -> Shapes:
    return [known.shape(node.inputs[1])]


def gather_nd(node: Node, known: Known) -> Shapes:
    x, indices = known.shape(node.inputs[0]), known.shape(node.inputs[1])
    if x is None or not indices or not isinstance(indices[-1], int):
        return [None]
    return [(*indices[:-1], *x[int(node.attributes.get("batch_dims", 0)) + indices[-1] :])]


def expand(node: Node, known: Known) -> Shapes:
    return [broadcast(known.shape(node.inputs[0]), known.ints(node.inputs[1]))]


def tile(node: Node, known: Known) -> Shapes:
    x, repeats = known.shape(node.inputs[0]), known.ints(node.inputs[1])
    if x is None or repeats is None:
        return [("?",) * len(x) if x is not None else None]
    return [tuple(product((d, n)) for d, n in zip(x, repeats, strict=True))]
