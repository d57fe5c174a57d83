"""What all commands share: exit codes, messages, escaping, the sysctl options."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

# command, which is also the name of its module and of the function in it: panel of the help
COMMANDS = {
    "replay": "Replay",
    "verify": "Replay",
    "list": "conntrack, for any moment",
    "events": "conntrack, for any moment",
    "stats": "conntrack, for any moment",
    "count": "conntrack, for any moment",
    "explain": "Why",
    "query": "Questions",
    "queries": "Questions",
    "extract": "Questions",
    "schema": "Questions",
    "check": "Checks",
    "diff": "Checks",
}

# what stands for our own characters where the terminal's encoding lacks them
_PLAIN = {"…": "...", "·": "-", "→": "->", "↔": "<->", "─": "-", "×": "x", "µ": "u"}

# damaged places, and repeated files, that are shown
_PLACES = 8

EXIT_FINE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_DAMAGED = 3
EXIT_INTERRUPTED = 130


class Exit(Exception):
    """End the command with a code and, on stderr, a message."""

    def __init__(self, code: int, message: str = "", more: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.more = more


def fail(message: str, code: int = EXIT_USAGE, *, more: Sequence[str] = ()) -> NoReturn:
    """End with a message on stderr; `more`: lines that follow."""
    raise Exit(code, message, more)


def printable(text: object) -> str:
    """Text from a capture or file name, safe to show: control and unprintable characters become escapes."""
    text = str(text)
    if text.isprintable():
        return text
    found = []
    for char in text:
        if char.isprintable():
            found.append(char)
        else:
            found.append(char.encode("unicode_escape", "surrogatepass").decode("ascii"))
    return "".join(found).encode("utf-8", "backslashreplace").decode("utf-8")


def json_text(found: object, *, default: Callable[[Any], Any] | None = None) -> str:
    """JSON on one line, as printable as all other output: else the terminal would obey what it cannot show.

    Bytes of a file name that are no UTF-8 become text as in run.json: no reader of JSON takes half a surrogate pair.
    """
    import json

    text = json.dumps(found, ensure_ascii=False, default=default)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    if "\udc80" <= char <= "\udcff":
        return f"\\\\x{ord(char) - 0xDC00:x}"
    if "\ud800" <= char <= "\udfff":
        return f"\\\\u{ord(char):x}"
    import json

    return json.dumps(char)[1:-1]


def complain(message: str, more: Sequence[str] = ()) -> None:
    """One message on stderr; `more`: lines that follow. A name cannot begin a line of its own."""
    print("ctreplay: " + "\n".join(map(printable, (message, *more))), file=sys.stderr)


def _plainly(error: UnicodeError) -> tuple[str, int]:
    """Characters that cannot be encoded: what stands for them, else an escape."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    found = (_PLAIN.get(char) or ascii(char)[1:-1] for char in error.object[error.start : error.end])
    return "".join(found), error.end


def fit_encoding() -> None:
    """Whatever the encoding of the terminal, printing does not fail of it."""
    codecs.register_error("ctreplay", _plainly)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and codecs.lookup(stream.encoding).name != "utf-8":
            stream.reconfigure(errors="ctreplay")


class _Forgiving(io.FileIO):
    """Where it cannot be written, what is written is lost."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data) or len(data)
        except OSError:
            return len(data)


def unfailing_stderr() -> None:
    """Results and exit code do not depend on who listens to messages: a full disk or a reader that has gone."""
    old = sys.stderr
    if isinstance(old, io.TextIOWrapper):
        buffer = io.BufferedWriter(_Forgiving(old.fileno(), "w", closefd=False))
        sys.stderr = io.TextIOWrapper(buffer, old.encoding, old.errors, line_buffering=True)


class _Named(io.FileIO):
    """Says of what there is no room for what is written."""

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except OSError as exc:
            exc.filename = "standard output"
            raise


def named_stdout() -> None:
    """Results that cannot be written are told from files that cannot."""
    old = sys.stdout
    if isinstance(old, io.TextIOWrapper):
        raw = _Named(old.fileno(), "w", closefd=False)
        # unbuffered it has no buffer
        buffer: Any = raw if isinstance(old.buffer, io.RawIOBase) else io.BufferedWriter(raw)
        old.flush()
        sys.stdout = io.TextIOWrapper(
            buffer, old.encoding, old.errors, line_buffering=old.line_buffering, write_through=old.write_through
        )


def reader_has_gone() -> None:
    """Nothing more can be said on stdout."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def meant(word: str) -> str:
    """What to say of a word that stands where a command or a capture does, and is neither; nothing if it is one."""
    import difflib

    # three letters are like too much
    near = difflib.get_close_matches(word, COMMANDS, 1, 0.7) if len(word) > 3 else []
    if not near or os.path.lexists(word):
        return ""
    return f"{word}: neither a command nor a capture; did you mean `ctreplay {near[0]}`?"


def note(message: str) -> None:
    """A note for people on stderr."""
    print(printable(message), file=sys.stderr)


def counted(number: int, noun: str) -> str:
    """`1 packet`, `2,000 packets`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _note_first(label: str, noun: str, found: Sequence[object]) -> None:
    """The first of many on stderr: a thousand of them would hide what was found."""
    for one in found[:_PLACES]:
        note(f"{label}: {one}")
    if len(found) > _PLACES:
        note(f"{label}: {counted(len(found) - _PLACES, f'more {noun}')}, which a dataset's run.json lists")


def note_damage(places: Sequence[object]) -> None:
    """Damaged places of captures."""
    _note_first("damaged", "place", places)


def note_repeated(files: Sequence[object]) -> None:
    """Captures that were given more than once."""
    _note_first("repeated", "file", files)


def note_run(run: dict[str, Any]) -> None:
    """Both as run.json holds them."""
    from ctreplay.capture import Damage, Repeated

    note_repeated([Repeated(**one) for one in run["repeated"]])
    note_damage([Damage(**one) for one in run["damage"]])


def read_sysctls(settings: list[str] | None, file: Path | None) -> dict[str, int]:
    """Values of --sysctl-file, overridden by --sysctl."""
    from ctreplay.tracker import sysctl

    values: dict[str, int] = {}
    try:
        if file is not None:
            try:
                text = file.read_text(encoding="utf-8", errors="replace")
            except OSError as exc:
                fail(f"{file}: {exc.strerror}")
            values.update(sysctl.parse_file(text, str(file)))
        values.update(sysctl.parse(settings or []))
    except sysctl.SysctlError as exc:
        fail(str(exc))
    return values
