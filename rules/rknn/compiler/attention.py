"""softmax(q k) v as one layer, ``exSDPAttention``, on the chips that have it."""

from __future__ import annotations

from math import prod

from ..program import Layer, Program
from .matmul import matrix


def fuse_attention(program: Program) -> None:
    """MatMul, Softmax over its last axis, MatMul; scales are in the products already."""
    if not program.target.limit("npu_attention"):
        return
    for softmax in [layer for layer in program.layers if layer.kind == "Softmax"]:
        scores = program.producer(softmax.inputs[0])
        if scores is None or scores.kind != "MatMul" or program.sole_consumer(scores.outputs[0]) is not softmax:
            continue
        rank = len(program.shape(softmax.inputs[0]))
        if int(softmax.attributes.get("axis", -1)) % rank != rank - 1:
            continue
        _fuse(program, scores, softmax)


def _fuse(program: Program, scores: Layer, softmax: Layer) -> None:
    """The values stand right of the scores, or left of the scores turned."""
    members = [scores, softmax]
    weights = softmax.outputs[0]
    reader = program.sole_consumer(weights)
    turned = reader is not None and reader.kind == "Transpose"
    if reader is not None and turned:
        perm = tuple(reader.attributes.get("perm", ()))
        if perm[-2:] != (len(perm) - 1, len(perm) - 2) or list(perm[:-2]) != list(range(len(perm) - 2)):
            return
        members.append(reader)
        weights = reader.outputs[0]
        reader = program.sole_consumer(weights)
    if reader is None or reader.kind != "MatMul" or reader.inputs[1 if turned else 0] != weights:
        return
    values = reader.inputs[0 if turned else 1]
    if values == weights or program.constant(values):
        return
    query, key = scores.inputs[0], scores.inputs[1]
    if program.constant(query) or program.constant(key):
        return
    result, nodes = reader.outputs[0], tuple(n for layer in (*members, reader) for n in layer.nodes)
    names = [
        matrix(program, reader, key, program.shape(key), rows=False),
        matrix(program, reader, query, program.shape(query), rows=True),
        matrix(program, reader, values, program.shape(values), rows=not turned),
    ]
    # Values are wanted as (b,d,1,n): the axis that the product sums over is their width.
    shape, rows = program.shape(values), program.shape(query)
    batch, depth = prod(shape[:-2]), shape[-2] if turned else shape[-1]
    out = program.fresh(f"{result}_sdpa", (batch, depth, 1, rows[-2]))
    attention = Layer("exSDPAttention", [names[1], names[0], names[2]], [out], nodes)
    layers = [attention]
    if turned:
        layers.append(Layer("Reshape", [out], [result], reader.nodes))
    else:
        back = program.fresh(f"{result}_tp", (batch, rows[-2], 1, depth))
        layers.append(Layer("Transpose", [out], [back], reader.nodes, {"perm": (0, 3, 2, 1)}))
        layers.append(Layer("Reshape", [back], [result], reader.nodes))
    program.replace(reader, layers)
    for member in members:
        program.remove(member)
