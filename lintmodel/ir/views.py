"""Typed views of nodes: the same words for the same things, whatever the layout the file uses.

``view(graph, node)`` gives the view of the node's operator, or None for operators that have none. A view's ``fixed``
is False while a size it needs is symbolic; its numbers may only be read when it is True.
"""

from __future__ import annotations

from functools import cached_property
from typing import ClassVar, TypeVar

from .graph import Graph, Node, Tensor
from .view import View
from .windows import Conv, ConvTranspose, Pool, Spatial


class Gemm(View):
    """Dense layer or matrix product. For a dense layer input 1 is the weight matrix."""

    ops: ClassVar[frozenset[str]] = frozenset({"Gemm", "MatMul"})

    @cached_property
    def b(self) -> Tensor:
        return self.graph.tensor(self.node.inputs[1] if len(self.node.inputs) > 1 else "")

    @property
    def fixed(self) -> bool:
        return self.x.known and self.y.known and self.b.known and len(self.b.sizes) > 0

    @property
    def _transposed(self) -> bool:
        """Input 1 is out x in: Gemm's transB, and adj_y of TFLite's matrix product."""
        return len(self.b.sizes) > 1 and bool(self.integer("transB", 0) or self.integer("adj_y", 0))

    @property
    def in_features(self) -> int:
        """Length of the dot products."""
        return self.b.sizes[-1] if self._transposed else self.b.sizes[-2 if len(self.b.sizes) > 1 else 0]

    @property
    def out_features(self) -> int:
        if self._transposed:
            return self.b.sizes[-2]
        return self.b.sizes[-1] if len(self.b.sizes) > 1 else 1

    @property
    def weighted(self) -> bool:
        """The matrix is fixed in the file."""
        return self.b.constant is not None

    @property
    def macs(self) -> int:
        return self.y.elements * self.in_features


class Resize(Spatial):
    """Upsampling or downsampling. ``mode`` is nearest, linear or cubic."""

    ops: ClassVar[frozenset[str]] = frozenset({"Resize", "Upsample"})

    @property
    def mode(self) -> str:
        return str(self.node.attributes.get("mode", "nearest"))

    @property
    def scale(self) -> tuple[float, float]:
        """height, width"""
        return self.out_height / self.height, self.out_width / self.width


class Concat(View):
    ops: ClassVar[frozenset[str]] = frozenset({"Concat"})

    @property
    def fixed(self) -> bool:
        known = self.y.known and all(self.graph.tensor(n).known for n in self.node.inputs if n)
        return known and len(self.y.sizes) > 0

    @property
    def axis(self) -> int:
        """In the tensor's own layout, counted from 0."""
        return self.integer("axis", 1) % len(self.y.sizes)


def slice_range(start: int, end: int, step: int, size: int) -> range:
    """The positions that ONNX's Slice takes of an axis of ``size`` elements. Unlike Python's, one that counts
    backwards from before the first element takes the first."""
    first, stop, step = slice(start, end, step).indices(size)
    return range(max(first, 0) if size else first, stop, step)


class Slice(View):
    """Part of a tensor, as begin, end and step of every axis; None while a parameter is not a constant."""

    ops: ClassVar[frozenset[str]] = frozenset({"Slice"})

    @cached_property
    def bounds(self) -> tuple[tuple[int, int, int], ...] | None:
        if not self.x.known:
            return None
        names = (*self.node.inputs, "", "", "", "")
        attributes, integers = self.node.attributes, self.graph.integers
        if "starts" not in attributes and self.node.native_op in ("SLICE", "STRIDED_SLICE"):
            return None  # TFLite's inputs are not ONNX's: the front end gives attributes where they are constant
        starts = attributes["starts"] if "starts" in attributes else integers(names[1])
        ends = attributes["ends"] if "ends" in attributes else integers(names[2])
        if starts is None or ends is None:
            return None
        axes = attributes.get("axes") if "starts" in attributes else integers(names[3]) if names[3] else None
        steps = attributes.get("steps") if "starts" in attributes else integers(names[4]) if names[4] else None
        if ((names[3] and axes is None) or (names[4] and steps is None)) and "starts" not in attributes:
            return None
        sizes = self.x.sizes
        bounds = [(0, size, 1) for size in sizes]
        for k, axis in enumerate(axes if axes is not None else range(len(starts))):
            size, step = sizes[axis], int(steps[k]) if steps is not None else 1
            taken = slice_range(int(starts[k]), int(ends[k]), step, size)
            bounds[axis % len(sizes)] = (taken.start, taken.stop, step)
        return tuple(bounds)


class Pad(View):
    """Constant, edge or reflected border; ``amounts`` are (before, after) of every axis, None when not constant."""

    ops: ClassVar[frozenset[str]] = frozenset({"Pad"})

    @property
    def mode(self) -> str:
        return str(self.node.attributes.get("mode", "constant"))

    @cached_property
    def amounts(self) -> tuple[tuple[int, int], ...] | None:
        pads = self.node.attributes.get("pads")
        if pads is None and len(self.node.inputs) > 1:
            pads = self.graph.integers(self.node.inputs[1])
            if pads is not None and self.node.native_op in ("PAD", "PADV2", "MIRROR_PAD"):
                pads = (*pads[0::2], *pads[1::2])  # TFLite: before and after of each axis in turn
        if pads is None or not self.x.known:
            return None
        rank = len(self.x.sizes)
        axes = self.graph.integers(self.node.inputs[3]) if len(self.node.inputs) > 3 and self.node.inputs[3] else None
        if axes is None and len(pads) != 2 * rank:
            return None
        amounts = [(0, 0)] * rank
        for k, axis in enumerate(axes if axes is not None else range(len(pads) // 2)):
            amounts[axis] = (int(pads[k]), int(pads[k + len(pads) // 2]))
        return tuple(amounts)


class Elementwise(View):
    """An operation of two tensors, value by value."""

    ops: ClassVar[frozenset[str]] = frozenset({"Add", "Sub", "Mul", "Div", "Pow", "Min", "Max", "Sum"})

    @property
    def with_constant(self) -> bool:
        return any(self.graph.is_constant(n) for n in self.node.inputs if n)

    @property
    def same_shape(self) -> bool:
        return len({self.graph.tensor(n).shape for n in self.node.inputs if n}) == 1


class Activation(View):
    """A function of one tensor, value by value."""

    ops: ClassVar[frozenset[str]] = frozenset(
        {"Relu", "LeakyRelu", "PRelu", "Sigmoid", "Tanh", "Clip", "HardSigmoid", "HardSwish", "Elu", "Selu", "Celu"}
        | {"Softplus", "Softsign", "Gelu", "Mish", "SiLU", "ThresholdedRelu", "Exp", "Log", "Sqrt", "Abs", "Neg", "Erf"}
    )


class Reduce(View):
    """Mean, maximum, ... over axes."""

    ops: ClassVar[frozenset[str]] = frozenset(
        {"ReduceMean", "ReduceMax", "ReduceMin", "ReduceSum", "ReduceL1", "ReduceL2", "ReduceProd"}
    )

    @property
    def axes(self) -> tuple[int, ...] | None:
        """Counted from 0; None when they are not constant."""
        rank = len(self.x.shape or ())
        axes = self.node.attributes.get("axes")
        if axes is None and len(self.node.inputs) > 1 and self.node.inputs[1]:
            axes = self.graph.integers(self.node.inputs[1])
            if axes is None:
                return None
        return tuple(range(rank)) if axes is None else tuple(int(a) % max(rank, 1) for a in axes)


class Transpose(View):
    ops: ClassVar[frozenset[str]] = frozenset({"Transpose"})

    @property
    def fixed(self) -> bool:
        return self.x.known and self.y.known and (len(self.node.inputs) < 2 or self._perm is not None)

    @property
    def permutation(self) -> tuple[int, ...]:
        perm = self._perm
        return perm if perm is not None else tuple(reversed(range(len(self.x.shape or ()))))

    @property
    def _perm(self) -> tuple[int, ...] | None:
        perm = self.node.attributes.get("perm")
        if perm is None and len(self.node.inputs) > 1:  # TFLite has it as an input
            perm = self.graph.integers(self.node.inputs[1])
        return None if perm is None else tuple(int(p) for p in perm)


class BatchNormalization(Spatial):
    ops: ClassVar[frozenset[str]] = frozenset({"BatchNormalization"})


_VIEWS: tuple[type[View], ...] = (
    Conv,
    ConvTranspose,
    Pool,
    Gemm,
    Resize,
    Concat,
    Slice,
    Pad,
    Elementwise,
    Activation,
    Reduce,
    Transpose,
    BatchNormalization,
)
_BY_OP: dict[str, type[View]] = {op: kind for kind in _VIEWS for op in kind.ops}

V = TypeVar("V", bound=View)


def view(graph: Graph, node: Node) -> View | None:
    """The typed view of a node, None for operators that have none."""
    kind = _BY_OP.get(node.op)
    return kind(graph, node) if kind else None


def view_as(kind: type[V], graph: Graph, node: Node) -> V | None:
    """The node as ``kind`` when its operator is one of that kind's, else None."""
    return kind(graph, node) if not kind.ops or node.op in kind.ops else None


def macs(graph: Graph, node: Node) -> int:
    """Multiply-accumulates of a node for the whole batch; 0 for operators that have none or are not fixed yet."""
    found = view(graph, node)
    return found.macs if isinstance(found, Conv | Gemm) and found.fixed else 0
