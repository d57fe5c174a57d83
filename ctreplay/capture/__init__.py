"""Captures in, records out: pcap and pcapng, compressed or not, files and pipes, in exact order of time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from .errors import CaptureError, Damage, OutOfOrder, Skipped

if TYPE_CHECKING:
    from .facts import CaptureFacts
    from .merge import CaptureSet

__all__ = ["CaptureError", "Damage", "OutOfOrder", "Skipped", "open_captures"]


def open_captures(
    paths: Sequence[str | os.PathLike[str]], *, stdin: BinaryIO | None = None, hash_ahead: bool = True
) -> CaptureSet:
    """Open files, directories (recursively), glob patterns and `-` (a pipe) as one source of records.

    Raises CaptureError when a named input does not exist, cannot be read or is no capture, and when a
    directory or pattern holds no capture; what is no capture inside a directory is listed in
    `CaptureSet.skipped`. The files are hashed beside the reading, without `hash_ahead` in turn with it.
    """
    from ctreplay.digests import LARGE

    from .hashing import Hasher
    from .inputs import find_files
    from .merge import CaptureSet

    captures: list[CaptureFacts] = []
    files, skipped = find_files(paths, stdin, captures)
    hasher = Hasher([file.input for file in files], hash_ahead)
    for file in files:
        one = file.input
        file.hashed = not hash_ahead
        file.apart = hash_ahead and one.compression is not None and not one.is_pipe and one.size >= LARGE
    try:
        return CaptureSet(files, skipped, captures, hasher)
    except BaseException:
        hasher.stop()
        raise
