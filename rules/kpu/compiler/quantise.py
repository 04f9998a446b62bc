"""Calibration and the transforms after it: quantised convolutions, tables, pools, and what cancels between them.

Source: nncase v1.9.0, src/transforms/neutral/add_quant_checkpoints.cpp, modules/k210/src/transforms/k210;
measured with nncase 1.9.0.
"""

from __future__ import annotations

from collections.abc import Sequence

from . import make
from .program import Op, Program, Range, Shape, Value
from .rewrite import self_contained, transform
from .versions import Version

ACTIVATION_BYTES = 144
"""Size of one piecewise-linear activation table (nncase v1.9.0, runtime_types.h)."""


def calibrate(p: Program, version: Version, kept_slices: Sequence[int] = ()) -> int:
    """Numbers the ranges that calibration would find; equal numbers are equal ranges.

    ``kept_slices`` are the positions (in visiting order) of Slices whose cut keeps minimum and maximum of the data,
    so that their range equals their input's. Nothing in the file tells; the default is that none does. Returns the
    number of Slices.
    """
    order = p.postorder()
    for op in order:
        if op.kind in version.marked:
            for value in (*(slot.value for slot in op.inputs), *op.outputs):
                value.marked = True
    number = 0
    for op in order:
        for value in op.outputs:
            if value.marked:
                number += 1
                value.range = number
    slices = [op for op in order if op.kind == "slice"]
    for equal in (False, True):
        for position in kept_slices if equal else ():
            slices[position].out.range = slices[position].input().range
        for op in order:
            if len(op.inputs) == 1 and op.input().range is not None:
                _pass_on(op, op.input().range, version.passes_range_on)
    for op in order:
        if op.kind == "dequantize" and op.attrs["range"] is None:
            op.attrs["range"] = op.out.range
    return len(slices)


def _pass_on(op: Op, known: Range | None, kinds: frozenset[str]) -> None:
    waiting = [op]
    while waiting:
        op = waiting.pop()
        if op.kind in kinds:
            for value in op.outputs:
                if value.marked and value.range != known:
                    value.range = known
                    waiting.extend(use.op for use in value.uses)
                elif not value.marked:
                    waiting.extend(use.op for use in value.uses)


@transform("fake_kpu_conv2d")
def lower_conv(p: Program, op: Op) -> bool:
    """Quantise, upload, convolve on the KPU, download, dequantise; the first table behind it is taken in."""
    source, result = op.input(), op.out
    if not (source.marked and result.marked):
        return False
    table = op.child("fused_unary")
    if table is not None and not (table.input().marked and table.out.marked):
        table = None
    if table is not None:
        refuse_erf(p, table)
        result = table.out
    quantized = make.quantize(p, source, source.range)
    upload = p.add("kpu_upload", [quantized.out], [quantized.out.shape], dtype="u8", unit="kpu", place="kpu")
    parameters = [
        p.constant(op.input(1).shape, None, "u8"),
        p.constant((op.out.shape[1],), None, "u64"),
        p.constant((ACTIVATION_BYTES,), None, "u8", align=256),
    ]
    conv = p.add(
        "kpu_conv2d",
        [upload.out, *parameters],
        [op.out.shape],
        dtype="u8",
        unit="kpu",
        place="kpu",
        of=(op, table),
        **{key: op.attrs[key] for key in ("depthwise", "kernel", "pool")},
    )
    _download(p, conv, result, result.range)
    return True


def _download(p: Program, conv: Op, result: Value, range_: Range | None) -> None:
    download = p.add("kpu_download", [conv.out], [conv.out.shape], dtype="u8", unit="kpu")
    back = make.dequantize(p, download.out, range_)
    back.out.marked, back.out.range = result.marked, result.range
    p.replace(result, back.out)


def refuse_erf(p: Program, table: Op) -> None:
    if "erf" in table.attrs["functions"]:
        p.refuse("erf-activation", table, "ValueError: Unsupported unary op for nnil: unary_erf")


@transform("quantize", "dequantize")
def fold_quantize(p: Program, op: Op) -> bool:
    """Quantise and dequantise with the same parameters cancel."""
    other = "dequantize" if op.kind == "quantize" else "quantize"
    for use in op.out.uses:
        if use.op.kind != other:
            continue
        if use.op.attrs["range"] == op.attrs["range"] and use.op.out.dtype == op.input().dtype:
            p.replace(use.op.out, op.input())
            return True
        if op.kind == "dequantize":
            return False
    return False


@transform("kpu_conv2d", far=True)
def pool_into_conv(p: Program, op: Op) -> bool:
    """The KPU pools 2x2 (stride 1 or 2) and 4x4 behind a convolution that is not depthwise and has no pool yet."""
    if op.attrs["depthwise"] or op.attrs["pool"] != "bypass":
        return False
    download = op.child("kpu_download")
    back = download.child("dequantize") if download else None
    pool = back.child("reduce_window2d") if back else None
    if download is None or back is None or pool is None or not p.limits.takes(pool.input().shape):
        return False
    (size, size_w), (stride, stride_w) = pool.attrs["kernel"], pool.attrs["stride"]
    if size != size_w or stride != stride_w or pool.attrs["function"] not in ("max", "mean"):
        return False
    if not (size == 4 or (size == 2 and stride in (1, 2))):
        return False
    border = (0, 1) if (size, stride) == (2, 1) else (0, 0)
    if pool.attrs["pad_h"] != border or pool.attrs["pad_w"] != border:
        return False
    if not self_contained([op, download, back, pool], [slot.value for slot in op.inputs], [pool.out]):
        return False
    # The compiler takes any stride of a 4x4 pool for 4; the shape then differs and it stops.
    divide = 4 if size == 4 else stride
    batch, channels, height, width = op.out.shape
    shape = (batch, channels, height // divide, width // divide)
    if shape != pool.out.shape:
        user = pool.out.uses[0].op
        text = f"{op.name}/dequantize[Dequantize]->{user.name}[Output] has shape mismatch: "
        text += f"[{','.join(map(str, shape))}]->[{','.join(map(str, pool.out.shape))}]"
        p.refuse("pool-stride", pool, text, kernel=size, stride=stride)
        return False
    kind = f"{pool.attrs['function']}_{size}_s{stride}"
    convolve_and_pool(p, op, pool, kind, shape, back.attrs["range"])
    return True


def convolve_and_pool(p: Program, op: Op, pool: Op, kind: str, shape: Shape, range_: Range) -> None:
    """Puts a KPU convolution that also pools in the place of both. ``range_`` is that of its result."""
    inputs = [slot.value for slot in op.inputs]
    attrs = {**op.attrs, "pool": kind}
    conv = p.add("kpu_conv2d", inputs, [shape], dtype="u8", unit="kpu", place="kpu", of=(op, pool), **attrs)
    download = p.add("kpu_download", [conv.out], [shape], dtype="u8", unit="kpu")
    p.replace(pool.out, make.dequantize(p, download.out, range_).out)


@transform("kpu_upload", "kpu_download")
def fold_transfer(p: Program, op: Op) -> bool:
    """Down to main memory and up again: the map stays in the KPU's memory."""
    other = op.child("kpu_download" if op.kind == "kpu_upload" else "kpu_upload")
    if other is None:
        return False
    p.replace(other.out, op.input())
    return True


@transform("fused_unary")
def table_lookup(p: Program, op: Op) -> bool:
    """A function that no convolution took in: one table lookup for each value, on the CPU."""
    source, result = op.input(), op.out
    if not (source.marked and result.marked):
        return False
    refuse_erf(p, op)
    quantized = make.quantize(p, source, source.range)
    table = p.constant((256,), None, "u8")
    looked_up = p.add("table_lookup", [quantized.out, table], [result.shape], dtype="u8")
    back = make.dequantize(p, looked_up.out, result.range)
    back.out.marked, back.out.range = result.marked, result.range
    p.replace(result, back.out)
    return True
