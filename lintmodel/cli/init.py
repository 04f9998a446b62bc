"""``lintmodel init``: a first configuration, and a pre-commit entry, for the models that are here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import UsageError
from .arguments import Parser, add_help, words
from .output import write, write_file

HOOKS = ".pre-commit-config.yaml"


def run_init(argv: Sequence[str]) -> int:
    args = _parser().parse(argv)

    from ..config.files import FILE, find_file
    from ..target import load_target, target_names
    from .models import find_models

    targets = list(dict.fromkeys(words(args.target)))
    if not targets:
        raise UsageError(f"which chip is it for? add --target with one of {', '.join(target_names()[:8])}, ...")
    for name in targets:
        load_target(name)
    present = find_file(Path.cwd())
    if present is not None and present.parent == Path.cwd():
        raise UsageError(f"{present.name} configures lintmodel already; lintmodel check --show-settings prints it")
    models = [model for model in find_models(["."]) if isinstance(model, str)]
    write_file(FILE, "".join(f"{line}\n" for line in _configuration(targets, models)))
    write(f"wrote {FILE}: {', '.join(targets)}; {len(models)} model{'s' * (len(models) != 1)} found\n")
    if Path(HOOKS).exists():
        write(f"{HOOKS} is there already; add to its repos:\n\n{_entry()}")
    else:
        write_file(HOOKS, f"repos:\n{_entry()}")
        write(f"wrote {HOOKS}\n")
    return 0


def _configuration(targets: Sequence[str], models: Sequence[str]) -> Iterator[str]:
    yield f"targets = {json.dumps(targets)}"
    yield 'fail-on = "error"'
    for glob in sorted({_glob(model) for model in models}):
        yield ""
        yield "[[models]]"
        yield f"path = {json.dumps(glob)}"


def _glob(model: str) -> str:
    """Every model of this kind in the model's folder."""
    folder, file = os.path.split(model.replace(os.sep, "/"))
    suffix = Path(file).suffix
    name = file if suffix in (".yaml", ".yml") else f"*{suffix}"  # most YAML is something else
    return f"{folder}/{name}" if folder else name


def _entry() -> str:
    """The hook that runs the lintmodel of the environment, on the models that are committed."""
    return """\
  - repo: local
    hooks:
      - id: lintmodel
        name: lintmodel
        entry: lintmodel check
        language: system
        files: \\.(onnx|tflite)$
        require_serial: true
"""


def _parser() -> Parser:
    parser = Parser(
        "init [OPTIONS] --target TARGET",
        "Write lintmodel.toml and a pre-commit entry for the models that are here",
        _EPILOG,
    )
    group = parser.add_argument_group("Options")
    group.add_argument("-t", "--target", action="append", metavar="TARGET[,...]", help="The chips the models are for")
    add_help(group)
    return parser


_EPILOG = """\
Nothing that is there is written over.

Examples:
  lintmodel init --target CHIP
"""
