"""An exported program's JSON as plain values, whatever schema version wrote it.

Since torch 2.2 the signature is a list of input and output specifications; torch 2.1 had dictionaries from input to
parameter instead. Arguments that have their operator's default are left out of the file.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ir import Dim, Shape
from .pt2_archive import dtype_of


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the program, by name."""

    name: str


@dataclass(frozen=True, slots=True)
class Type:
    shape: Shape
    dtype: str
    strides: Shape = ()
    """In elements; empty where the program does not say."""


@dataclass(frozen=True, slots=True)
class Call:
    """One operator of the program. ``arguments`` are numbers, strings, :class:`Value` and lists of these."""

    target: str
    """``aten.conv2d.default``"""
    name: str
    arguments: Mapping[str, Any]
    outputs: tuple[str, ...]
    stack_trace: str = ""
    nn_module_stack: str = ""
    index: int = 0

    @property
    def op(self) -> str:
        """``aten.conv2d`` of ``aten.conv2d.default`` and ``aten.conv2d_.default``."""
        namespace, _, rest = self.target.partition(".")
        name = rest.partition(".")[0]
        plain = name.rstrip("_") if not name.startswith("_") or not name.endswith("__") else name
        return f"{namespace}.{plain}" if rest else namespace

    @property
    def in_place(self) -> bool:
        name = self.target.partition(".")[2].partition(".")[0]
        return name.endswith("_") and not name.endswith("__")


@dataclass(frozen=True)
class Program:
    calls: tuple[Call, ...]
    types: Mapping[str, Type]
    inputs: tuple[str, ...]
    """Tensors that the user passes."""
    outputs: tuple[str, ...]
    stored: Mapping[str, str]
    """Parameters, buffers and constants: the tensor, and the name its values have in the archive."""
    schema: str
    torch: str = ""
    symbols: Mapping[str, int] = field(default_factory=dict)


def program_of(content: Mapping[str, Any], symbols: Mapping[str, int] | None = None) -> Program:
    """The program in an archive's JSON. ``symbols`` gives sizes to dimensions that were left open (``s0``).

    Raises KeyError, TypeError, ValueError, AttributeError or IndexError where the JSON is not as torch writes it.
    """
    symbols = dict(symbols or {})
    graph = content["graph_module"]["graph"]
    inputs, stored, outputs = _signature(content["graph_module"]["signature"])
    types: dict[str, Type] = {}
    calls = tuple(_inlined(graph, symbols, types, ""))
    return Program(calls, types, inputs, outputs, stored, _version(content), str(content.get("torch_version") or ""))


def open_dimensions(content: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """Shapes of the user's inputs as the program spells them: numbers and expressions of symbols."""
    graph = content["graph_module"]["graph"]
    inputs, _, _ = _signature(content["graph_module"]["signature"])
    return {name: tuple(map(str, _type(graph["tensor_values"][name], {}).shape)) for name in inputs}


def _version(content: Mapping[str, Any]) -> str:
    version = content.get("schema_version", "")
    return f"{version.get('major')}.{version.get('minor')}" if isinstance(version, dict) else str(version)


# ---- signature


def _signature(signature: Mapping[str, Any]) -> tuple[Any, dict[str, str], Any]:
    """Inputs of the user, stored tensors with their names, outputs of the user."""
    if "input_specs" not in signature:
        return _old_signature(signature)
    inputs: list[str] = []
    stored: dict[str, str] = {}
    for spec in signature["input_specs"]:
        ((kind, value),) = spec.items()
        if kind == "user_input":
            inputs += _tensors(value["arg"])
        elif kind in _STORED:
            stored[value["arg"]["name"]] = value[_STORED[kind]]
    outputs: list[str] = []
    for spec in signature["output_specs"]:
        ((kind, value),) = spec.items()
        if kind == "user_output":
            outputs += _tensors(value["arg"])
    return tuple(inputs), stored, tuple(dict.fromkeys(outputs))


_STORED = {"parameter": "parameter_name", "buffer": "buffer_name", "tensor_constant": "tensor_constant_name"}


def _old_signature(signature: Mapping[str, Any]) -> tuple[Any, dict[str, str], Any]:
    stored = {**signature["inputs_to_parameters"], **signature["inputs_to_buffers"]}
    stored |= signature.get("inputs_to_lifted_tensor_constants") or {}
    return tuple(signature["user_inputs"]), stored, tuple(dict.fromkeys(signature["user_outputs"]))


def _tensors(argument: Mapping[str, Any]) -> Iterator[str]:
    """Names of the tensors in an argument; numbers are none."""
    for kind, value in argument.items():
        if kind == "as_tensor" or (kind == "name" and isinstance(value, str)):
            yield value["name"] if isinstance(value, dict) else value
        elif kind == "as_tensors":
            yield from (each["name"] for each in value)


# ---- sizes


def _type(meta: Mapping[str, Any], symbols: Mapping[str, int]) -> Type:
    meta = meta.get("meta", meta)
    shape, strides = (tuple(_size(n, symbols) for n in meta.get(key) or ()) for key in ("sizes", "strides"))
    return Type(shape, dtype_of(meta["dtype"]), strides)


def _sizes(graph: Mapping[str, Any], symbols: Mapping[str, int]) -> dict[str, Dim]:
    """Integers that the program computes, by name."""
    return {name: _size(size, symbols) for name, size in (graph.get("sym_int_values") or {}).items()}


def _size(size: Any, symbols: Mapping[str, int]) -> Dim:
    if isinstance(size, dict) and "as_int" in size:
        size = size["as_int"]
    if isinstance(size, int):
        if not -_LARGEST < size < _LARGEST:
            raise ValueError(f"a size of {size}")
        return size
    expression = size["as_expr"] if "as_expr" in size else size["as_symbol"]
    text = str(expression["expr_str"] if isinstance(expression, dict) else expression)
    return evaluated(text, symbols)


def evaluated(text: str, symbols: Mapping[str, int]) -> Dim:
    """An expression of sizes as a number where all its symbols have one, else as it is."""
    try:
        result = _number(ast.parse(text, mode="eval").body, symbols)
    except (SyntaxError, KeyError, ZeroDivisionError, ValueError, RecursionError, MemoryError):
        return text
    return result if -_LARGEST < result < _LARGEST else text


_LARGEST = 1 << 62
_ARITHMETIC: Mapping[str, Callable[[int, int], int]] = {
    "Add": operator.add,
    "Sub": operator.sub,
    "Mult": operator.mul,
    "FloorDiv": operator.floordiv,
    "CleanDiv": operator.floordiv,
    "Div": operator.floordiv,  # of sizes that divide; sympy writes "s0/2" only of these
    "Mod": operator.mod,
    "Max": max,
    "Min": min,
}


def _number(tree: ast.expr, symbols: Mapping[str, int]) -> int:
    match tree:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id=name):
            return symbols[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_number(operand, symbols)
        case ast.Call(func=ast.Name(id=name), args=[left, right]):
            return _ARITHMETIC[name](_number(left, symbols), _number(right, symbols))
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2 | 3 as power)):
            value = _number(left, symbols)
            return value * value * (value if power == 3 else 1)
        case ast.BinOp(left=left, op=op, right=right):
            return _ARITHMETIC[type(op).__name__](_number(left, symbols), _number(right, symbols))
    raise ValueError("no arithmetic of sizes")


# ---- operators


_WRAPPERS = ("higher_order.wrap_with_autocast", "higher_order.wrap_with_set_grad_enabled")
"""Parts of a network under ``torch.autocast`` or ``torch.no_grad``: a graph in the graph, called once."""


def _inlined(
    graph: Mapping[str, Any], symbols: Mapping[str, int], types: dict[str, Type], prefix: str
) -> Iterator[Call]:
    """The calls of a graph, those of the graphs it wraps in their place. ``prefix`` goes before the names."""
    types |= {prefix + name: _type(meta, symbols) for name, meta in graph["tensor_values"].items()}
    sizes = _sizes(graph, symbols)
    for index, node in enumerate(graph["nodes"]):
        call = _call(node, index, sizes, prefix)
        inner = [a["arg"]["as_graph"]["graph"] for a in node["inputs"] if "as_graph" in a["arg"]]
        if call.target not in _WRAPPERS or len(inner) != 1:
            yield call
            continue
        within = f"{call.name}."
        given = [v for v in call.arguments.values() if isinstance(v, Value)]
        for name, value in zip((n for i in inner[0]["inputs"] for n in _tensors(i)), given, strict=True):
            yield Call("aten.alias.default", within + name, {"self": value}, (within + name,), index=index)
        yield from _inlined(inner[0], symbols, types, within)
        for name, result in zip(call.outputs, (n for o in inner[0]["outputs"] for n in _tensors(o)), strict=True):
            yield Call("aten.alias.default", name, {"self": Value(within + result)}, (name,), index=index)


def _call(node: Mapping[str, Any], index: int, sizes: Mapping[str, Dim], prefix: str) -> Call:
    metadata = node.get("metadata") or {}
    outputs = tuple(prefix + name for output in node["outputs"] for name in _tensors(output))
    target = str(node["target"]).removeprefix("torch.ops.")
    named = node.get("name")
    name = prefix + str(named) if named else outputs[0] if outputs else f"{target}_{index}"
    arguments = {each["name"] or str(k): _argument(each["arg"], sizes, prefix) for k, each in enumerate(node["inputs"])}
    trace, modules = (str(metadata.get(key) or "") for key in ("stack_trace", "nn_module_stack"))
    return Call(target, name, arguments, outputs, trace, modules, index)


def _argument(argument: Mapping[str, Any], sizes: Mapping[str, Dim], prefix: str) -> Any:
    ((kind, value),) = argument.items()
    if kind == "as_none":
        return None
    if kind in ("as_tensor", "as_optional_tensor"):
        return Value(prefix + value["name"]) if "name" in value else _argument(value, sizes, prefix)
    if kind == "as_tensors":
        return [Value(prefix + each["name"]) for each in value]
    if kind == "as_optional_tensors":
        return [_argument(each if "name" not in each else {"as_tensor": each}, sizes, prefix) for each in value]
    if kind in ("as_sym_int", "as_sym_float", "as_sym_bool"):
        return _symbolic(value, sizes)
    if kind in ("as_sym_ints", "as_sym_floats", "as_sym_bools"):
        return [_symbolic(each, sizes) for each in value]
    if kind == "as_scalar_type":
        return dtype_of(value)
    if kind == "as_float":
        return float(value)  # an infinite one may be spelled as a word
    if (kind == "as_int" and not isinstance(value, int)) or (kind == "as_ints" and not _are_integers(value)):
        raise ValueError(f"{kind} holds no integer")
    return value


def _are_integers(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(value, int) for value in values)


def _symbolic(value: Mapping[str, Any], sizes: Mapping[str, Dim]) -> Any:
    ((kind, inner),) = value.items()
    return sizes.get(inner, inner) if kind == "as_name" else inner
