"""Reading and rewriting our own captures: stretch pauses, merge two sides into a pcapng, count packets."""

from __future__ import annotations

import gzip
import lzma
import struct
from pathlib import Path
from typing import NamedTuple

from backports import zstd

_NANO_MAGIC, _MICRO_MAGIC = 0xA1B23C4D, 0xA1B2C3D4


class Record(NamedTuple):
    ts_ns: int
    wirelen: int
    data: bytes


class Capture(NamedTuple):
    nanosecond: bool
    snaplen: int
    linktype: int
    records: list[Record]


def unpacked(path: Path) -> bytes:
    """The bytes of a file, decompressed by its suffix."""
    data = path.read_bytes()
    match path.suffix:
        case ".gz":
            return gzip.decompress(data)
        case ".xz":
            return lzma.decompress(data)
        case ".zst":
            return zstd.decompress(data)
    return data


def read(path: Path) -> Capture:
    """A classic little-endian pcap, as tcpdump writes it. An incomplete last record is left out."""
    data = unpacked(path)
    magic, _, _, _, _, snaplen, linktype = struct.unpack_from("<IHHiIII", data)
    if magic not in (_NANO_MAGIC, _MICRO_MAGIC):
        raise ValueError(f"{path}: not a little-endian pcap")
    unit = 1 if magic == _NANO_MAGIC else 1000
    records, at = [], 24
    while at + 16 <= len(data):
        seconds, fraction, caplen, wirelen = struct.unpack_from("<IIII", data, at)
        if at + 16 + caplen > len(data):
            break
        records.append(Record(seconds * 10**9 + fraction * unit, wirelen, data[at + 16 : at + 16 + caplen]))
        at += 16 + caplen
    return Capture(magic == _NANO_MAGIC, snaplen, linktype, records)


def write(path: Path, capture: Capture) -> None:
    unit = 1 if capture.nanosecond else 1000
    magic = _NANO_MAGIC if capture.nanosecond else _MICRO_MAGIC
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", magic, 2, 4, 0, 0, capture.snaplen, capture.linktype))
        for ts_ns, wirelen, data in capture.records:
            out.write(struct.pack("<IIII", ts_ns // 10**9, ts_ns % 10**9 // unit, len(data), wirelen) + data)


def stretch(path: Path, at_least_s: float, to_s: float, at_most_s: float = 1e9) -> int:
    """Make every silence of at_least_s to at_most_s last to_s; later packets move along. Returns how many."""
    capture = read(path)
    moved, shift, previous, stretched = [], 0, None, 0
    for record in capture.records:
        if previous is not None and at_least_s * 1e9 <= record.ts_ns - previous <= at_most_s * 1e9:
            shift += int(to_s * 1e9) - (record.ts_ns - previous)
            stretched += 1
        previous = record.ts_ns
        moved.append(record._replace(ts_ns=record.ts_ns + shift))
    if not stretched:
        raise ValueError(f"{path}: no silence of {at_least_s} s to stretch")
    write(path, capture._replace(records=moved))
    return stretched


def packets_in(path: Path) -> int:
    """How many whole packets a capture holds (pcapng: Enhanced Packet Blocks)."""
    data = unpacked(path)
    if data[:4] != b"\x0a\x0d\x0d\x0a":
        return len(read(path).records)
    count, at = 0, 0
    while at + 12 <= len(data):
        kind, length = struct.unpack_from("<II", data, at)
        count += kind == 6
        at += length
    return count


def _block(kind: int, body: bytes) -> bytes:
    length = 12 + len(body)
    return struct.pack("<II", kind, length) + body + struct.pack("<I", length)


def _option(code: int, value: bytes) -> bytes:
    return struct.pack("<HH", code, len(value)) + value + bytes(-len(value) % 4)


def merge_to_pcapng(path: Path, sides: list[tuple[str, Path]]) -> None:
    """One pcapng out of several pcaps, an interface each (name, time resolution), packets in time order."""
    end = _option(0, b"")
    captures = [read(side) for _, side in sides]
    blocks = [_block(0x0A0D0D0A, struct.pack("<IHHq", 0x1A2B3C4D, 1, 0, -1))]
    for (name, _), capture in zip(sides, captures, strict=True):
        options = _option(2, name.encode()) + _option(9, bytes([9 if capture.nanosecond else 6])) + end
        blocks.append(_block(1, struct.pack("<HHI", capture.linktype, 0, capture.snaplen) + options))
    everything = [(r.ts_ns, i, n, r) for i, c in enumerate(captures) for n, r in enumerate(c.records)]
    for ts_ns, interface, _, record in sorted(everything):
        ticks = ts_ns if captures[interface].nanosecond else ts_ns // 1000
        body = struct.pack("<IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(record.data), record.wirelen)
        blocks.append(_block(6, body + record.data + bytes(-len(record.data) % 4)))
    for interface, capture in enumerate(captures):
        last = capture.records[-1].ts_ns // (1 if capture.nanosecond else 1000)
        counters = _option(4, struct.pack("<Q", len(capture.records))) + _option(5, struct.pack("<Q", 0)) + end
        blocks.append(_block(5, struct.pack("<III", interface, last >> 32, last & 0xFFFFFFFF) + counters))
    path.write_bytes(b"".join(blocks))
