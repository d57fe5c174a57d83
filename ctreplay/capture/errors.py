"""What can go wrong with an input, and the notes kept about bytes that could not be read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class CaptureError(Exception):
    """An input that cannot be replayed at all: `message` says why, `path` which one (as the user gave it)."""

    def __init__(self, message: str, path: str) -> None:
        super().__init__(f"{path}: {message}" if path else message)
        self.message = message
        self.path = path


class OutOfOrder(Exception):
    """A file turned out to hold a record older than one already delivered.

    What was delivered so far is not the sorted order: discard it, call `CaptureSet.restart` and read again.
    """

    def __init__(self, path: str, frame: int, backstep_ns: int) -> None:
        super().__init__(f"{path}: frame {frame} is {backstep_ns} ns older than the frame before it")
        self.path = path
        self.frame = frame
        self.backstep_ns = backstep_ns


class Damage(NamedTuple):
    """Bytes of a capture that could not be read as records.

    `frame` is the number of the frame that could not be read (1-based, in its file), `offset` the byte
    position in the (decompressed) file where the damage starts, `recovered` whether reading went on after
    `skipped_bytes`.
    """

    path: str
    frame: int
    offset: int
    what: str
    recovered: bool = False
    skipped_bytes: int = 0

    def __str__(self) -> str:
        after = f"reading went on after {self.skipped_bytes} bytes" if self.recovered else "the rest was not read"
        return f"{place(self._asdict())}; {after}"


def place(damage: Mapping[str, Any]) -> str:
    """Where it is and what, of a Damage as run.json has it."""
    return f"{damage['path']}: frame {damage['frame']}, offset {damage['offset']}: {damage['what']}"


class Skipped(NamedTuple):
    """A file found in a directory that is not a capture, or what a capture grew while it was read."""

    path: str
    why: str


class Repeated(NamedTuple):
    """A file that was met before, as `first`: named again, found in a folder again, or another link to it."""

    path: str
    first: str

    def __str__(self) -> str:
        same = "given more than once" if self.path == self.first else f"the same file as {self.first}"
        return f"{self.path}: {same}, replayed once"
