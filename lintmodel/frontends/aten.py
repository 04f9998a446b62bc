"""From the operators of an exported PyTorch program to those of ONNX, as ``torch.onnx.export`` translates them.

The toolchains do not read exported programs: they get the ONNX file that PyTorch makes of one. So a program is
translated operator by operator into what the exporter of torch 2.13 writes (operator set 20), and what is found in it
is what will be found in the file. Read in the exporter's source and compared on models (benchmarks/exports.py).

The translations stand in :mod:`.aten_layers`, :mod:`.aten_math`, :mod:`.aten_reductions` and :mod:`.aten_shapes`;
what the exporter simplifies afterwards in :mod:`.aten_tidy`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..ir import Constant, Dim, Node, Problem, Shape, Source, Tensor
from .aten_values import computed
from .pt2_program import Call, Program, Value
from .torch_trace import frames_of, scopes_of

OPSET = 20
"""What torch.onnx.export of torch 2.13 writes when nothing is asked for."""


@dataclass
class Lowering:
    """A program on its way into nodes. Translations read the arguments of ``call`` and write nodes."""

    program: Program
    path: str
    nodes: list[Node] = field(default_factory=list)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    same: dict[str, str] = field(default_factory=dict)
    """Values that are another tensor under a second name: results of dropout, of changes in place, ..."""
    call: Call = field(default_factory=lambda: Call("", "", {}, ()))
    source: Source = field(default_factory=Source)
    _constants: dict[Any, str] = field(default_factory=dict)
    _made: dict[str, int] = field(default_factory=dict)

    # ---- reading

    def arg(self, name: str, default: Any = None) -> Any:
        """An argument that is no tensor; the default of the operator where the program leaves it out."""
        value = self.call.arguments.get(name)
        return default if value is None else value

    def first(self, *names: str, default: Any = None) -> Any:
        """The first of these arguments that is given."""
        return next((value for name in names if (value := self.call.arguments.get(name)) is not None), default)

    def ints(self, name: str, count: int, default: int) -> tuple[int, ...]:
        """A list of so many integers; a single one stands for all."""
        found = self.call.arguments.get(name)
        values = [found] if isinstance(found, int) else list(found or [default])
        return tuple(values) * count if len(values) == 1 else tuple(values)

    def tensor(self, *names: str) -> str:
        """The tensor passed under the first of these names that has one; empty when there is none."""
        for name in names:
            found = self.call.arguments.get(name)
            if isinstance(found, Value):
                return self.known_as(found.name)
        return ""

    def tensors_of(self, name: str) -> list[str]:
        return [self.known_as(v.name) if isinstance(v, Value) else "" for v in self.call.arguments.get(name) or ()]

    def known_as(self, name: str) -> str:
        while name in self.same:
            name = self.same[name]
        return name

    def shape(self, name: str) -> Shape:
        tensor = self.tensors.get(name)
        return tensor.shape or () if tensor is not None else ()

    def dtype(self, name: str) -> str:
        tensor = self.tensors.get(name)
        return tensor.dtype if tensor is not None else "unknown"

    @property
    def result(self) -> Tensor:
        """The call's first result."""
        return self.result_at(0)

    def result_at(self, index: int) -> Tensor:
        name = self.call.outputs[index]
        found = self.program.types.get(name)
        return Tensor(name, found.shape, found.dtype) if found else Tensor(name, None, "unknown", declared=False)

    # ---- writing

    def emit(
        self, op: str, *inputs: str, shape: Shape | None = None, dtype: str | None = None, **attributes: Any
    ) -> str:
        """A node in the middle of a translation; its result. The exported file states its shape as all others, so it
        counts as declared, and the normaliser fills it in."""
        name = self._name(f"{self.call.name}.{op}")
        dtype = dtype or (self.dtype(inputs[0]) if inputs else "float32")
        self.tensors[name] = Tensor(name, shape, dtype)
        return self._node(op, name, inputs, (name,), attributes)

    def emit_parts(self, op: str, *inputs: str, count: int, **attributes: Any) -> tuple[str, ...]:
        """A node of several results in the middle of a translation."""
        name = self._name(f"{self.call.name}.{op}")
        names = tuple(f"{name}.{k}" for k in range(count))
        dtype = self.dtype(inputs[0])
        self.tensors |= {n: Tensor(n, None, dtype) for n in names}
        self._node(op, name, inputs, names, attributes)
        return names

    def give(self, op: str, *inputs: str, **attributes: Any) -> str:
        """The node that makes the call's (first) result."""
        result = self.result
        self.tensors[result.name] = result
        return self._node(op, self._name(self.call.name), inputs, (result.name,), attributes)

    def give_all(self, op: str, *inputs: str, **attributes: Any) -> None:
        """A node that makes all the call's results."""
        results = [self.result_at(k) for k in range(len(self.call.outputs))]
        self.tensors |= {tensor.name: tensor for tensor in results}
        self._node(op, self._name(self.call.name), inputs, tuple(t.name for t in results), attributes)

    def give_part(self, index: int, op: str, *inputs: str, **attributes: Any) -> None:
        """The node that makes one of the call's results."""
        result = self.result_at(index)
        self.tensors[result.name] = result
        self._node(op, self._name(result.name), inputs, (result.name,), attributes)

    def give_same(self, name: str, index: int = 0) -> None:
        """The call's result is a tensor that is there already."""
        if index < len(self.call.outputs):
            self.same[self.call.outputs[index]] = name

    def give_constant(self, values: Callable[[], Any] | None = None) -> None:
        """The call's result is known before the network runs."""
        result = self.result
        self.tensors[result.name] = Tensor(result.name, result.shape, result.dtype, Constant(values or _not_there))

    def constant(self, values: Callable[[], Any], shape: Shape, dtype: str, name: str) -> str:
        """A constant that the exported file has and the program has not."""
        self.tensors[name] = Tensor(name, shape, dtype, Constant(values))
        return name

    def turned(self, name: str, order: tuple[int, ...]) -> str:
        """The transpose of a constant, as a constant of its own; empty for other tensors."""
        tensor = self.tensors.get(name)
        stored = tensor.constant if tensor is not None else None
        if tensor is None or stored is None:
            return ""
        shape = tuple((tensor.shape or ())[k] for k in order)

        def values() -> Any:
            found = stored.load()
            return None if found is None else found.transpose(order)

        label = ".T" if order == (1, 0) else f".{'_'.join(map(str, order))}"
        return self.constant(values, shape, tensor.dtype, name + label)

    def over_channels(self, parameter: str, rank: int) -> str:
        """A parameter with one value for each channel, in the shape that broadcasts over feature maps."""
        tensor = self.tensors[parameter]
        stored, shape = tensor.constant, (*(tensor.shape or ()), *([1] * (rank - 2)))
        if stored is None:
            return self.emit("Reshape", parameter, self.numbers(shape))

        def values() -> Any:
            found = stored.load()
            return None if found is None else found.reshape(shape)

        return self.constant(values, shape, tensor.dtype, f"{parameter}.channels")

    def numbers(self, values: Sequence[Dim | float], dtype: str = "int64") -> str:
        """A constant list: a shape, axes. Sizes that are not known are -1."""
        return self._constant(tuple(-1 if isinstance(n, str) else n for n in values), dtype, (len(values),))

    def number(self, value: float, dtype: str) -> str:
        """A constant without dimensions."""
        return self._constant((value,), dtype, ())

    def _constant(self, values: tuple[Any, ...], dtype: str, shape: tuple[int, ...]) -> str:
        numbers = all(isinstance(value, int | float) for value in values)
        if not numbers or ("int" in dtype and not _plain(values)):
            raise ValueError("a constant that is no number")
        key = (values, dtype, shape)
        if key not in self._constants:
            name = self._constants[key] = self._name("constant")
            self.tensors[name] = Tensor(name, shape, dtype, Constant(lambda: _array(values, dtype, shape)))
        return self._constants[key]

    def _node(
        self, op: str, name: str, inputs: Sequence[str], outputs: tuple[str, ...], attributes: Mapping[str, Any]
    ) -> str:
        given = list(inputs)
        while given and not given[-1]:
            given.pop()
        known = {key: value for key, value in attributes.items() if value is not None}
        if not all(map(_plain, known.values())):
            raise ValueError(f"{op} has attributes of no known kind")
        self.nodes.append(Node(name, op, tuple(given), outputs, known, self.source))
        return outputs[0] if outputs else ""

    def _name(self, name: str) -> str:
        count = self._made[name] = self._made.get(name, 0) + 1
        return name if count == 1 else f"{name}#{count}"


_LARGEST = (1 << 63) - 1


def _plain(value: Any) -> bool:
    """Numbers, words and lists of them: whatever else a file holds there is no argument of an operator."""
    if isinstance(value, tuple):
        return all(isinstance(each, int | float) and -_LARGEST <= each <= _LARGEST for each in value)
    return isinstance(value, str) or (isinstance(value, int | float) and -_LARGEST <= value <= _LARGEST)


def _not_there() -> None:
    """Of a constant that would have to be computed."""


def _array(values: tuple[Any, ...], dtype: str, shape: tuple[int, ...]) -> Any:
    import numpy as np

    kind = "float32" if dtype in ("bfloat16", "unknown") else dtype
    return np.array(values, "int64" if "int" in kind else "float64").astype(kind).reshape(shape)


Translation = Callable[[Lowering], None]


def lower(program: Program, path: str, constant: Callable[[str], Constant]) -> Lowering:
    """The program's operators as ONNX's. ``constant`` gives the values of a stored tensor by its name."""
    from .aten_layers import LAYERS
    from .aten_math import MATH
    from .aten_reductions import REDUCTIONS
    from .aten_shapes import SHAPES

    table: dict[str, Translation] = {**MATH, **REDUCTIONS, **SHAPES, **LAYERS}
    g = Lowering(program, path)
    for name in program.inputs:
        found = program.types.get(name)
        g.tensors[name] = Tensor(name, found.shape, found.dtype) if found else Tensor(name, None, "unknown")
    for name, stored in program.stored.items():
        found = program.types[name]
        g.tensors[name] = Tensor(name, found.shape, found.dtype, constant(stored))
    for call in program.calls:
        _translate(g, call, table)
    return g


def results(g: Lowering) -> tuple[str, ...]:
    """The tensors the network gives. One that is an input, a constant or another result is copied, as the exporter
    does."""
    taken = {*g.program.inputs, *(name for name, tensor in g.tensors.items() if tensor.constant is not None)}
    found = []
    for name in g.program.outputs:
        made = g.known_as(name)
        if made in taken:
            g.call, g.source = Call("", name, {}, (name,)), Source(g.path)
            made = name if name in g.tensors and name == made else g.give("Identity", made)
        taken.add(made)
        found.append(made)
    return tuple(dict.fromkeys(found))


def _translate(g: Lowering, call: Call, table: Mapping[str, Translation]) -> None:
    g.call = call
    g.source = Source(
        g.path,
        index=call.index,
        frames=frames_of(call.stack_trace),
        scopes=scopes_of(call.nn_module_stack),
    )
    if not call.outputs:
        return  # sizes, assertions, ranges of symbols: nothing a network computes with
    translation = table.get(call.op)
    if _folded(g, call):
        return
    if translation is not None:
        before = len(g.nodes)
        try:
            translation(g)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError):
            translation = None  # arguments that this operator does not have
            del g.nodes[before:]
    if translation is None:
        _unknown(g, call)
    if call.in_place:
        changed = next((v for v in call.arguments.values() if isinstance(v, Value)), None)
        if changed is not None and changed.name not in g.program.stored:
            _overwrite(g, changed.name, call.outputs[0])


def _overwrite(g: Lowering, changed: str, result: str) -> None:
    """What reads a tensor after it was changed in place, reads the result."""
    old, new = g.known_as(changed), g.known_as(result)
    if old != new:
        g.same[changed] = new
        g.same[old] = new


def _folded(g: Lowering, call: Call) -> bool:
    """What is computed from constants alone is computed by the exporter, but for large tensors."""
    names = [v.name for v in call.arguments.values() if isinstance(v, Value)]
    names += [
        v.name for list_ in call.arguments.values() if isinstance(list_, list) for v in list_ if isinstance(v, Value)
    ]
    if not names or not all(is_folded(g.tensors.get(g.known_as(name))) for name in names):
        return False
    results = [g.result_at(k) for k in range(len(call.outputs))]
    if any(not t.known or t.elements > _FOLDED_RESULT for t in results):
        return False
    g.tensors |= {t.name: Tensor(t.name, t.shape, t.dtype, Constant(_not_there)) for t in results}
    if len(results) == 1:
        (result,) = results
        load = computed(call, lambda name: _value(g, name), result.sizes, result.dtype)
        g.tensors[result.name] = Tensor(result.name, result.shape, result.dtype, Constant(load))
    return True


def _value(g: Lowering, name: str) -> Any:
    tensor = g.tensors[g.known_as(name)]
    return tensor.constant.load() if tensor.constant is not None else None


def is_folded(tensor: Tensor | None) -> bool:
    """A constant small enough for the exporter to compute with."""
    return tensor is not None and tensor.constant is not None and tensor.known and tensor.elements <= _FOLDED_INPUT


_FOLDED_INPUT, _FOLDED_RESULT = 8192, 512 * 512
"""Elements. onnxscript 0.7.2, optimizer/_constant_folding.py."""


def _unknown(g: Lowering, call: Call) -> None:
    """An operator without a translation stands in the graph under its own name."""
    inputs = [g.known_as(v.name) for v in call.arguments.values() if isinstance(v, Value)]
    namespace, _, rest = call.target.partition(".")
    results = [g.result_at(k) for k in range(len(call.outputs))]
    g.tensors |= {tensor.name: tensor for tensor in results}
    name = g._name(call.name)
    op = rest.rpartition(".")[0] or call.target
    g.nodes.append(Node(name, op, tuple(inputs), tuple(t.name for t in results), {}, g.source, domain=namespace))
    message = f"lintmodel has no translation of PyTorch's {call.target} into ONNX"
    g.problems.append(Problem("unknown-operator", message, name))
