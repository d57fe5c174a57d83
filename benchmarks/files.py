"""Writes workloads as pcap (nanoseconds) or pcapng, plain or compressed."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from backports import zstd

GLOBAL = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 262144, 1)
SECOND = 1_000_000_000

Frame = tuple[int, bytes]


def _block(kind: int, body: bytes) -> bytes:
    size = 12 + len(body)
    return struct.pack("<II", kind, size) + body + struct.pack("<I", size)


@contextmanager
def open_for(path: Path) -> Iterator[IO[Any]]:
    """A file to write, compressed as its suffix says."""
    with path.open("wb", 1 << 20) as raw:
        if path.suffix == ".gz":
            # no time and name in the header: the same seed gives the same bytes
            with gzip.GzipFile("", "wb", 6, raw, 0) as file:
                yield file
        elif path.suffix == ".zst":
            with zstd.open(raw, "wb", level=3) as file:
                yield file
        else:
            yield raw


def write(path: Path, frames: Iterable[Frame]) -> int:
    """Write `(ns, bytes)` to `path` in the format its name says; the number of packets."""
    pcapng = ".pcapng" in path.suffixes
    count = 0
    with open_for(path) as file:
        if pcapng:
            resolution = struct.pack("<HHB3xHH", 9, 1, 9, 0, 0)
            file.write(_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1)))
            file.write(_block(1, struct.pack("<HHI", 1, 0, 262144) + resolution))
        else:
            file.write(GLOBAL)
        for ts, frame in frames:
            size = len(frame)
            if pcapng:
                file.write(
                    _block(
                        6, struct.pack("<IIIII", 0, ts >> 32, ts & 0xFFFFFFFF, size, size) + frame + bytes(-size % 4)
                    )
                )
            else:
                file.write(struct.pack("<IIII", ts // SECOND, ts % SECOND, size, size) + frame)
            count += 1
    return count
