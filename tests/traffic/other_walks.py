"""UDP, UDP-Lite, ICMP, SCTP, GRE and protocols without a tracker of their own."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator

from . import build as b

MS, S = 1_000_000, 1_000_000_000
Step = tuple[int, bytes]


def _gap(rng: random.Random, timeouts: tuple[int, ...]) -> int:
    if rng.random() < 0.85:
        return int(rng.expovariate(1 / (200 * MS))) + 1
    return max(1, rng.choice(timeouts) * S + rng.choice((-S, -1, 0, 1, S)))


def _sealed(rng: random.Random, src: bytes, dst: bytes, proto: int, segment: bytes, bad: float) -> bytes:
    error = 1 + rng.randrange(9) if rng.random() < bad else 0
    return b.ip(src, dst, proto, b.with_checksum(src, dst, proto, segment, error))


def udp(rng: random.Random, a: bytes, c: bytes, bad: float) -> Iterator[Step]:
    """Few packets per flow: each pair more than two seconds apart costs the referee real time."""
    proto = rng.choice((b.UDP, b.UDP, b.UDP, b.UDPLITE))
    sport, dport = rng.choice((5000, 5001, 0)), rng.choice((53, 4500, 0))
    while True:
        way = rng.randrange(2)
        ends = ((a, c, sport, dport), (c, a, dport, sport))[way]
        data = bytes(rng.randrange(40))
        length = None
        if rng.random() < 0.15:
            length = rng.choice((0, 1, 7, 8, 8 + len(data) - 1, 8 + len(data) + 1, 65535, 9))
        segment = b.udp(ends[2], ends[3], data, length)
        if proto == b.UDPLITE and rng.random() < 0.6:
            segment = b.udp(ends[2], ends[3], data, rng.choice((0, 8, 8 + len(data))))
        if rng.random() < 0.04:
            segment = segment[: rng.randrange(9)]
        if rng.random() < 0.1:
            packet = b.ip(ends[0], ends[1], proto, segment)  # checksum field zero: not verified for UDP
        else:
            packet = _sealed(rng, ends[0], ends[1], proto, segment, bad)
        yield _gap(rng, (2, 3, 30, 120)), packet


def icmp(rng: random.Random, a: bytes, c: bytes, bad: float) -> Iterator[Step]:
    """Queries, answers, answers without a query, every type, short ones."""
    four = len(a) == 4
    proto = b.ICMP if four else b.ICMP6
    queries = ((8, 0), (13, 14), (15, 16), (17, 18)) if four else ((128, 129), (139, 140))
    while True:
        kind, answer = rng.choice(queries)
        ident = struct.pack("!HH", rng.choice((7, 8, 0)), rng.randrange(3))
        roll = rng.random()
        src, dst, code = a, c, rng.choice((0, 0, 0, 0, 1))
        if roll < 0.4:
            src, dst, kind = c, a, answer
        elif roll < 0.6:
            kind = rng.randrange(256) if rng.random() < 0.3 else rng.randrange(20 if four else 156)
            src, dst = rng.choice(((a, c), (c, a)))
        segment = b.icmp(kind, code, ident, bytes(rng.randrange(50)))
        if rng.random() < 0.04:
            segment = segment[: rng.randrange(9)]
        if rng.random() < 0.03:
            proto_now = b.ICMP6 if four else b.ICMP  # the other family's protocol
        else:
            proto_now = proto
        yield _gap(rng, (30, 29, 1)), _sealed(rng, src, dst, proto_now, segment, bad)


_INIT_BODY = struct.Struct("!IIHHI")


def _random_chunk(rng: random.Random, tag: int) -> bytes:
    kind = rng.choice((0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 14, 192, 255))
    body = _INIT_BODY.pack(tag, 1000, 1, 1, 5) if kind in (1, 2) else bytes(rng.choice((0, 4, 8, 12)))
    if kind in (1, 2) and rng.random() < 0.1:
        body = body[: rng.randrange(16)]
    length = rng.choice((0, 1, 3, 4, 1000)) if rng.random() < 0.04 else None
    return b.chunk(kind, rng.choice((0, 0, 1, 3)), body, length)


def sctp(rng: random.Random, a: bytes, c: bytes, bad: float) -> Iterator[Step]:
    """An association that mostly follows the rules, with bundles, wrong tags and restarts in between."""
    sport, dport = rng.choice((3000, 3001)), rng.choice((36412, 2905))
    ends = ((a, c, sport, dport), (c, a, dport, sport))
    tags = [0x1111, 0x2222]  # the tag that packets towards each side's peer carry: tags[way] for packets of `way`

    def packet(way: int, chunks: list[bytes], tag: int | None = None) -> bytes:
        src, dst, one, two = ends[way]
        tag = tags[way] if tag is None else tag
        if rng.random() < 0.05:
            tag = rng.choice((0, tags[1 - way], rng.getrandbits(32)))
        data = b.sctp(one, two, tag, chunks)
        if rng.random() < 0.02:
            data = data[: rng.randrange(len(data) + 1)]
        return _sealed(rng, src, dst, b.SCTP, data, bad)

    def init(way: int, kind: int = 1) -> bytes:
        if rng.random() < 0.7 or kind == 1:
            tags[1 - way] = rng.randrange(1, 5) << 16 | rng.randrange(1, 1000)
        body = _INIT_BODY.pack(tags[1 - way], 1000, 1, 1, 5)
        return b.chunk(kind, 0, body)

    gaps = (3, 10, 210, 30, 1)
    while True:
        roll = rng.random()
        way = rng.randrange(2)
        steps: list[bytes] = []
        if roll < 0.30:
            steps = [packet(way, [init(way)], 0)]
            if rng.random() < 0.2:  # both sides open
                steps.append(packet(1 - way, [init(1 - way)], 0))
            if rng.random() < 0.9:
                steps.append(packet(1 - way, [init(1 - way, 2)]))
            if rng.random() < 0.9:
                steps.append(packet(way, [b.chunk(10, 0, bytes(8)), *([b.chunk(0, 3, bytes(12))] * rng.randrange(2))]))
            if rng.random() < 0.9:
                steps.append(packet(1 - way, [b.chunk(11), *([b.chunk(3, 0, bytes(12))] * rng.randrange(2))]))
        elif roll < 0.45:
            steps = [packet(way, [b.chunk(rng.choice((0, 3)), 3, bytes(12))])]
        elif roll < 0.55:
            steps = [packet(way, [b.chunk(4, 0, bytes(8))]), packet(1 - way, [b.chunk(5, 0, bytes(8))])]
        elif roll < 0.65:
            steps = [packet(way, [b.chunk(7, 0, bytes(4))]), packet(1 - way, [b.chunk(8)]), packet(way, [b.chunk(14)])]
        elif roll < 0.70:
            steps = [packet(way, [b.chunk(6, rng.randrange(2))], rng.choice((None, tags[1 - way])))]
        else:
            count = rng.choice((1, 1, 1, 2, 2, 3, 0))
            steps = [packet(way, [_random_chunk(rng, rng.choice((*tags, 9))) for _ in range(count)])]
        for step in steps:
            yield _gap(rng, gaps), step


def gre(rng: random.Random, a: bytes, c: bytes, bad: float) -> Iterator[Step]:
    """Version 0 with and without key, version 1 (PPTP), other versions, short headers."""
    while True:
        src, dst = rng.choice(((a, c), (c, a)))
        version = rng.choice((0, 0, 0, 1, 1, 1, 2, 7))
        flags = rng.choice((0, 0x20, 0x30, 0x80))
        rest = struct.pack("!HH", 20, rng.choice((0x1234, 0x5678))) + bytes(rng.randrange(30))
        data = b.gre(version, rng.choice((0x880B, 0x880B, 0x0800)), rest, flags)
        if rng.random() < 0.15:
            data = data[: rng.randrange(9)]
        yield _gap(rng, (30, 180)), b.ip(src, dst, b.GRE, data)


def generic(rng: random.Random, a: bytes, c: bytes, bad: float) -> Iterator[Step]:
    """Protocols without ports."""
    while True:
        src, dst = rng.choice(((a, c), (c, a)))
        four = len(a) == 4
        proto = rng.choice((33, 50, 89, 2, 103, 253, 41, 4) + ((51, 60, 0) if four else (59, 62, 115)))
        yield _gap(rng, (600, 599)), b.ip(src, dst, proto, bytes(rng.randrange(1, 40)))
