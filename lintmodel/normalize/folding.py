"""Values of shape arithmetic: what Shape, Gather, Concat, Mul, Cast ... come to once the shapes are known.

Only small tensors are worked out. The order of a node's outputs is kept; None stands for one that is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from ..ir import Node
from ..ir.dtypes import onnx_dtype
from ..ir.views import slice_range
from .known import SMALL, Known
from .rearrange import axes_of, permutation, slice_bounds

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
else:
    Array = Any


def output_values(node: Node, known: Known) -> Sequence[Array | None]:
    """The values of a node's outputs, empty when they cannot be told. The outputs' shapes must be in ``known``."""
    if node.op not in _FOLDS or node.domain or not node.outputs:
        return ()
    if node.op in ("Shape", "Size"):
        return _shape_or_size(node, known)
    inputs = [known.value(name) if name else None for name in node.inputs]
    if any(value is None for name, value in zip(node.inputs, inputs, strict=True) if name):
        return ()
    if not all(_is_small(known, name) for name in node.outputs):
        return ()
    import numpy as np

    try:
        with np.errstate(all="ignore"):
            return _FOLDS[node.op](node, known, inputs)
    except (ArithmeticError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return ()  # the node breaks its operator's own definition: nothing can be said about its result


def _is_small(known: Known, name: str) -> bool:
    tensor = known.tensors.get(name)
    return tensor is not None and tensor.known and tensor.elements <= SMALL


def _shape_or_size(node: Node, known: Known) -> Sequence[Array | None]:
    import numpy as np

    shape = known.shape(node.inputs[0]) if node.inputs else None
    if shape is None:
        return ()
    if node.op == "Shape":
        shape = shape[node.attributes.get("start", 0) : node.attributes.get("end", len(shape))]
    sizes = [d for d in shape if isinstance(d, int)]
    if len(sizes) < len(shape):
        return ()
    dtype = "int32" if known.dtype(node.outputs[0]) == "int32" else "int64"  # TFLite's SHAPE may give either
    return [np.array(sizes if node.op == "Shape" else np.prod(sizes, dtype="int64"), dtype)]


Fold = Callable[[Node, Known, Sequence[Any]], Sequence[Array | None]]


def _elementwise(name: str) -> Fold:
    """A fold that is one numpy function of all inputs; more than two are combined from the left."""

    def fold(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
        import numpy as np

        function = getattr(np, name)
        result = function(*inputs[:2])
        for value in inputs[2:]:
            result = function(result, value)
        return [np.asarray(result).astype(_kept(inputs[0], result), copy=False)]

    return fold


def _kept(value: Any, result: Any) -> Any:
    """ONNX's arithmetic keeps the element type, where numpy makes a wider one; comparisons give booleans."""
    return result.dtype if result.dtype == bool else value.dtype


def _divide(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    a, b = inputs
    if a.dtype.kind not in "iu":
        return [np.asarray(a / b, a.dtype)]
    if not np.all(b):
        return ()
    quotient = np.abs(a) // np.abs(b)  # integers are divided towards zero
    return [np.asarray(np.where((a < 0) == (b < 0), quotient, -quotient), a.dtype)]


def _modulo(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    a, b = inputs
    if a.dtype.kind in "iu" and not np.all(b):
        return ()
    return [np.asarray(np.fmod(a, b) if node.attributes.get("fmod") else np.mod(a, b), a.dtype)]


def _reciprocal(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    return [1 / inputs[0]]


def _reduction(name: str) -> Fold:
    def fold(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
        import numpy as np

        axes = axes_of(node, known)
        if not axes and node.attributes.get("noop_with_empty_axes"):
            return [inputs[0]]
        keeps = bool(node.attributes.get("keepdims", 1))
        result = getattr(np, name)(inputs[0], axis=axes or None, keepdims=keeps)
        return [np.asarray(result, inputs[0].dtype)]

    return fold


def _cast(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    to = node.attributes.get("to")
    dtype = onnx_dtype(to) if isinstance(to, int) else known.dtype(node.outputs[0])
    return [inputs[0].astype(dtype)]


def _same(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    return [inputs[0]]


def _concat(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    return [np.concatenate(inputs, axis=int(node.attributes.get("axis", 1)))]


def _stack(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    return [np.stack(inputs, axis=int(node.attributes["axis"]))]


def _split(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    axis = int(node.attributes.get("axis", 0))
    sizes = [known.tensors[name].sizes[axis] for name in node.outputs]
    return np.split(inputs[0], np.cumsum(sizes)[:-1], axis=axis)


def _gather(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    return [np.asarray(np.take(inputs[0], inputs[1].astype("int64"), axis=int(node.attributes.get("axis", 0))))]


def _slice(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    starts, ends, axes, steps = slice_bounds(node, known)
    if starts is None or ends is None or axes is None or steps is None:
        return ()
    cuts = [slice(None)] * inputs[0].ndim
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        taken = slice_range(start, end, step, inputs[0].shape[axis])
        # a stop before the first element cannot be written as a slice of Python's, which counts it from the back
        cuts[axis] = slice(taken.start, taken.stop if taken.stop >= 0 else None, step)
    return [inputs[0][tuple(cuts)].reshape(known.tensors[node.outputs[0]].sizes)]  # TFLite's may drop axes


def _reshaped(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    """Reshape, Flatten, Squeeze, Unsqueeze: the same elements in the shape already worked out."""
    return [inputs[0].reshape(known.tensors[node.outputs[0]].sizes)]


def _transpose(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    return [inputs[0].transpose(permutation(node, known, inputs[0].ndim))]


def _expand(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    return [np.broadcast_to(inputs[0], known.tensors[node.outputs[0]].sizes)]


def _tile(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    return [np.tile(inputs[0], inputs[1].reshape(-1).tolist())]


def _where(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    return [np.where(*inputs)]


def _constant_of_shape(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    stored = node.attributes.get("value")
    value = stored.load() if stored is not None else np.zeros(1, "float32")
    return [np.full(known.tensors[node.outputs[0]].sizes, value.reshape(-1)[0])]


def _range(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    start, _, delta = (value.item() for value in inputs)
    (count,) = known.tensors[node.outputs[0]].sizes
    return [(np.arange(count) * delta + start).astype(inputs[0].dtype)]


def _non_zero(node: Node, known: Known, inputs: Sequence[Any]) -> Sequence[Array | None]:
    import numpy as np

    return [np.asarray(np.nonzero(inputs[0]), "int64")]


_FOLDS: dict[str, Fold] = {
    "Shape": _same,
    "Size": _same,
    "Add": _elementwise("add"),
    "Sub": _elementwise("subtract"),
    "Mul": _elementwise("multiply"),
    "Div": _divide,
    "Mod": _modulo,
    "Pow": _elementwise("power"),
    "Min": _elementwise("minimum"),
    "Max": _elementwise("maximum"),
    "Neg": _elementwise("negative"),
    "Abs": _elementwise("abs"),
    "Sqrt": _elementwise("sqrt"),
    "Reciprocal": _reciprocal,
    "Exp": _elementwise("exp"),
    "Log": _elementwise("log"),
    "Floor": _elementwise("floor"),
    "Ceil": _elementwise("ceil"),
    "Round": _elementwise("round"),
    "Not": _elementwise("logical_not"),
    "And": _elementwise("logical_and"),
    "Or": _elementwise("logical_or"),
    "Equal": _elementwise("equal"),
    "Less": _elementwise("less"),
    "LessOrEqual": _elementwise("less_equal"),
    "Greater": _elementwise("greater"),
    "GreaterOrEqual": _elementwise("greater_equal"),
    "ReduceSum": _reduction("sum"),
    "ReduceProd": _reduction("prod"),
    "ReduceMax": _reduction("max"),
    "ReduceMin": _reduction("min"),
    "ReduceMean": _reduction("mean"),
    "Cast": _cast,
    "Identity": _same,
    "Concat": _concat,
    "Stack": _stack,
    "Split": _split,
    "Gather": _gather,
    "Slice": _slice,
    "Reshape": _reshaped,
    "Flatten": _reshaped,
    "Squeeze": _reshaped,
    "Unsqueeze": _reshaped,
    "Transpose": _transpose,
    "Expand": _expand,
    "Tile": _tile,
    "Where": _where,
    "ConstantOfShape": _constant_of_shape,
    "Range": _range,
    "NonZero": _non_zero,
}
