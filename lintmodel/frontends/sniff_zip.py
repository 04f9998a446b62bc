"""Tells apart the many formats that are zip archives, from the names of their members alone."""

from __future__ import annotations

import re
from typing import BinaryIO

_TORCH = "this version of lintmodel reads .onnx and .tflite; export it with torch.onnx.export"

# Formats by members they must all have: (patterns, format, sentence). Members may lie in one folder named after the
# file. The first that fits counts: a TorchScript archive holds a data.pkl as a checkpoint does.
_MEMBERS: tuple[tuple[tuple[str, ...], str, str], ...] = (
    # torch 2.8 and newer, then the layout up to 2.7
    ((r"models/[^/]+\.json",), "pt2", f"is a PyTorch program saved with torch.export; {_TORCH}"),
    ((r"serialized_exported_program\.json",), "pt2", f"is a PyTorch program saved with torch.export; {_TORCH}"),
    (
        (r"data/aotinductor/.+",),
        "aotinductor",
        "is a PyTorch program compiled with AOTInductor; export the module itself with torch.onnx.export",
    ),
    ((r"constants\.pkl", r"code/.+"), "torchscript", f"is a TorchScript archive; {_TORCH}"),
    ((r"model\.json", r"code/.+"), "torchscript", f"is a TorchScript archive of torch 1.0 to 1.3; {_TORCH}"),
    ((r"data\.pkl",), "checkpoint", f"is a PyTorch checkpoint (pickled weights without the network); {_TORCH}"),
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
        names = zipfile.ZipFile(file).namelist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        what = "a PyTorch file" if b"/data.pkl" in head[:300] else "a zip archive"
        return "zip", f"is {what} cut short or damaged: its directory at the end cannot be read; fetch it again"
    for patterns, name, advice in _MEMBERS:
        if all(any(re.fullmatch(rf"([^/]+/)?{pattern}", n) for n in names) for pattern in patterns):
            return name, advice
    inside = next((n for n in names if n.endswith((".onnx", ".tflite"))), None)
    if inside:
        return "zip", f"is a zip archive that holds {inside}; unpack it and give that file"
    return "zip", "is a zip archive with no model in it that is known; unpack it and give the .onnx or .tflite model"
