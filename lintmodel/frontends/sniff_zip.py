"""Tells apart the many formats that are zip archives, from the names of their members alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    import zipfile

EXPORT = (
    "program = torch.export.export(model.eval(), (torch.zeros(1, 3, 224, 224),)); "
    "torch.export.save(program, 'model.pt2')"
)
"""The two lines of Python that make a file lintmodel reads."""
WEIGHTS = (
    "a PyTorch checkpoint (pickled weights without the network), which is never unpickled; "
    f"make the network in Python, load the weights into it, and write {EXPORT}"
)

# Formats by members they must all have: (patterns, format, sentence). Members may lie in one folder named after the
# file. The first that fits counts: a TorchScript archive holds a data.pkl as a checkpoint does.
_MEMBERS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    # torch 2.8 and newer, then the layout up to 2.7
    ((r"models/[^/]+\.json",), "pt2", "is a PyTorch program saved with torch.export"),
    ((r"serialized_exported_program\.json",), "pt2", "is a PyTorch program saved with torch.export"),
    (
        (r"data/aotinductor/.+",),
        "aotinductor",
        "is a PyTorch program compiled with AOTInductor; export the module itself: " + EXPORT,
    ),
    (
        (r"constants\.pkl", r"code/.+"),
        "torchscript",
        f"is a TorchScript archive, which has no shapes in it; export the module it was made from: {EXPORT}",
    ),
    (
        (r"model\.json", r"code/.+"),
        "torchscript",
        f"is a TorchScript archive of torch 1.0 to 1.3; export the module it was made from: {EXPORT}",
    ),
    ((r"data\.pkl",), "checkpoint", f"is {WEIGHTS}"),
    (
        (r"config\.json", r"model\.weights\.(h5|npz)"),
        "keras",
        "is a Keras 3 model; convert it with tf.lite.TFLiteConverter or model.export(format='onnx')",
    ),
    (
        (r"Manifest\.json", r"Data/com\.apple\.CoreML/.+"),
        "coreml",
        "is a zipped Core ML package; give the .onnx or .tflite model instead",
    ),
    ((r"[^/]+\.npy",), "numpy", "is a NumPy .npz archive of arrays; give the .onnx or .tflite model"),
)


def sniff_zip(file: BinaryIO, head: bytes) -> tuple[str, str]:
    """Format and sentence of a zip archive. ``head`` is its beginning, for archives whose directory is gone."""
    import zipfile

    try:
        archive = zipfile.ZipFile(file)
        names = archive.namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        what = "a PyTorch file" if b"/data.pkl" in head[:300] else "a zip archive"
        return "zip", f"is {what} cut short or damaged: its directory at the end cannot be read; fetch it again"
    for patterns, name, advice in _MEMBERS:
        if all(any(re.fullmatch(rf"([^/]+/)?{pattern}", n) for n in names) for pattern in patterns):
            return name, (_of_pickle(archive) or advice) if name == "checkpoint" else advice
    inside = next((n for n in names if n.endswith((".onnx", ".tflite"))), None)
    if inside:
        return "zip", f"is a zip archive that holds {inside}; unpack it and give that file"
    return "zip", "is a zip archive with no model in it that is known; unpack it and give the .onnx or .tflite model"


def _of_pickle(archive: zipfile.ZipFile) -> str | None:
    """The sentence for what is more than weights: a pickled network, or a pickle made to run code."""
    import zipfile

    from .pickle_names import named, refused

    info = next(i for i in archive.infolist() if i.filename.endswith("data.pkl"))
    try:
        content = archive.read(info) if info.file_size <= _MOST_PICKLE else b""
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, RuntimeError):
        return None
    function = refused(content)
    if function:
        return f"is a PyTorch file that names {function}, which would run when it is loaded; nothing in it was run"
    classes = (f"{module}.{name}" for module, name in named(content) if not _of_weights(module, name))
    first = next(classes, None)
    if first is None:
        return None
    what = f"is a pickled PyTorch model (of {first}), which is never unpickled, because that runs code"
    return f"{what}; where its code is installed and the file is trusted, load it and write {EXPORT}"


_MOST_PICKLE = 1 << 26


def _of_weights(module: str, name: str) -> bool:
    """What dictionaries of tensors, optimisers and training options are made of."""
    top = module.partition(".")[0]
    plain = top in ("collections", "builtins", "__builtin__", "_codecs", "numpy", "copyreg", "copy_reg", "argparse")
    return plain or module in ("torch._utils", "torch") or module.startswith(("torch.storage", "torch.optim"))
