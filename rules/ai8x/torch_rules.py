"""AIX701 to AIX704: PyTorch source that uses ai8x-training's layers."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Elementwise, Node, Pool, Scope
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .torch_layers import is_ai8x_model, kind_of, layer_of

INSTEAD = {
    **{f"{op}{n}d": f"ai8x.{op}{n}d" for op in ("Conv", "MaxPool", "AvgPool") for n in (1, 2)},
    "ConvTranspose2d": "ai8x.ConvTranspose2d",
    "Linear": "ai8x.Linear",
    "ReLU": "a fused layer, as ai8x.FusedConv2dReLU",
    "BatchNorm1d": "a fused layer, as ai8x.FusedConv1dBNReLU",
    "BatchNorm2d": "a fused layer, as ai8x.FusedConv2dBNReLU",
    "AdaptiveAvgPool2d": "ai8x.AvgPool2d as large as the map",
    "AdaptiveMaxPool2d": "ai8x.MaxPool2d as large as the map",
}
"""By torch's class, or what stands for it."""
_WEIGHTED = frozenset({"Conv1d", "Conv2d", "ConvTranspose2d", "Linear"})
_NOTHING = frozenset({"Dropout", "Dropout1d", "Dropout2d", "Flatten", "Identity", "Softmax", "Sequential", "Unflatten"})
"""Of torch's modules those that leave nothing on the chip, and softmax, which its CPU does."""
_FUNCTIONS = {
    "Relu": "ai8x.FusedConv2dReLU, with the activation in the layer",
    "MaxPool": "ai8x.MaxPool2d, or a fused layer",
    "AveragePool": "ai8x.AvgPool2d, or a fused layer",
    "GlobalAveragePool": "ai8x.AvgPool2d as large as the map",
    "GlobalMaxPool": "ai8x.MaxPool2d as large as the map",
    "ReduceMean": "ai8x.AvgPool2d as large as the map",
    "Conv": "ai8x.Conv2d",
    "Gemm": "ai8x.Linear",
    "MatMul": "ai8x.Linear",
    "BatchNormalization": "a fused layer, as ai8x.FusedConv2dBNReLU",
}


@rule("AIX701", "torch-layer", Level.WARNING, on=Model, confidence="measured")
def torch_layer(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Layer of `torch.nn` in a model of ai8x layers.

    What it does: finds `nn.Conv2d`, `nn.ReLU`, `nn.BatchNorm2d` and the like between layers of ai8x.py.

    Why it matters: only the layers of ai8x.py are trained with the chip's rounding and clipping, so the accuracy
    falls on the chip. A convolution or dense layer of torch.nn is an error: its weights are named `conv.weight` and
    not `conv.op.weight`, and quantize.py stops with "sequence item 1: expected str instance, NoneType found".

    What to do instead: the layer of ai8x.py of the same name, or one fused with what follows; train again.

    Source: ai8x-synthesis, quantize.py 158 (measured); ai8x-training, ai8x.py and README.md.
    """
    seen = set()
    for node in model.graph.nodes if is_ai8x_model(model.graph) else ():
        scope = _torch_scope(node)
        if scope is None or scope.path in seen or kind_of(scope) in _NOTHING:
            continue
        seen.add(scope.path)
        kind = kind_of(scope)
        instead = INSTEAD.get(kind)
        advice = f"use {instead}" if instead else "the chip has nothing like it"
        level = Level.ERROR if kind in _WEIGHTED else None
        message = f"nn.{kind} in a model of ai8x layers is not trained for the chip; {advice}"
        yield Found(message, node=node.name, level=level)


torch_layer.bad(
    lambda g: g.module("ai8x.Conv2d", "c1").conv(8, 8).module("torch.nn.modules.conv.Conv2d", "c2").conv(8, 8)
)
torch_layer.bad(
    lambda g: g.module("ai8x.Conv2d", "c1").conv(8, 8).module("torch.nn.modules.activation.ReLU", "a").relu()
)
torch_layer.good(lambda g: g.module("ai8x.Conv2d", "c1").conv(8, 8).module("ai8x.Conv2d", "c2").conv(8, 8))


@rule("AIX702", "torch-arithmetic", Level.WARNING, on=Elementwise, confidence="source")
def torch_arithmetic(words: Elementwise, plan: Plan, target: Target) -> Iterator[Found]:
    """Sum of two maps outside of `ai8x.Add`.

    What it does: finds `x + y`, `torch.add` and their like of two maps in a model of ai8x layers.

    Why it matters: ai8x.Add clips its result to 8 bits, as the chip does; a `+` does not, so that training sees
    values that the chip cannot have.

    What to do instead: `self.add = ai8x.Add()` in `__init__`, `self.add(x, y)` in `forward`; the same for
    ai8x.Sub. There is no product on the chip.

    Source: ai8x-training, ai8x.py (Eltwise).
    """
    two = sum(bool(name) and not words.graph.is_constant(name) for name in words.node.inputs) > 1
    if words.node.op in ("Add", "Sub", "Sum") and two and layer_of(words.node) is None and is_ai8x_model(words.graph):
        kind, sign = ("Sub", "-") if words.node.op == "Sub" else ("Add", "+")
        yield Found(f"{sign} of two maps is not clipped to 8 bits in training, as the chip does it; use ai8x.{kind}()")


torch_arithmetic.bad(
    lambda g: (
        g.module("ai8x.Conv2d", "c1")
        .conv(8, 8)
        .module()
        .branch(lambda b: b, lambda b: b.module("ai8x.Conv2d", "c2").conv(8, 8).module())
    )
)
torch_arithmetic.good(
    lambda g: (
        g.module("ai8x.Conv2d", "c1")
        .conv(8, 8)
        .branch(lambda b: b, lambda b: b.module("ai8x.Conv2d", "c2").conv(8, 8).module("ai8x.Add", "add"))
    )
)


@rule("AIX703", "torch-function", Level.WARNING, on=Model, confidence="source")
def torch_function(model: Model, plan: Plan, target: Target) -> Iterator[Found]:
    """Function of torch between layers of ai8x.

    What it does: finds `F.adaptive_avg_pool2d`, `F.relu`, `F.max_pool2d`, `torch.mean` and the like, called in
    `forward` between layers of ai8x.py.

    Why it matters: no rounding and clipping is trained for it, and ai8x-training's own tools do not see it as a
    layer.

    What to do instead: the layer of ai8x.py; for an adaptive pool, ai8x.AvgPool2d as large as the map.

    Source: ai8x-training, ai8x.py and README.md.
    """
    for node in model.graph.nodes if is_ai8x_model(model.graph) else ():
        if node.op in _FUNCTIONS and node.source.scopes and layer_of(node) is None and _torch_scope(node) is None:
            yield Found(f"{node.native_op} is no layer of ai8x here; use {_FUNCTIONS[node.op]}", node=node.name)


torch_function.bad(lambda g: g.module("ai8x.Conv2d", "c1").conv(8, 8, size=8).module().global_average_pool())
torch_function.good(
    lambda g: g.module("ai8x.Conv2d", "c1").conv(8, 8, size=8).module("ai8x.AvgPool2d", "p").average_pool(8)
)


@rule("AIX704", "torch-pool-stride", Level.NOTE, on=Pool, confidence="source")
def torch_pool_stride(pool: Pool, plan: Plan, target: Target) -> Iterator[Found]:
    """Pool of an ai8x layer whose stride is not its size.

    What it does: finds layers of ai8x.py that pool with another stride than the size of the window, a pool of 1x1
    with a stride among them.

    Why it matters: what is left out means three things. In `ai8x.FusedMaxPoolConv2d` and its like the stride is 2
    whatever the size; in `ai8x.MaxPool2d` it is the size; in a network description it is 1. And a pool of 1x1 with
    a stride, written in place of a strided convolution, leaves out pixels *before* the convolution, which is not the
    same.

    What to do instead: write `pool_stride` in both places. For a strided convolution: stride 1, and the pool of 1x1
    with the stride in the layer behind it.

    Source: ai8x-training, ai8x.py (QuantizationAwareModule pools first); ai8x-synthesis, izer/yamlcfg.py 769.
    """
    scope = layer_of(pool.node)
    if scope is None or not pool.fixed or pool.kernel == pool.stride:
        return
    size, stride = ("x".join(map(str, numbers)) for numbers in (pool.kernel, pool.stride))
    if max(pool.kernel) == 1:
        every = {2: "second", 3: "third"}.get(max(pool.stride), f"{max(pool.stride)}th")
        yield Found(
            f"{kind_of(scope)} takes every {every} pixel before it convolves; a strided convolution does so behind"
        )
    else:
        advice = "write pool_stride in the description too, where 1 is the default"
        yield Found(f"{kind_of(scope)} pools {size} by {stride}; {advice}")


torch_pool_stride.bad(
    lambda g: g.input(1, 8, 32, 32).module("ai8x.FusedMaxPoolConv2d", "c").max_pool(3, stride=2).conv(8, 8)
)
torch_pool_stride.good(lambda g: g.input(1, 8, 32, 32).module("ai8x.FusedMaxPoolConv2d", "c").max_pool(2).conv(8, 8))


def _torch_scope(node: Node) -> Scope | None:
    """The module of torch.nn that a node belongs to, outside of any layer of ai8x."""
    if layer_of(node) is not None or not node.source.scopes:
        return None
    scope = node.source.scopes[-1]
    return scope if scope.kind.startswith("torch.nn.") and kind_of(scope) != "Sequential" else None


RULES = [torch_layer, torch_arithmetic, torch_function, torch_pool_stride]
