"""What izer refuses of a checkpoint, and where it does not fit the description.

izer hands the weights out in the order of the file (``izer/checkpoint.py``), whatever their names.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from lintmodel.ir import Checkpoint, Document, StoredTensor
from lintmodel.planning import Refusal
from lintmodel.target import Target

from .network import Layer, Network
from .wording import problem

_BIAS_BITS = 8
_OWN_TESTS = "test"
"""The arch of izer's own tests, whose weights it takes from files beside them; it reads no checkpoint then."""


def refusals(network: Network, document: Document, target: Target) -> tuple[Refusal, ...]:
    """Everything that izer refuses, crashes on or misreads while it reads the checkpoint."""
    if document.checkpoint is None or not read_by_izer(document):
        return ()
    return tuple(_refusals(network, document.checkpoint))


def read_by_izer(document: Document) -> bool:
    """izer looks at the checkpoint at all."""
    return document.values.get("arch") != _OWN_TESTS


def weight_tensors(checkpoint: Checkpoint) -> list[tuple[str, StoredTensor]]:
    """What izer takes for weights: the tensors called ``weight``, in the order of the file."""
    return [(name, tensor) for name, tensor in checkpoint.tensors.items() if name.endswith(".weight")]


def with_weights(layers: Sequence[Layer]) -> list[Layer]:
    """The layers that take a tensor of the checkpoint, in order."""
    return [layer for layer in layers if layer.weighted and layer.keys.get("weight_source") is None]


def _refusals(network: Network, checkpoint: Checkpoint) -> Iterator[Refusal]:
    yield from _entries(network.arch, checkpoint)
    if not checkpoint.has_state:
        return
    layers = with_weights(network.layers)
    yield from _unfolded(checkpoint, len(layers))
    tensors = [(name, tensor) for name, tensor in weight_tensors(checkpoint) if len(tensor.shape) > 1]
    for layer, (name, tensor) in zip(layers, tensors, strict=False):
        yield from _kernel(layer, name, tensor)
        yield from _width(layer, name, tensor)
        if "--no-bias" not in network.args:
            yield from _bias(layer, name, checkpoint)
    yield from _not_quantised(list(islice(tensors, len(layers))))
    if len(layers) > len(tensors):
        first, count = layers[len(tensors)], len(network)
        says = f"no weights for this layer: the checkpoint has {len(tensors)} tensors for {len(layers)} layers"
        said = (
            f"Number of layers in the YAML configuration file ({count}) does not match the checkpoint file "
            f"({count - len(layers) + len(tensors)})."
        )
        yield problem("checkpoint-too-short", first.key(), says, said, first.name)


def _entries(arch: str, checkpoint: Checkpoint) -> Iterator[Refusal]:
    if not checkpoint.has_state:
        says = "the checkpoint has no state_dict; give the file that quantize.py writes"
        yield problem("checkpoint-incomplete", "", says, "No `state_dict` in checkpoint file.")
    theirs = checkpoint.entries.get("arch")
    if isinstance(theirs, str) and arch and theirs.lower() != arch.lower():
        said = (
            f"Network architecture of configuration file ({arch}) does not match network architecture of "
            f"checkpoint file ({theirs})."
        )
        yield problem("checkpoint-arch", "arch", f"the checkpoint is of {theirs}, not of {arch}", said)
    if "epoch" not in checkpoint.entries:
        says = "the checkpoint has no epoch; give the file that quantize.py writes"
        yield problem("checkpoint-incomplete", "", says, "No `epoch` in checkpoint file.")


def _unfolded(checkpoint: Checkpoint, layers: int) -> Iterator[Refusal]:
    """Vectors called weight before the last layer has its tensor: batch normalisation, mostly."""
    taken = 0
    for name, tensor in weight_tensors(checkpoint):
        if taken >= layers:
            return
        if len(tensor.shape) > 1:
            taken += 1
            continue
        said = (
            f"The checkpoint file contains 1-dimensional weights for `{name}` with dimensions "
            f"({', '.join(map(str, tensor.shape))},)."
        )
        if name.endswith(".bn.weight"):
            says = f"{name} is batch normalisation that was not folded into the convolution before it"
            said += " Ensure the BatchNorm layers have been folded."
        else:
            says = f"{name} is a vector of {tensor.shape[0] if tensor.shape else 1} values, which no layer can use"
        yield problem("checkpoint-batch-norm", "", says, said)


def _kernel(layer: Layer, name: str, tensor: StoredTensor) -> Iterator[Refusal]:
    rank = len(tensor.shape)
    if rank > 4:
        return
    wanted = (*tensor.shape[2:], 1, 1)[:2]
    if tuple(layer.kernel) == wanted:
        return
    ours, theirs = ("x".join(map(str, pair)) for pair in (layer.kernel, wanted))
    what = {2: "MLP", 3: "1D", 4: "2D"}[rank]
    said = f"The `kernel_size` for the {what} layer {layer.label} should be set to {theirs} instead of {ours}."
    says = f"the layer's kernel is {ours}, and {name} has {theirs}"
    yield problem("checkpoint-kernel-size", layer.key("kernel_size"), says, said, layer.name)


def _judged(tensor: StoredTensor) -> bool:
    """The values are the network's own."""
    return tensor.least is not None and tensor.most is not None and bool(tensor.digest)


def _width(layer: Layer, name: str, tensor: StoredTensor) -> Iterator[Refusal]:
    """Only a width that the description gives is held against the values."""
    given = layer.keys.get("quantization")
    if given is None or not _judged(tensor) or tensor.least is None or tensor.most is None:
        return
    least, most = int(tensor.least), int(tensor.most)
    if layer.bits < 0:
        low, high, words = -1, 1, "-1 and 1"
        line = "132: assert w_abs.min() == w_abs.max() == 1"
    else:
        low, high = -(1 << layer.bits - 1), (1 << layer.bits - 1) - 1
        words = f"{low} to {high}"
        line = "133: assert w_min >= -(2**(quantization[seq]-1))"
    if least < low or most > high:
        says = f"weights of {given} bits are {words}, and {name} has {least} to {most}"
        said = f"AssertionError @ izer/checkpoint.py:{line}"
        key = layer.key("quantization")
        yield problem("checkpoint-values", key, says, said, layer.name, grade="crashes")


def _bias(layer: Layer, name: str, checkpoint: Checkpoint) -> Iterator[Refusal]:
    stem = name.removesuffix(".weight")
    tensor = checkpoint.tensors.get(f"{stem}.bias")
    if tensor is None or not _judged(tensor) or tensor.least is None or tensor.most is None:
        return
    width = checkpoint.tensors.get(f"{stem.rpartition('.')[0] or stem}.weight_bits")
    bits = int(width.values[0]) if width is not None and width.values else 8
    scale = 2.0 ** ((bits or 8) - 1)
    least, most = tensor.least // scale, tensor.most // scale
    limit = 1 << _BIAS_BITS - 1
    if least < -limit or most >= limit:
        has = f"{least:.0f} to {most:.0f} (divided by {scale:.0f})"
        says = f"a bias is {-limit} to {limit - 1}, and {stem}.bias has {has}"
        said = "AssertionError @ izer/checkpoint.py:215: assert w_min >= -(2**(bias_quantization[seq]-1))"
        yield problem("checkpoint-values", layer.key(), says, said, layer.name, grade="crashes")


def _not_quantised(tensors: Sequence[tuple[str, StoredTensor]]) -> Iterator[Refusal]:
    fractions = [name for name, tensor in tensors if tensor.whole is False]
    if fractions:
        more = f" and {len(fractions) - 1} more" if len(fractions) > 1 else ""
        says = f"{fractions[0]}{more} has values that are not whole numbers: the checkpoint is not quantised"
        yield problem("checkpoint-not-quantised", "", says, None, grade="miscompiles")
