"""Values of arguments in an RKNN configuration: data types, enumerations, means and deviations, the dataset."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from lintmodel.errors import did_you_mean
from lintmodel.ir import Document
from lintmodel.planning import Refusal
from lintmodel.target import Target

from .config_arguments import DTYPES_IN_2, FORMER_DTYPES
from .config_checks import numbers, problem
from .configuration import Call, toolkit

_WORDS: Mapping[str, tuple[str, ...]] = {
    "quantized_algorithm": ("normal", "mmse", "kl_divergence", "gdq"),
    "float_dtype": ("float16", "bfloat16", "tfloat32"),
    "memory_plan_strategy": ("BestFit", "GreedyBySize", "GreedyByLifetime", "SlowPeakGrowth"),
    "compute_order": ("DepthFirst", "WidthFirst"),
}
"""What rknn-toolkit2 2.5.0 says it expects; measured."""
_GROUPS = tuple(f"group{size}" for size in range(32, 257, 32))
_ALL_DTYPES = ("w8a8", "w8a16", "w16a16i_dfp", "w4a16")
_GROUPED = ("w4a16", "w8a16")


def value_problems(each: Call, document: Document, target: Target) -> Iterator[Refusal]:
    """What is wrong with the values of one call."""
    if each.name == "config":
        if toolkit(target) == 2:
            yield from _dtype(each, target)
            yield from _words(each)
            yield from _kinds(each, target)
        else:
            yield from _former_dtype(each, target)
        yield from _level(each, target)
        yield from _normalization(each, target)
    if each.name == "build":
        yield from _build(each, target)


# ---- quantisation


def _dtype(config: Call, target: Target) -> Iterator[Refusal]:
    word = config.arguments.get("quantized_dtype")
    if word is None or word == "asymmetric_quantized-8":  # the name of w8a8 before 2.0, still taken
        return
    key, here = config.key("quantized_dtype"), [str(each) for each in target.limit("config_dtypes")]
    if word in here:
        return
    if word in _ALL_DTYPES:
        says = f"{target.name} has no {word}; it has {', '.join(here)}"
        said = f"The quantized_dtype = '{word}' not support in '{target.name}'!"
    else:
        new = DTYPES_IN_2.get(str(word))
        hint = f"; write {new}" if new else did_you_mean(str(word), here) or f"; there are {', '.join(here)}"
        if str(word).lower() in ("fp16", "float16", "float"):
            hint = "; write do_quantization: false in build"
        says = f"{target.toolchain_name} has no quantized_dtype '{word}'{hint}"
        # The name of 16 bits before 2.0 is changed to one that is not taken either.
        shown = "w16a16i" if word == "asymmetric_quantized-16" else word
        said = f"Invalid quantized_dtype '{shown}', expect in {list(_ALL_DTYPES)}!"
    yield problem("quantized-dtype", key, says, said)


def _former_dtype(config: Call, target: Target) -> Iterator[Refusal]:
    word = config.arguments.get("quantized_dtype")
    here = [str(each) for each in target.limit("config_dtypes")]
    if word is None or word in here:
        return
    key, former = config.key("quantized_dtype"), FORMER_DTYPES.get(str(word))
    if former:
        says = f"'{word}' is the name of version 1.6; {target.toolchain} calls it {former}"
        yield problem("quantized-dtype", key, says, grade="goes on")
        return
    hint = did_you_mean(str(word), here) or f"; there are {', '.join(here)}"
    yield problem("quantized-dtype", key, f"{target.toolchain_name} has no quantized_dtype '{word}'{hint}")


def _words(config: Call) -> Iterator[Refusal]:
    for argument, known in _WORDS.items():
        word = config.arguments.get(argument)
        if word is not None and word not in known:
            near = did_you_mean(str(word), list(known)) or f"; it is one of {', '.join(known)}"
            said = f"Invalid {argument} '{word}', expect in {list(known)}!"
            yield problem("argument-value", config.key(argument), f"{argument} is not '{word}'{near}", said)
    dtype = config.arguments.get("quantized_dtype", "w8a8")
    if config.arguments.get("quantized_algorithm") == "gdq" and dtype not in _GROUPED:
        says = f"quantized_algorithm gdq goes with {' and '.join(_GROUPED)}, not with {dtype}"
        said = "The quantized_algorithm = 'gdq' only support in ['w4a16', 'w8a16']!"
        yield problem("argument-value", config.key("quantized_algorithm"), says, said)
    method = config.arguments.get("quantized_method")
    if method is None or method in ("layer", "channel"):
        return
    key = config.key("quantized_method")
    if method not in _GROUPS:
        says = f"quantized_method is layer, channel, or group32 to group256 in steps of 32, not '{method}'"
        said = f"Invalid quantized_method '{method}', expect in ['layer', 'channel', 'group{{SIZE}}']!"
        if str(method).startswith("group"):
            said = f"Invalid quantized_method '{method}', valid format is group{{SIZE}}"
        yield problem("argument-value", key, says, said)
    elif dtype != "w4a16":
        said = f"The quantize_method = '{method}' only support when quantized_dtype = 'w4a16'"
        yield problem("argument-value", key, f"quantized_method {method} goes with w4a16, not with {dtype}", said)


# ---- values of other kinds


def _kinds(config: Call, target: Target) -> Iterator[Refusal]:
    given = config.arguments
    for argument, kind, name, said in (
        ("inputs_yuv_fmt", list, "list", "The inputs_yuv_fmt must be a list!"),
        ("op_target", dict, "mapping of node names to cpu or npu", "The op_target must be a dict!"),
        ("custom_string", str, "text", "The custom_string must be a string!"),
        ("disable_rules", list, "list", "The value of disable_rules only support <class 'list'> !"),
    ):
        value = given.get(argument)
        if value is not None and not isinstance(value, kind):
            yield problem("argument-value", config.key(argument), f"{argument} is a {name}, not '{value}'", said)
    if given.get("sparse_infer") is True and not target.limit("config_sparse"):
        said = f"{target.name} does not support sparse inference, ignore this parameter!"
        yield problem("argument-value", config.key("sparse_infer"), f"{target.name} has no sparse_infer", said)
    sizes = given.get("dynamic_input")
    if isinstance(sizes, list) and sizes and not _nested(sizes, 3):
        says = "dynamic_input is a list of lists of shapes: [[[1, 3, 224, 224]], [[1, 3, 320, 320]]]"
        yield problem("argument-value", config.key("dynamic_input"), says, "The dynamic_input[0][0]=1 must be a list!")


def _nested(value: Any, depth: int) -> bool:
    return depth == 0 or (isinstance(value, list) and all(_nested(item, depth - 1) for item in value))


def _level(config: Call, target: Target) -> Iterator[Refusal]:
    level = config.arguments.get("optimization_level")
    if level is None:
        return
    key = config.key("optimization_level")
    if isinstance(level, bool) or not isinstance(level, int):
        said = "TypeError: '<' not supported between instances of 'str' and 'int'" if toolkit(target) == 2 else None
        says = f"optimization_level is a number from 0 to 3, not '{level}'"
        yield problem("argument-value", key, says, said, grade="crashes")
    elif not 0 <= level <= 3:
        used = 3 if level > 3 else 0
        said = f"Invalid optimization_level '{level}', Set it to '{used}'!" if toolkit(target) == 2 else None
        says = f"optimization_level goes from 0 to 3; {level} counts as {used}"
        yield problem("optimization-level", key, says, said, grade="goes on")


# ---- means and deviations


def _normalization(config: Call, target: Target) -> Iterator[Refusal]:
    given = config.arguments
    means, stds = given.get("mean_values"), given.get("std_values")
    if toolkit(target) == 1 and "channel_mean_value" in given and (means is not None or stds is not None):
        says = "channel_mean_value and mean_values or std_values are both there; keep the two newer ones"
        yield problem("mean-and-std", f"{config.key('channel_mean_value')}:key", says)
    sound = True
    for argument, value in (("mean_values", means), ("std_values", stds)):
        for found in _numbers(config, argument, value, target):
            sound = sound and found.details["grade"] == "goes on"
            yield found
    if isinstance(stds, list) and any(number == 0 and number is not False for number in numbers(stds) or ()):
        says = "a deviation of 0 divides every pixel of its channel by 0; write 1 for values as they are"
        yield problem("zero-deviation", config.key("std_values"), says, grade="miscompiles")
    if not sound or not isinstance(means, list) or not isinstance(stds, list):
        return
    if _sizes(means) != _sizes(stds):
        says = f"mean_values has {_spoken(means)} and std_values {_spoken(stds)} numbers"
        said = "The shape of std_values is different from mean_values!" if toolkit(target) == 2 else None
        yield problem("mean-and-std", config.key("std_values"), says, said)
    elif _of_unit_range(means, stds):
        says = "these are means and deviations of pixels from 0 to 1; the toolkit is given pixels from 0 to 255"
        yield problem("unit-range-mean", config.key("mean_values"), f"{says}: multiply all by 255", grade="goes on")


def _numbers(config: Call, argument: str, value: Any, target: Target) -> Iterator[Refusal]:
    key, second = config.key(argument), toolkit(target) == 2
    if value is None or value in (0, False, "", []):  # taken for nothing
        return
    if not isinstance(value, list):
        said = f"The {argument} {value} must be a list!" if second else None
        yield problem("mean-and-std", key, f"{argument} is a list of lists, [[0, 0, 0]], not '{value}'", said)
        return
    leaves = numbers(value) or []
    if any(isinstance(leaf, bool) or not isinstance(leaf, int | float) for leaf in leaves):
        said = f"The {argument} {value} is invalid format!" if second else None
        yield problem("mean-and-std", key, f"{argument} has something in it that is no number", said)
    elif not all(isinstance(item, list) for item in value):
        says = f"{argument} has one list of numbers for every input: write [[{', '.join(map(str, leaves))}]]"
        yield problem("flat-mean-and-std", key, says, grade="goes on")


def _sizes(value: list[Any]) -> list[int]:
    rows = value if all(isinstance(item, list) for item in value) else [value]
    return [len(row) for row in rows]


def _spoken(value: list[Any]) -> str:
    return " and ".join(map(str, _sizes(value)))


def _of_unit_range(means: list[Any], stds: list[Any]) -> bool:
    """As torchvision's transforms have them: 0.485 and 0.229."""
    m, s = numbers(means) or [], numbers(stds) or []
    return bool(m) and all(0 < each < 1 for each in m) and all(0 < each < 1 for each in s)


# ---- build


def _build(build: Call, target: Target) -> Iterator[Refusal]:
    given, second = build.arguments, toolkit(target) == 2
    quantised, dataset = given.get("do_quantization", True), given.get("dataset")
    if quantised is True and second and dataset is None:
        said = "If set do_quantization = True or auto_hybrid = True, dataset file need be provided. "
        says = "do_quantization is true, its default, and dataset is missing: a text file, one calibration image a line"
        yield problem("dataset-missing", build.path, says, said + "But it`s value is None!")
    if dataset is not None and not isinstance(dataset, str):
        crash = "TypeError: stat: path should be string, bytes, os.PathLike or integer, not list" if second else None
        says = "dataset is the path of a text file, one calibration image a line"
        yield problem("dataset-missing", build.key("dataset"), says, crash, grade="crashes")
    if quantised is False and second and not _floats(target):
        says = f"{target.name} computes in int8 only; do_quantization: false is refused"
        said = f"Current target_platform({target.name}) not support do_quantization = False!"
        yield problem("float-on-int8-chip", build.key("do_quantization"), says, said)
    if given.get("pre_compile") is True and not second and not target.limit("config_pre_compile"):
        says = f"{target.toolchain} compiles no models ahead; export_rknn_precompile_model does so on a board"
        yield problem("other-toolkit-argument", build.key("pre_compile"), says)


def _floats(target: Target) -> bool:
    return bool(target.limits.get("builds", "both") != "int8")
