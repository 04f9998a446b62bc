"""Reads a graph as the compiler's importers do: the same refusals, the same operations.

The formats' tables stand in ``dialects.py`` and the modules it names. A refusal is recorded and the import
goes on with an opaque operation in the place of the refused one, so that everything wrong is found in one run.

Source: nncase v1.9.0, src/importer; measured with nncase 1.9.0.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lintmodel.ir import Graph, Node, Tensor
from lintmodel.target import Target

from .limits import Limits
from .program import Op, Program, Shape, Value
from .versions import Version

if TYPE_CHECKING:
    import numpy as np

DTYPES = {"float32": "f32", "int64": "i64", "int32": "i32", "bool": "u8", "uint8": "u8", "float64": "f64"}
DTYPES |= {"float16": "f16", "int8": "i8", "int16": "i16", "uint64": "u64"}
ONNX_NAMES = {"float32": "FLOAT", "float64": "DOUBLE"}
"""ONNX's names of element types that are not numpy's in capitals."""
NO_SIZE = "18446744073709551615"
"""How the compiler prints a dimension it does not know (-1 as an unsigned number)."""

Operator = Callable[["Importer", Node], "Value | Sequence[Value]"]


@dataclass(frozen=True)
class Dialect:
    """How the compiler reads one file format."""

    operators: dict[str, Operator]
    """By canonical name; an operator that is listed and not here becomes one operation on the CPU."""
    refusal: Callable[[Node, Target], str | None]
    """The importer's message for a node it does not know at all."""
    check: Callable[[Importer, Node, Sequence[Value]], None] | None = None
    """What is checked of the values a node made."""
    types: frozenset[str] = frozenset()
    """Element types it reads."""
    type_refusal: str = ""
    """What it says of others."""
    constant_types: frozenset[str] = frozenset()
    """Element types of constants it reads, where these are fewer."""
    states_outputs: bool = False
    """The format always states the shapes of outputs."""


class CannotImport(Exception):
    """A node cannot be read any further; the reason was recorded, or is an input that was not made."""


class Importer:
    """One import. ``values`` holds what every tensor became."""

    def __init__(self, graph: Graph, target: Target, dialect: Dialect) -> None:
        self.graph = graph
        self.target = target
        self.dialect = dialect
        self.version = Version.of(target.version)
        self.program = Program(Limits.of(target))
        self.values: dict[str, Value] = {}
        self.refused: dict[str, Op] = {}
        """Opaque operations standing for nodes the compiler refuses, by node name."""
        self.left_out: set[str] = set()
        """Nodes that could not be read because an input's shape is unknown."""
        self.node: Node | None = None
        self.marker: Op | None = None

    # ---- what operators ask for

    def read(self, index: int = 0) -> Value:
        """The value of an input. Raises CannotImport when it could not be made."""
        return self.value(self._node.inputs[index])

    def value(self, name: str) -> Value:
        if name not in self.values:
            tensor = self.graph.tensor(name)
            if tensor.constant is None or not tensor.known:
                raise CannotImport(name)
            if tensor.sparse:  # looked for among the dense ones, then among what flows
                self.need_value_info(name)
            if self.dialect.constant_types and tensor.dtype not in self.dialect.constant_types:
                kind = ONNX_NAMES.get(tensor.dtype, tensor.dtype.upper())
                self.refuse("element-type", f'RuntimeError: Data type "{kind}" not supported', dtype=tensor.dtype)
            load = tensor.constant.load
            shape = tensor.sizes or (1,)
            return self.program.constant(shape, _reshaping(load, shape), self.dtype(tensor))
        return self.values[name]

    def tensor(self, index: int = 0) -> Tensor:
        """The graph's tensor of an input."""
        return self.graph.tensor(self._node.inputs[index])

    def has(self, index: int) -> bool:
        return index < len(self._node.inputs) and bool(self._node.inputs[index])

    def scalar(self, value: float) -> Value:
        def load() -> np.ndarray[Any, Any]:
            import numpy as np

            return np.full((1,), value, "float32")

        return self.program.constant((1,), load)

    def zeros(self, size: int) -> Value:
        return self.program.constant((size,))

    def integers(self, index: int) -> tuple[int, ...]:
        """A parameter that must be fixed in the file. Raises CannotImport when not even folding finds it."""
        name = self._node.inputs[index] if index < len(self._node.inputs) else ""
        if not self.readable(name):
            self.refuse(
                "parameter-not-constant",
                f"RuntimeError: Can't pull input data for <{name}> : only constant initialization is supported",
                parameter=name,
            )
        found = self.graph.integers(name)
        if found is None:
            raise CannotImport(name)
        return found

    def floats(self, index: int) -> tuple[float, ...]:
        """As :meth:`integers`, for real numbers."""
        name = self._node.inputs[index] if index < len(self._node.inputs) else ""
        if not self.readable(name):
            self.refuse(
                "parameter-not-constant",
                f"RuntimeError: Can't pull input data for <{name}> : only constant initialization is supported",
                parameter=name,
            )
        found = self.graph.value(name) if name else None
        if found is None:
            raise CannotImport(name)
        return tuple(float(x) for x in found.reshape(-1))

    def readable(self, name: str) -> bool:
        """An initialiser, or what a Constant or Shape node makes."""
        if self.graph.is_constant(name):
            return True
        producer = self.graph.producer(name)
        return producer is not None and producer.op in ("Constant", "Shape", "ConstantOfShape", "Size")

    def need_value_info(self, output: str) -> None:
        """The importer looks the shape of some operators' outputs up in the file."""
        tensor = self.graph.tensor(output)
        if not tensor.listed or tensor.sparse:
            message = f"RuntimeError: Can't find value info for {output} to parse its shape"
            self.refuse("missing-value-info", message, tensor=output)

    def need_value_type(self, output: str) -> None:
        """As :meth:`need_value_info`, where only the element type is looked up."""
        if not self.graph.tensor(output).listed:
            self.refuse("missing-value-info", "RuntimeError: bad optional access", tensor=output)

    def output_shape(self, index: int = 0) -> Shape:
        """Shape of an output as the graph has it. Raises CannotImport while it is symbolic."""
        tensor = self.graph.tensor(self._node.outputs[index])
        if tensor.shape is None:
            raise CannotImport(tensor.name)
        return self.fixed(tensor)

    def fixed(self, tensor: Tensor) -> Shape:
        """The tensor's sizes, an unknown batch taken as 1. Raises CannotImport for other unknown sizes."""
        shape = tensor.shape or ()
        sizes = tuple(1 if axis == 0 and isinstance(d, str) else d for axis, d in enumerate(shape))
        if not all(isinstance(d, int) for d in sizes):
            raise CannotImport(tensor.name)
        return tuple(d for d in sizes if isinstance(d, int)) or (1,)

    def dtype(self, tensor: Tensor) -> str:
        return DTYPES.get(tensor.dtype, "f32")

    def attribute(self, name: str, default: Any) -> Any:
        value = self._node.attributes.get(name)
        return default if value is None else value

    def axes(self, name: str = "axes") -> tuple[int, ...] | None:
        """An attribute that is a list of numbers; a single number is a list of one."""
        value = self._node.attributes.get(name)
        return value if value is None or isinstance(value, tuple) else (int(value),)

    def refuse_type(self, tensor: Tensor) -> None:
        message = self.dialect.type_refusal.format(dtype=tensor.dtype.upper())
        self.refuse("element-type", message, dtype=tensor.dtype)

    def refuse(self, kind: str, message: str, **details: Any) -> None:
        self.program.refuse(kind, self.marker, message, **details)

    @property
    def _node(self) -> Node:
        assert self.node is not None
        return self.node

    # ---- the import

    def run(self) -> Program:
        """Imports the whole graph. Nodes that depend on an unknown size other than the batch are left out."""
        self._inputs()
        for node in self.graph.nodes:
            self._import(node)
        self._outputs()
        return self.program

    def _inputs(self) -> None:
        for name in self.graph.inputs:
            tensor = self.graph.tensor(name)
            if tensor.dtype not in self.dialect.types:
                self.refuse_type(tensor)
            try:
                shape = self.fixed(tensor)
            except CannotImport:
                continue
            self.values[name] = self._input(name, shape, self.dtype(tensor))

    def _input(self, name: str, shape: Shape, dtype: str) -> Value:
        """A picture that the firmware hands over as bytes is dequantised first, in the range calibration finds.
        Inputs that are no pictures stay real."""
        as_bytes = dtype == "f32" and len(shape) == 4 and self.target.options.get("input_type") == "uint8"
        op = self.program.add("input", (), [shape], dtype="u8" if as_bytes else dtype, place="input", name=name)
        self.program.inputs.append(op)
        return self.program.add("dequantize", [op.out], [shape], range=None).out if as_bytes else op.out

    def _import(self, node: Node) -> None:
        self.node = node
        # A stand-in that every operation made for this node takes name and origin from.
        self.marker = Op(self.program, "marker", f"{node.name}({node.native_op})")
        self.marker.origin = (node.name,)
        self.program.matched = self.marker
        refusals = len(self.program.refusals)
        try:
            message = self.dialect.refusal(node, self.target)
            if message is not None:
                self.refuse("operator-not-imported", message, operator=node.native_op)
                self._opaque(node)
                return
            operator = self.dialect.operators.get(node.op)
            made = operator(self, node) if operator else self.plain(node)
            values = [made] if isinstance(made, Value) else list(made)
            if self.dialect.check:
                self.dialect.check(self, node, values)
            for name, value in zip(node.outputs, values, strict=False):
                if name:
                    self.values[name] = value
        except (CannotImport, ValueError, IndexError):
            self._opaque(node, known=len(self.program.refusals) > refusals)
        finally:
            self.program.matched = None

    def plain(self, node: Node) -> list[Value]:
        """An operator that becomes one operation on the CPU, whatever it computes."""
        inputs = [self.value(name) for name in node.inputs if name]
        outputs = [self.graph.tensor(name) for name in node.outputs if name]
        kind = node.op.lower()
        op = self.program.add(kind, inputs, [self.fixed(tensor) for tensor in outputs])
        for value, tensor in zip(op.outputs, outputs, strict=True):
            value.dtype = self.dtype(tensor)
        return op.outputs

    def _opaque(self, node: Node, known: bool = True) -> None:
        """Stands in for a node that could not be read, so that what follows still can be."""
        try:
            outputs = [self.graph.tensor(name) for name in node.outputs if name]
            shapes = [self.fixed(tensor) for tensor in outputs if tensor.shape is not None]
            if len(shapes) != len(outputs):
                raise CannotImport(node.name)
        except CannotImport:
            self.left_out.add(node.name)
            return
        inputs = [self.values[name] for name in dict.fromkeys(node.inputs) if name in self.values]
        op = self.program.add("opaque", inputs, shapes)
        for name, value, tensor in zip([n for n in node.outputs if n], op.outputs, outputs, strict=True):
            value.dtype = self.dtype(tensor)
            self.values[name] = value
        if known:
            self.refused[node.name] = op
        else:
            self.left_out.add(node.name)

    def _outputs(self) -> None:
        for name in self.graph.outputs:
            try:
                value = self.value(name)
            except CannotImport:
                continue
            tensor = self.graph.tensor(name)
            # A shape that the file does not state is read as [1].
            stated = tensor.declared or self.dialect.states_outputs
            declared = (tensor.shape if stated else None) or (1,)
            if tuple(declared) != value.shape and value.op.kind != "opaque":
                self._mismatch(name, value, declared)
            self._compare_types(name, value, tensor)
            op = self.program.add("output", [value], (), name=name)
            self.program.outputs.append(op)

    def _compare_types(self, name: str, value: Value, tensor: Tensor) -> None:
        wanted = DTYPES.get(tensor.dtype)
        if wanted is not None and wanted != value.dtype and value.op.kind not in ("opaque", "input", "constant"):
            text = f"{value.op.name}[{value.op.kind.title()}]->{name}[Output] has type mismatch: "
            message = f"{text}[{value.dtype}]->[{wanted}]"
            self.program.refuse("type-mismatch", value.op, message, made=value.dtype, wanted=wanted)

    def _mismatch(self, name: str, value: Value, declared: tuple[int | str, ...]) -> None:
        ours, theirs = (",".join(str(d) if isinstance(d, int) else NO_SIZE for d in s) for s in (value.shape, declared))
        text = f"{value.op.name}[{value.op.kind.title()}]->{name}[Output] has shape mismatch: [{ours}]->[{theirs}]"
        symbolic = [d for d in declared if isinstance(d, str)]
        kind = "symbolic-size" if symbolic else "shape-mismatch"
        self.program.refuse(kind, value.op, text, tensor=name, made=value.shape, declared=declared)


def _reshaping(load: Callable[[], Any], shape: Shape) -> Callable[[], Any]:
    def reshaped() -> Any:
        value = load()
        return None if value is None else value.reshape(shape)

    return reshaped
