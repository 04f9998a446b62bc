"""Values of what a program computes from constants alone, worked out when somebody asks for them.

Scales of quantised layers and positions come about like this. An operator that is not listed here leaves its value
unknown, and so does one whose arguments numpy does not take.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .pt2_program import Call, Value

_MOST = 1 << 20
"""Elements of a value that is worked out."""

Load = Callable[[str], Any]
"""The value of a tensor by name; None where it is not known."""


def computed(call: Call, load: Load, shape: tuple[int, ...], dtype: str) -> Callable[[], Any]:
    """A function that gives the call's first result, an array of that shape and type, or None."""

    def values() -> Any:
        import numpy as np

        rule = _RULES.get(call.op.removeprefix("aten."))
        if rule is None:
            return None
        try:
            arguments = {name: _resolved(value, load) for name, value in call.arguments.items()}
            with np.errstate(all="ignore"):
                result = np.asarray(rule(arguments, shape))
            kind = "float32" if dtype == "bfloat16" else dtype
            return result.astype(kind).reshape(shape) if result.size <= _MOST else None
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, MemoryError):
            return None

    return values


def _resolved(value: Any, load: Load) -> Any:
    if isinstance(value, Value):
        found = load(value.name)
        if found is None:
            raise LookupError(value.name)
        return found
    return [_resolved(each, load) for each in value] if isinstance(value, list) else value


Arguments = Mapping[str, Any]
Rule = Callable[[Arguments, tuple[int, ...]], Any]


def _one(name: str) -> Rule:
    """A function of numpy of one operand."""

    def rule(given: Arguments, shape: tuple[int, ...]) -> Any:
        import numpy as np

        return getattr(np, name)(given["self"])

    return rule


def _two(name: str, second: str = "other") -> Rule:
    def rule(given: Arguments, shape: tuple[int, ...]) -> Any:
        import numpy as np

        other = given[second]
        return getattr(np, name)(given["self"], other * given["alpha"] if "alpha" in given else other)

    return rule


def _same(given: Arguments, shape: tuple[int, ...]) -> Any:
    """The same elements, in the shape of the result."""
    return given["self"]


def _spread(given: Arguments, shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.broadcast_to(given["self"], shape) if np.prod(shape, dtype=float) <= _MOST else None


def _permuted(given: Arguments, shape: tuple[int, ...]) -> Any:
    return given["self"].transpose(given["dims"])


def _exchanged(given: Arguments, shape: tuple[int, ...]) -> Any:
    return given["self"].swapaxes(given.get("dim0", -2), given.get("dim1", -1))


def _joined(given: Arguments, shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.concatenate(given["tensors"], axis=given.get("dim", 0))


def _stacked(given: Arguments, shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.stack(given["tensors"], axis=given.get("dim", 0))


def _clamped(given: Arguments, shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.clip(given["self"], given.get("min"), given.get("max"))


def _chosen(given: Arguments, shape: tuple[int, ...]) -> Any:
    import numpy as np

    return np.where(given["condition"], given["self"], given["other"])


_RULES: Mapping[str, Rule] = {
    **{
        name: _one(name)
        for name in ("exp", "exp2", "log", "log2", "sqrt", "abs", "floor", "ceil", "sin", "cos", "tanh", "sign")
    },
    **dict.fromkeys(("view", "reshape", "flatten", "unsqueeze", "squeeze", "alias", "clone", "contiguous"), _same),
    **dict.fromkeys(("to", "_to_copy", "detach", "lift_fresh_copy", "_unsafe_view", "dropout", "unflatten"), _same),
    "neg": _one("negative"),
    "round": _one("rint"),
    "reciprocal": lambda given, shape: 1 / given["self"],
    "rsqrt": lambda given, shape: 1 / given["self"] ** 0.5,
    "rsub": lambda given, shape: given["other"] - given["self"],
    "add": _two("add"),
    "sub": _two("subtract"),
    "mul": _two("multiply"),
    "div": _two("divide"),
    "pow": _two("power", "exponent"),
    "maximum": _two("maximum"),
    "minimum": _two("minimum"),
    **{name: _two(long) for name, long in (("eq", "equal"), ("ne", "not_equal"), ("gt", "greater"), ("lt", "less"))},
    "clamp": _clamped,
    "where": _chosen,
    "expand": _spread,
    "permute": _permuted,
    "transpose": _exchanged,
    "t": _exchanged,
    "cat": _joined,
    "stack": _stacked,
}
