"""Measures lintmodel beside `onnx.load` and beside other tools. See README.md in this folder.

    python benchmarks/run.py [--runs N] [--json] [--cache FOLDER]

This process imports nothing heavy: Linux counts the memory of the process that starts another into the peak of the
one it starts.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
TARGET = "k210"
CHAINS = (500, 1000, 2000)
STARTUP = [sys.executable, "-c", "pass"]

POLYGRAPHY = "from polygraphy.tools import main; import sys; sys.argv[1:] = ['inspect', 'model', {model!r}]; main()"
PEERS: Mapping[str, tuple[str, Sequence[str]]] = {
    "onnxsim": ("onnxsim", ["-m", "onnxsim", "{model}", "{scratch}/simplified.onnx"]),
    "onnx-tool": ("onnx_tool", ["-c", "import onnx_tool; onnx_tool.model_profile({model!r}, None)"]),
    "polygraphy": ("polygraphy", ["-c", POLYGRAPHY]),
    "onnx-doctor": ("onnx_doctor", ["-m", "onnx_doctor", "check", "{model}"]),
}
"""Name, the module that shows it is installed, and the arguments for this interpreter."""


@dataclass(frozen=True)
class Process:
    """One command on one model: the best of several runs. ``error`` is set when it failed."""

    model: str
    command: str
    seconds: float = 0.0
    megabytes: float = 0.0
    ratio: float | None = None
    """Against `onnx.load` of the same model, in the same run."""
    error: str = ""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures lintmodel; prints Markdown tables.")
    parser.add_argument("--runs", type=int, default=5, help="of every command; the fastest counts (default 5)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of Markdown")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "lintmodel-benchmarks")
    options = parser.parse_args()
    # pip compiles what it installs; from a checkout the first run does, unless this stops it.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    models = _json_of([str(HERE / "models.py"), str(options.cache), *map(str, CHAINS)])
    processes, missing = measure_processes(models, options.runs)
    stages = {name: measure_stages(path, options.runs) for name, path in models.items()}
    if options.json:
        rows = [asdict(p) for p in processes]
        print(json.dumps({"processes": rows, "not installed": missing, "stages": stages}, indent=1))
    else:
        print(_markdown(processes, missing, stages))
    return 1 if any(p.error for p in processes if p.command.startswith("lintmodel")) else 0


def measure_processes(models: Mapping[str, str], runs: int) -> tuple[list[Process], list[str]]:
    """Whole processes, the commands of one model taking turns so that a busy moment hits all of them."""
    missing = [name for name, (module, _) in PEERS.items() if importlib.util.find_spec(module) is None]
    found = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, path in models.items():
            if name.startswith("chain"):
                continue
            commands = _commands(path, scratch, missing)
            taken: dict[str, list[tuple[float, float, str]]] = {command: [] for command in commands}
            for _ in range(runs):
                for command, line in commands.items():
                    taken[command].append(_run(line))
            base = min((seconds for seconds, _, error in taken.get("onnx.load", []) if not error), default=None)
            for command, results in taken.items():
                found.append(_best(name, command, results, base))
    return found, missing


def measure_stages(path: str, runs: int) -> dict[str, float]:
    """Seconds of every stage inside one warm process, and the number of nodes. See stages.py."""
    result = _json_of([str(HERE / "stages.py"), path, TARGET, str(runs)])
    return {key: float(value) for key, value in result.items()}


def _commands(path: str, scratch: str, missing: Sequence[str]) -> dict[str, list[str]]:
    lintmodel = str(Path(sys.executable).with_name("lintmodel"))
    check = [lintmodel, "check", path, "--target", TARGET, "--format", "json"]
    commands = {f"lintmodel check --target {TARGET}": check, "python -c pass": STARTUP}
    if not path.endswith(".onnx"):
        return commands
    commands["onnx.load"] = [sys.executable, "-c", f"import onnx; onnx.load({path!r})"]
    for name, (_, arguments) in PEERS.items():
        if name not in missing:
            commands[name] = [sys.executable, *(a.format(model=path, scratch=scratch) for a in arguments)]
    return commands


def _run(command: Sequence[str]) -> tuple[float, float, str]:
    """Seconds, peak resident megabytes, and the error's last line. Findings (exit code 1) are no error."""
    with tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        errors.seek(0)
        lines = errors.read().decode(errors="replace").strip().splitlines()
    # Kilobytes on Linux, bytes on macOS.
    megabytes = usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)
    crashed = process.returncode not in (0, 1) or any(line.startswith("Traceback") for line in lines)
    return seconds, megabytes, (lines or [f"exit code {process.returncode}"])[-1] if crashed else ""


def _best(model: str, command: str, results: Sequence[tuple[float, float, str]], base: float | None) -> Process:
    errors = [error for _, _, error in results if error]
    if errors:
        return Process(model, command, error=errors[0])
    seconds = min(seconds for seconds, _, _ in results)
    megabytes = min(megabytes for _, megabytes, _ in results)
    return Process(model, command, seconds, megabytes, seconds / base if base else None)


def _json_of(arguments: Sequence[str]) -> dict[str, str]:
    run = subprocess.run([sys.executable, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
    result: dict[str, str] = json.loads(run.stdout)
    return result


def _markdown(processes: Sequence[Process], missing: Sequence[str], stages: Mapping[str, Mapping[str, float]]) -> str:
    lines = [
        "## Whole process",
        "",
        "| model | command | seconds | peak MB | times onnx.load |",
        "|---|---|--:|--:|--:|",
    ]
    for p in processes:
        ratio = f"{p.ratio:.2f}" if p.ratio else "-"
        measured = f"{p.seconds:.3f} | {p.megabytes:.0f} | {ratio}" if not p.error else f"failed: {p.error} | - | -"
        lines.append(f"| {p.model} | {p.command} | {measured} |")
    lines += ["", *(f"{name}: not installed" for name in missing)] if missing else []
    names = [key for key in next(iter(stages.values())) if key not in ("nodes", "total")]
    heads = " | ".join(names)
    lines += [
        "",
        "## Stages, warm, in milliseconds",
        "",
        f"| model | nodes | {heads} | total | microseconds per node |",
    ]
    lines.append("|---|" + "--:|" * (len(names) + 3))
    for model, taken in stages.items():
        cells = " | ".join(f"{taken[name] * 1e3:.1f}" for name in names)
        each = taken["total"] / taken["nodes"] * 1e6
        lines.append(f"| {model} | {taken['nodes']:.0f} | {cells} | {taken['total'] * 1e3:.1f} | {each:.0f} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
