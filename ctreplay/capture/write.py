"""Writes captures: classic pcap and pcapng (interfaces with link type, nanoseconds and a name; comments per
packet).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import BinaryIO

_NS = 1_000_000_000
_SIZE = {"little": "<", "big": ">"}

Bytes = bytes | bytearray | memoryview


class PcapWriter:
    """A classic pcap file of one link type; timestamps in ns (µs files cut them off)."""

    def __init__(
        self,
        file: BinaryIO,
        linktype: int,
        *,
        snaplen: int = 262144,
        nanoseconds: bool = True,
        byte_order: str = "little",
    ) -> None:
        self.file = file
        self.scale = 1 if nanoseconds else 1000
        self.record = struct.Struct(_SIZE[byte_order] + "IIII")
        magic = 0xA1B23C4D if nanoseconds else 0xA1B2C3D4
        file.write(struct.pack(_SIZE[byte_order] + "IHHiIII", magic, 2, 4, 0, 0, snaplen, linktype))

    def write(self, ts: int, data: Bytes, wirelen: int | None = None) -> None:
        """One record: `ts` ns since the epoch (0 to 2106), the captured bytes, the length on the wire."""
        seconds, rest = divmod(ts, _NS)
        if not 0 <= seconds < 1 << 32:
            raise ValueError(f"a pcap file cannot hold the time {ts} ns; use pcapng")
        self.file.write(
            self.record.pack(seconds, rest // self.scale, len(data), len(data) if wirelen is None else wirelen)
        )
        self.file.write(data)


class PcapngWriter:
    """A pcapng file of one section. Describe interfaces with `interface`, then `write` packets to them."""

    def __init__(
        self, file: BinaryIO, *, byte_order: str = "little", application: str = "ctreplay", comment: str = ""
    ) -> None:
        self.file = file
        self.order = _SIZE[byte_order]
        self.interfaces = 0
        self.tsresols: list[int] = []
        options = self._options([(1, comment.encode()), (4, application.encode())])
        self._block(0x0A0D0D0A, struct.pack(self.order + "IHHq", 0x1A2B3C4D, 1, 0, -1) + options)

    def interface(
        self, linktype: int, *, name: str = "", description: str = "", snaplen: int = 0, tsresol: int = 9
    ) -> int:
        """Describe an interface with timestamps in units of 10^-`tsresol` s (at most 9); its number for
        `write`.
        """
        if not 0 <= tsresol <= 9:
            raise ValueError(f"a resolution of 10^-{tsresol} s is not supported")
        options = self._options([(2, name.encode()), (3, description.encode()), (9, bytes([tsresol]))])
        self._block(1, struct.pack(self.order + "HHI", linktype, 0, snaplen) + options)
        self.tsresols.append(tsresol)
        self.interfaces += 1
        return self.interfaces - 1

    def write(
        self, interface: int, ts: int, data: Bytes, wirelen: int | None = None, comments: Sequence[str] = ()
    ) -> None:
        """One Enhanced Packet Block: `ts` ns since the epoch, not before 1970."""
        ticks = ts // 10 ** (9 - self.tsresols[interface])
        if not 0 <= ticks < 1 << 64:
            raise ValueError(f"a pcapng file cannot hold the time {ts} ns")
        length = len(data) if wirelen is None else wirelen
        head = struct.pack(self.order + "IIIII", interface, ticks >> 32, ticks & 0xFFFFFFFF, len(data), length)
        options = self._options([(1, comment.encode()) for comment in comments])
        self._block(6, head + bytes(data) + bytes(-len(data) % 4) + options)

    def _options(self, options: Sequence[tuple[int, bytes]]) -> bytes:
        packed = b"".join(
            struct.pack(self.order + "HH", code, len(value)) + value + bytes(-len(value) % 4)
            for code, value in options
            if value
        )
        return packed + bytes(4) if packed else b""

    def _block(self, kind: int, body: bytes) -> None:
        total = len(body) + 12
        self.file.write(struct.pack(self.order + "II", kind, total) + body + struct.pack(self.order + "I", total))
