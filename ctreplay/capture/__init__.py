"""Captures in, records out: pcap and pcapng, compressed or not, files and pipes, in exact order of time."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from .errors import CaptureError, Damage, OutOfOrder, Repeated, Skipped

if TYPE_CHECKING:
    from typing import Literal

    from .facts import CaptureFacts
    from .merge import CaptureSet

    Hashing = Literal["beside", "turns", "asked"]

__all__ = ["CaptureError", "Damage", "OutOfOrder", "Repeated", "Skipped", "open_captures"]


def open_captures(
    paths: Sequence[str | os.PathLike[str]],
    *,
    stdin: BinaryIO | None = None,
    hashing: Hashing = "beside",
    once: bool = True,
    sizes: Mapping[str, int] | None = None,
) -> CaptureSet:
    """Open files, directories (recursively), glob patterns and `-` (a pipe) as one source of records.

    Raises CaptureError when a named input does not exist, cannot be read or is no capture, and when a
    directory or pattern holds no capture; what is no capture inside a directory is listed in
    `CaptureSet.skipped`. A file that is named again, by whatever link, is in `CaptureSet.repeated` and read `once`. The
    files are hashed beside the reading, in turns with it, or when somebody asks. Of a path in `sizes` so many bytes
    are read at the most.
    """
    from ctreplay.digests import LARGE

    from .hashing import Hasher
    from .inputs import find_files
    from .merge import CaptureSet

    captures: list[CaptureFacts] = []
    files, skipped, repeated = find_files(paths, stdin, captures, once, sizes or {})
    hasher = Hasher([file.input for file in files], hashing == "beside")
    for file in files:
        one = file.input
        file.hashed = hashing == "turns"
        file.apart = not file.hashed and one.compression is not None and not one.is_pipe and one.size >= LARGE
    try:
        return CaptureSet(files, skipped, repeated, captures, hasher)
    except BaseException:
        hasher.stop()
        raise
