"""Which step reads what another one wrote: through calls of the KPU's functions, and through operations that do
nothing at run time because they only rename memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lintmodel.ir import unique_names

from .compiler.pipeline import Compiled
from .compiler.program import Op, Program, Value

DTYPES = {"f32": "float32", "u8": "uint8", "i8": "int8", "i64": "int64", "i32": "int32", "u64": "uint64"}
DTYPES |= {"bool": "bool", "f64": "float64", "f16": "float16", "i16": "int16"}
"""numpy's names of the compiler's element types."""


@dataclass(frozen=True, slots=True)
class Dataflow:
    """Every value that a step writes or that the network is given has a name of its own."""

    names: dict[int, str]
    same: dict[int, Value]
    """Inside a function or behind a call: the value under which the other side knows it."""

    def name(self, value: Value) -> str:
        return self.names.get(id(value)) or value.op.name

    def read(self, op: Op) -> tuple[str, ...]:
        """What the operation reads, constants left out."""
        found = (value for slot in op.inputs for value in self._written(slot.value))
        return tuple(dict.fromkeys(self.names[id(value)] for value in found))

    def _written(self, value: Value) -> Iterator[Value]:
        if id(value) in self.names:
            yield value
        elif id(value) in self.same:
            yield from self._written(self.same[id(value)])
        else:
            for slot in value.op.inputs:
                yield from self._written(slot.value)


def dataflow(compiled: Compiled) -> Dataflow:
    given = [op.out for op in compiled.main.inputs]
    values = [*given, *(value for op in compiled.scheduled.ops for value in op.outputs)]
    names = unique_names([value.op.name for value in values])
    return Dataflow({id(v): n for v, n in zip(values, names, strict=True)}, dict(_same(compiled.main)))


def _same(program: Program) -> Iterator[tuple[int, Value]]:
    for call in program.ops:
        if call.body is not None:
            for inner, slot in zip(call.body.inputs, call.inputs, strict=True):
                yield id(inner.out), slot.value
            for value, output in zip(call.outputs, call.body.outputs, strict=True):
                yield id(value), output.input()
            yield from _same(call.body)
