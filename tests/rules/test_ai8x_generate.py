"""Descriptions made from networks: every one is right, or the network is refused with a reason."""

from __future__ import annotations

import random
from typing import Any

import pytest

from lintmodel import api
from lintmodel.errors import NotExpressible
from lintmodel.ir import Graph, GraphBuilder
from lintmodel.normalize import normalize
from lintmodel.registry import pack_for
from lintmodel.rules.ai8x.generate import described, example_document, proof, written
from lintmodel.rules.ai8x.replay import replay
from lintmodel.rules.ai8x.resolve import resolve
from lintmodel.target import Target, load_target

CHIPS = ("max78000", "max78002")


def residual(g: GraphBuilder, channels: int, depth: int) -> None:
    def block(b: GraphBuilder) -> GraphBuilder:
        for _ in range(depth):
            b.conv(channels, channels).relu()
        return b.conv(channels, channels)

    g.branch(lambda b: b, block)


def random_network(seed: int) -> Graph:
    """A classifier of convolutions, pools, residual blocks and at times a concatenation."""
    dice = random.Random(seed)
    size, channels = dice.choice([16, 24, 28, 32, 48, 60]), dice.choice([1, 2, 3, 4, 8, 12])
    g = GraphBuilder().input(1, channels, size, size)
    for _ in range(dice.randint(2, 6)):
        out = dice.choice([4, 8, 16, 20, 32, 48, 60, 64, 100])
        kernel = dice.choice([1, 3, 3])
        g.conv(channels, out, kernel=kernel, bias=dice.random() < 0.5)
        channels = out
        if dice.random() < 0.3:
            g.batch_norm(channels)
        if dice.random() < 0.7:
            g.relu()
        kind = dice.random()
        if kind < 0.4 and channels <= 64:
            residual(g, channels, dice.randint(0, 2))
        elif kind < 0.5 and channels % 4 == 0 and channels <= 32:
            g.branch(lambda b, c=channels: b.conv(c, 8), lambda b, c=channels: b.conv(c, 24).relu(), join="Concat")
            channels = 32
        if size >= 8 and dice.random() < 0.6:
            pooled = g.max_pool(2) if dice.random() < 0.5 else g.average_pool(2)
            size //= 2
            pooled.conv(channels, channels, kernel=1)
    if size <= 16:
        g.global_average_pool() if channels <= 64 and dice.random() < 0.3 else g
    return normalize(g.flatten().gemm(int(g.shape[1]), 10).graph(f"random {seed}"))


def conv1d(g: GraphBuilder, inputs: int, outputs: int, kernel: int, pad: int) -> GraphBuilder:
    batch, _, length = (int(n) for n in g.shape)
    shape = (batch, outputs, length + 2 * pad - kernel + 1)
    weights = g.zeros(outputs, inputs, kernel), g.zeros(outputs)
    return g.op("Conv", *weights, shape=shape, strides=(1,), pads=(pad, pad), dilations=(1,), group=1)


def pool1d(g: GraphBuilder, kernel: int) -> GraphBuilder:
    batch, channels, length = (int(n) for n in g.shape)
    shape = (batch, channels, length // kernel)
    return g.op("MaxPool", shape=shape, kernel_shape=(kernel,), strides=(kernel,), pads=(0, 0))


def unet(g: GraphBuilder) -> GraphBuilder:
    skip = g.conv(4, 16, size=16).relu().current
    g.max_pool(2).conv(16, 32).relu()
    up = g.conv_transpose(32, 16, kernel=3, stride=2, pad=1, output_padding=1).current
    return g.at(skip).op("Concat", up, shape=(1, 32, 16, 16), axis=1).conv(32, 8)


def densely_connected(g: GraphBuilder) -> GraphBuilder:
    first = g.conv(4, 8, size=16).current
    second = g.conv(8, 8).current
    third = g.at(first).op("Concat", second, shape=(1, 16, 16, 16), axis=1).conv(16, 8).current
    return g.at(first).op("Concat", second, third, shape=(1, 24, 16, 16), axis=1).conv(24, 8)


def passes_all(graph: Graph, target: Target) -> str:
    found, placed = described(graph, target)
    text = written(graph, found, placed, target)
    document = example_document(text, found, placed)
    network = resolve(document, target)
    replayed = replay(network, target)
    assert replayed.errors == ()
    assert [entry.layer for entry in replayed.unchecked if not placed.chw] == []
    assert [layer.out_dim for layer in network] == [layer.result[1:] for layer in placed.layers]
    assert [layer.out_channels for layer in network] == [layer.result[0] for layer in placed.layers]
    assert proof(document, target) == []
    report = api.check_graph(document, target)
    assert (report.verdict, [f"{f.rule} {f.message}" for f in report.findings]) == ("accepted", [])
    return text


@pytest.mark.parametrize("chip", CHIPS)
def test_random_networks(chip: str) -> None:
    target = load_target(chip)
    made, refused = 0, []
    for seed in range(60):
        graph = random_network(seed)
        try:
            passes_all(graph, target)
        except NotExpressible as error:
            refused.append(str(error))
            continue
        made += 1
    assert made >= 30, refused
    for sentence in refused:
        assert sentence.startswith("layer '") and "; " in sentence


@pytest.mark.parametrize("chip", CHIPS)
@pytest.mark.parametrize(
    "make",
    [
        lambda g: g.conv(3, 16).relu().max_pool(2).conv(16, 32).relu(),
        lambda g: g.conv(3, 8, size=90, pads=0).relu(),
        lambda g: g.conv(8, 16).branch(lambda b: b, lambda b: b, join="Add").conv(16, 8),
        lambda g: g.conv(8, 16).max_pool(2).branch(lambda b: b.conv(16, 16), lambda b: b, lambda b: b, join="Sum"),
        lambda g: g.input(1, 8, 16, 16).branch(lambda b: b, lambda b: b.conv(8, 8)),
        lambda g: g.conv(4, 16, size=8).conv_transpose(16, 8, kernel=3, stride=2, pad=1, output_padding=1),
        lambda g: g.conv(4, 8).branch(lambda b: b.conv(8, 8), lambda b: b.conv(8, 8), join="Concat").conv(16, 4),
        lambda g: g.conv(4, 8).max_pool(2).flatten().gemm(2048, 10),
        lambda g: g.conv(2, 100, size=12).relu().conv(100, 12),
        lambda g: conv1d(pool1d(conv1d(g.input(1, 12, 64), 12, 20, 3, 1).relu(), 2), 20, 32, 5, 2),
        lambda g: pool1d(conv1d(g.input(1, 12, 64), 12, 20, 3, 1).relu(), 2).flatten().gemm(640, 10),
        unet,
        densely_connected,
        lambda g: g.conv(4, 8).output().conv(8, 8),
        lambda g: g.conv(4, 8).max_pool(2).relu().conv(8, 8),
        lambda g: g.conv(4, 64, size=12).global_average_pool().flatten().gemm(64, 10),
        lambda g: g.conv(4, 16).branch(lambda b: b.conv(16, 16), lambda b: b, join="Sub").max_pool(2).conv(16, 16),
        lambda g: g.input(1, 3, 32, 32).average_pool(2),
    ],
)
def test_forms(chip: str, make: Any) -> None:
    graph = normalize(make(GraphBuilder()).graph())
    passes_all(graph, load_target(chip))


@pytest.mark.parametrize(
    "make",
    [
        lambda g: g.conv(4, 128, size=16).max_pool(2).branch(lambda b: b.conv(128, 128), lambda b: b).conv(128, 16),
        lambda g: g.conv(4, 24).depthwise(24).relu().conv(24, 24, kernel=1).depthwise(24),
        lambda g: g.conv(4, 96, size=16).depthwise(96).relu().conv(96, 24, kernel=1),
    ],
)
def test_forms_of_the_larger_chip(make: Any) -> None:
    graph = normalize(make(GraphBuilder()).graph())
    passes_all(graph, load_target("max78002"))
    with pytest.raises(NotExpressible, match="exact: "):
        described(graph, load_target("max78000"))


def test_the_pack_keeps_its_functions() -> None:
    pack: Any = pack_for("ai8x")
    graph = normalize(GraphBuilder().conv(3, 8).graph())
    target = load_target("max78000")
    text = pack.generate(graph, target)
    assert text == pack.generate(graph, target)
    assert pack.plan(graph, target).verdict == "accepted"


def test_large_input_comes_in_planes() -> None:
    graph = normalize(GraphBuilder().conv(3, 8, size=(96, 96), pads=0).max_pool(2).graph())
    with pytest.raises(NotExpressible, match="input smaller"):
        described(graph, load_target("max78000"))  # the first output does not fit
    graph = normalize(GraphBuilder().input(1, 3, 96, 96).max_pool(2).conv(3, 8).graph())
    text = passes_all(graph, load_target("max78000"))
    assert "data_format: CHW" in text and "0x0000000000000111" in text


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda g: g.conv(3, 8, stride=2), "stride is 2x2"),
        (lambda g: g.conv(3, 8).sigmoid(), "ReLU and Abs"),
        (lambda g: g.conv(3, 8, size=120), "smaller|earlier"),
        (lambda g: g.conv(64, 64).conv(64, 512).conv(512, 512), "weights"),
    ],
)
def test_refused_in_one_sentence(make: Any, words: str) -> None:
    graph = normalize(make(GraphBuilder()).graph())
    pack: Any = pack_for("ai8x")
    with pytest.raises(NotExpressible, match=words) as caught:
        pack.generate(graph, load_target("max78000"))
    assert "\n" not in str(caught.value) and "layer '" in str(caught.value)
