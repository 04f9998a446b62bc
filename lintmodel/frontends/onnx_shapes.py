"""Shapes of an ONNX file: what it states, what ``--input-shape`` changes, and what onnx's inference adds.

Inference runs on a copy of the graph without the large initialisers: a serialised copy of all weights is what makes
it slow (0.18 s instead of 0.014 s on a model of 12 MB).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..errors import UsageError, did_you_mean
from ..ir import Dim, Shape
from .onnx_tensors import EXTERNAL, constant, dtype_of, has_data, shape_of, stored_bytes

# Shapes, axes and scales are far below this; weights are above.
LARGE = 1024

Types = dict[str, tuple[Shape | None, str]]
"""Shape and element type by tensor name."""


@dataclass(frozen=True)
class Overrides:
    """The input shapes the user gave, and what follows from them."""

    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    bound: Mapping[str, int] = field(default_factory=dict)
    """Numbers for the symbols the file uses in its inputs' shapes."""
    refixed: bool = False
    """A size the file fixes was changed: no other shape the file states can be believed."""

    @property
    def within(self) -> Overrides:
        """The same inside a body of control flow, whose inputs are its own."""
        return replace(self, sizes={})


def overrides(graph: Any, input_shapes: Mapping[str, Sequence[int]] | None) -> Overrides:
    """Checks the user's shapes against a GraphProto's inputs.

    Raises UsageError for an input that is not there, a shape of another rank than the input's, and negative sizes.
    """
    stored = {tensor.name for tensor in graph.initializer}
    inputs = {i.name: shape_of(i.type) for i in graph.input if i.name not in stored}
    bound: dict[str, int] = {}
    contradicted, refixed = set(), False
    for name, sizes in (input_shapes or {}).items():
        if name not in inputs:
            names = ", ".join(inputs) or "none"
            raise UsageError(f"the model has no input '{name}' (its inputs: {names}){did_you_mean(name, list(inputs))}")
        shape = inputs[name]
        if shape is not None and len(shape) != len(sizes):
            raise UsageError(
                f"input '{name}' has {len(shape)} dimensions ({spoken(shape)}), "
                f"the shape given for it has {len(sizes)} ({spoken(sizes)})"
            )
        if any(size < 0 for size in sizes):
            raise UsageError(f"the shape given for input '{name}' has a negative size ({spoken(sizes)})")
        for dim, size in zip(shape or (), sizes, strict=False):
            if isinstance(dim, int):
                refixed = refixed or dim != size
            elif dim != "?" and bound.setdefault(dim, size) != size:
                contradicted.add(dim)
    return Overrides(
        {name: tuple(sizes) for name, sizes in (input_shapes or {}).items()},
        {symbol: size for symbol, size in bound.items() if symbol not in contradicted},
        refixed,
    )


def spoken(shape: Sequence[Dim]) -> str:
    """``1x3x32x32``, or ``[N, 3, H, W]`` where a size is a name."""
    if any(isinstance(size, str) for size in shape):
        return f"[{', '.join(map(str, shape))}]"
    return "x".join(map(str, shape)) or "a scalar"


def stated_types(graph: Any, given: Overrides) -> Types:
    """What the file itself states (inputs, outputs and value_info), with the user's input shapes in force."""
    found: Types = {}
    for infos in (graph.value_info, graph.output):
        for info in infos:
            found[info.name] = (None if given.refixed else shape_of(info.type, given.bound), dtype_of(info.type))
    for info in graph.input:
        found[info.name] = (given.sizes.get(info.name) or shape_of(info.type, given.bound), dtype_of(info.type))
    return found


def inferred_graph(model: Any, initializers: Any, given: Overrides, folder: Path | None) -> Any:
    """The model's GraphProto after shape inference, None where nothing is open or inference gives up.

    ``initializers`` are those of the file, which may be others than the model's: see ``inline_functions``.
    """
    import onnx

    if not given.sizes and not _open(model.graph):
        return None
    light = _without_weights(model, initializers, folder)
    if given.sizes:
        _override(light.graph, given)
    try:
        return onnx.shape_inference.infer_shapes(light, data_prop=True, strict_mode=False).graph
    except Exception:  # whatever its C++ code raises: lintmodel's own propagation follows
        return None


def merged(stated: tuple[Shape | None, str] | None, found: tuple[Shape | None, str] | None) -> tuple[Shape | None, str]:
    """One type from what the file states and what inference found. A number the file states always stands."""
    shape, dtype = stated or (None, "unknown")
    more, other = found or (None, "unknown")
    dtype = other if dtype == "unknown" else dtype
    if shape is None or more is None or len(shape) != len(more):
        return (more if shape is None else shape), dtype
    return tuple(
        b if a == "?" or (isinstance(a, str) and isinstance(b, int)) else a for a, b in zip(shape, more, strict=True)
    ), dtype


def inferred_types(graph: Any) -> Types:
    """Types in a GraphProto that inference went over. Symbols it made up carry no meaning: they become ``?``."""
    return {name: (_plain(shape), dtype) for name, (shape, dtype) in stated_types(graph, Overrides()).items()}


def _plain(shape: Shape | None) -> Shape | None:
    if shape is None:
        return None
    return tuple("?" if isinstance(d, str) and d.startswith("unk__") else d for d in shape)


def _open(graph: Any) -> bool:
    """Whether a node's output has no shape, or one with a symbol in it."""
    known = set()
    for infos in (graph.value_info, graph.output):
        for info in infos:
            shape = shape_of(info.type)
            if shape is not None and all(isinstance(d, int) for d in shape):
                known.add(info.name)
    made = (name for node in graph.node if node.op_type != "Constant" for name in node.output)
    return any(name and name not in known for name in made)


def _without_weights(model: Any, initializers: Any, folder: Path | None) -> Any:
    """A copy in which large initialisers are graph inputs of the same type."""
    import onnx

    graph = model.graph
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    copy = light.graph
    copy.name = graph.name
    copy.input.extend(graph.input)
    copy.output.extend(graph.output)
    copy.value_info.extend(graph.value_info)
    inputs = {i.name for i in graph.input}
    for tensor in initializers:
        small = _small(tensor, folder)
        if small is not None:
            copy.initializer.append(small)
        elif tensor.name not in inputs:
            copy.input.append(_typed(tensor.name, tensor))
    for node in graph.node:
        big = _big_constant(node)
        if big is None:
            copy.node.append(node)
        else:  # a stand-in, so that nodes keep their index
            copy.input.append(_typed(f"{node.output[0]}/value", big))
            copy.node.add(op_type="Identity", input=[f"{node.output[0]}/value"], output=node.output)
    return light


def _small(tensor: Any, folder: Path | None) -> Any:
    """The initialiser with its values in it, None when it is large or its values are not there."""
    if stored_bytes(tensor) > LARGE or not has_data(tensor, folder):
        return None
    if tensor.data_location != EXTERNAL:
        return tensor
    value = constant(tensor, folder).load()
    if value is None:
        return None
    import onnx

    return onnx.TensorProto(name=tensor.name, data_type=tensor.data_type, dims=tensor.dims, raw_data=value.tobytes())


def _big_constant(node: Any) -> Any:
    """The TensorProto of a Constant node that holds weights."""
    if node.op_type != "Constant" or not node.output or not node.attribute:
        return None
    attribute = node.attribute[0]
    return attribute.t if attribute.name == "value" and stored_bytes(attribute.t) > LARGE else None


def _typed(name: str, tensor: Any) -> Any:
    from onnx import helper

    return helper.make_tensor_value_info(name, tensor.data_type, tuple(tensor.dims))


def _override(graph: Any, given: Overrides) -> None:
    """Writes the user's shapes into the inputs, and forgets what the file states about shapes that follow them."""
    for info in graph.input:
        if info.name in given.sizes:
            _write(info.type, given.sizes[info.name])
    for infos in (graph.value_info, graph.output):
        for info in infos:
            shape = shape_of(info.type, given.bound)
            if info.type.WhichOneof("value") != "tensor_type" or shape is None:
                continue
            if given.refixed:
                info.type.tensor_type.ClearField("shape")
            else:
                _write(info.type, shape)


def _write(type_proto: Any, shape: Sequence[Dim]) -> None:
    """The numbers of a shape; its symbols are left open."""
    dims = type_proto.tensor_type.shape.dim
    del dims[:]
    for size in shape:
        dims.add(**({"dim_value": size} if isinstance(size, int) else {}))


def listed_names(graph: Any) -> set[str]:
    """Tensors the file has an entry for, with a shape or without one."""
    return {info.name for infos in (graph.value_info, graph.input, graph.output) for info in infos}


def stated_names(graph: Any) -> set[str]:
    """Tensors whose shape the file itself states."""
    lists = (graph.value_info, graph.input, graph.output)
    return {v.name for infos in lists for v in infos if shape_of(v.type) is not None}
