"""The unit that the capture layer hands on: one captured frame, by reference into a buffer.

A `Record` is reused: `Source.advance` overwrites it and moves the bytes of earlier ones, so whoever wants to keep bytes
copies them before the next call. Nothing here allocates per frame.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .reader import Reader


class Record:
    """One frame of a capture.

    `ts` nanoseconds since the epoch (int64) · `buf[start:start + caplen]` the captured bytes · `wirelen` bytes on the
    wire · `linktype` LINKTYPE_* number · `capture` index into the list of captures (a file's interface) · `frame`
    1-based number in its own file · `offset` position of the frame's bytes in that file (of the decompressed stream
    for compressed files) · `number` 1-based number in replay order, over all files.
    """

    __slots__ = (
        "buf",
        "caplen",
        "capture",
        "frame",
        "linktype",
        "number",
        "offset",
        "reader",
        "start",
        "ts",
        "turn",
        "wirelen",
    )

    def __init__(self) -> None:
        self.ts = 0
        self.number = 0
        self.frame = 0
        self.offset = 0
        self.buf: bytes | bytearray | memoryview = bytearray(1)
        self.start = 0
        self.caplen = 0
        self.wirelen = 0
        self.linktype = 0
        self.capture = 0
        # where `buf` is from, so that it need not be set for each frame
        self.reader: Reader | None = None
        self.turn = 0


class Source:
    """A stream of records in replay order (timestamp, then file, then frame). This one is empty."""

    __slots__ = ()

    def advance(self, rec: Record) -> bool:
        """Fill `rec` with the next record; False at the end. Damage in a file is noted by the source, not raised."""
        return False

    def another(self, rec: Record) -> bool:
        """The same where it leaves the bytes of earlier records where they are; False: ask `advance`."""
        return False
