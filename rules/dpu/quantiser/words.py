"""What vai_q_pytorch calls things, release by release.

Source: ``nndct_shared/quantization/quant_config.py`` and ``doc/Quant_Config.md`` of Xilinx/Vitis-AI, branches 2.5 and
3.0 and master (3.5). Where the two disagree the code is followed: the document asks for ``narrow_range: true``, which
the code refuses for the DPU.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

TENSORS = ("input", "weights", "bias", "activation")
"""In the quantiser's order, which is that of its messages."""

SWITCHES = (
    *("convert_relu6_to_relu", "convert_silu_to_hswish", "include_cle", "keep_first_last_layer_accuracy"),
    *("keep_add_layer_accuracy", "include_bias_corr", "change_concat_input_fix", "change_pool_input_fix"),
)
"""True or false for the whole model. What is neither is ignored."""
RESERVED = ("keep_first_last_layer_accuracy", "keep_add_layer_accuracy")
"""Switches of a feature that never came."""

OVERALL, TENSOR, LAYER = "overall_quantize_config", "tensor_quantize_config", "layer_quantize_config"
TOP_KEYS = (
    *SWITCHES[:6],
    *("target_device", "onnx_opset_version"),
    *SWITCHES[6:],
    *("quantizable_data_type", OVERALL, TENSOR, LAYER),
)
LAYER_KEYS = ("layer_type", "layer_name", "quantizable_data_type", OVERALL, TENSOR)
PARAMETERS = (
    *("datatype", "bit_width", "method", "round_mode", "symmetry", "per_channel", "signed", "narrow_range"),
    *("scale_type", "calib_statistic_method", "percentage"),
)

VALUES: Mapping[str, tuple[str, ...]] = {
    "datatype": ("int", "bfloat16", "float16", "float32"),
    "method": ("maxmin", "entropy", "mse", "percentile", "diffs"),
    "round_mode": ("half_even", "half_up", "half_down", "std_round"),
    "scale_type": ("poweroftwo", "float"),
    "calib_statistic_method": ("modal", "mean", "median", "max"),
}
FLAGS = ("symmetry", "per_channel", "signed", "narrow_range")

DEVICES = ("DPU", "CPU", "GPU", "FLEXML")
"""Of 3.5. Nothing compares the file with this list; only DPU, CPU and GPU have rules."""

_COMMON = {
    "datatype": "int",
    "bit_width": 8,
    "method": "diffs",
    "symmetry": True,
    "per_channel": False,
    "signed": True,
    "narrow_range": False,
    "scale_type": "poweroftwo",
}
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "input": {**_COMMON, "round_mode": "std_round", "calib_statistic_method": "modal"},
    "weights": {**_COMMON, "round_mode": "std_round"},
    "bias": {**_COMMON, "round_mode": "std_round"},
    "activation": {**_COMMON, "round_mode": "half_up", "calib_statistic_method": "modal"},
}
"""What holds where the file says nothing. With these the DPU has nothing to object."""

RELEASES = ("2.5", "3.0", "3.5")
"""Those whose quantiser takes a configuration file; 1.4 and 2.0 have none."""
_SINCE = {
    "convert_silu_to_hswish": "3.0",
    "change_concat_input_fix": "3.0",
    "change_pool_input_fix": "3.0",
    "onnx_opset_version": "3.5",
    "datatype": "3.5",
}
"""Keys that came later than the rest, by the release they came with."""


def known(keys: tuple[str, ...], release: str) -> tuple[str, ...]:
    """Those of some keys that a release has."""
    return tuple(key for key in keys if RELEASES.index(_SINCE.get(key, "2.5")) <= RELEASES.index(release))


def said(message: str, release: str, code: str = "QUANTIZER_TORCH_QUANT_CONFIG") -> str:
    """A message as it stands on the screen; its code came with 3.0."""
    return f"[VAIQ_ERROR]: {message}" if release == "2.5" else f"[VAIQ_ERROR][{code}]: {message}"


def shown(value: Any) -> str:
    """A value as JSON has it, in a few letters."""
    import json

    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 40 else f"{text[:37]}..."


def either(words: Sequence[str]) -> str:
    """``maxmin, mse or diffs``"""
    return _joined(words, "or")


def together(words: Sequence[str]) -> str:
    """``input, weights and bias``"""
    return _joined(words, "and")


def _joined(words: Sequence[str], last: str) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} {last} {words[-1]}"
