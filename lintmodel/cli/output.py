"""Where text goes: findings to standard output or a file, complaints to standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TextIO

from ..errors import LintmodelError, UsageError

if TYPE_CHECKING:
    from ..report import Look


def complain(error: BaseException) -> None:
    """One sentence on standard error; where it came from too, with LINTMODEL_TRACEBACK=1."""
    from ..report.text import printable

    if os.environ.get("LINTMODEL_TRACEBACK") == "1":
        import traceback

        traceback.print_exception(type(error), error, error.__traceback__)
    sentence = str(error)
    if not isinstance(error, LintmodelError):
        what = f"{type(error).__name__}: {sentence}" if sentence else type(error).__name__
        sentence = f"unexpected {what}; this is a bug, please report it (LINTMODEL_TRACEBACK=1 shows where it happened)"
    write(f"lintmodel: error: {printable(sentence)}\n", sys.stderr)


def write(text: str, stream: TextIO | None = None) -> None:
    """Writes and flushes. What the stream's encoding cannot say is written as an escape."""
    stream = stream or sys.stdout
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def put(path: str | None, text: str) -> None:
    """Writes to the file of ``--output-file``, to standard output where none is named or it is ``-``."""
    if path in (None, "-"):
        write(text)
    else:
        write_file(str(path), text)


@contextmanager
def named(model: str) -> Iterator[None]:
    """An error that comes out says which model it is about."""
    try:
        yield
    except LintmodelError as error:
        if model in str(error):
            raise
        raise LintmodelError(f"{model}: {error}") from error


def write_file(path: str, text: str, newline: str | None = None) -> None:
    """Writes a file whole or not at all; ``newline=""`` keeps the ends of lines as they are. Raises UsageError when
    it cannot be written."""
    ends = os.linesep if newline is None else "\n"
    data = text.encode("utf-8", "backslashreplace")
    write_bytes(path, data.replace(b"\n", ends.encode()) if ends != "\n" else data)


def write_bytes(path: str, data: bytes) -> None:
    """Writes a file whole or not at all, ``-`` for standard output. Raises UsageError when it cannot be written."""
    if path == "-":
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    try:
        file = Path(path).resolve()
        if file.exists() and not file.is_file():  # a pipe or a device; a directory complains by itself
            file.write_bytes(data)
            return
        draft = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        try:
            _write_draft(draft, data)
            if file.exists():
                draft.chmod(file.stat().st_mode & 0o7777)
            draft.replace(file)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None


def _write_draft(draft: Path, data: bytes) -> None:
    """A file that has its name only once it is whole, where the system can do that: a program that is killed while it
    writes leaves nothing behind."""
    draft.unlink(missing_ok=True)
    try:
        nameless = os.open(draft.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
        with os.fdopen(nameless, "wb") as stream:
            _fill(stream, data)
            # The descriptor of a folder, unused with an absolute path, makes Python follow the link.
            os.link(f"/proc/self/fd/{nameless}", draft, src_dir_fd=nameless, follow_symlinks=True)
    except (AttributeError, OSError):  # not Linux, or not on this file system
        with draft.open("wb") as stream:
            _fill(stream, data)


def _fill(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()
    os.fsync(stream.fileno())


def look(stream: TextIO | None = None, *, color: str = "auto", quiet: bool = False, wide: bool = False) -> Look:
    """What the stream can show; a file when it is None. ``wide``: only a terminal has an edge to break lines at."""
    from shutil import get_terminal_size

    from ..report import Look

    terminal = stream is not None and stream.isatty()
    plain = bool(os.environ.get("NO_COLOR")) or os.environ.get("TERM") == "dumb"
    width = get_terminal_size((100, 24)).columns if terminal else 10_000 if wide else 100
    return Look(
        width=max(40, width),
        color=color == "always" or (color == "auto" and terminal and not plain),
        unicode=stream is None or _speaks_unicode(stream),
        quiet=quiet,
    )


def _speaks_unicode(stream: TextIO) -> bool:
    try:
        "█▓▒░─".encode(stream.encoding or "utf-8")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
