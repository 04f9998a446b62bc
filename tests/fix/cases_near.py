"""Rewrites after which something else, that is near, is computed."""

from __future__ import annotations

from nets import Case, net

_FLAT = "(float[1,4,6,6] x) => (float[1,4,6,6] y)"
_SILU = f"{_FLAT} {{ s = Sigmoid(x) y = Mul(x, s) }}"
_RELU6 = f"{_FLAT} <float low, float high> {{ y = Clip(x, low, high) }}"
_UP = "(float[1,4,6,6] x) => (float[1,4,12,12] y) <float[4] s> { y = Resize<%s>(x, , s) }"
_SCALE = {"s": [1, 1, 2, 2]}
_TF = "(float[1,4,12,12] x) => (float[1,6,6,6] y) <float[6,4,3,3] w> { y = Conv<strides=[2,2], %s>(x, w) }"
_HEAD = "(float[1,4,6,6] x) => (float[1,144] y) <float[4,4,1,1] w> { c = Conv(x, w) s = Sigmoid(c) y = Flatten(s) }"


def _resize(size: int) -> str:
    return (
        f"(float[1,4,6,6] x) => (float[1,4,{size},{size}] y) <int64[4] s> "
        f'{{ y = Resize<mode="nearest", coordinate_transformation_mode="asymmetric">(x, , , s) }}'
    )


CASES = {
    "silu-to-relu": [Case(net(_SILU), "Relu"), Case(net(f"{_FLAT} {{ y = Mish(x) }}", opset=18), "Relu")],
    "silu-to-relu6": [
        Case(net(_SILU), "Clip"),
        Case(net(_SILU, opset=10), "Clip"),
        Case(net(f"{_FLAT} {{ y = HardSwish(x) }}"), "Clip"),
    ],
    "silu-to-hardswish": [Case(net(_SILU), "HardSwish"), Case(net(_SILU, opset=12), "HardSigmoid Mul")],
    "sigmoid-to-hardsigmoid": [Case(net(f"{_FLAT} {{ y = Sigmoid(x) }}"), "HardSigmoid")],
    "leaky-relu-to-relu": [
        Case(net(f"{_FLAT} {{ y = LeakyRelu(x) }}"), "Relu"),
        Case(net(f"{_FLAT} <float[4,1,1] p> {{ y = PRelu(x, p) }}"), "Relu"),
    ],
    "leaky-relu-slope": [
        Case(net(f"{_FLAT} {{ y = LeakyRelu<alpha=0.1>(x) }}"), "LeakyRelu"),
        Case(net(f"{_FLAT} {{ y = LeakyRelu<alpha=0.1>(x) }}"), "LeakyRelu", [{"slope": 0.125}]),
    ],
    "relu6-to-relu": [
        Case(net(_RELU6, low=0, high=6), "Relu"),
        Case(net(f"{_FLAT} {{ y = Clip<min=0.0, max=1.0>(x) }}", opset=9), "Relu"),
    ],
    "resize-coordinates": [
        Case(net(_UP % 'mode="linear", coordinate_transformation_mode="align_corners"', **_SCALE), "Resize"),
        Case(net(_UP % 'mode="linear"', **_SCALE), "Resize", [{"coordinates": "asymmetric"}]),
    ],
    "resize-nearest": [Case(net(_UP % 'mode="linear"', **_SCALE), "Resize")],
    "resize-linear": [Case(net(_UP % 'mode="cubic"', **_SCALE), "Resize")],
    "resize-integer": [Case(net(_resize(17), s=[1, 4, 17, 17]), "Resize Slice")],
    "pad-symmetric": [
        Case(net(_TF % "pads=[0,0,1,1]"), "Conv"),
        Case(net(_TF % 'auto_pad="SAME_UPPER"'), "Conv"),
        Case(
            net(
                "(float[1,4,12,12] x) => (float[1,6,6,6] y) <float[6,4,3,3] w, int64[8] p> "
                "{ z = Pad(x, p) y = Conv<strides=[2,2]>(z, w) }",
                p=[0, 0, 0, 0, 0, 0, 1, 1],
            ),
            "Conv",
        ),
    ],
    "cut-head": [Case(net(_HEAD), "Conv", [{"outputs": ["c"]}])],
}

OUTSIDE = {
    "silu-to-relu": [net(f"{_FLAT} {{ y = Sigmoid(x) }}")],
    "silu-to-relu6": [net(f"{_FLAT} {{ y = Sigmoid(x) }}")],
    "silu-to-hardswish": [net(f"{_FLAT} {{ y = HardSwish(x) }}")],
    "sigmoid-to-hardsigmoid": [net(_SILU)],
    "leaky-relu-to-relu": [net(f"{_FLAT} {{ y = Relu(x) }}")],
    "leaky-relu-slope": [net(f"{_FLAT} {{ y = LeakyRelu<alpha=0.1015625>(x) }}")],
    "relu6-to-relu": [net(_RELU6, low=-1, high=1), net("(float[4] x, float l) => (float[4] y) { y = Clip(x, l) }")],
    "resize-coordinates": [net(_UP % 'mode="linear"', **_SCALE)],
    "resize-nearest": [net(_UP % 'mode="nearest"', **_SCALE)],
    "resize-linear": [net(_UP % 'mode="linear"', **_SCALE)],
    "resize-integer": [net(_resize(18), s=[1, 4, 18, 18]), net(_resize(3), s=[1, 4, 3, 3])],
    "pad-symmetric": [
        net(_TF % "pads=[1,1,1,1]"),
        net(
            "(float[1,4,13,13] x) => (float[1,6,6,6] y) <float[6,4,3,3] w> "
            "{ y = Conv<strides=[2,2], pads=[0,0,1,1]>(x, w) }"
        ),
    ],
    "cut-head": [net(_HEAD), Case(net(_HEAD), "", [{"outputs": ["nowhere"]}])],
}

_FIRST = "(float[1,3,32,32] x) => (float[1,8,32,32] y) <float[8,3,3,3] w> { c = Conv<pads=[1,1,1,1]>(x, w) "

SERVES = [
    (
        "pad-symmetric",
        "k210",
        net(
            "(float[1,3,32,32] x) => (float[1,8,16,16] y) <float[8,3,3,3] w> "
            "{ y = Conv<strides=[2,2], pads=[0,0,1,1]>(x, w) }"
        ),
        "Conv",
    ),
    (
        "silu-to-hardswish",
        "k210",
        net(
            f"{_FIRST.replace('> {', ', float r, float o, float h> {')}"
            "d = Div(c, r) e = Erf(d) a = Add(e, o) m = Mul(c, a) y = Mul(m, h) }",
            r=2**0.5,
            o=1,
            h=0.5,
        ),
        "Conv HardSwish",
    ),
    (
        "leaky-relu-to-relu",
        "k210",
        net(f"{_FIRST.replace('> {', ', float[8,1,1] p> {')} y = PRelu(c, p) }}"),
        "Conv Relu",
    ),
    ("leaky-relu-to-relu", "max78000", net(f"{_FIRST} y = LeakyRelu(c) }}"), "Conv Relu"),
    ("silu-to-relu", "max78000", net(f"{_FIRST} s = Sigmoid(c) y = Mul(c, s) }}"), "Conv Relu"),
    (
        "relu6-to-relu",
        "max78000",
        net(f"{_FIRST.replace('> {', ', float l, float h> {')} y = Clip(c, l, h) }}", l=0, h=6),
        "Conv Relu",
    ),
    (
        "pad-symmetric",
        "max78000",
        net(
            "(float[1,3,32,32] x) => (float[1,8,16,16] y) <float[8,3,3,3] w> "
            "{ y = Conv<strides=[2,2], pads=[0,0,1,1]>(x, w) }"
        ),
        "Conv MaxPool",
    ),
]
