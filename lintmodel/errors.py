"""Every error lintmodel raises on purpose. Each carries one sentence: what is wrong, where, and what to do."""

from __future__ import annotations


class LintmodelError(Exception):
    """Base of all errors below. ``str(error)`` is the sentence shown to the user."""


class UnreadableModel(LintmodelError):
    """The file is not a model lintmodel can read.

    ``path`` is the file as given, ``reason`` what is wrong and what to give instead, ``offset`` the byte where
    reading stopped, where that is known.
    """

    def __init__(self, path: str, reason: str, offset: int | None = None) -> None:
        self.path, self.reason, self.offset = path, reason, offset
        where = f" (at byte {offset})" if offset is not None else ""
        super().__init__(f"{path}: {reason}{where}")


class UnknownTarget(LintmodelError):
    """No capability sheet has this name; the sentence offers the nearest one."""


class UnknownRule(LintmodelError):
    """No rule has this code, prefix or name; the sentence offers the nearest one."""


class InvalidTarget(LintmodelError):
    """A capability sheet breaks the schema; the sentence names file, line and key."""


class InvalidConfiguration(LintmodelError):
    """A configuration file breaks its schema. ``file`` is the file as found, ``reason`` what is wrong and where."""

    def __init__(self, file: str, reason: str) -> None:
        self.file, self.reason = file, reason
        super().__init__(f"{file}: {reason}")


class UsageError(LintmodelError):
    """Options that do not fit together or name something that is not there."""


class NotExpressible(LintmodelError):
    """A network for which no description can be generated; the sentence names the layer and what to change."""


def did_you_mean(word: str, known: list[str]) -> str:
    """``; did you mean 'nearest'?`` for the nearest known word, or an empty string."""
    import difflib

    near = difflib.get_close_matches(word, known, n=1, cutoff=0.5)
    return f"; did you mean '{near[0]}'?" if near else ""


def a(word: str) -> str:
    """``an onion``, ``a kiwi``"""
    return f"{'an' if word[:1].lower() in 'aeiou' else 'a'} {word}"
