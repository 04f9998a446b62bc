"""What a change of a model does to its outputs: both versions are run on the same random inputs.

onnxruntime where it is installed (the extra ``fix``), else onnx's own reference evaluator, which is slow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

TOLERANCE = 1e-4
"""Largest difference, as a share of the output's range, that rounding of float32 explains in another order of sums."""
ROUNDS = 2
"""Random inputs."""


@dataclass(frozen=True, slots=True)
class Delta:
    """How far outputs are apart over all rounds, in the outputs' own unit."""

    largest: float
    mean: float
    range: float
    """Largest minus smallest value of the output that differs most, as it was."""
    magnitude: float = 0.0
    """Its value that is furthest from 0."""

    @property
    def same(self) -> bool:
        """No further apart than rounding."""
        return self.share <= TOLERANCE

    @property
    def share(self) -> float:
        """The largest difference as a share of what rounding is measured by."""
        return self.largest / max(self.range, self.magnitude / 100, 1e-3)


class NotVerified(Exception):
    """The models could not be run; the sentence says why."""

    def __init__(self, why: str, *, before: bool = False) -> None:
        super().__init__(why)
        self.before = before
        """The unchanged model does not run, so no change of it can be proven."""


def delta(before: Any, after: Any, folder: Path | None, shapes: Mapping[str, Sequence[int]] | None = None) -> Delta:
    """Of two ``onnx.ModelProto``. Weights that are not there are random, the same in both. Raises NotVerified."""
    return Runs(folder, shapes or {}).delta(before, after)


@dataclass
class Runs:
    """Outputs of models, kept until the next one was compared: what one change leads to is where the next begins."""

    folder: Path | None
    shapes: Mapping[str, Sequence[int]]
    kept: list[tuple[Any, Any, list[Any]]] = field(default_factory=list)
    """Models with the shapes of their inputs and the outputs of every round."""

    def delta(self, before: Any, after: Any) -> Delta:
        """How far apart the two compute. Raises NotVerified."""
        shapes = {**_fixed_shapes(after), **_fixed_shapes(before), **self.shapes}
        try:
            old = self._outputs(before, before, shapes)
        except NotVerified as error:
            raise NotVerified(str(error), before=True) from error
        new = self._outputs(after, before, shapes)
        worst = Delta(0.0, 0.0, 0.0)
        for a, b in zip(old, new, strict=True):
            for found in _differences(a, b):
                if found.share >= worst.share:
                    worst = found
        return worst

    def _outputs(self, model: Any, like: Any, shapes: Mapping[str, Sequence[int]]) -> list[Any]:
        """Of every round, on inputs as the model ``like`` takes them."""
        key = {each.name: tuple(shapes.get(each.name, ())) for each in model.graph.input}
        for known, its_key, outputs in self.kept:
            if known is model and its_key == key:
                return outputs
        run = _runner(_loaded(model, self.folder))
        taken = {each.name for each in model.graph.input}
        outputs = []
        for seed in range(ROUNDS):
            inputs = {name: value for name, value in _inputs(like, shapes, seed).items() if name in taken}
            try:
                outputs.append(run(inputs))
            except Exception as error:  # whatever the runtime raises
                raise NotVerified(f"it does not run: {_first_line(error)}") from error
        self.kept = [*self.kept[-1:], (model, key, outputs)]
        return outputs


def _fixed_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Of the inputs without an open size; -1 is written for one, too."""
    shapes = {each.name: [d.dim_value for d in each.type.tensor_type.shape.dim] for each in model.graph.input}
    return {name: tuple(dims) for name, dims in shapes.items() if all(size > 0 for size in dims)}


def _differences(old: Sequence[Any], new: Sequence[Any]) -> Iterator[Delta]:
    import numpy as np

    if len(old) != len(new):
        raise NotVerified(f"it has {len(new)} outputs and had {len(old)}")
    for a, b in zip(old, new, strict=True):
        if isinstance(a, list) and isinstance(b, list):  # a sequence
            yield from _differences(a, b)
            continue
        try:
            yield _apart(np.asarray(a), np.asarray(b))
        except (TypeError, ValueError) as error:
            raise NotVerified(f"the outputs cannot be compared: {_first_line(error)}") from error


def _apart(a: Array, b: Array) -> Delta:
    import numpy as np

    if a.shape != b.shape:
        raise NotVerified(f"an output is {'x'.join(map(str, b.shape))} and was {'x'.join(map(str, a.shape))}")
    if a.dtype != b.dtype:
        raise NotVerified(f"an output is {b.dtype} and was {a.dtype}")
    if a.size == 0:
        return Delta(0.0, 0.0, 0.0)
    x, y = a.astype("float64"), b.astype("float64")
    same = (x == y) | (np.isnan(x) & np.isnan(y))
    finite = np.isfinite(x) & np.isfinite(y)
    if not bool(np.all(same | finite)):
        return Delta(float("inf"), float("inf"), 0.0)
    difference = np.where(same, 0.0, np.abs(np.where(finite, x, 0) - np.where(finite, y, 0)))
    span = x[np.isfinite(x)]
    spread, furthest = (float(np.ptp(span)), float(np.abs(span).max())) if span.size else (0.0, 0.0)
    return Delta(float(difference.max()), float(difference.mean()), spread, furthest)


# ---- running


Runner = Callable[[Mapping[str, Any]], list[Any]]
"""From inputs by name to the list of outputs."""


def _runner(model: Any) -> Runner:
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return _reference(model)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:  # an operator or an opset that it does not have, or 2 GiB of weights
        return _reference(model)

    def run(inputs: Mapping[str, Any]) -> list[Any]:
        return list(session.run(None, inputs))

    return run


def _reference(model: Any) -> Runner:
    from onnx.reference import ReferenceEvaluator

    try:
        evaluator = ReferenceEvaluator(model)
    except Exception as error:
        raise NotVerified(f"it cannot be run: {_first_line(error)}") from error

    def run(inputs: Mapping[str, Any]) -> list[Any]:
        return list(evaluator.run(None, dict(inputs)))

    return run


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _inputs(model: Any, shapes: Mapping[str, Sequence[int]], seed: int) -> dict[str, Array]:
    import numpy as np
    from onnx import helper

    rng = np.random.default_rng(seed)
    stored = {each.name for each in model.graph.initializer}
    found: dict[str, Array] = {}
    for each in model.graph.input:
        if each.name in stored:
            continue
        kind = each.type.tensor_type
        if not kind.elem_type:
            raise NotVerified(f"input '{each.name}' is no tensor")
        sizes = [max(1, d.dim_value) for d in kind.shape.dim]
        shape = tuple(shapes.get(each.name, sizes))
        dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
        if np.issubdtype(dtype, np.floating):
            # Round after round from an image's range and from a normalised one.
            found[each.name] = np.asarray(rng.standard_normal(shape) if seed % 2 else rng.random(shape)).astype(dtype)
        elif dtype == np.bool_:
            found[each.name] = np.asarray(rng.random(shape) < 0.5)
        elif np.issubdtype(dtype, np.integer):
            # Small, as they may be indices; bytes of an image otherwise.
            highest = 256 if dtype == np.uint8 else 2
            found[each.name] = np.asarray(rng.integers(0, highest, shape)).astype(dtype)
        else:
            raise NotVerified(f"input '{each.name}' is of type {dtype}")
    return found


def _loaded(model: Any, folder: Path | None) -> Any:
    """The model with its external data in it. Data that are not there become small random numbers of fixed seed."""
    from onnx import TensorProto, external_data_helper

    if not any(tensor.data_location == TensorProto.EXTERNAL for tensor in model.graph.initializer):
        return model
    copy = type(model)()
    copy.CopyFrom(model)
    for tensor in copy.graph.initializer:
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        try:
            if folder is None:
                raise OSError
            external_data_helper.load_external_data_for_tensor(tensor, str(folder))
            tensor.data_location = TensorProto.DEFAULT
            del tensor.external_data[:]
        except Exception:  # no such file, or not all of it
            tensor.CopyFrom(_random(tensor))
    return copy


def _random(tensor: Any) -> Any:
    """Numbers in place of weights that are missing, of which the outputs stay within sensible bounds."""
    import numpy as np
    from onnx import helper, numpy_helper

    fan_in = int(np.prod(tensor.dims[1:])) or 1
    values = np.random.default_rng(sum(tensor.name.encode())).standard_normal(tuple(tensor.dims)) / fan_in**0.5
    if len(tensor.dims) == 1:
        values = np.abs(values) + 0.5  # scales and variances are not negative
    return numpy_helper.from_array(values.astype(helper.tensor_dtype_to_np_dtype(tensor.data_type)), tensor.name)
