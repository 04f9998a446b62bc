"""50x and 51x: what the quantiser refuses in its configuration."""

from __future__ import annotations

from collections.abc import Iterator

from lintmodel.findings import Fix, Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import rule
from lintmodel.target import Target

from .example import configured


def _refused(plan: Plan, kind: str, fix: Fix | None = None) -> Iterator[Found]:
    """A finding for every refusal of this kind, at the value in the text that it is about."""
    for refusal in plan.refused(kind):
        crash = " (the quantiser crashes)" if refusal.details["grade"] == "crashes" else ""
        yield Found(f"{refusal.details['says']}{crash}", refusal.vendor_message, fix=fix, key=refusal.details["key"])


_FORCED = Fix("dpu-value", "safe", "lintmodel fix writes the value that the DPU takes")


@rule("DPU501", "quantiser-unknown-key", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def unknown_key(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Key that the quantiser does not know.

    What it does: compares every key of the configuration, of its blocks and of its layer entries with those that the
    release reads, and names the nearest one. 2.5 does not know convert_silu_to_hswish, change_concat_input_fix and
    change_pool_input_fix; datatype and onnx_opset_version came with 3.5.

    Why it matters: the quantiser stops before it looks at anything else.

    What to do instead: the key that is offered. Parameters such as bit_width and method stand in
    overall_quantize_config, not at the top as the printed defaults suggest.

    Source: nndct_shared/quantization/quant_config.py, _keywords_legel; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "quantiser-unknown-key")


unknown_key.bad(lambda: configured(fancy=1))
unknown_key.bad(lambda: configured(bit_width=8))
unknown_key.good(lambda: configured(include_cle=True))


@rule("DPU502", "quantiser-illegal-value", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def illegal_value(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Value that the quantiser does not know.

    What it does: holds every parameter against the values there are: words against their lists, switches against true
    and false, bit_width against whole numbers up to 32, percentage against numbers with a point up to 100.0.

    Why it matters: the quantiser stops, and names the first of the four tensors and not the line. power_of_two, as
    some guides and the messages of 2.5 write it, is not one of the words: it is poweroftwo.

    What to do instead: one of the values in the message.

    Source: nndct_shared/quantization/quant_config.py, _generate_config_from_export; measured with Vitis AI 3.5.
    """
    for refusal in plan.refused("quantiser-illegal-value"):
        key = refusal.details["key"]
        mendable = config.values.get("target_device") == "DPU" and not key.endswith(("percentage", "datatype"))
        yield Found(refusal.details["says"], refusal.vendor_message, fix=_FORCED if mendable else None, key=key)


illegal_value.bad(lambda: configured({"scale_type": "power_of_two"}))
illegal_value.bad(lambda: configured({"bit_width": "8"}))
illegal_value.bad(lambda: configured({"signed": "true"}))
illegal_value.good(lambda: configured({"scale_type": "poweroftwo", "bit_width": 8, "signed": True}))


@rule("DPU503", "quantiser-wrong-structure", Level.ERROR, on=Document, confidence="source", toolchain="3.5")
def wrong_structure(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Block that is no mapping, or a layer entry without its tensors.

    What it does: looks whether the blocks are mappings, layer_quantize_config is a list of them, and every layer entry
    lists its tensors in quantizable_data_type.

    Why it matters: the quantiser does not look at the structure first: it crashes with a Python traceback that says
    nothing of the file.

    What to do instead: the structure as the message says. A layer entry needs layer_type or layer_name, and
    quantizable_data_type, which at the top of the file means nothing.

    Source: nndct_shared/quantization/quant_config.py, _keywords_legel and set_layer_quant_config.
    """
    yield from _refused(plan, "quantiser-wrong-structure")


wrong_structure.bad(lambda: configured(tensor_quantize_config=["weights"]))
wrong_structure.bad(lambda: configured(layer_quantize_config=[{"layer_type": "torch.nn.Conv2d"}]))
wrong_structure.good(lambda: configured(layer_quantize_config=[]))


@rule("DPU504", "no-target-device", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def no_target_device(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """target_device is missing.

    What it does: looks for the key target_device.

    Why it matters: without a file the quantiser takes DPU, but from a file it reads the key in any case and stops with
    KeyError: 'target_device'.

    What to do instead: "target_device": "DPU".

    Source: nndct_shared/quantization/quant_config.py, parse_config_file; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "no-target-device", Fix("add-target-device", "unsafe", "write target_device: DPU"))


no_target_device.bad(lambda: configured(target_device=None))
no_target_device.good(lambda: configured(target_device="DPU"))


@rule("DPU511", "asymmetric", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def asymmetric(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Asymmetric quantisation for the DPU.

    What it does: looks at the symmetry that every tensor comes to.

    Why it matters: the DPU has no zero points: a value is an integer times a power of two. The quantiser stops.

    What to do instead: "symmetry": true.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "asymmetric", _FORCED)


asymmetric.bad(lambda: configured({"symmetry": False}))
asymmetric.good(lambda: configured({"symmetry": True}))


@rule("DPU512", "calibration-method", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def calibration_method(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Calibration method that is not for the DPU.

    What it does: looks at the method that every tensor comes to; diffs and maxmin are taken, by 2.5 diffs only.

    Why it matters: entropy, mse and percentile choose float scales, and the quantiser stops.

    What to do instead: diffs, the default, which chooses the power of two with the least squared error.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    fix = Fix("method-diffs", "unsafe", "method: diffs, the default; maxmin is the other")
    yield from _refused(plan, "calibration-method", fix)


calibration_method.bad(lambda: configured({"method": "mse"}))
calibration_method.good(lambda: configured({"method": "maxmin"}))


@rule("DPU513", "per-channel", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def per_channel(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Quantisation per channel for the DPU.

    What it does: looks at per_channel of every tensor.

    Why it matters: the DPU has one scale for a tensor. The quantiser stops.

    What to do instead: "per_channel": false. Weights that need it: cross layer equalisation (include_cle) evens
    channels out.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "per-channel", _FORCED)


per_channel.bad(lambda: configured(weights={"per_channel": True}))
per_channel.good(lambda: configured(weights={"per_channel": False}))


@rule("DPU514", "scale-type", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def scale_type(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Float scales for the DPU.

    What it does: looks at the scale_type of every tensor.

    Why it matters: the DPU shifts and does not multiply between layers, so scales are powers of two. The quantiser
    stops.

    What to do instead: "scale_type": "poweroftwo", in one word.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "scale-type", _FORCED)


scale_type.bad(lambda: configured({"scale_type": "float"}))
scale_type.good(lambda: configured({"scale_type": "poweroftwo"}))


@rule("DPU515", "narrow-range", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def narrow_range(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Narrow range for the DPU.

    What it does: looks at narrow_range of every tensor.

    Why it matters: the DPU uses -128 too. The quantiser stops, although AMD's own Quant_Config.md asks for
    narrow_range true with the DPU; the code refuses it, and the code was measured.

    What to do instead: "narrow_range": false.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "narrow-range", _FORCED)


narrow_range.bad(lambda: configured({"narrow_range": True}))
narrow_range.good(lambda: configured({"narrow_range": False}))


@rule("DPU516", "calibration-statistic", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def calibration_statistic(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Statistic over calibration batches that is not for the DPU.

    What it does: looks at calib_statistic_method of activation and input; of weights and bias it is passed over.

    Why it matters: from scales that are powers of two the quantiser takes the most frequent one, and nothing else: it
    stops.

    What to do instead: "calib_statistic_method": "modal".

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "calibration-statistic", _FORCED)


calibration_statistic.bad(lambda: configured({"calib_statistic_method": "max"}))
calibration_statistic.good(lambda: configured(weights={"calib_statistic_method": "max"}))


@rule("DPU517", "activation-rounding", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def activation_rounding(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Activations that are not rounded half_up.

    What it does: looks at the round_mode that activation comes to. One in overall_quantize_config is for activation
    too, where its default is half_up.

    Why it matters: the DPU rounds the results of layers half up, and the quantiser stops. The defaults that it prints
    show one round_mode, std_round, for everything; as a file they are refused for this.

    What to do instead: add tensor_quantize_config with a block activation, and in it "round_mode": "half_up".

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "activation-rounding", _FORCED)


activation_rounding.bad(lambda: configured({"round_mode": "std_round"}))
activation_rounding.good(lambda: configured({"round_mode": "std_round"}, activation={"round_mode": "half_up"}))


@rule("DPU518", "rounding", Level.ERROR, on=Document, confidence="source", toolchain="3.5")
def rounding(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Input, weights or bias that are not rounded std_round.

    What it does: looks at the round_mode that input, weights and bias come to. One in overall_quantize_config is for
    them too.

    Why it matters: the quantiser stops. The message of 2.5 asks for half_up, which it then refuses as well.

    What to do instead: "round_mode": "std_round" for them, and half_up for activation.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict.
    """
    yield from _refused(plan, "rounding", _FORCED)


rounding.bad(lambda: configured({"round_mode": "half_up"}))
rounding.good(lambda: configured(activation={"round_mode": "half_up"}))


@rule("DPU519", "bias-width", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def bias_width(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Bias and activation of different widths.

    What it does: compares bit_width of activation and bias, of the model and of every layer entry. Release 3.5.

    Why it matters: the DPU adds the bias to what becomes the activation; the quantiser stops.

    What to do instead: 8 bits for both.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "bias-width", Fix("width-8", "safe", "bit_width: 8 for both"))


bias_width.bad(lambda: configured(bias={"bit_width": 32}))
bias_width.good(lambda: configured(bias={"bit_width": 8}))


@rule("DPU520", "layer-tensors", Level.ERROR, on=Document, confidence="source", toolchain="3.5")
def layer_tensors(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Layer entry that leaves activation or bias out.

    What it does: looks whether quantizable_data_type of every layer entry has both. Release 3.5 with the DPU.

    Why it matters: the quantiser compares the widths of the two in every entry, and crashes with a KeyError where one
    of them is not there.

    What to do instead: all four tensors in quantizable_data_type; those that tensor_quantize_config does not name keep
    the model's settings.

    Source: nndct_shared/quantization/quant_config.py, _handle_dpu_tensor_conflict.
    """
    yield from _refused(plan, "layer-tensors")


layer_tensors.bad(lambda: configured(layer=["weights"]))
layer_tensors.good(lambda: configured(layer=["weights", "bias", "activation"]))


@rule("DPU521", "cpu-gpu-conflict", Level.ERROR, on=Document, confidence="measured", toolchain="3.5")
def cpu_gpu_conflict(config: Document, plan: Plan, dpu: Target) -> Iterator[Found]:
    """Settings that do not go together on CPU or GPU.

    What it does: where target_device is CPU or GPU, holds the settings of every tensor against each other. Per channel
    is for weights. Scales that are powers of two: symmetric, signed, diffs or maxmin, modal. Float scales: per channel
    maxmin; per tensor maxmin, percentile, mse or entropy with max, mean or median, and asymmetric only with maxmin.

    Why it matters: the quantiser stops at the first of them.

    What to do instead: for a board with a DPU, target_device DPU and its values; else as the message says.

    Source: nndct_shared/quantization/quant_config.py, _handle_cpu_gpu_tensor_conflict; measured with Vitis AI 3.5.
    """
    yield from _refused(plan, "cpu-gpu-conflict")


cpu_gpu_conflict.bad(lambda: configured({"method": "mse"}, target_device="GPU"))
cpu_gpu_conflict.bad(lambda: configured({"scale_type": "float", "method": "maxmin"}, target_device="CPU"))
cpu_gpu_conflict.good(lambda: configured({"round_mode": "half_even"}, target_device="GPU"))

RULES = [
    unknown_key,
    illegal_value,
    wrong_structure,
    no_target_device,
    asymmetric,
    calibration_method,
    per_channel,
    scale_type,
    narrow_range,
    calibration_statistic,
    activation_rounding,
    rounding,
    bias_width,
    layer_tensors,
    cpu_gpu_conflict,
]
