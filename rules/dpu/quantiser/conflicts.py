"""What a device does not take, of the settings that a configuration comes to.

Follows ``_qconfig_handle_conflict``: the model's tensors, then those of every layer entry, each against all rules of
its device. A setting that is refused for several tensors is told once, where it is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.planning import Refusal

from .reading import Reading, Scope, Setting, Settings, refusal
from .words import either, said, shown, together

DPU_VALUES: Mapping[str, Any] = {
    "symmetry": True,
    "per_channel": False,
    "scale_type": "poweroftwo",
    "narrow_range": False,
    "calib_statistic_method": "modal",
}
"""Parameters of which the DPU takes one value, in all releases. The rounding has one for each tensor."""
DPU_METHODS: Mapping[str, tuple[str, ...]] = {
    "2.5": ("diffs",),
    "3.0": ("diffs", "maxmin"),
    "3.5": ("diffs", "maxmin"),
}

_KINDS = {
    "symmetry": "asymmetric",
    "method": "calibration-method",
    "per_channel": "per-channel",
    "scale_type": "scale-type",
    "narrow_range": "narrow-range",
    "calib_statistic_method": "calibration-statistic",
}

Problem = tuple[str, str, str, str, str]
"""Kind, parameter, tensor, what is found and taken, and the quantiser's words."""


def rounding(tensor: str) -> str:
    """The only rounding that the DPU takes of a tensor."""
    return "half_up" if tensor == "activation" else "std_round"


def conflicts(reading: Reading, release: str) -> Iterator[Refusal]:
    """Every setting that the device of the configuration does not take. Devices but DPU, CPU and GPU take all."""
    told: dict[tuple[str, str, str], list[str]] = {}
    found: dict[tuple[str, str, str], tuple[Scope, Problem]] = {}
    widths: set[str] = set()
    for scope in reading.scopes:
        for wide in _bias_width(scope, reading.device, release):
            if wide.details["key"] not in widths:
                widths.add(wide.details["key"])
                yield wide
        for tensor in scope.quantised:
            settings = scope.tensors[tensor]
            if settings["datatype"].value != "int":
                continue
            for problem in _problems(settings, tensor, reading.device, release):
                kind, parameter, *_ = problem
                at = kind, parameter, settings.get(parameter, Setting(None)).key or scope.path
                if tensor not in told.setdefault(at, []):
                    told[at].append(tensor)
                found.setdefault(at, (scope, problem))
    for (kind, parameter, place), (scope, (*_, says, message)) in found.items():
        tensors = told[kind, parameter, place]
        words = said(f"{message}{' if datatype is int' if release == '3.5' else ''}", release)
        says = f"{parameter} of {together(tensors)} is {says}"
        yield refusal(kind, place, says, words, tensors=tuple(tensors), parameter=parameter, scope=scope.path)


def _problems(settings: Settings, tensor: str, device: Any, release: str) -> Iterator[Problem]:
    if device == "DPU":
        yield from _dpu(settings, tensor, release)
    elif device in ("CPU", "GPU"):
        yield from _cpu_gpu({key: setting.value for key, setting in settings.items()}, tensor, release)


# ---- DPU


def _dpu(settings: Settings, tensor: str, release: str) -> Iterator[Problem]:
    methods = DPU_METHODS[release]
    taken = " and ".join(methods)
    words = {
        "symmetry": "Only support symmetric quantization in DPU device",
        "method": f"Only support {taken} calibration method in DPU device",
        "per_channel": "Only support per_tensor quantization in DPU device",
        "scale_type": f"Only support {_pof2(release)} scale type in DPU device",
        "narrow_range": "Not support narrow_range in DPU device",
        "calib_statistic_method": "Only support modal activation statistic method in DPU device",
    }
    for parameter, message in words.items():
        setting = settings.get(parameter)
        if setting is None:
            continue
        allowed = methods if parameter == "method" else (DPU_VALUES[parameter],)
        if setting.value not in allowed:
            yield _KINDS[parameter], parameter, tensor, _found(setting.value, allowed), message
    setting = settings["round_mode"]
    wanted = rounding(tensor)
    if setting.value != wanted:
        kind = "activation-rounding" if tensor == "activation" else "rounding"
        # 2.5 asks for std_round and says half_up
        where = f"{'half_up' if release == '2.5' else 'std_round'} round method in weights, bias and input quantization"
        message = f"Only support {'half_up round method in activation quantization' if wanted == 'half_up' else where}"
        yield kind, "round_mode", tensor, _found(setting.value, (wanted,)), f"{message} of DPU device"


def _bias_width(scope: Scope, device: Any, release: str) -> Iterator[Refusal]:
    """3.5 compares the widths of activation and bias, and looks for both in every entry of a layer."""
    integers = [tensor for tensor in scope.quantised if scope.tensors[tensor]["datatype"].value == "int"]
    if release != "3.5" or device != "DPU" or not integers:
        return
    for tensor in ("activation", "bias"):
        settings = scope.tensors.get(tensor)
        if settings is None or "bit_width" not in settings:
            missing = tensor if settings is None else "bit_width"
            says = f"the entry leaves {tensor} out: with the DPU every entry has activation and bias, whose widths are "
            says += "compared"
            yield refusal("layer-tensors", scope.path, says, f"KeyError: '{missing}'", grade="crashes")
            return
    activation, bias = scope.tensors["activation"]["bit_width"], scope.tensors["bias"]["bit_width"]
    if activation.value != bias.value:
        says = f"activation has {activation.value} bits and bias {bias.value}; the DPU takes one width for both"
        words = said("Bitwidth of activation and bias should be the same in DPU device if datatype is int", release)
        yield refusal("bias-width", activation.key or bias.key, says, words, scope=scope.path)


def _pof2(release: str) -> str:
    return "power_of_two" if release == "2.5" else "poweroftwo"


def _found(value: Any, allowed: tuple[Any, ...]) -> str:
    words = [shown(one).strip('"') for one in allowed]
    return f"{shown(value).strip(chr(34))}; the DPU takes {either(words)} only"


# ---- CPU and GPU


def _cpu_gpu(values: Mapping[str, Any], tensor: str, release: str) -> Iterator[Problem]:
    """One problem at most of each parameter."""
    power, method = values["scale_type"] == "poweroftwo", values["method"]
    name = f"per_channel {_pof2(release)}" if values["per_channel"] else f"per_tensor {_pof2(release)}"
    made: list[tuple[str, str, str]] = []
    if values["per_channel"] and tensor != "weights":
        says = "per channel; only weights can be"
        made.append(("per_channel", says, "Only support per_channel quantization for weights for now"))
    if power:
        if method not in ("diffs", "maxmin"):
            says = f"{method}; with poweroftwo it is diffs or maxmin"
            made.append(("method", says, f"Only support diffs and maxmin calibration method in {name} quantization"))
        if not values["symmetry"]:
            says = "asymmetric; with poweroftwo it is symmetric"
            made.append(("symmetry", says, f"Not support asymmetric quantization in {name} quantization"))
        if not values["signed"]:
            says = "unsigned; with poweroftwo it is signed"
            made.append(("signed", says, f"Not support unsigned quantization in {name} quantization"))
    elif values["per_channel"]:
        if method != "maxmin":
            says = f"{method}; per channel with float scales it is maxmin"
            message = "Only support maxmin calibration method in per_channel float quantization"
            made.append(("method", says, message))
    else:
        made += _float_per_tensor(values)
    statistic = values.get("calib_statistic_method")
    if power and not values["per_channel"] and statistic not in (None, "modal"):
        says = f"{statistic}; with poweroftwo it is modal"
        message = f"Only support modal scale activation statistic method in {name} quantization"
        made.append(("calib_statistic_method", says, message))
    for parameter, says, message in made:
        yield "cpu-gpu-conflict", parameter, tensor, says, message


def _float_per_tensor(values: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    method, statistic = values["method"], values.get("calib_statistic_method")
    if method not in ("maxmin", "percentile", "mse", "entropy"):
        says = f"{method}; with float scales it is maxmin, percentile, mse or entropy"
        message = "Only support maxmin, percentile, mse and entropy calibration method in per_tensor float quantization"
        yield "method", says, message
    if statistic == "modal":
        says = "modal; with float scales it is max, mean or median"
        message = "Only support max, mean and median scale activation statistic method in per_tensor float quantization"
        yield "calib_statistic_method", says, message
    if not values["symmetry"] and method in ("percentile", "entropy", "mse"):
        says = f"asymmetric; with {method} it is symmetric"
        message = "Not support asymmetric quantization in percentile, entropy and mse calibration method"
        yield "symmetry", says, message
