"""What rewrites do for Rockchip NPUs and AMD DPUs."""

from __future__ import annotations

from nets import Make, net

_X = "(float[1,3,32,32] x)"
_Y = "(float[1,8,32,32] y)"
_W = "float[8,3,3,3] w"
_CONV = "c = Conv<pads=[1,1,1,1]>(x, w)"
_NEXT = "y = Conv<pads=[1,1,1,1]>(a, n)"
_N = "float[8,8,3,3] n"
ZYNQ = "DPUCZDX8G_ISA0_B4096_MAX_BG2"
"""A DPU without arithmetic unit."""
HBM = "DPUCAHX8H_ISA2"
"""A DPU without engine for depthwise convolutions."""


def _behind(body: str, out: str = _Y, weights: str = "", opset: int = 17, **values: object) -> Make:
    """A network of which the first layer is a 3x3 convolution, with 8 channels in ``c``."""
    listed = f"{_W}, {weights}" if weights else _W
    return net(f"{_X} => {out} <{listed}> {{ {_CONV} {body} }}", opset, **values)


def _between(body: str, weights: str = "", opset: int = 17, **values: object) -> Make:
    """The same, and ``a`` is read by a convolution."""
    listed = f"{weights}, {_N}" if weights else _N
    return _behind(f"{body} {_NEXT}", _Y, listed, opset, **values)


_FOCUS = net(
    "(float[1,3,32,32] x) => (float[1,8,16,16] y) <int64[2] aa, int64[2] ab, int64[2] ba, int64[2] bb, int64[2] end, "
    "int64[2] axes, int64[2] two, float[8,12,3,3] w> { a = Slice(x, aa, end, axes, two) "
    "b = Slice(x, ba, end, axes, two) c = Slice(x, ab, end, axes, two) d = Slice(x, bb, end, axes, two) "
    "f = Concat<axis=1>(a, c, b, d) y = Conv<pads=[1,1,1,1]>(f, w) }",
    aa=[0, 0],
    ab=[0, 1],
    ba=[1, 0],
    bb=[1, 1],
    end=[2**31, 2**31],
    axes=[2, 3],
    two=[2, 2],
)
_SPP = _behind(
    "r = Relu(c) p = MaxPool<kernel_shape=[5,5], pads=[2,2,2,2], strides=[1,1]>(r) "
    "q = MaxPool<kernel_shape=[9,9], pads=[4,4,4,4], strides=[1,1]>(r) "
    "s = MaxPool<kernel_shape=[13,13], pads=[6,6,6,6], strides=[1,1]>(r) y = Concat<axis=1>(r, p, q, s)",
    "(float[1,32,32,32] y)",
)
_HEAD = net(
    "(float[1,3,64,64] x) => (float[1,6,1280] y) <float[16,3,3,3] w, float[6,16,3,3] n, float[6,16,3,3] m, "
    "int64[3] fine, int64[3] coarse> { c = Conv<pads=[1,1,1,1], strides=[2,2]>(x, w) r = Relu(c) "
    "f = Conv<pads=[1,1,1,1]>(r, n) g = Conv<pads=[1,1,1,1], strides=[2,2]>(r, m) "
    "a = Reshape(f, fine) b = Reshape(g, coarse) j = Concat<axis=2>(a, b) y = Sigmoid(j) }",
    fine=[1, 6, 1024],
    coarse=[1, 6, 256],
)
_EVERY_SECOND = _behind(
    "y = Slice(c, zero, end, axes, two)",
    "(float[1,8,16,16] y)",
    "int64[2] zero, int64[2] end, int64[2] axes, int64[2] two",
    zero=[0, 0],
    end=[32, 32],
    axes=[2, 3],
    two=[2, 2],
)
_EVERY_SECOND_CHANNEL = _behind(
    "y = Slice(c, zero, end, axes, two)",
    "(float[1,4,32,32] y)",
    "int64[1] zero, int64[1] end, int64[1] axes, int64[1] two",
    zero=[0],
    end=[8],
    axes=[1],
    two=[2],
)
_LAYER_NORM = net(
    "(float[1,50,64] x) => (float[1,50,64] y) <float[64] s, float[64] b> { y = LayerNormalization<axis=-1>(x, s, b) }"
)
_PAD = net(
    "(float[1,3,32,32] x) => (float[1,8,16,16] y) <int64[8] p, float[8,3,3,3] w> "
    "{ a = Pad(x, p) y = Conv<strides=[2,2]>(a, w) }",
    p=[0, 0, 0, 0, 0, 0, 1, 1],
)


def _resize(mode: str, coordinates: str, scale: float, size: int) -> Make:
    attributes = f'mode="{mode}", coordinate_transformation_mode="{coordinates}"'
    return _behind(
        f"y = Resize<{attributes}>(c, , s)", f"(float[1,8,{size},{size}] y)", "float[4] s", s=[1, 1, scale, scale]
    )


_NORM = "float[8] s, float[8] b, float[8] m, float[8] v"

SERVES = [
    ("cut-head", "rk3588", _HEAD, "Conv Relu Conv Conv"),
    ("focus-to-conv", "rk3588", _FOCUS, "Conv Conv"),
    (
        "focus-to-conv",
        "rv1106",
        net("(float[1,3,32,32] x) => (float[1,12,16,16] y) { y = SpaceToDepth<blocksize=2>(x) }"),
        "Conv",
    ),
    ("decompose-mish", "rk3588", _behind("y = Mish(c)", opset=18), "Conv Softplus Tanh Mul"),
    (
        "min-max-to-clip",
        "rk3588",
        _behind("r = Relu(c) y = Min(r, h)", weights="float h", h=6),
        "Conv Clip",
    ),
    ("min-max-to-clip", "rv1106", _behind("y = Min(c, h)", weights="float h", h=6), "Conv Clip"),
    ("min-to-max", "rk3588", _behind("s = Sigmoid(c) y = Min(s, c)"), "Conv Sigmoid Neg Neg Max Neg"),
    ("silu-to-relu", "rk3588", _behind("s = Sigmoid(c) y = Mul(s, c)"), "Conv Relu"),
    ("chain-spp", "rk3588", _SPP, "Conv Relu MaxPool MaxPool MaxPool Concat"),
    ("convert-opset", "rk3588", _behind("y = Gelu(c)", opset=20), "Conv Div Erf Add Mul Mul"),
    ("convert-opset", "rk1808", _behind("y = Relu(c)", opset=13), "Conv Relu"),
    (
        "drop-ceil-mode",
        "rk1808",
        _behind("y = MaxPool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(c)", "(float[1,8,16,16] y)", opset=12),
        "Conv MaxPool",
    ),
    ("pad-into-conv", "rk3588", _PAD, "Conv"),
    (
        "gather-to-slice",
        "rk3588",
        _behind("y = Gather<axis=1>(c, k)", "(float[1,32,32] y)", "int64 k", k=3),
        "Conv Slice Reshape",
    ),
    ("layer-norm-epsilon", "rk3588", _LAYER_NORM, "LayerNormalization"),
    (
        "negative-pad-to-slice",
        "rk3562",
        _behind("y = Pad(c, p)", "(float[1,8,30,30] y)", "int64[8] p", p=[0, 0, -1, -1, 0, 0, -1, -1]),
        "Conv Slice",
    ),
    (
        "negative-pad-to-slice",
        "rk3588",
        _behind("y = Pad(c, p)", "(float[1,8,30,30] y)", "int64[8] p", p=[0, 0, -1, -1, 0, 0, -1, -1]),
        "Conv Slice",
    ),
    (
        "average-pool-padding",
        "rk3588",
        _behind("y = AveragePool<kernel_shape=[3,3], strides=[1,1], pads=[1,1,1,1]>(c)"),
        "Conv AveragePool Mul",
    ),
    (
        "drop-ceil-mode",
        "rk3588",
        _behind("y = AveragePool<kernel_shape=[3,3], strides=[2,2], ceil_mode=1>(c)", "(float[1,8,16,16] y)"),
        "Conv AveragePool Mul",
    ),
    ("resize-coordinates", "rk3588", _resize("linear", "align_corners", 2, 64), "Conv Resize"),
    ("resize-nearest", "rk3588", _resize("linear", "half_pixel", 1.5, 48), "Conv Resize"),
    ("resize-linear", "rk3588", _resize("cubic", "half_pixel", 2, 64), "Conv Resize"),
    ("slice-to-max-pool", "rk3588", _EVERY_SECOND, "Conv MaxPool"),
    ("split-to-convs", "rk3588", _EVERY_SECOND_CHANNEL, "Conv Conv"),
    (
        "max-to-global-pool",
        "rk3588",
        _behind("y = ReduceMax<axes=[2,3]>(c)", "(float[1,8,1,1] y)"),
        "Conv GlobalMaxPool",
    ),
    (
        "freeze-batch",
        "rk3588",
        net("(float[N,3,32,32] x) => (float[N,8,32,32] y) <float[8,3,3,3] w> { y = Conv<pads=[1,1,1,1]>(x, w) }"),
        "Conv",
    ),
    (
        "stride-to-pool",
        "rk3588",
        net("(float[1,3,64,64] x) => (float[1,8,7,7] y) <float[8,3,3,3] w> { y = Conv<strides=[9,9]>(x, w) }"),
        "Conv MaxPool",
    ),
    (
        "decompose-group-norm",
        "rk3588",
        _behind("y = GroupNormalization<num_groups=4>(c, s, b)", weights="float[4] s, float[4] b", opset=18),
        "Conv Reshape InstanceNormalization Reshape Mul Add",
    ),
    (
        "drop-dead-nodes",
        "rk3588",
        net(
            "(float[1,3,32,32] x, float[1,8] z) => (float[1,8,32,32] y) <float[8,3,3,3] w, float[1,8] d> "
            "{ d = Neg(z) y = Conv<pads=[1,1,1,1]>(x, w) }"
        ),
        "Conv",
    ),
    ("leaky-relu-slope", "kv260", _behind("y = LeakyRelu<alpha=0.2>(c)"), "Conv LeakyRelu"),
    ("silu-to-hardswish", "kv260", _between("s = Sigmoid(c) a = Mul(s, c)"), "Conv HardSwish Conv"),
    ("silu-to-relu", ZYNQ, _between("s = Sigmoid(c) a = Mul(s, c)"), "Conv Relu Conv"),
    ("silu-to-relu", ZYNQ, _between("p = Add(c, c) s = Sigmoid(p) a = Mul(s, p)"), "Conv Add Relu Conv"),
    ("sigmoid-to-hardsigmoid", "kv260", _between("a = Sigmoid(c)"), "Conv HardSigmoid Conv"),
    ("focus-to-conv", "kv260", _FOCUS, "Conv Conv"),
    ("slice-to-max-pool", "kv260", _EVERY_SECOND, "Conv MaxPool"),
    (
        "split-to-convs",
        "kv260",
        _behind("p, q = Split<axis=1>(c) y = Add(p, q)", "(float[1,4,32,32] y)"),
        "Conv Conv Conv Add",
    ),
    (
        "drop-output-padding",
        "kv260",
        net(
            "(float[1,3,16,16] x) => (float[1,8,32,32] y) <float[3,8,3,3] w> "
            "{ y = ConvTranspose<strides=[2,2], pads=[1,1,1,1], output_padding=[1,1]>(x, w) }"
        ),
        "ConvTranspose",
    ),
    (
        "fold-preprocessing",
        "kv260",
        net(
            "(float[1,3,32,32] x) => (float[1,8,30,30] y) <float[1,3,1,1] m, float[1,3,1,1] v, float[8,3,3,3] w> "
            "{ a = Sub(x, m) b = Div(a, v) y = Conv(b, w) }"
        ),
        "Conv",
    ),
    (
        "batch-norm-to-conv",
        "kv260",
        _between("r = Relu(c) a = BatchNormalization(r, s, b, m, v)", _NORM),
        "Conv Relu Conv Conv",
    ),
    (
        "fold-batch-norm",
        HBM,
        _behind(
            "r = Relu(c) a = BatchNormalization(r, s, b, m, v) y = Conv(a, n)", "(float[1,8,30,30] y)", f"{_NORM}, {_N}"
        ),
        "Conv Relu Conv",
    ),
    (
        "split-global-pool",
        ZYNQ,
        _behind("y = GlobalAveragePool(c)", "(float[1,8,1,1] y)"),
        "Conv AveragePool GlobalAveragePool",
    ),
    (
        "stack-max-pool",
        ZYNQ,
        _behind("y = MaxPool<kernel_shape=[9,9]>(c)", "(float[1,8,24,24] y)"),
        "Conv MaxPool MaxPool",
    ),
    ("chain-spp", ZYNQ, _SPP, "Conv Relu MaxPool MaxPool MaxPool Concat"),
    (
        "dense-groups",
        "kv260",
        _behind("y = Conv<group=2, pads=[1,1,1,1]>(c, n)", weights="float[8,4,3,3] n"),
        "Conv Conv",
    ),
    ("dense-groups", HBM, _behind("y = Conv<group=8, pads=[1,1,1,1]>(c, n)", weights="float[8,1,3,3] n"), "Conv Conv"),
    ("fold-scale", ZYNQ, _between("a = Mul(c, k)", "float[1,8,1,1] k"), "Conv Conv"),
    ("subtract-to-add", "kv260", _between("r = Relu(c) a = Sub(r, k)", "float[1,8,1,1] k"), "Conv Relu Add Conv"),
    ("divide-to-multiply", "kv260", _between("r = Relu(c) a = Div(r, v)", "float[1,8,1,1] v"), "Conv Relu Mul Conv"),
    (
        "prelu-to-leaky-relu",
        "kv260",
        _between("a = PRelu(c, k)", "float[8,1,1] k", k=[26 / 256] * 8),
        "Conv LeakyRelu Conv",
    ),
    ("leaky-relu-to-relu", "kv260", _between("a = Elu(c)"), "Conv Relu Conv"),
    ("min-max-to-clip", "kv260", _between("r = Relu(c) a = Min(r, h)", "float h", h=6), "Conv Clip Conv"),
    ("relu6-to-relu", "kv260", _between("a = Clip(c, l, h)", "float l, float h", l=0, h=4), "Conv Relu Conv"),
    (
        "squeeze-to-reshape",
        "kv260",
        _behind("a = Unsqueeze(c, k) y = Relu(a)", "(float[1,1,8,32,32] y)", "int64[1] k", k=[1]),
        "Conv Reshape Relu",
    ),
    (
        "silu-to-relu6",
        ZYNQ,
        _between("p = Conv<group=8, pads=[1,1,1,1]>(c, d) a = HardSwish(p)", "float[8,1,3,3] d"),
        "Conv Conv Clip Conv",
    ),
    ("silu-to-relu", "kv260", _between("p = Add(c, c) a = HardSwish(p)"), "Conv Add Relu Conv"),
    ("resize-coordinates", "kv260", _resize("linear", "align_corners", 2, 64), "Conv Resize"),
    ("resize-nearest", "kv260", _resize("linear", "half_pixel", 8, 256), "Conv Resize"),
    ("resize-linear", "kv260", _resize("cubic", "half_pixel", 2, 64), "Conv Resize"),
]
