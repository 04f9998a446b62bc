"""54x: the checkpoint, and whether it belongs to the description."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Document, StoredTensor
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .checkpoint_fit import read_by_izer, refusals, weight_tensors
from .example import described
from .settings import settings
from .wording import refused

_WIDE = StoredTensor((4, 4, 3, 3), zero=False, least=-9, most=9, whole=True, digest="9")
_FRACTIONS = StoredTensor((4, 4, 3, 3), zero=False, least=-0.5, most=0.5, whole=False, digest="f")
_ZEROS = StoredTensor((4, 4, 3, 3), zero=True, least=0, most=0, whole=True, digest="0")


@rule("AIX541", "checkpoint-incomplete", Level.ERROR, on=Document, confidence="measured")
def checkpoint_incomplete(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Checkpoint without its weights or without its epoch.

    What it does: looks for state_dict and epoch in the checkpoint.

    Why it matters: izer stops. It takes the file that ai8x-training's quantize.py writes, not a bare state dictionary.

    What to do instead: the file of quantize.py as it is; or torch.save of a dictionary with arch, epoch and
    state_dict.

    Source: izer/checkpoint.py 64, 74; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "checkpoint-incomplete")


checkpoint_incomplete.bad(lambda: described(entries={"arch": "example"}))
checkpoint_incomplete.good(lambda: described(entries={"arch": "example", "epoch": 0}))


@rule("AIX542", "checkpoint-arch", Level.ERROR, on=Document)
def checkpoint_arch(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Checkpoint of another network.

    What it does: compares arch in the YAML with arch in the checkpoint, without regard to case. A checkpoint that does
    not say is a warning.

    Why it matters: izer stops; without the name it takes whatever weights come.

    What to do instead: the checkpoint that belongs to the YAML, or the arch that it says.

    Source: izer/checkpoint.py 66-71.
    """
    yield from refused(plan, "checkpoint-arch")
    checkpoint = network.checkpoint
    if checkpoint is not None and checkpoint.has_state and "arch" not in checkpoint.entries:
        said = "No `arch` in checkpoint file."
        yield Found("the checkpoint does not say of which network it is", said, level=Level.WARNING)


checkpoint_arch.bad(lambda: described(entries={"arch": "other", "epoch": 0}))
checkpoint_arch.good(lambda: described(entries={"arch": "Example", "epoch": 0}))


@rule("AIX543", "checkpoint-batch-norm", Level.ERROR, on=Document, confidence="measured")
def checkpoint_batch_norm(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Batch normalisation that was not folded.

    What it does: finds vectors called weight in the checkpoint, as batch normalisation has them.

    Why it matters: the chip has no batch normalisation. izer hands weights out in order and stops at a vector.

    What to do instead: train with quantisation (ai8x folds then), or run batchnormfuser.py of ai8x-training on the
    checkpoint before quantize.py. Folding changes nothing in exact arithmetic.

    Source: izer/checkpoint.py 115-120; measured with ai8x-synthesis ab4f4c0; ai8x-synthesis#350.
    """
    yield from refused(plan, "checkpoint-batch-norm")


checkpoint_batch_norm.bad(lambda: described(weights={"c.bn.weight": (4,), "c.op.weight": (4, 4, 3, 3)}))
checkpoint_batch_norm.good(lambda: described(weights={"c.op.weight": (4, 4, 3, 3), "c.op.bias": (4,)}))


@rule("AIX544", "checkpoint-kernel-size", Level.ERROR, on=Document, confidence="measured")
def checkpoint_kernel_size(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Kernel in the YAML that is not the one in the checkpoint.

    What it does: holds every weighted layer against its tensor. Tensors are taken in order, whatever their names.

    Why it matters: izer stops. A layer that is missing or too many shows here as well: everything behind it is
    compared with its neighbour's weights. The default of conv1d is 9.

    What to do instead: the kernel_size that is named; when many layers differ, look for the first that is out of step.

    Source: izer/checkpoint.py 164-177; measured with ai8x-synthesis ab4f4c0.
    """
    yield from refused(plan, "checkpoint-kernel-size")


checkpoint_kernel_size.bad(lambda: described(weights={"c.op.weight": (4, 4, 1, 1)}))
checkpoint_kernel_size.good(lambda: described(weights={"c.op.weight": (4, 4, 3, 3)}))


@rule("AIX545", "checkpoint-too-short", Level.ERROR, on=Document)
def checkpoint_too_short(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """More layers in the YAML than weights in the checkpoint.

    What it does: counts the layers with weights of their own, and the tensors.

    Why it matters: izer stops.

    What to do instead: the checkpoint that belongs to the YAML; layers without weights have op: passthrough, those
    that share another's have weight_source.

    Source: izer/izer.py 163.
    """
    yield from refused(plan, "checkpoint-too-short")


checkpoint_too_short.bad(lambda: described({}, {}, weights={"c.op.weight": (4, 4, 3, 3)}))
checkpoint_too_short.good(lambda: described({}, weights={"c.op.weight": (4, 4, 3, 3)}))


@rule("AIX546", "checkpoint-too-long", Level.WARNING, on=Document, confidence="measured")
def checkpoint_too_long(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Fewer layers in the YAML than weights in the checkpoint.

    What it does: counts the layers with weights of their own, and the tensors.

    Why it matters: izer says nothing and leaves the last tensors out. What runs on the chip is the beginning of the
    network that was trained.

    What to do instead: add the layers that are missing, unless the network is meant to end there.

    Source: izer/checkpoint.py; measured with ai8x-synthesis ab4f4c0.
    """
    if network.checkpoint is None or not read_by_izer(network):
        return
    layers = settings(network)
    count = sum(s.op != "passthrough" and not s.bypass and s.weight_source is None for s in layers)
    tensors = [name for name, tensor in weight_tensors(network.checkpoint) if len(tensor.shape) > 1]
    if len(tensors) > count:
        left = f"{tensors[count]}{' and what follows' if len(tensors) > count + 1 else ''}"
        says = f"the checkpoint has {len(tensors)} tensors for {count} layers; izer leaves out {left}"
        yield Found(says, key="layers:key")


checkpoint_too_long.bad(lambda: described(weights={"a.op.weight": (4, 4, 3, 3), "b.op.weight": (4, 4, 3, 3)}))
checkpoint_too_long.good(lambda: described(weights={"a.op.weight": (4, 4, 3, 3)}))


@rule("AIX547", "checkpoint-values", Level.ERROR, on=Document)
def checkpoint_values(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Weights wider than the layer's quantization, or a bias wider than 8 bits.

    What it does: compares the smallest and largest value of every tensor with what the bits can hold.

    Why it matters: izer crashes with a traceback that names no layer.

    What to do instead: leave quantization out, so that izer takes the width that quantize.py wrote into the
    checkpoint; or quantise again with the width that the YAML says.

    Source: izer/checkpoint.py 132-133, 215.
    """
    yield from refused(plan, "checkpoint-values")


checkpoint_values.bad(lambda: described({"quantization": 4}, weights={"c.op.weight": _WIDE}))
checkpoint_values.good(lambda: described({"quantization": 8}, weights={"c.op.weight": _WIDE}))


@rule("AIX548", "checkpoint-zero", Level.WARNING, on=Document, confidence="measured")
def checkpoint_zero(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Weights or a bias that are all zero.

    What it does: looks for tensors of zeros; of a bias it is a note, because a bias of zeros takes no memory.

    Why it matters: a layer without weights gives nothing on, and the network's answer does not depend on its input.
    Small weights become zero when a checkpoint is quantised to few bits.

    What to do instead: look at the layer's weights before quantize.py; more bits for it, or train with quantisation.

    Source: izer/checkpoint.py 111, 212; izer/kbias.py 73; measured with ai8x-synthesis ab4f4c0.
    """
    for name, tensor in network.checkpoint.tensors.items() if network.checkpoint and read_by_izer(network) else ():
        if name.endswith(".weight") and tensor.zero:
            yield Found(f"all weights of {name} are zero", f"All weights for `{name}` are zero.")
        elif name.endswith(".bias") and tensor.zero:
            said = f"All bias values for `{name}` are zero."
            yield Found(f"all values of {name} are zero", said, level=Level.NOTE)


checkpoint_zero.bad(lambda: described(weights={"c.op.weight": _ZEROS}))
checkpoint_zero.good(lambda: described(weights={"c.op.weight": _WIDE}))


@rule("AIX549", "checkpoint-not-quantised", Level.ERROR, on=Document)
def checkpoint_not_quantised(network: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Checkpoint that was not quantised.

    What it does: finds weights that are not whole numbers.

    Why it matters: izer cuts the fractions off and goes on. Weights of a trained network are smaller than 1, so nearly
    all of them become 0.

    What to do instead: the file that quantize.py of ai8x-synthesis writes (its name ends in -q.pth.tar by custom).

    Source: izer/checkpoint.py: the values are converted to integers as they are.
    """
    yield from refused(plan, "checkpoint-not-quantised")


checkpoint_not_quantised.bad(lambda: described(weights={"c.op.weight": _FRACTIONS}))
checkpoint_not_quantised.good(lambda: described(weights={"c.op.weight": _WIDE}))

RULES = [
    *(checkpoint_incomplete, checkpoint_arch, checkpoint_batch_norm, checkpoint_kernel_size, checkpoint_too_short),
    *(checkpoint_too_long, checkpoint_values, checkpoint_zero, checkpoint_not_quantised),
]

__all__ = ["RULES", "refusals"]
