"""Makes a captured IP packet fit to be handed to a kernel, without changing anything conntrack looks at.

TTL, IPv4 header checksum, IP options and padding are put in order, since the IP layer (which comes before conntrack)
would drop what routers already forwarded. Addresses that no kernel accepts from a device (multicast, 0.0.0.0, ::1 …)
get a stand-in; checksums are corrected by the difference, so a wrong one stays wrong.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

TCP, UDP, ICMP, ICMP6, SCTP, UDPLITE = 6, 17, 1, 58, 132, 136
_PORTS = frozenset((TCP, UDP, SCTP, UDPLITE))
_CHECKSUM_AT = {TCP: 16, UDP: 6, UDPLITE: 6, ICMP6: 2}
FRAGMENT, _AUTH = 44, 51
# hop-by-hop, routing, fragment, authentication, destination
EXTENSIONS = frozenset((0, 43, FRAGMENT, _AUTH, 60))
_ICMP_ERRORS = frozenset((3, 4, 5, 11, 12))


@dataclass(slots=True)
class Prepared:
    """A packet ready to be written. `sport`/`dport` are 0 where there are none; `ident_at` is the offset of the
    fragment identification, 0 where there is none."""

    raw: bytearray
    family: int
    proto: int
    src: bytes
    dst: bytes
    l4: int
    sport: int = 0
    dport: int = 0
    flags: int = 0
    offset: int = 0
    more: bool = False
    ident: int = 0
    ident_at: int = 0
    bad_header: bool = False

    @property
    def fragment(self) -> bool:
        return self.ident_at > 0

    @property
    def key(self) -> tuple[int, bytes, int, bytes, int]:
        return self.proto, self.src, self.sport, self.dst, self.dport


class Unfit(ValueError):
    """The bytes are no IP packet a kernel would look at; the message says why."""


def ones_sum(data: bytes | bytearray) -> int:
    """Folded one's complement sum of 16-bit words (RFC 1071)."""
    if len(data) & 1:
        data = bytes(data) + b"\0"
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def _shift_checksum(raw: bytearray, at: int, old: bytes, new: bytes, zero_means_none: bool) -> None:
    """Correct the checksum at `at` for a replaced stretch (RFC 1624)."""
    if at + 2 > len(raw):
        return
    (was,) = struct.unpack_from("!H", raw, at)
    if was == 0 and zero_means_none:
        return
    total = (~was & 0xFFFF) + (~ones_sum(old) & 0xFFFF) + ones_sum(new)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    value = ~total & 0xFFFF
    struct.pack_into("!H", raw, at, 0xFFFF if value == 0 and zero_means_none else value)


def ordinary(address: bytes) -> bool:
    """True for an address that a kernel routes to itself when every unicast address is local."""
    if len(address) == 4:
        return address[0] != 0 and not 224 <= address[0] <= 239 and address != b"\xff" * 4
    return address[0] != 0xFF and address[:15] != bytes(15)


class StandIns:
    """Ordinary addresses for those that are not; one for each, and never one that the capture holds itself."""

    def __init__(self, present: set[bytes]) -> None:
        self._present = present
        self._of: dict[bytes, bytes] = {}
        self._next = {4: int.from_bytes(bytes((198, 18, 0, 1)), "big"), 16: 0xFD6C << 112 | 1}

    def of(self, address: bytes) -> bytes:
        if ordinary(address):
            return address
        known = self._of.get(address)
        if known is not None:
            return known
        size = len(address)
        while (found := self._next[size].to_bytes(size, "big")) in self._present:
            self._next[size] += 1
        self._next[size] += 1
        self._of[address] = found
        return found


def _ipv4(data: bytes) -> Prepared:
    if len(data) < 20 or (head := (data[0] & 15) * 4) < 20 or len(data) < head:
        raise Unfit("malformed IPv4 header")
    raw = bytearray(data)
    (total,) = struct.unpack_from("!H", raw, 2)
    if total == 0 and raw[9] == TCP and len(raw) <= 0xFFFF:  # segmentation offload leaves the length unfilled
        total = len(raw)
        struct.pack_into("!H", raw, 2, total)
    if total < head:
        raise Unfit("IPv4 total length below the header length")
    _fit(raw, total)
    damaged = len(data) >= total and ones_sum(raw[:head]) != 0xFFFF
    raw[8] = 64
    raw[20:head] = b"\x01" * (head - 20)
    (word,) = struct.unpack_from("!H", raw, 6)
    packet = Prepared(raw, 4, raw[9], bytes(raw[12:16]), bytes(raw[16:20]), head, bad_header=damaged)
    packet.offset, packet.more = (word & 0x1FFF) * 8, bool(word & 0x2000)
    if packet.more or packet.offset:
        packet.ident_at = 4
        (packet.ident,) = struct.unpack_from("!H", raw, 4)
    return packet


def _ipv6(data: bytes) -> Prepared:
    if len(data) < 40:
        raise Unfit("malformed IPv6 header")
    raw = bytearray(data)
    (size,) = struct.unpack_from("!H", raw, 4)
    following = raw[6]
    if size == 0 and following in (TCP, UDP) and 40 < len(raw) <= 0xFFFF + 40:
        size = len(raw) - 40
        struct.pack_into("!H", raw, 4, size)
    if size or following:  # else the length is in an option, or the frame's
        _fit(raw, 40 + size)
    if following == 0:
        _complete_options(raw, len(data))
    packet = Prepared(raw, 6, following, bytes(raw[8:24]), bytes(raw[24:40]), 40)
    at = 40
    while at + 8 <= len(raw):
        if following == FRAGMENT:
            (word,) = struct.unpack_from("!H", raw, at + 2)
            if size and not packet.ident_at:  # reassembly looks at the first one only, and never without a length
                packet.offset, packet.more = word & 0xFFF8, bool(word & 1)
                packet.ident_at = at + 4
                (packet.ident,) = struct.unpack_from("!I", raw, at + 4)
            following, at = raw[at], at + 8
            if word & 0xFFF8:
                break
        elif following in EXTENSIONS:
            following, at = raw[at], at + header_length(following, raw, at)
        else:
            break
    packet.proto, packet.l4 = following, at
    return packet


def header_length(kind: int, raw: bytearray, at: int) -> int:
    """Bytes of the extension header of this kind at `at`."""
    if kind == FRAGMENT:
        return 8
    return (raw[at + 1] + 2) * 4 if kind == _AUTH else (raw[at + 1] + 1) * 8


def _complete_options(raw: bytearray, captured: int) -> None:
    """Let the kernel take for good what the capture cut of a hop-by-hop header: an option of a kind that is skipped."""
    if captured >= len(raw) or len(raw) < 42 or (stop := 40 + header_length(0, raw, 40)) > len(raw):
        return
    at = 42
    while at < captured:
        at += 1 if raw[at] == 0 else 2 + raw[at + 1]
    while at + 2 <= stop:
        raw[at], raw[at + 1] = 0x1E, min(stop - at, 257) - 2
        at += 2 + raw[at + 1]


def _fit(raw: bytearray, size: int) -> None:
    """Cut link padding; fill what the snap length cut off with zeros."""
    if len(raw) > size:
        del raw[size:]
    else:
        raw.extend(bytes(size - len(raw)))


def _crc32c(data: bytes | bytearray) -> int:
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


def _seal(packet: Prepared) -> None:
    """Give a packet that the capture cut a checksum that is right for the bytes filled in: nobody can tell whether
    the true one was, so neither side is to find it wrong."""
    raw, at, proto = packet.raw, packet.l4, packet.proto
    if proto == SCTP and len(raw) >= at + 12:
        raw[at + 8 : at + 12] = bytes(4)
        struct.pack_into("<I", raw, at + 8, _crc32c(raw[at:]))
        return
    field = 2 if proto == ICMP else _CHECKSUM_AT.get(proto)
    if field is None or len(raw) < at + field + 2:
        return
    datagram = proto in (UDP, UDPLITE)
    if datagram and raw[at + 6 : at + 8] == b"\0\0":
        return
    raw[at + field : at + field + 2] = b"\0\0"
    covered = raw[at:]
    head = b"" if proto == ICMP else packet.src + packet.dst + struct.pack("!II", len(covered), proto)
    if proto == UDPLITE:  # the kernel verifies it with UDP's number and, over IPv4, eight bits of the length
        size = len(covered) & 0xFF if packet.family == 4 else len(covered)
        head = packet.src + packet.dst + struct.pack("!II", size, UDP)
        covered = covered[: struct.unpack_from("!H", raw, at + 4)[0] or len(covered)]
    value = ~ones_sum(head + covered) & 0xFFFF
    struct.pack_into("!H", raw, at + field, 0xFFFF if datagram and value == 0 else value)


def prepare(data: bytes) -> Prepared:
    """Raises Unfit for what is no IP packet."""
    version = data[0] >> 4 if data else 0
    if version == 4:
        packet = _ipv4(data)
    elif version == 6:
        packet = _ipv6(data)
    else:
        raise Unfit("no IP packet" if not data else f"IP version {version}")
    at, raw = packet.l4, packet.raw
    if not packet.offset and packet.proto in _PORTS and len(raw) >= at + 4:
        packet.sport, packet.dport = struct.unpack_from("!HH", raw, at)
        if packet.proto == TCP and len(raw) >= at + 14:
            packet.flags = raw[at + 13]
    if len(data) < len(raw) and not packet.fragment:
        _seal(packet)
    return packet


def udp_accepted(packet: Prepared, verify_checksums: bool) -> bool:
    """Whether conntrack takes this UDP packet for valid, by length and checksum."""
    data = bytes(packet.raw[packet.l4 :])
    if len(data) < 8:
        return False
    length, checksum = struct.unpack_from("!HH", data, 4)
    if not 8 <= length <= len(data):
        return False
    if not checksum or not verify_checksums:
        return True
    # the sum covers the whole IP payload whatever the UDP length says
    return ones_sum(packet.src + packet.dst + struct.pack("!II", len(data), UDP) + data) == 0xFFFF


def _quoted(packet: Prepared) -> int:
    """Offset of the packet quoted by an ICMP error, 0 if there is none."""
    at, raw = packet.l4, packet.raw
    if packet.offset or len(raw) < at + 8:
        return 0
    if packet.proto == ICMP and raw[at] in _ICMP_ERRORS:
        return at + 8
    if packet.proto == ICMP6 and raw[at] == 137:
        return at + 48
    return at + 8 if packet.proto == ICMP6 and raw[at] < 128 else 0


def addresses(packet: Prepared) -> list[bytes]:
    """Source and destination, also of a quoted packet."""
    found = [packet.src, packet.dst]
    inner = _quoted(packet)
    raw = packet.raw
    if inner and inner < len(raw):
        span = ((12, 4), (16, 4)) if packet.family == 4 else ((8, 16), (24, 16))
        found += [bytes(raw[inner + a : inner + a + n]) for a, n in span if len(raw) >= inner + a + n]
    return found


def readdress(packet: Prepared, stand_ins: StandIns) -> None:
    """Replace addresses that need a stand-in, also in a quoted packet."""
    if packet.family == 6 and (packet.src[0] == 0xFF or (packet.dst[0] == 0xFF and packet.dst[1] & 15 < 2)):
        return  # every kernel drops these on receipt, and so shall this one
    raw = packet.raw
    size = len(packet.src)
    at = 12 if packet.family == 4 else 8
    checksum = _CHECKSUM_AT.get(packet.proto)
    new_src, new_dst = stand_ins.of(packet.src), stand_ins.of(packet.dst)
    if (new_src, new_dst) != (packet.src, packet.dst):
        raw[at : at + 2 * size] = new_src + new_dst
        if checksum is not None and not packet.offset:
            where = packet.l4 + checksum
            _shift_checksum(raw, where, packet.src + packet.dst, new_src + new_dst, packet.proto == UDP)
        packet.src, packet.dst = new_src, new_dst
    inner = _quoted(packet)
    if inner and inner < len(raw):
        at = inner + at  # its version is not looked at, here as in the kernel
        old = bytes(raw[at : at + 2 * size])
        if len(old) == 2 * size:
            new = stand_ins.of(old[:size]) + stand_ins.of(old[size:])
            if new != old:
                raw[at : at + 2 * size] = new
                odd = (at - packet.l4) & 1
                if not odd:
                    _shift_checksum(raw, packet.l4 + 2, old, new, False)


def seal(packet: Prepared, keep_bad_header: bool) -> bytes:
    """The bytes to write: IPv4 gets a good header checksum, unless a wrong one is to stay wrong."""
    raw = packet.raw
    if packet.family == 4:
        head = (raw[0] & 15) * 4
        raw[10:12] = b"\0\0"
        wrong = keep_bad_header and packet.bad_header
        struct.pack_into("!H", raw, 10, (~ones_sum(raw[:head]) & 0xFFFF) ^ wrong)
    return bytes(raw)
