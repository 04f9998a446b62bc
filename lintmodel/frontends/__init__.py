"""Readers of model files, one module per format."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ..errors import UnreadableModel, UsageError, a, did_you_mean
from ..ir import Document, Graph


def read(
    path: str | os.PathLike[str],
    input_shapes: Mapping[str, Sequence[int]] | None = None,
    checkpoint: str | os.PathLike[str] | None = None,
) -> Graph | Document:
    """Reads a network or a document, whatever its format: the file's bytes decide, not its name.

    ``input_shapes`` maps names of inputs to full shapes, batch included. ``checkpoint`` is a file of weights, for the
    formats that have none of their own. Raises UnreadableModel with one sentence
    that says what the file is and what to give instead when it can not be read, and UsageError
    when ``input_shapes`` names an input that is not there or asks for a shape the format cannot give it.
    """
    from .sniff import sniff

    kind = sniff(path)
    if kind.format == "ai8x":
        from .ai8x_yaml import read_ai8x

        return read_ai8x(path, input_shapes, checkpoint)
    if kind.format == "json" and (checkpoint is not None or input_shapes):
        raise UsageError(f"{os.fspath(path)}: a configuration has no inputs and takes no checkpoint")
    if kind.format == "json":
        from .json_text import read_json

        return read_json(path)
    if kind.format == "yaml":
        from .yaml_text import read_yaml

        return read_yaml(path)
    if checkpoint is not None and kind.readable:
        raise UsageError(
            f"{os.fspath(path)}: the network's weights are in this file; a checkpoint goes with an ai8x YAML only"
        )
    if kind.format == "onnx":
        from .onnx import read_onnx

        return read_onnx(path, input_shapes)
    if kind.format == "tflite":
        from .tflite import read_tflite

        graph = read_tflite(path)
        _keeps_its_shapes(graph, input_shapes or {})
        return graph
    if kind.format == "pt2":
        from .pt2 import read_pt2

        return read_pt2(path, input_shapes)
    if kind.format == "kmodel":
        from .kmodel import read_kmodel

        if input_shapes:
            raise UsageError(f"{os.fspath(path)}: a compiled model keeps its shapes; compile it again with others")
        return read_kmodel(path)
    raise UnreadableModel(os.fspath(path), kind.advice)


def reread(document: Document, text: str) -> Document:
    """A document with another text; what was given with the file stays. Raises UnreadableModel for text that is none
    of its kind."""
    if document.kind == "ai8x":
        from .ai8x_yaml import reread_ai8x

        return reread_ai8x(document, text)
    if document.syntax == "yaml":
        from .yaml_text import reread_yaml

        return reread_yaml(document, text)
    if document.syntax == "json":
        from .json_text import reread_json

        return reread_json(document, text)
    raise UnreadableModel(document.path, f"is {a(document.kind)}, which has no text to edit")


def _keeps_its_shapes(graph: Graph, input_shapes: Mapping[str, Sequence[int]]) -> None:
    """A TFLite file has the shapes it was converted with, in its tensors and in constants worked out from them."""
    for name, sizes in input_shapes.items():
        if name not in graph.inputs:
            names = ", ".join(graph.inputs) or "none"
            near = did_you_mean(name, list(graph.inputs))
            raise UsageError(f"{graph.path}: the model has no input '{name}' (its inputs: {names}){near}")
        shape = graph.tensor(name).shape
        if shape is not None and tuple(sizes) != shape:
            asked, fixed = ("x".join(map(str, each)) for each in (sizes, shape))
            reason = "TFLite fixes shapes when a model is converted; convert it again with that shape"
            raise UsageError(f"{graph.path}: input '{name}' is {fixed} in the file, not {asked}; {reason}")
