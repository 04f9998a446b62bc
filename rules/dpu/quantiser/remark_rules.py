"""53x and 54x: what the quantiser lets through in its configuration, and should not."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .document import reading_of
from .example import configured
from .words import RELEASES


def _remarked(config: Document, dpu: Target, kind: str) -> Iterator[Found]:
    """A finding for every remark of this kind, at the value in the text that it is about."""
    if dpu.version not in RELEASES:
        return
    for remark in reading_of(config, dpu).remarks:
        if remark.kind == kind:
            yield Found(remark.says, key=remark.key)


@rule("DPU531", "bit-width-not-8", Level.WARNING, on=Document, confidence="documented")
def bit_width_not_8(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Another width than 8 bits for the DPU.

    What it does: looks at bit_width of every tensor where target_device is DPU.

    Why it matters: the quantiser takes any width up to 32 and calibrates for it, and no DPU here computes in anything
    but int8. What it measures is not what the board computes, and the compiler finds no engine for it.

    What to do instead: "bit_width": 8. 4 or 16 bits are for experiments with target_device CPU or GPU.

    Source: the product guides of the DPUs (int8 arithmetic; X8 in their names); measured with Vitis AI 3.5, whose
    quantiser accepts 4 and 16.
    """
    yield from _remarked(config, dpu, "bit-width-not-8")


bit_width_not_8.bad(lambda: configured({"bit_width": 16}))
bit_width_not_8.good(lambda: configured({"bit_width": 8}))


@rule("DPU532", "unsigned", Level.WARNING, on=Document, confidence="documented")
def unsigned(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Unsigned quantisation for the DPU.

    What it does: looks at signed of every tensor where target_device is DPU.

    Why it matters: the quantiser asks for signed with CPU and GPU, and forgets to ask with the DPU, whose integers are
    signed. Half of the range that calibration uses is not there on the board.

    What to do instead: "signed": true.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict has no such rule; measured with
    Vitis AI 3.5.
    """
    yield from _remarked(config, dpu, "unsigned")


unsigned.bad(lambda: configured({"signed": False}))
unsigned.good(lambda: configured({"signed": True}))


@rule("DPU533", "unknown-target-device", Level.WARNING, on=Document, confidence="measured")
def unknown_target_device(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """target_device that there is not.

    What it does: compares target_device with DPU, CPU, GPU and FLEXML.

    Why it matters: the quantiser has the list and never compares. A word that is not in it switches every rule off:
    the configuration is taken whatever it says, and no xmodel is exported in the end.

    What to do instead: "target_device": "DPU", in capitals.

    Source: nndct_shared/quantization/quant_config.py, _handle_tensor_conflict; measured with Vitis AI 3.5, which takes
    NPU.
    """
    yield from _remarked(config, dpu, "unknown-target-device")


unknown_target_device.bad(lambda: configured(target_device="NPU"))
unknown_target_device.bad(lambda: configured(target_device="dpu"))
unknown_target_device.good(lambda: configured(target_device="DPU"))


@rule("DPU534", "not-for-the-dpu", Level.WARNING, on=Document, confidence="source")
def not_for_the_dpu(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Configuration for CPU or GPU, and a DPU as target.

    What it does: looks whether target_device is CPU, GPU or FLEXML.

    Why it matters: calibration runs, and the export of the xmodel does not: the quantiser warns and writes no file.

    What to do instead: "target_device": "DPU" and its values, if it is for this board.

    Source: pytorch_nndct/qproc/base.py of Vitis AI 3.5, export_xmodel.
    """
    for found in _remarked(config, dpu, "not-for-the-dpu"):
        yield Found(found.message, "Not support to dump xmodel when target device is not DPU.", key=found.key)


not_for_the_dpu.bad(lambda: configured(target_device="GPU"))
not_for_the_dpu.good(lambda: configured(target_device="DPU"))


@rule("DPU535", "ignored-data-types", Level.WARNING, on=Document, confidence="source")
def ignored_data_types(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """quantizable_data_type of the model is passed over.

    What it does: looks whether quantizable_data_type at the top of the file lists anything but all four tensors.

    Why it matters: the line that reads it is commented out, so that a file that asks for weights alone quantises all
    of input, weights, bias and activation.

    What to do instead: leave it at all four. What is to stay in float is left out of the quantised module, or has
    a float datatype on CPU and GPU.

    Source: nndct_shared/quantization/quant_config.py, parse_config_file.
    """
    yield from _remarked(config, dpu, "ignored-data-types")


ignored_data_types.bad(lambda: configured(quantizable_data_type=["weights"]))
ignored_data_types.good(lambda: configured(quantizable_data_type=["input", "weights", "bias", "activation"]))


@rule("DPU536", "ignored-setting", Level.WARNING, on=Document, confidence="source")
def ignored_setting(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Setting that the quantiser passes over.

    What it does: finds switches that are neither true nor false, parameters that count as not given (0, an empty
    word), a percentage without the percentile, a statistic of weights or bias, layer entries without a name or
    replaced by a later one, and percentages that a later block sets back to 99.99.

    Why it matters: nothing says that the setting has no effect.

    What to do instead: as the message says, or take it out.

    Source: nndct_shared/quantization/quant_config.py, _nndct_switch_option, _generate_config_from_export and
    set_layer_quant_config.
    """
    yield from _remarked(config, dpu, "ignored-setting")


ignored_setting.bad(lambda: configured(include_cle="true"))
ignored_setting.bad(lambda: configured({"bit_width": 0}))
ignored_setting.bad(lambda: configured(layer_quantize_config=[{"quantizable_data_type": ["weights"]}]))
ignored_setting.good(lambda: configured({"bit_width": 8}, include_cle=True))


@rule("DPU537", "reserved-switch", Level.NOTE, on=Document, confidence="measured")
def reserved_switch(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Switch of a feature that is not there.

    What it does: looks whether keep_first_last_layer_accuracy or keep_add_layer_accuracy is true.

    Why it matters: the quantiser prints "feature will be supported in next version" and does nothing; 3.5 is the last
    version.

    What to do instead: false. For accuracy: include_cle, include_bias_corr, fast finetuning or training with
    quantisation.

    Source: nndct_shared/quantization/quant_config.py, _nndct_switch_option; measured with Vitis AI 3.5.
    """
    for found in _remarked(config, dpu, "reserved-switch"):
        message = f"[VAIQ_NOTE]: {found.key} feature will be supported in next version"
        yield Found(found.message, message, key=found.key)


reserved_switch.bad(lambda: configured(keep_first_last_layer_accuracy=True))
reserved_switch.good(lambda: configured(keep_first_last_layer_accuracy=False))


@rule("DPU538", "quantiser-duplicate-key", Level.WARNING, on=Document, confidence="source")
def duplicate_key(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Key that is there twice.

    What it does: finds keys that one mapping of the file has twice.

    Why it matters: JSON readers take the last one without a word, and the first has no effect.

    What to do instead: keep the one that is meant.

    Source: Python's json module, with which the quantiser reads the file.
    """
    yield from _remarked(config, dpu, "quantiser-duplicate-key")


@duplicate_key.bad
def _twice() -> Document:
    from dataclasses import replace

    return replace(configured({"bit_width": 8}), duplicates=("overall_quantize_config.bit_width",))


duplicate_key.good(lambda: configured({"bit_width": 8}))


@rule("DPU539", "float-datatype", Level.WARNING, on=Document, confidence="source", toolchain="3.5")
def float_datatype(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Float data type for the DPU.

    What it does: looks whether a tensor's datatype is bfloat16, float16 or float32 where target_device is DPU.

    Why it matters: the quantiser holds only integers to the rules of the DPU, so that everything else goes through;
    the DPU computes in int8.

    What to do instead: "datatype": "int", or leave it out.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict.
    """
    yield from _remarked(config, dpu, "float-datatype")


float_datatype.bad(lambda: configured({"datatype": "bfloat16"}))
float_datatype.good(lambda: configured({"datatype": "int"}))

RULES = [
    bit_width_not_8,
    unsigned,
    unknown_target_device,
    not_for_the_dpu,
    ignored_data_types,
    ignored_setting,
    reserved_switch,
    duplicate_key,
    float_datatype,
]
