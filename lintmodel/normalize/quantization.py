"""QuantizeLinear and DequantizeLinear: what they say about the tensors around them."""

from __future__ import annotations

from dataclasses import replace

from ..ir import Graph, Node, Quantization
from .matching import Match, maker


def quantize_dequantize(graph: Graph, dequantize: Node) -> Match | None:
    """A tensor rounded to the grid of its quantisation and back."""
    quantize = maker(graph, dequantize.inputs[0], "QuantizeLinear")
    if quantize is None:
        return None
    there, back = parameters(graph, quantize), parameters(graph, dequantize)
    if quantize.inputs[1:] != dequantize.inputs[1:] and (there is None or there != back):
        return None
    return Match("QuantizeDequantize", (quantize, dequantize), quantize.inputs)


def with_quantization(graph: Graph) -> Graph:
    """The graph with ``Tensor.quantization`` set on the integer tensor of every QuantizeLinear and DequantizeLinear,
    and on the real one behind a DequantizeLinear, which holds the same values."""
    tensors = dict(graph.tensors)
    for node in graph.nodes:
        if node.op not in ("QuantizeLinear", "DequantizeLinear") or node.domain:
            continue
        found = parameters(graph, node)
        if found is None:
            continue
        stored = node.outputs[0] if node.op == "QuantizeLinear" else node.inputs[0]
        for name in {stored, node.outputs[0]} & tensors.keys():
            tensors[name] = replace(tensors[name], quantization=found)
    return graph.with_(tensors=tensors) if tensors != graph.tensors else graph


def parameters(graph: Graph, node: Node) -> Quantization | None:
    """Scales, zero points and axis of a node; None when they are not constant or come in blocks."""
    if len(node.inputs) < 2 or node.attributes.get("block_size"):
        return None
    scales = graph.value(node.inputs[1])
    if scales is None or scales.ndim > 1:
        return None
    count = scales.size
    points = graph.integers(node.inputs[2]) if len(node.inputs) > 2 and node.inputs[2] else (0,) * count
    if points is None or len(points) != count:
        return None
    axis = int(node.attributes.get("axis", 1)) if count > 1 else None
    return Quantization(tuple(float(s) for s in scales.reshape(-1)), points, axis)
