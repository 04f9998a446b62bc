"""9xx: what makes a network faster or smaller on Rockchip NPUs, what gains most first; and 401, joined scores."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lintmodel.findings import Fix, Found, Level, offering
from lintmodel.ir import Graph, GraphBuilder
from lintmodel.planning import Plan
from lintmodel.registry import Model, Rule, rule
from lintmodel.target import Target

from .head import cut_at, head, without_head
from .rewrites import FOCUS, MISH, of_bound
from .spellings import bounded_by_constant, focuses, joined_scores, pyramids, unaligned_members

CUT = Fix("cut-head", "unsafe", "end the network at the maps; the application decodes them")


@rule("RKN401", "joined-scores", Level.WARNING, on=Model, confidence="documented")
def joined_scores_in_int8(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """Scores and coordinates share one int8 output, and with it one scale.

    What it does: finds outputs in which a concatenation puts scores, which a Sigmoid made, beside box coordinates.

    Why it matters: an int8 tensor has one scale. Coordinates go up to the size of the image, some 640, so that one
    step is about 2.5, and every score from 0 to 1 becomes 0: the model finds nothing, without an error.

    What to do instead: end the network before the concatenation, with boxes and scores as outputs of their own; best
    at the convolutions of its head (RKN901). Or build float16.

    Fix safety: unsafe; the model gets other outputs, and the application has to do what was cut off.

    Source: ultralytics/ultralytics issue 13566, airockchip/rknn_model_zoo pull request 450; documented.
    """
    if not npu.options["quantized"]:
        return
    graph = model.graph
    for node in joined_scores(graph):
        found = Found("joins scores from 0 to 1 and box coordinates under one int8 scale", node=node.name)
        parts = node.inputs if len(graph.outputs) == 1 and not any(map(graph.is_constant, node.inputs)) else ()
        outputs = cut_at(graph, head(graph)) or list(dict.fromkeys(parts))
        yield offering(found, graph, CUT if outputs else None, outputs=outputs)


joined_scores_in_int8.bad(lambda g: g.conv(8, 8).branch(lambda b: b.sigmoid(), lambda b: b.op("Exp"), join="Concat"))
joined_scores_in_int8.good(lambda g: g.conv(8, 8).branch(lambda b: b.sigmoid(), lambda b: b.relu(), join="Concat"))


@rule("RKN901", "uncut-head", Level.NOTE, on=Model, confidence="measured")
def uncut_head(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """The decoding of boxes is part of the network.

    What it does: finds the last convolutions of several scales behind which maps are unrolled to rows of boxes, and
    plans the network once more without what follows.

    Why it matters: tensors like 1x84x8400 are laid out with one channel, which is filled up to a block, and cost many
    times their values; their Reshape and Softmax run on the CPU of some chips; and values of such different ranges
    quantise badly. Measured with YOLOv8n at 640x640 in int8: 79.6 MB of internal memory on the RK3588 and 4.5 MB when
    cut, 21.4 and 6.3 MB on the RK3566, 46.4 and 2.9 MB on the RV1106.

    What to do instead: name the convolutions' outputs in load_onnx(outputs=[...]) and decode on the host, as the
    examples of rknn_model_zoo do; append the Sigmoid of the scores where the zoo's code expects it.

    Fix safety: unsafe; the model gets other outputs, and the application has to do what was cut off.

    Source: rknn-toolkit2 2.5.0, measured; rknn_model_zoo, RKOPT_README of its YOLO forks.
    """
    cut = head(model.graph)
    if not cut or plan.verdict == "unknown":
        return
    outputs = cut_at(model.graph, cut)
    names = ", ".join(f"'{name}'" for name in outputs)
    found = Found(f"{_gained(model.graph, cut, plan, npu)}; cut there: load_onnx(outputs=[{names}])")
    yield offering(found, model.graph, CUT, outputs=outputs)


def _two_scales(g: GraphBuilder) -> GraphBuilder:
    """Maps of 32x32 and 16x16 with six channels, unrolled to 1280 rows."""
    g.conv(8, 16).conv(16, 6).op("Reshape", g.constant([1, 6, 1024]), shape=(1, 6, 1024))
    fine = g.current
    g.at("conv_0_out").conv(16, 6, stride=2).op("Reshape", g.constant([1, 6, 256]), shape=(1, 6, 256))
    return g.op("Concat", fine, shape=(1, 6, 1280), axis=2)


uncut_head.bad(lambda g: _two_scales(g))
uncut_head.good(lambda g: g.conv(8, 16).conv(16, 6).output().at("conv_0_out").conv(16, 6, stride=2))


def _gained(graph: Graph, cut: tuple[str, ...], plan: Plan, npu: Target) -> str:
    """What the part behind the cut costs."""
    from .plan import plan as planned

    shorter = without_head(graph, tuple(cut_at(graph, cut)))
    behind = len(graph.nodes) - len(shorter.nodes)
    words = f"{behind} nodes behind the last {len(cut)} convolutions decode boxes"
    if plan.verdict == "rejected" or "internal" not in plan.memory:
        return words
    after = planned(shorter, npu)
    if "internal" in after.memory:
        words += f": internal memory {plan.memory['internal'].peak:,} bytes, {after.memory['internal'].peak:,} without"
    return f"{words}; CPU layers {_cpu(plan)}, {_cpu(after)} without"


def _cpu(plan: Plan) -> int:
    return sum(step.unit == "cpu" for step in plan.steps)


@rule("RKN902", "focus", Level.NOTE, on=Model, confidence="measured")
def focus(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """Focus: four strided slices of the image, joined as channels.

    What it does: finds four chains of Slice with steps of 2 that read one tensor and end in one Concat, and
    SpaceToDepth. Of four slices over both axes at once, joined in YOLOv5's order, the toolkit itself makes a
    convolution.

    Why it matters: slices with a step run on the CPU, four of them on the largest map of the network, and SpaceToDepth
    does too.

    What to do instead: a convolution with stride 2 and one-hot weights, which is exact; or as YOLOv5 from version
    6 on one 6x6 convolution with stride 2 in place of Focus and the convolution behind it, which is exact when its
    weights are rearranged.

    Fix safety: safe; a 3x3 convolution with stride 2 and weights of zeros and ones gives the same values.

    Source: rknn-toolkit2 2.5.0, measured (2.3.2 still kept them on the NPU); rknn_model_zoo's patch for YOLOv5.
    """
    for nodes in focuses(model.graph):
        if _on_npu(plan, nodes[0].name):
            continue
        count = len(nodes) - 1
        words = f"{count} strided slices run on the CPU; write a convolution with stride 2 and one-hot weights"
        yield offering(Found(words, node=nodes[-1].name), model.graph, FOCUS)
    for node in model.graph.nodes:
        if node.op == "SpaceToDepth":
            words = "SpaceToDepth runs on the CPU; write a convolution with stride and one-hot weights"
            fix = FOCUS if node.attributes.get("blocksize") == 2 else None
            yield offering(Found(words, node=node.name), model.graph, fix)


focus.bad(lambda g: g.input(1, 3, 32, 32).op("SpaceToDepth", shape=(1, 12, 16, 16), blocksize=2).conv(12, 8))
focus.good(lambda g: g.input(1, 3, 32, 32).conv(3, 12, kernel=2, stride=2).conv(12, 8))


@rule("RKN903", "unfused-spelling", Level.NOTE, on=Model, confidence="measured")
def unfused_spelling(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """Activation in a spelling that the toolkit does not recognise.

    What it does: finds the operator Mish of opset 18, and GELU written with Tanh.

    Why it matters: Mish as one operator runs on the CPU; written as x * Tanh(Softplus(x)) it becomes part of the
    convolution before it. GELU with Tanh stays eight or nine element-wise layers on the NPU; with Erf it is one, or
    part of the convolution.

    What to do instead: export with opset 17 or older for Mish. nn.GELU() without approximate='tanh': results differ by
    less than 0.001.

    Fix safety: safe; Mish is written in its parts. GELU is left as it is.

    Source: rknn-toolkit2 2.5.0, measured.
    """
    mish = [node.name for node in model.graph.nodes if node.op == "Mish"]
    if mish:
        words = f"{_counted(mish, 'Mish operator')} on the CPU; x * Tanh(Softplus(x)) becomes part of a convolution"
        yield offering(Found(words), model.graph, MISH)
    tanh = [c.name for c in model.graph.composites if c.op == "Gelu" and c.attributes.get("approximate") == "tanh"]
    if tanh:
        yield Found(f"{_counted(tanh, 'GELU')} written with Tanh, some 8 layers each; with Erf it is one at most")


unfused_spelling.bad(lambda g: g.with_opset(18).conv(8, 16).op("Mish"))
unfused_spelling.good(lambda g: g.conv(8, 16).silu())


@rule("RKN904", "bound-by-constant", Level.NOTE, on=Model, confidence="measured")
def bound_by_constant(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """Min or Max that another operator would compute on the NPU.

    What it does: finds Min, and Max with a constant. Where both stand in a row, each with a constant, the toolkit makes
    Clip of them by itself.

    Why it matters: Min always runs on the CPU, and Max does with a constant; several chips' runtimes have no CPU
    kernel for Min at all, and the model fails on the board.

    What to do instead: with a constant, Clip: torch.clamp in place of torch.minimum and torch.maximum. Of two tensors
    Min is -Max(-a, -b).

    Fix safety: safe; Clip, and -Max(-a, -b), give the same values.

    Source: rknn-toolkit2 2.5.0, measured; airockchip/rknn-toolkit2 issue 482.
    """
    for node, constant in bounded_by_constant(model.graph):
        if constant and not _on_npu(plan, node.name):
            words = f"{node.op} with a constant runs on the CPU; Clip does not"
            yield offering(Found(words, node=node.name), model.graph, of_bound(model.graph, node))
        elif node.op == "Min" and not constant:
            words = "Min of two tensors runs on the CPU; -Max(-a, -b) does not"
            yield offering(Found(words, node=node.name), model.graph, of_bound(model.graph, node))


bound_by_constant.bad(lambda g: g.conv(8, 16).branch(lambda b: b.relu(), lambda b: b.sigmoid(), join="Min"))
bound_by_constant.good(lambda g: g.conv(8, 16).clip(0, 6))


@rule("RKN905", "silu", Level.NOTE, on=Model, confidence="documented")
def silu(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """SiLU where ReLU is faster.

    What it does: counts SiLU, and quotes what the vendor measured with YOLOv5s in int8. With ReLU it runs 1.37 times as
    fast on one core of the RK3588, 1.32 times on the RK3566 and RK3568, 1.41 on the RK3562, 1.13 on the RK3576, 1.32
    on the RK1808, 1.49 on the RV1109 and 1.46 on the RV1126.

    Why it matters: the NPU reads SiLU from a table, value by value. The toolkit shows nothing of it: SiLU and ReLU
    are part of the convolution's layer, with equal cycles in its table of layers. Where the chip does not fuse it, it
    is a layer of its own besides.

    What to do instead: ReLU, or Clip from 0 to 6. It is another network: it has to be trained again or fine-tuned,
    and weights trained with SiLU give wrong results with it.

    Fix safety: unsafe; weights trained with SiLU give wrong results with ReLU until the network is trained again.

    Source: rknn_model_zoo, table of frame rates for yolov5s with SiLU and ReLU, int8, commit bad6c73.
    """
    found = [composite.name for composite in model.graph.composites if composite.op == "SiLU"]
    if not found:
        return
    ratio = float(npu.limit("relu_over_silu"))
    speed = f"{ratio:g} times" if ratio else "1.13 to 1.49 times, on the chips it was measured on,"
    alone = sum(step.op == "exSwish" for step in plan.steps)
    more = f"; {alone} of them are layers of their own" if alone else ""
    words = (
        f"{_counted(found, 'SiLU')}{more}; with ReLU the vendor's YOLOv5s runs {speed} as fast, trained again for it; "
        "the toolkit's cycles do not show it"
    )
    # The rewrite takes these others with it, of which the vendor measured nothing.
    others = {node.op for node in model.graph.nodes} | {each.op for each in model.graph.composites}
    relu = Fix("silu-to-relu", "unsafe", "ReLU, trained again")
    yield offering(
        Found(words, nodes=found), model.graph, relu if others.isdisjoint({"Mish", "Gelu", "HardSwish"}) else None
    )


silu.bad(lambda g: g.conv(8, 16).silu())
silu.good(lambda g: g.conv(8, 16).relu())


@rule("RKN906", "pool-pyramid", Level.NOTE, on=Model, confidence="measured")
def pool_pyramid(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """Pools of several sizes side by side, where a chain gives the same.

    What it does: finds maximum pools of one map with stride 1 and windows like 5, 9 and 13 (SPP).

    Why it matters: the NPU pools up to 7x7 at a time; larger windows become two layers or three.

    What to do instead: the smallest pool, once again on its own result, and so on: two 5x5 see 9x9, three see 13x13.
    This is SPPF, and exact.

    Fix safety: safe; the chain gives the same values.

    Source: rknn-toolkit2 2.5.0, measured; rknn_model_zoo's patch of SPP.
    """
    for pools in pyramids(model.graph):
        sides = [int(node.attributes["kernel_shape"][0]) for node in pools]
        layers = sum(1 if side <= 7 else 2 if side <= 13 else 3 for side in sides)
        chain = (max(sides) - 1) // (sides[0] - 1)
        if chain < layers:
            words = " and ".join(str(side) for side in sides)
            small = f"{sides[0]}x{sides[0]}"
            text = f"pools of {words} side by side are {layers} layers; {chain} chained {small} give the same"
            chained = Fix("chain-spp", "safe", "small pools, each behind the one before")
            yield offering(Found(text, node=pools[-1].name), model.graph, chained)


pool_pyramid.bad(
    lambda g: g.conv(8, 16).branch(
        lambda b: b.max_pool(5, 1, (2, 2, 2, 2)),
        lambda b: b.max_pool(9, 1, (4, 4, 4, 4)),
        lambda b: b.max_pool(13, 1, (6, 6, 6, 6)),
        join="Concat",
    )
)
pool_pyramid.good(lambda g: g.conv(8, 16).max_pool(5, 1, (2, 2, 2, 2)).max_pool(5, 1, (2, 2, 2, 2)))


@rule("RKN907", "unaligned-channels", Level.NOTE, on=Model, confidence="measured")
def unaligned_channels(model: Model, plan: Plan, npu: Target) -> Iterator[Found]:
    """Concatenated maps whose channels do not fill whole blocks.

    What it does: looks at the channels of what is concatenated, in blocks of {channel_bytes} bytes: so many channels
    in int8, half as many in float16.

    Why it matters: a map lies in blocks of channels, and the one behind an unfilled block cannot simply be put next to
    it: the toolkit computes a convolution for every member and adds them up, or copies.

    What to do instead: multiples of the block as channels; the model loses nothing by having more.

    Source: rknn-toolkit2 2.5.0, measured.
    """
    if npu.limit("toolkit") == 1:
        return
    block = int(npu.limit("channel_bytes")) // (1 if npu.options["quantized"] else 2)
    for node, odd in unaligned_members(model.graph, block):
        words = " and ".join(map(str, odd[:4]))
        yield Found(f"joins maps of {words} channels, which are no multiples of {block}", node=node.name)


unaligned_channels.bad(
    lambda g: g.conv(8, 16).branch(lambda b: b.conv(16, 20), lambda b: b.conv(16, 12), join="Concat")
)
unaligned_channels.good(
    lambda g: g.conv(8, 16).branch(lambda b: b.conv(16, 32), lambda b: b.conv(16, 16), join="Concat")
)


def _on_npu(plan: Plan, name: str) -> bool:
    """The node has a layer, and all it has are on the NPU: the toolkit rewrites it by itself."""
    units = {step.unit for step in plan.steps if name in step.nodes}
    return units == {"npu"}


def _counted(names: Sequence[str], noun: str) -> str:
    return f"{len(names)} {noun}" if len(names) == 1 else f"{len(names)} {noun}s"


RULES: list[Rule] = [
    joined_scores_in_int8,
    uncut_head,
    focus,
    unfused_spelling,
    bound_by_constant,
    silu,
    pool_pyramid,
    unaligned_channels,
]
