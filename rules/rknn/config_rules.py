"""5xx: arguments in an RKNN configuration that the toolkit refuses, or takes and means otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from lintmodel.findings import Found, Level
from lintmodel.ir import Document
from lintmodel.planning import Plan
from lintmodel.registry import Rule, rule
from lintmodel.target import Target

from .configuration import KIND


def configured(path: str = "rknn.yaml", **parts: Any) -> Document:
    """A configuration in one line: ``build`` and other calls as they are given, all else arguments of config."""
    calls = {key: value for key, value in parts.items() if isinstance(value, dict)}
    config = {"target_platform": "rk3588", **{k: v for k, v in parts.items() if k not in calls}}
    config = {key: value for key, value in config.items() if value is not None}
    return Document(path, KIND, {"config": config, **calls})


def _told(plan: Plan, kind: str) -> Iterator[Found]:
    """What the checks found of this kind, at the value it is about."""
    for problem in plan.refused(kind):
        softer = problem.details["grade"] == "goes on"
        level = Level.WARNING if softer else None
        yield Found(str(problem.details["says"]), problem.vendor_message, key=problem.details["key"], level=level)


@rule("RKN501", "unknown-argument", Level.ERROR, on=Document, confidence="measured")
def unknown_argument(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Argument that neither toolkit knows.

    What it does: compares the keys of config, build, load_onnx and the other calls with the arguments that the
    target's toolkit has, and names the nearest one.

    Why it matters: the call fails. rknn.config of toolkit 2 prints the arguments it has and sometimes a suggestion;
    other calls stop with a Python TypeError.

    What to do instead: the argument that is offered; or take it out.

    Source: signatures and messages of rknn-toolkit2 2.5.0, measured; for toolkit 1 its user guide 1.7.5,
    documented.
    """
    yield from _told(plan, "unknown-argument")


unknown_argument.bad(lambda: configured(quantised_dtype="w8a8"))
unknown_argument.bad(lambda: configured(build={"do_quantisation": False, "dataset": "d.txt"}))
unknown_argument.good(lambda: configured(quantized_dtype="w8a8"))
unknown_argument.good(lambda: configured(disable_rules=["fuse_pad_into_conv"]))


@rule("RKN502", "other-toolkit-argument", Level.ERROR, on=Document, confidence="measured")
def other_toolkit_argument(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Argument of the other toolkit generation.

    What it does: finds arguments that belong to RKNN-Toolkit 1 (RK1808, RK3399Pro, RV1109, RV1126) in a
    configuration for a chip of RKNN-Toolkit2, and the other way round, and says what takes their place.

    Why it matters: the call fails. The two toolkits share the name of the module (rknn.api) and most calls, so that
    a script of one starts under the other.

    What to do instead: what the message says. Values of channel_mean_value are written out: 'm m m s' becomes
    mean_values [[m, m, m]] and std_values [[s, s, s]].

    Source: signatures and messages of rknn-toolkit2 2.5.0, measured; Rockchip's page on the difference of the two
    interfaces, documented.
    """
    yield from _told(plan, "other-toolkit-argument")


other_toolkit_argument.bad(lambda: configured(channel_mean_value="0 0 0 255"))
other_toolkit_argument.bad(lambda: configured(build={"do_quantization": False, "pre_compile": False}))
other_toolkit_argument.good(lambda: configured(mean_values=[[0, 0, 0]], std_values=[[255, 255, 255]]))


@rule("RKN503", "removed-call", Level.ERROR, on=Document, confidence="measured")
def removed_call(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Call that the target's toolkit does not have.

    What it does: finds parts for calls like load_keras, load_mxnet or direct_build, and models under parameters of
    a framework that the toolkit cannot load.

    Why it matters: toolkit 2 dropped these calls; a script stops with an AttributeError.

    What to do instead: export the model to ONNX, or what the message says.

    Source: members of rknn.api.RKNN in rknn-toolkit2 2.5.0, measured.
    """
    yield from _told(plan, "removed-call")


removed_call.bad(lambda: configured(load_keras={"model": "m.h5"}))
removed_call.good(lambda: configured(load_onnx={"model": "m.onnx"}))


@rule("RKN504", "target-platform", Level.ERROR, on=Document, confidence="measured")
def target_platform(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """The chip is missing, a list, or one that the toolkit does not build for.

    What it does: reads target_platform of config and target of init_runtime. Toolkit 2 takes one word, in upper or
    lower case.

    Why it matters: without a chip it knows, rknn.config stops. The list of toolkit 1 crashes toolkit 2 with an
    AttributeError that names neither.

    What to do instead: one chip of the toolkit. RK1808, RK3399Pro, RV1109 and RV1126 are built with rknn-toolkit
    1.x only; the RV1126B is another chip, of toolkit 2.

    Source: rknn-toolkit2 2.5.0, rknn.config, measured; init_runtime documented.
    """
    yield from _told(plan, "target-platform")


target_platform.bad(lambda: configured(target_platform=["rk3588"]))
target_platform.bad(lambda: configured(target_platform="rk3399pro"))
target_platform.bad(lambda: configured(target_platform=None))
target_platform.bad(lambda: configured(init_runtime={"target": "rk1808"}))
target_platform.good(lambda: configured(target_platform="RK3588S", init_runtime={"target": "rk3588"}))


@rule("RKN505", "quantized-dtype", Level.ERROR, on=Document, confidence="measured")
def quantized_dtype(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Type of quantisation that the toolkit or the chip does not have.

    What it does: looks up quantized_dtype, with the names of both toolkits.

    Why it matters: rknn.config stops. Most chips have w8a8 and w16a16i_dfp; w8a16 is for the RK3562, w4a16 for the
    RK3576 and the RV1126B.

    What to do instead: the name that is offered. For 16-bit floats leave it out, and build with do_quantization:
    false.

    Source: rknn-toolkit2 2.5.0, rknn.config on every chip, measured; toolkit 1: user guides 1.6 and 1.7.5, which
    mix the old and the new names, documented.
    """
    yield from _told(plan, "quantized-dtype")


quantized_dtype.bad(lambda: configured(quantized_dtype="asymmetric_quantized-u8"))
quantized_dtype.bad(lambda: configured(quantized_dtype="w8a16"))
quantized_dtype.good(lambda: configured(quantized_dtype="w16a16i_dfp"))
quantized_dtype.good(lambda: configured(quantized_dtype="asymmetric_quantized-8"))


@rule("RKN506", "argument-value", Level.ERROR, on=Document, confidence="measured")
def argument_value(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Value that the toolkit does not take.

    What it does: looks at quantized_algorithm, quantized_method, float_dtype, memory_plan_strategy, compute_order,
    optimization_level, inputs_yuv_fmt, op_target, disable_rules, custom_string, dynamic_input and sparse_infer.

    Why it matters: rknn.config stops, with what it expects; for an optimization_level in quotes with a Python
    TypeError.

    What to do instead: a value as the message says.

    Source: rknn-toolkit2 2.5.0, rknn.config, measured.
    """
    yield from _told(plan, "argument-value")


argument_value.bad(lambda: configured(quantized_algorithm="moving_average"))
argument_value.bad(lambda: configured(quantized_method="group33"))
argument_value.bad(lambda: configured(optimization_level="3"))
argument_value.bad(lambda: configured(dynamic_input=[[1, 3, 32, 32]]))
argument_value.good(lambda: configured(quantized_algorithm="mmse", quantized_method="layer", optimization_level=2))


@rule("RKN507", "mean-and-std", Level.ERROR, on=Document, confidence="measured")
def mean_and_std(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Means or deviations that are no lists of numbers, or do not fit together.

    What it does: reads mean_values and std_values: a list of lists with one number for every channel, one inner
    list for every input.

    Why it matters: rknn.config stops at other forms and where the two differ in shape; at load_onnx the numbers are
    held against the channels of the model's inputs.

    What to do instead: mean_values: [[0, 0, 0]] and std_values: [[255, 255, 255]] for one RGB input.

    Source: rknn-toolkit2 2.5.0, rknn.config, measured; that channel_mean_value excludes both in toolkit 1 is
    documented.
    """
    yield from _told(plan, "mean-and-std")


mean_and_std.bad(lambda: configured(mean_values="0 0 0"))
mean_and_std.bad(lambda: configured(mean_values=[[0, 0, 0]], std_values=[[1, 1]]))
mean_and_std.good(lambda: configured(mean_values=[[0, 0, 0]], std_values=[[255, 255, 255]]))
mean_and_std.good(lambda: configured(mean_values=[[0, 0, 0]]))


@rule("RKN508", "dataset-missing", Level.ERROR, on=Document, confidence="measured")
def dataset_missing(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Quantisation without a dataset to calibrate on.

    What it does: reads the arguments of build: do_quantization is true unless it says otherwise, and dataset is the
    path of a text file.

    Why it matters: build stops after the model has been loaded and optimised. Images given as a list crash it.

    What to do instead: a text file with the path of one image or .npy array a line, 20 to 200 of them; for 16-bit
    floats do_quantization: false.

    Source: rknn-toolkit2 2.5.0, rknn.build, measured.
    """
    yield from _told(plan, "dataset-missing")


dataset_missing.bad(lambda: configured(build={"do_quantization": True}))
dataset_missing.bad(lambda: configured(build={"dataset": ["a.jpg"]}))
dataset_missing.good(lambda: configured(build={"do_quantization": True, "dataset": "dataset.txt"}))
dataset_missing.good(lambda: configured(build={"do_quantization": False}))


@rule("RKN509", "float-on-int8-chip", Level.ERROR, on=Document, confidence="measured", target="rv1106")
def float_on_int8_chip(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Build without quantisation for a chip that computes in integers only.

    What it does: reads do_quantization of build for chips without 16-bit floats.

    Why it matters: build stops.

    What to do instead: do_quantization: true with a dataset.

    Source: rknn-toolkit2 2.5.0, measured.
    """
    yield from _told(plan, "float-on-int8-chip")


float_on_int8_chip.bad(lambda: configured(target_platform="rv1106", build={"do_quantization": False}))
float_on_int8_chip.good(
    lambda: configured(target_platform="rv1106", build={"do_quantization": True, "dataset": "d.txt"})
)


@rule("RKN510", "zero-deviation", Level.ERROR, on=Document, confidence="measured")
def zero_deviation(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Deviation of zero, by which every pixel is divided.

    What it does: looks for 0 in std_values.

    Why it matters: rknn.config, load_onnx and build say nothing. The first layer then divides by 0: the model's
    input is infinite and its output worthless.

    What to do instead: 1 for channels that are not scaled.

    Source: rknn-toolkit2 2.5.0 builds such a model without a word, measured; what follows from it is arithmetic.
    """
    yield from _told(plan, "zero-deviation")


zero_deviation.bad(lambda: configured(mean_values=[[0, 0, 0]], std_values=[[0, 0, 0]]))
zero_deviation.good(lambda: configured(mean_values=[[0, 0, 0]], std_values=[[1, 1, 1]]))


@rule("RKN511", "other-platform", Level.WARNING, on=Document, confidence="documented")
def other_platform(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """The configuration is for another chip than the one it is checked for.

    What it does: compares target_platform with the target. Chips that one model runs on (RK3566 and RK3568, RV1103
    and RV1106) are the same.

    Why it matters: a model built for one Rockchip NPU does not load on another.

    What to do instead: check with the target that the configuration names, or change target_platform.

    Source: RKNN-Toolkit2 user guide, target_platform.
    """
    yield from _told(plan, "other-platform")


other_platform.bad(lambda: configured(target_platform="rk3566"))
other_platform.good(lambda: configured(target_platform="rk3588s"))


@rule("RKN512", "none-as-text", Level.WARNING, on=Document, confidence="documented")
def none_as_text(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """The text 'None' where nothing is meant.

    What it does: looks for the word None as the value of an argument. Nothing is null or ~ in YAML, and null in
    JSON.

    Why it matters: the toolkit gets a text that is not empty, which counts as true or as a name.

    What to do instead: null, or take the argument out.

    Source: YAML 1.1 and JSON specifications.
    """
    yield from _told(plan, "none-as-text")


none_as_text.bad(lambda: configured(inference={"inputs_pass_through": "None"}))
none_as_text.good(lambda: configured(inference={"inputs_pass_through": None}))


@rule("RKN513", "optimization-level", Level.WARNING, on=Document, confidence="measured")
def optimization_level(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Optimisation level that the toolkit replaces.

    What it does: finds optimization_level below 0 or above 3.

    Why it matters: the toolkit warns, and takes 0 or 3.

    What to do instead: 3, the default, for all optimisations; 0 for none.

    Source: rknn-toolkit2 2.5.0, rknn.config, measured.
    """
    yield from _told(plan, "optimization-level")


optimization_level.bad(lambda: configured(optimization_level=4))
optimization_level.good(lambda: configured(optimization_level=3))


@rule("RKN514", "repeated-argument", Level.WARNING, on=Document, confidence="documented")
def repeated_argument(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Argument that is there twice.

    What it does: finds keys that a mapping has twice.

    Why it matters: YAML and JSON readers take the last one without a word.

    What to do instead: keep the one that is meant.

    Source: YAML 1.1 specification; Python's json module.
    """
    yield from _told(plan, "repeated-argument")


def _twice() -> Document:
    return replace(configured(quantized_dtype="w8a8"), duplicates=("config.quantized_dtype",))


repeated_argument.bad(lambda: _twice())
repeated_argument.good(lambda: configured(quantized_dtype="w8a8"))


@rule("RKN515", "flat-mean-and-std", Level.WARNING, on=Document, confidence="measured")
def flat_mean_and_std(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Means or deviations in a plain list.

    What it does: finds mean_values and std_values without an inner list for every input.

    Why it matters: the toolkit takes them for a model with one input, although its guide wants a list of lists;
    with more inputs they are read as one input's.

    What to do instead: [[0, 0, 0]] in place of [0, 0, 0].

    Source: rknn-toolkit2 2.5.0 builds such a model with one input, measured; RKNN-Toolkit2 user guide.
    """
    yield from _told(plan, "flat-mean-and-std")


flat_mean_and_std.bad(lambda: configured(mean_values=[0, 0, 0], std_values=[255, 255, 255]))
flat_mean_and_std.good(lambda: configured(mean_values=[[0, 0, 0]], std_values=[[255, 255, 255]]))


@rule("RKN516", "unit-range-mean", Level.WARNING, on=Document, confidence="documented")
def unit_range_mean(configuration: Document, plan: Plan, chip: Target) -> Iterator[Found]:
    """Means and deviations of pixels from 0 to 1.

    What it does: finds means and deviations that all lie between 0 and 1, as in PyTorch's transforms (0.485 and
    0.229).

    Why it matters: the toolkit subtracts and divides pixels from 0 to 255: the model sees an input some 255 times
    too large, and its results are wrong without an error.

    What to do instead: multiply by 255: [[123.675, 116.28, 103.53]] and [[58.395, 57.12, 57.375]] for ImageNet.

    Source: RKNN-Toolkit2 user guide, rknn.config.
    """
    yield from _told(plan, "unit-range-mean")


unit_range_mean.bad(lambda: configured(mean_values=[[0.485, 0.456, 0.406]], std_values=[[0.229, 0.224, 0.225]]))
unit_range_mean.good(lambda: configured(mean_values=[[123.675, 116.28, 103.53]], std_values=[[58.395, 57.12, 57.375]]))


RULES: list[Rule] = [
    unknown_argument,
    other_toolkit_argument,
    removed_call,
    target_platform,
    quantized_dtype,
    argument_value,
    mean_and_std,
    dataset_missing,
    float_on_int8_chip,
    zero_deviation,
    other_platform,
    none_as_text,
    optimization_level,
    repeated_argument,
    flat_mean_and_std,
    unit_range_mean,
]
