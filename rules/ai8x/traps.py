"""571 to 589: settings that the tool takes and that often do not mean what their author thinks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .example import described
from .kernel_memory import hardware_kernel, kernel_words
from .network import INPUT
from .resolve import resolve

ONE = (1, 1)
FLAT = {"processors": 0xF, "op": "linear", "kernel_size": None, "pad": None, "flatten": True, "activate": None}
POINT = {"conv.op.weight": (4, 4, 3, 3), "fc.op.weight": (4, 4)}


@rule("AIX571", "format-not-as-named", Level.WARNING, on=Document)
def format_not_as_named(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """The file's name or its first comment says CHW and the first layer reads HWC, or the other way round.

    What it does: looks for the words chw and hwc in the file's name and in comments before the layers, and compares
    them with data_format, which is HWC where it is not given.

    Why it matters: CHW ("big data") puts every channel into a memory instance of its own, HWC ("little data") packs
    four channels into a word. Processors, memory and the code that loads the input differ. The tool goes by
    data_format alone, and an input loaded the other way is noise.

    What to do instead: data_format: CHW with processors in different memory instances (0x1111 for 4 channels), or a
    name and comment that say HWC.

    Source: izer/yamlcfg.py 426; README.md, Data Memory.
    """
    layers = description.values.get("layers")
    first = layers[0] if isinstance(layers, list) and layers and isinstance(layers[0], dict) else None
    if first is None:
        return
    written = first.get("data_format")
    meant = "CHW" if str(written or "hwc").lower() in ("chw", "big") else "HWC"
    for where, text in (("name", PurePath(description.path).stem), ("comment", _first_comments(description.text))):
        said = {word.upper() for word in re.findall(r"(?<![a-z])(chw|hwc)(?![a-z])", text.lower())}
        if len(said) == 1 and meant not in said:
            given = f"data_format is {written}" if written is not None else "data_format is not given, so HWC"
            key = "layers.0.data_format" if written is not None else "layers.0"
            yield Found(f"the file's {where} says {said.pop()}, and {given}", key=key)
            return


def _first_comments(text: str) -> str:
    """Comments before the list of layers."""
    before = re.split(r"^layers\s*:", text, maxsplit=1, flags=re.MULTILINE)[0]
    return "\n".join(line.partition("#")[2] for line in before.splitlines())


format_not_as_named.bad(lambda: replace(described({"data_format": "HWC"}), path="gesture-chw.yaml"))
format_not_as_named.bad(lambda: replace(described({}), text="# input is CHW\narch: example\n"))
format_not_as_named.good(lambda: replace(described({"data_format": "HWC"}), path="gesture-hwc.yaml"))


@rule("AIX572", "pool-for-stride", Level.NOTE, on=Document, confidence="measured")
def pool_for_stride(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A pool of 1x1 with a stride in the same layer as a convolution larger than 1x1.

    What it does: finds layers that step over pixels (max_pool: 1 or avg_pool: 1, or pool_stride alone) before a
    convolution with a kernel larger than 1.

    Why it matters: the accelerator has no strided convolution, and this looks like one. It is none: the pixels are
    dropped before the convolution sees them, so that the kernel covers a larger and sparser part of the map. A
    network trained with a strided convolution gives other results, and nothing is printed.

    What to do instead: stride 1 here, and the pool of 1x1 with the stride in the next layer: exactly the strided
    convolution, at stride times stride the output memory and work of this layer. Where the network was trained with
    ai8x's fused pool of 1x1 it is right as it is. With a 1x1 convolution both are the same.

    Source: ai8x-training ai8x.py (pool, then convolution); compared for kernels 1 and 3, strides 2 and 3: in the next
    layer no difference, in the same layer none only for 1x1.
    """
    for layer in resolve(description, target):
        convolves = layer.op in ("conv2d", "conv1d", "convtranspose2d") and max(layer.kernel) > 1
        if convolves and layer.pool in (None, ONE) and max(layer.pool_stride) > 1:
            size = "x".join(map(str, layer.kernel))
            stride = " by ".join(map(str, dict.fromkeys(layer.pool_stride)))
            message = f"keeps one pixel in {stride} before its {size} convolution; this is no convolution with a stride"
            text = "stride 1 here; max_pool: 1 and the pool_stride in the next layer"
            fix = Fix("stride-in-next-layer", "display", text)
            yield Found(message, node=layer.name, fix=fix, key=layer.key("pool_stride"))


pool_for_stride.bad(lambda: described({"max_pool": 1, "pool_stride": 2}))
pool_for_stride.good(lambda: described({"max_pool": 2, "pool_stride": 2}))
pool_for_stride.good(
    lambda: described(
        {"max_pool": 1, "pool_stride": 2, "kernel_size": "1x1", "pad": 0}, weights={"c.op.weight": (4, 4, 1, 1)}
    )
)


@rule("AIX573", "mask-with-gaps", Level.NOTE, on=Document, confidence="measured")
def mask_with_gaps(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """Gaps in output_processors take kernel memory.

    What it does: computes the words of kernel memory that a layer's weights take in every processor, and those they
    would take were its output processors side by side.

    Why it matters: the number of set bits is all that the tool checks, and the weights of a layer are stored for every
    processor from the first to the last of the mask, whether set or not. There are {kernel_words} words in a
    processor.

    What to do instead: processors side by side, beginning at a multiple of 4: 0x3f for 6 channels, not 0xf9. The next
    layer's processors are the same mask.

    Source: izer/kernels.py; words measured for 1,792 layers.
    """
    network = resolve(description, target)
    for number, layer in enumerate(network):
        mask = layer.output_processors or 0
        if not layer.weighted or not mask or not layer.in_channels or not layer.out_channels or not layer.processors:
            continue
        lowest = (mask & -mask).bit_length() - 1
        packed = ((1 << mask.bit_count()) - 1) << lowest
        if packed == mask or packed >> 64:
            continue
        kernel = hardware_kernel(network, number, target)
        now = kernel_words(layer, kernel, network)
        then = kernel_words(replace(layer, output_processors=packed), kernel, network)
        if then < now:
            owner = layer.key("output_processors")
            message = (
                f"{mask.bit_count()} output processors with gaps ({mask:#x}) take {now} kernel words in every "
                f"processor, side by side ({packed:#x}) {then}"
            )
            yield Found(message, node=layer.name, key=owner)


mask_with_gaps.bad(lambda: described({"output_processors": 0x1B}, {"processors": 0x1B}))
mask_with_gaps.good(lambda: described({"output_processors": 0xF0}, {"processors": 0xF0}))


@rule("AIX574", "flatten-not-needed", Level.NOTE, on=Document, confidence="measured")
def flatten_not_needed(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """flatten on a map that is one pixel already.

    What it does: finds layers with flatten: true whose input, behind their own pool, is 1x1.

    Why it matters: the tool warns. The layer takes another way through the hardware and, with gaps in its output
    processors, more kernel memory.

    What to do instead: take flatten away; the result is the same.

    Source: izer/izer.py 552; measured.
    """
    for layer in resolve(description, target):
        if layer.flatten and (layer.pooled_dim or layer.in_dim) == ONE:
            said = f"{layer.prefix}`flatten` is not needed since input dimensions are 1x1."
            fix = Fix("drop-flatten", "display", "take flatten away")
            yield Found(
                "the input is one pixel, and flatten does nothing", said, layer.name, fix, key=layer.key("flatten")
            )


flatten_not_needed.bad(lambda: described({"max_pool": 8, "kernel_size": "3x3"}, FLAT, weights=POINT, shape=(4, 8, 8)))
flatten_not_needed.good(lambda: described({}, FLAT, weights={"conv.op.weight": (4, 4, 3, 3), "fc.op.weight": (4, 256)}))


@rule("AIX575", "pool-before-add", Level.WARNING, on=Document, confidence="documented")
def pool_before_add(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """A pool and an element-wise operation in one layer, in an order that nobody chose.

    What it does: finds element-wise layers with a pool larger than 1x1 in which pool_first is not given. It is true
    then: each operand is pooled, and the results are added.

    Why it matters: max(a) + max(b) is not max(a + b). Averages differ by their rounding. Networks in PyTorch mostly
    add first. The tool computes its known answer in its own order, so its test passes either way.

    What to do instead: pool_first: false where the network adds and then pools; pool_first: true where it is meant.

    Source: README.md, pool_first; izer/yamlcfg.py.
    """
    for layer in resolve(description, target):
        pools = layer.pool is not None and layer.pool != ONE
        if layer.eltwise != "none" and pools and "pool_first" not in layer.keys:
            message = f"{layer.pool_kind}_pool runs on each operand before {layer.eltwise}, as pool_first is not given"
            fix = Fix("pool-first-false", "display", "pool_first: false adds first")
            yield Found(message, node=layer.name, fix=fix, key=layer.key(f"{layer.pool_kind}_pool"))


_SUM = {"processors": 0xF, "in_sequences": [0, 1], "in_offset": 0x2000, "eltwise": "add", "operands": 2}
_POOLED = {**_SUM, "out_offset": 0, "avg_pool": 2, "pool_stride": 2}
_FIRST = {"out_offset": 0x2000, "write_gap": 1}
_SECOND = {"in_sequences": "input", "in_offset": 0, "out_offset": 0x2004, "write_gap": 1}
pool_before_add.bad(lambda: described(_FIRST, _SECOND, _POOLED))
pool_before_add.good(lambda: described(_FIRST, _SECOND, {**_POOLED, "pool_first": False}))


@rule("AIX576", "in-offset-of-another-layer", Level.WARNING, on=Document, confidence="measured")
def in_offset_of_another_layer(description: Document, plan: Plan, target: Target) -> Iterator[Found]:
    """in_sequences names a layer, and without in_offset another layer's place is read.

    What it does: finds layers with in_sequences and no in_offset where the layer executed before, whose out_offset
    becomes the default, writes to another offset than the first layer in in_sequences.

    Why it matters: in_sequences tells the tool the shapes and the values for its known answer, in_offset tells the chip
    where to read. The chip reads the previous layer's output. Nothing is printed where in_offset is not given.

    What to do instead: in_offset with the out_offset of the layer that in_sequences names; 0 for the input unless the
    first layer has an in_offset.

    Source: izer/izer.py 439; measured.
    """
    network = resolve(description, target)
    for number, layer in enumerate(network):
        if layer.in_sequences is None or "in_offset" in layer.keys or number == 0:
            continue
        source = layer.in_sequences[0] if layer.in_sequences else INPUT
        if not INPUT <= source < number:
            continue
        theirs = network.layers[0].in_offset if source == INPUT else network.layers[source].out_offset
        if theirs != layer.in_offset:
            what = "the input lies" if source == INPUT else f"layer {network.layers[source].label} writes"
            message = f"{what} at 0x{theirs:04x}, and in_offset is not given, so 0x{layer.in_offset:04x}"
            yield Found(message, node=layer.name, key=layer.key("in_sequences"))


in_offset_of_another_layer.bad(lambda: described({"name": "a"}, {}, {"in_sequences": "a", "out_offset": 0x4000}))
in_offset_of_another_layer.good(
    lambda: described({"name": "a"}, {}, {"in_sequences": "a", "in_offset": 0x2000, "out_offset": 0x4000})
)


RULES = [
    format_not_as_named,
    pool_for_stride,
    mask_with_gaps,
    flatten_not_needed,
    pool_before_add,
    in_offset_of_another_layer,
]
