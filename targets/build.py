"""Writes the sheets of the registered DPU targets and of boards that carry one, from the table ``dpu.txt``.

python targets/build.py            writes them
python targets/build.py --check    exits with 1 when a committed sheet differs from what would be written

``DPUCZDX8G_ISA1_B4096.yaml``, which all others extend, is written by hand; its figures are held against the table.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
BASE = "DPUCZDX8G_ISA1_B4096"
ABSENT = "-"

Limits = dict[str, Any]

FAMILIES = {
    "DPUCZDX8G": "Zynq UltraScale+ and Kria",
    "DPUCVDX8G": "Versal AI Core",
    "DPUCV2DX8G": "Versal AI Edge and Alveo V70",
    "DPUCVDX8H": "Versal VCK5000",
    "DPUCAHX8H": "Alveo with HBM, high throughput",
    "DPUCAHX8L": "Alveo with HBM, low latency",
    "DPUCADF8H": "Alveo U200 and U250",
}

TAPS = {
    "DPUCVDX8G": {"kernel_taps": 64, "kernel_taps_channels": 2048},
    "DPUCV2DX8G": {"kernel_taps": 53},
}
"""Height times width of a kernel, for each 2,048 input channels; UG1414 3.5: w*h*ceil(ic/2048) <= 64, and
256*h*w <= 13760. In a sheet only where it is less than the engine's own range."""

UG1414 = "UG1414 3.5, Currently Supported Operators"

ISA0_BG2 = "DPUCZDX8G_ISA0_B4096_MAX_BG2"
ARCH_JSON = "The arch.json of your image says which: --target arch.json."
EARLIER = {"2.0": ISA0_BG2, "1.4": ISA0_BG2}
BOARDS: dict[str, tuple[str, str, Mapping[str, str], tuple[str, ...]]] = {
    "kv260": (
        BASE,
        "Kria KV260 with the Vitis AI image",
        EARLIER,
        (
            "The Vitis AI image has a B4096;",
            "the Kria applications (smartcam, aibox, nlp-smartvision) have a B3136: target kv260-kria.",
            ARCH_JSON,
        ),
    ),
    "kv260-kria": (
        "DPUCZDX8G_ISA1_B3136",
        "Kria KV260 with the Kria applications",
        {},
        (
            "The Kria applications (smartcam, aibox, nlp-smartvision) have a B3136 at 300 MHz;",
            "the Vitis AI image has a B4096: target kv260.",
            ARCH_JSON,
        ),
    ),
    "zcu102": (BASE, "ZCU102 with the Vitis AI image", EARLIER, ("Three B4096 at 281 MHz.",)),
    "zcu104": (BASE, "ZCU104 with the Vitis AI image", EARLIER, ("Two B4096 at 300 MHz.",)),
    "vck190": (
        "DPUCVDX8G_ISA3_C32B6",
        "VCK190 with the Vitis AI image",
        {"2.0": "DPUCVDX8G_ISA2_C32B3", "1.4": "DPUCVDX8G_ISA1_C32B3"},
        (
            "The image of Vitis AI 2.5 has a C32B6 (AI engines at 1250 MHz, logic at 333 MHz).",
            "That earlier images have a C32B3 follows from the targets registered then.",
        ),
    ),
    "vek280": ("DPUCV2DX8G_ISA1_C20B1", "VEK280 with the Vitis AI image", {}, ("One image a run.",)),
    "v70": ("DPUCV2DX8G_ISA1_C20B14", "Alveo V70", {}, ("Fourteen images a run.",)),
    "vck5000": (
        "DPUCVDX8H_ISA1_F2W4_4PE",
        "VCK5000 with four engines",
        {},
        (
            "At 350 MHz. Images with six or eight engines have other targets:",
            "DPUCVDX8H_ISA1_F2W4_6PE_aieDWC, DPUCVDX8H_ISA1_F2W4_6PE_aieMISC and DPUCVDX8H_ISA1_F2W2_8PE.",
        ),
    ),
    "u200": ("DPUCADF8H_ISA0", "Alveo U200", {}, ("Wants four images a run.",)),
    "u250": ("DPUCADF8H_ISA0", "Alveo U250", {}, ("Wants four images a run.",)),
}
"""Board: target, title, targets of the releases in which it had another one, and what its user should know."""


def main() -> int:
    table = {row["dpu"]: row for row in _rows()}
    pages = {name: "\n".join(_sheet(row)) for name, row in table.items() if name != BASE}
    pages |= {board: "\n".join(_board(board, table)) for board in BOARDS}
    stale = [name for name, text in pages.items() if not _same(HERE / f"{name}.yaml", text)]
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"targets/{name}.yaml is not current: run python targets/build.py", file=sys.stderr)
        wrong = _base_differs(table[BASE])
        for limit in wrong:
            print(f"targets/{BASE}.yaml: {limit} differs from dpu.txt", file=sys.stderr)
        return 1 if stale or wrong else 0
    for name in stale:
        (HERE / f"{name}.yaml").write_text(pages[name], encoding="utf-8")
    print(f"wrote {len(stale)} sheets" if stale else "nothing to do")
    return 0


def _same(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


# ---- the table


def _rows() -> Iterator[Limits]:
    """Every line of the table: its name, release and limits, engines that are not there as empty mappings."""
    for line in (HERE / "dpu.txt").read_text(encoding="utf-8").splitlines():
        if line.startswith("#") or not line:
            continue
        name, release, fingerprint, batch, parallel, conv, eltwise, pool, depthwise, alu, banks = line.split(" | ")
        pixels, inputs, outputs = map(int, parallel.split("x"))
        yield {
            "dpu": name,
            "fingerprint": fingerprint,
            "release": release,
            "batch": int(batch),
            "parallelism": {"pixels": pixels, "input_channels": inputs, "output_channels": outputs},
            "conv": _engine(conv),
            "eltwise": _engine(eltwise),
            "pool": _pool(pool),
            "dwconv": _engine(depthwise),
            "alu": _engine(alu),
            "banks": dict(bank.split("=") for bank in banks.split() if "=" in bank),
            "argmax": banks.endswith(" argmax"),
            **TAPS.get(name.split("_")[0], {}),
        }


KEYS = {"k": "kernel", "s": "stride", "act": "activations", "ops": "operations", "pad": "pads"}


def _engine(text: str) -> Limits:
    """``cp16 pp4 k=1-16 act=relu,relu6`` by its long names."""
    found: Limits = {}
    for word in text.split() if text != ABSENT else ():
        key, equals, value = word.partition("=")
        if not equals:
            found["channels" if key.startswith("cp") else "pixels"] = int(key[2:])
        else:
            found[KEYS[key]] = value.split(",") if key in ("act", "ops", "pad") and value else value or []
    return found


def _pool(text: str) -> Limits:
    """``ops=max,avg avg=2-8/1-8 max=1-8/1-8``: kernel and stride of each kind."""
    words = dict(word.split("=", 1) for word in text.split()) if text != ABSENT else {}
    found: Limits = {"operations": words["ops"].split(",")} if words else {}
    for kind in ("avg", "max"):
        kernel, _, stride = words.get(kind, "/").partition("/")
        if kernel:
            found |= {f"{kind}_kernel": kernel, f"{kind}_stride": stride}
    return found


def pools(row: Limits) -> dict[str, int | None]:
    """Bytes of the memories by what lies in them; None where one has no bank of its own."""
    sizes = {name: _bytes(shape) for name, shape in row["banks"].items()}
    feature = sum(size for name, size in sizes.items() if name.startswith("VB"))
    bias = sum(size for name, size in sizes.items() if "BIAS" in name or name in ("CONVB", "DWCONVB"))
    return {"feature": feature, "weights": sizes["CONVW"], "bias": bias or None}


def _bytes(shape: str) -> int:
    banks, width, depth = map(int, shape.split("x"))
    return banks * width * depth


# ---- the sheets


def _sheet(row: Limits) -> Iterator[str]:
    name = row["dpu"]
    kind = name.split("_")[0]
    source = f"Vitis AI {row['release']}, target_factory/targets/{name}.prototxt"
    yield "# Written by targets/build.py."
    yield f"name: {name}"
    yield f"extends: {BASE}"
    yield f'aliases: ["{row["fingerprint"]}"]'
    yield f"title: AMD {name} ({FAMILIES[kind]})"
    yield f"notes: Registered up to Vitis AI {row['release']}; fingerprint {row['fingerprint']}."
    yield "limits:"
    for limit, value in row.items():
        said = UG1414 if limit in ("kernel_taps", "kernel_taps_channels") else source
        yield f'  {limit}: {{value: {_yaml(value)}, source: "{said}"}}'
    yield "pools:"
    for pool, size in pools(row).items():
        yield f'  {pool}: {{bytes: {_yaml(size)}, source: "{source}"}}'
    yield ""


def _board(board: str, table: Mapping[str, Limits]) -> Iterator[str]:
    target, title, earlier, notes = BOARDS[board]
    yield "# Written by targets/build.py."
    yield f"name: {board}"
    yield f"extends: {target}"
    yield f"title: {title} ({target})"
    yield f"notes: {_yaml(' '.join(notes))}"
    if earlier:
        yield "toolchain:"
        yield "  versions:"
    for release, name in earlier.items():
        yield f'    "{release}":'
        yield f"      note: The image of this release has {name}, fingerprint {table[name]['fingerprint']}"
        yield "      limits:"
        for limit, value in table[name].items():
            source = f"Vitis AI {table[name]['release']}, target_factory/targets/{name}.prototxt"
            yield f'        {limit}: {{value: {_yaml(value)}, source: "{source}"}}'
    yield ""


def _yaml(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_yaml(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_yaml, value)) + "]"
    if isinstance(value, bool):
        return str(value).lower()
    return "null" if value is None else str(value) if isinstance(value, int) else f'"{value}"'


def _base_differs(row: Limits) -> list[str]:
    import yaml

    sheet = yaml.safe_load((HERE / f"{BASE}.yaml").read_text(encoding="utf-8"))
    figures = {name: limit["value"] for name, limit in sheet["limits"].items()}
    figures |= {name: pool["bytes"] for name, pool in sheet["pools"].items()}
    expected = {**row, **pools(row)}
    return [name for name, value in expected.items() if figures.get(name) != value]


if __name__ == "__main__":
    sys.exit(main())
