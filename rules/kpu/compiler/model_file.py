"""Size of the model file (kmodel version 5), from the steps and constants in it.

Source: nncase v1.9.0, src/codegen; measured with nncase 1.9.0 on 72 micro networks and 40 architectures.
"""

from __future__ import annotations

from collections.abc import Sequence

from .program import Op, Program, Shape
from .schedule import Pools

FILE_HEADER = 32
MODULE_HEADER, POOL_HEADER = 48, 8
FUNCTION_HEADER = 32
SECTION_HEADER = 32
CPU_ALIGN, CPU_POOLS = 8, 2
KPU_ALIGN, KPU_POOLS = 256, 3

FIXED = {"kpu_upload": 44, "kpu_download": 44, "kpu_conv2d": 152, "conv2d": 209, "reduce_window2d": 146}
"""Bytes of code of steps whose size does not depend on their shapes."""
KPU_COPY = 76


def model_bytes(main: Program, functions: Sequence[Program], pools: Pools) -> int:
    """Bytes of the file: headers, then for each module its functions, constants and code."""
    size = FILE_HEADER
    modules = (("cpu", [main], CPU_ALIGN, CPU_POOLS), ("kpu", list(functions), KPU_ALIGN, KPU_POOLS))
    for unit, programs, align, pool_count in modules:
        if not programs:
            continue
        size += MODULE_HEADER + POOL_HEADER * pool_count + sum(_function_bytes(program) for program in programs)
        code = sum(_code_bytes(op, unit) for program in programs for op in program.postorder() if _emitted(op))
        for section in (pools.rdata[unit].peak, code):
            size = _aligned(size + SECTION_HEADER, align) + section
        size = _aligned(size, 8)
    return size


def _emitted(op: Op) -> bool:
    return op.kind == "call" or (op.acting and op.kind not in ("input", "output", "constant"))


def _aligned(value: int, align: int) -> int:
    return -(-value // align) * align


def _function_bytes(program: Program) -> int:
    shapes = [op.out.shape for op in program.inputs] + [op.input().shape for op in program.outputs]
    return FUNCTION_HEADER + _aligned(sum(16 + 4 * len(shape) for shape in shapes), 8)


def _shape_bytes(shape: Shape) -> int:
    """Code that puts a shape or strides on the stack."""
    return 5 * len(shape) + 3


def _code_bytes(op: Op, unit: str) -> int:
    kind = op.kind
    if kind in FIXED:
        return FIXED[kind]
    first = op.input().shape if op.inputs else ()
    last = op.out.shape
    a, o = _shape_bytes(first), _shape_bytes(last)
    b = _shape_bytes(op.input(1).shape) if len(op.inputs) > 1 else 0
    if kind == "call":
        values = [slot.value for slot in op.inputs] + op.outputs
        return 11 + sum(22 + 2 * _shape_bytes(value.shape) for value in values)
    if kind == "copy":
        return KPU_COPY if unit == "kpu" else 21 + 2 * a + o
    sizes = {
        "quantize": 32 + 3 * a,
        "dequantize": 32 + 3 * a,
        "binary": 40 + 2 * (a + b + o),
        "pad": 31 + 3 * a + 15 * len(first),
        "reduce": 32 + 2 * a + o + 5 * len(op.attrs.get("axes", ())),
        "slice": 24 + 6 * a,
        "table_lookup": 40 + 3 * a,
        "transpose": 22 + 4 * a,
        "matmul": 45 + 2 * (a + b + o),
        "softmax": 29 + 3 * a,
        "layernorm": 41 + a,
        "resize": 34 + 3 * a,
        "convert": 22 + 3 * a,
        "broadcast": 22 + 2 * a + 2 * o,
        "reduce_arg": 34 + 2 * a + o,
    }
    # Kinds whose code was never measured are taken to be like an element-wise step; they are rare.
    return sizes.get(kind, 40 + 2 * (a + b + o))
