"""Small captures built in memory, and the records that a capture source gives for them."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, NamedTuple

from ctreplay.capture import OutOfOrder, open_captures
from ctreplay.capture.record import Record

T0 = 1_700_000_000_000_000_000


class Row(NamedTuple):
    number: int
    ts: int
    capture: int
    frame: int
    offset: int
    caplen: int
    wirelen: int
    linktype: int
    data: bytes


def rows_of(source: Any) -> list[Row]:
    """All records of an open source (with the restart that a disordered file asks for)."""
    rec = Record()
    rows: list[Row] = []
    while True:
        try:
            while source.advance(rec):
                data = bytes(rec.buf[rec.start : rec.start + rec.caplen])
                rows.append(
                    Row(
                        rec.number,
                        rec.ts,
                        rec.capture,
                        rec.frame,
                        rec.offset,
                        rec.caplen,
                        rec.wirelen,
                        rec.linktype,
                        data,
                    )
                )
            return rows
        except OutOfOrder:
            rows.clear()
            source.restart()


def read(*paths: Any) -> tuple[list[Row], Any]:
    source = open_captures([str(path) for path in paths])
    try:
        return rows_of(source), source
    finally:
        source.close()


def facts_of(source: Any) -> list[dict[str, Any]]:
    """What is known of every interface, by name."""
    names = (
        "index", "path", "format", "byte_order", "compression", "version", "interface_id", "interface_name", "linktype",
        "linktype_name", "snaplen", "resolution", "packets", "captured_bytes", "wire_bytes", "first_ts", "last_ts",
        "reordered", "max_backstep_ns", "truncated", "kernel_received", "kernel_drops",
    )  # fmt: skip
    return [{name: getattr(fact, name) for name in names} for fact in source.captures]


def pcap(
    records: Iterable[tuple[int, bytes]], *, order: str = "<", nano: bool = False, linktype: int = 1,
    version: tuple[int, int] = (2, 4), magic: int | None = None, extra: bytes = b"", swap: bool = False,
) -> bytes:  # fmt: skip
    """A classic pcap file; times in ns."""
    if magic is None:
        magic = 0xA1B23C4D if nano else 0xA1B2C3D4
    out = struct.pack(order + "IHHiIII", magic, *version, 0, 0, 65535, linktype)
    for ts, data in records:
        lengths = (len(data) + 4, len(data)) if swap else (len(data), len(data) + 4)
        out += struct.pack(order + "IIII", ts // 10**9, ts % 10**9 // (1 if nano else 1000), *lengths) + extra + data
    return out


def block(kind: int, body: bytes, order: str = "<") -> bytes:
    total = len(body) + 12
    return struct.pack(order + "II", kind, total) + body + struct.pack(order + "I", total)


def pad(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def option(code: int, value: bytes, order: str = "<") -> bytes:
    return struct.pack(order + "HH", code, len(value)) + pad(value)


def shb(order: str = "<", options: bytes = b"") -> bytes:
    return block(0x0A0D0D0A, struct.pack(order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options, order)


def idb(order: str = "<", linktype: int = 1, snaplen: int = 0, options: bytes = b"") -> bytes:
    return block(1, struct.pack(order + "HHI", linktype, 0, snaplen) + options, order)


def epb(
    interface: int,
    ticks: int,
    data: bytes,
    order: str = "<",
    wirelen: int | None = None,
    options: bytes = b"",
) -> bytes:
    wire = len(data) if wirelen is None else wirelen
    head = struct.pack(order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), wire)
    return block(6, head + pad(data) + options, order)


def frames(count: int, step: int = 1_000_000, size: int = 60) -> list[tuple[int, bytes]]:
    """Records with times `step` ns apart and bytes that tell them apart."""
    return [(T0 + i * step, struct.pack(">I", i) + bytes(size - 4 + i % 7)) for i in range(count)]
