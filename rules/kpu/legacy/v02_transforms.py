"""Transforms of nncase 0.2 that later versions do not have, or have otherwise.

Source: nncase v0.2.0-beta4, src/transforms/hlir/neutral and src/transforms/hlir/k210.
"""

from __future__ import annotations

from ..compiler import accelerate, make
from ..compiler.program import Op, Program, Value
from ..compiler.quantise import convolve_and_pool
from ..compiler.rewrite import Transform, self_contained, transform
from .v02_program import LegacyProgram

DENSE_MAP = 4
"""Height and width a dense layer's 1x1 map is padded to."""


def legacy(p: Program) -> LegacyProgram:
    assert isinstance(p, LegacyProgram)
    return p


# ---- for any chip


@transform("slice")
def slice_to_pad(p: Program, op: Op) -> bool:
    """A Slice that takes neighbours is a Pad with negative amounts."""
    if op.attrs["strides"] != (1, 1, 1, 1):
        return False
    begin, end = op.attrs["begin"], op.attrs["end"]
    pads = [(-b, e - size) for b, e, size in zip(begin, end, op.input().shape, strict=True)]
    p.replace(op.out, make.pad(p, op.input(), pads).out)
    return True


@transform("binary")
def transpose_binary(p: Program, op: Op) -> bool:
    first, second = op.parent("transpose", 0), op.parent("transpose", 1)
    if first is None or second is None or first.attrs["perm"] != second.attrs["perm"]:
        return False
    moved = make.binary(p, op.attrs["function"], first.input(), second.input(), clamp=op.attrs["clamp"])
    p.replace(op.out, make.transpose(p, moved.out, first.attrs["perm"], of=(first,)).out)
    return True


@transform("pad")
def transpose_pad(p: Program, op: Op) -> bool:
    """Pad before transposing."""
    moved = op.parent("transpose")
    if moved is None:
        return False
    perm = moved.attrs["perm"]
    pads = [op.attrs["pads"][perm.index(axis)] for axis in range(len(perm))]
    below = make.pad(p, moved.input(), pads, op.attrs["mode"], op.attrs["value"])
    p.replace(op.out, make.transpose(p, below.out, perm, of=(moved,)).out)
    return True


@transform("quantize", "dequantize")
def fold_quantize(p: Program, op: Op) -> bool:
    """Quantise and dequantise with the same parameters cancel, whatever else reads the value."""
    other = "dequantize" if op.kind == "quantize" else "quantize"
    for use in op.out.uses:
        if use.op.kind == other and use.op.attrs["range"] == op.attrs["range"]:
            p.replace(use.op.out, op.input())
            return True
    return False


# ---- for the KPU


@transform("conv2d")
def take_conv(p: Program, op: Op) -> bool:
    """As later versions do, unless the weights reach too far."""
    return not legacy(p).too_wide(op.maker(1)) and accelerate.take_conv(p, op)


@transform("matmul")
def take_dense(p: Program, op: Op) -> bool:
    """A dense layer with enough weights is a 1x1 convolution on a map padded to 4x4."""
    a, weights = op.input(0), op.input(1)
    if weights.op.kind != "constant" or legacy(p).too_wide(weights.op):
        return False
    ins, outs = weights.shape
    if weights.elements < legacy(p).fewest or max(ins, outs) > p.limits.max_in_channels:
        return False
    grow = DENSE_MAP - 1
    x = make.bitcast(p, a, (*a.shape, 1, 1))
    padded = make.pad(p, x.out, [(0, 0), (0, 0), (0, grow), (0, grow)])
    inputs = [padded.out, p.constant((outs, ins, 1, 1), None, span=weights.op.attrs.get("span")), op.input(2)]
    conv = make.kpu_candidate(p, inputs, depthwise=False, kernel=1, pool="bypass", clamp=op.attrs["clamp"])
    cut = make.pad(p, conv.out, [(0, 0), (0, 0), (0, -grow), (0, -grow)])
    p.replace(op.out, make.bitcast(p, cut.out, op.out.shape).out)
    return True


@transform("kpu_conv2d", far=True)
def pool_into_conv(p: Program, op: Op) -> bool:
    """The KPU's pools: 2x2 with stride 1 or 2, and 4x4, which is taken for stride 4 whatever it has."""
    download = op.child("kpu_download")
    back = download.child("dequantize") if download else None
    pool = back.child("reduce_window2d") if back else None
    if op.attrs["depthwise"] or op.attrs["pool"] != "bypass" or download is None or back is None or pool is None:
        return False
    size, stride = pool.attrs["kernel"][0], pool.attrs["stride"][0]
    if not p.limits.takes(pool.input().shape) or pool.attrs["function"] not in ("max", "mean"):
        return False
    if pool.attrs["kernel"] != (size, size) or pool.attrs["stride"] != (stride, stride):
        return False
    border = (0, 1) if (size, stride) == (2, 1) else (0, 0)
    if not (size == 4 or (size == 2 and stride in (1, 2))):
        return False
    if pool.attrs["pad_h"] != border or pool.attrs["pad_w"] != border:
        return False
    if not self_contained([op, download, back, pool], [slot.value for slot in op.inputs], [pool.out]):
        return False
    divide = 4 if size == 4 else stride
    batch, channels, height, width = op.out.shape
    shape = (batch, channels, height // divide, width // divide)
    if shape != pool.out.shape:
        theirs, ours = (",".join(map(str, sizes)) for sizes in (pool.out.shape, shape))
        text = f"Fatal: Shapes must be same, but got [{theirs}] and [{ours}]"
        p.refuse("pool-stride", pool, text, kernel=size, stride=stride)
        return False
    kind = f"{pool.attrs['function']}_{size}_s{stride}"
    convolve_and_pool(p, op, pool, kind, shape, back.attrs["range"])
    return True


@transform("kpu_download")
def fuse_download(p: Program, op: Op) -> bool:
    """The convolution itself writes to main memory, besides the KPU's."""
    conv = op.parent("kpu_conv2d", 0)
    if conv is None:
        return False
    shape = conv.out.shape
    inputs = [slot.value for slot in conv.inputs]
    both = p.add("kpu_conv2d", inputs, [shape, shape], dtype="u8", unit="kpu", place="kpu", of=(conv, op), **conv.attrs)
    both.outputs[1].place = "data"
    for use in list(conv.out.uses):
        if use.op.kind != "kpu_download":
            use.connect(both.out)
    p.replace(op.out, both.outputs[1])
    return True


@transform("input")
def input_to_kpu(p: Program, op: Op) -> bool:
    """An input that only one convolution on the KPU reads is handed over in the KPU's memory."""
    uses = op.out.uses
    if len(uses) != 1 or uses[0].op.kind != "kpu_upload":
        return False
    op.out.place = "kpu"
    p.replace(uses[0].op.out, op.out)
    return True


# ---- quantisation on the CPU


def restored(p: Program, old: Value, x: Value) -> None:
    """Puts a Dequantize of ``x`` in the place of a value that calibration measured."""
    back = make.dequantize(p, x, old.range)
    back.out.marked, back.out.range = old.marked, old.range
    p.replace(old, back.out)


@transform("input")
def input_to_bytes(p: Program, op: Op) -> bool:
    """Real inputs become bytes, in the range calibration found."""
    if op.out.dtype != "f32":
        return False
    users = list(op.out.uses)
    back = make.dequantize(p, op.out, op.out.range)
    back.out.marked, back.out.range = op.out.marked, op.out.range
    for use in users:
        use.connect(back.out)
    op.out.dtype, op.out.marked = "u8", False
    return True


def _dequantize_later(kind: str) -> Transform:
    """A Dequantize moves behind an operation that only moves values; what it makes there is not calibrated."""

    @transform("dequantize")
    def move(p: Program, op: Op) -> bool:
        mover = op.child(kind)
        if mover is None:
            return False
        moved = p.add(kind, [op.input()], [mover.out.shape], dtype="u8", of=(mover,), **mover.attrs)
        p.replace(mover.out, make.dequantize(p, moved.out, op.attrs["range"]).out)
        return True

    return move


DEQUANTIZE_LATER = tuple(_dequantize_later(kind) for kind in ("bitcast", "transpose", "pad", "slice", "resize"))


@transform("conv2d")
def quantized_conv(p: Program, op: Op) -> bool:
    x = op.input()
    if not (x.marked and op.out.marked and op.attrs.get("checked")):
        return False
    quantized = make.quantize(p, x, x.range)
    weights = op.input(1)
    conv = p.add("quantized_conv2d", [quantized.out], [op.out.shape], dtype="u8", weights=weights.shape)
    restored(p, op.out, conv.out)
    return True


@transform("matmul")
def quantized_matmul(p: Program, op: Op) -> bool:
    a, b = op.input(0), op.input(1)
    if not (a.marked and b.marked and op.out.marked and op.attrs.get("checked")):
        return False
    inputs = [make.quantize(p, value, value.range).out for value in (a, b)]
    restored(p, op.out, p.add("quantized_matmul", inputs, [op.out.shape], dtype="u8").out)
    return True


@transform("binary")
def quantized_binary(p: Program, op: Op) -> bool:
    a, b = op.input(0), op.input(1)
    if not (a.marked and b.marked and op.out.marked):
        return False
    inputs = [make.quantize(p, value, value.range).out for value in (a, b)]
    restored(p, op.out, p.add("quantized_binary", inputs, [op.out.shape], dtype="u8").out)
    return True
