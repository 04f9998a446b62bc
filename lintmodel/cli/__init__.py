"""The command line. Each command is a function in a module of its own, imported when it is called for."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module

from .. import __version__
from ..errors import LintmodelError, UsageError, did_you_mean

COMMANDS: Mapping[str, tuple[str, str]] = {
    "check": ("check", "Say what a target's toolchain and chip will do to models"),
    "fix": ("fix", "Mend models and descriptions, each fix proven"),
    "memory": ("memory", "Show what a model's layers take in a target's memories, step by step"),
    "compare": ("compare", "Hold one model against many targets"),
    "diff": ("diff", "Say what a new version of a model changes on a target"),
    "baseline": ("baseline", "Take the findings of now as known, so that only new ones are told"),
    "init": ("init", "Write a first configuration and a pre-commit entry"),
    "generate": ("generate", "Write the network description a target's toolchain takes"),
    "rule": ("rule", "Explain a rule"),
    "rules": ("rule", "List all rules"),
    "target": ("target", "Show what a target can do: limits, memories, options, operators"),
    "targets": ("target", "List all targets"),
}
"""Name to module and summary. The function is ``run_`` and the name."""


def program() -> int:
    """The console script: ``main`` in a process of its own.

    The garbage collector stays off: it costs a tenth of a run on one model, and a command on many models collects
    by hand between them.
    """
    import gc

    gc.disable()
    return main()


def main(argv: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit code: 0 clean, 1 findings, 2 usage or unreadable input."""
    from .output import complain

    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _run(arguments)
    except LintmodelError as error:
        complain(error)
        return 2
    except SystemExit as end:  # argparse, behind --help
        return end.code if isinstance(end.code, int) else 0
    except KeyboardInterrupt:
        return 130  # what a shell reports for a program ended by the interrupt signal
    except BrokenPipeError:
        # Whoever read our output has gone; nothing may be written to it any more, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        complain(error)
        return 2


def _run(arguments: list[str]) -> int:
    command, *rest = arguments or ["help"]
    if command in ("-V", "--version", "version"):
        print(f"lintmodel {__version__}")
        return 0
    if command in ("-h", "--help", "help") and (not rest or rest[0] in ("-h", "--help", "help")):
        print(_help(), end="")
        return 0
    if command == "help":
        command, rest = rest[0], ["--help"]
    if command not in COMMANDS:
        raise UsageError(_unknown(command))
    module = import_module(f".{COMMANDS[command][0]}", __name__)
    run: Callable[[list[str]], int] = getattr(module, f"run_{command}")
    return run(rest)


def _unknown(word: str) -> str:
    if word.startswith("-"):
        return f"no option '{word}' before the command" + did_you_mean(word, ["--help", "--version"])
    if os.path.exists(word):  # noqa: PTH110 - before any module but os is imported
        return f"no command '{word}'; lintmodel check {word} --target TARGET checks it"
    return f"no command '{word}'" + (did_you_mean(word, [*COMMANDS, "help"]) or f"; there are {', '.join(COMMANDS)}")


def _help() -> str:
    commands = {**{name: summary for name, (_, summary) in COMMANDS.items()}, "help": "Print this, or a command's help"}
    listed = "\n".join(f"  {name:<9}{summary}" for name, summary in commands.items())
    return f"""\
lintmodel: what a chip's compiler will do to a neural network, without the compiler

Usage: lintmodel COMMAND [OPTIONS]

Commands:
{listed}

Options:
  -h, --help     Print help
  -V, --version  Print the version

Examples:
  lintmodel targets                          the chips it knows
  lintmodel check model.onnx --target CHIP   what becomes of a model on one of them
  lintmodel rule CODE                        what a finding means and what to do about it

For help with a command: lintmodel help COMMAND
"""
