"""Packets from fields: headers, options, checksums. Everything takes and returns bytes."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from itertools import pairwise

TCP, UDP, ICMP, ICMP6, SCTP, UDPLITE, GRE = 6, 17, 1, 58, 132, 136, 47
FIN, SYN, RST, PSH, ACK, URG, ECE, CWR = 1, 2, 4, 8, 16, 32, 64, 128


def internet_checksum(data: bytes) -> int:
    if len(data) & 1:
        data += b"\0"
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _crc_table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


_CRC = _crc_table()


def crc32c(data: bytes) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value = value >> 8 ^ _CRC[(value ^ byte) & 255]
    return value ^ 0xFFFFFFFF


def ipv4(
    src: bytes, dst: bytes, proto: int, payload: bytes, ident: int = 0, fragment: int = 0, options: bytes = b""
) -> bytes:
    """`fragment`: the 16-bit flags-and-offset word; `options` are padded to four bytes."""
    options += bytes(-len(options) & 3)
    size = 20 + len(options)
    total = size + len(payload)
    head = struct.pack("!BBHHHBBH4s4s", 0x40 | size // 4, 0, total, ident, fragment, 64, proto, 0, src, dst)
    head += options
    return head[:10] + struct.pack("!H", internet_checksum(head)) + head[12:] + payload


def ipv6(src: bytes, dst: bytes, proto: int, payload: bytes, chain: Iterable[tuple[int, bytes]] = ()) -> bytes:
    """`chain`: extension headers as (type, bytes); each one's first byte is set to the type that follows."""
    headers = list(chain)
    kinds = [kind for kind, _ in headers] + [proto]
    body = b"".join(bytes([following]) + data[1:] for (_, data), following in zip(headers, kinds[1:], strict=True))
    body += payload
    return struct.pack("!IHBB16s16s", 6 << 28, len(body), kinds[0], 64, src, dst) + body


def ip(src: bytes, dst: bytes, proto: int, payload: bytes) -> bytes:
    return ipv4(src, dst, proto, payload) if len(src) == 4 else ipv6(src, dst, proto, payload)


def pseudo(src: bytes, dst: bytes, proto: int, length: int) -> bytes:
    if len(src) == 4:
        return src + dst + struct.pack("!BBH", 0, proto, length)
    return src + dst + struct.pack("!II", length, proto)


def with_checksum(src: bytes, dst: bytes, proto: int, segment: bytes, error: int = 0) -> bytes:
    """`segment` with its transport checksum filled in; `error` is added to the right value."""
    at = {TCP: 16, UDP: 6, UDPLITE: 6, ICMP: 2, ICMP6: 2}.get(proto)
    if proto == SCTP and len(segment) >= 12:
        blank = segment[:8] + bytes(4) + segment[12:]
        return blank[:8] + struct.pack("<I", (crc32c(blank) + error) & 0xFFFFFFFF) + blank[12:]
    if at is None or len(segment) < at + 2:
        return segment
    blank = segment[:at] + b"\0\0" + segment[at + 2 :]
    length = len(segment)
    if proto == UDP:
        (length,) = struct.unpack_from("!H", segment, 4)
    covered = blank
    if proto == UDPLITE:
        (coverage,) = struct.unpack_from("!H", segment, 4)
        covered = blank[:coverage] if coverage else blank
    elif proto == UDP:
        covered = blank[:length]
    head = b"" if proto == ICMP else pseudo(src, dst, proto, length)
    value = (internet_checksum(head + covered) + error) & 0xFFFF
    if proto in (UDP, UDPLITE) and value == 0:
        value = 0xFFFF
    return blank[:at] + struct.pack("!H", value) + blank[at + 2 :]


def tcp(
    sport: int, dport: int, seq: int, ack: int, flags: int, win: int, options: bytes = b"", data: bytes = b"",
    data_offset: int | None = None,
) -> bytes:  # fmt: skip
    """`options` are padded with zeros; `data_offset` overrides the header length in 32-bit words."""
    options += bytes(-len(options) & 3)
    words = 5 + len(options) // 4 if data_offset is None else data_offset
    return (
        struct.pack("!HHIIBBHHH", sport, dport, seq & 0xFFFFFFFF, ack & 0xFFFFFFFF, (words & 15) << 4, flags, win, 0, 0)
        + options
        + data
    )


def udp(sport: int, dport: int, data: bytes = b"", length: int | None = None) -> bytes:
    return struct.pack("!HHHH", sport, dport, 8 + len(data) if length is None else length, 0) + data


def icmp(kind: int, code: int, rest: bytes = bytes(4), data: bytes = b"") -> bytes:
    return struct.pack("!BBH", kind, code, 0) + rest + data


def chunk(kind: int, flags: int = 0, body: bytes = b"", length: int | None = None) -> bytes:
    """One SCTP chunk, padded to four bytes."""
    size = 4 + len(body) if length is None else length
    return struct.pack("!BBH", kind, flags, size) + body + bytes(-len(body) & 3)


def sctp(sport: int, dport: int, tag: int, chunks: Iterable[bytes]) -> bytes:
    return struct.pack("!HHII", sport, dport, tag, 0) + b"".join(chunks)


def gre(version: int, protocol: int, rest: bytes = b"", flags: int = 0) -> bytes:
    return struct.pack("!HH", flags << 8 | version, protocol) + rest


def fragments4(packet: bytes, cuts: Iterable[int], ident: int) -> list[bytes]:
    """An IPv4 packet cut at payload offsets (multiples of eight)."""
    head = (packet[0] & 15) * 4
    payload, src, dst = packet[head:], packet[12:16], packet[16:20]
    edges = [0, *sorted(c for c in set(cuts) if 0 < c < len(payload)), len(payload)]
    pieces = []
    for a, b in pairwise(edges):
        more = 0x2000 if b < len(payload) else 0
        pieces.append(ipv4(src, dst, packet[9], payload[a:b], ident, more | a // 8, packet[20:head]))
    return pieces


def fragments6(packet: bytes, cuts: Iterable[int], ident: int) -> list[bytes]:
    """An IPv6 packet cut at offsets behind its fixed header (multiples of eight)."""
    payload, src, dst, following = packet[40:], packet[8:24], packet[24:40], packet[6]
    edges = [0, *sorted(c for c in set(cuts) if 0 < c < len(payload)), len(payload)]
    pieces = []
    for a, b in pairwise(edges):
        head = struct.pack("!BBHI", 0, 0, a | (b < len(payload)), ident)
        pieces.append(ipv6(src, dst, following, payload[a:b], [(44, head)]))
    return pieces
