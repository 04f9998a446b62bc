"""opset 19 -> opset 13"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ...ir import Graph
from ...ir.dtypes import onnx_number
from ..change import Change, rewrite
from ..onnx_edit import apply_changes
from .gelu import decompose_gelu
from .group_normalization import decompose_group_norm
from .hard_swish import decompose_hard_swish
from .layer_normalization import decompose_layer_norm
from .mish import decompose_mish

SMALL = 1024
"""Elements. What a conversion looks at (axes, scales, shapes) is below; weights are left out of it."""


@rewrite("convert-opset", "safe", detailed=True)
def convert_opset(graph: Graph, details: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """The model is written with another version of ONNX's operators, the one the toolchain reads."""
    wanted = sorted({int(each["opset"]) for each in details if "opset" in each})
    now = graph.opsets.get("", 0)
    if wanted and now and wanted[0] != now:
        version = wanted[0] if wanted[0] < now else wanted[-1]
        nodes = tuple(node.name for node in graph.nodes)
        text = f"written with opset {version} in place of {now}"
        yield Change(nodes[0] if nodes else "", text, also=nodes, whole=lambda model: converted(model, graph, version))


def converted(model: Any, graph: Graph, version: int) -> Any:
    """The ``onnx.ModelProto`` with another opset. Nodes stay as they are where both versions define their operator
    alike; onnx's converter rewrites the others, each on its own (as a whole it refuses a model for every operator that
    has no entry in its table, Relu among them). What one version lacks is put together of parts where there is a
    rewrite that does. Raises ValueError."""
    now = graph.opsets[""]
    model, graph = _in_parts(model, graph, version)
    result = type(model)()
    result.CopyFrom(model)
    result.graph.ClearField("node")
    for node in model.graph.node:
        alike = node if node.domain not in ("", "ai.onnx") else _alike(node, now, version)
        if alike is not None:
            result.graph.node.add().CopyFrom(alike)
        else:
            nodes, constants = _one(node, graph, now, version)
            result.graph.node.extend(nodes)
            result.graph.initializer.extend(constants)
    for each in result.opset_import:
        if each.domain in ("", "ai.onnx"):
            each.version = version
    _drop_unread(result, {name for node in model.graph.node for name in node.input})
    return result


PARTS = {
    "Gelu": decompose_gelu,
    "GroupNormalization": decompose_group_norm,
    "HardSwish": decompose_hard_swish,
    "LayerNormalization": decompose_layer_norm,
    "Mish": decompose_mish,
}
"""What there is for operators that came late."""


def _in_parts(model: Any, graph: Graph, version: int) -> tuple[Any, Graph]:
    from ...frontends.onnx import read_onnx_model
    from ...normalize import normalize

    for op in sorted({node.op for node in graph.nodes if node.op in PARTS and not node.domain}):
        if _has(op, version):
            continue
        changes = list(PARTS[op].places(graph))
        copy = type(model)()
        copy.CopyFrom(model)
        apply_changes(copy, graph, changes)
        model, graph = copy, normalize(read_onnx_model(copy, graph.path))
    return model, graph


def _has(op: str, version: int) -> bool:
    from onnx import defs

    try:
        return bool(defs.get_schema(op, version, "").name)
    except defs.SchemaError:
        return False


def _alike(node: Any, now: int, version: int) -> Any:
    """The node as it is, or without defaults it spells out, where both versions define it alike as far as it uses the
    definition; else None. Raises ValueError where one version has no such operator."""
    from onnx import defs

    if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
        raise ValueError(f"the body of a {node.op_type} would have to be converted too")
    try:
        old, new = (defs.get_schema(node.op_type, each, "") for each in (now, version))
    except defs.SchemaError as error:
        raise ValueError(f"opset {version} has no {node.op_type}") from error
    if old.since_version == new.since_version:
        return node
    copy = type(node)()
    copy.CopyFrom(node)
    for k in reversed(range(len(copy.attribute))):
        each = copy.attribute[k]
        if each.name not in new.attributes and each.name in old.attributes and _is(each, old.attributes[each.name]):
            del copy.attribute[k]
    given = {attribute.name for attribute in copy.attribute}
    both = old.attributes.keys() & new.attributes.keys()
    defaults = all(old.attributes[k].default_value == new.attributes[k].default_value for k in both)
    required = {name for name, attribute in new.attributes.items() if attribute.required}
    fits = new.min_input <= len(node.input) <= new.max_input and len(node.output) <= new.max_output
    return copy if defaults and fits and given <= new.attributes.keys() and required <= given else None


def _is(attribute: Any, definition: Any) -> bool:
    """The attribute is its operator's default."""
    from onnx import helper

    default = definition.default_value
    if not default.name:
        return False
    return bool(helper.get_attribute_value(attribute) == helper.get_attribute_value(default))


def _one(node: Any, graph: Graph, now: int, version: int) -> tuple[list[Any], list[Any]]:
    """What stands for one node, and the constants it reads besides."""
    from onnx import helper, numpy_helper, version_converter

    inputs, fixed = [], []
    for name in dict.fromkeys(each for each in node.input if each):
        tensor = graph.tensor(name)
        small = tensor.constant is not None and tensor.known and tensor.elements <= SMALL
        value = graph.value(name) if small or name in graph.values else None
        if value is not None:
            fixed.append(numpy_helper.from_array(value, name))
        else:
            inputs.append(helper.make_tensor_value_info(name, onnx_number(tensor.dtype), tensor.shape))
    outputs = [
        helper.make_tensor_value_info(name, onnx_number(graph.tensor(name).dtype), graph.tensor(name).shape)
        for name in node.output
        if name
    ]
    alone = helper.make_graph([node], "one", inputs, outputs, initializer=fixed)
    model = helper.make_model(alone, opset_imports=[helper.make_opsetid("", now)], ir_version=8)
    try:
        new = version_converter.convert_version(model, version).graph
    except Exception as error:  # the converter raises RuntimeError, ConvertError and whatever protobuf does
        raise ValueError(f"onnx has no conversion of {node.op_type} from opset {now} to {version}") from error
    own = {each for each in (*node.input, *node.output) if each}
    names = {each: f"{node.output[0]}/{each}" for n in new.node for each in (*n.input, *n.output) if each not in own}
    nodes = []
    for k, each in enumerate(new.node):
        copy = type(node)()
        copy.CopyFrom(each)
        copy.input[:] = [names.get(name, name) if name else "" for name in each.input]
        copy.output[:] = [names.get(name, name) if name else "" for name in each.output]
        last = k == len(new.node) - 1
        copy.name = node.name if last else f"{node.name}/{each.op_type}_{k}"
        nodes.append(copy)
    constants = []
    for tensor in new.initializer:
        if tensor.name not in own:
            tensor.name = names.get(tensor.name, tensor.name)
            constants.append(tensor)
    return nodes, constants


def _drop_unread(model: Any, before: set[str]) -> None:
    """Initialisers that were read before, as axes, and are attributes now."""
    read = {name for node in model.graph.node for name in node.input} | {each.name for each in model.graph.output}
    for k in reversed(range(len(model.graph.initializer))):
        name = model.graph.initializer[k].name
        if name not in read and name in before:
            del model.graph.initializer[k]
