"""A capture that comes through a pipe while it is taken: Ctrl-C ends the capture, and the replay of it goes on."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import stat
import sys
from typing import Any, BinaryIO

from ctreplay import ending

_SAID = b"ctreplay: reading on until the pipe ends; Ctrl-C once more discards the replay\n"


class LiveInput(io.RawIOBase):
    """The standard input as it is, but for the first interrupt until its end: whoever writes the pipe has it too.

    What was captured by then comes through the pipe yet. The second interrupt is one as ever.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file
        self._watching = signal.getsignal(signal.SIGINT) is ending.leave
        if self._watching:
            signal.signal(signal.SIGINT, self._first)

    def _first(self, _number: int, _frame: object) -> None:
        self.ended()
        # not by way of sys.stderr, in the middle of whose work this may be called
        with contextlib.suppress(OSError):
            os.write(2, _SAID)

    def ended(self) -> None:
        """From here on an interrupt is one."""
        if self._watching:
            self._watching = False
            signal.signal(signal.SIGINT, ending.leave)

    def readable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._file.fileno()

    def readinto(self, buffer: Any) -> int | None:
        count = self._file.readinto1(buffer)  # type: ignore[attr-defined]
        if count == 0:
            self.ended()
        return count  # type: ignore[no-any-return]


def standard_input() -> BinaryIO:
    """The bytes of the standard input, a `LiveInput` where it is a pipe."""
    file = sys.stdin.buffer
    try:
        mode = os.fstat(file.fileno()).st_mode
    except (OSError, ValueError):
        return file
    return LiveInput(file) if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else file  # type: ignore[return-value]
