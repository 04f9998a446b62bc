"""The compiler's own graph: operations, the values they make, and the order in which those are used.

Two things matter that an ordinary dataflow graph does not keep. Every value has an *ordered* list of uses (the
compiler's rewrites look at "the first consumer of that kind"), and every operation remembers the source nodes whose
work it does, so that a step of the plan can be told to the user in his own names.

Source: nncase v1.9.0, src/ir/connectors.cpp, graph.cpp, visitor.cpp; measured with nncase 1.9.0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import prod
from typing import TYPE_CHECKING, Any

from lintmodel.planning import Refusal

from .limits import Limits

if TYPE_CHECKING:
    import numpy as np

Shape = tuple[int, ...]
Range = int | tuple[float, ...]
"""A calibrated range by number, or one that the file states as (zero point, scale)."""
Load = Callable[[], "np.ndarray[Any, Any] | None"]

ELEMENT_BYTES = {"f32": 4, "u8": 1, "i8": 1, "i64": 8, "i32": 4, "u64": 8, "bool": 1, "f64": 8, "f16": 2, "i16": 2}
READABLE = 200_000
"""Constants of more elements are never looked into."""
UNMERGED = frozenset({"input", "output", "constant", "copy", "fused_unary", "sigmoid", "table_lookup"})
"""Kinds that common-subexpression elimination leaves alone."""


class Slot:
    """One input of an operation."""

    __slots__ = ("op", "value")

    def __init__(self, op: Op) -> None:
        self.op = op
        self.value: Value = NOTHING

    def connect(self, value: Value) -> None:
        if self.value is value:
            return
        self.disconnect()
        self.value = value
        value.uses.append(self)
        self.op.program.touched.append(self.op)

    def disconnect(self) -> None:
        if self.value is not NOTHING:
            self.value.uses.remove(self)
            self.op.program.touched.append(self.value.op)
            self.value = NOTHING


class Value:
    """One output of an operation."""

    __slots__ = ("dtype", "flags", "marked", "op", "place", "range", "shape", "uses")

    def __init__(self, op: Op, shape: Sequence[int], dtype: str, place: str) -> None:
        self.op = op
        self.shape: Shape = tuple(int(n) for n in shape)
        self.dtype = dtype
        self.place = place
        """Memory it is born in: data, input, output, rdata, kpu, shared."""
        self.uses: list[Slot] = []
        self.marked = False
        """Calibration gives it a range, so it can be quantised."""
        self.range: Range | None = None
        """Which calibrated range it has; equal numbers are equal ranges."""
        self.flags: set[str] = set()

    @property
    def elements(self) -> int:
        return prod(self.shape)

    @property
    def bytes(self) -> int:
        return self.elements * ELEMENT_BYTES.get(self.dtype, 4)


class Op:
    """One operation. ``attrs`` depend on ``kind``; ``unit`` is ``cpu`` or ``kpu``."""

    __slots__ = (
        "_loaded",
        "_values",
        "acting",
        "attrs",
        "body",
        "changed",
        "dead",
        "inputs",
        "kind",
        "load",
        "name",
        "order",
        "origin",
        "outputs",
        "program",
        "unit",
        "visit",
    )

    def __init__(self, program: Program, kind: str, name: str) -> None:
        self.program = program
        self.kind = kind
        self.name = name
        self.unit = "cpu"
        self.inputs: list[Slot] = []
        self.outputs: list[Value] = []
        self.attrs: dict[str, Any] = {}
        self.origin: tuple[str, ...] = ()
        """Source nodes it does the work of; the first is the one it stands for."""
        self.acting = True
        """False for operations that only rename memory (a Concat whose inputs lie in place already)."""
        self.dead = False
        self.visit = 0
        """The walk that came by last."""
        self.order = 0.0
        """Position in the visiting order."""
        self.changed = 0
        """The program's clock when something near it last changed."""
        self.load: Load | None = None
        """Reads a constant's values."""
        self._loaded = False
        self._values: np.ndarray[Any, Any] | None = None
        self.body: Program | None = None
        """A call's function."""

    @property
    def out(self) -> Value:
        return self.outputs[0]

    def input(self, index: int = 0) -> Value:
        return self.inputs[index].value

    def maker(self, index: int = 0) -> Op:
        """The operation that makes an input."""
        return self.inputs[index].value.op

    def child(self, kind: str) -> Op | None:
        """The first consumer of that kind, over all outputs."""
        for value in self.outputs:
            for use in value.uses:
                if use.op.kind == kind:
                    return use.op
        return None

    def parent(self, kind: str, index: int | None = None) -> Op | None:
        """The first input's maker of that kind, or of one input."""
        slots = self.inputs if index is None else self.inputs[index : index + 1]
        for slot in slots:
            if slot.value is not NOTHING and slot.value.op.kind == kind:
                return slot.value.op
        return None

    def values(self) -> np.ndarray[Any, Any] | None:
        """A constant's values where they are known and few enough to look at."""
        if self.load is None or self.out.elements > READABLE:
            return None
        if not self._loaded:
            self._values, self._loaded = self.load(), True
        return self._values


NOTHING = Value.__new__(Value)
"""What an input that is not connected yet reads."""


class Program:
    """All operations of one function."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.refusals: list[Refusal] = []
        """Why the compiler stops, in the order it would find out. The passes here go on regardless."""
        self.ops: list[Op] = []
        self.inputs: list[Op] = []
        self.outputs: list[Op] = []
        self.touched: list[Op] = []
        """Operations whose connections changed since the rewriter last looked."""
        self.visits = 0
        """Counts walks over the operations."""
        self.clock = 0
        """Counts changes."""
        self.tried: dict[Any, int] = {}
        """Transforms, with the clock at which each had last been tried on everything."""
        self.merged = False
        """Equal operations have been merged."""
        self.matched: Op | None = None
        """The operation a transform is being tried on; what it makes stands in for that one."""

    def add(
        self,
        kind: str,
        inputs: Iterable[Value],
        shapes: Iterable[Sequence[int]],
        *,
        dtype: str = "f32",
        unit: str = "cpu",
        place: str = "data",
        name: str = "",
        of: Sequence[Op | None] = (),
        **attrs: Any,
    ) -> Op:
        """A new operation. ``of``: the operations whose work it does; left out, the one being rewritten."""
        sources = [op for op in (of or (self.matched,)) if op is not None]
        op = Op(self, kind, name or (sources[0].name if sources else ""))
        op.unit, op.attrs = unit, attrs
        op.origin = tuple(dict.fromkeys(node for source in sources for node in source.origin))
        op.order = sources[0].order if sources else 0.0
        op.outputs = [Value(op, shape, dtype, place) for shape in shapes]
        for value in inputs:
            slot = Slot(op)
            op.inputs.append(slot)
            slot.connect(value)
        self.ops.append(op)
        self.touched.append(op)
        return op

    def constant(self, shape: Sequence[int], load: Load | None = None, dtype: str = "f32", **attrs: Any) -> Value:
        op = self.add("constant", (), [shape], dtype=dtype, place="rdata", **attrs)
        op.load = load
        return op.out

    def refuse(self, kind: str, op: Op | None, vendor_message: str, **details: Any) -> None:
        """The compiler stops here; said once for each kind and source node."""
        node = op.origin[0] if op is not None and op.origin else None
        if not any(known.kind == kind and known.node == node for known in self.refusals):
            self.refusals.append(Refusal(kind, node, vendor_message, details))

    def replace(self, old: Value, new: Value) -> None:
        """All uses of ``old``, in order, read ``new`` after those it has already."""
        for use in list(old.uses):
            use.connect(new)

    def postorder(self) -> list[Op]:
        """Depth first from the outputs, inputs in order: the compiler's visiting order."""
        self.visits += 1
        visit = self.visits
        order: list[Op] = []
        path: list[Op] = []
        # None on the stack: all inputs of the last operation of the path have been visited.
        stack: list[Op | None] = list(reversed(self.outputs))
        while stack:
            op = stack.pop()
            if op is None:
                order.append(path.pop())
            elif op.visit != visit:
                op.visit = visit
                path.append(op)
                stack.append(None)
                stack.extend([slot.value.op for slot in reversed(op.inputs) if slot.value.op.visit != visit])
        return order

    def prune(self) -> list[Op]:
        """Forget operations that no output needs. Returns the rest in visiting order."""
        order = self.postorder()
        live = {id(op) for op in order}
        if len(live) < len(self.ops):
            for op in self.ops:
                if id(op) not in live:
                    op.dead = True
                    for slot in op.inputs:
                        slot.disconnect()
            self.ops = [op for op in self.ops if not op.dead]
            self.inputs = [op for op in self.inputs if not op.dead]
        return order

    def drop_unused(self, op: Op) -> None:
        """Forget an operation nothing reads any more, and then those that only it read."""
        waiting = [op]
        while waiting:
            op = waiting.pop()
            if op.dead or op.kind in ("input", "output") or any(value.uses for value in op.outputs):
                continue
            op.dead = True
            for slot in op.inputs:
                if slot.value is not NOTHING:
                    waiting.append(slot.value.op)
                    slot.disconnect()

    def merge_equal(self) -> None:
        """Common-subexpression elimination: same kind, inputs and properties."""
        changed = True
        while changed:
            changed = False
            seen: dict[Any, list[Op]] = {}
            for op in self.ops:
                if op.dead or op.kind in UNMERGED:
                    continue
                alike = seen.setdefault((op.kind, *(id(slot.value) for slot in op.inputs)), [])
                first = next((other for other in alike if _same_properties(op, other)), None)
                if first is None:
                    alike.append(op)
                    continue
                for kept, gone in zip(first.outputs, op.outputs, strict=True):
                    self.replace(gone, kept)
                first.origin = tuple(dict.fromkeys(first.origin + op.origin))
                changed = True
            if changed:
                self.prune()


def _same_properties(a: Op, b: Op) -> bool:
    return (
        a.unit == b.unit
        and a.acting == b.acting
        and a.attrs == b.attrs
        and [(v.shape, v.dtype) for v in a.outputs] == [(v.shape, v.dtype) for v in b.outputs]
    )
