"""Reads a graph as nncase 0.2 does. Operators are in ``v02_onnx.py`` and ``v02_tflite.py``.

Source: nncase v0.2.0-beta4, src/importer/onnx/onnx_importer.cpp, src/importer/tflite/tflite_importer.cpp.
"""

from __future__ import annotations

from dataclasses import replace

from lintmodel.ir import Graph, Node, Tensor
from lintmodel.target import Target

from ..compiler import make
from ..compiler.importer import CannotImport, Dialect, Importer
from ..compiler.program import Shape, Value
from ..compiler.tflite_operators import TO_NCHW, TO_NHWC
from .v02_misread import misread_parameters
from .v02_program import LegacyProgram, span


class LegacyImporter(Importer):
    """``unmeasured`` lists nodes whose weights are not in the file, ``misread`` those that are read wrongly without
    an error."""

    def __init__(self, graph: Graph, target: Target, dialect: Dialect) -> None:
        super().__init__(floated(graph) if graph.format == "tflite" else graph, target, dialect)
        self.source = graph
        self.program: LegacyProgram = LegacyProgram(target)
        self.unmeasured: list[str] = []
        self.misread: list[str] = []

    @property
    def tflite(self) -> bool:
        return self.graph.format == "tflite"

    def read(self, index: int = 0) -> Value:
        """An operand. In an ONNX file an initialiser cannot be one: only operators' outputs and graph inputs are
        looked up. Raises CannotImport after the refusal."""
        name = self._node.inputs[index]
        if not self.tflite and self.is_initializer(name) and name not in self.values:
            message = f"Fatal: Cannot find associated output node for input {name}"
            self.refuse("initializer-operand", message, tensor=name)
            raise CannotImport(name)
        if self.tflite and self.graph.is_constant(name) and self.tensor(index).dtype != "float32":
            self.refuse("element-type", "Fatal: Invalid tesnor type", dtype=self.tensor(index).dtype)
            raise CannotImport(name)
        return super().read(index)

    def is_initializer(self, name: str) -> bool:
        return self.graph.is_constant(name) and self.graph.producer(name) is None

    def weights(self, index: int, shape: Shape) -> Value:
        """An input's values, laid out anew as the compiler keeps them."""
        tensor = self.tensor(index)
        measured = span(tensor)
        if measured is None:
            self.unmeasured.append(self._node.name)
        return self.program.constant(shape, None, span=measured)

    def required(self, name: str) -> object:
        """An attribute that is read without a look whether it is there. Raises CannotImport after the refusal."""
        if self._node.attributes.get(name) is None:
            self.refuse("importer-crash", "Fatal: bad optional access", why=f"attribute '{name}' is left out")
            raise CannotImport(name)
        return self._node.attributes[name]

    def crash(self, why: str, message: str = "") -> CannotImport:
        """Records that the importer breaks on this node. The result is to be raised."""
        self.refuse("importer-crash", message, why=why)
        return CannotImport(why)

    def note_misread(self, node: Node) -> None:
        if any(misread_parameters(self.graph, node)):
            self.misread.append(node.name)

    def _inputs(self) -> None:
        for name in self.source.inputs if self.tflite else ():
            if (tensor := self.source.tensor(name)).dtype != "float32":
                self.refuse_type(tensor)
        super()._inputs()

    def refuse_type(self, tensor: Tensor) -> None:
        message = self.dialect.type_refusal.format(dtype=tensor.dtype.upper(), name=tensor.name)
        self.refuse("element-type", message, dtype=tensor.dtype)

    def _input(self, name: str, shape: Shape, dtype: str) -> Value:
        """Feature maps of a TFLite file are handed over as N,C,H,W."""
        if not self.tflite or len(shape) != 4:
            return self._placeholder(name, shape, dtype)
        outer = self._placeholder(name, tuple(shape[axis] for axis in TO_NCHW), dtype)
        return make.transpose(self.program, outer, TO_NHWC).out

    def _placeholder(self, name: str, shape: Shape, dtype: str) -> Value:
        op = self.program.add("input", (), [shape], dtype=dtype, place="input", name=name)
        self.program.inputs.append(op)
        return op.out

    def _outputs(self) -> None:
        if not self.tflite:
            super()._outputs()
            return
        for name in self.graph.outputs:
            try:
                value = self.value(name)
            except CannotImport:
                continue
            if self.graph.consumers(name):
                maker = value.op if value.op.origin else None
                self.program.refuse("importer-crash", maker, "", why=f"'{name}' is an output and is read inside too")
            if len(value.shape) == 4:
                value = make.transpose(self.program, value, TO_NCHW).out
            self.program.outputs.append(self.program.add("output", [value], (), name=name))


def floated(graph: Graph) -> Graph:
    """The graph with all tensors that are not constants in float32: the operators are made for that whatever the
    file says."""
    tensors = {
        name: replace(tensor, dtype="float32", quantization=None)
        if tensor.constant is None and tensor.dtype != "string"
        else tensor
        for name, tensor in graph.tensors.items()
    }
    return graph.with_(tensors=tensors)
