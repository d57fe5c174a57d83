"""Nanosecond pcap files of raw IP packets."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from pathlib import Path

LINKTYPE_RAW = 101


def write(path: Path, packets: Iterable[tuple[int, bytes]]) -> Path:
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 0x40000, LINKTYPE_RAW))
        for ts, data in packets:
            out.write(struct.pack("<IIII", ts // 10**9, ts % 10**9, len(data), len(data)) + data)
    return path


def read(path: Path) -> list[tuple[int, bytes]]:
    """What `write` wrote."""
    raw, at, found = path.read_bytes(), 24, []
    while at < len(raw):
        seconds, nanos, size, _ = struct.unpack_from("<IIII", raw, at)
        found.append((seconds * 10**9 + nanos, raw[at + 16 : at + 16 + size]))
        at += 16 + size
    return found
