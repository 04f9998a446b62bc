"""PyTorch's sums, means, extremes and the like over axes as ONNX's operators."""

from __future__ import annotations

from collections.abc import Mapping
from math import prod

from .aten import Lowering, Translation


def _axes(g: Lowering) -> list[int]:
    dim = g.arg("dim")
    return [dim] if isinstance(dim, int) else list(dim or [])


def _reduction(op: str) -> Translation:
    def translate(g: Lowering) -> None:
        x, axes = g.tensor("self"), _axes(g)
        keeps = int(bool(g.arg("keepdim", False)))
        g.give(op, x, g.numbers(axes) if axes else "", keepdims=keeps, noop_with_empty_axes=0)

    return translate


def _extreme(op: str, arg: str) -> Translation:
    """Without an axis the largest value of all; along one, the values and where they stand. Of two tensors the
    larger values."""

    def translate(g: Lowering) -> None:
        if "other" in g.call.arguments:
            g.give(op.removeprefix("Reduce"), g.tensor("self"), g.tensor("other"))
            return
        x, keeps = g.tensor("self"), int(bool(g.arg("keepdim", False)))
        if "dim" not in g.call.arguments:
            g.give(op, x, keepdims=0, noop_with_empty_axes=0)
            return
        axis = g.arg("dim")
        g.give_part(0, op, x, g.numbers([axis]), keepdims=keeps, noop_with_empty_axes=0)
        if len(g.call.outputs) > 1:
            g.give_part(1, arg, x, axis=axis, keepdims=keeps)

    return translate


def _arg(op: str) -> Translation:
    def translate(g: Lowering) -> None:
        x, axis = g.tensor("self"), g.arg("dim")
        if axis is None:
            x, axis = g.emit("Reshape", x, g.numbers([-1])), 0
        g.give(op, x, axis=axis, keepdims=int(bool(g.arg("keepdim", False))))

    return translate


def _variance(*, root: bool = False) -> Translation:
    """Variance as PyTorch takes it apart: the mean square of the centred values, and Bessel's correction."""

    def translate(g: Lowering) -> None:
        x, axes, keeps = g.tensor("self"), _axes(g), int(bool(g.arg("keepdim", False)))
        axes = axes or list(range(len(g.shape(x))))
        correction = g.arg("correction", float(bool(g.arg("unbiased", True))))
        count = prod(n for a in axes if isinstance(n := g.shape(x)[a], int))
        where = g.numbers(axes)
        centred = g.emit("Sub", x, g.emit("ReduceMean", x, where, keepdims=1))
        squares = g.emit("Mul", centred, centred)
        write = g.emit if correction or root else g.give
        found = write("ReduceMean", squares, where, keepdims=keeps)
        if correction:
            found = g.emit("Mul", found, g.number(float(count), g.dtype(x)))
            divisor = g.number(max(count - correction, 0.0), g.dtype(x))
            found = (g.emit if root else g.give)("Div", found, divisor)
        if root:
            g.give("Sqrt", found)

    return translate


def _vector_norm(g: Lowering) -> None:
    x, axes, keeps = g.tensor("self"), _axes(g), int(bool(g.arg("keepdim", False)))
    order = g.first("ord", "p", default=2)
    where = g.numbers(axes) if axes else ""
    if order in (1, 2):
        g.give("ReduceL1" if order == 1 else "ReduceL2", x, where, keepdims=keeps)
    elif order == float("inf"):
        g.give("ReduceMax", g.emit("Abs", x), where, keepdims=keeps)
    else:
        power = g.number(float(order), g.dtype(x))
        total = g.emit("ReduceSum", g.emit("Pow", g.emit("Abs", x), power), where, keepdims=keeps)
        g.give("Pow", total, g.number(1.0 / order, g.dtype(x)))


def _topk(g: Lowering) -> None:
    g.give_all(
        "TopK",
        g.tensor("self"),
        g.numbers([g.arg("k")]),
        axis=g.arg("dim", -1),
        largest=int(bool(g.arg("largest", True))),
        sorted=int(bool(g.arg("sorted", True))),
    )


def _cumsum(g: Lowering) -> None:
    g.give("CumSum", g.tensor("self"), g.number(g.arg("dim"), "int64"))


def _mean(g: Lowering) -> None:
    """Over all elements the exporter keeps the axes first and drops them then."""
    x = g.tensor("self")
    if _axes(g):
        _reduction("ReduceMean")(g)
    else:
        g.give("Squeeze", g.emit("ReduceMean", x, keepdims=1, noop_with_empty_axes=0))


def _sort(g: Lowering) -> None:
    x, axis = g.tensor("self"), g.arg("dim", -1)
    size = g.shape(x)[axis]
    g.give_all("TopK", x, g.numbers([size]), axis=axis, largest=int(bool(g.arg("descending", False))), sorted=1)


REDUCTIONS: Mapping[str, Translation] = {
    "aten.mean": _mean,
    "aten.sum": _reduction("ReduceSum"),
    "aten.amax": _reduction("ReduceMax"),
    "aten.amin": _reduction("ReduceMin"),
    "aten.prod": _reduction("ReduceProd"),
    "aten.logsumexp": _reduction("ReduceLogSumExp"),
    "aten.max": _extreme("ReduceMax", "ArgMax"),
    "aten.min": _extreme("ReduceMin", "ArgMin"),
    "aten.argmax": _arg("ArgMax"),
    "aten.argmin": _arg("ArgMin"),
    "aten.var": _variance(),
    "aten.std": _variance(root=True),
    "aten.linalg_vector_norm": _vector_norm,
    "aten.norm": _vector_norm,
    "aten.topk": _topk,
    "aten.sort": _sort,
    "aten.cumsum": _cumsum,
}
