"""6xx: what the board's runtime makes of a compiled model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import PurePath

from lintmodel.findings import Found, Level
from lintmodel.ir import Document, document
from lintmodel.planning import Plan
from lintmodel.registry import Model, rule
from lintmodel.target import Target

from .kmodel import first_layer_refused, missing_layers, other_chip
from .other_versions import for_runtime
from .runtime_support import NAMES, chosen_runtime, fits, loaders, loads, runtime_name
from .wording import kilobytes, room

SAYS = {"maixpy": "MaixPy", "canmv": "CanMV", "standalone": "the SDK"}
REFUSALS = {
    ("maixpy", 4): "[MAIXPY]kpu: load error:2002, ERR_KMODEL_VERSION: only support kmodel V3",
    ("maixpy", 5): "[MAIXPY]kpu: load error:2003, ERR_KMODEL_FORMAT: layer_header.body_size <=0",
    ("canmv", 5): "OSError: Failed to load model",
}
"""What the runtime prints for a kmodel of that version. Sources: MaixPy-v1 Maix_kpu.c; nncase#988; canmv#35."""


@rule("KPU601", "kmodel-not-loaded", Level.ERROR, on=Document, confidence="documented", options={"runtime": "maixpy"})
def kmodel_not_loaded(kmodel: Document, plan: Plan, kpu: Target) -> Iterator[Found]:
    """A compiled kmodel of a version that the board's runtime does not load.

    What it does: reads the version in the file's header and compares it with what the runtime of the option runtime
    loads, or that of the option firmware. MaixPy loads {maixpy_kmodels}, its minimum builds {maixpy_minimum_kmodels},
    CanMV {canmv_kmodels} and in builds with CANMV_ENABLE_KMODEL_V5 also {canmv_build_kmodels}, the standalone SDK
    (branch develop) {standalone_kmodels}.

    Why it matters: nncase 0.1 makes version 3, nncase 0.2 version 4, nncase 1.0 to 1.9 version 5, and all call the
    file .kmodel. The board finds out when it loads it, and MaixPy prints a number that rarely says so. All numbers of
    its loader ("load error" and "load_flash error"):

    2001 ERR_PARAM, "please check param, load address or kmodel file name": no file, or an address at which nothing
    was flashed.

    2002 ERR_KMODEL_VERSION, "only support kmodel V3" or "only support kmodel V3/V4 now": a version 4 file on a
    minimum build; a version 5 file with load_flash. Older firmware says "we only support V3 now, get V1263354956",
    the number being the letters KMDL with which versions 4 and 5 begin.

    2003 ERR_KMODEL_FORMAT, "layer_header.body_size <=0": in all reports with a cause, a version 5 file.

    2004 ERR_DECRYPT, "check smodel match with your board": an encrypted .smodel made for another board.

    2005 ERR_READ_FILE, "read file failed": the SD card or the file on it cannot be read.

    2006 ERR_NO_MEM, "memory not enough", also "SYSCALL: Out of memory": see KPU606.

    2007 ERR_GET_CONV_LAYER, "first layer should be conv layer": see KPU604.

    2008 ERR_RUN_MODEL, "maybe model dirty": the model was loaded and does not run; what was flashed may be damaged.

    2009 ERR_MODELS_FULL, "we only support load 5 models in the same time": kpu.deinit(task) frees one of them.

    2010 ERR_PERMITION: no cause is known; the loader is a closed library.

    2011 ERR_IDX_OUTRANGE: kpu.set_outputs names an output that is not there; the first is 0.

    2012 ERR_SIZE_NOTMATCH: width, height and channels given to kpu.set_outputs do not make up the output: see KPU605.

    2013 ERR_OUTPUTS_SET, "need kpu.set_outputs() to set shape": see KPU605.

    2014 ERR_NOT_IMPLEMENT: no cause is known.

    2015 ERR_UNKNOWN: seen for version 5 files with kpu.load.

    "model format don't match, only supply .kmodel": the path has none of .kmodel, .smodel and .emodel in it, see
    KPU607.

    What to do instead: compile for the runtime that is on the board: with nncase 0.2.0-beta4 for MaixPy and released
    CanMV firmware, with nncase 0.1.0-rc5 for minimum builds of MaixPy (lintmodel check MODEL --target k210@0.2 says
    what becomes of the network), or build firmware that loads version 5 from the standalone SDK's branch develop.

    Source: MaixPy-v1 d8901fd, Maix_kpu.c and sipeed_kpu.h; the loader behind them is a closed library, and the causes
    are those people found: MaixPy-v1#182, #300, #379, #423, #433, #434, nncase#252, #988, canmv#35.
    """
    yield from _unloaded(kmodel.values["version"], kpu, "a kmodel of version")


kmodel_not_loaded.bad(lambda: document("kmodel", version=5))
kmodel_not_loaded.good(lambda: document("kmodel", version=4))


@rule(
    "KPU602", "kmodel-for-other-runtime", Level.ERROR, on=Model, confidence="documented", options={"runtime": "maixpy"}
)
def kmodel_for_other_runtime(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """The toolchain makes kmodels of a version that the board's runtime does not load.

    What it does: compares the version of the kmodel that the chosen nncase makes ({kmodel_version}) with those the
    runtime of the option runtime, or of the option firmware, loads.

    Why it matters: the model converts, and the board refuses the file, MaixPy with one of the numbers that KPU601
    explains, CanMV with "Failed to load model".

    What to do instead: convert with nncase 0.2.0-beta4 and check with --target k210@0.2, whose operators and fallbacks
    differ; or use firmware built from the standalone SDK's branch develop (runtime=standalone).

    Source: as for KPU601.
    """
    if plan.verdict != "rejected":
        runtime = chosen_runtime(kpu)
        for found in _unloaded(int(kpu.limit("kmodel_version")), kpu, f"{kpu.toolchain} makes a kmodel of version"):
            other = for_runtime(model.graph, kpu, runtime) if runtime else None
            yield replace(found, message=f"{found.message}; {other}") if other else found


kmodel_for_other_runtime.bad(lambda g: g.conv(8, 16))
kmodel_for_other_runtime.good(lambda g: g.conv(8, 16))


def _unloaded(version: int, kpu: Target, what: str) -> Iterator[Found]:
    runtime = chosen_runtime(kpu)
    if runtime is None:
        return
    found, others = loads(runtime, version, kpu), ", ".join(loaders(version, kpu)) or "no known runtime"
    said = REFUSALS.get((runtime, version))
    speaker = {"speaker": SAYS[runtime]}
    if found == "fails":
        yield Found(
            f"{what} {version}, which {runtime_name(kpu)} does not load; loaded by: {others}", said, details=speaker
        )
    elif found == "unknown":
        yield Found(
            f"{what} {version}, which {runtime_name(kpu)} loads only in builds made for it; loaded by: {others}",
            said,
            level=Level.WARNING,
            details=speaker,
        )


@rule("KPU603", "kmodel-layer-without-code", Level.ERROR, on=Document)
def kmodel_layer_without_code(kmodel: Document, plan: Plan, kpu: Target) -> Iterator[Found]:
    """A kmodel of version 3 with a layer that its runtime has no code for, or a file made for another chip.

    What it does: reads the kinds of all layers in the header of a version 3 file and compares them with those the
    runtime runs; in versions 4 and 5 reads for which chip the file was made.

    Why it matters: nncase 0.1 writes float pools (MaxPool2D, GlobalMaxPool2D) and some quantised layers that the
    runtime never got. The board stops in the middle of the network, with a message only in debug builds.

    What to do instead: a pool of 2x2 or 4x4 right behind a convolution runs on the KPU; or convert with nncase 0.2,
    whose files bring other layers.

    Source: kendryte-standalone-sdk 02576ba, lib/drivers/kpu.c; whether MaixPy's closed library is the same is
    unverified.
    """
    missing, chip = missing_layers(kmodel.values, kpu), other_chip(kmodel.values)
    if missing:
        yield Found(f"the runtime has no code for {', '.join(missing)}", 'assert(!"Layer is not supported.")')
    if chip:
        yield Found(f"the file was made for another chip ({chip})")


kmodel_layer_without_code.bad(lambda: document("kmodel", version=3, layers=("Conv", "MaxPool2D")))
kmodel_layer_without_code.bad(lambda: document("kmodel", version=5, modules=({"type": "k510", "pools": {}},)))
kmodel_layer_without_code.good(lambda: document("kmodel", version=3, layers=("Conv", "QuantizedMaxPool2D")))


@rule("KPU604", "kmodel-first-layer", Level.ERROR, on=Document, confidence="documented")
def kmodel_first_layer(kmodel: Document, plan: Plan, kpu: Target) -> Iterator[Found]:
    """A kmodel of version 3 that does not begin with a layer the picture can be given to.

    What it does: looks at the first layer of a version 3 file. MaixPy needs a convolution on the KPU, the standalone
    SDK a convolution or a fully connected layer.

    Why it matters: the runtime takes the size of the input from that layer. MaixPy stops with 2007
    ERR_GET_CONV_LAYER, the SDK's kpu_run_kmodel returns -1.

    What to do instead: let the network begin with a 1x1 or 3x3 convolution, and do what stands before it (scaling,
    padding, a transpose) on the picture; or convert with nncase 0.2, whose files name their inputs.

    Source: MaixPy-v1 d8901fd, Maix_kpu.c; kendryte-standalone-sdk 02576ba, lib/drivers/kpu.c.
    """
    if first_layer_refused(kmodel.values, kpu):
        maixpy = chosen_runtime(kpu) == "maixpy"
        said = "ERR_GET_CONV_LAYER: first layer should be conv layer" if maixpy else None
        message = f"the first layer is {kmodel.values['layers'][0]}; {runtime_name(kpu)} begins with a convolution"
        yield Found(message + ("" if maixpy else " or a fully connected layer"), said, details={"speaker": "MaixPy"})


kmodel_first_layer.bad(lambda: document("kmodel", version=3, layers=("Quantize", "Conv")))
kmodel_first_layer.good(lambda: document("kmodel", version=3, layers=("Conv", "Dequantize")))


@rule("KPU605", "kmodel-outputs-not-set", Level.NOTE, on=Document, options={"runtime": "maixpy"})
def kmodel_outputs_not_set(kmodel: Document, plan: Plan, kpu: Target) -> Iterator[Found]:
    """Outputs of a kmodel of version 4, whose shapes MaixPy has to be told.

    What it does: with the runtime maixpy, names for every output the number of values that the shape must have.

    Why it matters: version 4 stores the bytes of its outputs and not their shapes. kpu.forward stops with 2013
    ERR_OUTPUTS_SET, "need kpu.set_outputs() to set shape"; with a wrong shape kpu.set_outputs says 2012.

    What to do instead: call kpu.set_outputs(task, index, width, height, channels) for every output, once after
    loading. A classifier's n values are w=1, h=1, c=n.

    Source: MaixPy-v1 d8901fd, Maix_kpu.c; MaixPy-v1#483.
    """
    if kmodel.values["version"] != 4 or chosen_runtime(kpu) != "maixpy":
        return
    for index, output in enumerate(kmodel.values.get("outputs", ())):
        count = output["bytes"] // (1 if output.get("dtype") == "uint8" else 4)
        call = f"kpu.set_outputs(task, {index}, w, h, c)"
        yield Found(f"output {index} has {count:,} values: call {call} with w*h*c = {count} before kpu.forward")


kmodel_outputs_not_set.bad(lambda: document("kmodel", version=4, outputs=({"bytes": 4000},)))
kmodel_outputs_not_set.good(lambda: document("kmodel", version=3, outputs=({"bytes": 4000},)))


@rule("KPU606", "kmodel-out-of-memory", Level.ERROR, on=Document, confidence="documented")
def kmodel_out_of_memory(kmodel: Document, plan: Plan, kpu: Target) -> Iterator[Found]:
    """A kmodel that does not fit into memory while it runs.

    What it does: adds the file and the memory its header asks for, and compares them with the chip's 6 MiB, or with
    what the firmware of the option firmware leaves of them. Buffers of camera and display come on top.

    Why it matters: the runtime allocates the memory when it loads the model. MaixPy answers 2006 ERR_NO_MEM, "memory
    not enough", or "SYSCALL: Out of memory"; the standalone SDK's kpu_load_kmodel returns -1.

    What to do instead: a smaller network or picture; fewer operators on the CPU, which work in float32; the minimum
    firmware; a smaller heap (utils.gc_heap_size, then reset); for version 3 kpu.load_flash, which leaves the weights
    in flash and is slow.

    Source: K210 datasheet; {firmware_maixpy_full} bytes of firmware and {heap_maixpy_full} of heap for maixpy-full
    are documented by Sipeed, the size of maixpy-minimum and of CanMV's firmware is unverified. MaixPy-v1#317, #417,
    #422, #426, nncase#129, #688.
    """
    main = plan.memory["main"]
    if not fits(main.peak, kpu):
        parts = ", ".join(f"{name} {kilobytes(size)}" for name, size in main.parts.items() if size)
        said = "ERR_NO_MEM: memory not enough" if chosen_runtime(kpu) == "maixpy" else None
        yield Found(f"{kilobytes(main.peak)} are needed ({parts}); {room(kpu)}", said, details={"speaker": "MaixPy"})


kmodel_out_of_memory.bad(lambda: document("kmodel", version=4, bytes=4194304, main_memory=4194304))
kmodel_out_of_memory.good(lambda: document("kmodel", version=4, bytes=2097152, main_memory=1048576))


@rule("KPU607", "kmodel-file-name", Level.WARNING, on=Document, options={"runtime": "maixpy"})
def kmodel_file_name(kmodel: Document, plan: Plan, kpu: Target) -> Iterator[Found]:
    """A kmodel whose file name MaixPy does not take.

    What it does: with the runtime maixpy, looks for .kmodel, .smodel or .emodel in the file's name.

    Why it matters: kpu.load looks at the name before it looks at the file, and stops with "model format don't match,
    only supply .kmodel". A model flashed to an address has no name and is not concerned.

    What to do instead: rename the file.

    Source: MaixPy-v1 d8901fd, Maix_kpu.c.
    """
    name = PurePath(kmodel.path).name
    if chosen_runtime(kpu) == "maixpy" and not any(part in name for part in (".kmodel", ".smodel", ".emodel")):
        said = "[MAIXPY]kpu: model format don't match, only supply .kmodel"
        yield Found("the name has none of .kmodel, .smodel and .emodel in it", said, details={"speaker": "MaixPy"})


kmodel_file_name.bad(lambda: document("kmodel", "model.bin", version=4))
kmodel_file_name.good(lambda: document("kmodel", "model.kmodel", version=4))


@rule("KPU608", "kmodel-for-some-runtimes", Level.NOTE, on=Model, confidence="documented")
def kmodel_for_some_runtimes(model: Model, plan: Plan, kpu: Target) -> Iterator[Found]:
    """What the toolchain makes is not loaded by every firmware of the chip.

    What it does: while the option runtime is left at any, says which runtimes load the kmodel that the chosen nncase
    makes (version {kmodel_version}) and which does not, and plans the network with the newest nncase whose kmodels that
    one loads (networks of 200 nodes and more are left out).

    Why it matters: the model converts, and the board may refuse the file, with a number that does not say why; KPU601
    explains them all.

    What to do instead: say what is on the board: -O runtime=maixpy, canmv or standalone, or -O firmware=maixpy-full. A
    runtime that does not load the file is then an error, and this note is gone.

    Source: as for KPU601.
    """
    version = int(kpu.limit("kmodel_version"))
    refusing = [runtime for runtime in NAMES if loads(runtime, version, kpu) == "fails"]
    if plan.verdict == "rejected" or chosen_runtime(kpu) is not None or not refusing:
        return
    runtime = refusing[0]
    refused = f"{NAMES[runtime]} refuses it" + (" (error 2003)" if (runtime, version) == ("maixpy", 5) else "")
    text = (
        f"{kpu.toolchain} makes a kmodel of version {version}, loaded by {', '.join(loaders(version, kpu))}; {refused}"
    )
    other = for_runtime(model.graph, kpu, runtime)
    yield Found(f"{text} and {other.removeprefix(NAMES[runtime] + ' ')}" if other else text)


kmodel_for_some_runtimes.bad(lambda g: g.conv(8, 16))
kmodel_for_some_runtimes.good(lambda g: g.conv(8, 16).op("NonMaxSuppression"))


RULES = [
    kmodel_not_loaded,
    kmodel_for_other_runtime,
    kmodel_layer_without_code,
    kmodel_first_layer,
    kmodel_outputs_not_set,
    kmodel_out_of_memory,
    kmodel_file_name,
    kmodel_for_some_runtimes,
]
