"""Rewrites that fold one node into another."""

from __future__ import annotations

import numpy as np
from nets import Case, net

_IMAGE = "(float[1,4,8,8] x) => (float[1,6,8,8] y)"
_CONV = "float[6,4,3,3] w"
_NORM = "float[6] s, float[6] b, float[6] m, float[6] v"

CASES = {
    "fold-batch-norm": [
        Case(
            net(
                f"{_IMAGE} <{_CONV}, {_NORM}> "
                f"{{ c = Conv<pads=[1,1,1,1]>(x, w) y = BatchNormalization(c, s, b, m, v) }}"
            ),
            "Conv",
        ),
        Case(
            net(
                f"{_IMAGE} <{_CONV}, float[6] a, {_NORM}, float[1,6,1,1] k> "
                "{ c = Conv<pads=[1,1,1,1]>(x, w, a) n = BatchNormalization<epsilon=0.01>(c, s, b, m, v) "
                "p = Mul(n, k) r = Relu(p) y = Identity(r) }"
            ),
            "Conv Relu Identity",
        ),
        Case(  # grouped, transposed
            net(
                "(float[1,4,8,8] x) => (float[1,6,16,16] y) <float[4,3,2,2] w, float[6] s, float[6] b, float[6] m, "
                "float[6] v> { c = ConvTranspose<strides=[2,2], group=2>(x, w) y = BatchNormalization(c, s, b, m, v) }"
            ),
            "ConvTranspose",
        ),
        Case(
            net(
                "(float[2,8] x) => (float[2,6] y) <float[8,6] w, float[1,6] c, float[6] s, float[6] b, float[6] m, "
                "float[6] v> { d = Gemm(x, w, c) y = BatchNormalization(d, s, b, m, v) }"
            ),
            "Gemm",
        ),
        Case(  # before a convolution without padding, in two groups
            net(
                "(float[1,4,8,8] x) => (float[1,6,6,6] y) <float[6,2,3,3] w, float[4] s, float[4] b, float[4] m, "
                "float[4] v> { n = BatchNormalization(x, s, b, m, v) y = Conv<group=2>(n, w) }"
            ),
            "Conv",
        ),
        Case(
            net(
                "(float[2,8] x) => (float[2,6] y) <float[6,8] w, float[8] s, float[8] b, float[8] m, float[8] v> "
                "{ n = BatchNormalization(x, s, b, m, v) y = Gemm<transB=1>(n, w) }"
            ),
            "Gemm",
        ),
        Case(  # weights that another layer has too stay as they are
            net(
                "(float[1,4,8,8] x) => (float[1,6,8,8] y, float[1,6,8,8] z) <float[6,4,1,1] w, "
                f"{_NORM}> {{ c = Conv(x, w) y = BatchNormalization(c, s, b, m, v) z = Conv(x, w) }}"
            ),
            "Conv Conv",
        ),
    ],
    "fold-scale": [
        Case(
            net(
                f"{_IMAGE} <{_CONV}, float[6,1,1] k, float[1,6,1,1] a> "
                "{ c = Conv<pads=[1,1,1,1]>(x, w) m = Mul(k, c) y = Add(m, a) }"
            ),
            "Conv",
        ),
        Case(
            net(
                "(float[2,8] x) => (float[2,6] y) <float[8,6] w, float[6] a, float d> "
                "{ c = Gemm(x, w) m = Sub(a, c) y = Div(m, d) }",
                d=2.5,
            ),
            "Gemm",
        ),
    ],
    "fold-preprocessing": [
        Case(
            net(
                "(float[1,3,8,8] x) => (float[1,4,6,6] y) <float[1,3,1,1] mean, float[3,1,1] vdev, float[4,3,3,3] w> "
                "{ a = Sub(x, mean) b = Div(a, vdev) y = Conv(b, w) }"
            ),
            "Conv",
        ),
        Case(
            net(
                "(float[1,3,8,8] x) => (float[1,4,8,8] y) <float c, float[4,3,3,3] w, float[4] b> "
                "{ a = Div(x, c) y = Conv<pads=[1,1,1,1]>(a, w, b) }",
                c=255.0,
            ),
            "Conv",
        ),
        Case(  # with padding the mean's subtraction has to stay
            net(
                "(float[1,3,8,8] x) => (float[1,4,8,8] y) <float[3,1,1] mean, float c, float[4,3,3,3] w> "
                "{ a = Sub(x, mean) b = Mul(a, c) y = Conv<pads=[1,1,1,1]>(b, w) }",
                c=0.25,
            ),
            "Sub Conv",
        ),
    ],
    "pad-into-conv": [
        Case(
            net(
                f"{_IMAGE} <{_CONV}, int64[8] p> {{ a = Pad(x, p) y = Conv<pads=[0,1,1,0]>(a, w) }}",
                p=[0, 0, 1, 0, 0, 0, 0, 1],
            ),
            "Conv",
        ),
        Case(
            net(
                "(float[1,4,8,8] x) => (float[1,4,4,4] y) <int64[8] p, float zero> "
                "{ r = Relu(x) a = Pad(r, p, zero) y = MaxPool<kernel_shape=[3,3], strides=[2,2]>(a) }",
                p=[0, 0, 0, 0, 0, 0, 1, 1],
                zero=0,
            ),
            "Relu MaxPool",
        ),
        Case(
            net(
                "(float[1,4,8,8] x) => (float[1,4,4,4] y) <int64[8] p> "
                "{ a = Pad(x, p) y = AveragePool<kernel_shape=[3,3], strides=[2,2]>(a) }",
                p=[0, 0, 1, 1, 0, 0, 0, 0],
            ),
            "AveragePool",
        ),
        Case(
            net(
                "(float[1,4,8] x) => (float[1,6,8] y) <float[6,4,3] w> "
                "{ a = Pad<pads=[0,0,2,0,0,0]>(x) y = Conv(a, w) }",
                opset=10,
            ),
            "Conv",
        ),
    ],
    "fold-constants": [
        Case(
            net(
                "(float[1,4,8,8] x) => (float[1,256] y) <int64 zero, int64[1] axis, int64[1] rest> "
                "{ s = Shape(x) g = Gather(s, zero) u = Unsqueeze(g, axis) c = Concat<axis=0>(u, rest) y = "
                "Reshape(x, c) }",
                zero=0,
                axis=0,
                rest=-1,
            ),
            "Reshape",
        ),
        Case(
            net(f"{_IMAGE} <float[4,6,3,3] t> {{ w = Transpose<perm=[1,0,2,3]>(t) y = Conv<pads=[1,1,1,1]>(x, w) }}"),
            "Conv",
        ),
        Case(
            net(
                "(float[6] x) => (float[6] y) <float[6] a, float[6] b> "
                "{ s = Split<axis=0>(a) p = Mul(s, b) y = Add(x, p) }"
            ),
            "Add",
        ),
    ],
}

CASES["pad-into-conv"] += [
    Case(  # all of its readers take it
        net(
            "(float[1,4,8,8] x) => (float[1,6,8,8] y) <float[6,4,3,3] w, float[6,4,3,3] k, int64[8] p> "
            "{ a = Pad(x, p) b = Conv(a, w) c = Conv(a, k) y = Add(b, c) }",
            p=[0, 0, 1, 1, 0, 0, 1, 1],
        ),
        "Conv Conv Add",
    ),
]
CASES["batch-norm-to-conv"] = [
    Case(
        net("(float[1,6,8,8] x) => (float[1,6,8,8] y) <" + _NORM + "> { y = BatchNormalization(x, s, b, m, v) }"),
        "Conv",
    ),
    Case(net("(float[2,6,8] x) => (float[2,6,8] y) <" + _NORM + "> { y = BatchNormalization(x, s, b, m, v) }"), "Conv"),
]
CASES["uneven-pads-to-pad"] = [
    Case(net(f"{_IMAGE} <{_CONV}> {{ y = Conv<pads=[0,1,2,1]>(x, w) }}"), "Pad Conv"),
    Case(net(f"{_IMAGE} <{_CONV}> {{ y = Conv<pads=[2,0,0,2]>(x, w) }}", opset=9), "Pad Conv"),
]

OUTSIDE = {
    "batch-norm-to-conv": [
        net("(float[4,6] x) => (float[4,6] y) <" + _NORM + "> { y = BatchNormalization(x, s, b, m, v) }"),
        net(
            "(float[1,6,8,8] x, float[6] s) => (float[1,6,8,8] y) <float[6] b, float[6] m, float[6] v> "
            "{ y = BatchNormalization(x, s, b, m, v) }"
        ),
    ],
    "uneven-pads-to-pad": [
        net(f"{_IMAGE} <{_CONV}> {{ y = Conv<pads=[1,1,1,1]>(x, w) }}"),
        net(f'{_IMAGE} <{_CONV}> {{ y = Conv<auto_pad="SAME_UPPER">(x, w) }}'),
    ],
    "fold-batch-norm": [
        net(  # the convolution's own result is read too
            f"(float[1,4,8,8] x) => (float[1,6,8,8] y, float[1,6,8,8] c) <float[6,4,1,1] w, {_NORM}> "
            "{ c = Conv(x, w) y = BatchNormalization(c, s, b, m, v) }"
        ),
        net(  # padding is 0, and the normalisation of 0 is not
            "(float[1,4,8,8] x) => (float[1,6,8,8] y) <float[6,4,3,3] w, float[4] s, float[4] b, float[4] m, "
            "float[4] v> "
            "{ n = BatchNormalization(x, s, b, m, v) y = Conv<pads=[1,1,1,1]>(n, w) }"
        ),
        net(  # an activation between them
            f"{_IMAGE} <{_CONV}, {_NORM}> "
            "{ c = Conv<pads=[1,1,1,1]>(x, w) r = Relu(c) y = BatchNormalization(r, s, b, m, v) }"
        ),
        net(  # weights that are computed
            f"(float[1,4,8,8] x, float[6,4,1,1] w) => (float[1,6,8,8] y) <{_NORM}> "
            "{ c = Conv(x, w) y = BatchNormalization(c, s, b, m, v) }"
        ),
    ],
    "fold-scale": [
        net(f"{_IMAGE} <{_CONV}, float[8,8] k> {{ c = Conv<pads=[1,1,1,1]>(x, w) y = Mul(c, k) }}"),
        net(f"{_IMAGE} <{_CONV}, float k> {{ c = Conv<pads=[1,1,1,1]>(x, w) y = Div(k, c) }}"),
        net(
            "(float[1,1,8,8] x) => (float[1,6,8,8] y) <float[1,1,1,1] w, float[6,1,1] k> "
            "{ c = Conv(x, w) y = Mul(c, k) }"
        ),
    ],
    "fold-preprocessing": [
        net(
            "(float[1,3,8,8] x) => (float[1,4,8,8] y) <float c, float[4,3,3,3] w> "
            "{ a = Sub(x, c) y = Conv<pads=[1,1,1,1]>(a, w) }"
        ),
        net(
            "(float[1,3,8,8] x) => (float[1,4,6,6] y) <float c, float[4,3,3,3] w> "
            "{ r = Relu(x) a = Mul(r, c) y = Conv(a, w) }"
        ),
    ],
    "pad-into-conv": [
        net(
            f"{_IMAGE} <float[6,4,3,3] w, int64[8] p, float one> {{ a = Pad(x, p, one) y = Conv(a, w) }}",
            p=[0, 0, 1, 1, 0, 0, 1, 1],
            one=1,
        ),
        net(
            f'{_IMAGE} <float[6,4,3,3] w, int64[8] p> {{ a = Pad<mode="reflect">(x, p) y = Conv(a, w) }}',
            p=[0, 0, 1, 1, 0, 0, 1, 1],
        ),
        net(f"{_IMAGE} <float[6,6,3,3] w, int64[8] p> {{ a = Pad(x, p) y = Conv(a, w) }}", p=[0, 1, 1, 1, 0, 1, 1, 1]),
        net(  # the input may be negative
            "(float[1,4,8,8] x) => (float[1,4,4,4] y) <int64[8] p> "
            "{ a = Pad(x, p) y = MaxPool<kernel_shape=[3,3], strides=[2,2]>(a) }",
            p=[0, 0, 0, 0, 0, 0, 1, 1],
        ),
        net(  # a window may lie in the border alone
            "(float[1,4,8,8] x) => (float[1,4,6,6] y) <int64[8] p> "
            "{ r = Relu(x) a = Pad(r, p) y = MaxPool<kernel_shape=[2,2], strides=[2,2]>(a) }",
            p=[0, 0, 2, 2, 0, 0, 2, 2],
        ),
        net(
            f"{_IMAGE} <float[6,4,1,1] w, int64[8] p> {{ a = Pad(x, p) y = Conv(a, w) }}",
            p=np.array([0, 0, -1, 0, 0, 0, 1, 0]),
        ),
    ],
    "fold-constants": [
        net(
            "(float[N,4,8] x) => (float[N,32] y) <int64[1] rest, int64 k, int64[1] a> "
            "{ s = Shape(x) g = Gather(s, k) u = Unsqueeze(g, a) c = Concat<axis=0>(u, rest) y = Reshape(x, c) }",
            rest=-1,
            k=0,
            a=0,
        ),
        net("(float[1,8] x) => (float[1,8] y) <int8[8] q, float s> { w = DequantizeLinear(q, s) y = Add(x, w) }"),
        net(
            "(float[1,200000] x) => (float[1,200000] y) <int64[1] n> { c = ConstantOfShape(n) y = Add(x, c) }",
            n=[200000],
        ),
    ],
}

_KPU = "(float[1,3,32,32] x) => (float[1,8,32,32] y)"
_FLOWS = "float[1,8,32,32] c"

SERVES = [
    (
        "batch-norm-to-conv",
        "k210",
        net(
            f"{_KPU} <float[8,3,3,3] w, float[8] s, float[8] b, float[8] m, float[8] v, {_FLOWS}, "
            "float[1,8,32,32] r> { c = Conv<pads=[1,1,1,1]>(x, w) r = Relu(c) y = BatchNormalization(r, s, b, m, v) }"
        ),
        "Conv Relu Conv",
    ),
    (
        "fold-batch-norm",
        "k210",
        net(
            f"{_KPU} <float[8,3,3,3] w, float[8] s, float[8] b, float[8] m, float[8] v, {_FLOWS}, "
            "float[1,8,32,32] n> { c = Conv<pads=[1,1,1,1]>(x, w) n = BatchNormalization(c, s, b, m, v) y = Relu(n) }"
        ),
        "Conv Relu",
    ),
    (
        "fold-preprocessing",
        "k210",
        net(
            f"{_KPU} <float k, float[8,3,3,3] w, float[1,3,32,32] a, {_FLOWS}> "
            "{ a = Div(x, k) c = Conv<pads=[1,1,1,1]>(a, w) y = Relu(c) }",
            k=255.0,
        ),
        "Conv Relu",
    ),
    (
        "fold-constants",
        "k210",
        net(
            "(float[1,3,32,32] x) => (float[1,8192] y) <float[8,3,3,3] w, int64 zero, int64[1] axis, int64[1] rest, "
            f"{_FLOWS}, int64[4] s, int64 g, int64[1] u, int64[2] k> {{ c = Conv<pads=[1,1,1,1]>(x, w) s = Shape(c) "
            "g = Gather(s, zero) u = Unsqueeze(g, axis) k = Concat<axis=0>(u, rest) y = Reshape(c, k) }",
            zero=0,
            axis=0,
            rest=-1,
        ),
        "Conv Reshape",
    ),
]
