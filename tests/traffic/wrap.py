"""What can happen to any packet: IP options, extension headers, fragments, an ICMP error that quotes it."""

from __future__ import annotations

import random
import struct

from . import build as b

_CUTS = (0, 4, 8, 19, 20, 21, 22, 23, 24, 25, 27, 28, 29, 32, 39, 40, 41, 43, 44, 47, 48, 49, 52, 60)


def ip_options(rng: random.Random, packet: bytes) -> bytes:
    """An IPv4 packet with options in its header: padding, router alert, record route, timestamps."""
    kinds = (b"\x01" * rng.randrange(1, 41), b"\x94\x04\0\0", b"\x07\x07\x04" + bytes(4), b"\x44\x08\x05\0" + bytes(4))
    return b.ipv4(packet[12:16], packet[16:20], packet[9], packet[20:], options=rng.choice(kinds)[:40])


def extension_headers(rng: random.Random, packet: bytes) -> bytes:
    """An IPv6 packet with a chain before its payload, sometimes ending in nothing or cut short."""
    chain = []
    for _ in range(rng.choice((1, 1, 2, 3, 5))):
        kind = rng.choice((0, 43, 60, 60, 51, 44, 44))
        if kind == 0 and chain:
            kind = 60
        units = rng.choice((0, 0, 1, 2))
        body = bytes((0, units, 1, units * 8 + 4)) + bytes(units * 8 + 4)
        if kind == 43:
            body = bytes((0, units, 253, 0)) + bytes(units * 8 + 4)
        elif kind == 51:
            body = bytes((0, 4)) + bytes(22)
        elif kind == 44:
            body = struct.pack("!BBHI", 0, 0, 0, rng.getrandbits(32))
            if any(k == 44 for k, _ in chain):
                continue
        chain.append((kind, body))
    proto = 59 if rng.random() < 0.04 else packet[6]
    payload = packet[40:]
    if rng.random() < 0.05:
        payload = payload[: rng.randrange(len(payload) + 1)]
    whole = b.ipv6(packet[8:24], packet[24:40], proto, payload, chain)
    if rng.random() < 0.05:  # ends inside the chain
        cut = rng.randrange(len(whole) - 40 + 1)
        whole = whole[:4] + struct.pack("!H", cut) + whole[6 : 40 + cut]
    return whole


def fragments(rng: random.Random, packet: bytes) -> list[tuple[int, bytes]]:
    """`(gap, fragment)`: any order, now and then with a duplicate, an overlap, a missing one or a long pause."""
    four = packet[0] >> 4 == 4
    size = len(packet) - ((packet[0] & 15) * 4 if four else 40)
    cuts = [8 * rng.randrange(1, max(2, (size + 7) // 8)) for _ in range(rng.randrange(1, 4))]
    ident = rng.choice((rng.randrange(1, 6), rng.getrandbits(16)))
    pieces = (b.fragments4 if four else b.fragments6)(packet, cuts, ident)
    roll = rng.random()
    if roll < 0.10:
        pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(pieces))
    elif roll < 0.20:  # another cut of the same packet: overlaps
        other = (b.fragments4 if four else b.fragments6)(packet, [8 * rng.randrange(1, 9) for _ in range(2)], ident)
        pieces.insert(rng.randrange(len(pieces) + 1), rng.choice(other))
    elif roll < 0.27:
        pieces.pop(rng.randrange(len(pieces)))
    elif roll < 0.31 and len(pieces) > 1:  # a middle one whose length is no multiple of eight
        at = rng.randrange(len(pieces))
        short = pieces[at][:-3]
        fixed = struct.pack("!H", len(short) if four else len(short) - 40)
        at_length = 2 if four else 4
        pieces[at] = short[:at_length] + fixed + short[at_length + 2 :]
        if four:
            head = pieces[at][:10] + b"\0\0" + pieces[at][12:20]
            pieces[at] = head[:10] + struct.pack("!H", b.internet_checksum(head)) + pieces[at][12:]
    if rng.random() < 0.7:
        rng.shuffle(pieces)
    out = []
    for piece in pieces:
        pause = rng.randrange(1, 2_000_000)
        if rng.random() < 0.02:
            pause = rng.choice((29, 30, 31, 59, 60, 61)) * 1_000_000_000 + rng.choice((-1, 0, 1, 500_000_000))
        out.append((pause, piece))
    return out


def icmp_error(rng: random.Random, quoted: bytes, bad: float) -> bytes:
    """An ICMP error about `quoted`, cut anywhere, mostly sent to the one who would get it."""
    four = quoted[0] >> 4 == 4
    if four:
        inner_src, router, proto = quoted[12:16], bytes((192, 0, 2, rng.randrange(1, 4))), b.ICMP
        kind = rng.choice((3, 3, 3, 11, 12, 4, 5, 1, 2, 19))
    else:
        inner_src, router, proto = quoted[8:24], bytes.fromhex("20010db8000000000000000000ff0001"), b.ICMP6
        kind = rng.choice((1, 1, 2, 3, 4, 0, 100, 127, 137))
    inner = quoted[: rng.choice((len(quoted), len(quoted), rng.choice(_CUTS), rng.randrange(len(quoted) + 1)))]
    rest = bytes(4)
    if kind == 137:
        rest = bytes(4) + bytes(32) + rng.choice((b"\x04\x01", b"\x04\0", b"\x01\x01", b"\x04\x05")) + bytes(6)
        if rng.random() < 0.7:
            router = bytes.fromhex("fe800000000000000000000000000001")
    dst = inner_src
    if rng.random() < 0.12:
        dst = quoted[16:20] if four else quoted[24:40]
    segment = b.icmp(kind, rng.choice((0, 1, 3, 4)), rest, inner)
    if rng.random() < 0.03:
        segment = segment[: rng.randrange(len(segment) + 1)]
    error = 1 if rng.random() < bad else 0
    return b.ip(router, dst, proto, b.with_checksum(router, dst, proto, segment, error))
