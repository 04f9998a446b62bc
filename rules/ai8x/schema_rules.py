"""50x and 51x: what izer refuses while it reads the YAML."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .example import described
from .wording import refused


@rule("AIX501", "unknown-key", Level.ERROR, on=Document, confidence="measured")
def unknown_key(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Key that izer does not know.

    What it does: compares every key of the file, of its layers and of unload and data_buffer with those izer reads,
    and names the nearest one.

    Why it matters: izer stops, and names the key but not the layer. PyTorch's words differ: padding is pad here.

    What to do instead: the key that is offered; or take the key out.

    Source: izer/yamlcfg.py 107-191, 701-786; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "unknown-key")


unknown_key.bad(lambda: described({"padding": 1}))
unknown_key.bad(lambda: described(network="example"))
unknown_key.good(lambda: described({"pad": 1}))


@rule("AIX502", "duplicate-key", Level.ERROR, on=Document, confidence="source")
def duplicate_key(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Key that is there twice, or two keys for one thing.

    What it does: finds keys that a mapping has twice, and pairs of which izer takes one: op, operation, operator and
    convolution; activate and activation; groups and conv_groups; read_gap and in_skip; bias_group and bias_quadrant.

    Why it matters: izer stops. Most YAML readers would take the last one without a word.

    What to do instead: keep the one that is meant.

    Source: izer/yamlcfg.py 48, 283, 300, 320, 521, 537.
    """
    yield from refused(plan, "duplicate-key")


duplicate_key.bad(lambda: described({"activation": "ReLU"}))
duplicate_key.good(lambda: described({"activation": "ReLU", "activate": None}))


@rule("AIX503", "missing-key", Level.ERROR, on=Document, confidence="source")
def missing_key(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Key that must be there and is not.

    What it does: looks for arch, dataset and layers, and for what every entry of unload and data_buffer needs.

    Why it matters: izer stops. It takes the name of the sample input from dataset, and compares arch with the
    checkpoint's.

    What to do instead: add the key; arch is the name of the network's function in ai8x-training.

    Source: izer/yamlcfg.py 113, 704, 786.
    """
    yield from refused(plan, "missing-key")


missing_key.bad(lambda: described(dataset=None))
missing_key.good(lambda: described(dataset="cifar10"))


@rule("AIX504", "wrong-type", Level.ERROR, on=Document, confidence="source")
def wrong_type(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Value of another kind than izer works with.

    What it does: finds text where a number belongs (a number in quotes), numbers where a word belongs, lists of the
    wrong length, and layers that are no mapping.

    Why it matters: izer does not look at the kind first: it crashes with a Python traceback that names no layer.

    What to do instead: the value as the message says; numbers, also 0x2000, are written without quotes.

    Source: izer/yamlcfg.py 196-630: values are compared and lowered as they are.
    """
    yield from refused(plan, "wrong-type")


wrong_type.bad(lambda: described({"pad": "1"}))
wrong_type.bad(lambda: described({"activate": True}))
wrong_type.good(lambda: described({"max_pool": [2, 1], "pool_stride": 2}))


@rule("AIX505", "processors-missing", Level.ERROR, on=Document, confidence="measured")
def processors_missing(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Layer without a processor map, or with one that is no map.

    What it does: looks for processors in every layer, and reads it and output_processors as izer does: a number, or
    hexadecimal digits with dots and underscores between.

    Why it matters: every input channel is read by one processor, and izer has no default for which; it stops.

    What to do instead: one bit for every input channel (up to {processors}; more channels share them), for example
    0x0000.0000.0000.ffff for 16.

    Source: izer/yamlcfg.py 211-225; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "processors-missing")


processors_missing.bad(lambda: described({"processors": None}))
processors_missing.bad(lambda: described({"output_processors": "0x1.0000.0000.0000.0000"}))
processors_missing.good(lambda: described({"processors": "0x0000.0000.0000_000f"}))


@rule("AIX506", "unknown-word", Level.ERROR, on=Document, confidence="measured")
def unknown_word(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Operator, activation, element-wise operation or data format that izer does not know.

    What it does: compares these words with those izer takes, in upper or lower case.

    Why it matters: izer stops. The chip has ReLU, absolute value and none as activations, and adds, subtracts, ors and
    xors maps; it does not multiply them, and there is no batch normalisation and no upsampling.

    What to do instead: the word that is offered. ReLU6 and the like: train with ReLU. Batch normalisation is folded
    into the convolution before it, and has no layer here. Upsampling is a convtranspose2d.

    Source: izer/yamlcfg.py 310, 362, 402, 426; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "unknown-word")


unknown_word.bad(lambda: described({"activate": "ReLU6"}))
unknown_word.bad(lambda: described({"op": "batchnorm"}))
unknown_word.bad(lambda: described({"data_format": "NCHW"}))
unknown_word.good(lambda: described({"activate": "relu", "op": "Conv2d", "data_format": "little"}))


@rule("AIX507", "too-many-layers", Level.ERROR, on=Document, confidence="measured")
def too_many_layers(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """More layers than the chip has registers for.

    What it does: counts the layers of the file; the chip has {max_layers}.

    Why it matters: izer stops at the first layer too many.

    What to do instead: pools and element-wise operations run inside the layer behind them and cost none: put max_pool
    or eltwise into the convolution. Else fewer layers, or the MAX78002, which has more.

    Source: izer/yamlcfg.py 198; izer/tornadocnn.py; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "too-many-layers")


too_many_layers.bad(lambda: described(*[{}] * 33))
too_many_layers.good(lambda: described(*[{}] * 32))


@rule("AIX508", "value-range", Level.ERROR, on=Document, confidence="measured")
def value_range(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Value outside what the key takes.

    What it does: looks at quantization ({weight_bits} or bin), output_width (8 or 32), operands (2 to {max_operands}),
    in_dim (a number or two), and at pad, output_pad, buffer_shift and buffer_insert for negative numbers.

    Why it matters: izer stops.

    What to do instead: a value as the message says.

    Source: izer/yamlcfg.py 259, 277, 375, 416, 431, 579, 611-627; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "value-range")


value_range.bad(lambda: described({"quantization": 3}))
value_range.bad(lambda: described({"output_width": 16}))
value_range.good(lambda: described({"quantization": "BIN", "output_width": 8}))


@rule("AIX509", "kernel-size", Level.ERROR, on=Document, confidence="measured")
def kernel_size(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Kernel of a size that the chip does not have.

    What it does: reads kernel_size: 1x1 or 3x3 for conv2d, 3x3 for convtranspose2d, 1 to {max_conv1d_kernel} for
    conv1d, none for linear layers.

    Why it matters: a processor multiplies nine values at a time; izer stops at anything else.

    What to do instead: two 3x3 see as far as one 5x5 and three as far as one 7x7, and have to be trained. A 2x2 kernel
    becomes a 3x3 one with a row and a column of zeros and another pad. In linear layers take the key out.

    Source: izer/yamlcfg.py 436-453; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "kernel-size")


kernel_size.bad(lambda: described({"kernel_size": "5x5", "pad": 2}))
kernel_size.bad(lambda: described({"op": "conv1d", "kernel_size": 10}))
kernel_size.good(lambda: described({"op": "conv1d", "kernel_size": 9}))


@rule("AIX510", "stride-value", Level.ERROR, on=Document, confidence="measured")
def stride_value(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Stride that izer does not even read.

    What it does: finds strides that differ in both directions, a stride beside a pool, and transposed convolutions
    with another stride than 2.

    Why it matters: izer stops. The stride of a convolution is 1 on this chip; what leaves out pixels is a pool, and
    runs before the convolution.

    What to do instead: stride 1, and max_pool: 1 with pool_stride: 2 in the next layer, which reads the same pixels as
    a convolution with stride 2 writes. In the same layer it is exact for 1x1 kernels only.

    Source: izer/yamlcfg.py 462-470; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "stride-value")


stride_value.bad(lambda: described({"max_pool": 2, "pool_stride": 2, "stride": 2}))
stride_value.bad(lambda: described({"stride": [1, 2]}))
stride_value.good(lambda: described({"max_pool": 2, "pool_stride": 2, "stride": 1}))


@rule("AIX511", "key-without-use", Level.ERROR, on=Document, confidence="measured")
def key_without_use(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Key that needs another one in its layer.

    What it does: finds operands without an element-wise operation, dilation without a convolution, pool_dilation
    without a pool, pool_first: false without both a pool and an element-wise operation, and buffer keys without the
    buffer's name or offset.

    Why it matters: izer stops.

    What to do instead: add the key that is named, or take this one out.

    Source: izer/yamlcfg.py 385, 413, 574, 611-627, 774; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "key-without-use")


key_without_use.bad(lambda: described({"pool_first": False}))
key_without_use.bad(lambda: described({"operands": 2}))
key_without_use.good(lambda: described({"pool_first": True}))


@rule("AIX512", "layer-name", Level.ERROR, on=Document, confidence="measured")
def layer_name(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Name of a layer that is taken or reserved.

    What it does: compares the names of all layers without regard to case, and with input and stop.

    Why it matters: in_sequences finds layers by these names; izer stops.

    What to do instead: another name.

    Source: izer/yamlcfg.py 595-597; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "layer-name")


layer_name.bad(lambda: described({"name": "conv"}, {"name": "Conv"}))
layer_name.bad(lambda: described({"name": "stop"}))
layer_name.good(lambda: described({"name": "conv1"}, {"name": "conv2"}))


@rule("AIX513", "unknown-layer", Level.ERROR, on=Document, confidence="measured")
def unknown_layer(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Name of a layer that is not in the file.

    What it does: looks up the names in in_sequences, next_sequence, simulated_sequence and weight_source.

    Why it matters: izer stops.

    What to do instead: the name that is offered, the number of the layer, or input for the network's own input.

    Source: izer/names.py 39; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "unknown-layer")


unknown_layer.bad(lambda: described({"name": "conv1"}, {"in_sequences": "conv2"}))
unknown_layer.good(lambda: described({"name": "conv1"}, {"in_sequences": "CONV1"}))


@rule("AIX514", "sequence-taken", Level.ERROR, on=Document, confidence="source")
def sequence_taken(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Two layers with one place in the order.

    What it does: follows sequence, which sets a layer's place; layers behind it count on from there.

    Why it matters: izer stops.

    What to do instead: take sequence out: layers run in the order of the file.

    Source: izer/yamlcfg.py 201.
    """
    yield from refused(plan, "sequence-taken")


sequence_taken.bad(lambda: described({}, {"sequence": 0}))
sequence_taken.good(lambda: described({}, {"sequence": 1}))


@rule("AIX515", "switch-as-text", Level.ERROR, on=Document, confidence="source")
def switch_as_text(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """A switch turned off with text, which turns it on.

    What it does: finds words for false as text in flatten, streaming, pool_first, bypass, output and other switches:
    "false" in quotes, or n, which YAML reads as text.

    Why it matters: izer takes every text but the empty one for true, and says nothing.

    What to do instead: false without quotes, or take the key out.

    Source: izer/yamlcfg.py 474-489: bool() of the value, which fails for nothing.
    """
    yield from refused(plan, "switch-as-text")


switch_as_text.bad(lambda: described({"flatten": "n"}))
switch_as_text.good(lambda: described({"flatten": False}))

RULES = [
    *(unknown_key, duplicate_key, missing_key, wrong_type, processors_missing, unknown_word, too_many_layers),
    *(value_range, kernel_size, stride_value, key_without_use, layer_name, unknown_layer, sequence_taken),
    switch_as_text,
]
