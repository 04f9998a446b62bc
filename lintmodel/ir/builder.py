"""Makes a graph in one line, for the examples that stand next to rules and for tests.

    GraphBuilder().conv(3, 16, kernel=3, stride=2, size=224).relu().max_pool(2).graph()

Every method adds one operator behind the current tensor, makes that operator's output the current tensor and returns
the builder. The first method makes the input. Weights are zeros of the right shape. With ``layout="NHWC"`` the graph
looks as one read from TFLite does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from .graph import Constant, Dim, Graph, Layout, Node, Problem, Quantization, Scope, Shape, Source, Tensor

Size = int | tuple[int, int]

TFLITE_NAMES = {"Conv": "CONV_2D", "ConvTranspose": "TRANSPOSE_CONV", "MaxPool": "MAX_POOL_2D"}
TFLITE_NAMES |= {"AveragePool": "AVERAGE_POOL_2D", "Gemm": "FULLY_CONNECTED", "Sigmoid": "LOGISTIC", "Clip": "RELU6"}
TFLITE_NAMES |= {"Concat": "CONCATENATION", "LeakyRelu": "LEAKY_RELU", "HardSwish": "HARD_SWISH", "Min": "MINIMUM"}
TFLITE_NAMES |= {"Max": "MAXIMUM", "Flatten": "RESHAPE", "ReduceMean": "MEAN", "Unstack": "UNPACK"}
TFLITE_NAMES |= {"QuantizeLinear": "QUANTIZE", "DequantizeLinear": "DEQUANTIZE"}
"""TFLite's names of operators that ``layout="NHWC"`` builds; others are ONNX's in capitals."""


def _pair(value: Size) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _zeros(shape: Sequence[int], dtype: str) -> Constant:
    def load() -> Any:
        import numpy as np

        return np.zeros(tuple(shape), dtype)

    return Constant(load)


class GraphBuilder:
    """Builds a :class:`Graph` step by step. ``current`` names the tensor the next operator reads."""

    def __init__(self, layout: Layout = "NCHW", opset: int = 17) -> None:
        self.layout: Layout = layout
        self.opset = opset
        self.current = ""
        self._nodes: list[Node] = []
        self._tensors: dict[str, Tensor] = {}
        self._inputs: list[str] = []
        self._outputs: list[str] = []
        self._stated = True
        self._problems: list[Problem] = []
        self._scopes: tuple[Scope, ...] = ()

    # ---- tensors

    def input(self, *shape: Dim, dtype: str = "float32", name: str = "") -> GraphBuilder:
        """A graph input of the full shape, batch included."""
        self.current = self._tensor(name or ("x" if not self._inputs else f"x{len(self._inputs)}"), shape, dtype)
        self._inputs.append(self.current)
        return self

    def constant(self, value: Any, name: str = "", *, sparse: bool = False) -> str:
        """An initialiser (anything numpy takes); returns its name. ``sparse``: stored as one."""
        import numpy as np

        array = np.asarray(value)
        name = name or f"constant_{len(self._tensors)}"
        self._tensors[name] = Tensor(name, array.shape, str(array.dtype), Constant.of(array), sparse=sparse)
        return name

    def zeros(self, *shape: int, dtype: str = "float32", name: str = "") -> str:
        """An initialiser of zeros; returns its name."""
        name = name or f"constant_{len(self._tensors)}"
        self._tensors[name] = Tensor(name, shape, dtype, _zeros(shape, dtype))
        return name

    def output(self) -> GraphBuilder:
        """Also make the current tensor an output of the graph."""
        self._outputs.append(self.current)
        return self

    def with_opset(self, opset: int) -> GraphBuilder:
        """The version of ONNX's operator set the graph says it follows."""
        self.opset = opset
        return self

    def problem(self, kind: str, message: str) -> GraphBuilder:
        """Something a front end noticed while reading, at the operator added last."""
        self._problems.append(Problem(kind, message, self._nodes[-1].name if self._nodes else None))
        return self

    def module(self, kind: str = "", path: str = "") -> GraphBuilder:
        """What follows stands in a PyTorch module of this class; left out, in the model's own code."""
        inner = (Scope(path or kind.rpartition(".")[2], kind),) if kind else ()
        self._scopes = (Scope("", "net.Net"), *inner)
        return self

    def at(self, tensor: str) -> GraphBuilder:
        """Go on behind another tensor."""
        self.current = tensor
        return self

    @property
    def shape(self) -> Shape:
        return self._tensors[self.current].shape or ()

    # ---- operators

    def op(
        self,
        op: str,
        *others: str,
        shape: Shape | None = None,
        dtype: str = "",
        domain: str = "",
        **attributes: Any,
    ) -> GraphBuilder:
        """Any operator: reads the current tensor and ``others``; the output has the current shape unless given."""
        if not self.current:
            self.input(1, 8, 32, 32) if self.layout == "NCHW" else self.input(1, 32, 32, 8)
        name = f"{op.lower()}_{sum(n.op == op for n in self._nodes)}"
        inputs = (self.current, *others)
        known = self._tensors[self.current]
        self.current = self._tensor(f"{name}_out", self.shape if shape is None else shape, dtype or known.dtype)
        self._nodes.append(
            Node(
                name,
                op,
                inputs,
                (self.current,),
                attributes,
                Source(native_op=self._native(op, attributes), index=len(self._nodes), scopes=self._scopes),
                domain=domain,
                layout=self.layout,
            )
        )
        return self

    def conv(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: Size = 3,
        stride: Size = 1,
        pads: int | tuple[int, int, int, int] | None = None,
        dilation: Size = 1,
        groups: int = 1,
        size: Size = 32,
        bias: bool = True,
    ) -> GraphBuilder:
        """Convolution. ``pads`` are top, left, bottom, right; left out, half the (dilated) kernel on every side."""
        if not self.current:
            self._feature_map(in_channels, *_pair(size))
        (kh, kw), (sh, sw), (dh, dw) = _pair(kernel), _pair(stride), _pair(dilation)
        if pads is None:
            pads = ((kh - 1) * dh // 2, (kw - 1) * dw // 2) * 2
        top, left, bottom, right = (pads,) * 4 if isinstance(pads, int) else pads
        _, _, height, width = self._nchw()
        out = (
            (height + top + bottom - (kh - 1) * dh - 1) // sh + 1,
            (width + left + right - (kw - 1) * dw - 1) // sw + 1,
        )
        per_group = in_channels // groups
        if self.layout == "NCHW":
            weight = self.zeros(out_channels, per_group, kh, kw)
        elif groups > 1:
            weight = self.zeros(1, kh, kw, out_channels)
        else:
            weight = self.zeros(out_channels, kh, kw, in_channels)
        others = (weight, self.zeros(out_channels)) if bias else (weight,)
        attributes: dict[str, Any] = {"strides": (sh, sw), "pads": (top, left, bottom, right)}
        attributes |= {"dilations": (dh, dw), "group": groups}
        if self.layout == "NHWC" and groups > 1:
            attributes["depth_multiplier"] = out_channels // in_channels
        return self.op("Conv", *others, shape=self._shape(self._nchw()[0], out_channels, *out), **attributes)

    def depthwise(self, channels: int, **options: Any) -> GraphBuilder:
        """Depthwise convolution: one group for every channel."""
        return self.conv(channels, channels, groups=channels, **options)

    def conv_transpose(
        self,
        in_channels: int,
        out_channels: int,
        *,
        kernel: int,
        stride: int,
        pad: int = 0,
        output_padding: int = 0,
        size: Size = 16,
    ) -> GraphBuilder:
        """Transposed convolution with square window. With ``layout="NHWC"`` any ``pad`` means padding "same"."""
        if not self.current:
            self._feature_map(in_channels, *_pair(size))
        batch, _, height, width = self._nchw()
        out = [stride * (n - 1) + output_padding + kernel - 2 * pad for n in (height, width)]
        weight = (in_channels, out_channels, kernel, kernel)
        same = {}
        if self.layout == "NHWC":
            weight = (out_channels, kernel, kernel, in_channels)
            same = {"auto_pad": "SAME_UPPER" if pad else "VALID"}
            out = [stride * n for n in (height, width)] if pad else out
        return self.op(
            "ConvTranspose",
            self.zeros(*weight),
            self.zeros(out_channels),
            shape=self._shape(batch, out_channels, *out),
            strides=(stride, stride),
            pads=(pad,) * 4,
            output_padding=(output_padding,) * 2,
            **same,
        )

    def max_pool(self, kernel: int, stride: int | None = None, pads: Sequence[int] = (0, 0, 0, 0)) -> GraphBuilder:
        return self._pool("MaxPool", kernel, stride, pads)

    def average_pool(self, kernel: int, stride: int | None = None, pads: Sequence[int] = (0, 0, 0, 0)) -> GraphBuilder:
        return self._pool("AveragePool", kernel, stride, pads)

    def global_average_pool(self) -> GraphBuilder:
        batch, channels, *_ = self._nchw()
        return self.op("GlobalAveragePool", shape=self._shape(batch, channels, 1, 1))

    def relu(self) -> GraphBuilder:
        return self.op("Relu")

    def sigmoid(self) -> GraphBuilder:
        return self.op("Sigmoid")

    def silu(self) -> GraphBuilder:
        """x * sigmoid(x), as exporters write it."""
        x = self.current
        return self.op("Sigmoid").op("Mul", x)

    def clip(self, low: float = 0.0, high: float = 6.0) -> GraphBuilder:
        """ReLU6 unless other limits are given."""
        import numpy as np

        return self.op("Clip", self.constant(np.float32(low)), self.constant(np.float32(high)))

    def batch_norm(self, channels: int) -> GraphBuilder:
        import numpy as np

        ones = np.ones(channels, "float32")
        return self.op("BatchNormalization", *(self.constant(ones * k) for k in (1.5, 0.25, 0.5, 2.0)), epsilon=1e-5)

    def gemm(self, in_features: int, out_features: int) -> GraphBuilder:
        """Dense layer on a 2-D tensor."""
        if not self.current:
            self.input(1, in_features)
        return self.op(
            "Gemm",
            self.zeros(out_features, in_features),
            self.zeros(out_features),
            shape=(self.shape[0], out_features),
            transB=1,
        )

    def flatten(self) -> GraphBuilder:
        batch, *rest = self.shape
        size = 1
        for n in rest:
            size *= int(n)
        return self.op("Flatten", shape=(batch, size), axis=1)

    def branch(self, *branches: Callable[[GraphBuilder], GraphBuilder], join: str = "Add") -> GraphBuilder:
        """Runs each function behind the current tensor and joins the results. ``lambda g: g`` is a skip connection."""
        start = self.current
        ends = []
        for make in branches:
            self.current = start
            ends.append(make(self).current)
        self.current = ends[0]
        if join != "Concat":
            return self.op(join, *ends[1:])
        axis = 1 if self.layout == "NCHW" else len(self.shape) - 1
        shape = list(self.shape)
        shape[axis] = sum(int((self._tensors[e].shape or ())[axis]) for e in ends)
        return self.op("Concat", *ends[1:], shape=tuple(shape), axis=axis)

    def graph(self, name: str = "example") -> Graph:
        """The graph; its output is the current tensor and those marked with :meth:`output`."""
        outputs = tuple(dict.fromkeys([*self._outputs, self.current]))
        made = {out for node in self._nodes for out in node.outputs if out not in outputs}
        tensors = dict(self._tensors)
        if not self._stated:
            tensors |= {name: replace(tensors[name], declared=False, listed=False) for name in made}
        return Graph(
            name=name,
            format="onnx" if self.layout == "NCHW" else "tflite",
            inputs=tuple(self._inputs),
            outputs=outputs,
            nodes=tuple(self._nodes),
            tensors=tensors,
            opsets={"": self.opset} if self.layout == "NCHW" else {},
            path=f"{name}.onnx" if self.layout == "NCHW" else f"{name}.tflite",
            problems=tuple(self._problems),
        )

    # ---- what real files have

    def quantized(self, dtype: str = "int8", *, has_range: bool = False, per_channel: bool = False) -> GraphBuilder:
        """All floating-point tensors in ``dtype``, as a full-integer converter writes them. ``has_range``: with the
        real minimum and maximum; ``per_channel``: weights have a scale for every output channel."""
        for name, tensor in self._tensors.items():
            if not tensor.dtype.startswith("float"):
                continue
            channels = int((tensor.shape or (1,))[0]) if per_channel and tensor.constant is not None else 1
            quantization = Quantization((0.05,) * channels, (0,) * channels, 0 if channels > 1 else None, has_range)
            self._tensors[name] = replace(tensor, dtype=dtype, quantization=quantization)
        return self

    def retyped(self, dtype: str) -> GraphBuilder:
        """All floating-point tensors in another type, without quantisation parameters."""
        for name, tensor in self._tensors.items():
            if tensor.dtype.startswith("float"):
                self._tensors[name] = replace(tensor, dtype=dtype)
        return self

    def without_value_info(self) -> GraphBuilder:
        """The file does not state the shapes of what nodes write, but of the outputs."""
        self._stated = False
        return self

    # ---- helpers

    def _native(self, op: str, attributes: dict[str, Any]) -> str:
        if self.layout == "NCHW":
            return op
        if op == "Conv" and attributes.get("group", 1) > 1:
            return "DEPTHWISE_CONV_2D"
        return TFLITE_NAMES.get(op, op.upper())

    def _tensor(self, name: str, shape: Shape, dtype: str = "float32") -> str:
        self._tensors[name] = Tensor(name, tuple(shape), dtype)
        return name

    def _feature_map(self, channels: int, height: int, width: int) -> None:
        self.input(*self._shape(1, channels, height, width))

    def _shape(self, batch: Dim, channels: int, height: int, width: int) -> Shape:
        return (batch, channels, height, width) if self.layout == "NCHW" else (batch, height, width, channels)

    def _nchw(self) -> tuple[Dim, int, int, int]:
        batch, *rest = self.shape
        a, b, c = (int(n) for n in rest)
        return (batch, a, b, c) if self.layout == "NCHW" else (batch, c, a, b)

    def _pool(self, op: str, kernel: int, stride: int | None, pads: Sequence[int]) -> GraphBuilder:
        stride = stride or kernel
        batch, channels, height, width = self._nchw()
        out = ((height + pads[0] + pads[2] - kernel) // stride + 1, (width + pads[1] + pads[3] - kernel) // stride + 1)
        return self.op(
            op,
            shape=self._shape(batch, channels, *out),
            kernel_shape=(kernel, kernel),
            strides=(stride, stride),
            pads=tuple(pads),
        )
