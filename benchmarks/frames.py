"""Builds the frames of the workloads: Ethernet, IPv4 or IPv6, TCP or UDP, with right checksums."""

from __future__ import annotations

import random
import struct
from functools import lru_cache

ETHER = bytes.fromhex("020000000002020000000001")
POOL = 8 << 20
TCP, UDP, FRAGMENT = 6, 17, 44
MORE = 0x2000


def fold(*parts: bytes | int) -> int:
    """The Internet checksum (RFC 1071) of even-sized parts: words modulo 65535 are the ones' complement sum."""
    total = 0
    for part in parts:
        total += part if isinstance(part, int) else int.from_bytes(part, "big")
    return ~(total % 0xFFFF) & 0xFFFF


class Payload:
    """Bytes that no compressor shrinks: stretches of a seeded pool too far apart to match each other."""

    def __init__(self, seed: str) -> None:
        self.pool = random.Random(seed).randbytes(POOL + (1 << 16))
        self.at = 0

    def take(self, size: int) -> bytes:
        self.at = (self.at + size + 4099) % POOL
        return self.pool[self.at : self.at + size]


@lru_cache(maxsize=1 << 16)
def _sum(data: bytes) -> int:
    return int.from_bytes(data, "big") % 0xFFFF


class Link:
    """One flavour of frames: IP family and whether they carry an 802.1Q tag."""

    def __init__(self, family: int = 4, vlan: bool = False) -> None:
        self.family = family
        kind = b"\x08\x00" if family == 4 else b"\x86\xdd"
        self.ether = ETHER + (b"\x81\x00\x00\x07" if vlan else b"") + kind
        self.ident = 0

    def address(self, number: int) -> bytes:
        """The address of host `number` (24 bits)."""
        if self.family == 4:
            return struct.pack("!I", 0x0A000000 | number & 0xFFFFFF)
        return bytes.fromhex("20010db8") + struct.pack("!QI", number >> 8, number)

    def ip(self, src: bytes, dst: bytes, proto: int, payload: bytes, fragment: int = 0) -> bytes:
        """A frame; `fragment` is the IPv4 flags-and-offset field, `ident` then stays what it was."""
        if self.family == 4:
            if not fragment:
                self.ident = self.ident + 1 & 0xFFFF
            front = struct.pack("!BBHHHBB", 0x45, 0, 20 + len(payload), self.ident, fragment or 0x4000, 64, proto)
            total = fold(front, _sum(src), _sum(dst))
            return b"".join((self.ether, front, total.to_bytes(2, "big"), src, dst, payload))
        return b"".join((self.ether, struct.pack("!IHBB", 6 << 28, len(payload), proto, 64), src, dst, payload))

    def transport(self, src: bytes, dst: bytes, proto: int, head: bytes, data: bytes, at: int) -> bytes:
        """Header and data with the checksum put at `at` of the header."""
        pseudo = _sum(src) + _sum(dst) + proto + len(head) + len(data)
        total = fold(head, data if len(data) % 2 == 0 else data + b"\0", pseudo)
        if proto == UDP and total == 0:
            total = 0xFFFF
        return b"".join((head[:at], total.to_bytes(2, "big"), head[at + 2 :], data))

    def tcp(
        self, src: bytes, dst: bytes, ports: bytes, seq: int, ack: int, flags: int, data: bytes = b"", ts: int = 0
    ) -> bytes:
        """A segment with the options of a Linux host: those of a SYN, else timestamps (`ts` in ns)."""
        stamp = struct.pack("!BBII", 8, 10, ts // 1_000_000 & 0xFFFFFFFF, 0)
        if flags & 2:
            options = b"\x02\x04\x05\xb4\x04\x02" + stamp + b"\x01\x03\x03\x07"
            window = 64240
        else:
            options = b"\x01\x01" + stamp
            window = 502
        offset = 5 + len(options) // 4 << 4
        head = (
            ports + struct.pack("!IIBBHHH", seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, offset, flags, window, 0, 0) + options
        )
        return self.ip(src, dst, TCP, self.transport(src, dst, TCP, head, data, 16))

    def datagram(self, src: bytes, dst: bytes, ports: bytes, data: bytes) -> bytes:
        """A UDP header and its data."""
        return self.transport(src, dst, UDP, ports + struct.pack("!HH", 8 + len(data), 0), data, 6)

    def udp(self, src: bytes, dst: bytes, ports: bytes, data: bytes) -> bytes:
        return self.ip(src, dst, UDP, self.datagram(src, dst, ports, data))

    def fragments(self, src: bytes, dst: bytes, datagram: bytes, size: int = 1448) -> list[bytes]:
        """The frames of a UDP datagram cut into fragments of `size` bytes (a multiple of 8)."""
        self.ident = self.ident + 1 & 0xFFFF
        frames = []
        for offset in range(0, len(datagram), size):
            part = datagram[offset : offset + size]
            more = offset + size < len(datagram)
            if self.family == 4:
                frames.append(self.ip(src, dst, UDP, part, (MORE if more else 0) | offset >> 3))
            else:
                head = struct.pack("!BBHI", UDP, 0, offset | more, self.ident)
                frames.append(self.ip(src, dst, FRAGMENT, head + part))
        return frames
