"""PyTorch's arithmetic, activations, comparisons and reductions as ONNX's operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .aten import Lowering, Translation
from .pt2_program import Value


def _operand(g: Lowering, name: str, like: str) -> str:
    """A tensor, or a number as a constant of the other operand's type."""
    found = g.call.arguments.get(name)
    if isinstance(found, Value):
        return g.known_as(found.name)
    if found is None:
        raise ValueError(f"{g.call.op} without its '{name}'")
    return g.number(float(found) if "float" in like else found, like)


def _unary(op: str, **attributes: Any) -> Translation:
    def translate(g: Lowering) -> None:
        g.give(op, g.tensor("self", "input", "x"), **attributes)

    return translate


def _binary(op: str) -> Translation:
    def translate(g: Lowering) -> None:
        x = g.tensor("self", "input") or g.tensor("other")
        like = g.dtype(x)
        a, b = _operand(g, "self" if "self" in g.call.arguments else "input", like), _operand(g, "other", like)
        alpha = g.arg("alpha", 1)
        if _changes_nothing(op, g.call.arguments.get("other")) and g.shape(a) == g.result.shape:
            g.give_same(a)
            return
        if alpha != 1:
            b = g.emit("Mul", b, g.number(alpha, like))
        g.give(op, a, b)

    return translate


def _changes_nothing(op: str, other: Any) -> bool:
    """0 added or 1 multiplied, which the exporter leaves out."""
    neutral = {"Add": 0, "Sub": 0, "Mul": 1}.get(op)
    return neutral is not None and isinstance(other, int | float) and other == neutral


def _comparison(op: str, *, negated: bool = False) -> Translation:
    def translate(g: Lowering) -> None:
        x = g.tensor("self")
        other = _operand(g, "other", g.dtype(x))
        if not negated:
            g.give(op, x, other)
            return
        g.give("Not", g.emit(op, x, other, dtype="bool"))

    return translate


def _same(g: Lowering) -> None:
    """A result that is its input, in a network that is not being trained."""
    g.give_same(g.tensor("self", "input", "x"))


def _rsub(g: Lowering) -> None:
    x = g.tensor("self")
    other, alpha = _operand(g, "other", g.dtype(x)), g.arg("alpha", 1)
    g.give("Sub", other, x if alpha == 1 else g.emit("Mul", x, g.number(alpha, g.dtype(x))))


def _div(g: Lowering) -> None:
    x = g.tensor("self") or g.tensor("other")
    a, b = _operand(g, "self", g.dtype(x)), _operand(g, "other", g.dtype(x))
    rounding = g.arg("rounding_mode")
    if rounding is None:
        g.give("Div", a, b)
    else:
        g.give("Floor" if rounding == "floor" else "Trunc", g.emit("Div", a, b))


def _remainder(g: Lowering) -> None:
    """x - floor(x / y) * y"""
    x = g.tensor("self")
    y = _operand(g, "other", g.dtype(x))
    if "float" not in g.dtype(x):
        g.give("Mod", x, y)
        return
    g.give("Sub", x, g.emit("Mul", g.emit("Floor", g.emit("Div", x, y)), y))


def _triangle(upper: int) -> Translation:
    def translate(g: Lowering) -> None:
        g.give("Trilu", g.tensor("self"), g.number(g.arg("diagonal", 0), "int64"), upper=upper)

    return translate


def _pow(g: Lowering) -> None:
    x = g.tensor("self") or g.tensor("exponent")
    exponent = _operand(g, "exponent", g.dtype(x))
    g.give("Pow", _operand(g, "self", g.dtype(x)), exponent)


def _square(g: Lowering) -> None:
    x = g.tensor("self")
    g.give("Pow", x, g.number(2.0, g.dtype(x)))


def _rsqrt(g: Lowering) -> None:
    g.give("Reciprocal", g.emit("Sqrt", g.tensor("self")))


def _silu(g: Lowering) -> None:
    x = g.tensor("self", "input")
    g.give("Mul", x, g.emit("Sigmoid", x))


def _log_sigmoid(g: Lowering) -> None:
    g.give("Log", g.emit("Sigmoid", g.tensor("self")))


def _glu(g: Lowering) -> None:
    x, axis = g.tensor("self"), g.arg("dim", -1)
    first, second = g.emit_parts("Split", x, count=2, axis=axis, num_outputs=2)
    g.give("Mul", first, g.emit("Sigmoid", second))


def _gelu(g: Lowering) -> None:
    g.give("Gelu", g.tensor("self"), approximate=g.arg("approximate", "none"))


def _clip(low: str, high: str, *, least: float | None = None, most: float | None = None) -> Translation:
    """``low`` and ``high`` are the arguments' names; a tensor may stand for either. A clamp on one side is a maximum
    or a minimum."""

    def translate(g: Lowering) -> None:
        x = g.tensor("self", "input")
        like = g.dtype(x)
        bounds = [g.arg(low, least), g.arg(high, most)]
        if any(isinstance(bound, Value) for bound in bounds):
            for op, bound in zip(("Max", "Min"), bounds, strict=True):
                if isinstance(bound, Value):
                    x = g.emit(op, x, g.known_as(bound.name))
            g.give_same(x)
            return
        one = [(op, b) for op, b in zip(("Max", "Min"), bounds, strict=True) if b is not None]
        if len(one) == 1 and g.call.op in ("aten.clamp", "aten.clip"):
            g.give(one[0][0], x, g.number(one[0][1], like))
            return
        g.give("Clip", x, *(g.number(b, like) if b is not None else "" for b in bounds))

    return translate


def _relu6(g: Lowering) -> None:
    x = g.tensor("self", "input")
    g.give("Clip", x, g.number(0.0, g.dtype(x)), g.number(6.0, g.dtype(x)))


def _leaky_relu(g: Lowering) -> None:
    g.give("LeakyRelu", g.tensor("self"), alpha=float(g.arg("negative_slope", 0.01)))


def _elu(g: Lowering) -> None:
    g.give("Elu", g.tensor("self"), alpha=float(g.arg("alpha", 1.0)))


def _celu(g: Lowering) -> None:
    g.give("Celu", g.tensor("self"), alpha=float(g.arg("alpha", 1.0)))


def _prelu(g: Lowering) -> None:
    x, slope = g.tensor("self"), g.tensor("weight")
    g.give("PRelu", x, g.over_channels(slope, len(g.shape(x))))


def _softplus(g: Lowering) -> None:
    x, beta = g.tensor("self"), g.arg("beta", 1)
    scale = g.number(float(beta), g.dtype(x))
    scaled = x if beta == 1 else g.emit("Mul", x, scale)
    soft = g.emit("Softplus", scaled)
    soft = soft if beta == 1 else g.emit("Div", soft, scale)
    steep = g.emit("Greater", scaled, g.number(float(g.arg("threshold", 20)), g.dtype(x)), dtype="bool")
    g.give("Where", steep, x, soft)


def _softmax(op: str) -> Translation:
    def translate(g: Lowering) -> None:
        g.give(op, g.tensor("self", "input"), axis=g.arg("dim", -1))

    return translate


def _where(g: Lowering) -> None:
    x = g.tensor("self") or g.tensor("other")
    like = g.dtype(x)
    g.give("Where", g.tensor("condition"), _operand(g, "self", like), _operand(g, "other", like))


def _masked_fill(g: Lowering) -> None:
    x = g.tensor("self")
    g.give("Where", g.tensor("mask"), _operand(g, "value", g.dtype(x)), x)


def _cast(g: Lowering) -> None:
    """A new type or device. Devices are nothing to an exported network."""
    from ..ir.dtypes import ONNX_DTYPES

    x, result = g.tensor("self"), g.result
    if result.dtype == g.dtype(x):
        g.give_same(x)
        return
    number = next((n for n, name in ONNX_DTYPES.items() if name == result.dtype), None)
    g.give("Cast", x, to=number)


# ---- tables

_UNARY = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "hardswish": "HardSwish",
    "mish": "Mish",
    "exp": "Exp",
    "log": "Log",
    "sqrt": "Sqrt",
    "abs": "Abs",
    "neg": "Neg",
    "erf": "Erf",
    "sin": "Sin",
    "cos": "Cos",
    "tan": "Tan",
    "asin": "Asin",
    "acos": "Acos",
    "atan": "Atan",
    "sinh": "Sinh",
    "cosh": "Cosh",
    "floor": "Floor",
    "ceil": "Ceil",
    "round": "Round",
    "sign": "Sign",
    "reciprocal": "Reciprocal",
    "selu": "Selu",
    "softsign": "Softsign",
    "isnan": "IsNaN",
    "isinf": "IsInf",
    "logical_not": "Not",
    "bitwise_not": "Not",
    "trunc": "Trunc",
}
_BINARY = {
    "add": "Add",
    "sub": "Sub",
    "subtract": "Sub",
    "mul": "Mul",
    "multiply": "Mul",
    "maximum": "Max",
    "minimum": "Min",
    "fmod": "Mod",
    "logical_and": "And",
    "logical_or": "Or",
    "logical_xor": "Xor",
    "bitwise_and": "And",
    "bitwise_or": "Or",
    "__and__": "And",
    "__or__": "Or",
}
_COMPARISONS = {"eq": "Equal", "gt": "Greater", "ge": "GreaterOrEqual", "lt": "Less", "le": "LessOrEqual"}
_SAME = ("dropout", "alpha_dropout", "feature_dropout", "native_dropout", "alias", "contiguous", "clone", "detach")
_SAME_TOO = ("lift_fresh_copy", "lift_fresh", "lift", "positive", "conj", "resolve_conj", "resolve_neg")

MATH: Mapping[str, Translation] = {
    **{f"aten.{name}": _unary(op) for name, op in _UNARY.items()},
    **{f"aten.{name}": _binary(op) for name, op in _BINARY.items()},
    **{f"aten.{name}": _comparison(op) for name, op in _COMPARISONS.items()},
    **{f"aten.{name}": _same for name in (*_SAME, *_SAME_TOO)},
    "aten.ne": _comparison("Equal", negated=True),
    "aten.rsub": _rsub,
    "aten.remainder": _remainder,
    "aten.div": _div,
    "aten.divide": _div,
    "aten.true_divide": _div,
    "aten.pow": _pow,
    "aten.square": _square,
    "aten.rsqrt": _rsqrt,
    "aten.silu": _silu,
    "aten.glu": _glu,
    "aten.log_sigmoid": _log_sigmoid,
    "aten.gelu": _gelu,
    "aten.hardsigmoid": _unary("HardSigmoid", alpha=1 / 6, beta=0.5),
    "aten.relu6": _relu6,
    "aten.hardtanh": _clip("min_val", "max_val", least=-1.0, most=1.0),
    "aten.clamp": _clip("min", "max"),
    "aten.clip": _clip("min", "max"),
    "aten.clamp_min": _clip("min", ""),
    "aten.clamp_max": _clip("", "max"),
    "aten.leaky_relu": _leaky_relu,
    "aten.elu": _elu,
    "aten.celu": _celu,
    "aten.prelu": _prelu,
    "aten._prelu_kernel": _prelu,
    "aten.softplus": _softplus,
    "aten.softmax": _softmax("Softmax"),
    "aten._softmax": _softmax("Softmax"),
    "aten.log_softmax": _softmax("LogSoftmax"),
    "aten._log_softmax": _softmax("LogSoftmax"),
    "aten.where": _where,
    "aten.masked_fill": _masked_fill,
    "aten.to": _cast,
    "aten._to_copy": _cast,
    "aten.type_as": _cast,
    "aten.float": _cast,
    "aten.tril": _triangle(0),
    "aten.triu": _triangle(1),
}
